import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.bech32 import from_bech32, to_bech32
from crypto.errors import MalformedError

_GOOD = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"  # from the age specification


@given(st.sampled_from(["age", "age1pq", "AGE-SECRET-KEY-"]), st.binary(max_size=70))
def test_written_text_reads_back(prefix: str, raw: bytes) -> None:
    assert raw == from_bech32(prefix, to_bech32(prefix, raw))


@given(st.text(max_size=12))
def test_random_text_raises_nothing_but_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        from_bech32("age", text)
    with pytest.raises(MalformedError):
        from_bech32("age", "age1" + text)


@given(st.integers(4, len(_GOOD) - 1), st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l"))
def test_one_changed_letter_is_detected(at: int, letter: str) -> None:
    changed = _GOOD[:at] + letter + _GOOD[at + 1 :]
    if changed == _GOOD:
        return
    with pytest.raises(MalformedError):
        from_bech32("age", changed)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(_GOOD.upper(), id="the other case"),
        pytest.param(_GOOD[:-1] + "J", id="mixed case"),
        pytest.param(_GOOD.replace("age1", "abc1"), id="another prefix"),
        pytest.param(_GOOD[:-1], id="a letter short"),
        pytest.param(_GOOD + "q", id="a letter long"),
        pytest.param(_GOOD.replace("zvk", "bvk"), id="a letter that is not in the alphabet"),
        pytest.param("", id="nothing"),
        pytest.param("age1", id="no checksum"),
    ],
)
def test_a_key_with_one_fault_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        from_bech32("age", text)
