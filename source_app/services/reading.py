"""A mailbox as its source sees it: what passes every check, where things stand, what is asked of them.

No Flask here. Only `appending` and its callers write.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import cast

from msgspec import UNSET

from crypto.errors import CryptoError, ForgedError
from protocol import chain
from protocol.attachment import AttachmentOpener
from protocol.content import (
    AttachmentNote,
    Content,
    Kind,
    PassOnRecipient,
    ProposalNote,
    ProposedFile,
    StepName,
    Verdict,
)
from protocol.entry import SignedEntry, open_entry, verify_entry
from protocol.envelope import Author
from protocol.identifiers import Digest, EntryId, digest_words
from protocol.mailbox_keys import MailboxKeys
from protocol.thread_state import (
    EntryContent,
    ProposalState,
    ProposalStatus,
    ThreadState,
    ThreadStep,
    is_answer,
    thread_state,
)
from source_app.errors import MailboxGoneError, NotFoundError
from source_app.public_desk import PublicDesk
from source_app.services.append_entry import desk_heads, own_head
from store import attachments, deletion_orders, entries, mailboxes
from web.filenames import safe_name

_LINE = (StepName.BEING_READ, StepName.IN_CONVERSATION, StepName.ADVICE_GIVEN, StepName.CLOSED)
_REACHED = {  # how many steps of _LINE lie behind; what is not here stands between advice and closing
    StepName.RECEIVED: 0,
    StepName.REOPENED: 0,
    StepName.BEING_READ: 1,
    StepName.IN_CONVERSATION: 2,
    StepName.CLOSED: 4,
}
_MAY = {
    ProposalStatus.WAITING: (Verdict.AGREED, Verdict.CHANGES_ASKED, Verdict.DECLINED),
    ProposalStatus.DECLINED: (Verdict.AGREED, Verdict.CHANGES_ASKED),
    ProposalStatus.CHANGES_ASKED: (Verdict.AGREED, Verdict.CHANGES_ASKED, Verdict.DECLINED),
    ProposalStatus.TAKEN_BACK: (Verdict.AGREED, Verdict.CHANGES_ASKED, Verdict.DECLINED),
    ProposalStatus.AGREED: (Verdict.TAKEN_BACK,),
}


@dataclass(frozen=True, slots=True)
class SourceMailbox:
    """A whole mailbox in one snapshot, checked and opened; marks too."""

    opened: tuple[EntryContent, ...] = field(repr=False)  # in thread order; None instead of what was removed
    heads: Sequence[entries.StrandHead]  # as the store names them, whether or not they pass
    left_out: bool  # something failed its checks and is not in `opened`
    own_missing: bool  # something of the source's own, or something built upon, is gone

    @property
    def own_head(self) -> tuple[int, Digest]:
        """Return the place behind which the source's next entry comes.

        Only who writes asks: what the store names there must not keep the mailbox from being shown.

        Raises:
            StoreDamagedError: no writer of ours has such a head.
        """
        return own_head(self.heads)

    @property
    def desk_heads(self) -> frozenset[Digest]:
        """Return the digest of the newest entry of every strand of the desk."""
        return desk_heads(self.heads)


@dataclass(frozen=True, slots=True)
class ThreadFile:
    """A file of an entry; `id` is hexadecimal, `size` in bytes, `name` safe to show and to save.

    Of a file that would be passed on `is_cleaned` says which copy it is, and `about` what was found in it.
    """

    id: str
    name: str = field(repr=False)
    size: int
    is_cleaned: bool | None = None
    about: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ShownProposal:
    """What would be passed on, word for word, and what the source may still say to it."""

    id: str
    digest: str  # hexadecimal; the answer carries it
    day: date
    recipient: PassOnRecipient
    name: str = field(repr=False)
    fingerprint: str
    text: str = field(repr=False)
    files: tuple[ThreadFile, ...]
    state: ProposalStatus
    may: tuple[Verdict, ...]  # the answers that are open now
    verdict: Verdict | None  # the newest answer, whatever came after it
    answered_on: date | None
    answer_text: str = field(repr=False)
    answer_words: str  # of its digest; empty where there is no answer


@dataclass(frozen=True, slots=True)
class ThreadEntry:
    """An entry that passed every check; one that was removed has no text and no kind."""

    id: str
    kind: Kind | None
    is_own: bool
    day: date
    text: str = field(repr=False)
    files: tuple[ThreadFile, ...]
    is_removed: bool
    seen_on: date | None  # own entries: the day on which the desk first had it before it
    words: str  # of its digest
    step: ThreadStep | None = None
    proposal: ShownProposal | None = None  # of a proposal, and of an answer to one that is still there
    verdict: Verdict | None = None
    delete_on: date | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """A day by which the desk promised something; when it is late the page says so."""

    by: date
    is_late: bool


@dataclass(frozen=True, slots=True)
class Thread:
    """A mailbox as its source sees it, oldest first. Marks are not in it: nobody reads them."""

    entries: tuple[ThreadEntry, ...]
    newest_reply: ThreadEntry | None  # the desk's newest entry that still has a text
    is_answered: bool  # the newest thing that was not deleted is the desk's
    is_emptied: bool  # something was in it, and all of it was deleted
    left_out: bool
    own_missing: bool
    expect: Expected | None  # when the oldest entry that waits has its answer
    steps: tuple[ThreadStep, ...]  # the last one is the current one
    to_come: tuple[StepName, ...]  # what usually follows
    expect_step: Expected | None  # when the adviser promised the next step
    asked: tuple[ShownProposal, ...]  # proposals that wait for the source
    newest_proposal: ShownProposal | None
    without_consent: tuple[ThreadStep, ...]  # what is passed on without them, each once, as it stands now
    closing: ThreadEntry | None  # the adviser's last word, while the mailbox is closed
    mailbox: SourceMailbox = field(repr=False)


def read_mailbox(desk: PublicDesk, keys: MailboxKeys) -> SourceMailbox:
    """Check a whole mailbox and open what passes. What fails is counted and never shown to a source.

    Raises:
        MailboxGoneError: it has ended.
    """
    with desk.store.reading() as reading:
        mailbox = mailboxes.find(reading, keys.address)
        stored = entries.of_mailbox(reading, keys.address)
        heads = entries.strand_heads(reading, keys.address)
    if mailbox is None:
        raise MailboxGoneError
    signed, left_out = _read(stored)
    checked = chain.check_chain(keys.address, keys.verify_key, desk.letterhead.strand_keys, signed, None)
    opened: list[EntryContent] = []
    for each in checked.entries:
        try:
            content = None if each.removal is not None else open_entry(each, [keys.identity])
        except CryptoError:
            left_out = True
            continue
        opened.append((each, content))
    return SourceMailbox(
        opened=tuple(opened),
        heads=heads,
        left_out=left_out or bool(checked.rejected),
        own_missing=any(fault.entry_id is None for fault in checked.faults),
    )


def read_thread(desk: PublicDesk, keys: MailboxKeys, *, today: date) -> Thread:
    """Read a mailbox and say where things stand in it.

    Raises:
        MailboxGoneError: it has ended.
    """
    mailbox = read_mailbox(desk, keys)
    spoken = [(signed, content) for signed, content in mailbox.opened if signed.envelope.speaks]
    line = thread_state(keys.address, mailbox.opened)
    proposals = tuple(map(_shown_proposal, line.proposals))
    seen_on = _days_seen(mailbox.opened)
    said = {step.entry_id: step for step in line.steps if not step.is_derived}
    shown = [_shown(signed, content, seen_on, proposals, said) for signed, content in spoken]
    left = [each for each in shown if not each.is_removed]
    replies = [each for each in left if not each.is_own]
    is_emptied = bool(shown) and not left
    waiting = _waiting(spoken)
    now = line.current
    closings = [each for each in replies if each.kind is Kind.CLOSING]
    is_closed = line.closing is not None
    promised = now.by if now is not None and now.step is not StepName.CLOSED else None
    return Thread(
        entries=tuple(shown),
        newest_reply=replies[-1] if replies else None,
        is_answered=bool(left) and not left[-1].is_own,
        is_emptied=is_emptied,
        left_out=mailbox.left_out,
        own_missing=mailbox.own_missing,
        expect=_expected(desk.letterhead.expect_by(waiting[0].envelope.day), today) if waiting else None,
        steps=line.steps,
        to_come=() if now is None or is_closed or is_emptied else _LINE[_REACHED.get(now.step, 3) :],
        expect_step=_expected(promised, today) if promised is not None else None,
        asked=tuple(each for each in proposals if each.state is ProposalStatus.WAITING),
        newest_proposal=proposals[-1] if proposals else None,
        without_consent=tuple(
            {
                (step.to, step.proposal): step
                for step in line.steps
                if step.without_consent and not step.is_void
            }.values()
        ),
        closing=closings[-1] if is_closed and closings else None,
        mailbox=mailbox,
    )


def read_receipt(desk: PublicDesk, keys: MailboxKeys, entry_id: bytes) -> tuple[ThreadEntry, date]:
    """Return an own entry, for its receipt, and the day by which to expect an answer.

    Raises:
        NotFoundError: this mailbox holds no such entry of the source.
    """
    signed = find_entry(desk, keys, entry_id)
    if signed.envelope.author is not Author.SOURCE:
        raise NotFoundError
    return _shown_alone(signed, keys), desk.letterhead.expect_by(signed.envelope.day)


def is_closed(desk: PublicDesk, keys: MailboxKeys) -> bool:
    """Say whether a message of the source would open the mailbox again."""
    return _standing_of_ordered(desk, keys).closing is not None


def has_reopened(desk: PublicDesk, keys: MailboxKeys, entry_id: bytes) -> bool:
    """Say whether this entry is the one that opened a closed mailbox again."""
    steps = _standing_of_ordered(desk, keys).steps
    return any(step.step is StepName.REOPENED and step.entry_id == entry_id for step in steps)


def _standing_of_ordered(desk: PublicDesk, keys: MailboxKeys) -> ThreadState:
    """Return where things stand in a mailbox that lies under an order; nothing of one that does not.

    Pages that everybody waits for ask this, and only what was closed is worth a look at the whole mailbox.
    """
    with desk.store.reading() as reading:
        is_ordered = deletion_orders.is_under_order(reading, keys.address)
    if not is_ordered:
        return ThreadState((), ())
    return thread_state(keys.address, read_mailbox(desk, keys).opened)


def entry_to_delete(desk: PublicDesk, keys: MailboxKeys, entry_id: bytes) -> ThreadEntry:
    """Return an entry that its source thinks of deleting.

    Raises:
        NotFoundError: this mailbox holds no such entry.
    """
    return _shown_alone(find_entry(desk, keys, entry_id), keys)


def read_proposal(mailbox: SourceMailbox, keys: MailboxKeys, entry_id: bytes) -> ShownProposal:
    """Return one proposal of a mailbox.

    Raises:
        NotFoundError: there is none of this id that passes the checks.
    """
    for each in thread_state(keys.address, mailbox.opened).proposals:
        if each.entry_id == entry_id:
            return _shown_proposal(each)
    raise NotFoundError


def open_file(
    desk: PublicDesk, keys: MailboxKeys, attachment_id: bytes
) -> tuple[ThreadFile, Iterator[bytes]]:
    """Return a file of this mailbox and its bytes, opened piece by piece; the entry it hangs on is verified.

    A file of a proposal is given whole only if it is the very one that the proposal names.

    Raises:
        NotFoundError: this mailbox holds no such file.
        CryptoError: the file is not the one its entry speaks of; also while its bytes are read.
    """
    with desk.store.reading() as reading:
        attachment = attachments.find(reading, keys.address, attachment_id)
    if attachment is None or attachment.header is None:
        raise NotFoundError
    signed = find_entry(desk, keys, attachment.entry_id)
    content = open_entry(signed, [keys.identity])
    for note, proposed in _files(content):
        if note.id == attachment_id:
            chunks = attachments.read_chunks(desk.store, keys.address, attachment_id)
            opener = AttachmentOpener(
                attachment.header, chunks, note, [keys.identity], keys.address, signed.envelope.entry_id
            )
            pieces = iter(opener) if proposed is None else _only_if(iter(opener), proposed.sha256)
            return _shown_file(note, proposed), pieces
    raise NotFoundError


def read_entry_of(desk: PublicDesk, keys: MailboxKeys, entry_id: bytes) -> Content:
    """Return the content of one entry of this mailbox.

    Raises:
        NotFoundError: it is not there, was removed, or does not verify.
    """
    try:
        return open_entry(find_entry(desk, keys, entry_id), [keys.identity])
    except CryptoError as why:
        raise NotFoundError from why


def find_entry(desk: PublicDesk, keys: MailboxKeys, entry_id: bytes) -> SignedEntry:
    """Return one entry that is authentic and stands in this mailbox.

    Raises:
        NotFoundError: this mailbox holds no such entry.
    """
    with desk.store.reading() as reading:
        stored = entries.find(reading, keys.address, entry_id)
    if stored is None:
        raise NotFoundError
    try:
        signed = _read_entry(stored)
        verify_entry(signed, mailbox_verify_key=keys.verify_key, strands=desk.letterhead.strand_keys)
    except CryptoError as why:
        raise NotFoundError from why
    if (signed.envelope.address, signed.envelope.entry_id) != (keys.address, entry_id):
        raise NotFoundError
    return signed


def _read_entry(stored: entries.StoredEntry) -> SignedEntry:
    """Read a row back as an entry; nothing is verified yet.

    Raises:
        MalformedError: no entry that we write.
    """
    return SignedEntry.from_stored(
        envelope=stored.envelope,
        signature=stored.signature,
        epoch=stored.epoch,
        header=stored.header,
        payload=stored.payload,
        removal=stored.removal,
    )


def _read(stored: Sequence[entries.StoredEntry]) -> tuple[list[SignedEntry], bool]:
    signed: list[SignedEntry] = []
    unreadable = False
    for row in stored:
        try:
            signed.append(_read_entry(row))
        except CryptoError:
            unreadable = True
    return signed, unreadable


def _days_seen(opened: Iterable[EntryContent]) -> dict[int, date]:
    """Return, by number, the day on which the desk first had each own entry before it."""
    own: dict[Digest, int] = {}
    days: dict[int, date] = {}
    reached = 0
    for signed, _ in opened:
        part = signed.envelope
        if part.author is Author.SOURCE:
            own[signed.digest] = part.number
            continue
        for number in range(reached + 1, max((own.get(digest, 0) for digest in part.seen), default=0) + 1):
            days[number] = part.day
            reached = number
    return days


def _waiting(spoken: Iterable[EntryContent]) -> Sequence[SignedEntry]:
    """Return the source's entries that came after the desk's newest answer."""
    waiting: list[SignedEntry] = []
    for each, content in spoken:
        if each.envelope.author is Author.DESK:
            if is_answer(content):
                waiting.clear()
        elif each.removal is None:
            waiting.append(each)
    return waiting


def _expected(by: date, today: date) -> Expected:
    return Expected(by, is_late=by < today)


def _only_if(pieces: Iterator[bytes], sha256: Digest) -> Iterator[bytes]:
    """Yield pieces, and the last one only if they are together what the proposal names.

    Raises:
        ForgedError: they are something else; the download ends too short.
    """
    whole = hashlib.sha256()
    held = b""
    for piece in pieces:
        if held:
            yield held
        held = piece
        whole.update(piece)
    if not hmac.compare_digest(whole.digest(), sha256):
        raise ForgedError
    yield held


def _shown_alone(signed: SignedEntry, keys: MailboxKeys) -> ThreadEntry:
    try:
        content = None if signed.removal is not None else open_entry(signed, [keys.identity])
    except CryptoError as why:
        raise NotFoundError from why
    return _shown(signed, content, {}, (), {})


def _shown(
    signed: SignedEntry,
    content: Content | None,
    seen_on: Mapping[int, date],
    proposals: Sequence[ShownProposal],
    said: Mapping[EntryId, ThreadStep],
) -> ThreadEntry:
    part = signed.envelope
    is_own = part.author is Author.SOURCE
    entry = ThreadEntry(
        id=part.entry_id.hex(),
        kind=None if content is None else content.kind,
        is_own=is_own,
        day=part.day,
        text="" if content is None else content.text,
        files=() if content is None else tuple(_shown_file(*each) for each in _files(content)),
        is_removed=content is None,
        seen_on=seen_on.get(part.number) if is_own else None,
        words=digest_words(signed.digest),
    )
    if content is None:
        return entry
    about = [
        each
        for each in proposals
        if each.id == entry.id
        or (content.answer is not UNSET and each.digest == content.answer.proposal.hex())
    ]
    return replace(
        entry,
        step=said.get(part.entry_id),
        proposal=about[0] if about else None,
        verdict=None if content.answer is UNSET else content.answer.verdict,
        delete_on=None if content.closing is UNSET else content.closing.delete_on,
    )


def _shown_proposal(proposed: ProposalState) -> ShownProposal:
    content, answer = proposed.content, proposed.answer
    note = cast("ProposalNote", content.proposal)  # what `thread_state` calls a proposal has one
    return ShownProposal(
        id=proposed.entry_id.hex(),
        digest=proposed.digest.hex(),
        day=proposed.day,
        recipient=note.recipient,
        name=note.name,
        fingerprint=note.fingerprint,
        text=content.text,
        files=tuple(_shown_file(*each) for each in _files(content)),
        state=proposed.state,
        may=_MAY.get(proposed.state, ()),
        verdict=None if answer is None else answer.verdict,
        answered_on=None if answer is None else answer.day,
        answer_text="" if answer is None else answer.content.text,
        answer_words="" if answer is None else digest_words(answer.signed.digest),
    )


def _files(content: Content) -> Iterator[tuple[AttachmentNote, ProposedFile | None]]:
    """Yield each file of an entry, with what a proposal says of it."""
    for place, note in enumerate(content.attachments):
        yield note, None if content.proposal is UNSET else content.proposal.files[place]


def _shown_file(note: AttachmentNote, proposed: ProposedFile | None) -> ThreadFile:
    shown = ThreadFile(note.id.hex(), safe_name(note.name), note.size)
    if proposed is None:
        return shown
    return replace(shown, is_cleaned=proposed.is_cleaned, about=proposed.about)
