"""Minimal HTTP/1.1 client that acts as a browser, so that we measure the server and not the client."""

import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

_HTTP_PORT = 80
_PATIENCE_SECONDS = 120
_PIECE_BYTES = 256 * 1024  # of each write of a body that is generated while it is sent


class BadAnswerError(Exception):
    """The server's answer is not well-formed HTTP, or the server closed the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole HTTP response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def location(self) -> str:
        """Return the path of a redirect, without scheme and host."""
        where = self.headers["location"]
        return "/" + where.split("/", 3)[3] if "://" in where else where


class Browser:
    """One connection that is kept open, with the cookies of one origin."""

    def __init__(self, host: str, port: int, cookies: Mapping[str, str] | None = None) -> None:
        self.host, self.port = host, port
        self.cookies = dict(cookies or {})
        self._socket: socket.socket | None = None
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. The cookies stay."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._buffer = None, b""

    def get(self, path: str) -> Answer:
        """Fetch a page. If the server closed the connection in the meantime, connect once more."""
        try:
            return self._exchange(self._head("GET", path, ""))
        except (BadAnswerError, ConnectionError):
            return self._exchange(self._head("GET", path, ""))

    def post(
        self, path: str, media_type: str, body: bytes | Iterable[bytes], length: int | None = None
    ) -> Answer:
        """Send a form.

        An iterable body is sent piece by piece, and needs its `length` in bytes.
        """
        size = len(body) if isinstance(body, bytes) else length
        head = self._head("POST", path, f"Content-Type: {media_type}\r\nContent-Length: {size}\r\n")
        if isinstance(body, bytes):
            return self._exchange(head + body)
        return self._exchange(head, body)

    def follow(self, answer: Answer) -> Answer:
        """Fetch the page that a 303 redirects to. Any other answer is returned as it is."""
        return self.get(answer.location) if answer.status == 303 else answer

    def _head(self, method: str, path: str, more: str) -> bytes:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        host = self.host if self.port == _HTTP_PORT else f"{self.host}:{self.port}"  # as browsers do
        lines = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Language: en\r\n{more}"
        return (lines + (f"Cookie: {cookie}\r\n" if cookie else "") + "\r\n").encode()

    def _exchange(self, head: bytes, body: Iterable[bytes] = ()) -> Answer:
        if self._socket is None:
            self._socket = self._connect()
            if self._socket.family != socket.AF_UNIX:
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(head)
            for piece in body:
                self._socket.sendall(piece)
            return self._read_answer()
        except (OSError, BadAnswerError):
            self.close()
            raise

    def _connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=_PATIENCE_SECONDS)

    def _read_answer(self) -> Answer:
        head = self._read_until(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            if name == "set-cookie":
                self._keep_cookie(value)
            headers[name] = value
        status = int(first.split(" ", 2)[1])
        if headers.get("transfer-encoding") == "chunked":
            body = b"".join(self._read_chunks())
        else:
            body = self._read_exactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    def _keep_cookie(self, line: str) -> None:
        pair, _, rest = line.partition(";")
        name, _, value = pair.partition("=")
        if "max-age=0" in rest.lower() or not value:
            self.cookies.pop(name.strip(), None)
        else:
            self.cookies[name.strip()] = value.strip()

    def _read_chunks(self) -> Iterator[bytes]:
        while size := int(self._read_until(b"\r\n"), 16):
            yield self._read_exactly(size)
            self._read_until(b"\r\n")
        self._read_until(b"\r\n")

    def _receive(self) -> bytes:
        if self._socket is None:
            raise BadAnswerError("closed")
        piece = self._socket.recv(256 * 1024)
        if not piece:
            raise BadAnswerError("the server closed the connection")
        return piece

    def _read_until(self, delimiter: bytes) -> bytes:
        while delimiter not in self._buffer:
            self._buffer += self._receive()
        taken, _, self._buffer = self._buffer.partition(delimiter)
        return taken

    def _read_exactly(self, size: int) -> bytes:
        pieces, have = [self._buffer], len(self._buffer)
        while have < size:
            pieces.append(self._receive())
            have += len(pieces[-1])
        whole = b"".join(pieces)
        self._buffer = whole[size:]
        return whole[:size]


@dataclass(frozen=True, slots=True)
class Upload:
    """Multipart form whose last field is a file of `file_bytes`, generated while it is sent."""

    fields: Mapping[str, str]
    file_field: str
    file_bytes: int
    file_name: str = "evidence.bin"
    boundary: str = "bench-7f3a9d51c2"

    @property
    def media_type(self) -> str:
        """Return the Content-Type of the body."""
        return f"multipart/form-data; boundary={self.boundary}"

    @property
    def length(self) -> int:
        """Return the size of the whole body in bytes."""
        return len(self._before) + self.file_bytes + len(self._after)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body in pieces of at most 256 KiB. The file is random, so it contains no boundary."""
        yield self._before
        block = secrets.token_bytes(_PIECE_BYTES)
        whole, rest = divmod(self.file_bytes, _PIECE_BYTES)
        for _ in range(whole):
            yield block
        yield block[:rest]
        yield self._after

    @property
    def _before(self) -> bytes:
        parts = [
            f'--{self.boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in self.fields.items()
        ]
        if self.file_bytes:
            parts.append(
                f'--{self.boundary}\r\nContent-Disposition: form-data; name="{self.file_field}"; '
                f'filename="{self.file_name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
            )
        return "".join(parts).encode()

    @property
    def _after(self) -> bytes:
        return (("\r\n" if self.file_bytes else "") + f"--{self.boundary}--\r\n").encode()
