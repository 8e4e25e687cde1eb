"""Decrypt age v1 files, whole or as a stream.

Source: https://c2sp.org/age.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from crypto.age.header import HEADER_BYTES_MAX, AgeHeader, split_file
from crypto.age.recipients import AgeIdentity
from crypto.age.stream import open_stream
from crypto.errors import MalformedError, UnreadableError


class AgeReader:
    """Decryption of an age file whose payload arrives in pieces of any size.

    Iterating yields authentic plaintext, in pieces of at most 64 KiB. The file is whole only if the iteration
    ends without an error.
    """

    __slots__ = ("_chunks", "file_key")
    file_key: Final[bytes]

    def __init__(self, header: bytes, identities: Sequence[AgeIdentity], chunks: Iterable[bytes]) -> None:
        """Decrypt the file key in the header with one of the identities (secret keys). Read no payload yet.

        Raises:
            UnreadableError: no identity can decrypt the file key.
        """
        self.file_key = unwrap(header, identities)
        self._chunks = chunks

    def __repr__(self) -> str:
        return "AgeReader()"

    def __iter__(self) -> Iterator[bytes]:
        """Yield the decrypted plaintext in pieces of at most 64 KiB.

        Raises:
            UnreadableError: the payload is damaged, cut off, or belongs to another header.
        """
        return open_stream(self.file_key, self._chunks)


def decrypt(header: bytes, payload: bytes, identities: Sequence[AgeIdentity]) -> tuple[bytes, bytes]:
    """Decrypt the whole payload of an age file. Return the plaintext and the file key.

    Raises:
        UnreadableError: the file cannot be decrypted, for any reason, such as another key, damage or
            truncation.
    """
    reader = AgeReader(header, identities, [payload])
    return b"".join(reader), reader.file_key


def split_stream(pieces: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Split an age file into its header and its payload, while the file arrives in pieces of any size.

    The payload is returned as an iterator of pieces. Neither part is checked.

    Raises:
        MalformedError: no header ends within the first 64 KiB of the file.
    """
    rest = iter(pieces)
    start = bytearray()
    for piece in rest:
        start += piece
        try:
            header, payload = split_file(bytes(start))
        except MalformedError:
            if len(start) >= HEADER_BYTES_MAX:
                raise
        else:
            return header, itertools.chain([payload], rest)
    raise MalformedError


def unwrap(header: bytes, identities: Sequence[AgeIdentity]) -> bytes:
    """Decrypt the file key in an age file's header with one of the identities (secret keys), and return it.

    Raises:
        UnreadableError: the header is malformed, was changed, or is encrypted to other recipients.
    """
    try:
        parsed = AgeHeader.from_bytes(header)
        file_key = _first_file_key(parsed, identities)
    except MalformedError as why:
        raise UnreadableError from why
    if file_key is None or not parsed.is_made_with(file_key):
        raise UnreadableError
    return file_key


def _first_file_key(header: AgeHeader, identities: Sequence[AgeIdentity]) -> bytes | None:
    for identity in identities:
        for stanza in header.stanzas[:: -1 if identity.is_last else 1]:
            file_key = identity.unwrap(stanza)
            if file_key is not None:
                return file_key
    return None
