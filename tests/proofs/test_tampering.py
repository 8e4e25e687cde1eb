"""P5 (tampering shows): each attack is plain SQL on the store's file, after a real conversation.

The adviser is warned in the inbox and in the thread. The source is never shown a message that is not from the
desk. No one gets a page that only says "error".
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from crypto.age import PQRecipient
from crypto.errors import CryptoError, MalformedError
from crypto.passphrase import RootKey
from journalist_app import create_adviser_app
from protocol import entry, keyring
from protocol.attachment import AttachmentSealer
from protocol.content import Content, Kind
from protocol.entry import SignedEntry
from protocol.envelope import EntryClass, Envelope
from protocol.heads import Heads
from protocol.identifiers import Address, Digest, EntryId, StrandId, receipt_number
from protocol.mailbox_keys import derive_mailbox_keys
from protocol.strand import DeskWriter, EntryWriter, SourceWriter
from protocol.transcript.ending import proof_to_bytes
from stored_mailbox.reading import read_stored
from tests.journalist_app.desk_factories import CHEAP, TODAY, a_letterhead, publish
from tests.journalist_app.views.test_views import AdviserBrowser, answer_fields
from tests.pages import hook
from tests.proofs.conversation import (
    ANSWER,
    FILE,
    QUESTION,
    THANKS,
    MailboxSystem,
    ProofSource,
    a_conversation,
    a_mailbox_system,
)

pytestmark = pytest.mark.slow  # each attack starts after a whole conversation

NOT_SIGNED = 'data-fault="bad_signature"'
OTHER_MAILBOX = 'data-fault="wrong_address"'
UNKNOWN_STRAND = 'data-fault="unknown_strand"'
MISSING = 'data-fault="missing"'
ROLLED_BACK = 'data-fault="rolled_back"'
LOST = 'data-fault="lost"'
DAMAGED_ROW = 'data-fault="damaged_row"'
CHANGED = 'data-fault="bad_payload"'
TWICE = 'data-fault="replayed"'
RESTORED = 'data-fault="restored"'
DOES_NOT_OPEN = 'data-fault="unreadable"'
GONE = 'data-fault="gone"'
FALSE_ENDING = 'data-fault="false_ending"'
COME_BACK = 'data-fault="come_back"'
HIDDEN = 'data-fault="wrong_state"'
SWAPPED_KEYS = 'data-fault="wrong_keys"'

UNSOUND = re.compile(r'data-unsound="[1-9]')
LEFT_OUT = hook("notice", "left_out")
SOURCE_MISSES = hook("notice", "missing")
TEXT_GONE = hook("notice", "lost")

# Words in the mailbox :a by author (0 is the source, 1 the desk), in order. Only words have an epoch.
_WORDS = (
    "(SELECT id FROM entry WHERE address = :a AND author = {} AND epoch > 0"
    " ORDER BY number LIMIT 1 OFFSET {})"
)
_NEWEST_WITHOUT_WORDS = (
    "DELETE FROM entry WHERE author = 0 AND epoch = 0 AND number = (SELECT max(number) FROM entry)"
)
FIRST, SECOND, REPLY = _WORDS.format(0, 0), _WORDS.format(0, 1), _WORDS.format(1, 0)


@pytest.fixture
def conversation(tmp_path: Path) -> tuple[MailboxSystem, ProofSource]:
    return a_conversation(tmp_path)


@pytest.fixture
def system(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MailboxSystem]:
    """Set up both interfaces: those of the conversation if the test uses its source, else empty ones."""
    needs_source = "source" in request.fixturenames
    made = request.getfixturevalue("conversation")[0] if needs_source else a_mailbox_system(tmp_path)
    yield made
    made.close()


@pytest.fixture
def source(conversation: tuple[MailboxSystem, ProofSource]) -> ProofSource:
    return conversation[1]


def assert_adviser_is_warned(
    system: MailboxSystem, source: ProofSource, *words: str, may_answer: bool = False
) -> None:
    """Check that an adviser sees these faults in the inbox, before opening the thread, and in the thread.

    An adviser may answer in a mailbox from which an entry is missing: otherwise, the operator of the server
    could block a mailbox for good.
    """
    seen = system.adviser_view(source)
    assert UNSOUND.search(seen.inbox)
    for each in words:
        assert each in seen.inbox
        assert each in seen.thread
    assert ("<textarea" in seen.thread) == may_answer


def flip(system: MailboxSystem, table: str, column: str, which: str, address: bytes, at: int = 0) -> None:
    """Change one byte of a column, counted from the end when `at` is negative."""
    ((before,),) = system.query(f"SELECT {column} FROM {table} WHERE id = {which}", a=address)
    place = at % len(before)
    after = before[:place] + bytes([before[place] ^ 1]) + before[place + 1 :]
    system.sql(f"UPDATE {table} SET {column} = :after WHERE id = {which}", a=address, after=after)


def delete(which: str) -> tuple[str, str]:
    return f"DELETE FROM sealed WHERE id = {which}", f"DELETE FROM entry WHERE id = {which}"


# ---- removing -------------------------------------------------------------------------------------


def test_an_entry_dropped_from_the_middle_is_detected(system: MailboxSystem, source: ProofSource) -> None:
    system.sql(*delete(FIRST), a=source.keys.address)

    assert_adviser_is_warned(system, source, MISSING, may_answer=True)
    assert SOURCE_MISSES in source.mailbox_page()


def test_the_newest_entry_dropped_after_the_adviser_saw_it_is_detected(
    system: MailboxSystem, source: ProofSource
) -> None:
    system.sql(
        "DELETE FROM entry WHERE address = :a AND author = 1 AND number = (SELECT max(number) FROM entry"
        " WHERE author = 1)",
        *delete(SECOND),
        "UPDATE mailbox SET waiting_since = NULL WHERE address = :a",
        a=source.keys.address,
    )

    assert_adviser_is_warned(system, source, ROLLED_BACK)


def test_a_reply_dropped_after_the_source_wrote_on_is_detected_by_both(
    system: MailboxSystem, source: ProofSource
) -> None:
    system.sql(
        "DELETE FROM sealed WHERE id IN (SELECT id FROM entry WHERE address = :a AND author = 1)",
        "DELETE FROM entry WHERE address = :a AND author = 1",
        a=source.keys.address,
    )

    assert_adviser_is_warned(system, source, MISSING, ROLLED_BACK)
    assert SOURCE_MISSES in source.mailbox_page()


def test_a_store_rolled_back_to_yesterdays_copy_is_detected(system: MailboxSystem, tmp_path: Path) -> None:
    source = system.a_source()
    source.writes(QUESTION)
    system.adviser_view(source)
    system.copy_to(tmp_path / "yesterday.db")
    system.adviser_answers(source, ANSWER)
    newcomer = system.a_source()
    newcomer.writes("written today")
    system.adviser_view(newcomer)

    system.restore_copy(tmp_path / "yesterday.db")

    assert_adviser_is_warned(system, source, ROLLED_BACK)
    assert GONE in system.adviser_view(newcomer, thread_status=404).inbox


def test_an_entry_written_over_a_rolled_back_one_is_detected(
    system: MailboxSystem, source: ProofSource, tmp_path: Path
) -> None:
    """The source does not know of the roll-back. The adviser's trusted state has another third message."""
    system.copy_to(tmp_path / "yesterday.db")
    source.writes("a third message that the adviser reads")
    system.adviser_view(source)
    system.restore_copy(tmp_path / "yesterday.db")
    source.writes("another third message")

    assert_adviser_is_warned(system, source, ROLLED_BACK)


