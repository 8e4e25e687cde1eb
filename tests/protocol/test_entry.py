import hashlib
import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from crypto import age
from crypto.errors import CryptoError, ForgedError, MalformedError, TooLongError, UnreadableError
from protocol import entry
from protocol.content import Content, Kind
from protocol.entry import SignedEntry
from protocol.envelope import Envelope, commit_to_key
from protocol.identifiers import NO_DIGEST, Address, Digest, EntryId, StrandId
from protocol.strand import DeskWriter, SourceWriter
from tests.protocol.desk_factories import EPOCH_IDENTITY, SECOND_IDENTITY, a_letterhead
from tests.protocol.mailbox_factories import DAY, WORKSTATION, Conversation, a_mailbox, the_strands

VECTORS = json.loads(Path("tests/vectors/entry_v1.json").read_text("utf-8"))
REFUSALS: dict[str, type[CryptoError]] = {
    "forged": ForgedError,
    "unreadable": UnreadableError,
    "malformed": MalformedError,
}


def _stored(vector: dict[str, str]) -> SignedEntry:
    return SignedEntry.from_stored(
        envelope=bytes.fromhex(vector["open_part_hex"]),
        signature=bytes.fromhex(vector["signature_hex"]),
        epoch=1,
        header=bytes.fromhex(vector["header_hex"]),
        payload=bytes.fromhex(vector["payload_hex"]),
        removal=None,
    )


def _verify_and_open(vector: dict[str, str]) -> Content:
    made = _stored(vector)
    entry.verify_entry(made, mailbox_verify_key=a_mailbox().verify_key, strands=the_strands())
    return entry.open_entry(made, [a_mailbox().identity])


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_a_committed_entry_reads_as_it_did(vector: dict[str, str]) -> None:
    if vector["expect"] != "opens":
        with pytest.raises(REFUSALS[vector["expect"]]):
            _verify_and_open(vector)
        return
    assert _verify_and_open(vector).text == vector["text"]
    assert _stored(vector).digest.hex() == vector["digest_hex"]


@pytest.fixture
def talk() -> Conversation:
    return Conversation(a_mailbox(), a_letterhead(), [])


def test_only_the_desk_and_the_source_read_an_entry(talk: Conversation) -> None:
    made = talk.write(talk.source, "hello")
    for identity in (EPOCH_IDENTITY, talk.keys.identity):
        assert entry.open_entry(made, [identity]) == Content(kind=Kind.MESSAGE, text="hello")
    for identity in (SECOND_IDENTITY, a_mailbox(2).identity):
        with pytest.raises(UnreadableError):
            entry.open_entry(made, [identity])


def test_a_stored_entry_comes_back_as_it_was(talk: Conversation) -> None:
    made = talk.write(WORKSTATION)
    again = SignedEntry.from_stored(
        envelope=made.envelope.to_bytes(),
        signature=made.signature,
        epoch=made.epoch,
        header=made.header,
        payload=made.payload,
        removal=made.removal,
    )
    assert (again, again.digest) == (made, made.digest)


def test_a_signature_of_another_length_is_malformed(talk: Conversation) -> None:
    made = talk.write(WORKSTATION)
    with pytest.raises(MalformedError):
        SignedEntry.from_stored(
            envelope=made.envelope.to_bytes(), signature=b"", epoch=1, header=None, payload=None, removal=None
        )


def test_both_writers_are_verified_by_their_own_keys(talk: Conversation) -> None:
    for made in (talk.write(talk.source), talk.write(WORKSTATION)):
        entry.verify_entry(made, mailbox_verify_key=talk.keys.verify_key, strands=the_strands())
        entry.verify_entry(
            replace(made, header=None, payload=None),
            mailbox_verify_key=talk.keys.verify_key,
            strands=the_strands(),
        )


