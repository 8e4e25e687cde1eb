"""Opens what a source sealed before sending: armour pasted in a text, and files. Each is opened once only.

Whoever captured the store holds age files that the desk can open: other mailboxes' entries and files, and the
desk's own records. Sent as if sealed before sending, to a mailbox of the thief's own, the adviser would open
them and might pass them on. So what this house sealed itself is not opened here: entries and files go to two
keys, desk and mailbox, and no stanza can be taken away; the desk's records begin with a line of ours.
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

SHOWN_CHARS: Final = 50_000  # as long as a message may be; longer is offered as a file
DECRYPTIONS_PER_PAGE: Final = 40  # for one page; gpg takes 20 ms for each
_PASTED_BYTES: Final = 1024 * 1024  # 50,000 characters of armour hold 37 kB; text is compressed to a tenth
_KNOWN_CHARS: Final = 20_000_000
_KNOWN: Final = 20_000
_SEALED_NAME: Final = re.compile(r"(.+)\.(age|gpg|asc|pgp)", re.IGNORECASE)
_OURS: Final = re.compile(rb"steunpunt-[a-z]+/\d+\n")
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
    """What came out of an OpenPGP message."""

    @property
    def content(self) -> bytes:
        """Return what was sealed."""

    @property
    def is_signed(self) -> bool:
        """Say whether somebody signed it."""


class OpenPGP(Protocol):
    """gpg with the desk's key: `gpg.home.GpgHome`."""

    def decrypt(self, raw: bytes, *, at_most: int) -> OpenedMessage:
        """Open a whole message, or raise UnreadableError."""

    def decrypt_stream(self, pieces: Iterable[bytes], *, at_most: int) -> Iterator[bytes]:
        """Open a message in pieces; UnreadableError before the last of them when it is not sound."""


class UnopenedReason(StrEnum):
    """Why something sealed was not opened."""

    UNREADABLE = "unreadable"  # for somebody else, damaged, or too much comes out of it
    SEVERAL = "several"  # for more readers than the desk, or made by this house
    NO_OPENPGP = "no_openpgp"
    LATER = "later"  # there is so much of it that one page opens only a part


class PieceKind(StrEnum):
    """What a stretch of a text is."""

    PLAIN = "plain"
    OPENED = "opened"
    FILE = "file"  # what was sealed is not a text
    UNOPENED = "unopened"


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A stretch of a text, as it is shown.

    `number` counts what came sealed in the text, from 1. `text` of an UNOPENED piece is its armour; a FILE
    has none. `is_signed` says that a signature was inside; whose it is, nobody checked.
    """

    kind: PieceKind
    text: str = field(repr=False)
    number: int = 0
    size: int = 0  # bytes of a FILE
    is_signed: bool = False
    why: UnopenedReason | None = None


class PresealedKind(StrEnum):
    """What a file is."""

    NOT_SEALED = "not_sealed"
    OPENED = "opened"
    UNOPENED = "unopened"


@dataclass(frozen=True, slots=True)
class PresealedFileInfo:
    """What a file turned out to be, by its first bytes. `name` is that of what was sealed in it."""

    kind: PresealedKind
    name: str = field(repr=False)
    is_openpgp: bool = False
    why: UnopenedReason | None = None


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file with what its source sealed in it.

    `pieces` is the file itself where it was not sealed, and nothing where it does not open. Where it is found
    damaged on the way, or too large, UnreadableError comes before the last piece.
    """

    look: PresealedFileInfo
    pieces: Iterator[bytes]


class PresealedCache:
    """What was found in texts and files before, as long as the desk is open. Safe for threads."""

    def __init__(self, most: int = _KNOWN, most_chars: int = _KNOWN_CHARS) -> None:
        self._most, self._most_chars = most, most_chars
        self._found: dict[bytes, TextPiece | PresealedFileInfo] = {}
        self._chars = 0
        self._changing = threading.Lock()

    def __repr__(self) -> str:
        return "PresealedCache()"

    def piece(self, name: bytes) -> TextPiece | None:
        """Return a piece of that name."""
        found = self._found.get(name)
        return found if isinstance(found, TextPiece) else None

    def look(self, name: bytes) -> PresealedFileInfo | None:
        """Return a look at a file of that name."""
        found = self._found.get(name)
        return found if isinstance(found, PresealedFileInfo) else None

    def keep(self, name: bytes, found: TextPiece | PresealedFileInfo) -> None:
        """Remember something; when there is too much, what was remembered before goes."""
        chars = len(found.text) if isinstance(found, TextPiece) else len(found.name)
        with self._changing:
            if self._chars + chars > self._most_chars or len(self._found) >= self._most:
                self._found.clear()
                self._chars = 0
            self._chars += chars
            self._found[name] = found


