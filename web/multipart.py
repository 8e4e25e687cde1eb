"""Streaming parser of multipart forms, which yields text fields whole and files in pieces.

The parser writes no file. Its memory has at most one read, the headers of one part, and the text fields. The
parser is strict: it accepts only forms as browsers send them. Only the name of a file may be anything: a file
is never lost with its name. We tried Werkzeug's decoder first and rejected that decoder. If a read ends
between a boundary and its line break, Werkzeug 3.1 adds a carriage return to the file.

Source: RFC 7578 (multipart/form-data), RFC 2046 section 5.1.1 (boundaries).
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

from werkzeug.http import parse_options_header

from web.errors import BodyError, BodyFault

READ_BYTES = 128 * 1024
_HEADER_BYTES = 16 * 1024  # headers of one part: a file name of 5,000 Chinese characters still fits
# Of a text field of our forms. Parsing this header in general takes ten times as long.
_PLAIN_FIELD = re.compile(r'form-data; name="([a-z_]+)"')
# Of a file, as browsers write it: a backslash in the name has no meaning. Other programs differ. Some write a
# quotation mark in the name as it is.
_PLAIN_FILE = re.compile(r'form-data *; *name="([^"]*)" *; *filename="([^"]*|(?:[^"\\]|"(?! *;))*)"')
_ESCAPES = (("%22", '"'), ("%0D", "\r"), ("%0A", "\n"))  # of browsers, in the name of a file
_BOUNDARY_BYTES = 200  # RFC 2046 allows 70
_OTHER_FIELD_BYTES = 256  # of a field that the form does not have, such as that of a browser's extension


class Readable(Protocol):
    """Byte stream that a WSGI server passes as `wsgi.input`."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes of the stream, at most `size`. Return b"" at the end of the stream."""


class Body:
    """Reader of a request body, which raises an exception if the body is cut off or too large."""

    def __init__(self, stream: Readable, content_length: int | None, limit_bytes: int) -> None:
        """Wrap the stream of a request body.

        `content_length` is the announced length, or None for a chunked body. `limit_bytes` is the largest
        body to accept.
        """
        self._stream = stream
        self._left_bytes = content_length
        self._allowed_bytes = limit_bytes

    def read(self) -> bytes:
        """Return the next bytes of the request body, at most `READ_BYTES`. Return b"" at the end of the body.

        Raises:
            BodyError: the body was cut off, or is longer than the limit.
        """
        if self._left_bytes == 0:
            return b""
        piece = self._take(READ_BYTES)
        if len(piece) > self._allowed_bytes:
            raise BodyError(BodyFault.TOO_LARGE)
        self._allowed_bytes -= len(piece)
        return piece

    def refuse_announced(self) -> None:
        """Refuse a request body that announced too great a length, without reading the rest of the body.

        Call this function after the text fields were read, so that an error page can show their text again.

        Raises:
            BodyError: the announced length exceeds the limit.
        """
        if self._left_bytes is not None and self._left_bytes > self._allowed_bytes:
            raise BodyError(BodyFault.TOO_LARGE)

    def drain(self, limit_bytes: int) -> bool:
        """Read and discard the rest of the request body. Return True if the body ended within `limit_bytes`.

        Call this function before sending the response: a browser first sends its whole request.
        """
        if self._left_bytes is not None and self._left_bytes > limit_bytes:
            return False
        while limit_bytes > 0:
            try:
                piece = self._take(READ_BYTES)
            except BodyError:  # the body was cut off, so it has ended
                return True
            if not piece:
                return True
            limit_bytes -= len(piece)
        return False

    def _take(self, size: int) -> bytes:
        wanted = size if self._left_bytes is None else min(size, self._left_bytes)
        try:
            piece = self._stream.read(wanted) if wanted else b""
        except (OSError, ValueError) as why:  # the connection broke, or a chunk's length is not a number
            self._left_bytes = 0
            raise BodyError(BodyFault.CUT_OFF) from why
        if self._left_bytes is not None:
            if not piece and self._left_bytes:
                self._left_bytes = 0
                raise BodyError(BodyFault.CUT_OFF)
            self._left_bytes -= len(piece)
        elif not piece:
            self._left_bytes = 0
        return piece