def test_a_whole_mailbox_removed_is_detected(system: MailboxSystem, source: ProofSource) -> None:
    system.sql(
        *(f"DELETE FROM {table} WHERE address = :a" for table in ("attachment", "entry", "mailbox")),
        a=source.keys.address,
    )

    seen = system.adviser_view(source, thread_status=404)

    assert 'data-unsound="1"' in seen.inbox
    assert GONE in seen.inbox


def test_a_mailbox_whose_ending_was_forged_is_detected(system: MailboxSystem, source: ProofSource) -> None:
    attacker = SourceWriter(derive_mailbox_keys(RootKey(bytes(32))))
    _end_with(system, source, _an_end(source.keys.address, attacker))

    seen = system.adviser_view(source, thread_status=404)

    assert 'data-unsound="1"' in seen.inbox
    assert FALSE_ENDING in seen.inbox


def test_a_mailbox_ended_with_the_end_of_another_is_detected(
    system: MailboxSystem, source: ProofSource
) -> None:
    other = system.a_source()
    _end_with(system, source, _an_end(other.keys.address, SourceWriter(other.keys)))

    assert FALSE_ENDING in system.adviser_view(source, thread_status=404).inbox


def _an_end(address: Address, by: EntryWriter) -> bytes:
    envelope = Envelope(address, EntryId(bytes(16)), EntryClass.END, by.strand, (), (), TODAY, 1)
    return proof_to_bytes([entry.sign_entry(envelope, by=by)])


