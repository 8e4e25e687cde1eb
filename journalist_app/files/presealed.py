"""Decryption, for display, of presealed texts and files: those that the source encrypted before sending.

Attack: a thief of the store has age files that the desk can decrypt, such as other mailboxes' entries and
files, and the desk's own records. The thief sends such a file to their own mailbox, as if they had encrypted
it before sending. The adviser would decrypt the file, and might pass it on. So this module refuses every file
that our own programs made. Our entries and attachments are encrypted to two keys, the desk's and the
mailbox's, and a thief cannot remove either key's stanza. So a file encrypted to several keys is refused. The
desk's records begin with a line that names our format, so content with such a line is refused.
"""

import codecs
import hashlib
import itertools
import re
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeVar

from crypto import age
from crypto.errors import MalformedError, UnreadableError
from gpg.errors import OpenPGPBlockedError, OpenPGPOtherKeyError
from gpg.home import GpgHome
from journalist_app.files.file_types import NOT_IN_TEXT, with_file_ending
from journalist_app.files.mail_parts import MailPart, is_mail, split_mail
from journalist_app.files.sealed_blocks import (
    HEAD_BYTES,
    SEARCHED_BYTES,
    SealedBlock,
    SealedFormat,
    UnwrappedFile,
    find_sealed,
    shows_nothing,
)
from journalist_app.files.sealing_words import words_in

SHOWN_CHARS: Final = 50_000  # limit of a message; a longer text is offered as a file
DECRYPTIONS_PER_PAGE: Final = 40  # gpg takes 20 ms for each decryption
BLOCKS_OF_A_TEXT: Final = 100  # shown one by one; each takes half a page
_COUNTS_PER_SECOND: Final = 2  # so that a page waits 20 seconds, and at most 10 more for the last one
_PASTED_BYTES: Final = 1024 * 1024  # 50,000 characters of armour are 37 kB, and text compresses to a tenth
_CACHED_CHARS: Final = 20_000_000
_CACHED: Final = 20_000
_CHECK_SECONDS: Final = 10  # to decrypt a whole file for a page; gpg takes as long for one text
_SEALED_NAME: Final = re.compile(r"(?<=.)\.(age|gpg|asc|pgp|eml|txt)\Z", re.IGNORECASE)
_OUR_FORMAT: Final = re.compile(rb"steunpunt-[a-z]+/\d+\n")


class UnopenedReason(StrEnum):
    """Reason why a text or file that the source encrypted before sending was not decrypted."""

    OTHER_KEY = "other_key"  # no key of the desk opens it
    DAMAGED = "damaged"  # cut off, changed, or too large when decrypted
    SEVERAL = "several"  # encrypted to several readers, or made by one of our programs
    BLOCKED = "blocked"  # took longer than 10 seconds, or too much memory
    NO_OPENPGP = "no_openpgp"
    MANY = "many"  # rest of a text with more than 100 blocks
    LATER = "later"  # over the limit of one page, or another request decrypts it; the next page shows it


