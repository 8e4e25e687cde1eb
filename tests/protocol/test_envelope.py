from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedError
from crypto.framing import frame, unframe
from protocol.envelope import Author, EntryClass, Envelope, digest_of_files
from protocol.heads import HEADS_OF_STRAND, LARGEST_NUMBER, UNSEEN_OF_STRAND, Head, Heads, heads_to_bytes
from protocol.identifiers import SOURCE_STRAND, Address, Digest, EntryId, StrandId

A_STRAND = StrandId(b"strand-a")
B_STRAND = StrandId(b"strand-b")
DAY = date(2026, 3, 2)
SIZED = {size: st.binary(min_size=size, max_size=size) for size in (8, 16, 20, 32)}
DIGESTS = SIZED[32].map(Digest)


def some_heads(strand: StrandId, count: int, first: int = 0, number: int = 1) -> Heads:
    return tuple(Head(strand, number, Digest(at.to_bytes(32))) for at in range(first, first + count))


def of_strands(each: int, *counts: int) -> Heads:
    """Return heads of `counts[0]` strands, `each` of every strand, and of one more strand with the rest."""
    strands, rest = counts[0], counts[1:]
    sizes = (*[each] * strands, *rest)
    return tuple(head for at, size in enumerate(sizes) for head in some_heads(StrandId(at.to_bytes(8)), size))


