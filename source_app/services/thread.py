"""Conversation of a mailbox as its source sees it: entries, steps, expected days and open proposals.

This module reads the mailbox and writes nothing.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from msgspec import UNSET

from crypto.errors import CryptoError
from protocol.content import Content, Kind, StepName, Verdict
from protocol.entry import SignedEntry, open_entry
from protocol.envelope import Author, EntryClass
from protocol.heads import Heads
from protocol.identifiers import Digest, StrandId, receipt_number
from protocol.mailbox_keys import MailboxKeys
from protocol.transcript.check import head_of
from protocol.transcript.closing import closed_until
from protocol.transcript.proposal_states import ProposalStatus
from protocol.transcript.thread_state import ThreadStep, thread_state
from protocol.transcript.waiting import non_answers, waiting_since
from source_app.errors import NotFoundError
from source_app.public_desk import PublicDesk
from source_app.services.mailbox_files import ThreadFile, shown_files
from source_app.services.proposals import ShownProposal, shown_proposals
from source_app.services.verified_mailbox import SourceMailbox, Withheld, read_mailbox, read_sent_words
from store import mailboxes
from store.errors import NoSuchMailboxError
from store.mailboxes import StoredMailbox
from stored_mailbox.reading import read_heads

_USUAL_STEPS = (StepName.BEING_READ, StepName.IN_CONVERSATION, StepName.ADVICE_GIVEN, StepName.CLOSED)
# Number of usual steps that are done, by current step. Any other step comes between advice and closing.
_USUAL_STEPS_DONE = {
    StepName.RECEIVED: 0,
    StepName.REOPENED: 0,
    StepName.BEING_READ: 1,
    StepName.IN_CONVERSATION: 2,
    StepName.CLOSED: 4,
}
_DELETED = frozenset({Withheld.REMOVED, Withheld.RESTORED})
# Of the source's own newest entries on one page: 80 printed pages, and at most 1.25 MB of HTML. The desk's
# entries are always on the page, because the read receipt confirms them.
_SHOWN_CHARS = 250_000
_FILE_CHARS = 1_000  # of a file's line on the page


@dataclass(frozen=True, slots=True)
class ThreadEntry:
    """One entry of the conversation as the source's page shows it, such as a message.

    `is_apart` is True if the text and the files are on a page of their own. `is_used` is True if the desk
    knew the entry when it made a proposal or began to pass something on. For a removed entry, `confirmed_by`
    counts the workstations that confirmed the removal.
    """

    id: str
    digest: Digest
    is_own: bool
    day: date
    withheld: Withheld | None
    kind: Kind | None = None
    text: str = field(default="", repr=False)
    files: tuple[ThreadFile, ...] = ()
    verdict: Verdict | None = None
    step: ThreadStep | None = None
    proposal: ShownProposal | None = None  # proposal in this entry, or proposal that this answer is about
    seen_on: date | None = None  # day on which the other side (desk or source) had first seen the entry
    confirmed_by: int = 0
    is_apart: bool = False
    is_used: bool = False

    @property
    def receipt(self) -> str:
        """Return the number on the entry's receipt."""
        return receipt_number(self.digest)

    @property
    def is_removed(self) -> bool:
        """Return True if the source deleted the entry."""
        return self.withheld in _DELETED


@dataclass(frozen=True, slots=True)
class Expected:
    """Day by which the desk promised an answer or its next step. `is_late` is True if that day has passed."""

    by: date
    is_late: bool


