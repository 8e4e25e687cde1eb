"""A pouch: what one store has and another does not know yet, as one sealed file (docs/protocol.md, "Pouch").

It is written while what goes into it is read, and read in pieces: memory does not grow with its size.
"""

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Final, Self

from msgspec import Meta
from nacl.signing import SigningKey

from crypto import age
from crypto.age.recipients import SEED_BYTES
from crypto.base64_text import from_base64, to_base64
from crypto.canonical_json import CanonicalStruct
from crypto.errors import ForgedError, MalformedError, UnreadableError
from crypto.framing import frame
from crypto.padding import padme
from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.identifiers import ATTACHMENT_ID_BYTES, STRAND_ID_BYTES, StrandId
from protocol.pouch.pouch_items import CHUNK_BYTES, ITEM_BYTES, Item, item_from_bytes, item_to_bytes
from protocol.strand import SIGNATURE_BYTES, check_signature

SERVER: Final = StrandId(b"")  # the name of the server as sender or receiver: it has no strand
FLOOR_BYTES: Final = 2048
HEAD_BYTES: Final = 64 * 1024
PARTIALS: Final = 1000
_VERSION: Final = b"steunpunt-pouch/1\n"
_LATER: Final = re.compile(rb"steunpunt-pouch/(?:[2-9]\n|[1-9][0-9])")  # as long as ours, and longer
_END: Final = b"steunpunt/v1/pouch-end"
_CARD: Final = "steunpunt-card/1"
_LENGTH_BYTES: Final = 4
_LARGEST: Final = 2**63 - 1
WHOLE: Final = _LARGEST  # in the place of a number of chunks: a file that is wanted no more
_SERIALS_A_HALF_HOUR: Final = 65_536

_Name = Annotated[bytes, Meta(max_length=STRAND_ID_BYTES)]
_Serial = Annotated[int, Meta(ge=0, le=_LARGEST)]
_Partial = tuple[
    Annotated[bytes, Meta(min_length=ATTACHMENT_ID_BYTES, max_length=ATTACHMENT_ID_BYTES)], _Serial
]


class PouchHead(CanonicalStruct, frozen=True, kw_only=True):
    """What a pouch says of itself: from whom to whom, and what came before it."""

    desk: Annotated[str, Meta(max_length=100)]
    sender: _Name
    receiver: _Name
    serial: Annotated[int, Meta(ge=1, le=_LARGEST)]
    sent: _Serial = 0
    after: _Serial
    taken: _Serial
    day: date
    more: bool = False
    partials: Annotated[tuple[_Partial, ...], Meta(max_length=PARTIALS)] = ()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Accept exactly what `to_bytes` writes.

        Raises:
            MalformedError: anything else, not between the server and one workstation, or one that comes
                after itself, or that was sent behind itself: whoever waits for what is missing would wait
                for ever.
        """
        head = super().from_bytes(raw)
        sides = sorted((len(head.sender), len(head.receiver)))
        if sides != [len(SERVER), STRAND_ID_BYTES] or max(head.sent, head.after) >= head.serial:
            raise MalformedError
        return head


def lowest_serial(half_hour: int) -> int:
    """Return the lowest serial of pouches packed in a half hour, counted from 1970 in UTC.

    A sender whose store was put back to an earlier day would give a serial that it gave before, and what lies
    in that pouch would be taken for known.
    """
    return half_hour * _SERIALS_A_HALF_HOUR


@dataclass(frozen=True, slots=True)
class ServerCard:
    """The public keys of a server's pouches: it signs with one, and is sealed to with the other."""

    verify_key: bytes
    recipient: age.PQRecipient

    def __str__(self) -> str:
        return f"{_CARD} {to_base64(self.verify_key)} {self.recipient}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `str` gives; white space around it is allowed, since people carry it.

        Raises:
            MalformedError: anything else.
        """
        match text.strip().split(" "):
            case [version, verify_key, recipient] if version == _CARD:
                card = cls(from_base64(verify_key), age.PQRecipient.from_text(recipient))
            case _:
                raise MalformedError
        if len(card.verify_key) != SEED_BYTES:
            raise MalformedError
        return card


@dataclass(frozen=True, slots=True)
class ServerKey:
    """The secret half of a card, 64 bytes: it opens and signs pouches, and nothing that is stored."""

    seed: bytes = field(repr=False)  # Ed25519, 32 bytes
    identity: age.PQIdentity = field(repr=False)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Accept two seeds of 32 bytes: the signing key's and the identity's.

        Raises:
            MalformedError: another length.
        """
        if len(raw) != 2 * SEED_BYTES:
            raise MalformedError
        return cls(raw[:SEED_BYTES], age.PQIdentity(raw[SEED_BYTES:]))

    @property
    def card(self) -> ServerCard:
        """Return the public half."""
        return ServerCard(bytes(SigningKey(self.seed).verify_key), self.identity.recipient)


