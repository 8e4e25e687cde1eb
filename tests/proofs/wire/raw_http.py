"""Connection that shows which bytes a server sends, and when, as an observer of the connection sees them."""

import socket
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """One answer of a server: the bytes of its head and of its body, and the seconds until the last byte."""

    head: bytes
    body: bytes
    seconds: float

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    @property
    def header_names(self) -> tuple[str, ...]:
        """Return the names of the headers, in their order."""
        return tuple(line.partition(":")[0] for line in self._lines)

    def header(self, name: str) -> str:
        found = (line.partition(":") for line in self._lines)
        return next(value.strip() for key, _, value in found if key.lower() == name)

    @property
    def _lines(self) -> list[str]:
        return self.head.decode("latin-1").split("\r\n")[1:-2]


class RawConnection:
    """One connection to a server, on which requests follow each other."""

    def __init__(self, host: str, port: int) -> None:
        self._host = f"{host}:{port}"
        self._socket = socket.create_connection((host, port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()

    def ask(self, method: str, path: str, body: bytes = b"", *, cookie: str = "") -> RawAnswer:
        """Send a request, and read its answer to the last byte."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"Cookie: {cookie}"] if cookie else []
        if body:
            lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        since = time.perf_counter()
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, rest = received.partition(b"\r\n\r\n")
        answer = RawAnswer(head + b"\r\n\r\n", b"", 0.0)
        size = int(answer.header("content-length"))
        while len(rest) < size:
            rest += self._more()
        return RawAnswer(answer.head, rest, time.perf_counter() - since)

    def _more(self) -> bytes:
        piece = self._socket.recv(256 * 1024)
        if not piece:
            raise ConnectionError("the server closed the connection")
        return piece