@dataclass(frozen=True, slots=True)
class Thread:
    """Conversation of a mailbox, as shown to its source: oldest entry first, without read receipts."""

    entries: tuple[ThreadEntry, ...]
    apart: int  # number of the source's oldest entries whose text is on a page of its own
    newest_reply: ThreadEntry | None  # the desk's newest entry that is shown and was not deleted
    is_answered: bool  # no message waits (by envelopes), and the newest that was not deleted is the desk's
    is_emptied: bool  # there were entries, and all of them were deleted (False if the mailbox is damaged)
    expect: Expected | None  # the day by which the oldest waiting entry will be answered
    steps: tuple[ThreadStep, ...]  # the last one is the current step
    to_come: tuple[StepName, ...]  # the steps that usually follow
    expect_step: Expected | None  # the day for which the adviser promised the next step
    proposals: tuple[ShownProposal, ...]  # oldest first
    answered: ShownProposal | None  # the proposal to which the source's newest entry is an answer
    # For each passing on without the source's consent: its newest step.
    without_consent: tuple[ThreadStep, ...]
    closing: ThreadStep | None  # while the mailbox is closed; `by` is the day of the deletion
    # Day of the source's newest entry (message, deletion or read receipt), unless that is the first entry.
    last_used: date | None
    workstations: int  # of the desk, in use today
    mailbox: SourceMailbox = field(repr=False)

    @property
    def asked(self) -> tuple[ShownProposal, ...]:
        """Return the proposals that wait for an answer of the source."""
        return tuple(each for each in self.proposals if each.state is ProposalStatus.WAITING)

    @property
    def newest_proposal(self) -> ShownProposal | None:
        """Return the newest proposal, unless the workstation that wrote this proposal was retired."""
        return next((each for each in self.proposals if each.is_newest), None)

    @property
    def agreed(self) -> tuple[ShownProposal, ...]:
        """Return the proposals to which the source agreed, and can still take this agreement back."""
        return tuple(each for each in self.proposals if each.state is ProposalStatus.AGREED)

    def heads_told(self, shown: tuple[Heads, Heads]) -> tuple[Heads, Heads]:
        """Return what a form names if its page says that passing on has begun: heads and unseen entries.

        `shown` has both as they were on the newest page of the session.
        """
        final = {each.digest for each in self.proposals if each.is_final}
        steps = {
            signed.digest
            for signed, content in self.mailbox.opened
            if content is not None and content.step is not UNSET and content.step.proposal is not None
            if content.step.step is StepName.PASSING_ON and content.step.proposal.hex() in final
        }
        on_pages = self.mailbox.transcript.knowledge.within(shown[0]).difference(
            head.digest for head in shown[1]
        )
        return shown if steps <= on_pages else self.mailbox.heads_for(self.mailbox.shown & on_pages | steps)

    def ends_agreement(self, entry: ThreadEntry) -> bool:
        """Return True if the source takes back an agreement by deleting their own entry `entry`."""
        knowledge = self.mailbox.transcript.knowledge
        agreements = {each.answered_by for each in self.agreed if each.answered_by is not None}
        return any(
            entry.digest == agreement or entry.digest not in knowledge.known_to([agreement])
            for agreement in agreements
        )

    @property
    def has_begun(self) -> bool:
        """Return True if the desk began to pass on information. The desk then keeps the proposal."""
        return any(step.step in (StepName.PASSING_ON, StepName.PASSED_ON) for step in self.steps)


def read_thread(desk: PublicDesk, keys: MailboxKeys, remembered: Heads = (), *, today: date) -> Thread:
    """Read and verify a mailbox, and return the whole conversation with its state.

    `remembered` has the newest entries (heads) that this session was shown before.

    Raises:
        NoSuchMailboxError: the mailbox has ended.
    """
    mailbox = read_mailbox(desk, keys, remembered)
    transcript = mailbox.transcript
    state = thread_state(keys.address, transcript, mailbox.opened)
    proposals = shown_proposals(state, mailbox.opened)
    in_use = {strand for strand, key in desk.letterhead.strand_keys.items() if key.counts_on(today)}
    seen_on, confirmed, used = _days_seen(mailbox), _confirmations(mailbox, in_use), _used_entries(mailbox)
    steps = {step.entry_id: step for step in state.steps if not step.is_derived}
    shown = [
        replace(
            _show_entry(signed, content or mailbox.withheld[signed.digest]),
            step=steps.get(signed.envelope.entry_id) if signed.envelope.strand else None,
            proposal=_proposal_of(signed, content, proposals),
            seen_on=seen_on.get(signed.digest),
            confirmed_by=confirmed[signed.digest],
            is_used=signed.digest in used,
        )
        for signed, content in mailbox.opened
        if signed.envelope.is_words and mailbox.withheld.get(signed.digest) is not Withheld.UNREADABLE
    ]
    left = [each for each in shown if not each.is_removed]
    replies = [each for each in left if not each.is_own]
    own = [each for each in left if each.is_own]
    is_emptied = bool(shown) and not left and not mailbox.is_damaged
    waiting = waiting_since(transcript, non_answers(mailbox.opened))
    now = state.current
    answered = own[-1].proposal if own else None
    promised = now.by if now is not None and now.step is not StepName.CLOSED else None
    entries = _shortened(shown)
    return Thread(
        entries=entries,
        apart=sum(entry.is_apart for entry in entries),
        newest_reply=replies[-1] if replies else None,
        is_answered=waiting_since(transcript) is None and _ends_with_reply(mailbox),
        is_emptied=is_emptied,
        expect=None if waiting is None else _expected(desk.letterhead.expect_by(waiting), today),
        steps=state.steps,
        to_come=()
        if now is None or state.closing is not None or is_emptied
        else _USUAL_STEPS[3 if answered is not None else _USUAL_STEPS_DONE.get(now.step, 3) :],
        expect_step=_expected(promised, today) if promised is not None else None,
        proposals=proposals,
        answered=answered,
        without_consent=tuple(
            {
                (step.to, step.proposal): step
                for step in state.steps
                if step.without_consent and not step.is_void
            }.values()
        ),
        closing=state.closing,
        last_used=max(sorted(entry.envelope.day for entry in mailbox.own_entries())[1:], default=None),
        workstations=len(in_use),
        mailbox=mailbox,
    )


