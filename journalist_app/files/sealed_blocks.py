"""Encrypted blocks in texts and files: age files and OpenPGP messages, in every wrapping that people produce.

A wrapping is the change that a mail program, a chat or an editor made to a block: quote marks, joined or
divided lines, other dashes, a missing first or last line, UTF-16, or words around the block. Nothing in a
block is authentic before it is decrypted. So this module may drop every character that is not base64.
"""

import codecs
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from crypto.base64_text import decode_base64
from crypto.errors import MalformedError
from journalist_app.files.file_types import NOT_IN_TEXT
from web.normal_text import is_invisible, trim

HEAD_BYTES: Final = 64 * 1024  # of a file, in which its format or first block is usually found
SEARCHED_BYTES: Final = (
    8 * 1024 * 1024
)  # of a text file, in which a block must begin; takes half a second, or four if hostile
_CODES: Final = (*range(0x3100), *range(0xFE00, 0x10000))  # with most invisible characters
_SPACES: Final = {code: " " for code in _CODES if chr(code).isspace() or is_invisible(chr(code))}
# "\udc96" and so on are bytes of Windows-1252 that are not UTF-8: two dashes and a space.
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2e3a\u2e3b\ufe58\ufe63\uff0d\udc96\udc97"
_PLAIN: Final = _SPACES | dict.fromkeys(map(ord, _DASHES), "-") | {0xDCA0: " "}
_QUOTES: Final = " >|*`"
_BASE64: Final = "[A-Za-z0-9+/]"
_MARK: Final = re.compile(r"(?i)(?<!-)-++ *+(?:(BEGIN)|END) +(?:PGP +MESSAGE|(AGE) +ENCRYPTED +FILE) *+-++")
_BODY: Final = re.compile(rf"(?<![A-Za-z0-9+/=])[7LYhjwy]{_BASE64}{{31}}")  # 24 bytes of base64
# In base64 of another kind, such as a key or a photo, one of 20,000 lines begins as an encrypted file does.
_LONG: Final = re.compile(rf"{_BASE64}{{32}}")
_LINE_BEFORE: Final = re.compile(rf"({_BASE64}{{32,}})[{_QUOTES}]+\Z")
_TOKEN: Final = re.compile(rf"[^{_QUOTES}]+")
# A block begins only where such a run begins, so all blocks of a text together read each run a few times.
_LINE: Final = re.compile(rf"[{_QUOTES}]*+([A-Za-z0-9+/=]++)(?![^{_QUOTES}])")
# RFC 9580, 6.1: a checksum may follow the body. Some mail programs write "=" as "=3D" (quoted-printable).
_CHECKSUM: Final = re.compile(rf"=(?:3D)?{_BASE64}{{4}}")
# A program that wraps the lines again can divide the checksum.
_LINES: Final = re.compile(rf"({_BASE64}*)(?:=(?:3D)?){{0,2}}(?:=(?:3D)?{_BASE64}{{0,4}})?")
_NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/=]+")
_ARMOUR: Final = re.compile(rb"(?:\xef\xbb\xbf)?-----BEGIN ")
# RFC 9580, 4.2 and 5.1 to 5.3: an OpenPGP message begins with a session key, encrypted to a public key or
# with a password. A marker packet may come first (5.8).
_OPENPGP: Final = re.compile(
    rb"(?:\xca\x03PGP)?(?:"
    rb"(?:\x84.|\x85..|\xc1(?:[\x00-\xbf]|[\xc0-\xdf].))(?:\x03.{8}[\x01\x02\x08\x10\x12\x19\x1a]|\x06)"
    rb"|(?:\x8c.|\xc3[\x00-\xbf])(?:\x04[\x01-\x0d][\x00\x01\x03\x04]|[\x05\x06]))",
    re.DOTALL,
)


class SealedFormat(StrEnum):
    """Format of encrypted bytes: an age file or an OpenPGP message."""

    AGE = "age"
    OPENPGP = "openpgp"


