import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedError
from crypto.framing import frame, unframe
from protocol.envelope import Author, Envelope
from protocol.identifiers import NO_DIGEST, Address, Digest, EntryId, StrandId

VECTORS = json.loads(Path("tests/vectors/entry_v1.json").read_text("utf-8"))
SIGNED = [vector for vector in VECTORS if vector["expect"] == "opens"]

SIZED = {size: st.binary(min_size=size, max_size=size) for size in (8, 16, 20, 32)}


@st.composite
def envelopes(draw: st.DrawFn) -> Envelope:
    author = draw(st.sampled_from(Author))
    number = draw(st.integers(1, 2**63 - 1))
    return Envelope(
        address=Address(draw(SIZED[20])),
        entry_id=EntryId(draw(SIZED[16])),
        author=author,
        strand=StrandId(draw(SIZED[8]) if author is Author.DESK else b""),
        number=number,
        previous=NO_DIGEST if number == 1 else Digest(draw(SIZED[32].filter(any))),
        seen=tuple(sorted(map(Digest, draw(st.sets(SIZED[32], max_size=3))))),
        day=draw(st.dates()),
        letterhead_serial=draw(st.integers(0, 2**63 - 1)),
        payload_sha256=draw(SIZED[32]),
        commit=draw(SIZED[32]),
        speaks=draw(st.booleans()),
    )


def a_part() -> Envelope:
    return Envelope(
        address=Address(bytes(20)),
        entry_id=EntryId(bytes(16)),
        author=Author.DESK,
        strand=StrandId(b"strand-a"),
        number=2,
        previous=Digest(b"p" * 32),
        seen=(Digest(b"s" * 32), Digest(b"t" * 32)),
        day=date(2026, 3, 2),
        letterhead_serial=7,
        payload_sha256=bytes(32),
        commit=bytes(32),
    )


@given(envelopes())
def test_an_envelope_comes_back_as_it_was(part: Envelope) -> None:
    assert Envelope.from_bytes(part.to_bytes()) == part


@pytest.mark.parametrize("vector", SIGNED, ids=[vector["name"] for vector in SIGNED])
def test_the_signed_bytes_never_change(vector: dict[str, str]) -> None:
    raw = bytes.fromhex(vector["open_part_hex"])
    assert Envelope.from_bytes(raw).to_bytes() == raw


@given(
    st.one_of(
        st.binary(), st.lists(st.binary(max_size=33), min_size=11, max_size=13).map(lambda f: frame(*f))
    )
)
def test_random_bytes_are_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        Envelope.from_bytes(raw)


@given(envelopes(), st.data())
def test_a_changed_byte_is_refused_or_written_back_as_it_is(part: Envelope, data: st.DataObject) -> None:
    raw = bytearray(part.to_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        read = Envelope.from_bytes(bytes(raw))
    except MalformedError:
        return
    assert read.to_bytes() == bytes(raw)


@pytest.mark.parametrize(
    ("at", "field"),
    [
        (0, b"steunpunt/v2/entry"),
        (1, bytes(19)),
        (2, bytes(15)),
        (3, b"\x02"),
        (3, b"\x00"),
        (4, b""),
        (5, bytes(7)),
        (5, bytes(8)),
        (5, (1).to_bytes(8)),
        (5, (2**63).to_bytes(8)),
        (6, bytes(31)),
        (6, bytes(32)),
        (7, b"s" * 33),
        (7, b"t" * 32 + b"s" * 32),
        (7, b"s" * 64),
        (8, bytes(4)),
        (8, bytes(3)),
        (8, b"\xff" * 4),
        (9, bytes(9)),
        (10, bytes(33)),
        (11, bytes(31)),
    ],
)
def test_a_field_that_no_writer_makes_is_malformed(at: int, field: bytes) -> None:
    fields = list(unframe(a_part().to_bytes()))
    fields[at] = field
    with pytest.raises(MalformedError):
        Envelope.from_bytes(frame(*fields))


def test_a_field_more_or_less_is_malformed() -> None:
    fields = unframe(a_part().to_bytes())
    for other in (fields[:-1], (*fields, b"")):
        with pytest.raises(MalformedError):
            Envelope.from_bytes(frame(*other))


def test_every_field_is_signed() -> None:
    part = a_part()
    changed = [
        replace(part, address=Address(b"x" * 20)),
        replace(part, entry_id=EntryId(b"x" * 16)),
        replace(part, author=Author.SOURCE),
        replace(part, strand=StrandId(b"strand-b")),
        replace(part, number=3),
        replace(part, previous=Digest(b"x" * 32)),
        replace(part, seen=part.seen[:1]),
        replace(part, day=date(2026, 3, 3)),
        replace(part, letterhead_serial=8),
        replace(part, payload_sha256=b"x" * 32),
        replace(part, commit=b"x" * 32),
        replace(part, speaks=False),
    ]
    assert len({part.to_bytes(), *(other.to_bytes() for other in changed)}) == 13


def test_everyone_can_tell_a_mark_from_a_message() -> None:
    mark = replace(a_part(), speaks=False)
    assert unframe(mark.to_bytes())[0] == b"steunpunt/v1/mark"
    assert unframe(mark.to_bytes())[1:] == unframe(a_part().to_bytes())[1:]
    assert [part.speaks for part in map(Envelope.from_bytes, (a_part().to_bytes(), mark.to_bytes()))] == [
        True,
        False,
    ]