def message_receipt(desk: PublicDesk, keys: MailboxKeys, entry_id: bytes) -> tuple[ThreadEntry, date]:
    """Return what the receipt page of a message shows: the message, and the day by which to expect an answer.

    Raises:
        NotFoundError: this mailbox has no such entry of the source.
    """
    for signed, content in read_sent_words(desk, keys, entry_id):
        if signed.envelope.author is Author.SOURCE and isinstance(content, Content):
            return _show_entry(signed, content), desk.letterhead.expect_by(signed.envelope.day)
    raise NotFoundError


def read_entry(desk: PublicDesk, keys: MailboxKeys, entry_id: bytes) -> ThreadEntry:
    """Return one entry of a mailbox, for a page of its own.

    The other entries are not read, so fields such as `seen_on` have no value.

    Raises:
        NotFoundError: this mailbox has no such entry.
    """
    return _show_entry(*read_sent_words(desk, keys, entry_id)[0])


def find_unanswered(desk: PublicDesk, keys: MailboxKeys, shown: Heads) -> ThreadEntry | None:
    """Return the desk's newest message to which the source wrote no answer yet.

    `shown` has the newest entries that this session was shown. Only these entries are read, so the source has
    seen the message before.
    """
    if not any(head.strand for head in shown):
        return None
    with desk.store.reading(mailbox=keys.address) as reading:
        read = read_heads(reading, keys.address, shown)
    later = (entry.envelope for entry in read if entry.envelope.entry_class is not EntryClass.RECEIPT)
    answered = {head for part in later if part.author is Author.SOURCE for head in part.heads}
    of_desk = [entry for entry in read if entry.envelope.is_words and entry.envelope.author is Author.DESK]
    left = [entry for entry in of_desk if head_of(entry) not in answered]
    if not left:
        return None
    newest = max(left, key=lambda entry: entry.envelope.day)
    try:
        message = _show_entry(newest, open_entry(newest, [keys.identity]))
    except CryptoError:
        return None
    return message if message.text and message.kind in (Kind.MESSAGE, Kind.STEP) else None


def is_mailbox_closed(desk: PublicDesk, keys: MailboxKeys) -> bool:
    """Return True if the desk has closed the mailbox, so that a new message would open the mailbox again.

    Raises:
        NoSuchMailboxError: the mailbox has ended.
    """
    # The mailbox's row in the store is not signed. If it says closed, the whole mailbox is read and verified.
    is_marked = find_mailbox(desk, keys).due is not None
    return is_marked and closed_until(read_mailbox(desk, keys).transcript) is not None


