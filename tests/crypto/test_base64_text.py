import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.base64_text import from_base64, to_base64
from crypto.errors import MalformedError


@given(st.binary())
def test_written_text_reads_back(raw: bytes) -> None:
    assert raw == from_base64(to_base64(raw))


@given(st.text(max_size=12))
def test_accepted_text_is_the_one_spelling(text: str) -> None:
    try:
        raw = from_base64(text)
    except MalformedError:
        return
    assert text == to_base64(raw)


@pytest.mark.parametrize("text", ["YQ==", "YR", "Y", "Y Q", "YQ\n", "Y_-_", "é", "YQ=Q"])
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        from_base64(text)
