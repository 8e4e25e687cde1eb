"""Thread (all entries) of one mailbox, verified and decrypted for the adviser's page."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

from msgspec import UNSET

from crypto.errors import ForgedError
from journalist_app.desk import verification
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import Conversation, OpenedEntry, ShownFault
from journalist_app.files.presealed import PieceKind, PresealedFileInfo, PresealedKind, TextPiece, Unsealer
from journalist_app.files.sealing_words import NamedMailbox, named_mailbox
from journalist_app.services.mailbox import file_downloads
from protocol.content import AttachmentNote, Kind, StepName
from protocol.envelope import Author
from protocol.heads import Heads
from protocol.identifiers import Address, Digest, receipt_number
from protocol.transcript.proposal_states import ProposalState
from protocol.transcript.thread_state import ThreadState
from stored_mailbox.entry_form import FormContext
from web.filenames import safe_name


@dataclass(frozen=True, slots=True)
class AdviserFile:
    """Attached file of an entry on the adviser's page, with names that are safe to show and to save.

    `sealed` is None if the source did not encrypt the file before sending. `named` says whether the decrypted
    file has the six-word name of this mailbox, only names of other mailboxes, or no name.
    """

    attachment_id: str
    name: str
    size: int
    sealed: PresealedFileInfo | None
    named: NamedMailbox | None = None


@dataclass(frozen=True, slots=True)
class AdviserEntry:
    """Verified entry on the adviser's page.

    An entry with a `fault` has no text.
    """

    entry_id: str
    is_source: bool
    kind: str  # empty without content
    day: date
    receipt: str  # the number on the source's receipt
    text: str
    pieces: tuple[tuple[TextPiece, NamedMailbox], ...]  # decrypted, each with the mailbox that it names
    files: tuple[AdviserFile, ...]
    is_removed: bool
    read_on: date | None  # first day on which the source is known to have read the desk's entry
    fault: str
    proposal: ProposalState | None  # the proposal that this entry makes or answers
    verdict: str  # of an answer to a proposal, otherwise empty
    # labels of mailboxes with the same encrypted content, as `other_mailboxes` returns them
    also_in: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class ShownThread:
    """Mailbox on the adviser's page: its entries, its state, and the values for the answer form.

    `heads` has the newest entries that the page shows. `unseen` has the entries that the page does not show.
    """

    address: str
    label: str
    entries: tuple[AdviserEntry, ...]
    faults: tuple[ShownFault, ...]
    thread_state: ThreadState
    heads: Heads
    unseen: Heads
    expect_by: date
    has_news: bool  # the desk has not confirmed all that the source wrote or removed
    may_answer: bool
    trusted_state: str
    conversation: Conversation = field(repr=False)  # this and `opened` are for `append_desk_read_receipt`
    opened: tuple[OpenedEntry, ...] = field(repr=False)

    @property
    def source_language(self) -> str:
        """Return the language of the page on which the source wrote last, or an empty text."""
        return source_language(self.opened)

    @property
    def files_to_destroy(self) -> tuple[str, ...]:
        """Return the recipients of files that the desk must destroy, if no one can read their proposals.

        `thread_state` says this for each proposal that can be read.
        """
        # The source can withdraw by removing the proposal.
        state = self.thread_state
        readable = {each.digest for each in state.proposals}
        unread = [each for each in state.steps if each.proposal and each.proposal not in readable]
        made = {each.proposal: each.to for each in unread if each.is_void and each.step is StepName.PASSED_ON}
        return tuple(
            to for key, to in made.items() if not any(it.delivered for it in unread if it.proposal == key)
        )

    def new_form(self) -> FormContext:
        """Return the values for the hidden fields of a new form on this page.

        The values are the mailbox's address, the id of the new entry, and the names of the entries on the
        page.
        """
        return FormContext.new(self.conversation.address, self.heads, self.unseen)


def open_thread(desk: OpenDesk, address: Address, *, today: date, is_whole: bool = False) -> ShownThread:
    """Verify and decrypt a whole mailbox for the adviser's page, without writing in the store.

    `is_whole` is True for a page that shows all entries. The newest entries are saved in the trusted state,
    to detect a later roll-back of the store.

    Raises:
        MailboxNotFoundError: the store has no such mailbox.
    """
    conversation = verification.conversation_of(desk, address)
    opened, faults = verification.open_with_faults(desk, conversation)
    desk.save()
    state = verification.thread_of(conversation, opened)
    authentic = conversation.transcript.authentic
    late = [authentic[step].envelope for each in state.proposals for step in each.unfounded]
    found = (ShownFault("unfounded", each.author, each.number, allows_answers=True) for each in late)
    faults = verification.once_for_each_writer((*faults, *found))
    heads, unseen = verification.heads_shown(desk, conversation, opened, is_whole=is_whole)
    read = _read_by_source(conversation)
    unsealer = desk.unsealer()
    return ShownThread(
        address=address.hex(),
        label=desk.label(address),
        entries=tuple(
            _shown(desk, unsealer, each, conversation, read=read, state=state)
            for each in opened
            if not _is_shown_elsewhere(each)
        ),
        faults=faults,
        thread_state=state,
        heads=heads,
        unseen=unseen,
        has_news=bool(verification.unconfirmed(desk, conversation, opened)),
        expect_by=desk.letterhead.expect_by(today),
        may_answer=all(fault.allows_answers for fault in faults),
        trusted_state=desk.trusted_state_status.value,
        conversation=conversation,
        opened=opened,
    )


def source_language(opened: Sequence[OpenedEntry]) -> str:
    """Return the language of the page on which the source wrote last, or an empty text if it is unknown."""
    written = [each.content.language for each in opened if each.content is not None]
    return next(filter(None, reversed(written)), "")


def _is_shown_elsewhere(opened: OpenedEntry) -> bool:
    """Return True if an entry is a step, closing, receipt or removal, which is not shown as a message."""
    if not opened.signed.envelope.is_words:
        return True
    return opened.content is not None and opened.content.kind in {Kind.STEP, Kind.CLOSING}


def _read_by_source(conversation: Conversation) -> dict[Digest, date]:
    """Map the digest of each entry of the desk to the day on which the source first confirmed this entry."""
    from_desk = [entry.digest for entry in conversation.entries if entry.envelope.strand]
    days = {entry.digest: entry.envelope.day for entry in conversation.entries if not entry.envelope.strand}
    readers = conversation.transcript.knowledge.first_known(from_desk, sorted(days, key=days.__getitem__))
    return {digest: days[reader] for digest, reader in readers.items()}


def _shown(  # noqa: PLR0913  # each is shown on the page
    desk: OpenDesk,
    unsealer: Unsealer,
    opened: OpenedEntry,
    conversation: Conversation,
    *,
    read: Mapping[Digest, date],
    state: ThreadState,
) -> AdviserEntry:
    part = opened.signed.envelope
    content = opened.content
    is_source = part.author is Author.SOURCE
    proposal, verdict = _proposal_of(opened, state)
    pieces = _pieces(unsealer, opened)
    notes = file_downloads.distinct_notes(content.attachments if content else ())
    files = tuple(_file(desk, unsealer, opened, note) for note in notes)
    is_sealed = any(piece.number for piece, _ in pieces) or any(each.sealed for each in files)
    return AdviserEntry(
        entry_id=part.entry_id.hex(),
        is_source=is_source,
        kind=content.kind.value if content else "",
        day=part.day,
        receipt=receipt_number(opened.signed.digest),
        text=content.text if content else "",
        pieces=pieces,
        files=files,
        is_removed=opened.signed.digest in conversation.removed,
        read_on=read.get(opened.signed.digest),
        fault=opened.fault,
        proposal=proposal,
        verdict=verdict,
        also_in=file_downloads.other_mailboxes(desk, opened) if is_sealed else (),
    )


def _pieces(unsealer: Unsealer, opened: OpenedEntry) -> tuple[tuple[TextPiece, NamedMailbox], ...]:
    """Return the text of an entry in pieces: plain text, and decrypted blocks in the source's texts."""
    if opened.content is None or not opened.content.text:
        return ()
    if opened.signed.envelope.author is Author.DESK:
        return ((TextPiece(PieceKind.PLAIN, opened.content.text), NamedMailbox.NONE),)
    address = opened.signed.envelope.address
    pieces = unsealer.text(opened.content.text)
    return tuple((piece, named_mailbox(piece.words, address)) for piece in pieces)


