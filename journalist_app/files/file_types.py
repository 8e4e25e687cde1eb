"""File types, guessed from the first bytes of a file."""

import codecs
import re
from typing import Final

HEAD_BYTES: Final = 4096

_OPEN: Final = rb"PK\x03\x04.*mimetypeapplication/vnd\.oasis\.opendocument\."
_TYPES: Final = re.compile(  # the first that matches decides; each name is the usual ending of such a file
    rb"(?P<jpg>\xff\xd8\xff)|(?P<png>\x89PNG\r\n\x1a\n)|(?P<gif>GIF8)|(?P<tiff>II\*\0|MM\0\*)"
    rb"|(?P<webp>RIFF.{4}WEBP)|(?P<wav>RIFF.{4}WAVE)|(?P<avi>RIFF.{4}AVI )|(?P<ogg>OggS)|(?P<flac>fLaC)"
    rb"|(?P<mp3>ID3|\xff[\xfb\xf3\xf2])|(?P<wmv>0&\xb2u\x8ef\xcf\x11)|(?P<heic>.{4}ftyp(?:hei|hev|mif1|msf1))"
    rb"|(?P<m4a>.{4}ftypM4A)|(?P<mov>.{4}ftypqt)|(?P<mp4>.{4}ftyp)|(?P<rtf>\{\\rtf)|(?P<gz>\x1f\x8b\x08)"
    rb"|(?P<_7z>7z\xbc\xaf\x27\x1c)"
    rb"|(?P<odt>" + _OPEN + rb"text)|(?P<ods>" + _OPEN + rb"spreadsheet)|(?P<odp>" + _OPEN + rb"presentation)"
    rb"|(?P<docx>PK\x03\x04.*word/)|(?P<xlsx>PK\x03\x04.*xl/)|(?P<pptx>PK\x03\x04.*ppt/)|(?P<zip>PK\x03\x04)"
    rb"|(?P<pdf>.{0,1019}%PDF-)|(?P<svg>(?!.*<html)\s*<.*<?svg[\s>])",
    re.DOTALL,
)
NOT_IN_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def with_file_ending(name: str, first: bytes) -> str:
    """Return a file name with an ending, which is guessed from the file's first bytes if needed.

    `first` has the first 4 KiB of the file. A hostile file can begin like a file of another type.
    """
    stem, dot, ending = name.rpartition(".")
    return name if stem and dot and ending else name + ending_of(first)


def ending_of(first: bytes) -> str:
    """Return the usual ending of names of files that begin with these bytes, or an empty text if unknown."""
    found = _TYPES.match(first[:HEAD_BYTES])
    if found and found.lastgroup:
        return "." + found.lastgroup.strip("_")
    return ".txt" if _is_text(first[:HEAD_BYTES]) else ""


def _is_text(first: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(first)
    except UnicodeDecodeError:
        return False
    return not NOT_IN_TEXT.search(text)