def _end_with(system: MailboxSystem, source: ProofSource, proof: bytes) -> None:
    system.sql(
        "INSERT INTO ended_mailbox SELECT id, address, recipient, verify_key, :s, '2026-11-23'"
        " FROM mailbox WHERE address = :a",
        *(f"DELETE FROM {table} WHERE address = :a" for table in ("attachment", "entry", "mailbox")),
        a=source.keys.address,
        s=proof,
    )


def test_a_mailbox_restored_after_its_source_ended_it_is_detected(
    system: MailboxSystem, source: ProofSource, tmp_path: Path
) -> None:
    system.copy_to(tmp_path / "yesterday.db")
    end = "/en/mailbox/end"
    ended = source.browser.post(end, {**source.browser.hidden(source.browser.get(end), end), "sure": "y"})
    assert ended.status_code == 303
    adviser = system.an_adviser()
    action = f"/inbox/ended/{source.keys.address.hex()}"
    page = adviser.get("/inbox?state=closed").text
    form = page[page.index(f'action="{action}"') :]
    token = form[form.index('name="token" value="') + 20 :].partition('"')[0]
    assert adviser.post(action, {"token": token}).status_code == 303

    system.restore_copy(tmp_path / "yesterday.db")

    assert_adviser_is_warned(system, source, COME_BACK)


def test_a_waiting_mailbox_hidden_among_the_answered_ones_is_detected(
    system: MailboxSystem, source: ProofSource
) -> None:
    system.sql("UPDATE mailbox SET waiting_since = NULL", a=source.keys.address)

    assert_adviser_is_warned(system, source, HIDDEN)


# ---- moving ---------------------------------------------------------------------------------------


def test_two_encrypted_parts_swapped_are_detected(system: MailboxSystem, source: ProofSource) -> None:
    _swap(system, source, "sealed", "header", "payload")

    assert_adviser_is_warned(system, source, CHANGED)
    page = source.mailbox_page()
    assert LEFT_OUT in page
    assert QUESTION not in page
    assert THANKS not in page


def test_two_headers_swapped_are_detected(system: MailboxSystem, source: ProofSource) -> None:
    _swap(system, source, "sealed", "header")

    assert_adviser_is_warned(system, source, DOES_NOT_OPEN, may_answer=True)
    assert LEFT_OUT in source.mailbox_page()


def test_two_envelopes_and_signatures_swapped_are_detected(
    system: MailboxSystem, source: ProofSource
) -> None:
    _swap(system, source, "entry", "envelope", "signature")

    assert_adviser_is_warned(system, source, DAMAGED_ROW)
    assert THANKS not in source.mailbox_page()


def test_two_numbers_swapped_are_detected_and_the_signed_order_is_shown(
    system: MailboxSystem, source: ProofSource
) -> None:
    system.sql(
        "UPDATE entry SET number = number + 10 WHERE address = :a AND author = 0",
        "UPDATE entry SET number = 13 - number WHERE address = :a AND author = 0",
        a=source.keys.address,
    )

    assert_adviser_is_warned(system, source, DAMAGED_ROW)
    page = source.mailbox_page()
    assert page.index(THANKS) < page.index(ANSWER) < page.index(QUESTION)  # the newest is on top


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entry SET number = 7 WHERE id = {}",
        "UPDATE entry SET day = '2020-02-02' WHERE id = {}",
        "UPDATE entry SET author = 1 WHERE id = {}",
        "UPDATE entry SET strand = X'0102030405060708' WHERE id = {}",
        "UPDATE entry SET digest = zeroblob(32) WHERE id = {}",
        "UPDATE entry SET entry_id = zeroblob(16) WHERE id = {}",
    ],
)
def test_a_column_that_differs_from_the_signed_envelope_is_detected(
    system: MailboxSystem, source: ProofSource, change: str
) -> None:
    system.sql(change.format(SECOND), a=source.keys.address)

    assert_adviser_is_warned(system, source, DAMAGED_ROW)


def test_an_entry_replayed_in_its_own_mailbox_is_detected(system: MailboxSystem, source: ProofSource) -> None:
    _copy_entry(system, REPLY, source, into=source)

    assert_adviser_is_warned(system, source, TWICE)
    page = source.mailbox_page()
    assert LEFT_OUT in page
    assert 1 == page.count(ANSWER)


