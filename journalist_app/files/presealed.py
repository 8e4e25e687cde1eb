"""Presealed texts and files, which the source encrypted before sending: decrypts them once, for display.

Attack: a thief of the store has age files that the desk can decrypt, such as other mailboxes' entries and
files, and the desk's own records. The thief sends one to their own mailbox, as if encrypted before sending.
The adviser would decrypt it, and might pass it on. So this module refuses every file that our own programs
made. Entries and files are encrypted to two keys, desk and mailbox, and no stanza can be removed. The desk's
records begin with a line that names our format.
"""

import codecs
import hashlib
import itertools
import re
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Protocol

from crypto import age
from crypto.age import armor
from crypto.age.armor import Armoured, ArmourKind, find_armoured
from crypto.errors import MalformedError, UnreadableError
from journalist_app.files.file_types import with_file_ending

SHOWN_CHARS: Final = 50_000  # the limit of a message; a longer text is offered as a file
DECRYPTIONS_PER_PAGE: Final = 40  # gpg takes 20 ms for each
_PASTED_BYTES: Final = 1024 * 1024  # 50,000 characters of armour are 37 kB, and text compresses to a tenth
_CACHED_CHARS: Final = 20_000_000
_CACHED: Final = 20_000
_SEALED_NAME: Final = re.compile(r"(.+)\.(age|gpg|asc|pgp)", re.IGNORECASE)
_OUR_FORMAT: Final = re.compile(rb"steunpunt-[a-z]+/\d+\n")
_NOT_IN_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_BYTE_ORDER_MARK: Final = "\ufeff".encode()
_AGE: Final = (b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")
_OPENPGP_ARMOUR: Final = b"-----BEGIN PGP MESSAGE-----"
# RFC 9580, 4.2 and 5.1 to 5.3: a message begins with a session key for a public key, or for a password.
_OPENPGP: Final = re.compile(
    rb"(?:\x84.|\x85..|\xc1(?:[\x00-\xbf]|[\xc0-\xdf].))(?:\x03.{8}[\x01\x02\x08\x10\x12\x19\x1a]|\x06)"
    rb"|(?:\x8c.|\xc3[\x00-\xbf])(?:\x04[\x01-\x0d][\x00\x01\x03\x04]|[\x05\x06])",
    re.DOTALL,
)


class OpenedMessage(Protocol):
    """Decrypted OpenPGP message."""

    @property
    def content(self) -> bytes:
        """Return the decrypted bytes."""

    @property
    def is_signed(self) -> bool:
        """Return True if the message has a signature."""


class OpenPGP(Protocol):
    """Interface of gpg with the desk's key, which `gpg.home.GpgHome` implements."""

    def decrypt(self, raw: bytes, *, at_most: int) -> OpenedMessage:
        """Decrypt a whole message, or raise UnreadableError."""

    def decrypt_stream(self, pieces: Iterable[bytes], *, at_most: int) -> Iterator[bytes]:
        """Decrypt a message in pieces. If it is damaged, UnreadableError comes before the last piece."""


class UnopenedReason(StrEnum):
    """Reason why a presealed text or file was not decrypted."""

    UNREADABLE = "unreadable"  # for another reader, damaged, or too large when decrypted
    SEVERAL = "several"  # for several readers, or made by one of our programs
    NO_OPENPGP = "no_openpgp"
    LATER = "later"  # over the limit of one page; decrypted by a later page


class PieceKind(StrEnum):
    """Kind of a part of a text."""

    PLAIN = "plain"
    OPENED = "opened"
    FILE = "file"  # decrypted, but not a text
    UNOPENED = "unopened"


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Part of a text, as it is shown.

    `number` counts the armoured blocks in the text, from 1. `text` of an UNOPENED piece is its armour; a FILE
    has none. `is_signed`: the block has a signature, but no one checked whose.
    """

    kind: PieceKind
    text: str = field(repr=False)
    number: int = 0
    size: int = 0  # bytes of a FILE
    is_signed: bool = False
    reason: UnopenedReason | None = None


class PresealedKind(StrEnum):
    """Kind of a file, by its encryption."""

    NOT_SEALED = "not_sealed"
    OPENED = "opened"
    UNOPENED = "unopened"


@dataclass(frozen=True, slots=True)
class PresealedFileInfo:
    """Kind of a file, found from its first bytes. `name` is the name of the decrypted file."""

    kind: PresealedKind
    name: str = field(repr=False)
    is_openpgp: bool = False
    reason: UnopenedReason | None = None


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file, and the pieces of its decrypted content.

    A file that was not presealed has its own bytes as `pieces`, and an unopened file has none. If the file
    turns out to be damaged or too large, UnreadableError comes before the last piece.
    """

    info: PresealedFileInfo
    pieces: Iterator[bytes]


class PresealedCache:
    """Cache of decrypted texts and kinds of files, while the desk is open. Safe for threads."""

    def __init__(self, most: int = _CACHED, most_chars: int = _CACHED_CHARS) -> None:
        self._most, self._most_chars = most, most_chars
        self._found: dict[bytes, TextPiece | PresealedFileInfo] = {}
        self._chars = 0
        self._changing = threading.Lock()

    def __repr__(self) -> str:
        return "PresealedCache()"

    def piece(self, name: bytes) -> TextPiece | None:
        """Return the cached piece of this name, or None."""
        found = self._found.get(name)
        return found if isinstance(found, TextPiece) else None

    def info(self, name: bytes) -> PresealedFileInfo | None:
        """Return the cached info of the file of this name, or None."""
        found = self._found.get(name)
        return found if isinstance(found, PresealedFileInfo) else None

    def keep(self, name: bytes, found: TextPiece | PresealedFileInfo) -> None:
        """Add to the cache. If the cache is full, empty it first."""
        chars = len(found.text) if isinstance(found, TextPiece) else len(found.name)
        with self._changing:
            if self._chars + chars > self._most_chars or len(self._found) >= self._most:
                self._found.clear()
                self._chars = 0
            self._chars += chars
            self._found[name] = found


class _UnopenedError(Exception):
    def __init__(self, reason: UnopenedReason) -> None:
        super().__init__(reason)
        self.reason = reason


class Unsealer:
    """Decryption for one page, of at most 40 texts and files that are not in the cache."""

    def __init__(
        self,
        identities: Sequence[age.PQIdentity],
        openpgp: OpenPGP | None,
        known: PresealedCache,
        *,
        at_most: int,
    ) -> None:
        """Keep the keys, gpg if the desk has it, and the limit of a decrypted file in bytes."""
        self._identities = identities
        self._openpgp = openpgp
        self._known = known
        self._at_most = at_most
        self._left = DECRYPTIONS_PER_PAGE

    def __repr__(self) -> str:
        return "Unsealer()"

    def text(self, text: str) -> tuple[TextPiece, ...]:
        """Return a text in pieces, in order, with every armoured block decrypted in its place."""
        blocks = find_armoured(text)
        if not blocks:
            return (TextPiece(PieceKind.PLAIN, text),)
        pieces: list[TextPiece] = []
        at = 0
        for number, block in enumerate(blocks, start=1):
            pieces += [*_plain(text[at : block.start]), self._piece(block, number)]
            at = block.end
        return (*pieces, *_plain(text[at:]))

    def pasted(self, text: str, number: int) -> OpenedFile | None:
        """Return the content of the armoured block with this number in a text, as a file.

        The file is UNOPENED if the block does not open. Returns None if there is no such block.
        """
        block = dict(enumerate(find_armoured(text), start=1)).get(number)
        if block is None:
            return None
        try:
            content, _ = self._content(block)
        except _UnopenedError as refused:
            return OpenedFile(PresealedFileInfo(PresealedKind.UNOPENED, "", reason=refused.reason), iter(()))
        name = with_file_ending(f"sealed-{number}", content)
        return OpenedFile(PresealedFileInfo(PresealedKind.OPENED, name), iter([content]))

    def inspect(self, file_id: bytes, name: str, pieces: Callable[[], Iterable[bytes]]) -> PresealedFileInfo:
        """Return the kind of a file, from the cache or from its first piece.

        Raises everything that `pieces` raises.
        """
        known = self._known.info(file_id)
        if known is not None:
            return known
        whole, kind = _start(pieces())
        if kind is not None and self._left == 0:
            return PresealedFileInfo(PresealedKind.UNOPENED, name, reason=UnopenedReason.LATER)
        if kind is None:
            info = PresealedFileInfo(PresealedKind.NOT_SEALED, name)
        else:
            self._left -= 1
            inside = self._inside(kind, whole)
            info, _ = _info_and_first(kind, name, inside)
            inside.close()
        self._known.keep(file_id, info)
        return info

    def file(self, name: str, pieces: Iterable[bytes]) -> OpenedFile:
        """Decrypt a file, whatever its name is. Reads no more than the first decrypted piece needs.

        Raises everything that `pieces` raises.
        """
        whole, kind = _start(pieces)
        if kind is None:
            return OpenedFile(PresealedFileInfo(PresealedKind.NOT_SEALED, name), whole)
        inside = self._inside(kind, whole)
        info, first = _info_and_first(kind, name, inside)
        if info.kind is PresealedKind.UNOPENED:
            inside.close()
        return OpenedFile(info, filter(None, itertools.chain([first], inside)))

    def _inside(self, kind: ArmourKind, whole: Iterable[bytes]) -> Generator[bytes, None, None]:
        """Yield the decrypted bytes of a file.

        Raises:
            UnreadableError: the file does not open, or is damaged further on.
            _UnopenedError: the file must not be decrypted here.
        """
        plain = _without_mark(whole)
        if kind is ArmourKind.OPENPGP:
            yield from self._gpg().decrypt_stream(plain, at_most=self._at_most)
            return
        try:
            header, payload = age.split_stream(_without_armour(plain))
            yield from self._age(header, payload)
        except MalformedError as why:
            raise UnreadableError from why

    def _piece(self, block: Armoured, number: int) -> TextPiece:
        name = hashlib.sha256(block.armour.encode()).digest()
        piece = self._known.piece(name)
        if piece is None and self._left == 0:
            return TextPiece(PieceKind.UNOPENED, block.armour, number, reason=UnopenedReason.LATER)
        if piece is None:
            self._left -= 1
            piece = self._opened(block)
            self._known.keep(name, piece)
        text = block.armour if piece.kind is PieceKind.UNOPENED else piece.text
        return replace(piece, number=number, text=text)

    def _opened(self, block: Armoured) -> TextPiece:
        try:
            content, is_signed = self._content(block)
        except _UnopenedError as refused:
            return TextPiece(PieceKind.UNOPENED, "", reason=refused.reason)
        text = _as_text(content)
        if text is None:
            return TextPiece(PieceKind.FILE, "", size=len(content), is_signed=is_signed)
        return TextPiece(PieceKind.OPENED, text, is_signed=is_signed)

    def _content(self, block: Armoured) -> tuple[bytes, bool]:
        """Return the decrypted bytes of a block, and whether it has a signature.

        Raises:
            _UnopenedError: the block does not open, or must not be decrypted here.
        """
        try:
            if block.kind is ArmourKind.OPENPGP:
                opened = self._gpg().decrypt(block.armour.encode(), at_most=_PASTED_BYTES)
                return _refuse_our_format(opened.content), opened.is_signed
            header, payload = age.split_file(armor.dearmor(block.armour))
            return _refuse_our_format(b"".join(self._age(header, [payload]))), False
        except (UnreadableError, MalformedError) as why:
            raise _UnopenedError(UnopenedReason.UNREADABLE) from why

    def _age(self, header: bytes, payload: Iterable[bytes]) -> Iterator[bytes]:
        """Decrypt an age file that was encrypted to only one post-quantum key, the desk's."""
        stanzas = age.AgeHeader.from_bytes(header).stanzas
        if sum(stanza.arguments[0] == age.PQ_TYPE for stanza in stanzas) > 1:
            raise _UnopenedError(UnopenedReason.SEVERAL)
        return iter(age.AgeReader(header, self._identities, payload))

    def _gpg(self) -> OpenPGP:
        if self._openpgp is None:
            raise _UnopenedError(UnopenedReason.NO_OPENPGP)
        return self._openpgp


def sealed_as(first: bytes) -> ArmourKind | None:
    """Return how a file is encrypted, from its first bytes (a few dozen), or None if it is not."""
    edge = first.removeprefix(_BYTE_ORDER_MARK).lstrip()
    if first.startswith(_AGE[0]) or edge.startswith(_AGE[1]):
        return ArmourKind.AGE
    if edge.startswith(_OPENPGP_ARMOUR) or _OPENPGP.match(first):
        return ArmourKind.OPENPGP
    return None


def opened_by_age(text: str, identities: Sequence[age.PQIdentity]) -> Iterator[str]:
    """Yield the decrypted texts of the age blocks in a text, for search."""
    if _AGE[1].decode() in text:
        pieces = Unsealer(identities, None, PresealedCache(), at_most=0).text(text)
        yield from (piece.text for piece in pieces if piece.kind is PieceKind.OPENED)


def _start(pieces: Iterable[bytes]) -> tuple[Iterator[bytes], ArmourKind | None]:
    rest = iter(pieces)
    first = next(rest, b"")
    return itertools.chain([first], rest), sealed_as(first)


def _info_and_first(kind: ArmourKind, name: str, inside: Iterator[bytes]) -> tuple[PresealedFileInfo, bytes]:
    """Return the kind of a file and its first decrypted piece."""
    is_openpgp = kind is ArmourKind.OPENPGP
    try:
        first = _refuse_our_format(next(inside, b""))
    except UnreadableError:
        return PresealedFileInfo(PresealedKind.UNOPENED, name, is_openpgp, UnopenedReason.UNREADABLE), b""
    except _UnopenedError as refused:
        return PresealedFileInfo(PresealedKind.UNOPENED, name, is_openpgp, refused.reason), b""
    found = _SEALED_NAME.fullmatch(name)
    return PresealedFileInfo(
        PresealedKind.OPENED, with_file_ending(found[1] if found else name, first), is_openpgp
    ), first


def _refuse_our_format(content: bytes) -> bytes:
    if _OUR_FORMAT.match(content):
        raise _UnopenedError(UnopenedReason.SEVERAL)
    return content


def _without_mark(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Drop the byte order mark that some editors write before a text."""
    rest = iter(pieces)
    yield next(rest, b"").removeprefix(_BYTE_ORDER_MARK)
    yield from rest


def _without_armour(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a binary age file, decoded if it is armoured."""
    first = next(pieces)
    whole = itertools.chain([first], pieces)
    yield from whole if first.startswith(_AGE[0]) else armor.dearmor_stream(whole)


def _plain(text: str) -> tuple[TextPiece, ...]:
    """Return the text between armoured blocks, unless it is only white space."""
    return (TextPiece(PieceKind.PLAIN, text.strip("\n")),) if text.strip() else ()


def _as_text(content: bytes) -> str | None:
    """Decode content as a text that can be shown, or return None."""
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError:
        return None
    is_shown = len(text) <= SHOWN_CHARS and not _NOT_IN_TEXT.search(text)
    return text.replace("\r\n", "\n") if is_shown else None
