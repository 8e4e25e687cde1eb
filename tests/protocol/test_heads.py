import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedError
from crypto.framing import frame
from protocol.heads import LARGEST_NUMBER, Head, heads_from_bytes, heads_to_bytes, next_number
from protocol.identifiers import SOURCE_STRAND, Digest, StrandId

A_STRAND = StrandId(b"strand-a")
HEADS = st.frozensets(
    st.builds(
        Head,
        st.sampled_from([SOURCE_STRAND, A_STRAND]),
        st.integers(1, LARGEST_NUMBER),
        st.binary(min_size=32, max_size=32).map(Digest),
    ),
    max_size=5,
)


@given(HEADS)
def test_heads_come_back_in_their_order(heads: frozenset[Head]) -> None:
    assert heads_from_bytes(heads_to_bytes(heads)) == tuple(sorted(heads))


@given(HEADS, st.data())
def test_a_changed_byte_is_refused_or_written_back_as_it_is(
    heads: frozenset[Head], data: st.DataObject
) -> None:
    raw = bytearray(heads_to_bytes(heads) or b"x")
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        read = heads_from_bytes(bytes(raw))
    except MalformedError:
        return
    assert heads_to_bytes(read) == bytes(raw)


def _a_head(strand: bytes = b"", number: bytes = (1).to_bytes(8), digest: bytes = b"d" * 32) -> bytes:
    return frame(strand, number, digest)


@pytest.mark.parametrize(
    "raw",
    [
        frame(_a_head(), _a_head()),
        frame(_a_head(digest=b"e" * 32), _a_head()),
        frame(_a_head(b"strand-a"), _a_head()),
        frame(_a_head(number=(2).to_bytes(8)), _a_head()),
        frame(_a_head(b"strand")),
        frame(_a_head(number=bytes(8))),
        frame(_a_head(number=(2**63).to_bytes(8))),
        frame(_a_head(number=(1).to_bytes(7))),
        frame(_a_head(digest=bytes(31))),
        frame(frame(b"", (1).to_bytes(8))),
        frame(b""),
        b"\0",
    ],
    ids=[
        "the same head twice",
        "digests in descending order",
        "strands in descending order",
        "numbers in descending order",
        "half a strand id",
        "number 0",
        "a number over 63 bits",
        "a number of 7 bytes",
        "a digest of 31 bytes",
        "a head without a digest",
        "an empty head",
        "half a length",
    ],
)
def test_heads_that_no_writer_makes_are_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        heads_from_bytes(raw)


def test_the_next_number_is_one_more_than_the_largest_of_the_own_strand() -> None:
    heads = [Head(A_STRAND, 7, Digest(bytes(32))), Head(SOURCE_STRAND, 2, Digest(bytes(32)))]
    assert next_number(heads, SOURCE_STRAND) == 3
    assert next_number(heads, A_STRAND) == 8
    assert next_number([], SOURCE_STRAND) == 1
