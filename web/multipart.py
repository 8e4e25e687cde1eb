"""Read a multipart form while it arrives: text fields whole, files piece by piece, nothing on disk.

Memory holds at most one read, one part's headers and the text fields, whatever the size of the files. Read
strictly, as every browser sends it. Werkzeug's own decoder was tried first and rejected: where a read ends
just after a boundary and before its line break, it adds a carriage return to the file (3.1).

Source: RFC 7578 (multipart/form-data), RFC 2046 section 5.1.1 (boundaries).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from werkzeug.http import parse_options_header

from web.errors import (
    BodyError,
    CutOffError,
    FieldTooLongError,
    HeadersTooLongError,
    MalformedBodyError,
    TooLargeError,
    TooManyPartsError,
)

READ_BYTES = 128 * 1024
_HEADER_BYTES = 16 * 1024  # of one part: a file name of 5,000 Chinese characters still fits
_BOUNDARY_BYTES = 200  # RFC 2046 allows 70


class Readable(Protocol):
    """What a WSGI server gives as `wsgi.input`."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""


class Body:
    """A request body that knows when it is cut off and when it is too large."""

    def __init__(self, stream: Readable, content_length: int | None, limit_bytes: int) -> None:
        """Wrap a stream; `content_length` is None for a chunked body."""
        self._stream = stream
        self._left = content_length
        self._allowed = limit_bytes

    def read(self) -> bytes:
        """Return the next bytes, at most `READ_BYTES`; none at the proper end.

        Raises:
            CutOffError: the sender stopped, or sent fewer bytes than it had announced.
            TooLargeError: the limit is passed.
        """
        if self._left == 0:
            return b""
        piece = self._take(READ_BYTES)
        if len(piece) > self._allowed:
            raise TooLargeError
        self._allowed -= len(piece)
        return piece

    def refuse_announced(self) -> None:
        """Give up at once on what is announced to pass the limit.

        For what may be large alone, once the text that stands before it has been read.

        Raises:
            TooLargeError: more is announced than the limit leaves room for.
        """
        if self._left is not None and self._left > self._allowed:
            raise TooLargeError

    def drain(self, limit_bytes: int) -> bool:
        """Throw away what is still coming, so that a browser that only listens after sending hears us.

        Returns whether the end was reached within `limit_bytes`.
        """
        if self._left is not None and self._left > limit_bytes:
            return False
        while limit_bytes > 0:
            try:
                piece = self._take(READ_BYTES)
            except CutOffError:
                return True
            if not piece:
                return True
            limit_bytes -= len(piece)
        return False

    def _take(self, size: int) -> bytes:
        wanted = size if self._left is None else min(size, self._left)
        try:
            piece = self._stream.read(wanted) if wanted else b""
        except (OSError, ValueError) as why:  # the connection broke, or a chunk's length is no number
            self._left = 0
            raise CutOffError from why
        if self._left is not None:
            if not piece and self._left:
                self._left = 0
                raise CutOffError
            self._left -= len(piece)
        elif not piece:
            self._left = 0
        return piece


@dataclass(frozen=True, slots=True)
class Field:
    """A text field, whole."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class FileBegun:
    """A file starts; its bytes follow. The name is as the browser sent it: not safe, maybe empty."""

    name: str
    filename: str
    media_type: str


@dataclass(frozen=True, slots=True)
class FileBytes:
    """Some bytes of the file that began last; never empty."""

    piece: bytes


@dataclass(frozen=True, slots=True)
class FileEnded:
    """The file that began last is whole."""


Event = Field | FileBegun | FileBytes | FileEnded


@dataclass(frozen=True, slots=True)
class FormLimits:
    """How much of each a form may hold; the total is the `Body`'s."""

    parts: int
    fields_bytes: int


def read_parts(body: Body, content_type: str, limits: FormLimits) -> Iterator[Event]:
    """Yield a form's parts as they arrive.

    `content_type` is the request's own header. A field is yielded when it is whole. Text that is not UTF-8
    is read with replacement characters: better a strange sign than a lost message.

    Raises:
        BodyError: one of its subclasses; `unfinished` holds the field that was being read, if any.
    """
    wire = _Wire(body, _boundary(content_type))
    fields_left = limits.fields_bytes
    parts = 0
    while wire.another_part():
        parts += 1
        if parts > limits.parts:
            raise TooManyPartsError
        name, filename, media_type = _part_of(wire.headers())
        if filename is None:
            text = _text(wire, name, fields_left)
            fields_left -= len(text)
            yield Field(name, _decoded(text))
        else:
            body.refuse_announced()
            yield FileBegun(name, filename, media_type)
            yield from map(FileBytes, wire.content())
            yield FileEnded()


class _Wire:
    """The bytes of a form, cut at its boundaries."""

    def __init__(self, body: Body, boundary: bytes) -> None:
        self._body = body
        self._delimiter = b"\r\n--" + boundary
        self._held = b"\r\n"  # the first boundary may be the very first line
        self._began = False

    def another_part(self) -> bool:
        """Go to the next part; at the end read, and ignore, what follows it, and return False."""
        if not self._began:
            self._until(self._delimiter)
            self._began = True
        while len(self._held) < len(b"--"):
            self._fill()
        if self._held.startswith(b"--"):
            self._body.refuse_announced()
            while self._body.read():
                pass
            return False
        if self._until(b"\r\n").strip(b" \t"):
            raise MalformedBodyError
        return True

    def headers(self) -> bytes:
        return self._until(b"\r\n\r\n")

    def content(self) -> Iterator[bytes]:
        """Yield what stands before the next boundary; when the body breaks off, all that came."""
        tail = len(self._delimiter) - 1  # may be the beginning of a boundary
        while (end := self._held.find(self._delimiter)) < 0:
            if len(self._held) > tail:
                yield self._held[:-tail]
                self._held = self._held[-tail:]
            try:
                self._fill()
            except BodyError:
                yield self._held
                raise
        if end:
            yield self._held[:end]
        self._held = self._held[end + len(self._delimiter) :]

    def _until(self, mark: bytes) -> bytes:
        while (end := self._held.find(mark, 0, _HEADER_BYTES)) < 0:
            if len(self._held) >= _HEADER_BYTES:
                raise HeadersTooLongError
            self._fill()
        before, self._held = self._held[:end], self._held[end + len(mark) :]
        return before

    def _fill(self) -> None:
        piece = self._body.read()
        if not piece:
            raise CutOffError
        self._held += piece


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get("boundary", "").encode("utf-8", "replace")
    if kind != "multipart/form-data" or not 0 < len(boundary) <= _BOUNDARY_BYTES:
        raise MalformedBodyError
    return boundary


def _part_of(raw: bytes) -> tuple[str, str | None, str]:
    """Return a part's name, its file name (None for a text field) and media type."""
    try:
        lines = [line.partition(":") for line in raw.decode().split("\r\n")]
    except UnicodeDecodeError as why:
        raise MalformedBodyError from why
    headers = {name.lower(): value.strip() for name, _, value in lines}
    kind, options = parse_options_header(headers.get("content-disposition"))
    if kind != "form-data" or "name" not in options:
        raise MalformedBodyError
    return options["name"], options.get("filename"), headers.get("content-type", "")


def _text(wire: _Wire, name: str, limit_bytes: int) -> bytearray:
    text = bytearray()
    try:
        for piece in wire.content():
            text += piece
            if len(text) > limit_bytes:
                raise FieldTooLongError
    except BodyError as why:
        why.unfinished = (name, _decoded(text[:limit_bytes]))
        raise
    return text


def _decoded(text: bytearray) -> str:
    return text.decode("utf-8", "replace")
