"""Clean-up of file names that came from outside: normalise a name, so that it is safe to show and to save."""

import re
import unicodedata
from urllib.parse import quote

NAME_CHARS = 120  # with the ending; a file system allows 255 bytes, and a UTF-8 character takes up to four
_NAME_BYTES = 200
_ENDING_CHARS = 16
_LOOKED_AT_CHARS = 512  # read at each end of a longer name: normalising a run of n accents takes n² time
_FALLBACK = "file"
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)", re.IGNORECASE)


def safe_name(name: str) -> str:
    """Return a file name that is safe to show and to save on any system. The result is never empty.

    The result has no folder, and at most 120 characters and 200 bytes of UTF-8. A safe name is not changed.
    """
    last = re.split(r"[/\\]", name)[-1]
    if len(last) > 2 * _LOOKED_AT_CHARS:
        last = last[:_LOOKED_AT_CHARS] + last[-_LOOKED_AT_CHARS:]
    visible = "".join(char if unicodedata.category(char)[0] not in "CZ" else _blank(char) for char in last)
    plain = unicodedata.normalize("NFC", _FORBIDDEN.sub("_", visible))
    trimmed = _trim(" ".join(plain.split()))
    if _RESERVED.fullmatch(trimmed.split(".", 1)[0].strip()):
        trimmed = "_" + trimmed
    return _trim(_shorten(trimmed)) or _FALLBACK


def attachment_disposition(name: str) -> str:
    """Return a Content-Disposition header that makes every browser save the file and never show the file."""
    safe = safe_name(name)
    plain = safe.encode("ascii", "replace").decode("ascii").replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"


def _blank(char: str) -> str:
    return " " if unicodedata.category(char)[0] == "Z" or char in "\t\n\r" else ""


def _trim(name: str) -> str:
    return name.strip(" .")


def _shorten(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending) > _ENDING_CHARS:
        stem, dot, ending = name, "", ""
    tail = dot + ending
    stem = stem[: NAME_CHARS - len(tail)]
    room = _NAME_BYTES - len(tail.encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .") + tail