def test_what_verifies_for_one_does_not_for_another(talk: Conversation) -> None:
    from_source, from_desk = talk.write(talk.source), talk.write(WORKSTATION)
    with pytest.raises(ForgedError):
        entry.verify_entry(from_source, mailbox_verify_key=a_mailbox(2).verify_key, strands=the_strands())
    with pytest.raises(ForgedError):
        entry.verify_entry(from_desk, mailbox_verify_key=talk.keys.verify_key, strands={})
    late = talk.write(WORKSTATION, day=DAY + timedelta(days=31))
    with pytest.raises(ForgedError):
        entry.verify_entry(late, mailbox_verify_key=talk.keys.verify_key, strands=the_strands())


def test_a_changed_payload_is_refused_before_and_while_opening(talk: Conversation) -> None:
    made = talk.write(talk.source)
    changed = replace(made, payload=bytes(4096))
    with pytest.raises(ForgedError):
        entry.verify_entry(changed, mailbox_verify_key=talk.keys.verify_key, strands=the_strands())
    with pytest.raises(ForgedError):
        entry.open_entry(changed, [EPOCH_IDENTITY])


def test_a_removed_entry_cannot_be_opened(talk: Conversation) -> None:
    made = talk.write(talk.source)
    for removed in (replace(made, header=None), replace(made, payload=None)):
        with pytest.raises(UnreadableError):
            entry.open_entry(removed, [EPOCH_IDENTITY])


def test_a_swapped_header_is_detected(talk: Conversation) -> None:
    first, second = talk.write(talk.source, "yes"), talk.write(talk.source, "no!")
    with pytest.raises(ForgedError):
        entry.open_entry(replace(first, header=second.header), [EPOCH_IDENTITY])


def _stolen(victim: SignedEntry, address: Address, by: SourceWriter, key: bytes | None) -> SignedEntry:
    part = replace(victim.envelope, address=address)
    if key is not None:
        part = replace(part, commit=commit_to_key(key, address, part.entry_id))
    return replace(victim, envelope=part, signature=by.sign(part.to_bytes()))


def test_signing_anothers_payload_does_not_open_it(talk: Conversation) -> None:
    """Mallory signs Alice's payload under an address of their own and keeps Alice's header beside it.

    Signature and address are right. The desk's key would decrypt the payload, and an answer or a new header
    would go to Mallory. But Mallory cannot make the commitment, which needs the file key.
    """
    alices, mallory = talk.write(talk.source, "I trust you"), a_mailbox(2)
    for guess in (None, bytes(16)):
        stolen = _stolen(alices, mallory.address, SourceWriter(mallory), guess)
        entry.verify_entry(stolen, mailbox_verify_key=mallory.verify_key, strands={})
        with pytest.raises(ForgedError):
            entry.open_entry(stolen, [EPOCH_IDENTITY])


def test_after_a_lost_race_the_same_text_is_signed_with_another_number(talk: Conversation) -> None:
    lost = talk.write(talk.source)
    moved = entry.renumber(
        lost,
        by=talk.source,
        number=2,
        previous=Digest(b"w" * 32),
        seen=[Digest(b"s" * 32)],
        day=date(2026, 3, 4),
    )
    entry.verify_entry(moved, mailbox_verify_key=talk.keys.verify_key, strands={})
    assert entry.open_entry(moved, [EPOCH_IDENTITY]) == entry.open_entry(lost, [EPOCH_IDENTITY])
    assert (moved.envelope.number, moved.envelope.day) == (2, date(2026, 3, 4))
    assert moved.envelope.entry_id == lost.envelope.entry_id


def test_encrypted_bytes_that_are_not_content_are_malformed(talk: Conversation) -> None:
    made = talk.write(talk.source)
    sealed = age.encrypt(b"no json", [EPOCH_IDENTITY.recipient])
    part = replace(
        made.envelope,
        payload_sha256=hashlib.sha256(sealed.payload).digest(),
        commit=commit_to_key(sealed.file_key, made.envelope.address, made.envelope.entry_id),
    )
    with pytest.raises(MalformedError):
        entry.open_entry(
            replace(made, envelope=part, header=sealed.header, payload=sealed.payload), [EPOCH_IDENTITY]
        )


