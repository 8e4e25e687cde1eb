import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import ForgedError, MalformedError
from crypto.framing import frame, unframe
from protocol import chain, entry
from protocol.content import Content, Kind
from protocol.entry import SignedEntry
from protocol.identifiers import Address, EntryId
from protocol.statements import removal
from protocol.statements.deletion_order import LABEL, DeletionOrder, is_order_void, sign_order, verify_order
from protocol.strand import EntryWriter
from tests.protocol.desk_factories import a_letterhead
from tests.protocol.mailbox_factories import DAY, LAPTOP, WORKSTATION, Conversation, a_mailbox, the_strands

KEYS = a_mailbox()
TALLIES = (b"one tally", b"another")
DUE = DAY + timedelta(days=90)


@pytest.fixture
def talk() -> Conversation:
    talk = Conversation(KEYS, a_letterhead(), [])
    talk.write(talk.source, "a question")
    talk.write(WORKSTATION, "an answer")
    return talk


def an_order(talk: Conversation, **changes: object) -> bytes:
    fields: dict[str, object] = {"due": DUE, "tallies": TALLIES, "by": WORKSTATION, "day": DAY}
    return sign_order(KEYS.address, chain.chain_heads(talk.entries), **(fields | changes))


def verified(raw: bytes) -> DeletionOrder:
    return verify_order(raw, strands=the_strands())


def mark(talk: Conversation, by: EntryWriter) -> SignedEntry:
    heads = chain.chain_heads(talk.entries)
    number, previous = heads.get(by.strand, (0, b""))
    made = entry.seal_entry(
        Content(kind=Kind.SEEN, text=""),
        address=KEYS.address,
        mailbox_recipient=KEYS.recipient,
        letterhead=talk.letterhead,
        by=by,
        entry_id=EntryId(len(talk.entries).to_bytes(16)),
        number=number + 1,
        previous=previous,
        seen=chain.seen_by(by.author, heads),
        day=DAY,
    )
    talk.entries.append(made)
    return made


def test_an_order_says_what_the_desk_signed(talk: Conversation) -> None:
    digests = tuple(sorted(hashlib.sha256(tally).digest() for tally in TALLIES))
    expected = DeletionOrder(
        KEYS.address, chain.chain_heads(talk.entries), DUE, digests, WORKSTATION.strand, DAY
    )
    assert expected == verified(an_order(talk))
    assert an_order(talk) == an_order(talk, tallies=TALLIES[::-1])


