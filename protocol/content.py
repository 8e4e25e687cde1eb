"""The sealed part of an entry: what was written, and which attachments belong to it."""

import hashlib
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Self

from msgspec import UNSET, Meta, UnsetType

from crypto.canonical_json import StrictStruct, decode_json, encode_json
from crypto.errors import MalformedError, TooLongError
from crypto.framing import frame
from crypto.padding import pad_json
from protocol.envelope import COMMIT_BYTES
from protocol.identifiers import ATTACHMENT_ID_BYTES, DIGEST_BYTES, Address, AttachmentId, Digest, EntryId

TEXT_CHARS: Final = 50_000  # about twenty printed pages: room for an account of years
NAME_BYTES: Final = 255  # what the file systems of today hold
ATTACHMENTS: Final = 50
MEDIA_TYPE_CHARS: Final = 127
REMARK_CHARS: Final = 2_000  # what is next, and what was found in a file: a page and a half, not a report
RECIPIENT_CHARS: Final = 200
_LARGEST_SIZE: Final = 2**63 - 1  # what a signed 64-bit column holds
_SIZE_BYTES: Final = 8
_PROPOSAL: Final = b"steunpunt/v1/proposal"


class Kind(StrEnum):
    """What an entry is for."""

    MESSAGE = "message"
    STEP = "step"
    PROPOSAL = "proposal"
    ANSWER = "answer"
    SEEN = "seen"
    CLOSING = "closing"


class StepName(StrEnum):
    """Where things stand, and what was done."""

    RECEIVED = "received"
    BEING_READ = "being_read"
    IN_CONVERSATION = "in_conversation"
    ADVICE_GIVEN = "advice_given"
    PROPOSAL_MADE = "proposal_made"
    PASSING_ON = "passing_on"
    PASSED_ON = "passed_on"
    CLOSED = "closed"
    REOPENED = "reopened"


class PassOnRecipient(StrEnum):
    """Who something is passed on to, by their part in it."""

    SG = "sg"
    INTEGRITY = "integrity"
    COMPLAINTS = "complaints"
    OTHER = "other"


class Verdict(StrEnum):
    """What a source says to a proposal."""

    AGREED = "agreed"
    DECLINED = "declined"
    CHANGES_ASKED = "changes_asked"
    TAKEN_BACK = "taken_back"