@pytest.mark.parametrize("which", [FIRST, REPLY], ids=["a message", "a reply"])
def test_an_entry_replayed_in_another_mailbox_is_detected(
    system: MailboxSystem, source: ProofSource, which: str
) -> None:
    other = system.a_source()
    other.writes("what the other one asks")
    _copy_entry(system, which, source, into=other)

    assert_adviser_is_warned(system, other, OTHER_MAILBOX)
    page = other.mailbox_page()
    assert LEFT_OUT in page
    assert ANSWER not in page
    assert QUESTION not in system.adviser_view(other).thread


def _swap(system: MailboxSystem, source: ProofSource, table: str, *columns: str) -> None:
    names = ", ".join(columns)
    (first,) = system.query(f"SELECT {names} FROM {table} WHERE id = {FIRST}", a=source.keys.address)
    (second,) = system.query(f"SELECT {names} FROM {table} WHERE id = {SECOND}", a=source.keys.address)
    for which, values in ((FIRST, second), (SECOND, first)):
        for column, value in zip(columns, values, strict=True):
            system.sql(f"UPDATE {table} SET {column} = :v WHERE id = {which}", a=source.keys.address, v=value)


def _copy_entry(system: MailboxSystem, which: str, source: ProofSource, *, into: ProofSource) -> None:
    system.sql(
        "INSERT INTO entry SELECT 77, :into, author, strand, number + 5, zeroblob(16), digest, envelope,"
        f" signature, epoch, day FROM entry WHERE id = {which}",
        f"INSERT INTO sealed SELECT 77, size, shield, header, payload FROM sealed WHERE id = {which}",
        a=source.keys.address,
        into=into.keys.address,
    )


# ---- changing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 60, 150, -1])
def test_a_byte_flipped_in_an_envelope_is_detected(
    system: MailboxSystem, source: ProofSource, at: int
) -> None:
    flip(system, "entry", "envelope", SECOND, source.keys.address, at)

    seen = system.adviser_view(source)
    assert any(each in seen.thread for each in (NOT_SIGNED, OTHER_MAILBOX, UNKNOWN_STRAND, DAMAGED_ROW))
    assert UNSOUND.search(seen.inbox)
    assert THANKS not in seen.thread
    page = source.mailbox_page()
    assert LEFT_OUT in page
    assert THANKS not in page


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [("entry", "signature", NOT_SIGNED), ("sealed", "header", DOES_NOT_OPEN), ("sealed", "payload", CHANGED)],
)
@pytest.mark.parametrize("at", [0, -1])
@pytest.mark.parametrize("which", [SECOND, REPLY], ids=["a message", "a reply"])
def test_a_byte_flipped_in_an_entry_is_detected(
    system: MailboxSystem, source: ProofSource, table: str, column: str, words: str, at: int, which: str
) -> None:
    flip(system, table, column, which, source.keys.address, at)

    assert_adviser_is_warned(system, source, words, may_answer=column == "header")
    page = source.mailbox_page()
    assert LEFT_OUT in page
    assert (THANKS if which == SECOND else ANSWER) not in page


def file_path(page: str) -> str:
    """Return the path of the only file on an adviser's page, which links to a page that shows the file."""
    ((where, attachment_id),) = set(re.findall(r'"(/mailbox/[0-9a-f]+)/look/([0-9a-f]+)', page))
    return f"{where}/files/{attachment_id}"


@pytest.mark.parametrize("part", ["header", "payload"])
def test_a_byte_flipped_in_a_file_is_detected_and_the_download_is_not_whole(
    system: MailboxSystem, source: ProofSource, part: str
) -> None:
    adviser = system.an_adviser()
    link = file_path(adviser.get(source.path).text)
    (own_link,) = {each for each in source.mailbox_page().split('"') if "/files/" in each}
    assert FILE == adviser.get(link).data
    assert FILE == source.browser.get(own_link).data
    attachment = "(SELECT id FROM attachment WHERE address = :a)"
    chunk = f"(SELECT id FROM chunk WHERE attachment_row = {attachment})"
    flip(system, "sealed", part, attachment if part == "header" else chunk, source.keys.address, -30)

    for browser, path in ((adviser, link), (source.browser, own_link)):
        try:
            answer = browser.get(path)
            # The length was sent before the damage was read: a shorter answer is a broken download.
            is_whole = answer.status_code == 200 and len(answer.data) == int(answer.headers["Content-Length"])
        except CryptoError:
            is_whole = False  # the server closes the connection
        assert not is_whole


