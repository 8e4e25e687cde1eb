"""File types, recognised by the content of a file, whatever its name."""

import codecs
import os
import re
import struct
from collections.abc import Mapping
from typing import IO, Final

HEAD_BYTES: Final = 4096
_TAIL_BYTES: Final = 65536  # a zip file ends with the list of its files

_OPEN: Final = rb"PK\x03\x04.*mimetypeapplication/vnd\.oasis\.opendocument\."
_OFFICE: Final = rb"PK\x03\x04(?=.*\[Content_Types\]\.xml).*[^A-Za-z]"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # files of office programs before 2007, and of Outlook
_HEADER: Final = rb"(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*+)*?(?i:"  # of an e-mail message


def _ole(*streams: str) -> bytes:
    names = (re.escape(each.encode("utf-16-le")) for each in streams)
    return re.escape(_OLE) + b".*(?:" + b"|".join(names) + b")"


_TYPES: Final = re.compile(  # the first that matches decides; each name is the usual ending of such a file
    rb"(?P<jpg>\xff\xd8\xff)|(?P<png>\x89PNG\r\n\x1a\n)|(?P<gif>GIF8)|(?P<tiff>II\*\0|MM\0\*)"
    rb"|(?P<bmp>BM.{4}\0{4}.{4}[\x0c\x28\x6c\x7c]\0)|(?P<webp>RIFF.{4}WEBP)|(?P<wav>RIFF.{4}WAVE)"
    rb"|(?P<avi>RIFF.{4}AVI )|(?P<ogg>OggS)|(?P<flac>fLaC)|(?P<amr>#!AMR)|(?P<mkv>\x1aE\xdf\xa3)"
    rb"|(?P<mpg>\0\0\x01[\xb3\xba])|(?P<mp3>ID3|\xff[\xfb\xf3\xf2])|(?P<aac>\xff[\xf1\xf9])"
    rb"|(?P<wmv>0&\xb2u\x8ef\xcf\x11)|(?P<heic>.{4}ftyp(?:hei|hev|mif1|msf1))|(?P<avif>.{4}ftypavi[fs])"
    rb"|(?P<m4a>.{4}ftypM4A)|(?P<mov>.{4}ftypqt)|(?P<_3gp>.{4}ftyp3g)|(?P<mp4>.{4}ftyp)|(?P<rtf>\{\\rtf)"
    rb"|(?P<gz>\x1f\x8b\x08)|(?P<_7z>7z\xbc\xaf\x27\x1c)|(?P<rar>Rar!\x1a\x07)|(?P<xz>\xfd7zXZ\0)"
    rb"|(?P<bz2>BZh[1-9]1AY&SY)|(?P<tar>.{257}ustar)"
    rb"|(?P<odt>" + _OPEN + rb"text)|(?P<ods>" + _OPEN + rb"spreadsheet)|(?P<odp>" + _OPEN + rb"presentation)"
    rb"|(?P<odg>" + _OPEN + rb"graphics)|(?P<epub>PK\x03\x04.*mimetypeapplication/epub)"
    rb"|(?P<docx>" + _OFFICE + rb"word/)|(?P<xlsx>" + _OFFICE + rb"xl/)|(?P<pptx>" + _OFFICE + rb"ppt/)"
    rb"|(?P<zip>PK\x03\x04)|(?P<doc>" + _ole("WordDocument", "EncryptedPackage") + rb")"
    rb"|(?P<xls>" + _ole("Workbook") + rb")|(?P<ppt>" + _ole("PowerPoint Document") + rb")"
    rb"|(?P<msg>" + _ole("__substg1.0_") + rb")"
    rb"|(?P<pdf>.{0,1019}%PDF-)|(?P<svg>(?!.*<html)\s*<.*<?svg[\s>])"
    rb"|(?P<html>(?:\xef\xbb\xbf)?\s*<(?i:!doctype html|html)[\s>])"
    rb"|(?P<eml>(?=" + _HEADER + rb"from):)" + _HEADER + rb"date|received|message-id|mime-version):)",
    re.DOTALL,
)
# Office files, with the types to which LibreOffice converts them for the examination. A PDF shows which texts
# no one sees. Another type has the hidden parts that our program cannot list in the file itself.
OFFICE: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys((".xlsx", ".ods"), ()),  # a drawing of a sheet cuts off long texts
    **dict.fromkeys((".docx", ".odt", ".odp", ".odg"), ("pdf",)),
    **dict.fromkeys((".doc", ".rtf"), ("pdf", "docx")),
    **dict.fromkeys((".pptx", ".ppt"), ("pdf", "odp")),
    ".xls": ("xlsx",),
}
DOCUMENTS: Final = frozenset(OFFICE) - {".doc", ".rtf", ".ppt", ".xls"}  # our program reads and cleans these
# Archives that none of our programs looks into. Python reads a .zip.
ARCHIVES: Final = frozenset({".7z", ".rar", ".gz", ".bz2", ".xz", ".tar"})
NOT_IN_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def with_file_ending(name: str, first: bytes) -> str:
    """Return a file name with an ending. If `name` has none, guess the ending from `first`.

    `first` has the first 4 KiB of the file. A hostile file can begin like a file of another type.
    """
    stem, dot, ending = name.rpartition(".")
    return name if stem and dot and ending else name + ending_of(first)


def ending_of(first: bytes) -> str:
    """Return the usual file name ending for content that begins with these bytes, or an empty text."""
    return _ending_of_sample(first[:HEAD_BYTES])


def ending_of_file(file: IO[bytes]) -> str:
    """Return the usual file name ending for the content of this file, or an empty text.

    Unlike `ending_of`, this function also reads the list of the parts in an office document.
    """
    first, size = os.pread(file.fileno(), HEAD_BYTES, 0), os.fstat(file.fileno()).st_size
    if first.startswith(b"PK"):
        return _ending_of_sample(first + os.pread(file.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES)))
    if first.startswith(_OLE) and len(first) == HEAD_BYTES:
        # [MS-CFB], 2.2: the size of a sector as a power of two, and the first sector of the directory
        (power,), (sector,) = struct.unpack_from("<H", first, 30), struct.unpack_from("<I", first, 48)
        first += os.pread(file.fileno(), HEAD_BYTES, min((sector + 1) << min(power, 12), size))
        return _ending_of_sample(first)
    return _ending_of_sample(first)


def _ending_of_sample(sample: bytes) -> str:
    found = _TYPES.match(sample)
    if found and found.lastgroup:
        return "." + found.lastgroup.strip("_")
    return ".txt" if _is_text(sample) else ""


def _is_text(first: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(first)
    except UnicodeDecodeError:
        return False
    return not NOT_IN_TEXT.search(text)
