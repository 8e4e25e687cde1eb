"""Page padding: the size of a page reveals only a multiple of 16 KiB."""

from hypothesis import given
from hypothesis import strategies as st

from web.page_padding import STEP_BYTES, pad


@given(st.integers(0, 3 * STEP_BYTES))
def test_a_page_is_filled_to_the_next_step_and_no_further(size: int) -> None:
    padded = pad(b"x" * size)

    assert padded.startswith(b"x" * size)
    assert len(padded) % STEP_BYTES == 0
    assert len(padded) - size < STEP_BYTES


def test_a_page_can_have_a_larger_step() -> None:
    assert len(pad(b"x", 4 * STEP_BYTES)) == 4 * STEP_BYTES
