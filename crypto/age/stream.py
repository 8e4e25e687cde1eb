"""The payload of an age file: 64 KiB chunks, each sealed under its number and whether it is the last.

Reordering, dropping or doubling a chunk changes a number; cutting the file off leaves no last chunk.

Source: C2SP age, "Payload".
"""

import os
from collections.abc import Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from crypto.errors import UnreadableError
from crypto.kdf import hkdf

CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
NONCE_BYTES = 16
_COUNTER_BYTES = 11


def payload_bytes(plaintext_bytes: int) -> int:
    """Tell how long the payload of a plaintext of this length is."""
    chunks = max(1, -(-plaintext_bytes // CHUNK_BYTES))
    return NONCE_BYTES + plaintext_bytes + chunks * TAG_BYTES


class _Cutter:
    """Cuts what arrives into chunks of one size, and always holds the last one back.

    Only the end tells that a chunk is the last, and the last is sealed otherwise. Chunks that lie whole
    within one piece are not copied.
    """

    __slots__ = ("_size", "rest")

    def __init__(self, size: int) -> None:
        self._size = size
        self.rest = bytearray()  # never longer than one chunk

    def cut(self, piece: bytes) -> list[bytearray | memoryview]:
        """Return the chunks that are now known not to be the last."""
        view = memoryview(piece)
        at = self._size - len(self.rest)
        self.rest += view[:at]
        if at >= len(view):
            return []
        chunks: list[bytearray | memoryview] = [self.rest]
        while at + self._size < len(view):
            chunks.append(view[at : at + self._size])
            at += self._size
        self.rest = bytearray(view[at:])
        return chunks


class _Nonces:
    """Counts chunks. Each nonce is used for one chunk of one key, and no key for two files."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def next(self, *, last: bool) -> bytes:
        nonce = self.count.to_bytes(_COUNTER_BYTES) + bytes([last])
        self.count += 1
        return nonce


class StreamWriter:
    """Seals a payload as its plaintext arrives; holds back at most one chunk."""

    __slots__ = ("_aead", "_cutter", "_nonces", "_start")

    def __init__(self, file_key: bytes) -> None:
        """Start a payload. A file key serves one payload: a second would be a new file with a known key."""
        self._start = os.urandom(NONCE_BYTES)  # goes out with the first bytes
        self._aead = ChaCha20Poly1305(hkdf(file_key, salt=self._start, info=b"payload"))
        self._cutter = _Cutter(CHUNK_BYTES)
        self._nonces = _Nonces()

    def update(self, plaintext: bytes) -> bytes:
        """Take more plaintext, of any length; return the payload bytes that are ready, perhaps none."""
        return self._out([self._seal(chunk, last=False) for chunk in self._cutter.cut(plaintext)])

    def finish(self) -> bytes:
        """Return the rest of the payload. Call it once, and nothing after it."""
        return self._out([self._seal(self._cutter.rest, last=True)])

    def _seal(self, chunk: bytearray | memoryview, *, last: bool) -> bytes:
        return self._aead.encrypt(self._nonces.next(last=last), chunk, None)

    def _out(self, sealed: list[bytes]) -> bytes:
        if not sealed:
            return b""
        start, self._start = self._start, b""
        return b"".join([start, *sealed])


def open_stream(file_key: bytes, payload: Iterable[bytes]) -> Iterator[bytes]:
    """Open a payload that comes in pieces of any size; yield plaintext in pieces of at most 64 KiB.

    Each piece is authentic and in its place. That the file was not cut off is known only when the iterator
    ends without an error.

    Raises:
        UnreadableError: another key, a changed byte, a missing end, or anything after the end.
    """
    pieces = iter(payload)
    start = bytearray()
    for piece in pieces:
        start += piece
        if len(start) >= NONCE_BYTES:
            break
    aead = ChaCha20Poly1305(hkdf(file_key, salt=bytes(start[:NONCE_BYTES]), info=b"payload"))
    nonces = _Nonces()
    cutter = _Cutter(CHUNK_BYTES + TAG_BYTES)
    for chunk in cutter.cut(bytes(start[NONCE_BYTES:])):
        yield _open(aead, nonces.next(last=False), chunk)
    for piece in pieces:
        for chunk in cutter.cut(piece):
            yield _open(aead, nonces.next(last=False), chunk)
    is_first = nonces.count == 0
    plaintext = _open(aead, nonces.next(last=True), cutter.rest)
    if plaintext:
        yield plaintext
    elif not is_first:
        # An empty last chunk would be a second way to write the same file.
        raise UnreadableError


def _open(aead: ChaCha20Poly1305, nonce: bytes, chunk: bytearray | memoryview) -> bytes:
    try:
        return aead.decrypt(nonce, chunk, None)
    except InvalidTag as why:
        raise UnreadableError from why
