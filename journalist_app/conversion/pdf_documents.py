"""Conversion of a PDF to pictures and text, page by page, with Debian's poppler in the sandbox."""

import re
from dataclasses import dataclass, field
from typing import IO, Final

from journalist_app.conversion.conversion_limits import PICTURE_SIDE
from journalist_app.conversion.converter_run import Converter
from journalist_app.conversion.pixels import Picture, read_ppm
from journalist_app.errors import ConversionRefusal, ConversionRefusedError

_COUNT: Final = (
    "need /usr/bin/pdfinfo; if ! /usr/bin/pdfinfo 1 >out/1 2>messages; then"
    ' if /usr/bin/grep -q "Incorrect password" messages; then refuse locked; fi; exit 1; fi;'
)
# pdftotext refuses a PDF that forbids copying. Then the page has no text.
_PAGE: Final = (
    "need /usr/bin/pdftoppm /usr/bin/pdftotext; /usr/bin/pdftoppm -f $1 -l $1 -scale-to $2 1 >out/1;"
    " /usr/bin/pdftotext -enc UTF-8 -f $1 -l $1 1 out/2 || : >out/2;"
)
_WORDS: Final = "need /usr/bin/pdftotext; /usr/bin/pdftotext -enc UTF-8 -l $1 1 out/1 || : >out/1;"
_SMALL: Final = (
    "need /usr/bin/pdftoppm; /usr/bin/pdftoppm -l $1 -scale-to $2 1 page; count=0; for each in page*; do"
    " count=$((count + 1)); /usr/bin/mv $each out/$count; done;"
)
_PAGES_LINE: Final = re.compile(r"^Pages: +(\d{1,9})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PdfPage:
    """One page of a PDF: its picture, and the text that the PDF has for this page."""

    picture: Picture = field(repr=False)
    words: str = field(repr=False)


def count_pages(converter: Converter, file: IO[bytes]) -> int:
    """Return how many pages a PDF says it has.

    Raises:
        ConversionRefusedError: the PDF is damaged or locked with a password, or poppler exceeded a limit.
    """
    (output,) = converter.run(_COUNT, [file]).exactly(1)
    found = _PAGES_LINE.findall(output.decode("utf-8", "replace"))
    if not found or int(found[-1]) == 0:
        raise ConversionRefusedError(ConversionRefusal.FAILED)
    return int(found[-1])


def convert_page(converter: Converter, file: IO[bytes], page: int, side: int = PICTURE_SIDE) -> PdfPage:
    """Return the picture and the text of one page of a PDF. Pages count from 1.

    The longer side of the picture has `side` pixels, whatever the size of the page.

    Raises:
        ConversionRefusedError: the PDF has no such page or is damaged, or poppler exceeded a limit.
    """
    picture, words = converter.run(_PAGE, [file], page, side).exactly(2)
    return PdfPage(read_ppm(picture), words.decode("utf-8", "replace").rstrip("\f"))


def words_of_pages(converter: Converter, file: IO[bytes], pages: int) -> tuple[str, ...]:
    """Return the text of each of the first pages of a PDF. If the PDF forbids copying, the result is empty.

    Raises:
        ConversionRefusedError: poppler is not installed, failed, or exceeded a limit.
    """
    (words,) = converter.run(_WORDS, [file], pages).exactly(1)
    return tuple(words.decode("utf-8", "replace").split("\f")[:-1])


def pictures_of_pages(converter: Converter, file: IO[bytes], pages: int, side: int) -> tuple[Picture, ...]:
    """Return a picture of each of the first pages of a PDF. The longer side of a picture has `side` pixels.

    Raises:
        ConversionRefusedError: poppler is not installed, failed, or exceeded a limit.
    """
    return tuple(map(read_ppm, converter.run(_SMALL, [file], pages, side).results))
