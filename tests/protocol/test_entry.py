import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from crypto import age
from crypto.errors import ForgedError, MalformedError, TooLongError, UnreadableError
from protocol import entry
from protocol.content import (
    AnswerNote,
    AttachmentNote,
    ClosingNote,
    Content,
    Kind,
    StepName,
    StepNote,
    Verdict,
)
from protocol.entry import SignedEntry, open_entry
from protocol.envelope import EntryClass, Envelope, commit_to_key, digest_of_files
from protocol.errors import NewerVersionError
from protocol.heads import Head
from protocol.identifiers import AttachmentId, Digest, EntryId, StrandId
from protocol.strand import DeskWriter, EntryWriter, SourceWriter
from tests.protocol.desk_factories import EPOCH_IDENTITY, SECOND_IDENTITY, a_letterhead
from tests.protocol.mailbox_factories import (
    CLOSING,
    DAY,
    DUE,
    MESSAGE,
    TO_SG,
    WORKSTATION,
    Talk,
    a_mailbox,
    the_strands,
)

KEYS = a_mailbox()
SOURCE = SourceWriter(KEYS)


def seal(content: Content = MESSAGE, by: EntryWriter = SOURCE, due: date | None = None) -> SignedEntry:
    return entry.seal_words(
        content,
        address=KEYS.address,
        mailbox_recipient=KEYS.identity.recipient,
        letterhead=a_letterhead(),
        by=by,
        entry_id=EntryId(bytes(16)),
        heads=(),
        unseen=(),
        day=DAY,
        due=due,
    )


def text(content: str) -> Content:
    return Content(kind=Kind.MESSAGE, text=content)


def verify(made: SignedEntry) -> None:
    entry.verify_entry(made, mailbox_verify_key=KEYS.verify_key, strands=the_strands())
    assert made.payload is None or entry.has_signed_payload(made)


def with_content(raw: bytes, *, by: EntryWriter = SOURCE, **changes: object) -> SignedEntry:
    """Return an entry whose encrypted part is any bytes, as a hostile writer could make it."""
    sealed = age.encrypt(raw, [EPOCH_IDENTITY.recipient])
    envelope = replace(
        seal(by=by).envelope,
        payload_sha256=hashlib.sha256(sealed.payload).digest(),
        commit=commit_to_key(sealed.file_key, KEYS.address, EntryId(bytes(16))),
        **changes,  # type: ignore[arg-type]
    )
    return entry.sign_entry(envelope, by=by, epoch=1, header=sealed.header, payload=sealed.payload)


def test_only_the_desk_and_the_source_read_an_entry() -> None:
    made = seal()
    for identity in (EPOCH_IDENTITY, KEYS.identity):
        assert open_entry(made, [identity]) == MESSAGE
    for identity in (SECOND_IDENTITY, a_mailbox(2).identity):
        with pytest.raises(UnreadableError):
            open_entry(made, [identity])


def stored(made: SignedEntry, **changes: object) -> SignedEntry:
    columns: dict[str, object] = {
        "envelope": made.envelope.to_bytes(), "signature": made.signature, "epoch": made.epoch,
        "header": made.header, "payload": made.payload,
    }  # fmt: skip
    return SignedEntry.from_stored(**{**columns, **changes})  # type: ignore[arg-type]


def test_a_stored_entry_comes_back_as_it_was() -> None:
    made = seal()
    assert (stored(made), stored(made).digest) == (made, made.digest)


def test_an_encrypted_part_beside_a_receipt_is_ignored() -> None:
    """Attack: someone stores an encrypted part with a receipt, so that the page would fail."""
    receipt = Talk().read(SOURCE)
    assert stored(receipt, epoch=9, header=b"x", payload=b"y") == receipt


def test_a_signature_of_another_length_is_malformed() -> None:
    with pytest.raises(MalformedError):
        stored(seal(), signature=b"")


def test_both_writers_are_verified_by_their_own_keys() -> None:
    for made in (seal(), seal(by=WORKSTATION)):
        verify(made)
        verify(replace(made, header=None, payload=None))