def _file(desk: OpenDesk, unsealer: Unsealer, opened: OpenedEntry, note: AttachmentNote) -> AdviserFile:
    part = opened.signed.envelope
    look = None
    if part.author is Author.SOURCE:
        # A file that differs from the signed file is reported when the adviser downloads it.
        with suppress(ForgedError):
            pieces = partial(file_downloads.file_pieces, desk, part.address, part.entry_id, note)
            look = unsealer.inspect(opened.signed.digest + note.id, note.name, pieces)
    if look is None or look.kind is PresealedKind.NOT_SEALED:
        return AdviserFile(note.id.hex(), note.name, note.size, None)
    named = named_mailbox(look.words, part.address) if look.kind is PresealedKind.OPENED else None
    sealed = replace(look, name=safe_name(look.name))
    return AdviserFile(note.id.hex(), note.name, note.size, sealed, named)


def _proposal_of(opened: OpenedEntry, state: ThreadState) -> tuple[ProposalState | None, str]:
    """Return the proposal that an entry makes or answers, and the source's decision about it.

    If there is no such proposal, the first result is None. If the entry is not an answer, the decision is
    empty.
    """
    content = opened.content
    if content is None:
        return None, ""
    if content.answer is not UNSET:
        note = content.answer
        found = (each for each in state.proposals if each.digest == note.proposal)
        return next(found, None), note.verdict.value
    entry_id = opened.signed.envelope.entry_id
    return next((each for each in state.proposals if each.entry_id == entry_id), None), ""