class AttachmentNote(StrictStruct, frozen=True):
    """What an entry says about one attachment.

    `id` is 16 bytes; `name` at most 255 bytes of UTF-8, as the writer gave it (never a path to trust); `size`
    the true size in bytes, before padding; `payload_sha256` covers the sealed payload as it is stored;
    `commit` is `commitment.commit` of its file key, address, entry id and attachment id.
    """

    id: Annotated[AttachmentId, Meta(min_length=ATTACHMENT_ID_BYTES, max_length=ATTACHMENT_ID_BYTES)]
    name: str
    media_type: Annotated[str, Meta(max_length=MEDIA_TYPE_CHARS)]
    size: Annotated[int, Meta(ge=0, le=_LARGEST_SIZE)]
    payload_sha256: Annotated[Digest, Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
    commit: Annotated[bytes, Meta(min_length=COMMIT_BYTES, max_length=COMMIT_BYTES)]

    def __repr__(self) -> str:
        return f"AttachmentNote(id={self.id.hex()})"  # the name of a file can name a person


_Digest = Annotated[Digest, Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
_PASSING: Final = frozenset({StepName.PASSING_ON, StepName.PASSED_ON})


class StepNote(StrictStruct, frozen=True):
    """What a step says beside the adviser's own sentence, which is the content's text.

    `next` is what comes next, at most 2,000 characters, empty where nothing was said; `by` the working day to
    expect it. `to` names the recipient of what is passed on, and stands with the two steps of passing on
    alone. `proposal` is the digest of the proposal that the step is about; passing on names it, unless it is
    `without_consent`, and then the text is the written reason. `delivered` is the day on which what was
    passed on was handed over, with PASSED_ON alone: without it the file was made and is still here.
    """

    step: StepName
    next: str = ""
    by: date | None = None
    to: str = ""
    proposal: _Digest | None = None
    without_consent: bool = False
    delivered: date | None = None

    def __repr__(self) -> str:
        return f"StepNote({self.step})"


class ProposedFile(StrictStruct, frozen=True):
    """A file that would go: an attachment of the proposal itself, so that the source can look at it.

    `sha256` is of the very bytes that would go, without padding; `is_cleaned` says that they are a cleaned
    copy; `about` what was found, or left, in it, at most 2,000 characters.
    """

    attachment_id: Annotated[
        AttachmentId, Meta(min_length=ATTACHMENT_ID_BYTES, max_length=ATTACHMENT_ID_BYTES)
    ]
    sha256: _Digest
    is_cleaned: bool
    about: str = ""

    def __repr__(self) -> str:
        return f"ProposedFile(attachment_id={self.attachment_id.hex()})"


class ProposalNote(StrictStruct, frozen=True):
    """To whom something would go, sealed to which OpenPGP key; the exact text is the content's.

    `fingerprint` is that of the recipient's OpenPGP key, 40 hexadecimal digits; `files` has one for each of
    the content's attachments, in their order.
    """

    recipient: PassOnRecipient
    name: Annotated[str, Meta(min_length=1)]
    fingerprint: Annotated[str, Meta(pattern="^[0-9A-F]{40}$", max_length=40)]
    files: tuple[ProposedFile, ...] = ()

    def __repr__(self) -> str:
        return f"ProposalNote({self.recipient}, {len(self.files)} files)"


class AnswerNote(StrictStruct, frozen=True):
    """What the source says to one proposal, named by its digest; the content's text says more, or nothing."""

    verdict: Verdict
    proposal: _Digest


class ClosingNote(StrictStruct, frozen=True):
    """The day from which the server deletes the mailbox; the content's text is the last word."""

    delete_on: date


class Content(StrictStruct, frozen=True):
    """The sealed part of an entry, in clear; the text has at most 50,000 characters.

    A step, a proposal, an answer and a closing each have the note of their kind, and no other; a message has
    none. A mark (SEEN) says nothing at all: nobody is shown one, so words in it would go unread.
    """

    kind: Kind
    text: str
    attachments: tuple[AttachmentNote, ...] = ()
    step: StepNote | UnsetType = UNSET
    proposal: ProposalNote | UnsetType = UNSET
    answer: AnswerNote | UnsetType = UNSET
    closing: ClosingNote | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"Content(kind={self.kind}, {len(self.attachments)} attachments)"

    def to_bytes(self) -> bytes:
        """Write the content as JSON, with spaces up to its size step.

        Raises:
            TooLongError: a text, a name or the list of attachments is over its limit.
            MalformedError: half a surrogate pair, or a value that `from_bytes` would refuse.
        """
        raw = pad_json(encode_json(self))
        if _is_too_long(self):
            raise TooLongError
        Content.from_bytes(raw)  # better refused now, with the writer there, than unreadable for the reader
        return raw

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read what `to_bytes` writes.

        The bytes need not be those that this version would write (another JSON library orders and escapes
        differently): they are signed as they are, so nobody but their writer chose between the forms.

        Raises:
            MalformedError: not JSON of this shape, an unknown field, a value over its limit, or notes that do
                not fit the kind.
        """
        content = decode_json(raw, cls)
        if _is_too_long(content) or not _makes_sense(content):
            raise MalformedError
        return content


def proposal_digest(content: Content, *, address: Address, entry_id: EntryId) -> Digest:
    """Return what an answer to a proposal names: SHA-256 over what would go, to whom, and where it stands.

    The entry id is in it, so that consent to one proposal never fits another of the same words.

    Raises:
        MalformedError: the content is no proposal that a reader would accept.
    """
    content.to_bytes()
    note = content.proposal
    if note is UNSET:
        raise MalformedError
    files = (
        frame(file.name.encode(), file.size.to_bytes(_SIZE_BYTES), proposed.sha256)
        for file, proposed in zip(content.attachments, note.files, strict=True)
    )
    plaintext = frame(
        _PROPOSAL,
        address,
        entry_id,
        note.recipient.encode(),
        note.name.encode(),
        note.fingerprint.encode(),
        content.text.encode(),
        frame(*files),
    )
    return Digest(hashlib.sha256(plaintext).digest())


def _is_too_long(content: Content) -> bool:
    return (
        len(content.text) > TEXT_CHARS
        or len(content.attachments) > ATTACHMENTS
        or any(len(note.name.encode()) > NAME_BYTES for note in content.attachments)
        or any(len(remark) > REMARK_CHARS for remark in _remarks(content))
        or any(len(name) > RECIPIENT_CHARS for name in _recipients(content))
    )


def _remarks(content: Content) -> Iterator[str]:
    if content.step is not UNSET:
        yield content.step.next
    if content.proposal is not UNSET:
        yield from (file.about for file in content.proposal.files)


def _recipients(content: Content) -> Iterator[str]:
    if content.step is not UNSET:
        yield content.step.to
    if content.proposal is not UNSET:
        yield content.proposal.name


def _makes_sense(content: Content) -> bool:
    """Tell whether the notes are those of the kind, and say nothing that contradicts them."""
    notes = {
        Kind.STEP: content.step,
        Kind.PROPOSAL: content.proposal,
        Kind.ANSWER: content.answer,
        Kind.CLOSING: content.closing,
    }
    if any((note is not UNSET) != (kind is content.kind) for kind, note in notes.items()):
        return False
    if content.kind is Kind.SEEN:
        return not content.text and not content.attachments
    if content.step is not UNSET:
        return _is_sensible_step(content.step, content.text)
    if content.proposal is not UNSET:
        shown = [note.id for note in content.attachments]
        return shown == [file.attachment_id for file in content.proposal.files]
    return True


def _is_sensible_step(step: StepNote, text: str) -> bool:
    if step.delivered is not None and step.step is not StepName.PASSED_ON:
        return False
    if step.step not in _PASSING:
        return not step.to and not step.without_consent
    if step.without_consent:
        return bool(step.to and text.strip())
    return bool(step.to) and step.proposal is not None