def test_a_file_replaced_by_another_that_decrypts_is_not_sent(
    system: MailboxSystem, source: ProofSource
) -> None:
    """The attacker can encrypt to both recipients. The entry contains the digest of the real file."""
    adviser = system.an_adviser()
    link = file_path(adviser.get(source.path).text)
    ((attachment_id, entry_id),) = system.query("SELECT attachment_id, entry_id FROM attachment")
    sealer = AttachmentSealer(
        [system.world.letterhead.current_epoch[1], PQRecipient.from_bytes(source.keys.recipient)],
        source.keys.address,
        EntryId(entry_id),
        attachment_id,  # type: ignore[arg-type]  # as it is in the store
    )
    forged = sealer.update(b"a forged page")
    last, _ = sealer.finish("dossier.pdf", "application/pdf")
    system.sql(
        "UPDATE sealed SET header = :h WHERE id IN (SELECT id FROM attachment)",
        "UPDATE sealed SET payload = :p WHERE id IN (SELECT id FROM chunk)",
        h=sealer.header,
        p=forged + last,
    )

    answer = adviser.get(link)

    assert answer.status_code == 409
    assert b"a forged page" not in answer.data


@pytest.mark.parametrize("column", ["recipient", "verify_key"])
def test_a_replaced_key_of_a_mailbox_is_detected_and_nothing_is_encrypted_to_it(
    system: MailboxSystem, source: ProofSource, column: str
) -> None:
    adviser = system.an_adviser()
    fields = answer_fields(adviser.get(source.path), "for the source alone")
    ((before,),) = system.query("SELECT count(*) FROM entry WHERE author = 1")
    attacker = derive_mailbox_keys(RootKey(bytes(32)))
    system.sql(
        f"UPDATE mailbox SET {column} = :k WHERE address = :a",
        a=source.keys.address,
        k=getattr(attacker, column),
    )

    refused = adviser.answer(source.path, fields)

    assert refused.status_code == 409
    assert before == system.query("SELECT count(*) FROM entry WHERE author = 1")[0][0]
    assert_adviser_is_warned(system, source, SWAPPED_KEYS)
    assert ANSWER in source.mailbox_page()


def test_both_keys_of_a_mailbox_replaced_before_the_first_answer_are_detected(system: MailboxSystem) -> None:
    source = system.a_source()
    source.writes(QUESTION)
    attacker = derive_mailbox_keys(RootKey(bytes(32)))
    system.sql(
        "UPDATE mailbox SET recipient = :r, verify_key = :v", r=attacker.recipient, v=attacker.verify_key
    )

    assert_adviser_is_warned(system, source, SWAPPED_KEYS)


# ---- forging --------------------------------------------------------------------------------------


def test_a_payload_of_another_source_signed_as_ones_own_is_not_shown(
    system: MailboxSystem, source: ProofSource
) -> None:
    """Mallory copies Alice's header and payload, and signs them for their own mailbox.

    The desk's stanza in the header decrypts them. Without the commitment in the envelope, Mallory could ask
    the desk for the text.
    """
    mallory = system.a_source()
    mallory.writes("an honest beginning")
    ((header, payload, envelope),) = system.query(
        f"SELECT header, payload, envelope FROM entry JOIN sealed USING (id) WHERE entry.id = {FIRST}",
        a=source.keys.address,
    )
    stolen = Envelope.from_bytes(envelope)
    own = replace(stolen, address=mallory.keys.address, heads=_heads(system, mallory), unseen=())
    by = SourceWriter(mallory.keys)
    _insert(system, SignedEntry(own, by.sign(own.to_bytes()), 1, header, payload))

    assert_adviser_is_warned(system, mallory, DOES_NOT_OPEN, may_answer=True)
    assert QUESTION not in system.adviser_view(mallory).thread
    page = mallory.mailbox_page()
    assert LEFT_OUT in page
    assert QUESTION not in page


def _heads(system: MailboxSystem, source: ProofSource) -> Heads:
    """Return the heads that a new entry in the mailbox would name."""
    with system.world.store.reading() as session:
        found = read_stored(session, source.keys.address, system.world.letterhead.strand_keys)
    assert found is not None
    return found.transcript.heads


