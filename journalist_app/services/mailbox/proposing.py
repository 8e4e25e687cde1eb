"""Proposing: what would be passed on, to whom and with which files, put before the source word for word.

A proposal is first prepared: every file is looked into, and sealed for the proposal to come, as it is and as
a cleaned copy where one can be made. None of it is an entry before the adviser has seen it as the source
will.
"""

import hashlib
import secrets
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from io import FileIO
from pathlib import Path
from typing import Final

from crypto.errors import ForgedError, UnreadableError
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import conversation_of, open_all
from journalist_app.errors import (
    FileRefusal,
    FileRefusedError,
    PassOnRefusal,
    PassOnRefusedError,
    SendRefusal,
    SendRefusedError,
    UnsoundMailboxError,
)
from journalist_app.files.export import Addressee, Exporter, FileFindings
from journalist_app.services.mailbox import file_downloads
from journalist_app.services.mailbox.send_entries import (
    AdviserFormContext,
    EntrySender,
    NewEntry,
    PendingFiles,
)
from journalist_app.services.mailbox.steps import EMPTY_STEP_FORM, StepForm, build_step
from protocol.content import (
    ATTACHMENTS,
    REMARK_CHARS,
    TEXT_CHARS,
    AttachmentNote,
    Content,
    Kind,
    PassOnRecipient,
    ProposalNote,
    ProposedFile,
    StepName,
    StepNote,
    proposal_digest,
)
from protocol.identifiers import ENTRY_ID_BYTES, Address, AttachmentId, Digest, EntryId
from store.errors import AttachmentMissingError
from web.filenames import safe_name

PREPARED_MAX: Final = 20  # proposals that are being looked at, in all windows together
LOOK_BYTES: Final = 200_000_000  # a larger file is not copied into memory to be looked into

UploadedFile = tuple[str, str, Iterator[bytes]]  # name, media type, pieces


@dataclass(frozen=True, slots=True)
class ProposalForm:
    """What the adviser proposes: to which pinned key, what, and which files of the mailbox go with it.

    `words` are for the source alone, on top of their mailbox: they are not passed on.
    """

    fingerprint: str
    text: str = field(repr=False)
    chosen: tuple[AttachmentId, ...] = ()
    words: StepForm = field(default=EMPTY_STEP_FORM, repr=False)


@dataclass(frozen=True, slots=True)
class PendingCopy:
    """One copy of a file, sealed and pending; `sha256` is of its plaintext."""

    note: AttachmentNote
    sha256: Digest


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """A file as it would go: as it is, or cleaned where that could be done.

    `looked` says what is in it; None where it is too large to be looked into here.
    """

    name: str = field(repr=False)
    original: PendingCopy
    cleaned: PendingCopy | None
    looked: FileFindings | None = field(repr=False)

    @property
    def lines(self) -> tuple[str, ...]:
        """Return what is in the file as it is, a line for each thing."""
        return self.looked.lines if self.looked is not None else ()


@dataclass(slots=True)
class PreparedProposal:
    """A proposal that the adviser is looking at; what is said with it as it was typed, and as a step."""

    form_context: AdviserFormContext
    recipient: Addressee
    text: str = field(repr=False)
    words: StepForm = field(repr=False)
    step: Content | None  # None where nothing is said with it
    step_id: EntryId
    files: tuple[PreparedFile, ...]
    pending: PendingFiles = field(repr=False)

    def give_up(self) -> None:
        """Leave every file of the proposal to be swept."""
        self.pending.give_up()


def available_recipients(desk: OpenDesk) -> tuple[Addressee, ...]:
    """Return whom this desk can pass something on to; nobody where it has no OpenPGP at hand."""
    return desk.exporter.recipients if desk.exporter is not None else ()