@dataclass(frozen=True, slots=True)
class Field:
    """Event of the parser: a text field has arrived completely."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class FileBegun:
    """Event of the parser: a file begins. `filename` comes from the browser, and can be empty or unsafe."""

    name: str
    filename: str
    media_type: str


@dataclass(frozen=True, slots=True)
class FileBytes:
    """Event of the parser: more bytes of the current file have arrived. `piece` is never empty."""

    piece: bytes


@dataclass(frozen=True, slots=True)
class FileEnded:
    """Event of the parser: the current file has arrived completely."""


Event = Field | FileBegun | FileBytes | FileEnded


@dataclass(frozen=True, slots=True)
class FormLimits:
    """Limits of a form: the largest number of parts, and the largest size of each named text field in bytes.

    `Body` limits the bytes of the whole form.
    """

    parts: int
    fields: Mapping[str, int]

    def bytes_of(self, name: str) -> int:
        """Return the limit of a field in bytes. An unknown field has a small limit."""
        return self.fields.get(name, _OTHER_FIELD_BYTES)

    @property
    def fields_bytes(self) -> int:
        """Return the limit of all text fields together, in bytes."""
        return sum(self.fields.values()) + self.parts * _OTHER_FIELD_BYTES


def read_parts(body: Body, content_type: str, limits: FormLimits) -> Iterator[Event]:
    """Parse a multipart form while it arrives, and yield an event for each field and each piece of a file.

    Bytes that are not UTF-8 become replacement characters. A file must come after all fields, as in our
    pages, so that the caller has the whole text when the file begins.

    Raises:
        BodyError: the body cannot be used. `unfinished` of the exception is the field that was being read, or
            None.
    """
    # A strange character is better than a lost message.
    reader = _PartReader(body, _boundary(content_type))
    fields_left = limits.fields_bytes
    parts = 0
    has_file = False
    while reader.next_part():
        parts += 1
        if parts > limits.parts:
            raise BodyError(BodyFault.TOO_MANY_PARTS)
        name, filename, media_type = _parse_headers(reader.headers())
        if filename is None:
            if has_file and name in limits.fields:
                raise BodyError(BodyFault.MALFORMED)
            text = _read_text(reader, name, min(fields_left, limits.bytes_of(name)))
            fields_left -= len(text)
            yield Field(name, _decoded(text))
        else:
            has_file = True
            body.refuse_announced()
            yield FileBegun(name, filename, media_type)
            yield from map(FileBytes, reader.content())
            yield FileEnded()


class _PartReader:
    def __init__(self, body: Body, boundary: bytes) -> None:
        self._body = body
        self._delimiter = b"\r\n--" + boundary
        self._buffer = b"\r\n"  # the first boundary may be the first line of the body
        self._began = False

    def next_part(self) -> bool:
        """Go to the next part of the form. Return False at the end of the form.

        At the end, the rest of the body is read and discarded.
        """
        if not self._began:
            self._until(self._delimiter)
            self._began = True
        while len(self._buffer) < len(b"--"):
            self._fill()
        if self._buffer.startswith(b"--"):
            self._body.refuse_announced()
            while self._body.read():
                pass
            return False
        if self._until(b"\r\n").strip(b" \t"):
            raise BodyError(BodyFault.MALFORMED)
        return True

    def headers(self) -> bytes:
        return self._until(b"\r\n\r\n")

    def content(self) -> Iterator[bytes]:
        """Yield the content of the current part of the form in pieces.

        Raises:
            BodyError: the body was cut off or is too large. The bytes that arrived were yielded first.
        """
        tail = len(self._delimiter) - 1  # this many last bytes may be the start of a boundary
        while (end := self._buffer.find(self._delimiter)) < 0:
            if len(self._buffer) > tail:
                yield self._buffer[:-tail]
                self._buffer = self._buffer[-tail:]
            try:
                self._fill()
            except BodyError:
                yield self._buffer
                raise
        if end:
            yield self._buffer[:end]
        self._buffer = self._buffer[end + len(self._delimiter) :]

    def _until(self, mark: bytes) -> bytes:
        while (end := self._buffer.find(mark, 0, _HEADER_BYTES)) < 0:
            if len(self._buffer) >= _HEADER_BYTES:
                raise BodyError(BodyFault.HEADERS_TOO_LONG)
            self._fill()
        before, self._buffer = self._buffer[:end], self._buffer[end + len(mark) :]
        return before

    def _fill(self) -> None:
        piece = self._body.read()
        if not piece:
            raise BodyError(BodyFault.CUT_OFF)
        self._buffer += piece


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get("boundary", "").encode("utf-8", "replace")
    if kind != "multipart/form-data" or not 0 < len(boundary) <= _BOUNDARY_BYTES:
        raise BodyError(BodyFault.MALFORMED)
    return boundary


def _parse_headers(raw: bytes) -> tuple[str, str | None, str]:
    """Parse the headers of one part of a form.

    Return the part's field name, its file name and its media type. The file name is None for a text field.
    """
    lines = [line.partition(":") for line in _decoded_headers(raw).split("\r\n")]
    headers = {name.lower(): value.strip() for name, _, value in lines}
    disposition, media_type = headers.get("content-disposition", ""), headers.get("content-type", "")
    if plain := _PLAIN_FIELD.fullmatch(disposition):
        return plain[1], None, ""
    if file := _PLAIN_FILE.fullmatch(disposition):
        return file[1], reduce(lambda name, escape: name.replace(*escape), _ESCAPES, file[2]), media_type
    kind, options = parse_options_header(disposition)
    if kind != "form-data" or "name" not in options:
        raise BodyError(BodyFault.MALFORMED)
    # A file whose name cannot be read stays a file, without a name.
    unnamed = "" if "filename" in disposition.lower() else None
    return options["name"], options.get("filename", unnamed), media_type


def _decoded_headers(raw: bytes) -> str:
    """Decode the headers of a part as UTF-8. If they are not UTF-8, decode them as Windows-1252.

    Bytes that Windows-1252 does not define become replacement characters.
    """
    with suppress(UnicodeDecodeError):
        return raw.decode("utf-8")
    return raw.decode("cp1252", "replace")


def _read_text(reader: _PartReader, name: str, limit_bytes: int) -> bytearray:
    text = bytearray()
    try:
        for piece in reader.content():
            text += piece
            if len(text) > limit_bytes:
                raise BodyError(BodyFault.FIELD_TOO_LONG)  # noqa: TRY301  # the handler below keeps the text
    except BodyError as why:
        why.unfinished = (name, _decoded(text[:limit_bytes]))
        raise
    return text


def _decoded(text: bytearray) -> str:
    return text.decode("utf-8", "replace")