def _forged(system: MailboxSystem, source: ProofSource, by: EntryWriter, words: str) -> SignedEntry:
    return entry.seal_words(
        Content(kind=Kind.MESSAGE, text=words, attachments=()),
        address=source.keys.address,
        mailbox_recipient=source.keys.identity.recipient,
        letterhead=system.world.letterhead,
        by=by,
        entry_id=EntryId(bytes(range(16))),
        heads=_heads(system, source),
        unseen=(),
        day=TODAY,
    )


def _insert(system: MailboxSystem, signed: SignedEntry) -> None:
    part = signed.envelope
    system.sql(
        "INSERT INTO entry VALUES (78, :a, :author, :strand, :number, :e, :digest, :part, :s, :epoch, :day)",
        "INSERT INTO sealed VALUES (78, 1, zeroblob(4096), :header, :payload)",
        a=part.address,
        author=int(part.author),
        strand=part.strand,
        number=part.number,
        e=part.entry_id,
        digest=signed.digest,
        part=part.to_bytes(),
        s=signed.signature,
        epoch=signed.epoch,
        day=part.day.isoformat(),
        header=signed.header,
        payload=signed.payload,
    )


def test_a_forged_reply_in_the_desks_name_is_detected_and_never_shown_to_the_source(
    system: MailboxSystem, source: ProofSource
) -> None:
    strand = system.world.keyring.strand.id
    words = "come to the side door"
    _insert(system, _forged(system, source, DeskWriter(strand, bytes(32)), words))

    assert_adviser_is_warned(system, source, NOT_SIGNED)
    page = source.mailbox_page()
    assert words not in page
    assert LEFT_OUT in page
    assert ANSWER in page


def test_a_reply_of_an_unknown_workstation_is_detected_and_never_shown_to_the_source(
    system: MailboxSystem, source: ProofSource
) -> None:
    forger = DeskWriter(StrandId(b"nowhere!"), bytes(32))
    _insert(system, _forged(system, source, forger, "come to the side door"))

    assert_adviser_is_warned(system, source, UNKNOWN_STRAND)
    page = source.mailbox_page()
    assert "come to the side door" not in page
    assert LEFT_OUT in page


def test_a_message_forged_in_the_sources_name_is_detected(system: MailboxSystem, source: ProofSource) -> None:
    forger = SourceWriter(replace(source.keys, signing_key=SigningKey(bytes(32))))
    words = "I take it all back"
    _insert(system, _forged(system, source, forger, words))

    assert_adviser_is_warned(system, source, NOT_SIGNED)
    assert words not in system.adviser_view(source).thread
    assert words not in source.mailbox_page()


def test_a_reply_to_one_source_is_never_shown_to_another(system: MailboxSystem, source: ProofSource) -> None:
    """Attack: an entry that the desk really signed is copied to another mailbox, and every column is made
    to fit.
    """
    other = system.a_source()
    other.writes("what the other one asks")
    ((header, payload, envelope, signature),) = system.query(
        "SELECT header, payload, envelope, signature FROM entry JOIN sealed USING (id)"
        f" WHERE entry.id = {REPLY}",
        a=source.keys.address,
    )
    own = replace(Envelope.from_bytes(envelope), address=other.keys.address)
    _insert(system, SignedEntry(own, signature, 1, header, payload))

    assert_adviser_is_warned(system, other, NOT_SIGNED)
    page = other.mailbox_page()
    assert ANSWER not in page
    assert LEFT_OUT in page


# ---- removals -------------------------------------------------------------------------------------


def _delete_through_the_interface(source: ProofSource, entry_id: str) -> None:
    path = f"/en/mailbox/delete/{entry_id}"
    browser = source.browser
    assert browser.post(path, browser.hidden(browser.get(path), path)).status_code == 303


def test_an_entry_emptied_without_a_removal_is_detected(system: MailboxSystem, source: ProofSource) -> None:
    system.sql(f"UPDATE sealed SET header = NULL, payload = NULL WHERE id = {SECOND}", a=source.keys.address)

    assert_adviser_is_warned(system, source, LOST, may_answer=True)
    assert TEXT_GONE in source.mailbox_page()


@pytest.mark.parametrize("which", [SECOND, REPLY], ids=["a message", "a reply"])
@pytest.mark.parametrize("forger", ["another key", "another source"])
def test_a_forged_removal_is_detected(
    system: MailboxSystem, source: ProofSource, which: str, forger: str
) -> None:
    ((digest,),) = system.query(f"SELECT digest FROM entry WHERE id = {which}", a=source.keys.address)
    keys = replace(source.keys, signing_key=SigningKey(bytes(32)))
    by = SourceWriter(keys if forger == "another key" else system.a_source().keys)
    system.sql(f"UPDATE sealed SET header = NULL, payload = NULL WHERE id = {which}", a=source.keys.address)
    _insert(system, _a_removal(system, source, by, Digest(digest)))

    seen = system.adviser_view(source)
    assert NOT_SIGNED in seen.thread
    assert LOST in seen.thread
    assert LEFT_OUT in source.mailbox_page()