class PieceKind(StrEnum):
    """Kind of a part of a source's text: plain text, a decrypted text or file, or an encrypted block."""

    PLAIN = "plain"
    OPENED = "opened"
    FILE = "file"  # decrypted, but the content is not a text
    UNOPENED = "unopened"


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Part of a source's text: plain text, or part of a block that the source encrypted before sending.

    If the kind is UNOPENED, `text` is still encrypted. If the kind is FILE, `text` is empty. If a block
    contains an e-mail message, it becomes several pieces with the same `number`. If `is_signed` is true, the
    block has a signature, which no one has checked.
    """

    kind: PieceKind
    text: str = field(repr=False)
    number: int = 0  # of the encrypted block, from 1
    part: int = 0
    name: str = field(default="", repr=False)  # of a FILE in an e-mail message
    size: int = 0  # of a FILE, in bytes
    is_signed: bool = False
    reason: UnopenedReason | None = None
    words: frozenset[str] = frozenset()  # six-word names of mailboxes in a decrypted block


class PresealedKind(StrEnum):
    """State of a file: never encrypted by the source, decrypted by the desk, or still encrypted."""

    NOT_SEALED = "not_sealed"
    OPENED = "opened"
    UNOPENED = "unopened"


@dataclass(frozen=True, slots=True)
class PresealedFileInfo:
    """Facts about a file: whether the source encrypted the file, and its decrypted name.

    `words` has the six-word names of mailboxes in the first decrypted bytes. `is_whole` is False if there was
    no time to decrypt the file to its end. `has_rest` is True if the file also has unencrypted text.
    """

    kind: PresealedKind
    name: str = field(repr=False)
    is_openpgp: bool = False
    reason: UnopenedReason | None = None
    words: frozenset[str] = frozenset()
    is_whole: bool = True
    has_rest: bool = False


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """Content of a source's file, decrypted if the source encrypted the file before sending.

    `pieces` is empty if the desk cannot decrypt the file. If the file is damaged or too large, `pieces`
    raises UnreadableError before its end.
    """

    info: PresealedFileInfo
    pieces: Iterator[bytes]


OpenedBlock = tuple[
    TextPiece, ...
]  # a decrypted block of a text: one piece, or the pieces of an e-mail message
_Found = TypeVar("_Found", OpenedBlock, PresealedFileInfo)


class PresealedCache:
    """Cache for texts and files that the source encrypted before sending. Thread-safe.

    The cache has decrypted texts. Of a file, it has only the name, and whether the desk can decrypt the file.
    """

    def __init__(self, most: int = _CACHED, most_chars: int = _CACHED_CHARS) -> None:
        self._most, self._most_chars = most, most_chars
        self._found: dict[bytes, OpenedBlock | PresealedFileInfo] = {}
        self._chars = 0
        self._changing = threading.Lock()
        self._busy: set[bytes] = set()

    def get(self, name: bytes, kind: type[_Found]) -> _Found | None:
        """Return the cached result with this name if it has the class `kind`, otherwise None.

        A text's name is the digest of its encrypted block. A file's name is its entry's digest and the file's
        id.
        """
        found = self._found.get(name)
        return found if isinstance(found, kind) else None

    @contextmanager
    def turn(self, name: bytes) -> Iterator[bool]:
        """Yield True if no other thread is decrypting this text or file, otherwise False."""
        with self._changing:
            is_ours = name not in self._busy
            self._busy.add(name)
        try:
            yield is_ours
        finally:
            if is_ours:
                self._busy.discard(name)

    def keep(self, name: bytes, found: OpenedBlock | PresealedFileInfo) -> None:
        """Add a decrypted text, or facts about a file, to the cache. If the cache is full, empty it first."""
        chars = sum(len(piece.text) for piece in found) if isinstance(found, tuple) else len(found.name)
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
    """Decrypter of texts and files that the source encrypted before sending, for one page of the site.

    An unsealer decrypts at most 40 texts and files that are not in the cache, and fewer if they are slow.
    """

    def __init__(
        self,
        identities: Sequence[age.PQIdentity],
        openpgp: GpgHome | None,
        known: PresealedCache,
        *,
        at_most: int,
    ) -> None:
        """Prepare decryption. `at_most` is the size limit of a decrypted file. `openpgp` can be None."""
        self._identities = identities
        self._openpgp = openpgp
        self._known = known
        self._at_most = at_most
        self._left: float = DECRYPTIONS_PER_PAGE

    def text(self, text: str) -> tuple[TextPiece, ...]:
        """Divide a text into plain parts and encrypted blocks, in order, and decrypt each block."""
        blocks = self._search(text)
        if not blocks:
            return (TextPiece(PieceKind.PLAIN, text),)
        pieces: list[TextPiece] = []
        at = 0
        for number, block in enumerate(blocks, start=1):
            if number > BLOCKS_OF_A_TEXT:
                rest = TextPiece(PieceKind.UNOPENED, text[at:], number, reason=UnopenedReason.MANY)
                return (*pieces, rest)
            pieces += _plain(text[at : block.start])
            for part, piece in enumerate(self._block(block)):
                shown = text[block.start : block.end] if piece.kind is PieceKind.UNOPENED else piece.text
                pieces.append(replace(piece, number=number, part=part, text=shown))
            at = block.end
        return (*pieces, *_plain(text[at:]))

    def _search(self, text: str) -> tuple[SealedBlock, ...]:
        with self._counted(at_least=0):
            return find_sealed(text)

    def pasted(self, text: str, first: int, count: int) -> Iterator[OpenedFile]:
        """Decrypt encrypted blocks of a text one by one, for download as files.

        `first` is the number of the first block, from 1. A block that cannot be decrypted gives a file of the
        kind UNOPENED.
        """
        # After 40 blocks, or 20 seconds, the reason is LATER.
        for number, block in list(enumerate(self._search(text), start=1))[first - 1 : first - 1 + count]:
            try:
                with self._counted():
                    content, _ = self._content(block)
            except _UnopenedError as why:
                yield OpenedFile(PresealedFileInfo(PresealedKind.UNOPENED, "", reason=why.reason), iter(()))
            else:
                name = with_file_ending(f"sealed-{number}", content)
                yield OpenedFile(PresealedFileInfo(PresealedKind.OPENED, name), iter([content]))

    def inspect(self, file_id: bytes, name: str, pieces: Callable[[], Iterable[bytes]]) -> PresealedFileInfo:
        """Find out whether the source encrypted a file, and whether the desk can decrypt the whole file.

        If the cache does not know the file, `pieces` is called. Exceptions of its iterator reach the caller.
        """
        known = self._known.get(file_id, PresealedFileInfo)
        if known is not None:
            return known
        with self._known.turn(file_id) as is_ours:
            if not is_ours:  # before the search: each reload of a page would search a long text too
                return PresealedFileInfo(PresealedKind.UNOPENED, name, reason=UnopenedReason.LATER)
            is_deep = self._left > 0
            with self._counted(at_least=0):
                file = UnwrappedFile(pieces(), SEARCHED_BYTES if is_deep else HEAD_BYTES)
            if not file.format:
                info = PresealedFileInfo(PresealedKind.NOT_SEALED, name)
                if not is_deep:  # the next page searches the whole text
                    return info
            elif self._left <= 0:
                return PresealedFileInfo(PresealedKind.UNOPENED, name, reason=UnopenedReason.LATER)
            else:
                with self._counted(), closing(self._inside(file)) as inside:
                    info = self._checked(name, file, inside)
            self._known.keep(file_id, info)
        return info

    def _checked(self, name: str, file: UnwrappedFile, inside: Iterator[bytes]) -> PresealedFileInfo:
        """Decrypt a whole file, for at most ten seconds, and return the facts that a page shows about it."""
        until = time.monotonic() + _CHECK_SECONDS
        info, _ = _begun(file, name, inside)
        try:
            is_whole = all(time.monotonic() < until for _ in inside)
        except UnreadableError as why:
            info, is_whole = (
                PresealedFileInfo(PresealedKind.UNOPENED, name, info.is_openpgp, _reason(why)),
                True,
            )
        return replace(info, is_whole=is_whole, has_rest=file.has_rest)

    @contextmanager
    def _counted(self, at_least: int = 1) -> Iterator[None]:
        """Subtract the work of the `with` block from the decryptions that this page may still do.

        Each second of this work counts as two decryptions. At least `at_least` decryptions are
        subtracted.
        """
        since = time.monotonic()
        try:
            yield
        finally:
            self._left -= max(at_least, _COUNTS_PER_SECOND * (time.monotonic() - since))

    def file(self, name: str, pieces: Iterable[bytes]) -> OpenedFile:
        """Return a file, decrypted if the source encrypted the file before sending.

        Only the first piece is decrypted now, and the rest while the caller reads. Exceptions of `pieces`
        reach the caller.
        """
        # The first bytes, and not the name, show whether the file is encrypted.
        whole = UnwrappedFile(pieces)
        if not whole.format:
            return OpenedFile(PresealedFileInfo(PresealedKind.NOT_SEALED, name), whole.pieces)
        inside = self._inside(whole)
        info, first = _begun(whole, name, inside)
        if info.kind is PresealedKind.UNOPENED:
            inside.close()
            info = replace(info, has_rest=whole.has_rest)
        return OpenedFile(info, filter(None, itertools.chain([first], inside)))

    def _inside(self, file: UnwrappedFile) -> Generator[bytes, None, None]:
        """Yield the decrypted bytes of a file that the source encrypted.

        Raises:
            UnreadableError: the desk cannot decrypt the file, or a later part of the file is damaged.
            _UnopenedError: the file is encrypted to several keys or not to the desk, or OpenPGP is missing.
        """
        try:
            if file.format is SealedFormat.OPENPGP:
                yield from self._gpg().decrypt_stream(file.pieces, at_most=self._at_most)
            else:
                yield from self._age(*age.split_stream(file.pieces))
        except MalformedError as why:
            raise UnreadableError from why

    def _block(self, block: SealedBlock) -> OpenedBlock:
        name = hashlib.sha256(block.body.encode()).digest()
        with self._known.turn(name) as is_ours:
            opened = self._known.get(name, tuple)
            if opened is None and (self._left <= 0 or not is_ours):
                return _unopened(UnopenedReason.LATER)
            if opened is None:
                with self._counted():
                    opened = self._opened(block)
                self._known.keep(name, opened)
        return opened

    def _opened(self, block: SealedBlock) -> OpenedBlock:
        try:
            content, is_signed = self._content(block)
        except _UnopenedError as refused:
            return _unopened(refused.reason)
        parts = split_mail(content)
        words = _words(parts)
        return tuple(replace(_shown(part), is_signed=is_signed, words=words) for part in parts)

    def _content(self, block: SealedBlock) -> tuple[bytes, bool]:
        """Return the decrypted bytes of an encrypted block in a text, and whether the block has a signature.

        Raises:
            _UnopenedError: the block cannot be decrypted, or could be an entry of another mailbox.
        """
        # Attack: a thief of the store pastes another mailbox's entry, so that the adviser decrypts the entry.
        if self._left <= 0:
            raise _UnopenedError(UnopenedReason.LATER)
        try:
            if block.format is SealedFormat.OPENPGP:
                content, is_signed = self._gpg().decrypt(block.binary(), at_most=_PASTED_BYTES)
                return _refuse_our_format(content), is_signed
            return _refuse_our_format(b"".join(self._age(*age.split_stream([block.binary()])))), False
        except (UnreadableError, MalformedError) as why:
            raise _UnopenedError(_reason(why)) from why

    def _age(self, header: bytes, payload: Iterable[bytes]) -> Iterator[bytes]:
        """Decrypt an age file of the source, and refuse a file that our own programs could have encrypted.

        Raises:
            _UnopenedError: the file has more than one post-quantum stanza, or no key of the desk opens it.
        """
        # Attack: a thief of the store sends a stolen age file of another mailbox to the thief's own mailbox.
        # Our own programs encrypt every file of a mailbox to two keys, each with a post-quantum stanza.
        stanzas = age.AgeHeader.from_bytes(header).stanzas
        if sum(stanza.arguments[0] == age.PQ_TYPE for stanza in stanzas) > 1:
            raise _UnopenedError(UnopenedReason.SEVERAL)
        try:
            reader = age.AgeReader(header, self._identities, payload)
        except UnreadableError as why:
            raise _UnopenedError(UnopenedReason.OTHER_KEY) from why
        return iter(reader)

    def _gpg(self) -> GpgHome:
        if self._openpgp is None:
            raise _UnopenedError(UnopenedReason.NO_OPENPGP)
        return self._openpgp


def _begun(file: UnwrappedFile, name: str, inside: Iterator[bytes]) -> tuple[PresealedFileInfo, bytes]:
    """Return the kind of a file that the source encrypted, and its first decrypted piece.

    The piece is empty if the file cannot be decrypted.
    """
    is_openpgp = file.format is SealedFormat.OPENPGP
    try:
        first = _refuse_our_format(next(inside, b""))
    except UnreadableError as why:
        return PresealedFileInfo(PresealedKind.UNOPENED, name, is_openpgp, _reason(why)), b""
    except _UnopenedError as refused:
        return PresealedFileInfo(PresealedKind.UNOPENED, name, is_openpgp, refused.reason), b""
    stem = _SEALED_NAME.sub("", name)
    named = f"{stem}.eml" if stem != name and is_mail(first) else with_file_ending(stem, first)
    return PresealedFileInfo(PresealedKind.OPENED, named, is_openpgp, words=_words(split_mail(first))), first


def _words(parts: Iterable[MailPart]) -> frozenset[str]:
    texts = (part.content[:SHOWN_CHARS].decode("utf-8", "replace") for part in parts)
    return frozenset[str]().union(*map(words_in, texts))


def _unopened(reason: UnopenedReason) -> OpenedBlock:
    return (TextPiece(PieceKind.UNOPENED, "", reason=reason),)


def _shown(part: MailPart) -> TextPiece:
    """Return a decrypted part as text to show. A part with a name, or without text, is a file."""
    text = None if part.name else _as_text(part.content)
    file = TextPiece(PieceKind.FILE, "", name=part.name, size=len(part.content))
    return file if text is None else TextPiece(PieceKind.OPENED, text)


def _reason(why: Exception) -> UnopenedReason:
    if isinstance(why, OpenPGPOtherKeyError):
        return UnopenedReason.OTHER_KEY
    return UnopenedReason.BLOCKED if isinstance(why, OpenPGPBlockedError) else UnopenedReason.DAMAGED


def _refuse_our_format(content: bytes) -> bytes:
    if _OUR_FORMAT.match(content):
        raise _UnopenedError(UnopenedReason.SEVERAL)
    return content


def _plain(text: str) -> tuple[TextPiece, ...]:
    """Return the plain text between two encrypted blocks as one piece.

    A text that shows nothing, or only quote marks, gives no piece.
    """
    return () if shows_nothing(text) else (TextPiece(PieceKind.PLAIN, text.strip("\n")),)


def _as_text(content: bytes) -> str | None:
    """Decode bytes as a text to show. Return None if they are not a text, or if the text is too long."""
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError:
        return None
    is_shown = len(text) <= SHOWN_CHARS and not NOT_IN_TEXT.search(text)
    return text.replace("\r\n", "\n") if is_shown else None