@dataclass(frozen=True, slots=True)
class SealedBlock:
    """Encrypted block in a longer text, at `text[start:end]`.

    `body` has only the base64 of the block. The body begins at `text[body_start]`. `is_closed` is True if the
    block has its last line.
    """

    format: SealedFormat
    start: int
    end: int
    body_start: int
    body: str = field(repr=False)
    is_closed: bool = False

    def binary(self) -> bytes:
        """Return the encrypted bytes.

        Raises:
            MalformedError: the body is not base64, for example because a part is missing.
        """
        return _decoded(self.body)


def format_of(first: bytes) -> SealedFormat | None:
    """Return the format of encrypted bytes, or None if the bytes are not encrypted.

    `first` has the first 24 bytes or more.
    """
    if first.startswith(b"age-encryption.org/"):
        return SealedFormat.AGE
    return SealedFormat.OPENPGP if _OPENPGP.match(first) else None


def find_sealed(text: str) -> tuple[SealedBlock, ...]:
    """Return every age file and OpenPGP message in a text, in the order of the text.

    If a block has lost its first line, the block begins where base64 starts as an encrypted file does. If
    the last line is lost, the block ends after its lines of equal length.
    """
    plain = text.translate(_PLAIN)  # each character keeps its place
    found: list[SealedBlock] = []
    begin: re.Match[str] | None = None
    at = 0
    for mark in (*_MARK.finditer(plain), None):
        stop = mark.start() if mark else len(plain)
        found += _between(plain, begin, at, stop)
        if mark and not mark[1] and found and found[-1].end >= at and not found[-1].is_closed:
            body = _NOT_BASE64.sub("", plain[found[-1].body_start : stop])
            found[-1] = replace(found[-1], end=mark.end(), body=body, is_closed=True)
        begin = mark if mark and mark[1] and _is_first_line(text, plain, mark) else None
        at = mark.end() if mark else stop
    return tuple(found)


def _is_first_line(text: str, plain: str, mark: re.Match[str]) -> bool:
    """Return True if a mark begins a block, and False if a text only mentions the mark.

    A mark begins a block if base64 follows, or if the mark is the only text on its line.
    """
    before, after = text[max(0, mark.start() - 100) : mark.start()], text[mark.end() : mark.end() + 100]
    is_alone = shows_nothing(before.rpartition("\n")[2] + after.partition("\n")[0])
    return is_alone or _LONG.search(plain, mark.end(), mark.end() + 1000) is not None


def _between(plain: str, begin: re.Match[str] | None, at: int, stop: int) -> Iterator[SealedBlock]:
    """Yield the encrypted blocks in `plain[at:stop]`, the text between two marks.

    `begin` is the first of these marks if it begins a block, otherwise None.
    """
    for each in _BODY.finditer(plain, at, stop):
        first, start, block = decode_base64(each[0]), each.start(), None
        if start < at or _is_later_line(plain, at, start):
            continue
        if kind := format_of(first):
            block = _block(plain, begin, start, stop, kind)
        elif _ARMOUR.match(first):
            outer = _block(plain, None, start, stop, SealedFormat.AGE)
            at, block = outer.end, _attached(outer)
        if block:
            yield block
            begin, at = None, block.end
    if begin:
        yield _block(plain, begin, at, stop, SealedFormat.AGE if begin[2] else SealedFormat.OPENPGP)


def _is_later_line(plain: str, at: int, start: int) -> bool:
    """Return True if the line before `start` is base64, and is not shorter than the line at `start`."""
    before = _LINE_BEFORE.search(plain[max(at, start - 100) : start])
    line = _TOKEN.match(plain, start, start + 101)  # longer than any line before
    return before is not None and line is not None and len(before[1]) >= len(line[0])


def _block(plain: str, begin: re.Match[str] | None, start: int, stop: int, kind: SealedFormat) -> SealedBlock:
    end = _end_of_lines(plain, start, stop)
    first = begin.start() if begin else start
    return SealedBlock(kind, first, end, start, _NOT_BASE64.sub("", plain[start:end]))