class _UnopenedError(Exception):
    def __init__(self, why: UnopenedReason) -> None:
        super().__init__(why)
        self.why = why


class Unsealer:
    """Opens for one page, at most 40 texts and files that were not opened before."""

    def __init__(
        self,
        identities: Sequence[age.PQIdentity],
        openpgp: OpenPGP | None,
        known: PresealedCache,
        *,
        at_most: int,
    ) -> None:
        """Take the identities, gpg where the desk has it, and how many bytes may come out of a file."""
        self._identities = identities
        self._openpgp = openpgp
        self._known = known
        self._at_most = at_most
        self._left = DECRYPTIONS_PER_PAGE

    def __repr__(self) -> str:
        return "Unsealer()"

    def text(self, text: str) -> tuple[TextPiece, ...]:
        """Return a text in pieces, in its order, with what was sealed in it opened in its place."""
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
        """Return what was sealed in the block of that number in a text, as a file; None without such a block.

        It is UNOPENED where it does not open.
        """
        block = dict(enumerate(find_armoured(text), start=1)).get(number)
        if block is None:
            return None
        try:
            content, _ = self._content(block)
        except _UnopenedError as refused:
            return OpenedFile(PresealedFileInfo(PresealedKind.UNOPENED, "", why=refused.why), iter(()))
        name = with_file_ending(f"sealed-{number}", content)
        return OpenedFile(PresealedFileInfo(PresealedKind.OPENED, name), iter([content]))

    def inspect(self, file_id: bytes, name: str, pieces: Callable[[], Iterable[bytes]]) -> PresealedFileInfo:
        """Say what a file is; one that was looked at before is not read again.

        Raises whatever `pieces` raises.
        """
        known = self._known.look(file_id)
        if known is not None:
            return known
        whole, kind = _begun(pieces())
        if kind is not None and self._left == 0:
            return PresealedFileInfo(PresealedKind.UNOPENED, name, why=UnopenedReason.LATER)
        if kind is None:
            look = PresealedFileInfo(PresealedKind.NOT_SEALED, name)
        else:
            self._left -= 1
            inside = self._inside(kind, whole)
            look, _ = _looked(kind, name, inside)
            inside.close()
        self._known.keep(file_id, look)
        return look

    def file(self, name: str, pieces: Iterable[bytes]) -> OpenedFile:
        """Open a file, whatever its name says. No more of it is read than its first piece takes.

        Raises whatever `pieces` raises.
        """
        whole, kind = _begun(pieces)
        if kind is None:
            return OpenedFile(PresealedFileInfo(PresealedKind.NOT_SEALED, name), whole)
        inside = self._inside(kind, whole)
        look, first = _looked(kind, name, inside)
        if look.kind is PresealedKind.UNOPENED:
            inside.close()
        return OpenedFile(look, filter(None, itertools.chain([first], inside)))

    def _inside(self, kind: ArmourKind, whole: Iterable[bytes]) -> Generator[bytes, None, None]:
        """Yield what was sealed in a file.

        Raises:
            UnreadableError: it does not open, or not as a whole.
            _UnopenedError: it must not be opened here.
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
            return TextPiece(PieceKind.UNOPENED, block.armour, number, why=UnopenedReason.LATER)
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
            return TextPiece(PieceKind.UNOPENED, "", why=refused.why)
        text = _as_text(content)
        if text is None:
            return TextPiece(PieceKind.FILE, "", size=len(content), is_signed=is_signed)
        return TextPiece(PieceKind.OPENED, text, is_signed=is_signed)

    def _content(self, block: Armoured) -> tuple[bytes, bool]:
        """Return what is in a block, and whether it was signed.

        Raises:
            _UnopenedError: it does not open, or must not be opened here.
        """
        try:
            if block.kind is ArmourKind.OPENPGP:
                opened = self._gpg().decrypt(block.armour.encode(), at_most=_PASTED_BYTES)
                return _not_ours(opened.content), opened.is_signed
            header, payload = age.split_file(armor.dearmor(block.armour))
            return _not_ours(b"".join(self._age(header, [payload]))), False
        except (UnreadableError, MalformedError) as why:
            raise _UnopenedError(UnopenedReason.UNREADABLE) from why

    def _age(self, header: bytes, payload: Iterable[bytes]) -> Iterator[bytes]:
        """Open an age file that was sealed to one post-quantum key, the desk's."""
        stanzas = age.AgeHeader.from_bytes(header).stanzas
        if sum(stanza.arguments[0] == age.PQ_TYPE for stanza in stanzas) > 1:
            raise _UnopenedError(UnopenedReason.SEVERAL)
        return iter(age.AgeReader(header, self._identities, payload))

    def _gpg(self) -> OpenPGP:
        if self._openpgp is None:
            raise _UnopenedError(UnopenedReason.NO_OPENPGP)
        return self._openpgp


