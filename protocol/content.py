"""Content: the encrypted part of an entry (docs/protocol.md, "Content", "Steps" and "Consent").

A reader refuses content with an unknown field, because without the field it would show less than the writer
meant. So a writer that uses a later field raises the minor version, and an older reader shows nothing of the
content.
"""

import hashlib
from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Self

from msgspec import UNSET, Meta, Struct, UnsetType

from crypto.canonical_json import StrictStruct, decode_json, encode_json
from crypto.errors import MalformedError, TooLongError
from crypto.framing import frame
from crypto.padding import pad_json
from protocol.envelope import COMMIT_BYTES
from protocol.errors import NewerVersionError
from protocol.identifiers import ATTACHMENT_ID_BYTES, DIGEST_BYTES, Address, AttachmentId, Digest, EntryId

MINOR: Final = 0  # the minor version that this code writes, and the newest that it reads
TEXT_CHARS: Final = 50_000  # about twenty printed pages: room for an account of years
NAME_BYTES: Final = 255  # the limit of today's file systems
ATTACHMENTS: Final = 50
MEDIA_TYPE_CHARS: Final = 127
REMARK_CHARS: Final = 2_000  # about a page and a half: for the next thing to expect, or metadata in a file
RECIPIENT_CHARS: Final = 200
_LARGEST_SIZE: Final = 2**63 - 1  # the largest number of a signed 64-bit column
_SIZE_BYTES: Final = 8
_PROPOSAL: Final = b"steunpunt/v1/proposal"


class Kind(StrEnum):
    """Purpose of an encrypted entry: a message, a step, a proposal, an answer to a proposal, or a closing."""

    MESSAGE = "message"
    STEP = "step"
    PROPOSAL = "proposal"
    ANSWER = "answer"
    CLOSING = "closing"


class StepName(StrEnum):
    """Name of a step: a statement that says what the desk has done in a mailbox."""

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
    """Role of the recipient to whom the desk passes on a text or files, such as the Secretary-General."""

    SG = "sg"
    INTEGRITY = "integrity"
    COMPLAINTS = "complaints"
    OTHER = "other"


class Verdict(StrEnum):
    """Decision of a source about a proposal of the desk to pass on a text."""

    AGREED = "agreed"
    DECLINED = "declined"
    CHANGES_ASKED = "changes_asked"
    TAKEN_BACK = "taken_back"


_Id = Annotated[AttachmentId, Meta(min_length=ATTACHMENT_ID_BYTES, max_length=ATTACHMENT_ID_BYTES)]
_Digest = Annotated[Digest, Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]


class AttachmentNote(StrictStruct, frozen=True):
    """Description of one attached file, in the encrypted content of its entry.

    - `id`: 16 bytes
    - `name`: at most 255 bytes of UTF-8, as the writer typed it; never trust the name as a path
    - `size`: the size in bytes, before padding
    - `payload_sha256`: digest of the encrypted payload
    - `commit`: value that ties the file key to this file (`commit_to_key`)
    """

    id: _Id
    name: str
    media_type: Annotated[str, Meta(max_length=MEDIA_TYPE_CHARS)]
    size: Annotated[int, Meta(ge=0, le=_LARGEST_SIZE)]
    payload_sha256: _Digest
    commit: Annotated[bytes, Meta(min_length=COMMIT_BYTES, max_length=COMMIT_BYTES)]


_PASSING: Final = frozenset({StepName.PASSING_ON, StepName.PASSED_ON})


class StepNote(StrictStruct, frozen=True):
    """Details of a step (the desk's statement of what it has done), in the encrypted content of its entry.

    - `next`: the next thing that will happen, at most 2,000 characters, or empty
    - `by`: the working day on which to expect the next thing
    - `to`: name of the recipient, only in the steps PASSING_ON and PASSED_ON
    - `proposal`: digest of the proposal that the step is about
    - `without_consent`: True if the source did not agree. The reason is in the text of the content
    - `delivered`: day on which the recipient got the file, or None
    """

    step: StepName
    next: str = ""
    by: date | None = None
    to: str = ""
    proposal: _Digest | None = None
    without_consent: bool = False
    delivered: date | None = None


class ProposedFile(StrictStruct, frozen=True):
    """A file that the desk proposes to pass on. The file is an attachment of the proposal.

    `sha256` is the digest of the file without padding. `about` has at most 2,000 characters about the file's
    metadata.
    """

    attachment_id: _Id
    sha256: _Digest
    is_cleaned: bool
    about: str = ""