class PouchWriter:
    """Writes a pouch while its items come (push).

    `header`, then what `add` and `finish` return, in order, is the file. `size` is how many bytes of
    plaintext are in it so far.
    """

    __slots__ = ("_digest", "_seed", "_writer", "header", "size")
    header: Final[bytes]
    size: int

    def __init__(self, head: PouchHead, recipient: age.PQRecipient, seed: bytes) -> None:
        """Begin a pouch to `recipient`; `seed` is the sender's Ed25519 seed, 32 bytes.

        Raises:
            MalformedError: `Head.from_bytes` would refuse the head.
        """
        self._writer = age.AgeWriter([recipient])
        self._seed = seed
        self._digest = hashlib.sha256()
        self.size = 0
        raw = head.to_bytes()
        PouchHead.from_bytes(raw)
        self.header = self._writer.header + self._write(_VERSION + frame(raw))

    def __repr__(self) -> str:
        return "PouchWriter()"

    def add(self, item: Item) -> bytes:
        """Put an item in; return the sealed bytes that are ready, perhaps none.

        Raises:
            MalformedError: no reader would take it; nothing was put in.
        """
        return self._write(frame(item_to_bytes(item)))

    def finish(self) -> Iterator[bytes]:
        """Sign, pad, and yield the rest, in pieces of at most 1 MiB. Call it once, and nothing after it."""
        end = self._write(frame(b""))
        signature = SigningKey(self._seed).sign(frame(_END, self._digest.digest())).signature
        yield end + self._write(frame(signature))
        left = _padded(self.size) - self.size
        while left:
            zeros = bytes(min(left, CHUNK_BYTES))
            left -= len(zeros)
            yield self._writer.update(zeros)
        yield self._writer.finish()

    def _write(self, plaintext: bytes) -> bytes:
        self._digest.update(plaintext)
        self.size += len(plaintext)
        return self._writer.update(plaintext)


class PouchReader:
    """A pouch as it is read. Nothing in it may be acted upon before `items` came to its end."""

    __slots__ = ("_plaintext", "head")
    head: Final[PouchHead]

    def __init__(self, pieces: Iterable[bytes], identities: Iterable[age.PQIdentity]) -> None:
        """Open a pouch that comes in pieces of any size, and read its head.

        Nobody has signed for anything yet: whoever knows the recipient can make such a head, or say NEWER.

        Raises:
            PouchRefusedError: UNREADABLE, NEWER or MALFORMED.
        """
        try:
            header, payload = age.split_stream(pieces)
            opened = age.AgeReader(header, list(identities), payload)
        except (UnreadableError, MalformedError) as why:  # no age file is damaged, as far as anybody can tell
            raise PouchRefusedError(PouchRefusal.UNREADABLE) from why
        self._plaintext = _Plaintext(opened)
        try:
            version = self._plaintext.take(len(_VERSION))
            if version != _VERSION:
                is_later = _LATER.fullmatch(version)
                raise PouchRefusedError(PouchRefusal.NEWER if is_later else PouchRefusal.MALFORMED)
            self.head = PouchHead.from_bytes(self._plaintext.take_field(HEAD_BYTES))
        except UnreadableError as why:
            raise PouchRefusedError(PouchRefusal.UNREADABLE) from why
        except MalformedError as why:
            raise PouchRefusedError(PouchRefusal.MALFORMED) from why

    def __repr__(self) -> str:
        return "PouchReader()"

    def items(self, verify_key: bytes) -> Iterator[Item]:
        """Yield the items, and at the end check that `verify_key` signed all of it, and that nothing follows.

        Raises:
            PouchRefusedError: UNREADABLE, MALFORMED or FORGED. What was yielded is worth nothing then.
        """
        try:
            while field_ := self._plaintext.take_field(ITEM_BYTES):
                yield item_from_bytes(field_)
            digest = self._plaintext.digest
            signature = self._plaintext.take_field(SIGNATURE_BYTES)
            if len(signature) != SIGNATURE_BYTES:
                raise MalformedError  # noqa: TRY301  # as what `take_field` refuses
            check_signature(verify_key, frame(_END, digest), signature)
            self._plaintext.require_padding()
        except UnreadableError as why:
            raise PouchRefusedError(PouchRefusal.UNREADABLE) from why
        except MalformedError as why:
            raise PouchRefusedError(PouchRefusal.MALFORMED) from why
        except ForgedError as why:
            raise PouchRefusedError(PouchRefusal.FORGED) from why


def _padded(length: int) -> int:
    return max(FLOOR_BYTES, padme(length))


class _Plaintext:
    """What was opened, taken in the lengths that the format names; keeps a digest of all that was taken."""

    __slots__ = ("_digest", "_held", "_pieces", "_taken")

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = bytearray()
        self._digest = hashlib.sha256()
        self._taken = 0

    @property
    def digest(self) -> bytes:
        return self._digest.digest()

    def take(self, length: int) -> bytes:
        while len(self._held) < length:
            piece = next(self._pieces, None)
            if piece is None:
                raise MalformedError
            self._held += piece
        with memoryview(self._held) as held:
            taken = bytes(held[:length])
        del self._held[:length]
        self._digest.update(taken)
        self._taken += length
        return taken

    def take_field(self, at_most: int) -> bytes:
        length = int.from_bytes(self.take(_LENGTH_BYTES))
        if length > at_most:
            raise MalformedError
        return self.take(length)

    def require_padding(self) -> None:
        """Refuse anything but the zeros that a writer adds: a byte more would be one that nobody signed."""
        left = _padded(self._taken) - self._taken
        for piece in itertools.chain([bytes(self._held)], self._pieces):
            left -= len(piece)
            if left < 0 or piece.strip(b"\0"):
                raise MalformedError
        if left:
            raise MalformedError
