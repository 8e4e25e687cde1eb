"""Header of an age file: stanzas that wrap the file key, and a MAC over them.

Source: C2SP age, "Header".
"""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from crypto.base64_text import from_base64, to_base64
from crypto.errors import MalformedError
from crypto.kdf import hkdf

FILE_KEY_BYTES = 16
HEADER_BYTES_MAX = 64 * 1024  # a header with two post-quantum stanzas takes 3.2 KiB; 30 slots fit
_VERSION_LINE = b"age-encryption.org/v1\n"
_COLUMNS = 64  # characters in a full line of a stanza's body
_MAC_BYTES = 32
_MARK = b"---"
_ARGUMENTS = re.compile(r"-> ([\x21-\x7e]+(?: [\x21-\x7e]+)*)")


@dataclass(frozen=True, slots=True)
class Stanza:
    """Stanza of an age file's header: a type, arguments, and the file key encrypted for one recipient."""

    arguments: tuple[str, ...]  # printable ASCII without spaces, at least one
    body: bytes

    def to_bytes(self) -> bytes:
        """Write the stanza as text.

        The stanza's body has lines of 64 columns, and always ends with a shorter line.
        """
        body = to_base64(self.body)
        lines = [body[at : at + _COLUMNS] for at in range(0, len(body) + 1, _COLUMNS)]
        return "".join(f"{line}\n" for line in ["-> " + " ".join(self.arguments), *lines]).encode("ascii")


@dataclass(frozen=True, slots=True)
class AgeHeader:
    """A parsed header of an age file.

    The header's MAC is not checked yet, because the check needs the file key.
    """

    stanzas: tuple[Stanza, ...]
    mac: bytes

    @classmethod
    def make(cls, stanzas: Sequence[Stanza], file_key: bytes) -> Self:
        """Make a header with these stanzas. Its MAC is computed with the file key."""
        return cls(tuple(stanzas), _mac(stanzas, file_key))

    def is_made_with(self, file_key: bytes) -> bool:
        """Return True if the MAC of the header is correct for this file key.

        A correct MAC shows that someone who knew the file key wrote the header.
        """
        return hmac.compare_digest(self.mac, _mac(self.stanzas, file_key))

    def to_bytes(self) -> bytes:
        """Write the header as bytes, from the version line up to the newline after the MAC."""
        return _before_mac(self.stanzas) + f" {to_base64(self.mac)}\n".encode("ascii")

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Parse the header of an age file.

        Only the exact bytes that `to_bytes` writes are accepted, up to 64 KiB.

        Raises:
            MalformedError: `to_bytes` never writes these bytes, or the header is over 64 KiB.
        """
        if len(raw) > HEADER_BYTES_MAX or not raw.startswith(_VERSION_LINE) or not raw.endswith(b"\n"):
            raise MalformedError
        try:
            lines = raw[len(_VERSION_LINE) : -1].decode("ascii").split("\n")
        except UnicodeDecodeError as why:
            raise MalformedError from why
        mac_line = lines.pop()
        stanzas: list[Stanza] = []
        while lines:
            stanzas.append(_take_stanza(lines))
        if not stanzas or not mac_line.startswith("--- "):
            raise MalformedError
        mac = from_base64(mac_line.removeprefix("--- "))
        if len(mac) != _MAC_BYTES:
            raise MalformedError
        return cls(tuple(stanzas), mac)


def split_file(age_file: bytes) -> tuple[bytes, bytes]:
    """Split a whole age file into header and payload. Neither part is checked.

    Raises:
        MalformedError: no header ends within the first 64 KiB of the file.
    """
    mark = age_file.find(b"\n" + _MARK, 0, HEADER_BYTES_MAX)
    end = age_file.find(b"\n", mark + 1, HEADER_BYTES_MAX) + 1
    if mark == -1 or end == 0:
        raise MalformedError
    return age_file[:end], age_file[end:]


def _take_stanza(lines: list[str]) -> Stanza:
    """Remove the first stanza from the lines of a header, and return it."""
    found = _ARGUMENTS.fullmatch(lines[0])
    if found is None:
        raise MalformedError
    last = next((at for at in range(1, len(lines)) if len(lines[at]) != _COLUMNS), None)
    if last is None or len(lines[last]) > _COLUMNS:
        raise MalformedError
    body = from_base64("".join(lines[1 : last + 1]))
    del lines[: last + 1]
    return Stanza(tuple(found[1].split(" ")), body)


def _before_mac(stanzas: Sequence[Stanza]) -> bytes:
    return _VERSION_LINE + b"".join(stanza.to_bytes() for stanza in stanzas) + _MARK


def _mac(stanzas: Sequence[Stanza], file_key: bytes) -> bytes:
    return hmac.digest(hkdf(file_key, info=b"header"), _before_mac(stanzas), "sha256")