def test_a_removal_signed_by_the_desk_removes_nothing(system: MailboxSystem, source: ProofSource) -> None:
    """Only a source may remove entries. A removal that the desk signed is malformed."""
    ((digest,),) = system.query(f"SELECT digest FROM entry WHERE id = {SECOND}", a=source.keys.address)
    strand = system.world.keyring.strand
    with pytest.raises(MalformedError):
        _a_removal(system, source, DeskWriter(strand.id, strand.seed), Digest(digest))


def _a_removal(system: MailboxSystem, source: ProofSource, by: EntryWriter, digest: Digest) -> SignedEntry:
    heads = _heads(system, source)
    envelope = Envelope(
        source.keys.address,
        EntryId(bytes(16)),
        EntryClass.REMOVAL,
        by.strand,
        heads,
        (),
        TODAY,
        1,
        removes=(digest,),
    )
    return entry.sign_entry(envelope, by=by)


def test_a_removal_dropped_is_detected(system: MailboxSystem, source: ProofSource) -> None:
    _delete_through_the_interface(source, source.writes("deleted for good"))
    system.sql(
        "DELETE FROM entry WHERE author = 0 AND epoch = 0 AND number = (SELECT max(number) FROM entry)"
    )

    assert LOST in system.adviser_view(source).thread


@pytest.mark.parametrize("is_dropped", [False, True], ids=["beside its removal", "and its removal dropped"])
def test_a_deleted_entry_restored_in_full_is_detected_and_not_shown(
    system: MailboxSystem, source: ProofSource, *, is_dropped: bool
) -> None:
    """The adviser has seen the removal, so the trusted state knows the removed entry."""
    entry_id = bytes.fromhex(source.writes("deleted for good"))
    header = "SELECT header FROM sealed JOIN entry USING (id) WHERE entry_id = :e"
    ((before,),) = system.query(header, e=entry_id)
    _delete_through_the_interface(source, entry_id.hex())
    system.adviser_view(source)
    system.sql(
        "UPDATE sealed SET header = :h WHERE id = (SELECT id FROM entry WHERE entry_id = :e)",
        e=entry_id,
        h=before,
    )
    if is_dropped:
        system.sql("DELETE FROM entry WHERE author = 0 AND epoch = 0 AND id NOT IN (SELECT id FROM sealed)")

    seen = system.adviser_view(source)
    assert RESTORED in seen.thread
    assert UNSOUND.search(seen.inbox)
    assert "deleted for good" not in seen.thread
    assert "deleted for good" not in source.mailbox_page()  # the adviser's page destroyed it again


def test_a_removal_dropped_before_anyone_saw_it_shows_the_words_to_a_new_session_without_a_warning(
    system: MailboxSystem, source: ProofSource
) -> None:
    """Only the session that deleted the words could know, and this source has logged out."""
    entry_id = bytes.fromhex(source.writes("deleted for good"))
    ((before,),) = system.query(
        "SELECT header FROM sealed JOIN entry USING (id) WHERE entry_id = :e", e=entry_id
    )
    _delete_through_the_interface(source, entry_id.hex())
    system.sql(
        "DELETE FROM entry WHERE author = 0 AND epoch = 0 AND number = (SELECT max(number) FROM entry)"
    )
    system.sql(
        "UPDATE sealed SET header = :h WHERE id = (SELECT id FROM entry WHERE entry_id = :e)",
        e=entry_id,
        h=before,
    )

    source.browser.log_in(source.browser.passphrase)
    page = source.mailbox_page()
    assert "deleted for good" in page
    assert SOURCE_MISSES not in page


# ---- inserting bytes that do not belong there -----------------------------------------------------


