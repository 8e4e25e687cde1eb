"""Program that reads an e-mail message, a web page or a zip archive in the sandbox.

The program writes headers, a text, and a list of files, as JSON. The program needs only Python's standard
library, and is given to the sandbox as a text.
"""

import email
import json
import re
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import cast

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_LONGEST = 2000  # characters of one header that are shown
_FILES = 40_000  # that are listed
_NAME_CHARS = 500
_HIDDEN = frozenset({"script", "style", "head", "title", "template"})
_SPACE = re.compile(r"\s+")  # a search for two line breaks in it would take the square of its length
_STREAM = 2  # kind of an entry in a compound file
_BLOCKS = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "table", "blockquote"})

_Contents = tuple[Mapping[str, str], str, Sequence[tuple[str, int]]]  # headers, text, files with their sizes


# ---- web pages -------------------------------------------------------------------------------------


class _Words(HTMLParser):
    """Text of a web page or of a message in HTML, without its layout."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._hidden += tag in _HIDDEN
        if tag in _BLOCKS:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _HIDDEN and self._hidden > 0
        if tag in _BLOCKS:
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(_SPACE.sub(" ", data))


def _words_of_html(html: str) -> str:
    words = _Words()
    words.feed(html)
    words.close()
    return _SPACE.sub(_without_blank_lines, "".join(words.words)).strip()


def _without_blank_lines(space: re.Match[str]) -> str:
    return "\n\n" if space[0].count("\n") > 1 else space[0]


# ---- e-mail messages -------------------------------------------------------------------------------


def _mail(raw: bytes) -> _Contents:
    message = email.message_from_bytes(raw, policy=policy.default)
    body = message.get_body(("plain", "html"))
    files = [
        (each.get_filename() or each.get_content_type(), len(each.get_payload(decode=True) or b""))
        for each in message.walk()
        if each is not body and not each.is_multipart() and (each.get_filename() or body is not None)
    ]
    return (
        {name: _header(message, name) for name in _HEADERS},
        _text(cast("EmailMessage | None", body)),
        files,
    )


def _text(part: EmailMessage | None) -> str:
    if part is None:
        return ""
    raw = cast("bytes", part.get_payload(decode=True)) or b""
    text = _decoded(raw, part.get_content_charset("utf-8"))
    return _words_of_html(text) if part.get_content_subtype() == "html" else text


def _decoded(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding, "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(each) for each in message.get_all(name, []))
    except (ValueError, IndexError, AttributeError):  # some hostile headers stop Python's parser
        return ""


# ---- messages of Outlook ---------------------------------------------------------------------------
# Debian's msgconvert damaged the text of a message with a subject in Arabic.


def _outlook(raw: bytes) -> _Contents:
    """Return the contents of an Outlook message. Source: [MS-OXMSG] and [MS-OXPROPS]."""
    streams = dict(_streams(raw))
    about = dict(_numbers_of(streams.get("__properties_version1.0", b"")))

    def words(tag: str, folder: str = "") -> str:
        wide, narrow = (streams.get(f"{folder}__substg1.0_{tag}{kind}", b"") for kind in ("001F", "001E"))
        text = wide.decode("utf-16-le", "replace") or _decoded(narrow, f"cp{about.get(0x3FFD, 1252)}")
        return text.rstrip("\0")

    moment = about.get(0x0039) or about.get(0x0E06) or 0  # when sent, or when received
    address = words("5D01") or words("0C1F")
    text = words("1000") or _words_of_html(
        words("1013") or _decoded(streams.get("__substg1.0_10130102", b""), f"cp{about.get(0x3FDE, 65001)}")
    )
    folders = dict.fromkeys(name[: name.index("/") + 1] for name in streams if name.startswith("__attach_"))
    headers = (
        words("0C1A") + (address and f" <{address}>"),
        words("0E04"),
        words("0E03"),
        _moment(moment),
        words("0037"),
    )
    files = [
        (
            words("3707", each) or words("3704", each) or words("3001", each) or "?",
            sum(len(streams[name]) for name in streams if name.startswith(f"{each}__substg1.0_3701")),
        )
        for each in folders
    ]
    if not text and "__substg1.0_10090102" in streams:
        files.append(("message.rtf", len(streams["__substg1.0_10090102"])))
    return dict(zip(_HEADERS, headers, strict=True)), text, files


def _moment(ticks: int) -> str:
    """Format a moment that Windows counts in units of 100 ns since the year 1601."""
    days = timedelta(microseconds=min(ticks, 2**61) // 10)
    return f"{datetime(1601, 1, 1, tzinfo=UTC) + days:%a, %d %b %Y %H:%M:%S +0000}" if ticks else ""


def _numbers_of(properties: bytes) -> Iterator[tuple[int, int]]:
    """Yield the number and value of each property of fixed size, after a header of 32 bytes."""
    for at in range(32, len(properties) - 15, 16):
        _kind, number, _flags, value = struct.unpack_from("<HHIQ", properties, at)
        yield number, value


def _streams(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the path and content of each stream of a compound file. Source: [MS-CFB]."""
    size = 1 << min(raw[30], 12)

    def sector(number: int) -> bytes:
        return raw[(number + 1) * size : (number + 2) * size]

    def number_at(place: int) -> int:
        return int.from_bytes(raw[place : place + 4], "little")

    places, more = list(_numbers(raw[76:512])), number_at(68)
    while len(places) < len(raw) // size and len(sector(more)) == size:
        *part, more = _numbers(sector(more))
        places += part
    table = [number for place in places for number in _numbers(sector(place))]
    directory = b"".join(map(sector, _chain(table, number_at(48))))
    entries = [
        struct.unpack_from("<64sHBx3I36xIQ", directory, at) for at in range(0, len(directory) - 127, 128)
    ]
    small = b"".join(map(sector, _chain(table, entries[0][6])))
    small_table = _numbers(b"".join(map(sector, _chain(table, number_at(60)))))

    def small_sector(number: int) -> bytes:
        return small[64 * number : 64 * (number + 1)]

    waiting, seen = [(entries[0][5], "")], set[int]()
    while waiting:
        number, folder = waiting.pop()
        if number in seen or number >= len(entries):
            continue
        seen.add(number)
        name, length, kind, left, right, child, start, count = entries[number]
        path = folder + name[: max(0, length - 2)].decode("utf-16-le", "replace")
        waiting += [(left, folder), (right, folder), (child, f"{path}/")]
        if kind == _STREAM:
            read: Callable[[int], bytes] = small_sector if count < number_at(56) else sector
            chain = _chain(small_table if count < number_at(56) else table, start)
            yield path, b"".join(map(read, chain))[:count]


