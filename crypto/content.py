"""The sealed part of an entry: what was written, and which attachments belong to it."""

from enum import StrEnum
from typing import Annotated, Final, Self

import msgspec

from crypto.commitment import COMMIT_BYTES
from crypto.errors import MalformedError, TooLongError
from crypto.names import ATTACHMENT_ID_BYTES, DIGEST_BYTES, AttachmentId, Digest
from crypto.padding import pad_json

TEXT_CHARS: Final = 50_000  # about twenty printed pages: room for an account of years
NAME_BYTES: Final = 255  # what the file systems of today hold
ATTACHMENTS: Final = 50
MEDIA_TYPE_CHARS: Final = 127
_LARGEST_SIZE: Final = 2**63 - 1  # what a signed 64-bit column holds


class Kind(StrEnum):
    """What an entry is for."""

    MESSAGE = "message"
    STEP = "step"
    PROPOSAL = "proposal"
    ANSWER = "answer"
    SEEN = "seen"
    CLOSING = "closing"


class _Sealed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both sealed structures share: an unknown field is refused.

    A reader that skipped one would show less than its writer meant. A new field therefore means a new version
    of the open part, which an older reader refuses by its name.
    """


class AttachmentNote(_Sealed, frozen=True):
    """What an entry says about one attachment.

    `id` is 16 bytes; `name` at most 255 bytes of UTF-8, as the writer gave it (never a path to trust); `size`
    the true size in bytes, before padding; `payload_sha256` covers the sealed payload as it is stored;
    `commit` is `commitment.commit` of its file key, address, entry id and attachment id.
    """

    id: Annotated[AttachmentId, msgspec.Meta(min_length=ATTACHMENT_ID_BYTES, max_length=ATTACHMENT_ID_BYTES)]
    name: str
    media_type: Annotated[str, msgspec.Meta(max_length=MEDIA_TYPE_CHARS)]
    size: Annotated[int, msgspec.Meta(ge=0, le=_LARGEST_SIZE)]
    payload_sha256: Annotated[Digest, msgspec.Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
    commit: Annotated[bytes, msgspec.Meta(min_length=COMMIT_BYTES, max_length=COMMIT_BYTES)]

    def __repr__(self) -> str:
        return f"AttachmentNote(id={self.id.hex()})"  # the name of a file can name a person


class Content(_Sealed, frozen=True):
    """The sealed part of an entry, in clear; the text has at most 50,000 characters."""

    kind: Kind
    text: str
    attachments: tuple[AttachmentNote, ...] = ()

    def __repr__(self) -> str:
        return f"Content(kind={self.kind}, {len(self.attachments)} attachments)"

    def to_bytes(self) -> bytes:
        """Write the content as JSON, with spaces up to its size step.

        Raises:
            TooLongError: the text, a file name or the list of attachments is over its limit.
            MalformedError: half a surrogate pair, or a value that `from_bytes` would refuse.
        """
        if len(self.text) > TEXT_CHARS or len(self.attachments) > ATTACHMENTS:
            raise TooLongError
        try:
            if any(len(note.name.encode()) > NAME_BYTES for note in self.attachments):
                raise TooLongError
            raw = pad_json(msgspec.json.encode(self))
        except UnicodeEncodeError as why:
            raise MalformedError from why
        Content.from_bytes(raw)  # better refused now, with the writer there, than unreadable for the reader
        return raw

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read what `to_bytes` writes.

        The bytes need not be those that this version would write (another JSON library orders and escapes
        differently): they are signed as they are, so nobody but their writer chose between the forms.

        Raises:
            MalformedError: not JSON of this shape, an unknown field, or a value over its limit.
        """
        try:
            content = msgspec.json.decode(raw, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as why:
            raise MalformedError from why
        if (
            len(content.text) > TEXT_CHARS
            or len(content.attachments) > ATTACHMENTS
            or any(len(note.name.encode()) > NAME_BYTES for note in content.attachments)
        ):
            raise MalformedError
        return content
