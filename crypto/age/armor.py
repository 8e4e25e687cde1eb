"""Age files as text: what a source who seals first pastes into the form.

Source: C2SP age, "ASCII armor" (strict PEM); RFC 9580, section 6.2, for the lines around OpenPGP's.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from crypto.errors import MalformedError

_BEGIN: Final = "-----BEGIN AGE ENCRYPTED FILE-----"
_END: Final = "-----END AGE ENCRYPTED FILE-----"
_COLUMNS: Final = 64
_LINE_BYTES: Final = 48  # of what is inside, in a full line
_WHITESPACE: Final = " \t\r\n"
_EDGE_BYTES: Final = 4096  # a file's white space, its first line, and its last two: more is no armour


class ArmourKind(StrEnum):
    """Who can open what is inside."""

    AGE = "age"
    OPENPGP = "openpgp"


_ENDS: Final = {
    _BEGIN: (ArmourKind.AGE, _END),
    "-----BEGIN PGP MESSAGE-----": (ArmourKind.OPENPGP, "-----END PGP MESSAGE-----"),
}


@dataclass(frozen=True, slots=True)
class Armoured:
    """One armoured file in a text, `text[start:end]`, from its first line to the end of its last.

    `armour` is the same without what copying adds at the edges of lines.
    """

    kind: ArmourKind
    start: int
    end: int
    armour: str = field(repr=False)


def enarmor(age_file: bytes) -> str:
    """Write an age file as armour: lines of 64 characters, ended by newlines."""
    body = base64.b64encode(age_file).decode("ascii")
    lines = [body[at : at + _COLUMNS] for at in range(0, len(body), _COLUMNS)]
    return "".join(f"{line}\n" for line in (_BEGIN, *lines, _END))


def dearmor(armoured: str) -> bytes:
    """Read what `write` writes; lines may end in CRLF, and white space may stand before and after it all.

    What comes out is an age file as somebody sent it: nothing of it is authentic until it is opened.

    Raises:
        MalformedError: anything else, such as a header line, a short line in between, white space in a line,
            or a second spelling of the same bytes.
    """
    text = armoured.strip(_WHITESPACE).replace("\r\n", "\n")
    first, _, rest = text.partition("\n")
    body, _, last = rest.rpartition("\n")
    if (first, last) != (_BEGIN, _END):
        raise MalformedError
    try:
        age_file = base64.b64decode(body.replace("\n", ""), validate=True)
    except (binascii.Error, ValueError) as why:
        raise MalformedError from why
    if enarmor(age_file) != f"{text}\n":
        raise MalformedError
    return age_file


def dearmor_stream(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Read armour that comes in pieces of any size: as `read`, with at most 4 KiB of white space at an end.

    Raises:
        MalformedError: from the iterator.
    """
    held = b""
    is_begun = False
    for piece in pieces:
        held = (held + piece).replace(b"\r\n", b"\n")
        if not is_begun:
            first, newline, rest = held.lstrip(_WHITESPACE.encode()).partition(b"\n")
            if newline and first != _BEGIN.encode():
                raise MalformedError
            is_begun = bool(newline)
            held = rest if is_begun else held
        if is_begun:
            certain = max(_full_lines(held) - 1, 0)  # the last line of all may be full and padded
            full = certain * (_COLUMNS + 1)
            yield _decoded(held[:full])
            held = held[full:]
        if len(held) > _EDGE_BYTES:
            raise MalformedError
    if not is_begun:
        raise MalformedError
    try:
        yield dearmor(f"{_BEGIN}\n{held.decode('ascii')}")
    except UnicodeDecodeError as why:
        raise MalformedError from why


def _full_lines(text: bytes) -> int:
    """Count the lines of 64 characters that a text begins with."""
    count = len(text) // (_COLUMNS + 1)
    ends = text[_COLUMNS : count * (_COLUMNS + 1) : _COLUMNS + 1]
    if ends == b"\n" * count and text.count(b"\n", 0, count * (_COLUMNS + 1)) == count:
        return count
    starts = range(0, count * (_COLUMNS + 1), _COLUMNS + 1)
    return next(at for at, start in enumerate(starts) if text.find(b"\n", start) != start + _COLUMNS)


def _decoded(lines: bytes) -> bytes:
    """Decode full lines. Padding among them would end what is inside too early.

    Raises:
        MalformedError: something in them is not base64.
    """
    try:
        inside = base64.b64decode(lines.replace(b"\n", b""), validate=True)
    except (binascii.Error, ValueError) as why:
        raise MalformedError from why
    if len(inside) != len(lines) // (_COLUMNS + 1) * _LINE_BYTES:
        raise MalformedError
    return inside


def find_armoured(text: str) -> tuple[Armoured, ...]:
    """Return every armoured age file and OpenPGP message in a text, in its order.

    They are found by their first and last lines, whatever white space a mail program put around lines.
    Whether what stands between opens, whoever opens it finds out. A beginning without an end, or in which
    another begins, is no armour. Takes one pass over the text, whatever is in it.
    """
    found: list[Armoured] = []
    begun: tuple[int, ArmourKind, str, list[str]] | None = None
    at = 0
    for whole_line in text.splitlines(keepends=True):
        line = whole_line.strip()
        start, at = at, at + len(whole_line)
        if line in _ENDS:
            kind, end = _ENDS[line]
            begun = (start + whole_line.index(line), kind, end, [])
        if begun is None:
            continue
        first, kind, end, lines = begun
        lines.append(line)
        if line == end:
            last = start + whole_line.index(line) + len(line)
            found.append(Armoured(kind, first, last, "".join(f"{each}\n" for each in lines)))
            begun = None
    return tuple(found)
