"""Text files in any encoding, decoded and divided into pages."""

import codecs
import os
import re
from dataclasses import dataclass, field
from typing import IO, Final

from journalist_app.conversion.conversion_limits import TEXT_BYTES, TEXT_CHARS
from journalist_app.conversion.converter_run import Converter
from journalist_app.errors import ConversionRefusal, ConversionRefusedError
from journalist_app.files.file_types import HEAD_BYTES, NOT_IN_TEXT

_MARKS: Final = (  # bytes with which a text says its encoding; UTF-32 begins with the mark of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GUESS: Final = "need /usr/bin/uchardet; /usr/bin/uchardet 1 >out/1;"
# Not every decoder of Python: some take minutes for a long text.
_GUESSED: Final = re.compile(
    r"(?:WINDOWS-125\d|ISO-8859-1?\d|KOI8-[RU]|GB18030|BIG5|SHIFT_JIS|EUC-(?:JP|KR)|UHC|TIS-620|IBM8\d\d)\n"
)
_USUAL: Final = "windows-1252"
_ZEROS: Final = 0.3  # part of every second byte of a text in UTF-16 that is zero, at least
_PAGE: Final = re.compile(rf".{{1,{TEXT_CHARS - 1}}}(?:\n|\Z)|.{{1,{TEXT_CHARS}}}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DecodedText:
    """Text of a file, in pages.

    If the encoding was guessed, `encoding` is its name. Otherwise `encoding` is empty.
    """

    pages: tuple[str, ...] = field(repr=False)
    encoding: str = ""


def is_text_like(first: bytes) -> bool:
    """Return True if a file that begins with these bytes may be a text in some encoding."""
    return bool(first) and (_wide(first) != "" or not NOT_IN_TEXT.search(first.decode("latin-1")))


def decode_text(converter: Converter, file: IO[bytes]) -> DecodedText:
    """Return the text of a file, decoded from the encoding that its bytes show.

    If the text is not Unicode, uchardet guesses the encoding.

    Raises:
        ConversionRefusedError: the file is too large, or uchardet is not installed or exceeded a limit.
    """
    raw = os.pread(file.fileno(), TEXT_BYTES + 1, 0)
    if len(raw) > TEXT_BYTES:
        raise ConversionRefusedError(ConversionRefusal.TOO_LARGE)
    encoding = _wide(raw[:HEAD_BYTES])
    if encoding:
        return DecodedText(text_pages(raw.decode(encoding, "replace")))
    try:
        return DecodedText(text_pages(raw.decode("utf-8")))
    except UnicodeDecodeError:
        guessed = converter.run(_GUESS, [file]).exactly(1)[0].decode("ascii", "replace")
    encoding = guessed.strip() if _GUESSED.fullmatch(guessed) else _USUAL
    return DecodedText(text_pages(raw.decode(encoding, "replace")), encoding.lower())


def text_pages(text: str) -> tuple[str, ...]:
    """Divide a text into pages of at most 10,000 characters, where possible between two lines."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return tuple(_PAGE.findall(NOT_IN_TEXT.sub("\N{REPLACEMENT CHARACTER}", lines)))


def _wide(first: bytes) -> str:
    """Return the Unicode encoding that the first bytes of a text show, or an empty text."""
    for mark, encoding in _MARKS:
        if first.startswith(mark):
            return encoding
    half = len(first) // 2
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        others = first[1 - start :: 2]
        if half and first[start::2].count(0) > _ZEROS * half and not others.count(0):
            return encoding
    return ""