def prepare_proposal(  # noqa: PLR0913  # what is proposed, upon what, and when
    desk: OpenDesk,
    form_context: AdviserFormContext,
    form: ProposalForm,
    uploads: Iterable[UploadedFile],
    *,
    today: date,
    half_hour: int,
) -> PreparedProposal:
    """Look into every file, and keep it sealed and pending until the adviser has looked at it all.

    Raises:
        TextMissingError, TextOverLimitError, TooManyFilesError, FileOverRoomError: it cannot be sent.
        StepOverLimitError, DayUnreadableError, DayPastError, DayClosedError: nor what is said with it.
        RecipientMissingError: no recipient was chosen.
        PassOnRefusedError: this desk has no OpenPGP, or the recipient's key cannot be used.
        MailboxMissingError, UnsoundMailboxError, SourceWroteError: nothing can be built upon the mailbox now.
        FileMissingError, FileBrokenError: a chosen file is not in the mailbox, or not as it was signed.
        FileSealedError: a chosen file was sealed before sending, and does not open here.
    """
    text = form.text.replace("\r\n", "\n").strip("\n")
    if not text.strip():
        raise SendRefusedError(SendRefusal.TEXT_MISSING)
    if len(text) > TEXT_CHARS:
        raise SendRefusedError(SendRefusal.TEXT_TOO_LONG)
    step = _step(desk, form.words, None, today)
    exporter, recipient = _recipient(desk, form.fingerprint, today)
    conversation = conversation_of(desk, form_context.address)
    if conversation.faults:
        raise UnsoundMailboxError
    if conversation.source_said != form_context.seen:
        raise SendRefusedError(SendRefusal.SOURCE_WROTE)
    pending = PendingFiles(
        desk, form_context.address, conversation.mailbox.recipient, form_context.entry_id, half_hour=half_hour
    )
    try:
        prepared = PreparedProposal(
            form_context,
            recipient,
            text,
            form.words,
            step,
            EntryId(secrets.token_bytes(ENTRY_ID_BYTES)),
            tuple(
                _prepared(exporter, pending, each)
                for each in _wanted(desk, form_context.address, form, uploads)
            ),
            pending,
        )
    except BaseException:
        pending.give_up()
        raise
    while len(desk.prepared) >= PREPARED_MAX:
        desk.prepared.pop(next(iter(desk.prepared))).give_up()
    desk.prepared[form_context.entry_id] = prepared
    return prepared


def find_prepared(desk: OpenDesk, address: Address, entry_id: EntryId) -> PreparedProposal:
    """Return a proposal that the adviser is looking at.

    Raises:
        PreparationGoneError: it is not in memory any more.
    """
    prepared = desk.prepared.get(entry_id)
    if not isinstance(prepared, PreparedProposal) or prepared.form_context.address != address:
        raise PassOnRefusedError(PassOnRefusal.PREPARATION_GONE)
    return prepared


def send_proposal(  # noqa: PLR0913  # which one, and when
    desk: OpenDesk,
    address: Address,
    entry_id: EntryId,
    cleaned: Collection[int],
    *,
    today: date,
    half_hour: int,
) -> None:
    """Put a prepared proposal before the source.

    `cleaned` has the places, counted from 0, of the files of which the cleaned copy goes.
    What is said with it goes in the same transaction. Sent a second time (a double click) it does nothing.

    Raises:
        PreparationGoneError: prepare it again.
        DayPastError: the day to expect something is over since it was looked at.
        PassOnRefusedError, RecipientMissingError: the recipient's key cannot be used any more.
        MailboxMissingError, UnsoundMailboxError, SourceWroteError, AnotherTextError: as `Sending` has it.
    """
    if entry_id not in desk.prepared and _is_there(desk, address, entry_id):
        return
    prepared = find_prepared(desk, address, entry_id)
    _recipient(desk, prepared.recipient.fingerprint, today)
    content = _content(prepared, cleaned)
    wanted: list[NewEntry] = [(entry_id, content)]
    digest = proposal_digest(content, address=address, entry_id=entry_id)
    step = _step(desk, prepared.words, digest, today)
    if step is not None:
        wanted.append((prepared.step_id, step))
    try:
        with EntrySender(desk, prepared.form_context, wanted, today=today, half_hour=half_hour) as under_way:
            under_way.send()
    except AttachmentMissingError as why:  # pending files are swept a day after they came
        del desk.prepared[entry_id]
        raise PassOnRefusedError(PassOnRefusal.PREPARATION_GONE) from why
    desk.prepared.pop(entry_id, None)
    prepared.pending.give_up(keep=[note.id for note in content.attachments])


def _step(desk: OpenDesk, words: StepForm, proposal: Digest | None, today: date) -> Content | None:
    """Return what is said with a proposal: a step about it. It is no part of what the source answers."""
    if not words.has_words:
        return None
    note = StepNote(step=StepName.PROPOSAL_MADE, proposal=proposal)
    return build_step(words, note, desk.letterhead, today)


