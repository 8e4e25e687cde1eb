"""Age files as text: what a source who seals first pastes into the form.

Source: C2SP age, "ASCII armor" (strict PEM); RFC 9580, section 6.2, for the lines around OpenPGP's.
"""

import base64
import binascii
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from crypto.errors import MalformedError

_BEGIN: Final = "-----BEGIN AGE ENCRYPTED FILE-----"
_END: Final = "-----END AGE ENCRYPTED FILE-----"
_COLUMNS: Final = 64
_WHITESPACE: Final = " \t\r\n"


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


def write(age_file: bytes) -> str:
    """Write an age file as armour: lines of 64 characters, ended by newlines."""
    body = base64.b64encode(age_file).decode("ascii")
    lines = [body[at : at + _COLUMNS] for at in range(0, len(body), _COLUMNS)]
    return "".join(f"{line}\n" for line in (_BEGIN, *lines, _END))


def read(armoured: str) -> bytes:
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
    if write(age_file) != f"{text}\n":
        raise MalformedError
    return age_file


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