def words(**changes: object) -> Envelope:
    made = Envelope(
        address=Address(bytes(20)),
        entry_id=EntryId(bytes(16)),
        entry_class=EntryClass.WORDS,
        strand=A_STRAND,
        heads=(Head(SOURCE_STRAND, 3, Digest(b"s" * 32)), Head(A_STRAND, 1, Digest(b"a" * 32))),
        unseen=(Head(SOURCE_STRAND, 4, Digest(b"u" * 32)),),
        day=DAY,
        letterhead_serial=7,
        due=DAY + timedelta(days=9),
        files_sha256=digest_of_files([(bytes(16), bytes(32))]),
        payload_sha256=bytes(32),
        commit=bytes(32),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def without_content(entry_class: EntryClass, strand: StrandId = SOURCE_STRAND, **changes: object) -> Envelope:
    bare: dict[str, object] = {
        "due": None, "files_sha256": b"", "payload_sha256": b"", "commit": b"", "unseen": (),
    }  # fmt: skip
    return words(entry_class=entry_class, strand=strand, **{**bare, **changes})


def a_removal(*removes: bytes) -> Envelope:
    return without_content(EntryClass.REMOVAL, removes=tuple(map(Digest, removes)))


ONE_OF_EACH_CLASS: Mapping[str, Envelope] = {
    "words of the source": words(
        strand=SOURCE_STRAND, due=None, unseen=some_heads(A_STRAND, 1), files_sha256=b""
    ),
    "words of the desk": words(due=None),
    "a closing": words(),
    "a receipt of the source": without_content(EntryClass.RECEIPT),
    "a receipt of the desk": without_content(EntryClass.RECEIPT, A_STRAND),
    "a removal": a_removal(b"r" * 32),
    "an end": without_content(EntryClass.END),
}


@st.composite
def envelopes(draw: st.DrawFn) -> Envelope:
    head = st.builds(Head, st.sampled_from([SOURCE_STRAND, A_STRAND]), st.integers(1, 9), DIGESTS)
    some = st.frozensets(head, max_size=HEADS_OF_STRAND)
    made = draw(st.sampled_from(list(ONE_OF_EACH_CLASS.values())))
    removes = sorted(draw(st.sets(DIGESTS, min_size=1, max_size=3))) if made.removes else []
    return replace(
        made,
        address=Address(draw(SIZED[20])),
        entry_id=EntryId(draw(SIZED[16])),
        heads=tuple(sorted(draw(some))),
        unseen=tuple(Head(B_STRAND, 1, digest) for digest in sorted(draw(st.sets(DIGESTS, max_size=3)))),
        letterhead_serial=draw(st.integers(0, LARGEST_NUMBER)),
        removes=tuple(removes),
    )


@given(envelopes())
def test_an_envelope_comes_back_as_it_was(part: Envelope) -> None:
    assert Envelope.from_bytes(part.to_bytes()) == part


@given(
    st.one_of(
        st.binary(), st.lists(st.binary(max_size=33), min_size=13, max_size=15).map(lambda f: frame(*f))
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
        (0, b"steunpunt/v2/envelope"),
        (0, b"steunpunt/v1/entry"),
        (1, bytes(19)),
        (2, bytes(15)),
        (3, b"\x04"),
        (3, b""),
        (3, b"\x00\x00"),
        (4, b"strand"),
        (5, b"\x00"),
        (6, b"\x00"),
        (7, bytes(4)),
        (7, bytes(3)),
        (7, b"\xff" * 4),
        (8, bytes(9)),
        (9, bytes(3)),
        (9, bytes(4)),
        (10, bytes(31)),
        (11, bytes(31)),
        (12, bytes(33)),
        (13, bytes(31)),
    ],
)
def test_a_field_that_no_writer_makes_is_malformed(at: int, field: bytes) -> None:
    fields = list(unframe(words().to_bytes()))
    fields[at] = field
    with pytest.raises(MalformedError):
        Envelope.from_bytes(frame(*fields))


def test_a_field_more_or_less_is_malformed() -> None:
    fields = unframe(words().to_bytes())
    for other in (fields[:-1], (*fields, b"")):
        with pytest.raises(MalformedError):
            Envelope.from_bytes(frame(*other))


HOSTILE: Mapping[str, Envelope] = {
    "words without an encrypted part": words(payload_sha256=b"", commit=b""),
    "words without a commitment": words(commit=b""),
    "a receipt with an encrypted part": without_content(EntryClass.RECEIPT, payload_sha256=bytes(32)),
    "a receipt with a commitment": without_content(EntryClass.RECEIPT, commit=bytes(32)),
    "a receipt with files": without_content(EntryClass.RECEIPT, files_sha256=bytes(32)),
    "a receipt with a day of deletion": without_content(EntryClass.RECEIPT, A_STRAND, due=DAY),
    "a receipt that removes": without_content(EntryClass.RECEIPT, removes=(Digest(b"r" * 32),)),
    "words that remove": words(removes=(Digest(b"r" * 32),)),
    "a source that closes": words(strand=SOURCE_STRAND, unseen=(), due=DAY),
    "a day of deletion before the entry": words(due=DAY - timedelta(days=1)),
    "a removal by the desk": without_content(EntryClass.REMOVAL, A_STRAND, removes=(Digest(b"r" * 32),)),
    "a removal of nothing": a_removal(),
    "a removal of 33": a_removal(*(at.to_bytes(32) for at in range(33))),
    "a removal of one entry twice": a_removal(b"r" * 32, b"r" * 32),
    "a removal in descending order": a_removal(b"s" * 32, b"r" * 32),
    "a removal with an encrypted part": replace(
        a_removal(b"r" * 32), payload_sha256=bytes(32), commit=bytes(32)
    ),
    "an end by the desk": without_content(EntryClass.END, A_STRAND),
    "an end that removes": without_content(EntryClass.END, removes=(Digest(b"r" * 32),)),
    "17 heads of one strand": words(heads=some_heads(SOURCE_STRAND, HEADS_OF_STRAND + 1), unseen=()),
    "heads of 65 strands": words(
        heads=tuple(head for at in range(65) for head in some_heads(StrandId(at.to_bytes(8)), 1)), unseen=()
    ),
    "65 heads of five strands": words(heads=of_strands(13, 5), unseen=()),
    "257 unseen entries of seven strands": words(unseen=of_strands(37, 6, 35)),
    "names that fill the memory": words(unseen=of_strands(64, 60)),
    "65 unseen entries of one strand": words(unseen=some_heads(SOURCE_STRAND, UNSEEN_OF_STRAND + 1, 99)),
    "an unseen entry of the own strand": words(unseen=some_heads(A_STRAND, 1, 99)),
    "a head that is unseen as well": words(
        heads=some_heads(SOURCE_STRAND, 1), unseen=some_heads(SOURCE_STRAND, 1)
    ),
    "a number over 63 bits": words(heads=some_heads(A_STRAND, 1, number=LARGEST_NUMBER)),
}  # fmt: skip


@pytest.mark.parametrize("envelope", HOSTILE.values(), ids=HOSTILE.keys())
def test_an_envelope_that_contradicts_its_class_or_its_author_is_malformed(envelope: Envelope) -> None:
    with pytest.raises(MalformedError):
        Envelope.from_bytes(envelope.to_bytes())


@pytest.mark.parametrize(
    "envelope",
    [
        a_removal(*(at.to_bytes(32) for at in range(32))),
        words(heads=some_heads(SOURCE_STRAND, 16), unseen=some_heads(SOURCE_STRAND, 64, 99)),
        words(heads=(*some_heads(SOURCE_STRAND, 16), *some_heads(B_STRAND, 16))),
        words(heads=of_strands(16, 4), unseen=()),
        words(unseen=of_strands(64, 4)),
        words(due=DAY),
    ],
    ids=[
        *("a removal of 32", "16 heads and 64 unseen", "16 heads of each strand", "64 heads", "256 unseen"),
        "deletion on the same day",
    ],
)
def test_an_envelope_at_its_limits_is_read(envelope: Envelope) -> None:
    assert Envelope.from_bytes(envelope.to_bytes()) == envelope


def test_every_field_is_signed() -> None:
    part = words()
    changed = [
        replace(part, address=Address(b"x" * 20)),
        replace(part, entry_id=EntryId(b"x" * 16)),
        replace(part, entry_class=EntryClass.RECEIPT),
        replace(part, strand=B_STRAND),
        replace(part, heads=part.heads[:1]),
        replace(part, unseen=()),
        replace(part, day=DAY + timedelta(days=1)),
        replace(part, letterhead_serial=8),
        replace(part, due=None),
        replace(part, removes=(Digest(b"x" * 32),)),
        replace(part, files_sha256=b""),
        replace(part, payload_sha256=b"x" * 32),
        replace(part, commit=b"x" * 32),
    ]
    assert len({part.to_bytes(), *(other.to_bytes() for other in changed)}) == 14


@pytest.mark.parametrize("name", ONE_OF_EACH_CLASS)
def test_everyone_can_tell_the_class_and_the_author_without_a_key(name: str) -> None:
    read = Envelope.from_bytes(ONE_OF_EACH_CLASS[name].to_bytes())
    assert read.is_words is ("words" in name or "closing" in name)
    assert read.author is (Author.DESK if "desk" in name or "closing" in name else Author.SOURCE)
    assert (read.due is not None) is ("closing" in name)


def test_the_number_is_one_more_than_the_largest_own_head() -> None:
    assert words().number == 2
    assert words(strand=SOURCE_STRAND, unseen=()).number == 4
    assert words(heads=()).number == 1


def test_the_files_of_an_entry_are_named_in_any_order() -> None:
    files = [(b"a" * 16, b"1" * 32), (b"b" * 16, b"2" * 32)]
    assert digest_of_files(files) == digest_of_files(files[::-1])
    assert digest_of_files(files) != digest_of_files(files[:1])
    assert digest_of_files([]) == b""


def test_heads_are_signed_in_ascending_order() -> None:
    part = words()
    assert unframe(part.to_bytes())[5] == heads_to_bytes(part.heads[::-1])
