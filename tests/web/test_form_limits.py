"""A percent-encoded form is refused at its limits while it arrives, and what was typed is kept."""

import io
import tracemalloc
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.web.test_multipart import EndlessSender, Pieces, refused_body
from web.errors import BodyFault
from web.form_limits import read_small_form, small_form_bytes
from web.multipart import Body, FormLimits

LIMITS = FormLimits(4, {"text": 300_000, "words": 100})
PLENTY = 10_000_000


def read(raw: bytes, limits: FormLimits = LIMITS) -> list[tuple[str, str]]:
    return list(read_small_form(Body(io.BytesIO(raw), len(raw), small_form_bytes(limits)), limits))


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=40), max_size=4))
def test_a_form_is_read_as_it_was_written(fields: dict[str, str]) -> None:
    assert read(urlencode(fields).encode()) == list(fields.items())


@given(st.lists(st.integers(0, 60), max_size=8).map(sorted))
def test_any_split_of_the_bytes_gives_the_same_fields(cuts: list[int]) -> None:
    raw = urlencode({"words": "één twee", "text": "a&b=c%"}).encode()
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]

    assert list(read_small_form(Body(Pieces(pieces), None, PLENTY), LIMITS)) == read(raw)


@pytest.mark.parametrize("before", range(5))
def test_an_escape_at_any_place_of_a_long_text_is_read(before: int) -> None:
    text = "x" * (4092 + before) + "é" * 3000 + "%"

    assert read(urlencode({"text": text}).encode()) == [("text", text)]


def test_decoding_takes_little_memory() -> None:
    raw = b"text=" + b"%26" * 300_000
    tracemalloc.start()
    read(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 6 * len(raw)


def test_empty_and_broken_fields_are_no_trouble() -> None:
    assert read(b"&words=%zz%&&") == [("words", "%zz%")]
    assert read(b"") == []
    assert read(b"words") == [("words", "")]


def test_the_longest_text_of_the_longest_characters_is_read() -> None:
    text = "\N{GRINNING FACE}" * 75_000

    assert read(urlencode({"words": "w" * 100, "text": text}).encode())[1] == ("text", text)


@pytest.mark.parametrize("text", ["x" * 101, "é" * 51, "%" * 301], ids=["plain", "encoded", "malformed"])
def test_a_field_over_its_limit_is_refused_and_its_start_kept(text: str) -> None:
    raw = b"words=" + (text if text[0] == "%" else quote_plus(text)).encode()

    with refused_body(BodyFault.FIELD_TOO_LONG) as refusal:
        read(raw + b"&text=a")

    assert refusal.value.unfinished is not None
    assert text.startswith(refusal.value.unfinished[1].rstrip("\ufffd%C"))


def test_a_field_that_the_form_does_not_have_is_short() -> None:
    assert read(b"other=1") == [("other", "1")]
    with refused_body(BodyFault.FIELD_TOO_LONG):
        read(b"other=" + b"x" * 300)


def test_an_endless_field_is_refused_at_its_limit() -> None:
    endless = EndlessSender(b"words=", b"x" * 1000)

    with refused_body(BodyFault.FIELD_TOO_LONG):
        list(read_small_form(Body(endless, None, PLENTY), LIMITS))
    assert endless.given < 10_000


@pytest.mark.parametrize("raw", [b"&", b"a&", b"words=a&"], ids=["empty", "names", "repeated"])
def test_an_endless_number_of_fields_is_refused_after_the_first_few(raw: bytes) -> None:
    endless = EndlessSender(b"", raw * 100)

    with refused_body(BodyFault.TOO_MANY_PARTS):
        list(read_small_form(Body(endless, None, PLENTY), LIMITS))
    assert endless.given < 10_000


def test_a_form_that_is_cut_off_keeps_the_text_that_arrived() -> None:
    with refused_body(BodyFault.CUT_OFF) as refusal:
        list(read_small_form(Body(io.BytesIO(b"words=a&text=half+a"), 900, PLENTY), LIMITS))

    assert refusal.value.unfinished == ("text", "half a")