class ProposalNote(StrictStruct, frozen=True):
    """Proposal of the desk to pass on a text and files to a recipient, if the source agrees.

    `fingerprint` is the recipient's OpenPGP fingerprint. `files` has one item for each attachment of the
    content, in the same order.
    """

    recipient: PassOnRecipient
    name: Annotated[str, Meta(min_length=1)]
    fingerprint: Annotated[str, Meta(pattern="^[0-9A-F]{40}$", max_length=40)]
    files: tuple[ProposedFile, ...] = ()


class AnswerNote(StrictStruct, frozen=True):
    """Answer of the source to one proposal of the desk. `proposal` is the digest of the proposal.

    The source may explain the answer in the text of the content.
    """

    verdict: Verdict
    proposal: _Digest


class ClosingNote(StrictStruct, frozen=True):
    """Details of a closing: the message with which the desk closes a mailbox.

    If `automatic` is True, the program closed an abandoned mailbox, and the closing does not count as an
    answer.
    """

    automatic: bool = False


class Content(StrictStruct, frozen=True):
    """Decrypted content of an entry: its kind, text (at most 50,000 characters), files and details.

    The details are in the field that is named like the kind, for example `step`. `language` is the language
    of the page on which the text was written, or empty.
    """

    kind: Kind
    text: str
    language: Annotated[str, Meta(pattern=r"^([a-z]{2,3})?\Z")] = ""
    minor: Annotated[int, Meta(ge=0)] = MINOR
    attachments: tuple[AttachmentNote, ...] = ()
    step: StepNote | UnsetType = UNSET
    proposal: ProposalNote | UnsetType = UNSET
    answer: AnswerNote | UnsetType = UNSET
    closing: ClosingNote | UnsetType = UNSET

    def to_bytes(self) -> bytes:
        """Write the content as JSON, padded with spaces to a standard size.

        Raises:
            TooLongError: a text, a name or the list of attachments is over its limit.
            MalformedError: a text has half a surrogate pair, or `from_bytes` would refuse a value.
        """
        raw = pad_json(encode_json(self))
        if _is_too_long(self):
            raise TooLongError
        Content.from_bytes(raw)  # refuse invalid content now, while the writer can still change the text
        return raw

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Parse the JSON of a content, which `to_bytes` or another implementation wrote.

        Raises:
            NewerVersionError: a later version of our code wrote the content.
            MalformedError: the bytes are not JSON of this shape, or a value is over its limit or does not fit
                the kind.
        """
        # Any spelling of the JSON is accepted: the bytes are signed, so only the writer could choose it.
        if decode_json(raw, _MinorVersion).minor > MINOR:
            raise NewerVersionError
        content = decode_json(raw, cls)
        if _is_too_long(content) or not _is_consistent(content):
            raise MalformedError
        return content


class _MinorVersion(Struct, frozen=True):
    """Minor version of a content, which is parsed before the other fields."""

    minor: Annotated[int, Meta(ge=0)] = 0


def proposal_digest(content: Content, *, address: Address, entry_id: EntryId) -> Digest:
    """Return the digest that names a proposal. The source's answer to the proposal contains this digest.

    A proposal in another entry has another digest, even if its text is the same.

    Raises:
        MalformedError: the content is not a proposal, or `Content.from_bytes` would refuse the content.
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
    step, proposal = content.step, content.proposal
    remarks = [] if step is UNSET else [step.next]
    names = [] if step is UNSET else [step.to]
    if proposal is not UNSET:
        remarks += [file.about for file in proposal.files]
        names.append(proposal.name)
    return (
        len(content.text) > TEXT_CHARS
        or len(content.attachments) > ATTACHMENTS
        or any(len(note.name.encode()) > NAME_BYTES for note in content.attachments)
        or any(len(remark) > REMARK_CHARS for remark in remarks)
        or any(len(name) > RECIPIENT_CHARS for name in names)
    )


def _is_consistent(content: Content) -> bool:
    notes = {
        Kind.STEP: content.step,
        Kind.PROPOSAL: content.proposal,
        Kind.ANSWER: content.answer,
        Kind.CLOSING: content.closing,
    }
    if any((note is not UNSET) != (kind is content.kind) for kind, note in notes.items()):
        return False
    if content.step is not UNSET:
        return _is_consistent_step(content.step, content.text)
    if content.proposal is not UNSET:
        attached = [note.id for note in content.attachments]
        return attached == [file.attachment_id for file in content.proposal.files]
    return True


def _is_consistent_step(step: StepNote, text: str) -> bool:
    if step.step is StepName.CLOSED:  # a closing has a kind of its own, and a day in the envelope
        return False
    if step.delivered is not None and step.step is not StepName.PASSED_ON:
        return False
    if step.step not in _PASSING:
        return not step.to and not step.without_consent
    if step.without_consent:
        return bool(step.to and text.strip())
    return bool(step.to) and step.proposal is not None