def _attached(outer: SealedBlock) -> SealedBlock | None:
    """Decode base64 that a mail program added, and return the first block in the decoded text, or None."""
    body, _, _ = outer.body.partition("=")
    text = decode_base64(body[: len(body) // 4 * 4]).decode("utf-8", "replace")
    inner = next(iter(find_sealed(text)), None)
    return replace(outer, format=inner.format, body=inner.body, is_closed=True) if inner else None


def _end_of_lines(plain: str, at: int, stop: int) -> int:
    """Return the position at which a block of base64 ends.

    A block has lines of one width, then a shorter last line, then a checksum.
    """
    width = size = 0
    is_last = False
    while token := _LINE.match(plain, at, stop):
        line = token[1]
        size += len(line)
        if _CHECKSUM.fullmatch(line):
            return token.end()
        if is_last or not _LINES.fullmatch(line) or len(line) > (width or len(line)):
            break
        is_last = "=" in line or len(line) < width
        if is_last and "=" not in line and size % 4:  # a word after the block
            break
        at, width = token.end(), len(line)
    return at


def _decoded(body: str) -> bytes:
    found = _LINES.fullmatch(body)
    if not found:
        raise MalformedError
    return decode_base64(found[1] + "=" * (-len(found[1]) % 4))


def _decoder_of(head: bytes) -> codecs.IncrementalDecoder:
    """Return a decoder for the guessed encoding of a text: UTF-8 or UTF-16.

    In UTF-16, every second byte of base64 is zero.
    """
    even, odd = head[::2].count(0), head[1::2].count(0)
    if 8 * max(even, odd) < len(head) or not head:
        return codecs.getincrementaldecoder("utf-8")("surrogateescape")
    return codecs.getincrementaldecoder("utf-16-le" if odd > even else "utf-16-be")("replace")


def shows_nothing(text: str) -> bool:
    """Return True if a text shows nothing but the quote marks and fences that people put around a block."""
    return not trim(text.translate(_PLAIN).strip(_QUOTES))


class UnwrappedFile:
    """File in which an encrypted block is looked for.

    Only the first 64 KiB of the file are searched, or the first `searched` bytes if the file is a text.

    - `format`: the format of the block, or None if no block was found
    - `pieces`: yields the block's encrypted bytes, or the whole file if no block was found. Raises
      MalformedError if the block is not base64
    - `has_rest`: True if the file also has text outside the block. Read it after the last piece
    """

    def __init__(self, pieces: Iterable[bytes], searched: int = SEARCHED_BYTES) -> None:
        rest, head = iter(pieces), b""
        self.has_rest = False
        for size in (HEAD_BYTES, searched):
            while len(head) < size and (piece := next(rest, None)) is not None:
                head += piece
            self.format = format_of(head)
            self.pieces: Iterator[bytes] = itertools.chain([head], rest)
            if self.format or self._look_in_text(head, rest, is_whole=len(head) < size):
                break

    def _look_in_text(self, head: bytes, rest: Iterator[bytes], *, is_whole: bool) -> bool:
        """Look for a block. Return False if no block was found, but the rest of the text could have one."""
        decoder = _decoder_of(head)
        text = decoder.decode(head)
        blocks = () if "\0" in text else find_sealed(text)
        if not blocks:
            return is_whole or NOT_IN_TEXT.search(text) is not None
        block = blocks[0]
        self.format = block.format
        if is_whole or block.is_closed:
            self.has_rest = not (is_whole and shows_nothing(text[: block.start] + text[block.end :]))
            self.pieces = (each.binary() for each in (block,))
        else:
            self.has_rest = not shows_nothing(text[: block.start])
            texts = itertools.chain([text[block.body_start :]], map(decoder.decode, rest))
            self.pieces = self._long_body(texts)
        return True

    def _long_body(self, texts: Iterator[str]) -> Iterator[bytes]:
        """Decode a block's body that continues in `texts`, up to its last line or the end of the file."""
        held = ""
        for text in texts:
            body, dash, after = text.translate(_PLAIN).partition("-")
            held += _NOT_BASE64.sub("", body)
            ready = f"{held}=".index("=") // 4 * 4
            yield decode_base64(held[:ready])
            held = held[ready:]
            if len(held) > HEAD_BYTES:
                raise MalformedError
            if dash:
                self.has_rest |= not shows_nothing(_MARK.sub("", f"-{after}{next(texts, '')}", count=1))
                break
        yield _decoded(held)
