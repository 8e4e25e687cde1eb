"""Card file and pairing file: two public files that introduce a server and a workstation to each other.

See docs/protocol.md, "Pouch". A person carries the files. The server's card file goes to the workstation, and
then the workstation's pairing file goes to the server.
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
    """Contents of a pairing file, which introduces a workstation to a server.

    - `strand`: id of the workstation
    - `letterhead`: the desk's signed public statement, which names the workstation's public key
    - `base`: SHA-256 of the older letterhead that was changed into `letterhead`, or empty
    - `onion_client`: the workstation's key, in Tor's format, for access to the onion service, or empty
    """

    strand: Annotated[bytes, Meta(min_length=STRAND_ID_BYTES, max_length=STRAND_ID_BYTES)]
    base: Annotated[bytes, Meta(max_length=DIGEST_BYTES)]
    letterhead: bytes
    signature: bytes
    onion_client: Annotated[str, Meta(pattern="^([A-Z2-7]{52})?$", max_length=_ONION_CHARS)]

    def to_bytes(self, seed: bytes) -> bytes:
        """Return the pairing file, signed with `seed`, the workstation's Ed25519 seed (32 bytes)."""
        return signed_lines.write_signed_lines(_VERSION, encode_json(self), seed)


def read_pairing(raw: bytes, fingerprint: str) -> tuple[Pairing, Letterhead]:
    """Check a pairing file, which introduces a workstation to a server.

    Return the pairing and its letterhead (signed public statement). The caller must still check that the
    letterhead is the newest, and that the workstation is in use.

    Raises:
        MalformedError: the bytes are not a pairing file.
        LetterheadRefusedError: the letterhead in the pairing file must not be used.
        ForgedError: the letterhead does not name the workstation, or the workstation did not sign this file.
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
    """Contents of a card file: a server's card (its public keys), and the desk's newest letterhead, if any.

    `letterhead` is the desk's public statement: its body and its signature.
    """

    card: ServerCard
    letterhead: tuple[bytes, bytes] | None

    def to_bytes(self) -> bytes:
        """Return the bytes of the file: a line with the server's public keys, and one with the letterhead.

        Without a letterhead (the desk's signed public statement), there is only the first line.
        """
        lines = [str(self.card)]
        if self.letterhead is not None:
            lines.append(" ".join((_LETTERHEAD, *map(to_base64, self.letterhead))))
        return "".join(f"{line}\n" for line in lines).encode("ascii")

    @classmethod
    def from_bytes(cls, raw: bytes) -> "CardFile":
        """Parse a card file, with or without white space around it.

        The letterhead (signed public statement) is not verified here.

        Raises:
            MalformedError: the bytes are not a card file that `to_bytes` writes.
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
    """Return the digest of a letterhead (the desk's signed public statement).

    A pairing file contains the digest of the older letterhead that its own letterhead replaces.
    """
    return hashlib.sha256(letterhead_body).digest()
