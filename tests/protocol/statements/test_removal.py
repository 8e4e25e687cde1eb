from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import ForgedError, MalformedError
from crypto.framing import frame, unframe
from protocol import chain
from protocol.identifiers import Address, Digest, StrandId
from protocol.statements import removal
from protocol.statements.heads import Heads
from protocol.strand import EntryWriter, SourceWriter
from tests.protocol.desk_factories import a_letterhead
from tests.protocol.mailbox_factories import DAY, LAPTOP, WORKSTATION, Conversation, a_mailbox, the_strands

KEYS = a_mailbox()
SOURCE = SourceWriter(KEYS)
HEADS: Heads = {StrandId(b""): (3, Digest(b"a" * 32)), WORKSTATION.strand: (2, Digest(b"b" * 32))}


@pytest.fixture
def talk() -> Conversation:
    return Conversation(KEYS, a_letterhead(), [])


def _verify(raw: bytes, talk: Conversation, which: int = 0) -> date:
    made = talk.entries[which]
    return removal.verify_removal(
        raw,
        of=made.envelope,
        entry_digest=made.digest,
        mailbox_verify_key=KEYS.verify_key,
        strands=the_strands(),
    )


def test_author_and_source_may_remove(talk: Conversation) -> None:
    talk.write(SOURCE)
    talk.write(WORKSTATION)
    later = DAY + timedelta(days=2)
    for which, by in ((0, SOURCE), (1, SOURCE), (1, WORKSTATION), (1, LAPTOP)):
        raw = removal.sign_removal(talk.entries[which].digest, address=KEYS.address, by=by, day=later)
        assert _verify(raw, talk, which) == later


def test_the_desk_cannot_remove_what_a_source_wrote(talk: Conversation) -> None:
    made = talk.write(SOURCE)
    raw = removal.sign_removal(made.digest, address=KEYS.address, by=WORKSTATION, day=DAY)
    with pytest.raises(ForgedError):
        _verify(raw, talk)


def test_a_removal_fits_one_entry_of_one_mailbox(talk: Conversation) -> None:
    first, second = talk.write(SOURCE), talk.write(SOURCE)
    for raw in (
        removal.sign_removal(second.digest, address=KEYS.address, by=SOURCE, day=DAY),
        removal.sign_removal(first.digest, address=a_mailbox(2).address, by=SOURCE, day=DAY),
        removal.sign_removal(first.digest, address=KEYS.address, by=SourceWriter(a_mailbox(2)), day=DAY),
    ):
        with pytest.raises(ForgedError):
            _verify(raw, talk)


def test_a_removal_of_another_form_is_malformed(talk: Conversation) -> None:
    made = talk.write(SOURCE)
    fields = unframe(removal.sign_removal(made.digest, address=KEYS.address, by=SOURCE, day=DAY))
    for raw in (b"", frame(*fields[:-1]), frame(b"steunpunt/v1/entry", *fields[1:]), frame(*fields) + b"x"):
        with pytest.raises(MalformedError):
            _verify(raw, talk)


def test_an_ending_has_the_heads_of_every_strand() -> None:
    raw = removal.sign_ending(KEYS.address, HEADS, day=DAY, by=SOURCE)
    read = removal.verify_ending(
        raw, address=KEYS.address, recipient=KEYS.recipient, verify_key=KEYS.verify_key
    )
    assert read == removal.MailboxEnding(KEYS.address, HEADS, DAY)


def test_a_real_conversation_ends_with_its_heads(talk: Conversation) -> None:
    talk.write(SOURCE)
    talk.write(WORKSTATION)
    raw = removal.sign_ending(KEYS.address, chain.chain_heads(talk.entries), day=DAY, by=SOURCE)
    read = removal.verify_ending(
        raw, address=KEYS.address, recipient=KEYS.recipient, verify_key=KEYS.verify_key
    )
    assert read.heads == talk.check().heads


@pytest.mark.parametrize(
    "raw",
    [
        removal.sign_ending(KEYS.address, HEADS, day=DAY, by=WORKSTATION),
        removal.sign_ending(a_mailbox(2).address, HEADS, day=DAY, by=SOURCE),
    ],
    ids=["by the desk", "of another mailbox"],
)
def test_only_its_source_ends_a_mailbox(raw: bytes) -> None:
    with pytest.raises(ForgedError):
        removal.verify_ending(raw, address=KEYS.address, recipient=KEYS.recipient, verify_key=KEYS.verify_key)


@pytest.mark.parametrize(("by", "expected"), [(SOURCE, True), (WORKSTATION, False)])
def test_a_statement_is_recognised_as_the_sources(by: EntryWriter, *, expected: bool) -> None:
    raw = removal.sign_ending(KEYS.address, HEADS, day=DAY, by=by)

    found = removal.is_ended_by_source(
        raw, address=KEYS.address, recipient=KEYS.recipient, verify_key=KEYS.verify_key
    )

    assert expected is found


def test_an_ending_with_a_replaced_key_is_detected() -> None:
    other = a_mailbox(2)
    raw = removal.sign_ending(KEYS.address, HEADS, day=DAY, by=SourceWriter(other))
    with pytest.raises(ForgedError):
        removal.verify_ending(
            raw, address=KEYS.address, recipient=KEYS.recipient, verify_key=other.verify_key
        )


def _with_heads(*heads: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda fields: [*fields[:2], frame(*heads), *fields[3:]]


HEAD = frame(b"strand-a", bytes(8), bytes(32))


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields[:-1],
        lambda fields: [b"steunpunt/v1/removal", *fields[1:]],
        _with_heads(frame(b"strand-a", bytes(8))),
        _with_heads(frame(b"short", bytes(8), bytes(32))),
        _with_heads(frame(b"strand-a", bytes(7), bytes(32))),
        _with_heads(frame(b"strand-a", bytes(8), bytes(31))),
        _with_heads(HEAD, HEAD),
        _with_heads(HEAD, frame(b"", bytes(8), bytes(32))),
    ],
)
def test_an_ending_of_another_form_is_malformed(change: Callable[[list[bytes]], list[bytes]]) -> None:
    fields = change(list(unframe(removal.sign_ending(KEYS.address, HEADS, day=DAY, by=SOURCE))))
    with pytest.raises(MalformedError):
        removal.verify_ending(
            frame(*fields), address=KEYS.address, recipient=KEYS.recipient, verify_key=KEYS.verify_key
        )


@settings(max_examples=50)
@given(st.binary(max_size=300))
def test_random_bytes_are_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        removal.verify_ending(raw, address=KEYS.address, recipient=KEYS.recipient, verify_key=KEYS.verify_key)


def test_a_statement_for_one_purpose_does_not_serve_for_another(talk: Conversation) -> None:
    made = talk.write(SOURCE)
    ended = removal.sign_ending(Address(KEYS.address), HEADS, day=DAY, by=SOURCE)
    with pytest.raises(MalformedError):
        _verify(ended, talk)
    with pytest.raises(MalformedError):
        removal.verify_ending(
            removal.sign_removal(made.digest, address=KEYS.address, by=SOURCE, day=DAY),
            address=KEYS.address,
            recipient=KEYS.recipient,
            verify_key=KEYS.verify_key,
        )
