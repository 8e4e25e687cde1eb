import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol.statements.heads import heads_from_bytes, heads_to_bytes

from crypto.errors import MalformedError
from crypto.framing import frame
from protocol.identifiers import Digest, StrandId

STRANDS = (st.just(b"") | st.binary(min_size=8, max_size=8)).map(StrandId)
HEADS = st.dictionaries(
    STRANDS, st.tuples(st.integers(0, 2**64 - 1), st.binary(min_size=32, max_size=32).map(Digest)), max_size=3
)
NUMBER, DIGEST = (1).to_bytes(8), b"d" * 32


@given(HEADS)
def test_heads_come_back_as_they_were(heads: dict[StrandId, tuple[int, Digest]]) -> None:
    assert heads == heads_from_bytes(heads_to_bytes(heads))


@given(st.binary())
def test_random_bytes_are_heads_in_their_one_spelling_or_malformed(raw: bytes) -> None:
    try:
        heads = heads_from_bytes(raw)
    except MalformedError:
        return
    assert raw == heads_to_bytes(heads)


@pytest.mark.parametrize(
    "heads",
    [
        (frame(b"", NUMBER),),
        (frame(b"", NUMBER, DIGEST, b""),),
        (frame(b"short", NUMBER, DIGEST),),
        (frame(b"", NUMBER[1:], DIGEST),),
        (frame(b"", NUMBER, DIGEST[1:]),),
        (frame(b"strand-1", NUMBER, DIGEST), frame(b"", NUMBER, DIGEST)),
        (frame(b"", NUMBER, DIGEST), frame(b"", NUMBER, DIGEST)),
    ],
    ids=["two fields", "four fields", "strand", "number", "digest", "out of order", "twice"],
)
def test_heads_of_another_shape_are_malformed(heads: tuple[bytes, ...]) -> None:
    with pytest.raises(MalformedError):
        heads_from_bytes(frame(*heads))
