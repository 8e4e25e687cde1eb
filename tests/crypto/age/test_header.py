import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.age.header import HEADER_BYTES_MAX, AgeHeader, Stanza, split_file
from crypto.errors import MalformedError

_FILE_KEY = bytes(range(16))
_ARGUMENT = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=70)
_STANZAS = st.lists(
    st.builds(Stanza, st.lists(_ARGUMENT, min_size=1, max_size=4).map(tuple), st.binary(max_size=200)),
    min_size=1,
    max_size=5,
)
_GOOD = AgeHeader.make(
    [Stanza(("type", "argument"), b"b" * 100), Stanza(("other",), b"")], _FILE_KEY
).to_bytes()


@given(_STANZAS)
def test_a_header_reads_back_as_it_was_written(stanzas: list[Stanza]) -> None:
    header = AgeHeader.make(stanzas, _FILE_KEY)
    assert header == AgeHeader.from_bytes(header.to_bytes())
    assert (header.to_bytes(), b"payload") == split_file(header.to_bytes() + b"payload")


@given(st.integers(0, len(_GOOD) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_a_changed_header_is_refused_or_written_back_byte_for_byte(at: int, new: bytes, cut: int) -> None:
    changed = _GOOD[:at] + new + _GOOD[at + cut :]
    try:
        header = AgeHeader.from_bytes(changed)
    except MalformedError:
        return
    assert changed == header.to_bytes()
    assert (changed == _GOOD) == header.is_made_with(_FILE_KEY)


@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_but_malformed(raw: bytes) -> None:
    for start in (b"", b"age-encryption.org/v1\n", b"age-encryption.org/v1\n-> "):
        with pytest.raises(MalformedError):
            AgeHeader.from_bytes(start + raw)


@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        pytest.param(rb"v1\n", b"v2\n", id="another version"),
        pytest.param(rb"\n$", b"", id="no newline at the end"),
        pytest.param(rb"-> type", b"->  type", id="two spaces before an argument"),
        pytest.param(rb"-> type", b"->\ttype", id="a tab for a space"),
        pytest.param(rb"argument\n", b"argument \n", id="a space at the end of a line"),
        pytest.param(rb"argument", "één".encode(), id="not ASCII"),
        pytest.param(rb"argument\n", b"argument\r\n", id="a carriage return"),
        pytest.param(rb"(?s)-> .*(?=---)", b"", id="no stanza"),
        pytest.param(rb"other\n\n", b"other\n", id="a stanza without its short last line"),
        pytest.param(rb"other\n\n", b"other\n" + b"YWJj" * 16 + b"Y\n", id="a line over 64 columns"),
        pytest.param(rb"other\n\n", b"other\nYWI=\n", id="padded base64"),
        pytest.param(rb"other\n\n", b"other\nYWJ\n", id="stray bits at the end of a body"),
        pytest.param(rb"--- ", b"---", id="no space before the MAC"),
        pytest.param(rb"--- .*\n", b"--- YWJj\n", id="a short MAC"),
        pytest.param(rb"--- .*\n", b"", id="no MAC"),
    ],
)
def test_a_header_with_one_fault_is_refused(pattern: bytes, new: bytes) -> None:
    faulty = re.sub(pattern, lambda _: new, _GOOD)
    assert faulty != _GOOD
    with pytest.raises(MalformedError):
        AgeHeader.from_bytes(faulty)


def test_a_header_over_64_kib_is_refused_before_it_is_read() -> None:
    huge = AgeHeader.make([Stanza(("type",), bytes(HEADER_BYTES_MAX))], _FILE_KEY).to_bytes()
    with pytest.raises(MalformedError):
        AgeHeader.from_bytes(huge)
    with pytest.raises(MalformedError):
        split_file(huge)


@pytest.mark.parametrize("raw", [b"", b"no header", b"age-encryption.org/v1\n-> x\n\n--- without an end"])
def test_a_file_whose_header_does_not_end_is_not_cut(raw: bytes) -> None:
    with pytest.raises(MalformedError):
        split_file(raw)