def test_what_verifies_for_one_does_not_for_another() -> None:
    with pytest.raises(ForgedError):
        entry.verify_entry(seal(), mailbox_verify_key=a_mailbox(2).verify_key, strands=the_strands())
    with pytest.raises(ForgedError):
        entry.verify_entry(seal(by=WORKSTATION), mailbox_verify_key=KEYS.verify_key, strands={})
    late = entry.sign_again(
        seal(by=WORKSTATION), by=WORKSTATION, heads=(), unseen=(), day=DAY + timedelta(days=31)
    )
    retired = the_strands(WORKSTATION)
    with pytest.raises(ForgedError):
        entry.verify_entry(late, mailbox_verify_key=KEYS.verify_key, strands=retired)


def test_a_changed_payload_is_detected_before_and_while_opening() -> None:
    changed = replace(seal(), payload=bytes(4096))
    entry.verify_entry(changed, mailbox_verify_key=KEYS.verify_key, strands={})
    assert not entry.has_signed_payload(changed)
    with pytest.raises(ForgedError):
        open_entry(changed, [EPOCH_IDENTITY])


def test_a_removed_entry_cannot_be_opened() -> None:
    made = seal()
    for removed in (replace(made, header=None), replace(made, payload=None)):
        with pytest.raises(UnreadableError):
            open_entry(removed, [EPOCH_IDENTITY])


def test_a_flipped_byte_of_the_header_makes_an_entry_unreadable_and_not_forged() -> None:
    """No signature covers the header. Such an entry verifies, and must not count as shown."""
    made = seal()
    header = bytes(made.header or b"")
    flipped = replace(made, header=header[:-1] + bytes([header[-1] ^ 1]))
    verify(flipped)
    with pytest.raises(UnreadableError):
        open_entry(flipped, [EPOCH_IDENTITY])


def test_a_swapped_header_is_detected() -> None:
    first, second = seal(text("yes")), seal(text("no!"))
    with pytest.raises(ForgedError):
        open_entry(replace(first, header=second.header), [EPOCH_IDENTITY])


def test_signing_anothers_payload_does_not_open_it() -> None:
    """Mallory signs Alice's payload under an address of their own and keeps Alice's header beside it.

    Signature and address are right. The desk's key would decrypt the payload, and an answer or a new header
    would go to Mallory. But Mallory cannot make the commitment, which needs the file key.
    """
    alices, mallory = seal(text("I trust you")), a_mailbox(2)
    for guess in (None, bytes(16)):
        part = replace(alices.envelope, address=mallory.address)
        if guess is not None:
            part = replace(part, commit=commit_to_key(guess, mallory.address, part.entry_id))
        stolen = replace(alices, envelope=part, signature=SourceWriter(mallory).sign(part.to_bytes()))
        entry.verify_entry(stolen, mailbox_verify_key=mallory.verify_key, strands={})
        with pytest.raises(ForgedError):
            open_entry(stolen, [EPOCH_IDENTITY])


def test_after_a_lost_race_the_same_ciphertext_is_signed_with_other_heads() -> None:
    lost = seal()
    heads = (Head(StrandId(b""), 4, Digest(b"w" * 32)),)
    moved = entry.sign_again(lost, by=SOURCE, heads=heads, unseen=(), day=date(2026, 3, 4))
    verify(moved)
    assert open_entry(moved, [EPOCH_IDENTITY]) == open_entry(lost, [EPOCH_IDENTITY])
    assert (moved.envelope.number, moved.envelope.day) == (5, date(2026, 3, 4))
    assert (moved.envelope.entry_id, moved.payload) == (lost.envelope.entry_id, lost.payload)
    assert moved.digest != lost.digest


def test_an_envelope_that_a_reader_would_refuse_is_never_signed() -> None:
    with pytest.raises(MalformedError):
        seal(due=DUE)


def test_encrypted_bytes_that_are_not_content_are_malformed() -> None:
    with pytest.raises(MalformedError):
        open_entry(with_content(b"no json"), [EPOCH_IDENTITY])


def test_content_of_a_later_version_is_reported_as_such_and_never_half_shown() -> None:
    later = with_content(b'{"kind":"poll","minor":1,"text":"vote","options":["a"]}')
    with pytest.raises(NewerVersionError, match="newer version"):
        open_entry(later, [EPOCH_IDENTITY])