@pytest.mark.parametrize("value", ["X'ffffffff'", "zeroblob(5000)", "'a text'", "1e12"])
@pytest.mark.parametrize(
    "place",
    [
        "UPDATE entry SET envelope = {} WHERE id = {}",
        "UPDATE entry SET signature = {} WHERE id = {}",
        "UPDATE sealed SET header = {} WHERE id = {}",
        "UPDATE sealed SET payload = {} WHERE id = {}",
        "UPDATE entry SET epoch = {} WHERE id = {}",
    ],
)
def test_bytes_that_are_not_an_entry_are_shown_as_a_fault_and_break_no_page(
    system: MailboxSystem, source: ProofSource, place: str, value: str
) -> None:
    system.sql(place.format(value, SECOND), a=source.keys.address)

    system.adviser_view(source)
    source.mailbox_page()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entry SET author = 7 WHERE id = {}",
        "UPDATE entry SET number = 'one' WHERE id = {}",
        "UPDATE entry SET day = 'no day' WHERE id = {}",
        "UPDATE entry SET day = 20261123 WHERE id = {}",
        "UPDATE entry SET strand = 'a text' WHERE id = {}",
        "UPDATE entry SET digest = 'a text' WHERE id = {}",
        "UPDATE entry SET entry_id = 7 WHERE id = {}",
        "UPDATE mailbox SET recipient = 'a text' WHERE address = :a OR {} < 0",
        "UPDATE mailbox SET verify_key = X'00' WHERE address = :a OR {} < 0",
        "UPDATE mailbox SET last_day = 'no day' WHERE address = :a OR {} < 0",
        "UPDATE mailbox SET waiting_since = 5 WHERE address = :a OR {} < 0",
        "UPDATE mailbox SET version = 'one' WHERE address = :a OR {} < 0",
        "UPDATE mailbox SET due = 5 WHERE address = :a OR {} < 0",
    ],
)
def test_a_column_of_the_wrong_kind_breaks_no_page(
    system: MailboxSystem, source: ProofSource, change: str
) -> None:
    system.sql(change.format(SECOND), a=source.keys.address)

    system.adviser_view(source)
    source.mailbox_page()


# ---- the letterhead -------------------------------------------------------------------------------

REFUSED = 'data-refusal="letterhead"'


def _unlock_is_refused(system: MailboxSystem) -> bool:
    adviser = AdviserBrowser(create_adviser_app(system.world.config, system.world.store, end_worker=list), [])
    answer = adviser.unlock()
    return answer.status_code < 500 and REFUSED in answer.text


def test_a_letterhead_made_by_the_administrator_is_refused(
    system: MailboxSystem, source: ProofSource
) -> None:
    """With such a letterhead, every new source would encrypt to the administrator's key."""
    own = keyring.create_keyring("workstation", [keyring.Slot.for_passphrase("their own", CHEAP)])
    system.sql("DELETE FROM letterhead")
    publish(system.world.store, own, a_letterhead(own, serial=2))

    assert _unlock_is_refused(system)
    assert (
        ANSWER in source.mailbox_page()
    )  # a running server keeps the letterhead that it verified at its start


def test_an_older_letterhead_is_refused(system: MailboxSystem) -> None:
    """An older letterhead may name a workstation that was stolen later."""
    publish(system.world.store, system.world.keyring, a_letterhead(system.world.keyring, serial=2))
    assert not _unlock_is_refused(system)
    system.sql("DELETE FROM letterhead WHERE serial = 2")

    assert _unlock_is_refused(system)


# ---- not detected ---------------------------------------------------------------------------------


def test_only_a_receipt_number_is_left_of_a_newest_message_that_no_adviser_saw(
    system: MailboxSystem, source: ProofSource
) -> None:
    """The adviser never saw the message and cannot miss it. The source can: the message is no longer in their
    mailbox, and the number on their receipt fits a copy of the message, if one is found.
    """
    entry_id = source.writes("a third message")
    stored = system.query(
        "SELECT envelope, signature FROM entry WHERE entry_id = :e", e=bytes.fromhex(entry_id)
    )
    assert "a third message" in source.mailbox_page()
    system.sql(
        *delete("(SELECT id FROM entry WHERE entry_id = :e)"),
        _NEWEST_WITHOUT_WORDS,
        e=bytes.fromhex(entry_id),
    )

    seen = system.adviser_view(source)
    assert SOURCE_MISSES in source.mailbox_page()  # this session was shown the message before
    source.browser.log_in(source.browser.passphrase)
    page = source.mailbox_page()

    assert not UNSOUND.search(seen.inbox)
    assert "third" not in seen.thread
    assert SOURCE_MISSES not in page
    assert "a third message" not in page
    ((envelope, signature),) = stored
    assert source.receipts[-1] == receipt_number(Digest(hashlib.sha256(envelope + signature).digest()))
    assert len(set(source.receipts)) == len(source.receipts)  # each message has its own number
