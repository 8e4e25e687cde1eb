import json

from hypothesis import example, given
from hypothesis import strategies as st

from crypto.padding import STEPS, pad_json, padded_size, padme


@given(st.integers(0, 2**62))
@example(0)
@example(2)
@example(3)
def test_padme_is_large_enough_and_costs_little(length: int) -> None:
    padded = padme(length)
    assert length <= padded <= length * 1.12 + 1
    assert padme(padded) == padded


def test_padme_gives_the_sizes_of_the_paper() -> None:
    assert [padme(length) for length in (8, 9, 100, 1_000, 1_000_000)] == [8, 10, 104, 1024, 1_015_808]


@given(st.integers(0, 300_000))
def test_json_is_padded_to_a_step(length: int) -> None:
    assert padded_size(length) >= length
    assert padded_size(length) in STEPS or (length > STEPS[-1] and padded_size(length) == padme(length))


def test_a_short_and_a_longer_message_have_one_size() -> None:
    assert {4096} == {len(pad_json(b'"%s"' % (b"x" * length))) for length in (0, 1, 500, 4094)}
    assert len(pad_json(b"1" * 4097)) == 8192


def test_padded_json_is_still_json() -> None:
    assert json.loads(pad_json(b'{"kind":"message"}')) == {"kind": "message"}