A_FILE = AttachmentNote(
    id=AttachmentId(bytes(16)),
    name="a.txt",
    media_type="text/plain",
    size=1,
    payload_sha256=Digest(bytes(32)),
    commit=bytes(32),
)
AN_ANSWER = Content(
    kind=Kind.ANSWER, text="", answer=AnswerNote(verdict=Verdict.AGREED, proposal=Digest(bytes(32)))
)
A_STEP = Content(kind=Kind.STEP, text="", step=StepNote(step=StepName.BEING_READ))
A_PROPOSAL = Content(kind=Kind.PROPOSAL, text="x", proposal=TO_SG)
PASSED_ON = Content(
    kind=Kind.STEP, text="", step=StepNote(step=StepName.PASSED_ON, to="SG", proposal=Digest(bytes(32)))
)


@pytest.mark.parametrize(
    ("by", "content", "due"),
    [
        (SOURCE, AN_ANSWER, None),
        (WORKSTATION, A_STEP, None),
        (WORKSTATION, A_PROPOSAL, None),
        (WORKSTATION, CLOSING, DUE),
        (WORKSTATION, Content(kind=Kind.CLOSING, text="", closing=ClosingNote(automatic=True)), DUE),
        (WORKSTATION, PASSED_ON, None),
        (WORKSTATION, PASSED_ON, DUE),
        (WORKSTATION, Content(kind=Kind.MESSAGE, text="", attachments=(A_FILE,)), None),
    ],
)
def test_content_that_fits_its_envelope_opens(by: EntryWriter, content: Content, due: date | None) -> None:
    made = seal(content, by, due)
    verify(made)
    assert open_entry(made, [KEYS.identity]) == content


@pytest.mark.parametrize(
    "forge",
    [
        lambda: seal(A_STEP),
        lambda: seal(A_PROPOSAL),
        lambda: seal(CLOSING),
        lambda: seal(AN_ANSWER, WORKSTATION),
        lambda: seal(CLOSING, WORKSTATION),
        lambda: seal(MESSAGE, WORKSTATION, DUE),
        lambda: seal(A_STEP, WORKSTATION, DUE),
        lambda: with_content(MESSAGE.to_bytes(), files_sha256=digest_of_files([(bytes(16), bytes(32))])),
        lambda: with_content(Content(kind=Kind.MESSAGE, text="", attachments=(A_FILE,)).to_bytes()),
    ],
    ids=[
        "a step of the source",
        "a proposal of the source",
        "a closing of the source",
        "an answer of the desk",
        "a closing that never deletes",
        "a message that deletes",
        "a step that deletes",
        "signed files that no one mentions",
        "files that are not signed",
    ],
)
def test_content_that_contradicts_its_envelope_is_malformed(forge: Callable[[], SignedEntry]) -> None:
    """Otherwise the server, which sees only the envelope, and the reader would act on different facts."""
    made = forge()
    verify(made)
    with pytest.raises(MalformedError):
        open_entry(made, [EPOCH_IDENTITY])


def test_every_class_without_an_encrypted_part_is_signed_and_has_nothing_to_open() -> None:
    talk = Talk()
    message = talk.write(talk.source)
    for made in (talk.read(WORKSTATION), talk.remove(message), talk.end()):
        verify(made)
        assert (made.header, made.payload, made.epoch) == (None, None, 0)
        assert not made.envelope.is_words
        with pytest.raises(UnreadableError):
            open_entry(made, [EPOCH_IDENTITY])


def test_short_messages_have_one_size() -> None:
    sizes = {len(seal(text(content)).payload or b"") for content in ("", "hello", "x" * 3_000)}
    assert len(sizes) == 1


def test_a_message_over_its_limit_is_not_encrypted() -> None:
    with pytest.raises(TooLongError):
        seal(text("x" * 50_001))


def test_no_seed_of_a_workstation_shows_in_a_log() -> None:
    assert "canary" not in repr(DeskWriter(StrandId(b"strand-a"), b"canary" * 5 + b"xx"))


def test_an_entry_is_named_by_its_envelope_and_its_signature() -> None:
    made = seal()
    again = replace(made, header=None, payload=None)
    assert made.digest == again.digest == hashlib.sha256(made.envelope.to_bytes() + made.signature).digest()
    assert replace(made, signature=bytes(64)).digest != made.digest
    assert Envelope.from_bytes(made.envelope.to_bytes()).entry_class is EntryClass.WORDS
