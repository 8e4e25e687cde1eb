"""What is carried by hand so that a server and a workstation know each other (docs/protocol.md, "Pouch").

All of it is public. The card file goes to the workstation, the pairing file comes back.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Final

from msgspec import Meta

from crypto import signed_lines
from crypto.base64_text import from_base64, to_base64
from crypto.canonical_json import StrictStruct, decode_json, encode_json
from crypto.errors import ForgedError, MalformedError
from protocol import letterhead as letterheads
from protocol.identifiers import DIGEST_BYTES, STRAND_ID_BYTES, StrandId
from protocol.letterhead import Letterhead
from protocol.pouch.pouch_file import ServerCard

_VERSION: Final = b"steunpunt-pairing/1"
_LETTERHEAD: Final = "letterhead"
_LINES: Final = 2
_ONION_CHARS: Final = 52


class Pairing(StrictStruct, frozen=True):
    """What a workstation tells a server that is to know it.

    `base` is the SHA-256 of the letterhead that this one was built upon, or empty. `onion_client` is its key
    to the onion service, as Tor writes it, or empty.
    """

    strand: Annotated[bytes, Meta(min_length=STRAND_ID_BYTES, max_length=STRAND_ID_BYTES)]
    base: Annotated[bytes, Meta(max_length=DIGEST_BYTES)]
    letterhead: bytes
    signature: bytes
    onion_client: Annotated[str, Meta(pattern="^([A-Z2-7]{52})?$", max_length=_ONION_CHARS)]

    def to_bytes(self, seed: bytes) -> bytes:
        """Write the file; `seed` is the strand's, 32 bytes."""
        return signed_lines.write_signed_lines(_VERSION, encode_json(self), seed)


def read_pairing(raw: bytes, fingerprint: str) -> tuple[Pairing, Letterhead]:
    """Return a pairing of the desk of a fingerprint, and the letterhead in it.

    Whether that is the newest, and the strand still in use, is for the server to judge.

    Raises:
        MalformedError: it is none.
        LetterheadRefusedError: the letterhead in it must not be used.
        ForgedError: the letterhead does not name the strand, or the strand did not sign this.
    """
    body, signature = signed_lines.read_signed_lines(_VERSION, raw)
    pairing = decode_json(body, Pairing)
    if encode_json(pairing) != body or len(pairing.base) not in {0, DIGEST_BYTES}:
        raise MalformedError
    letterhead = letterheads.verify_letterhead(pairing.letterhead, pairing.signature, fingerprint)
    key = letterhead.strand_keys.get(StrandId(pairing.strand))
    if key is None:
        raise ForgedError
    signed_lines.check_signed_lines(_VERSION, body, signature, key.verify_key)
    return pairing, letterhead


@dataclass(frozen=True, slots=True)
class CardFile:
    """A server's card, with body and signature of the newest letterhead that it has, if it has one."""

    card: ServerCard
    letterhead: tuple[bytes, bytes] | None

    def to_bytes(self) -> bytes:
        """Write the file: one line, or two."""
        lines = [str(self.card)]
        if self.letterhead is not None:
            lines.append(" ".join((_LETTERHEAD, *map(to_base64, self.letterhead))))
        return "".join(f"{line}\n" for line in lines).encode("ascii")

    @classmethod
    def from_bytes(cls, raw: bytes) -> "CardFile":
        """Read what `to_bytes` writes, with white space around it; the letterhead is not verified here.

        Raises:
            MalformedError: anything else.
        """
        try:
            lines = raw.decode("ascii").split("\n")
        except UnicodeDecodeError as why:
            raise MalformedError from why
        lines = [line.strip() for line in lines if line.strip()]
        if not 1 <= len(lines) <= _LINES:
            raise MalformedError
        card = ServerCard.from_text(lines[0])
        if len(lines) == 1:
            return cls(card, None)
        match lines[1].split(" "):
            case [kind, body, signature] if kind == _LETTERHEAD:
                return cls(card, (from_base64(body), from_base64(signature)))
            case _:
                raise MalformedError


def letterhead_digest(letterhead_body: bytes) -> bytes:
    """Return what a pairing calls the letterhead that it was built upon."""
    return hashlib.sha256(letterhead_body).digest()
