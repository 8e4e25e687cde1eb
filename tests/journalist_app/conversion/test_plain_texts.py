"""Texts in any encoding are shown whole, and in pages."""

import codecs
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journalist_app.conversion.conversion_limits import TEXT_BYTES, TEXT_CHARS
from journalist_app.conversion.converter_run import Converter, memory_file
from journalist_app.conversion.plain_texts import decode_text, is_text_like, text_pages
from journalist_app.errors import ConversionRefusal, ConversionRefusedError
from tests.journalist_app.conversion.files_to_convert import OPENLY, a_converter, pages_of

_SAMPLES = {
    "windows-1252": "Beste adviseur, mijn chef heeft één vraag. “Ça va” kost € 5.",
    "windows-1251": "Уважаемый советник, мой начальник требует деньги от подрядчика.",
    "windows-1256": "السيد المستشار، مديري يطلب المال من المقاول كل شهر.",
    "gb18030": "尊敬的顾问。我的上司每个月都向承包商要钱。",
    "shift_jis": "相談員様、上司が毎月業者に金を要求しています。",
    "euc-kr": "상담원님, 제 상사가 매달 업체에 돈을 요구합니다.",
    "windows-1250": "Szanowny doradco, mój przełożony żąda pieniędzy co miesiąc.",
    "koi8-r": "Уважаемый советник, мой начальник требует деньги",
}


@pytest.mark.parametrize("encoding", _SAMPLES)
def test_a_text_that_is_not_unicode_is_read_in_its_script(encoding: str) -> None:
    text = _SAMPLES[encoding]

    found, pages = pages_of(OPENLY, text.encode(encoding))

    assert [text] == [page.words for page in pages]
    assert ("uchardet",) == found.programs
    assert found.encoding


@pytest.mark.parametrize(
    "raw",
    [
        "één".encode(),
        codecs.BOM_UTF8 + "één".encode(),
        "één".encode("utf-16"),
        "één".encode("utf-16-le"),
        "één".encode("utf-16-be"),
        "één".encode("utf-32"),
    ],
)
def test_every_form_of_unicode_is_read_without_a_guess(raw: bytes) -> None:
    with memory_file(raw) as file:
        found = decode_text(Converter(), file)

    assert (("één",), "") == (found.pages, found.encoding)
    assert is_text_like(raw)


@pytest.mark.parametrize("said", ["punycode", "UTF-7", "WINDOWS-1252; rm", "", "unknown"])
def test_an_encoding_that_a_hijacked_program_names_is_not_used(tmp_path: Path, said: str) -> None:
    with memory_file(b"\xe9") as file:
        found = decode_text(a_converter_that_says(tmp_path, said), file)

    assert (("é",), "windows-1252") == (found.pages, found.encoding)


def a_converter_that_says(room: Path, said: str) -> Converter:
    return a_converter(room, f"printf 'ok 0 {len(said) + 1}\\n{said}\\n'")


def test_a_text_that_is_too_large_is_refused() -> None:
    with memory_file(b"x" * (TEXT_BYTES + 1)) as file, pytest.raises(ConversionRefusedError) as refused:
        decode_text(Converter(), file)

    assert ConversionRefusal.TOO_LARGE is refused.value.reason


@given(st.text())
def test_the_pages_of_a_text_lose_no_character(text: str) -> None:
    pages = text_pages(text * 500)

    assert "".join(pages) == "".join(text_pages(text)) * 500
    assert all(0 < len(page) <= TEXT_CHARS for page in pages)


def test_a_page_ends_between_two_lines_and_control_characters_are_visible() -> None:
    line = "x" * 4000

    assert (f"{line}\n{line}\n", f"{line}\ufffd\n") == text_pages(f"{line}\r\n{line}\r{line}\x1b\n")
    assert () == text_pages("")


def test_a_text_of_nothing_but_its_mark_has_one_empty_page() -> None:
    found, pages = pages_of(OPENLY, codecs.BOM_UTF8)

    assert ([""], 1) == ([page.words for page in pages], found.total)


def test_other_bytes_are_not_taken_for_a_text() -> None:
    for raw in (b"", bytes(100), b"\x7fELF\x02\x01\x01", b"7z\xbc\xaf\x27\x1c\0\4"):
        assert not is_text_like(raw)
