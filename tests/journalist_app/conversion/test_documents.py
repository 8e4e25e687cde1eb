"""Office documents and PDF, converted by the real LibreOffice and poppler."""

from pathlib import Path

import pytest

from journalist_app.conversion.converter_run import Converter, memory_file
from journalist_app.conversion.office_documents import CONVERT, office_to_pdf
from journalist_app.conversion.pdf_documents import convert_page, count_pages, words_of_pages
from journalist_app.errors import ConversionRefusal, ConversionRefusedError
from tests.journalist_app.conversion.files_to_convert import OPENLY, a_converter, a_letter, a_small_pdf

LONG_SIDE = 300


def test_a_pdf_says_how_many_pages_it_has() -> None:
    with memory_file(a_small_pdf(3)) as file:
        assert 3 == count_pages(OPENLY, file)


def test_the_longer_side_of_a_page_has_the_asked_number_of_pixels() -> None:
    with memory_file(a_small_pdf(1)) as file:
        page = convert_page(OPENLY, file, 1, LONG_SIDE)

    assert (LONG_SIDE, LONG_SIDE // 2, "") == (page.picture.width, page.picture.height, page.words)
    assert {0xFF} == set(page.picture.pixels)


def test_a_damaged_pdf_and_a_page_that_it_does_not_have_are_refused() -> None:
    with memory_file(b"%PDF-1.4\nnothing") as damaged, memory_file(a_small_pdf(1)) as small:
        for convert in (lambda: count_pages(OPENLY, damaged), lambda: convert_page(OPENLY, small, 2)):
            with pytest.raises(ConversionRefusedError) as refused:
                convert()
            assert ConversionRefusal.FAILED is refused.value.reason


@pytest.mark.parametrize("said", ["", "Pages: many", "Pages:          0"])
def test_a_pdf_whose_pages_cannot_be_counted_is_refused(tmp_path: Path, said: str) -> None:
    converter = a_converter(tmp_path, f"printf 'ok 0 {len(said)}\\n{said}'")

    with memory_file(b"%PDF") as file, pytest.raises(ConversionRefusedError):
        count_pages(converter, file)


def test_a_locked_pdf_is_refused_with_its_own_reason() -> None:
    locked = a_small_pdf(1).replace(
        b"/Root 1 0 R",
        b"/Root 1 0 R/ID[<00><00>]/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>"
        % (b"41" * 32, b"42" * 32),
    )
    with memory_file(locked) as file, pytest.raises(ConversionRefusedError) as refused:
        count_pages(OPENLY, file)

    assert ConversionRefusal.LOCKED is refused.value.reason


@pytest.mark.slow
def test_libreoffice_does_not_use_the_cache_of_all_users() -> None:
    """At each start, LibreOffice would write to this cache. Two of them at once could disturb each other."""
    cache = Path("/usr/lib/libreoffice/share/uno_packages/cache")
    before = cache.stat().st_mtime_ns

    with memory_file(a_letter()) as file:
        assert office_to_pdf(OPENLY, [file]) != (b"",)

    assert before == cache.stat().st_mtime_ns


@pytest.mark.parametrize("fails", [1, 2])
def test_a_start_of_libreoffice_that_fails_is_repeated(fails: int) -> None:
    start = "start() { echo >>starts; [ $(/usr/bin/wc -l <starts) -gt %d ]; }; convert; printf pdf >out/1;"

    with memory_file(b"x") as file:
        assert OPENLY.run(CONVERT + start % fails, [file]).exactly(1) == (b"pdf",)


def test_libreoffice_that_fails_at_each_start_has_failed() -> None:
    with memory_file(b"x") as file, pytest.raises(ConversionRefusedError) as refused:
        OPENLY.run(CONVERT + "start() { false; }; convert;", [file])

    assert ConversionRefusal.FAILED is refused.value.reason


@pytest.mark.slow
def test_several_office_documents_are_converted_in_one_run() -> None:
    with (
        memory_file(a_letter(body="<text:p>Één</text:p>")) as one,
        memory_file(b"PK\x03\x04 not a document") as damaged,
        memory_file(a_letter(body="<text:p>twee</text:p>")) as two,
    ):
        first, none, second = office_to_pdf(Converter(), [one, damaged, two])

    assert b"" == none
    for content, words in ((first, "Één"), (second, "twee")):
        with memory_file(content) as file:
            assert [words] == [each.strip() for each in words_of_pages(Converter(), file, 1)]


@pytest.mark.slow
def test_a_document_that_unpacks_to_gigabytes_is_refused() -> None:
    bomb = a_letter(body=f"<text:p>{'a' * 10_000_000}</text:p>" * 110)
    with memory_file(bomb) as file, pytest.raises(ConversionRefusedError) as refused:
        office_to_pdf(Converter(), [file])

    assert refused.value.reason in {ConversionRefusal.LIMIT, ConversionRefusal.FAILED}