def _numbers(raw: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(raw) // 4}I", raw[: len(raw) // 4 * 4])


def _chain(table: Sequence[int], start: int) -> Iterator[int]:
    for _ in table:  # a hostile chain may have no end
        if start >= len(table):
            return
        yield start
        start = table[start]


# ---- archives --------------------------------------------------------------------------------------


def _zip(path: str) -> _Contents:
    with zipfile.ZipFile(path) as archive:
        return {}, "", [(each.filename, each.file_size) for each in archive.infolist() if not each.is_dir()]


# ---- output ----------------------------------------------------------------------------------------


def _clean(text: str, most: int) -> str:
    """Return a text in which bytes that Python could not decode are replaced."""
    return text[:most].encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _contents(path: str, ending: str) -> _Contents:
    if ending == ".zip":
        return _zip(path)
    raw = Path(path).read_bytes()
    if ending == ".html":
        return {}, _words_of_html(raw.decode("utf-8", "replace")), ()
    return _outlook(raw) if ending == ".msg" else _mail(raw)


def _read(path: str, ending: str) -> dict[str, object]:
    headers, text, files = _contents(path, ending)
    return {
        "headers": [(name, _clean(value, _LONGEST)) for name, value in headers.items() if value.strip()],
        "text": _clean(text, len(text)),
        "files": [(_clean(name, _NAME_CHARS), size) for name, size in files[:_FILES]],
        "total": len(files),
    }


if __name__ == "__main__":
    print(json.dumps(_read(*sys.argv[1:])))  # noqa: T201  # the sandbox's output
