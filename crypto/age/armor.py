"""ASCII armour: age files and OpenPGP messages as text, which a source can paste into a form.

Source: C2SP age, "ASCII armor" (strict PEM); RFC 9580, section 6.2, for the first and last line of an
OpenPGP message.
"""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from crypto.base64_text import decode_base64
from crypto.errors import MalformedError

_BEGIN: Final = "-----BEGIN AGE ENCRYPTED FILE-----"
_END: Final = "-----END AGE ENCRYPTED FILE-----"
_COLUMNS: Final = 64
_LINE_BYTES: Final = 48  # encoded in a full line
_WHITESPACE: Final = " \t\r\n"
_EDGE_BYTES: Final = 4096  # largest beginning or end of armour: white space, first line, last two lines


class ArmourKind(StrEnum):
    """Format of the encrypted bytes inside ASCII armour: an age file or an OpenPGP message."""

    AGE = "age"
    OPENPGP = "openpgp"


_ENDS: Final = {
    _BEGIN: (ArmourKind.AGE, _END),
    "-----BEGIN PGP MESSAGE-----": (ArmourKind.OPENPGP, "-----END PGP MESSAGE-----"),
}


@dataclass(frozen=True, slots=True)
class Armoured:
    """Armoured age file or OpenPGP message, found in a longer text at `text[start:end]`.

    `armour` is the message without the white space that copying adds at the edges of lines.
    """

    kind: ArmourKind
    start: int
    end: int
    armour: str = field(repr=False)


def enarmor(age_file: bytes) -> str:
    """Encode a binary age file as ASCII armour: lines of 64 characters, each with a newline at its end."""
    body = base64.b64encode(age_file).decode("ascii")
    lines = [body[at : at + _COLUMNS] for at in range(0, len(body), _COLUMNS)]
    return "".join(f"{line}\n" for line in (_BEGIN, *lines, _END))


def dearmor(armoured: str) -> bytes:
    """Decode ASCII armour to a binary age file. Allow CRLF at line ends, and white space around the armour.

    No part of the returned age file is authentic before decryption.

    Raises:
        MalformedError: the text is not strict armour.
    """
    text = armoured.strip(_WHITESPACE).replace("\r\n", "\n")
    first, _, rest = text.partition("\n")
    body, _, last = rest.rpartition("\n")
    if (first, last) != (_BEGIN, _END):
        raise MalformedError
    age_file = decode_base64(body.replace("\n", ""))
    if enarmor(age_file) != f"{text}\n":
        raise MalformedError
    return age_file


def dearmor_stream(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Decode ASCII armour that arrives in pieces of any size. Yield the binary age file in pieces.

    At most 4 KiB of white space may follow the armour.

    Raises:
        MalformedError: the text is not strict armour.
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
            complete = max(_full_lines(held) - 1, 0)  # a full line with padding may be the last line
            full = complete * (_COLUMNS + 1)
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
    """Return how many lines of exactly 64 characters a piece of armour begins with.

    `dearmor_stream` decodes these lines before the rest of the text arrives.
    """
    count = len(text) // (_COLUMNS + 1)
    ends = text[_COLUMNS : count * (_COLUMNS + 1) : _COLUMNS + 1]
    if ends == b"\n" * count and text.count(b"\n", 0, count * (_COLUMNS + 1)) == count:
        return count
    starts = range(0, count * (_COLUMNS + 1), _COLUMNS + 1)
    return next(at for at, start in enumerate(starts) if text.find(b"\n", start) != start + _COLUMNS)


def _decoded(lines: bytes) -> bytes:
    """Decode complete 64-character lines of armour to bytes.

    Raises:
        MalformedError: the lines contain padding, or a character that is not base64.
    """
    decoded = decode_base64(lines.replace(b"\n", b""))
    # Padding in the middle of armour would cut off the encrypted bytes.
    if len(decoded) != len(lines) // (_COLUMNS + 1) * _LINE_BYTES:
        raise MalformedError
    return decoded


def find_armoured(text: str) -> tuple[Armoured, ...]:
    """Return every armoured age file and OpenPGP message in a text, in the order of the text.

    Each message is found by its first and last line. The lines in between are not checked.
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
