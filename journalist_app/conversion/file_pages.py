"""Choice of a converter for a file by its content, and the pages that the converter makes."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import IO, Final

from journalist_app.conversion.conversion_limits import (
    FILES,
    PAGES,
    PICTURES,
    SOUND_PAGES,
    SOUND_SECONDS,
    STILL_SECONDS,
    STILLS,
)
from journalist_app.conversion.converter_run import Converter, memory_file, require_content
from journalist_app.conversion.file_contents import read_contents
from journalist_app.conversion.office_documents import office_to_pdf
from journalist_app.conversion.pdf_documents import convert_page, count_pages
from journalist_app.conversion.picture_files import DecodedPictures, decode_file
from journalist_app.conversion.plain_texts import decode_text, is_text_like, text_pages
from journalist_app.conversion.recordings import probe_recording, sound_of, still_of
from journalist_app.errors import ConversionRefusal, ConversionRefusedError
from journalist_app.files.file_types import ARCHIVES, HEAD_BYTES, OFFICE, ending_of_file

# The usual endings of files of each kind. The content of a file decides which ending it has.
_IMAGES: Final = (".jpg", ".png", ".gif", ".tiff", ".bmp", ".webp", ".heic", ".avif")
_DRAWN: Final = (*OFFICE, ".svg")
_SOUND: Final = (".wav", ".mp3", ".m4a", ".ogg", ".flac", ".amr", ".aac")
_FILMS: Final = (".mp4", ".mov", ".3gp", ".mkv", ".avi", ".wmv", ".mpg")
_TEXTS: Final = (".txt", ".html")
_MIXED: Final = {".eml": ".eml", ".msg": ".msg", ".zip": ".zip", ".epub": ".zip"}


@dataclass(frozen=True, slots=True)
class ShownPage:
    """One page of a converted file: a picture, sound, text, or the headers and files of an e-mail message.

    `picture` is a PNG file, and `sound` is a WAV file. `seconds` is the time in the recording at which this
    page begins. Outside recordings, `seconds` is -1.
    """

    words: str = field(default="", repr=False)
    picture: bytes = field(default=b"", repr=False)
    sound: bytes = field(default=b"", repr=False)
    seconds: int = -1
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    files: tuple[tuple[str, int], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class FilePages:
    """Pages of a converted file. `page` converts one page, counted from 1.

    `total` is the number of pages in the whole file, and `count` the number of pages that are shown. If the
    encoding of a text was guessed, `encoding` is its name.
    """

    programs: tuple[str, ...]
    total: int
    count: int
    page: Callable[[int], ShownPage] = field(repr=False)
    encoding: str = ""


def convert_file(converter: Converter, file: IO[bytes]) -> FilePages:
    """Choose a converter by the content of a file, and return the pages that it makes.

    `file` must stay open until the last page was read.

    Raises:
        ConversionRefusedError: the file cannot be converted. A page can raise this error too.
    """
    require_content(file)
    ending = ending_of_file(file)
    if ending == ".pdf":
        return _pdf_pages(converter, file)
    if ending in _DRAWN:
        return _office_pages(converter, file)
    if ending in _IMAGES:
        return _pictures(converter, file, ending)
    if ending in _SOUND + _FILMS:
        return _recording_pages(converter, file)
    if ending in _MIXED:
        return _mixed_pages(converter, file, ending)
    if ending in _TEXTS or (not ending and is_text_like(os.pread(file.fileno(), HEAD_BYTES, 0))):
        return _text_pages(converter, file, is_web=ending == ".html")
    is_archive = ending in ARCHIVES
    raise ConversionRefusedError(ConversionRefusal.ARCHIVE if is_archive else ConversionRefusal.UNKNOWN)


def _pdf_pages(converter: Converter, file: IO[bytes]) -> FilePages:
    total = count_pages(converter, file)
    return FilePages(
        ("Poppler",), total, min(total, PAGES), lambda number: _pdf_page(converter, file, number)
    )


def _pdf_page(converter: Converter, file: IO[bytes], number: int) -> ShownPage:
    page = convert_page(converter, file, number)
    return ShownPage(page.words.strip(), page.picture.png())


def _office_pages(converter: Converter, file: IO[bytes]) -> FilePages:
    (pdf,) = office_to_pdf(converter, [file])
    if not pdf:
        raise ConversionRefusedError(ConversionRefusal.FAILED)

    def page(number: int) -> ShownPage:
        with memory_file(pdf) as opened:
            return _pdf_page(converter, opened, number)

    with memory_file(pdf) as opened:
        return replace(_pdf_pages(converter, opened), programs=("LibreOffice", "Poppler"), page=page)


def _pictures(converter: Converter, file: IO[bytes], ending: str) -> FilePages:
    def decode(number: int) -> DecodedPictures:
        found = decode_file(converter, file, ending, first=number, most=1)
        if not found.pictures:
            raise ConversionRefusedError(ConversionRefusal.FAILED)
        return found

    def page(number: int) -> ShownPage:
        return ShownPage(picture=(first if number == 1 else decode(number)).pictures[0].png())

    first = decode(1)
    return FilePages(first.programs, first.total, min(first.total, PICTURES), page)


def _recording_pages(converter: Converter, file: IO[bytes]) -> FilePages:
    about = probe_recording(converter, file)
    length = max(1, math.ceil(about.seconds))
    every = max(STILL_SECONDS, math.ceil(length / STILLS))
    stills = range(0, length, every) if about.has_film else range(0)
    sounds = range(0, length, SOUND_SECONDS) if about.has_sound else range(0)
    shown = (*stills, *sounds[:SOUND_PAGES])

    def page(number: int) -> ShownPage:
        at = shown[number - 1]
        if number <= len(stills):
            return ShownPage(picture=still_of(converter, file, at).png(), seconds=at)
        return ShownPage(sound=sound_of(converter, file, at), seconds=at)

    return FilePages(("FFmpeg",), len(stills) + len(sounds), len(shown), page)


def _mixed_pages(converter: Converter, file: IO[bytes], ending: str) -> FilePages:
    """Return pages with the text of a message, and with the list of files in a message or an archive."""
    found = read_contents(converter, file, _MIXED[ending])
    texts = text_pages(found.text)
    total = max(1, len(texts), math.ceil(found.total / FILES))

    def page(number: int) -> ShownPage:
        files = found.files[FILES * (number - 1) : FILES * number]
        words = "".join(texts[number - 1 : number])
        return ShownPage(words, headers=found.headers if number == 1 else (), files=files)

    return FilePages(("Python",), total, min(total, PAGES), page)


def _text_pages(converter: Converter, file: IO[bytes], *, is_web: bool) -> FilePages:
    text = decode_text(converter, file)
    pages, programs = text.pages, ["uchardet"] * bool(text.encoding)
    if is_web:
        with memory_file("".join(pages).encode()) as decoded:
            pages = text_pages(read_contents(converter, decoded, ".html").text)
        programs.append("html.parser")
    shown = pages or ("",)  # a text of which only the mark of its encoding is left
    count = min(len(shown), PAGES)
    return FilePages(
        tuple(programs), len(shown), count, lambda number: ShownPage(shown[number - 1]), text.encoding
    )