def _sealed(talk: Conversation, content: Content) -> SignedEntry:
    return entry.seal_entry(
        content,
        address=talk.keys.address,
        mailbox_recipient=talk.keys.recipient,
        letterhead=talk.letterhead,
        by=talk.source,
        entry_id=EntryId(bytes(16)),
        number=1,
        previous=NO_DIGEST,
        seen=[],
        day=DAY,
    )


def test_a_mark_is_encrypted_and_opens_as_a_mark(talk: Conversation) -> None:
    mark = _sealed(talk, Content(kind=Kind.SEEN, text=""))
    assert not mark.envelope.speaks
    assert entry.open_entry(mark, [EPOCH_IDENTITY]).kind is Kind.SEEN
    moved = entry.renumber(mark, by=talk.source, number=2, previous=mark.digest, seen=[], day=DAY)
    assert not moved.envelope.speaks


@pytest.mark.parametrize(
    "content",
    [Content(kind=Kind.MESSAGE, text="answer me"), Content(kind=Kind.SEEN, text="")],
    ids=["words as a mark", "a mark as words"],
)
def test_text_signed_as_a_mark_or_a_mark_as_text_is_malformed(talk: Conversation, content: Content) -> None:
    """Otherwise an entry could be shown as a message and never count as waiting for an answer."""
    made = _sealed(talk, content)
    turned = replace(made, envelope=replace(made.envelope, speaks=not made.envelope.speaks))
    with pytest.raises(MalformedError):
        entry.open_entry(turned, [EPOCH_IDENTITY])


def test_a_mark_and_a_short_message_have_one_size(talk: Conversation) -> None:
    mark, message = (
        _sealed(talk, Content(kind=kind, text=text)) for kind, text in ((Kind.SEEN, ""), (Kind.MESSAGE, "hi"))
    )
    assert len(mark.payload or b"") == len(message.payload or b"")


def test_a_fresh_entry_names_its_columns(talk: Conversation) -> None:
    made = talk.write(WORKSTATION)
    stored = made.to_stored()
    again = SignedEntry.from_stored(
        envelope=stored["envelope"],
        signature=stored["signature"],
        epoch=stored["epoch"],
        header=stored["header"],
        payload=stored["payload"],
        removal=None,
    )
    part = made.envelope
    assert made == again
    assert (part.address, 1, part.strand, part.number) == (
        stored["address"],
        stored["author"],
        stored["strand"],
        stored["number"],
    )
    assert (part.entry_id, made.digest, part.day, part.previous) == (
        stored["entry_id"],
        stored["digest"],
        stored["day"],
        stored["previous"],
    )
    assert stored["speaks"]
    assert not _sealed(talk, Content(kind=Kind.SEEN, text="")).to_stored()["speaks"]


def test_a_removed_entry_is_never_stored_as_new(talk: Conversation) -> None:
    made = talk.write(talk.source)
    for removed in (replace(made, header=None), replace(made, payload=None)):
        with pytest.raises(MalformedError):
            removed.to_stored()


def test_short_messages_have_one_size(talk: Conversation) -> None:
    sizes = {len(talk.write(talk.source, text).payload or b"") for text in ("", "hello", "x" * 3_000)}
    assert len(sizes) == 1


def test_a_message_over_its_limit_is_not_encrypted(talk: Conversation) -> None:
    with pytest.raises(TooLongError):
        talk.write(talk.source, "x" * 50_001)


def test_no_seed_of_a_workstation_shows_in_a_log() -> None:
    assert "canary" not in repr(DeskWriter(StrandId(b"strand-a"), b"canary" * 5 + b"xx"))


def test_an_entry_reads_back_from_its_own_envelope(talk: Conversation) -> None:
    made = talk.write(talk.source)
    assert Envelope.from_bytes(made.envelope.to_bytes()) == made.envelope
