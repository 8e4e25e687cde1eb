"""Payload of an age file: encrypted chunks of 64 KiB.

The nonce of each chunk contains the chunk's number, and says whether the chunk is the last. Reordering,
dropping or doubling a chunk would change a number. A file that was cut off has no last chunk.

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


class _Cutter:
    """Buffer that cuts input of any size into chunks of equal size, and holds back the last chunk.

    The last chunk is encrypted differently. Only the end of the input shows which chunk is the last.
    """

    __slots__ = ("_size", "rest")

    def __init__(self, size: int) -> None:
        self._size = size
        self.rest = bytearray()  # never longer than one chunk

    def cut(self, piece: bytes) -> list[bytearray | memoryview]:
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
    """Counter that gives each chunk of a payload its own nonce.

    The counter starts at 0 for each payload. This is safe, because each payload has its own key.
    """

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def next(self, *, last: bool) -> bytes:
        nonce = self.count.to_bytes(_COUNTER_BYTES) + bytes([last])
        self.count += 1
        return nonce


class StreamWriter:
    """Encryption of an age payload while its plaintext arrives.

    At most one chunk (64 KiB) waits in memory.
    """

    __slots__ = ("_aead", "_cutter", "_nonces", "_start")

    def __init__(self, file_key: bytes) -> None:
        """Start to encrypt a payload with this file key. Never use a file key for two payloads."""
        self._start = os.urandom(NONCE_BYTES)  # written before the first chunk
        self._aead = ChaCha20Poly1305(hkdf(file_key, salt=self._start, info=b"payload"))
        self._cutter = _Cutter(CHUNK_BYTES)
        self._nonces = _Nonces()

    def update(self, plaintext: bytes) -> bytes:
        """Encrypt more plaintext, of any length.

        Return the payload bytes that are ready, which can be b"".
        """
        return self._out([self._seal(chunk, last=False) for chunk in self._cutter.cut(plaintext)])

    def finish(self) -> bytes:
        """Encrypt the last chunk, and return the rest of the payload.

        Call this method once, after all calls of `update`.
        """
        return self._out([self._seal(self._cutter.rest, last=True)])

    def _seal(self, chunk: bytearray | memoryview, *, last: bool) -> bytes:
        return self._aead.encrypt(self._nonces.next(last=last), chunk, None)

    def _out(self, sealed: list[bytes]) -> bytes:
        if not sealed:
            return b""
        start, self._start = self._start, b""
        return b"".join([start, *sealed])


def open_stream(file_key: bytes, payload: Iterable[bytes]) -> Iterator[bytes]:
    """Decrypt a payload that arrives in pieces of any size. Yield plaintext in pieces of at most 64 KiB.

    Each piece is authentic. The file is whole only if the iteration ends without an error.

    Raises:
        UnreadableError: the key is wrong, or bytes were changed, added or cut off.
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
        # An empty last chunk after other chunks would be a second spelling of the same file.
        raise UnreadableError


def _open(aead: ChaCha20Poly1305, nonce: bytes, chunk: bytearray | memoryview) -> bytes:
    try:
        return aead.decrypt(nonce, chunk, None)
    except InvalidTag as why:
        raise UnreadableError from why