def _recipient(desk: OpenDesk, fingerprint: str, today: date) -> tuple[Exporter, Addressee]:
    if desk.exporter is None:
        raise PassOnRefusedError(PassOnRefusal.NO_OPENPGP)
    found = next((each for each in desk.exporter.recipients if each.fingerprint == fingerprint), None)
    if found is None:
        raise PassOnRefusedError(PassOnRefusal.RECIPIENT_MISSING)
    desk.exporter.require_usable(found.fingerprint, today)
    return desk.exporter, found


def _wanted(
    desk: OpenDesk, address: Address, form: ProposalForm, uploads: Iterable[UploadedFile]
) -> Iterator[UploadedFile]:
    """Yield every file that is to go: those of the mailbox first, then those that arrive with the form."""
    if len(form.chosen) > ATTACHMENTS:
        raise SendRefusedError(SendRefusal.TOO_MANY_FILES)
    for attachment_id in form.chosen:
        try:
            file = file_downloads.open_presealed_file(desk, address, attachment_id)
        except (ForgedError, UnreadableError) as why:
            raise FileRefusedError(FileRefusal.BROKEN) from why
        yield file.name, "", _whole(file.pieces)
    allowed = min(desk.config.upload_files, ATTACHMENTS - len(form.chosen))
    for count, upload in enumerate(uploads):
        if count >= allowed:
            raise SendRefusedError(SendRefusal.TOO_MANY_FILES)
        yield upload


def _whole(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except ForgedError as why:
        raise FileRefusedError(FileRefusal.BROKEN) from why
    except UnreadableError as why:
        raise FileRefusedError(FileRefusal.SEALED) from why


def _prepared(exporter: Exporter, pending: PendingFiles, file: UploadedFile) -> PreparedFile:
    """Seal a file as it comes, and look into a copy in memory, which is gone when this returns."""
    name, media_type, pieces = file
    name = safe_name(name)
    with exporter.work_folder() as folder:
        path = folder / "file"
        kept = _Kept(path)
        original = _sealed(pending, name, media_type, kept.copied(pieces))
        if not kept.is_whole:
            return PreparedFile(name, original, None, None)
        looked = exporter.inspect(path, name)
        made = exporter.clean(path, name) if looked.can_clean else None
    cleaned = None if made is None else _sealed(pending, name, media_type, iter([made]))
    return PreparedFile(name, original, cleaned, looked)


class _Kept:
    """A copy of a file in memory for the time in which it is looked into.

    One that is too large is not kept: for us, or for the room that is left there.
    """

    def __init__(self, path: Path) -> None:
        self.is_whole = True
        self._path = path

    def copied(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        size = 0
        with self._path.open("xb", buffering=0) as copy:  # a buffer would find no room only when it is closed
            for piece in pieces:
                size += len(piece)
                if self.is_whole and (size > LOOK_BYTES or not _fits(copy, piece)):
                    self.is_whole = False
                    copy.truncate(0)
                yield piece


def _fits(copy: FileIO, piece: bytes) -> bool:
    """Write a piece, and say whether there was room: on a full disk it is cut short, or refused."""
    try:
        return copy.write(piece) == len(piece)
    except OSError:
        return False


def _sealed(pending: PendingFiles, name: str, media_type: str, pieces: Iterator[bytes]) -> PendingCopy:
    digest = hashlib.sha256()

    def digested() -> Iterator[bytes]:
        for piece in pieces:
            digest.update(piece)
            yield piece

    note = pending.add(name, media_type, digested())
    return PendingCopy(note, Digest(digest.digest()))


def _content(prepared: PreparedProposal, cleaned: Collection[int]) -> Content:
    chosen = [
        (file, file.cleaned if place in cleaned and file.cleaned is not None else file.original)
        for place, file in enumerate(prepared.files)
    ]
    recipient = prepared.recipient
    return Content(
        kind=Kind.PROPOSAL,
        text=prepared.text,
        attachments=tuple(copy.note for _, copy in chosen),
        proposal=ProposalNote(
            recipient=PassOnRecipient(recipient.role),
            name=recipient.name,
            fingerprint=recipient.fingerprint,
            files=tuple(
                ProposedFile(
                    attachment_id=copy.note.id,
                    sha256=copy.sha256,
                    is_cleaned=copy is file.cleaned,
                    about="\n".join(file.lines)[:REMARK_CHARS],
                )
                for file, copy in chosen
            ),
        ),
    )


def _is_there(desk: OpenDesk, address: Address, entry_id: EntryId) -> bool:
    return any(
        each.signed.envelope.entry_id == entry_id and each.content is not None
        for each in open_all(desk, conversation_of(desk, address))
    )
