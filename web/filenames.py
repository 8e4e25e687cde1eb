"""Clean-up of file names that came from outside: normalise a name, so that it is safe to show and to save."""

import re
from urllib.parse import quote

from web.normal_text import name_form, one_line

NAME_CHARS = 120  # with the ending; a file system allows 255 bytes, and a UTF-8 character takes up to four
_NAME_BYTES = 200
_ENDING_CHARS = 16
_LOOKED_AT_CHARS = 512  # read at each end of a longer name: normalising a run of n accents takes n² time
_FALLBACK = "file"
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³]|conin\$|conout\$)", re.IGNORECASE)
# Only Windows separates folders with backslashes: elsewhere a name may contain one.
_WINDOWS_PATH = re.compile(r"[a-z]:|\.{0,2}\\", re.IGNORECASE)


def safe_name(name: str) -> str:
    """Return a file name that is safe to show and to save on any system. The result is never empty.

    The result has no folder, and at most 120 characters and 200 bytes of UTF-8. Unsafe characters are
    replaced, and "…" marks a shortened name. A safe name is not changed.
    """
    bare = name.rstrip("/\\")
    last = re.split(r"[/\\]" if _WINDOWS_PATH.match(bare) else "/", bare)[-1]
    if len(last) > 2 * _LOOKED_AT_CHARS:
        last = last[:_LOOKED_AT_CHARS] + last[-_LOOKED_AT_CHARS:]
    text = last.encode("utf-8", "replace").decode()  # half a surrogate pair becomes a question mark
    trimmed = _trim(_FORBIDDEN.sub("_", one_line(text)))
    if _RESERVED.fullmatch(trimmed.split(".", 1)[0].strip()):
        trimmed = "_" + trimmed
    return _shorten(trimmed) or _FALLBACK


def distinct_name(name: str, taken: set[str]) -> str:
    """Return a safe file name that looks unlike all earlier names, with a number if needed.

    `taken` has the result of `name_form` for each earlier name. This function adds the result for
    the new name to `taken`.
    """
    # Some systems ignore capitals in file names.
    safe = found = safe_name(name)
    number = 1
    while name_form(found) in taken:
        number += 1
        found = _with_mark(safe, f" ({number})")
    taken.add(name_form(found))
    return found


def attachment_disposition(name: str) -> str:
    """Return a Content-Disposition header that makes every browser save the file and never show the file."""
    safe = safe_name(name)
    plain = safe.encode("ascii", "replace").decode("ascii").replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"


def _trim(name: str) -> str:
    """Remove dots and spaces around a file name. If only an ending is left, put a stem before it."""
    stem, dot, ending = name.rstrip(" .").rpartition(".")
    return (stem.strip(" .") or _FALLBACK if dot else "") + (dot + ending).rstrip(" .")


def _shorten(name: str) -> str:
    if len(name) <= NAME_CHARS and len(name.encode()) <= _NAME_BYTES:
        return name
    return _with_mark(name, "…")


def _with_mark(name: str, mark: str) -> str:
    """Put a mark before the ending of a file name. A long name is cut off before the mark."""
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending) > _ENDING_CHARS:
        stem, dot, ending = name, "", ""
    tail = mark + dot + ending
    room = _NAME_BYTES - len(tail.encode())
    stem = stem[: NAME_CHARS - len(tail)].encode()[:room].decode("utf-8", "ignore")
    return one_line(stem).rstrip(" .") + tail
