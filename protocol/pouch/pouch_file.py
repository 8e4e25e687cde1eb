"""Pouch file: a sync bundle as one encrypted, signed file (docs/protocol.md, "Pouch").

A pouch has the items of one store that another store does not have yet. A pouch is written while its items
arrive, and read in pieces, so memory does not grow with the size of the pouch.
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
from protocol.identifiers import STRAND_ID_BYTES, StrandId
from protocol.pouch.pouch_items import CHUNK_BYTES, ITEM_BYTES, Item, Partial, item_from_bytes, item_to_bytes
from protocol.strand import SIGNATURE_BYTES, check_signature

SERVER: Final = StrandId(b"")  # means the server as sender or receiver; a server has no strand
FLOOR_BYTES: Final = 2048
HEAD_BYTES: Final = 64 * 1024
PARTIALS: Final = 800  # so many fit into `HEAD_BYTES`
_VERSION: Final = b"steunpunt-pouch/1\n"
_LATER: Final = re.compile(rb"steunpunt-pouch/(?:[2-9]\n|[1-9][0-9])")  # as long as ours, or longer
_END: Final = b"steunpunt/v1/pouch-end"
_CARD: Final = "steunpunt-card/1"
_LENGTH_BYTES: Final = 4
_LARGEST: Final = 2**63 - 1
WHOLE: Final = _LARGEST  # used instead of a number of chunks if the file is not needed any more
_SERIALS_A_HALF_HOUR: Final = 65_536

_Name = Annotated[bytes, Meta(max_length=STRAND_ID_BYTES)]
_Serial = Annotated[int, Meta(ge=0, le=_LARGEST)]


class PouchHead(CanonicalStruct, frozen=True, kw_only=True):
    """Head of a pouch (sync bundle): sender, receiver, serials and day.

    docs/protocol.md, "Pouch", explains each field.
    """

    desk: Annotated[str, Meta(max_length=100)]
    sender: _Name
    receiver: _Name
    serial: Annotated[int, Meta(ge=1, le=_LARGEST)]
    sent: _Serial = 0
    after: _Serial
    taken: _Serial
    day: date
    more: bool = False
    partials: Annotated[tuple[Partial, ...], Meta(max_length=PARTIALS)] = ()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Parse the head of a pouch (sync bundle). Only the exact bytes that `to_bytes` writes are accepted.

        Raises:
            MalformedError: `to_bytes` never writes these bytes, or the head's values contradict each other.
        """
        head = super().from_bytes(raw)
        # A receiver would wait forever for a pouch with a later serial than this one.
        sides = sorted((len(head.sender), len(head.receiver)))
        if sides != [len(SERVER), STRAND_ID_BYTES] or max(head.sent, head.after) >= head.serial:
            raise MalformedError
        return head


def lowest_serial(half_hour: int) -> int:
    """Return the lowest serial of the pouches (sync bundles) that are made in one half hour.

    `half_hour` is the number of the half hour, counted from 1970 in UTC.
    """
    # With a plain counter, a store that was restored from a backup would use a serial twice.
    return half_hour * _SERIALS_A_HALF_HOUR


@dataclass(frozen=True, slots=True)
class ServerCard:
    """Card of a server: its two public keys. Workstations encrypt pouches (sync bundles) to one of the keys.

    The other key verifies the pouches that the server signs.
    """

    verify_key: bytes
    recipient: age.PQRecipient

    def __str__(self) -> str:
        return f"{_CARD} {to_base64(self.verify_key)} {self.recipient}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse the text form of a card, which `str` returns. White space around the text is allowed.

        Raises:
            MalformedError: the text is not a card.
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
    """Secret keys of a server, 64 bytes, which decrypt and sign pouches (sync bundles).

    These keys cannot decrypt any message in the store.
    """

    seed: bytes = field(repr=False)  # Ed25519, 32 bytes
    identity: age.PQIdentity = field(repr=False)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Parse a server's secret keys: the seeds of the signing key and of the identity, 32 bytes each.

        Raises:
            MalformedError: there are not exactly 64 bytes.
        """
        if len(raw) != 2 * SEED_BYTES:
            raise MalformedError
        return cls(raw[:SEED_BYTES], age.PQIdentity(raw[SEED_BYTES:]))

    @property
    def card(self) -> ServerCard:
        """Return the card with the public keys of this server."""
        return ServerCard(bytes(SigningKey(self.seed).verify_key), self.identity.recipient)


class PouchWriter:
    """Writer of a pouch (sync bundle) whose items arrive one by one.

    The pouch is `header`, and then the bytes that `add` and `finish` return. `size` counts the bytes of
    plaintext so far.
    """

    __slots__ = ("_digest", "_seed", "_writer", "header", "size")
    header: Final[bytes]
    size: int

    def __init__(self, head: PouchHead, recipient: age.PQRecipient, seed: bytes) -> None:
        """Begin a pouch (sync bundle) that only the owner of the public key `recipient` can decrypt.

        `seed` is the sender's Ed25519 seed, 32 bytes.

        Raises:
            MalformedError: `PouchHead.from_bytes` would refuse the head.
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
        """Add an item to the pouch (sync bundle).

        Return the encrypted bytes that are ready, which can be b"".

        Raises:
            MalformedError: a reader would refuse the item. The item was not added.
        """
        return self._write(frame(item_to_bytes(item)))

    def finish(self) -> Iterator[bytes]:
        """Sign and pad the pouch (sync bundle), and yield its last bytes in pieces of at most 1 MiB.

        Call this method once, after all calls of `add`.
        """
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
    """Reader of a pouch (sync bundle) that arrives in pieces.

    A caller must not act on an item before `items` ends without an error.
    """

    __slots__ = ("_plaintext", "head")
    head: Final[PouchHead]

    def __init__(self, pieces: Iterable[bytes], identities: Iterable[age.PQIdentity]) -> None:
        """Decrypt the beginning of a pouch (sync bundle), which arrives in pieces, and read its head.

        The head is not authentic yet: anyone who knows the recipient can make a pouch with a false head.

        Raises:
            PouchRefusedError: the reason is UNREADABLE, NEWER or MALFORMED.
        """
        try:
            header, payload = age.split_stream(pieces)
            opened = age.AgeReader(header, list(identities), payload)
        except (UnreadableError, MalformedError) as why:  # a damaged age file looks like any other file
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
        """Yield the items of the pouch (sync bundle), and then check the signature over all items.

        The caller must not act on any item before the iteration ends without an error. `verify_key` is the
        sender's public key.

        Raises:
            PouchRefusedError: the reason is UNREADABLE, MALFORMED or FORGED.
        """
        try:
            while field_ := self._plaintext.take_field(ITEM_BYTES):
                yield item_from_bytes(field_)
            digest = self._plaintext.digest
            signature = self._plaintext.take_field(SIGNATURE_BYTES)
            if len(signature) != SIGNATURE_BYTES:
                raise MalformedError  # noqa: TRY301  # like the errors of `take_field`
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
        # The signature does not cover these bytes.
        left = _padded(self._taken) - self._taken
        for piece in itertools.chain([bytes(self._held)], self._pieces):
            left -= len(piece)
            if left < 0 or piece.strip(b"\0"):
                raise MalformedError
        if left:
            raise MalformedError
