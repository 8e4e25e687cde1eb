"""Encrypt age v1 files, whole or as a stream.

Source: https://c2sp.org/age.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from crypto.age.header import FILE_KEY_BYTES, AgeHeader
from crypto.age.recipients import AgeRecipient
from crypto.age.stream import StreamWriter
from crypto.errors import MixedRecipientsError


@dataclass(frozen=True, slots=True)
class AgeFile:
    """A whole age file in two parts, header and payload. The bytes of the file are `header + payload`."""

    header: bytes
    payload: bytes
    file_key: bytes = field(repr=False)


class AgeWriter:
    """Encryption of an age file while its plaintext arrives. At most 64 KiB of plaintext waits in memory."""

    __slots__ = ("_stream", "file_key", "header")
    header: Final[bytes]
    file_key: Final[bytes]

    def __init__(self, recipients: Sequence[AgeRecipient]) -> None:
        """Draw a random file key, and encrypt the key to each recipient in the given order.

        Raises:
            MixedRecipientsError: there are post-quantum and other recipients together, or there is no
                recipient.
        """
        if len({recipient.post_quantum for recipient in recipients}) != 1:
            raise MixedRecipientsError
        self.file_key = os.urandom(FILE_KEY_BYTES)
        stanzas = [recipient.wrap(self.file_key) for recipient in recipients]
        self.header = AgeHeader.make(stanzas, self.file_key).to_bytes()
        self._stream = StreamWriter(self.file_key)

    def __repr__(self) -> str:
        return "AgeWriter()"

    def update(self, plaintext: bytes) -> bytes:
        """Encrypt more plaintext, of any length.

        Return the payload bytes that are ready, which can be b"".
        """
        return self._stream.update(plaintext)

    def finish(self) -> bytes:
        """Encrypt the last chunk, and return the rest of the payload.

        Call this method once, after all calls of `update`.
        """
        return self._stream.finish()


def encrypt(plaintext: bytes, recipients: Sequence[AgeRecipient]) -> AgeFile:
    """Encrypt bytes to recipients (public keys), as an age file.

    Raises:
        MixedRecipientsError: there are post-quantum and other recipients together, or there is no recipient.
    """
    writer = AgeWriter(recipients)
    payload = writer.update(plaintext) + writer.finish()
    return AgeFile(writer.header, payload, writer.file_key)