@given(st.binary())
def test_random_bytes_are_not_an_order(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        verified(raw)


def test_only_a_workstation_of_the_desk_can_order(talk: Conversation) -> None:
    raw = an_order(talk)
    with pytest.raises(ForgedError):
        verify_order(raw, strands={})
    strands = the_strands()
    with pytest.raises(ForgedError):
        verify_order(raw, strands={WORKSTATION.strand: strands[LAPTOP.strand]})
    with pytest.raises(ForgedError):
        verified(an_order(talk, day=DAY - timedelta(days=1)))  # before the workstation was certified


@pytest.mark.parametrize("at", range(1, 7))
def test_every_field_is_signed(talk: Conversation, at: int) -> None:
    other = Conversation(KEYS, a_letterhead(), [])
    other.write(other.source, "other")
    heads = chain.chain_heads(other.entries)
    later = DAY + timedelta(days=1)
    another = sign_order(
        Address(b"x" * 20), heads, due=DUE + timedelta(days=1), tallies=(b"x",), by=LAPTOP, day=later
    )
    fields = list(unframe(an_order(talk)))
    fields[at] = unframe(another)[at]
    with pytest.raises(ForgedError):
        verified(frame(*fields))


@pytest.mark.parametrize(
    ("at", "field"),
    [
        (0, b"steunpunt/v1/ended"),
        (1, bytes(19)),
        (2, b"\x00"),
        (3, bytes(4)),
        (4, bytes(33)),
        (4, b"b" * 32 + b"a" * 32),
        (4, bytes(64)),
        (5, b""),
        (5, bytes(9)),
        (6, bytes(3)),
    ],
    ids=[
        "label",
        "address",
        "heads",
        "due",
        "tally",
        "tallies out of order",
        "a tally twice",
        "the source's strand",
        "strand",
        "day",
    ],
)
def test_a_field_that_no_writer_makes_is_malformed(talk: Conversation, at: int, field: bytes) -> None:
    fields = list(unframe(an_order(talk)))
    fields[at] = field
    with pytest.raises(MalformedError):
        verified(frame(*fields))


def test_a_field_more_or_less_is_malformed(talk: Conversation) -> None:
    fields = unframe(an_order(talk))
    for other in (fields[:-1], (*fields, b"")):
        with pytest.raises(MalformedError):
            verified(frame(*other))


def test_an_order_is_due_on_the_day_it_is_signed_at_the_earliest(talk: Conversation) -> None:
    assert verified(an_order(talk, due=DAY)).due == DAY
    with pytest.raises(MalformedError):
        an_order(talk, due=DAY - timedelta(days=1))
    fields = list(unframe(an_order(talk)))
    fields[3], fields[6] = fields[6], fields[3]
    with pytest.raises(MalformedError):
        verified(frame(*fields))


def test_no_tally_is_counted_twice(talk: Conversation) -> None:
    with pytest.raises(MalformedError):
        an_order(talk, tallies=(b"one", b"one"))
    assert verified(an_order(talk, tallies=())).tallies_sha256 == ()


def test_an_ending_is_not_an_order_and_an_order_is_not_an_ending(talk: Conversation) -> None:
    with pytest.raises(MalformedError):
        verified(removal.sign_ending(KEYS.address, chain.chain_heads(talk.entries), day=DAY, by=talk.source))
    with pytest.raises(MalformedError):
        removal.verify_ending(
            an_order(talk), address=KEYS.address, recipient=KEYS.recipient, verify_key=KEYS.verify_key
        )
    assert LABEL == unframe(an_order(talk))[0]


# ---- void orders


def test_an_order_is_valid_for_an_unchanged_mailbox(talk: Conversation) -> None:
    assert not is_order_void(verified(an_order(talk)), talk.entries)


def test_a_later_message_of_the_source_voids_an_order(talk: Conversation) -> None:
    ordered = verified(an_order(talk))
    talk.write(talk.source, "I am still here")
    assert is_order_void(ordered, talk.entries)


def test_a_later_message_that_was_deleted_still_voids_an_order(talk: Conversation) -> None:
    ordered = verified(an_order(talk))
    said = talk.write(talk.source, "I am still here")
    assert is_order_void(ordered, [*talk.entries[:-1], talk.removed(said, talk.source)])


def test_marks_of_either_side_do_not_void_an_order(talk: Conversation) -> None:
    ordered = verified(an_order(talk))
    mark(talk, talk.source)
    mark(talk, WORKSTATION)
    mark(talk, LAPTOP)
    assert not is_order_void(ordered, talk.entries)


@pytest.mark.parametrize("by", [WORKSTATION, LAPTOP], ids=["the one that ordered it", "another"])
def test_an_order_restored_after_the_desk_reopened_the_mailbox_is_void(
    talk: Conversation, by: EntryWriter
) -> None:
    ordered = verified(an_order(talk))
    talk.write(by, "We take this up again.")
    assert is_order_void(ordered, talk.entries)


def test_a_message_after_a_mark_voids_an_order(talk: Conversation) -> None:
    ordered = verified(an_order(talk))
    mark(talk, talk.source)
    talk.write(talk.source, "I am still here")
    assert is_order_void(ordered, talk.entries)


def test_a_later_deletion_of_an_entry_does_not_void_an_order(talk: Conversation) -> None:
    first = talk.entries[0]
    assert not is_order_void(verified(an_order(talk)), [talk.removed(first, talk.source), *talk.entries[1:]])


@pytest.mark.parametrize("gone", [0, 1], ids=["the source's head", "the desk's head"])
def test_an_order_is_void_if_an_entry_is_missing(talk: Conversation, gone: int) -> None:
    left = [each for at, each in enumerate(talk.entries) if at != gone]
    assert is_order_void(verified(an_order(talk)), left)


def test_an_order_without_a_head_of_the_source_is_void_once_they_write() -> None:
    talk = Conversation(KEYS, a_letterhead(), [])
    talk.write(WORKSTATION, "welcome")
    ordered = verified(an_order(talk))
    assert not is_order_void(ordered, talk.entries)
    assert is_order_void(replace(ordered, heads={}), [talk.write(talk.source, "hello")])