def sealed_as(first: bytes) -> ArmourKind | None:
    """Say how a file is sealed that begins with these bytes, up to a few dozen; None when it is not."""
    edge = first.removeprefix(_BYTE_ORDER_MARK).lstrip()
    if first.startswith(_AGE[0]) or edge.startswith(_AGE[1]):
        return ArmourKind.AGE
    if edge.startswith(_OPENPGP_ARMOUR) or _OPENPGP.match(first):
        return ArmourKind.OPENPGP
    return None


def opened_by_age(text: str, identities: Sequence[age.PQIdentity]) -> Iterator[str]:
    """Yield the texts that were sealed with age and pasted in a text: what search finds."""
    if _AGE[1].decode() in text:
        pieces = Unsealer(identities, None, PresealedCache(), at_most=0).text(text)
        yield from (piece.text for piece in pieces if piece.kind is PieceKind.OPENED)


def _begun(pieces: Iterable[bytes]) -> tuple[Iterator[bytes], ArmourKind | None]:
    rest = iter(pieces)
    first = next(rest, b"")
    return itertools.chain([first], rest), sealed_as(first)


def _looked(kind: ArmourKind, name: str, inside: Iterator[bytes]) -> tuple[PresealedFileInfo, bytes]:
    """Read the first piece of what was sealed in a file, and say by it what the file is."""
    is_openpgp = kind is ArmourKind.OPENPGP
    try:
        first = _not_ours(next(inside, b""))
    except UnreadableError:
        return PresealedFileInfo(PresealedKind.UNOPENED, name, is_openpgp, UnopenedReason.UNREADABLE), b""
    except _UnopenedError as refused:
        return PresealedFileInfo(PresealedKind.UNOPENED, name, is_openpgp, refused.why), b""
    found = _SEALED_NAME.fullmatch(name)
    return PresealedFileInfo(
        PresealedKind.OPENED, with_file_ending(found[1] if found else name, first), is_openpgp
    ), first


def _not_ours(content: bytes) -> bytes:
    if _OURS.match(content):
        raise _UnopenedError(UnopenedReason.SEVERAL)
    return content


def _without_mark(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Leave out the byte order mark that some editors put before a text."""
    rest = iter(pieces)
    yield next(rest, b"").removeprefix(_BYTE_ORDER_MARK)
    yield from rest


def _without_armour(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield an age file from its armour, or as it is when it has none."""
    first = next(pieces)
    whole = itertools.chain([first], pieces)
    yield from whole if first.startswith(_AGE[0]) else armor.dearmor_stream(whole)


def _plain(text: str) -> tuple[TextPiece, ...]:
    """Return what stands around armour, unless that is white space alone."""
    return (TextPiece(PieceKind.PLAIN, text.strip("\n")),) if text.strip() else ()


def _as_text(content: bytes) -> str | None:
    """Read content as a text that can be shown; None when it is something else, or too long."""
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError:
        return None
    is_shown = len(text) <= SHOWN_CHARS and not _NOT_IN_TEXT.search(text)
    return text.replace("\r\n", "\n") if is_shown else None
