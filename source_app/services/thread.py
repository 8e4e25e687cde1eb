"""Conversation of a mailbox as its source sees it: entries, steps, expected days and open proposals.

This module reads the mailbox and writes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from msgspec import UNSET

from crypto.errors import CryptoError
from protocol.content import Content, Kind, StepName, Verdict
from protocol.entry import EntryContent, SignedEntry, open_entry
from protocol.envelope import Author
from protocol.identifiers import Digest, EntryId, digest_words
from protocol.mailbox_keys import MailboxKeys
from protocol.transcript.consent import ProposalStatus
from protocol.transcript.thread_state import ThreadState, ThreadStep, thread_state
from protocol.transcript.waiting import non_answers
from source_app.errors import NotFoundError
from source_app.public_desk import PublicDesk
from source_app.services.mailbox_files import ThreadFile, shown_files
from source_app.services.proposals import ShownProposal, view_of_proposal
from source_app.services.verified_mailbox import SourceMailbox, find_entry, read_mailbox
from store import deletion_orders

_USUAL_STEPS = (StepName.BEING_READ, StepName.IN_CONVERSATION, StepName.ADVICE_GIVEN, StepName.CLOSED)
# Number of usual steps that are done, by current step. Any other step comes between advice and closing.
_USUAL_STEPS_DONE = {
    StepName.RECEIVED: 0,
    StepName.REOPENED: 0,
    StepName.BEING_READ: 1,
    StepName.IN_CONVERSATION: 2,
    StepName.CLOSED: 4,
}


@dataclass(frozen=True, slots=True)
class ThreadEntry:
    """Verified entry as the source's page shows it. A removed entry has no text and no kind."""

    id: str
    kind: Kind | None
    is_own: bool
    day: date
    text: str = field(repr=False)
    files: tuple[ThreadFile, ...]
    is_removed: bool
    seen_on: date | None  # for an entry of the source: day of the desk's first read receipt for the entry
    words: str  # receipt words, made from the entry's digest
    step: ThreadStep | None = None
    proposal: ShownProposal | None = None  # proposal in this entry, or proposal that this answer is about
    verdict: Verdict | None = None
    delete_on: date | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """Day by which the desk promised an answer or a step. `is_late` is True if that day has passed."""

    by: date
    is_late: bool


@dataclass(frozen=True, slots=True)
class Thread:
    """Conversation of a mailbox, as shown to its source: oldest entry first, without read receipts."""

    entries: tuple[ThreadEntry, ...]
    newest_reply: ThreadEntry | None  # the desk's newest entry that was not deleted
    is_answered: bool  # of the entries that were not deleted, the desk wrote the newest
    is_emptied: bool  # there were entries, and all of them were deleted
    left_out: bool  # an entry failed a check and is not shown
    own_missing: bool  # an entry of the source, or one that a later entry names, is missing
    expect: Expected | None  # the day by which the oldest waiting entry will be answered
    steps: tuple[ThreadStep, ...]  # the last one is the current step
    to_come: tuple[StepName, ...]  # the steps that usually follow
    expect_step: Expected | None  # the day for which the adviser promised the next step
    asked: tuple[ShownProposal, ...]  # the proposals that wait for an answer of the source
    newest_proposal: ShownProposal | None
    # For each passing on without the source's consent: its newest step.
    without_consent: tuple[ThreadStep, ...]
    closing: ThreadEntry | None  # the adviser's last message, while the mailbox is closed
    mailbox: SourceMailbox = field(repr=False)


def read_thread(desk: PublicDesk, keys: MailboxKeys, *, today: date) -> Thread:
    """Read and verify a mailbox, and return the whole conversation with its state.

    Raises:
        MailboxGoneError: the mailbox has ended.
    """
    mailbox = read_mailbox(desk, keys)
    with_text = [(signed, content) for signed, content in mailbox.opened if signed.envelope.speaks]
    state = thread_state(keys.address, mailbox.opened)
    proposals = tuple(map(view_of_proposal, state.proposals))
    seen_on = _days_seen(mailbox.opened)
    steps = {step.entry_id: step for step in state.steps if not step.is_derived}
    shown = [_show_entry(signed, content, seen_on, proposals, steps) for signed, content in with_text]
    left = [each for each in shown if not each.is_removed]
    replies = [each for each in left if not each.is_own]
    is_emptied = bool(shown) and not left
    waiting = _waiting(with_text)
    now = state.current
    closings = [each for each in replies if each.kind is Kind.CLOSING]
    is_closed = state.closing is not None
    promised = now.by if now is not None and now.step is not StepName.CLOSED else None
    return Thread(
        entries=tuple(shown),
        newest_reply=replies[-1] if replies else None,
        is_answered=bool(left) and not left[-1].is_own,
        is_emptied=is_emptied,
        left_out=mailbox.left_out,
        own_missing=mailbox.own_missing,
        expect=_expected(desk.letterhead.expect_by(waiting[0].envelope.day), today) if waiting else None,
        steps=state.steps,
        to_come=()
        if now is None or is_closed or is_emptied
        else _USUAL_STEPS[_USUAL_STEPS_DONE.get(now.step, 3) :],
        expect_step=_expected(promised, today) if promised is not None else None,
        asked=tuple(each for each in proposals if each.state is ProposalStatus.WAITING),
        newest_proposal=proposals[-1] if proposals else None,
        without_consent=tuple(
            {
                (step.to, step.proposal): step
                for step in state.steps
                if step.without_consent and not step.is_void
            }.values()
        ),
        closing=closings[-1] if is_closed and closings else None,
        mailbox=mailbox,
    )


