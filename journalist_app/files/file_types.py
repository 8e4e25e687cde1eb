"""File types, guessed from the first bytes of a file whose name has no ending."""

import codecs
import re
from typing import Final

HEAD_BYTES: Final = 4096

_BEGINNINGS: Final = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"GIF8", ".gif"),
    (b"II*\x00", ".tiff"),
    (b"MM\x00*", ".tiff"),
    (b"%PDF-", ".pdf"),
    (b"{\\rtf", ".rtf"),
    (b"7z\xbc\xaf\x27\x1c", ".7z"),
    (b"\x1f\x8b\x08", ".gz"),
    (b"ID3", ".mp3"),
    (b"OggS", ".ogg"),
)
_IN_ZIP: Final = (  # names of members near the beginning of the zip file
    (b"mimetypeapplication/vnd.oasis.opendocument.text", ".odt"),
    (b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", ".ods"),
    (b"word/", ".docx"),
    (b"xl/", ".xlsx"),
    (b"ppt/", ".pptx"),
)
NOT_IN_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_MEDIA: Final = ((b"ftyphei", ".heic"), (b"ftypM4A", ".m4a"), (b"ftypqt", ".mov"), (b"ftyp", ".mp4"))


def with_file_ending(name: str, first: bytes) -> str:
    """Return a file name with an ending, which is guessed from the file's first bytes if needed.

    `first` has the first 4 KiB of the file. The guess is only for people, and no code may rely on it.
    """
    stem, dot, ending = name.rpartition(".")
    return name if stem and dot and ending else name + _ending_of(first[:HEAD_BYTES])


def _ending_of(first: bytes) -> str:
    for beginning, ending in _BEGINNINGS:
        if first.startswith(beginning):
            return ending
    if first.startswith(b"PK\x03\x04"):
        return next((ending for mark, ending in _IN_ZIP if mark in first), ".zip")
    found = next((ending for mark, ending in _MEDIA if first[4:].startswith(mark)), "")
    return found or (".txt" if _is_text(first) else "")


def _is_text(first: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(first)
    except UnicodeDecodeError:
        return False
    return not NOT_IN_TEXT.search(text)
