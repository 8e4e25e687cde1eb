import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.canonical_json import CanonicalStruct, decode_json
from crypto.errors import MalformedError
from tests.deep_json import DEEP


class Example(CanonicalStruct, frozen=True):
    number: int
    text: str = ""


@given(st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_structure_reads_back_as_it_was(number: int, text: str) -> None:
    example = Example(number=number, text=text)

    assert example == Example.from_bytes(example.to_bytes())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b'{"text":"","number":1}',
        b'{"number":1, "text":""}',
        b'{"number":1}',
        b'{"number":1,"text":"","more":1}',
        b'{"number":"1","text":""}',
        b'{"number":1,"text":"\xff"}',
    ],
    ids=["nothing", "byte", "order", "white space", "default", "unknown field", "type", "not UTF-8"],
)
def test_another_spelling_or_shape_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        Example.from_bytes(raw)


class Later(msgspec.Struct, frozen=True):
    """Shape that skips unknown fields, so that its parser descends into them."""

    number: int = 0


@pytest.mark.parametrize("raw", DEEP)
@pytest.mark.parametrize("shape", [Example, Later, dict[str, str], tuple[str, str, str], list[int]])
def test_json_that_is_nested_very_deep_is_refused(raw: bytes, shape: type) -> None:
    with pytest.raises(MalformedError):
        decode_json(raw, shape)


def test_json_of_a_shape_is_read_in_any_spelling() -> None:
    assert Example(number=1) == decode_json(b' {"number": 1} ', Example)


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(MalformedError):
        Example(number=1, text="\ud800").to_bytes()


def test_a_structure_does_not_show_in_a_log() -> None:
    assert "Example" == repr(Example(number=1, text="secret"))