def find_mailbox(desk: PublicDesk, keys: MailboxKeys) -> StoredMailbox:
    """Return a mailbox's row in the store. No signature covers the values of this row.

    Raises:
        NoSuchMailboxError: the mailbox has ended.
    """
    with desk.store.reading(mailbox=keys.address) as reading:
        row = mailboxes.find(reading, keys.address)
    if row is None:
        raise NoSuchMailboxError("the mailbox has ended")
    return row


def _ends_with_reply(mailbox: SourceMailbox) -> bool:
    """Return True if the newest content is from the desk. Deleted content does not count."""
    words = [signed for signed, _ in mailbox.opened if signed.envelope.is_words]
    kept = [each for each in words if mailbox.withheld.get(each.digest) not in _DELETED]
    return bool(kept) and kept[-1].envelope.author is Author.DESK


def _shortened(shown: Sequence[ThreadEntry]) -> tuple[ThreadEntry, ...]:
    """Shorten a conversation that is too long: remove text and files of the source's oldest entries.

    Each shortened entry has a page of its own.
    """
    # Otherwise a source could make the page as large as they want.
    room = _SHOWN_CHARS
    entries: list[ThreadEntry] = []
    for entry in reversed(shown):
        chars = len(entry.text) + _FILE_CHARS * len(entry.files) if entry.is_own else 0
        room -= chars
        is_apart = chars > 0 > room
        entries.append(replace(entry, text="", files=(), is_apart=True) if is_apart else entry)
    return tuple(reversed(entries))


def _days_seen(mailbox: SourceMailbox) -> dict[Digest, date]:
    """Return a dict from the digest of each entry to the day on which the other side first saw the entry.

    The two sides are the source and the desk. Entries that the other side has not seen are left out.
    """
    days = {signed.digest: signed.envelope.day for signed, _ in mailbox.opened}
    own = [signed.digest for signed, _ in mailbox.opened if not signed.envelope.strand]
    desk = [signed.digest for signed, _ in mailbox.opened if signed.envelope.strand]
    knowledge = mailbox.transcript.knowledge
    readers = knowledge.first_known(own, desk) | knowledge.first_known(desk, own)
    return {digest: days[reader] for digest, reader in readers.items()}


def _confirmations(mailbox: SourceMailbox, in_use: Collection[StrandId]) -> Counter[Digest]:
    """Return, for each removed entry, how many workstations in use have confirmed the removal.

    A workstation confirms a removal when it writes a later entry.
    """
    writers: dict[StrandId, list[Digest]] = defaultdict(list)
    for signed, _ in mailbox.opened:
        if signed.envelope.strand in in_use:
            writers[signed.envelope.strand].append(signed.digest)
    removed = mailbox.transcript.removed
    removals = {removal.digest for removal in removed.values()}
    known = (mailbox.transcript.knowledge.first_known(removals, each) for each in writers.values())
    confirmed = Counter(itertools.chain.from_iterable(known))
    return Counter({digest: confirmed[removal.digest] for digest, removal in removed.items()})


def _used_entries(mailbox: SourceMailbox) -> set[Digest]:
    """Return the digests of the entries that the desk knew when it made a proposal or passed something on."""
    begun = (StepName.PASSING_ON, StepName.PASSED_ON)
    return mailbox.transcript.knowledge.known_to(
        signed.digest
        for signed, content in mailbox.opened
        if content is not None
        and (content.proposal is not UNSET or (content.step is not UNSET and content.step.step in begun))
    )


def _expected(by: date, today: date) -> Expected:
    return Expected(by, is_late=by < today)


def _show_entry(signed: SignedEntry, content: Content | Withheld) -> ThreadEntry:
    part = signed.envelope
    is_own = part.author is Author.SOURCE
    withheld = content if isinstance(content, Withheld) else None
    entry = ThreadEntry(part.entry_id.hex(), signed.digest, is_own, part.day, withheld)
    if isinstance(content, Withheld):
        return entry
    verdict = None if content.answer is UNSET else content.answer.verdict
    return replace(entry, kind=content.kind, text=content.text, files=shown_files(content), verdict=verdict)


def _proposal_of(
    signed: SignedEntry, content: Content | None, proposals: Sequence[ShownProposal]
) -> ShownProposal | None:
    about = "" if content is None or content.answer is UNSET else content.answer.proposal.hex()
    return next((each for each in proposals if about == each.digest or each.signed is signed), None)