def message_receipt(desk: PublicDesk, keys: MailboxKeys, entry_id: bytes) -> tuple[ThreadEntry, date]:
    """Return an entry of the source, and the day by which to expect an answer, for the entry's receipt page.

    Raises:
        NotFoundError: this mailbox has no such entry of the source.
    """
    signed = find_entry(desk, keys, entry_id)
    if signed.envelope.author is not Author.SOURCE:
        raise NotFoundError
    return _show_alone(signed, keys), desk.letterhead.expect_by(signed.envelope.day)


def entry_to_delete(desk: PublicDesk, keys: MailboxKeys, entry_id: bytes) -> ThreadEntry:
    """Return an entry of a mailbox, for the page that asks whether to delete this entry.

    Raises:
        NotFoundError: this mailbox has no such entry.
    """
    return _show_alone(find_entry(desk, keys, entry_id), keys)


def is_mailbox_closed(desk: PublicDesk, keys: MailboxKeys) -> bool:
    """Return True if the desk has closed the mailbox, so that a new message would open the mailbox again."""
    return _state_if_ordered(desk, keys).closing is not None


def has_reopened_mailbox(desk: PublicDesk, keys: MailboxKeys, entry_id: bytes) -> bool:
    """Return True if an entry of the source opened a closed mailbox again."""
    steps = _state_if_ordered(desk, keys).steps
    return any(step.step is StepName.REOPENED and step.entry_id == entry_id for step in steps)


def _state_if_ordered(desk: PublicDesk, keys: MailboxKeys) -> ThreadState:
    """Return the state of a mailbox that has a deletion order, or an empty state for any other mailbox.

    Every closed mailbox has a deletion order. So a mailbox without a deletion order is not closed, and the
    pages know this without reading the whole mailbox.
    """
    with desk.store.reading() as reading:
        is_ordered = deletion_orders.is_under_order(reading, keys.address)
    if not is_ordered:
        return ThreadState((), ())
    return thread_state(keys.address, read_mailbox(desk, keys).opened)


def _days_seen(opened: Iterable[EntryContent]) -> dict[int, date]:
    """Return the days on which the desk first saw the source's entries, by the entry's number."""
    own: dict[Digest, int] = {}
    days: dict[int, date] = {}
    reached = 0
    for signed, _ in opened:
        envelope = signed.envelope
        if envelope.author is Author.SOURCE:
            own[signed.digest] = envelope.number
            continue
        newest = max((own.get(digest, 0) for digest in envelope.seen), default=0)
        for number in range(reached + 1, newest + 1):
            days[number] = envelope.day
            reached = number
    return days


def _waiting(with_text: Iterable[EntryContent]) -> Sequence[SignedEntry]:
    """Return the source's entries that wait for an answer: those after the desk's newest answer.

    Removed entries do not wait.
    """
    waiting: list[SignedEntry] = []
    for each, content in with_text:
        if each.envelope.author is Author.DESK:
            if is_answer(content):
                waiting.clear()
        elif each.removal is None:
            waiting.append(each)
    return waiting


def _expected(by: date, today: date) -> Expected:
    return Expected(by, is_late=by < today)


def _show_alone(signed: SignedEntry, keys: MailboxKeys) -> ThreadEntry:
    try:
        content = None if signed.removal is not None else open_entry(signed, [keys.identity])
    except CryptoError as why:
        raise NotFoundError from why
    return _show_entry(signed, content, {}, (), {})


def _show_entry(
    signed: SignedEntry,
    content: Content | None,
    seen_on: Mapping[int, date],
    proposals: Sequence[ShownProposal],
    steps: Mapping[EntryId, ThreadStep],
) -> ThreadEntry:
    envelope = signed.envelope
    is_own = envelope.author is Author.SOURCE
    entry = ThreadEntry(
        id=envelope.entry_id.hex(),
        kind=None if content is None else content.kind,
        is_own=is_own,
        day=envelope.day,
        text="" if content is None else content.text,
        files=() if content is None else shown_files(content),
        is_removed=content is None,
        seen_on=seen_on.get(envelope.number) if is_own else None,
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
        step=steps.get(envelope.entry_id),
        proposal=about[0] if about else None,
        verdict=None if content.answer is UNSET else content.answer.verdict,
        delete_on=None if content.closing is UNSET else content.closing.delete_on,
    )
