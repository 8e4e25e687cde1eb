"""Attachments: each file is encrypted to an age file while it arrives (docs/protocol.md, "Attachments").

No plaintext of an attachment is therefore ever written to a disk.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from crypto import age
from crypto.errors import ForgedError, TooLongError
from crypto.padding import padme
from protocol.content import AttachmentNote
from protocol.envelope import commit_to_key
from protocol.identifiers import Address, AttachmentId, Digest, EntryId

FLOOR_BYTES: Final = 64 * 1024
SIZE_MAX: Final = 2**40  # a terabyte: no real file is refused, and a false size cannot make us pad for hours
_ZEROES_BYTES: Final = 16 * age.CHUNK_BYTES


def padded_bytes(size: int) -> int:
    """Return the padded size of a file of `size` bytes. Both sizes are bytes of plaintext.

    Files are padded because the exact length of a file can identify a known document.
    """
    return max(FLOOR_BYTES, padme(size))


class AttachmentSealer:
    """Encryption of one attached file while the file arrives. Memory use does not grow with the file.

    Call `update` for each piece of the file, then iterate over all of `pad()`, then call `finish`. The
    returned bytes, in order, are the encrypted payload.
    """

    __slots__ = ("_address", "_attachment_id", "_digest", "_entry_id", "_padded", "_writer", "header", "size")
    header: Final[bytes]

    def __init__(
        self,
        recipients: Sequence[age.AgeRecipient],
        address: Address,
        entry_id: EntryId,
        attachment_id: AttachmentId,
    ) -> None:
        """Start to encrypt an attachment to `recipients`, the public keys of those who may read the entry."""
        self._writer = age.AgeWriter(recipients)
        self._digest = hashlib.sha256()
        self._address, self._entry_id, self._attachment_id = address, entry_id, attachment_id
        self._padded = 0
        self.header = self._writer.header
        self.size = 0  # bytes of plaintext so far, without padding

    def __repr__(self) -> str:
        return f"AttachmentSealer({self._attachment_id.hex()})"

    def update(self, plaintext: bytes) -> bytes:
        """Encrypt the next piece of the file, of any length.

        Return the payload bytes that are ready, which can be b"".

        Raises:
            TooLongError: the file is over a terabyte.
        """
        self.size += len(plaintext)
        if self.size > SIZE_MAX:
            raise TooLongError
        return self._sealed(plaintext)

    def pad(self) -> Iterator[bytes]:
        """Encrypt the file's padding, and yield the payload bytes in pieces of little more than 1 MiB."""
        left = padded_bytes(self.size) - self.size - self._padded
        zeroes = bytes(min(left, _ZEROES_BYTES))
        while left:
            piece = zeroes[:left]
            left -= len(piece)
            self._padded += len(piece)
            yield self._sealed(piece)

    def finish(self, name: str, media_type: str) -> tuple[bytes, AttachmentNote]:
        """Return the last bytes of the encrypted payload, and the note that describes the file.

        Call this method once, after all pieces of `pad()`. Then put the note into the content of the entry.
        """
        end = b"".join(self.pad())
        last = self._writer.finish()
        self._digest.update(last)
        note = AttachmentNote(
            id=self._attachment_id,
            name=name,
            media_type=media_type,
            size=self.size,
            payload_sha256=Digest(self._digest.digest()),
            commit=commit_to_key(self._writer.file_key, self._address, self._entry_id, self._attachment_id),
        )
        return end + last, note

    def _sealed(self, plaintext: bytes) -> bytes:
        ready = self._writer.update(plaintext)
        self._digest.update(ready)
        return ready


class AttachmentOpener:
    """Decryption of one attached file whose encrypted payload arrives in pieces of any size."""

    __slots__ = ("_chunks", "_digest", "_note", "_reader")

    def __init__(  # noqa: PLR0913, PLR0917  # its bytes, its place, and the keys
        self,
        header: bytes,
        chunks: Iterable[bytes],
        note: AttachmentNote,
        identities: Sequence[age.AgeIdentity],
        address: Address,
        entry_id: EntryId,
    ) -> None:
        """Decrypt the file key, and check the key against the commitment in the note. Read no payload yet.

        `note` must come from a verified entry.

        Raises:
            UnreadableError: no identity can decrypt the file key in this header.
            ForgedError: the file was encrypted for another mailbox, entry or attachment.
        """
        self._reader = age.AgeReader(header, identities, self._digested(chunks))
        committed = commit_to_key(self._reader.file_key, address, entry_id, note.id)
        if not hmac.compare_digest(committed, note.commit):
            raise ForgedError
        self._note = note
        self._digest = hashlib.sha256()

    def __repr__(self) -> str:
        return f"AttachmentOpener({self._note.id.hex()})"

    def __iter__(self) -> Iterator[bytes]:
        """Yield the plaintext of the file, exactly `note.size` bytes, in pieces of at most 64 KiB.

        The last piece is yielded only after all digests are checked.

        Raises:
            UnreadableError: the payload is damaged or cut off.
            ForgedError: the note describes another payload than this one.
        """
        left = self._note.size
        sealed = 0
        held = b""
        for piece in self._reader:
            sealed += len(piece)
            if not left:
                continue  # the rest of the plaintext is padding
            if held:
                yield held
            held = piece[:left]
            left -= len(held)
        fits = hmac.compare_digest(self._digest.digest(), self._note.payload_sha256)
        if not fits or sealed != padded_bytes(self._note.size):
            raise ForgedError
        if held:
            yield held

    def _digested(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._digest.update(chunk)
            yield chunk
