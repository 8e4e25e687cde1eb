import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedError
from crypto.framing import frame, unframe


@given(st.lists(st.binary(max_size=40)))
def test_fields_come_back_as_they_were(fields: list[bytes]) -> None:
    assert tuple(fields) == unframe(frame(*fields))


@given(st.binary(max_size=40))
def test_accepted_bytes_are_written_back_byte_for_byte(raw: bytes) -> None:
    try:
        fields = unframe(raw)
    except MalformedError:
        return
    assert raw == frame(*fields)


@pytest.mark.parametrize("raw", [b"\0", b"\0\0\0", b"\0\0\0\x02a", b"\0\0\0\x01a\0", b"\xff\xff\xff\xff"])
def test_a_length_that_runs_past_the_end_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        unframe(raw)


def test_moving_a_border_between_fields_makes_another_message() -> None:
    assert frame(b"ab", b"c") != frame(b"a", b"bc")
