"""Where things stand in a mailbox: its line of steps, and what became of each proposal.

Both sides call this with the same verified entries, so that the adviser sees what the source sees. Pure: it
opens nothing and keeps nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from itertools import chain, takewhile
from typing import Final

from msgspec import UNSET

from protocol.content import Content, Kind, StepName, StepNote, Verdict, proposal_digest
from protocol.entry import SignedEntry
from protocol.envelope import Author
from protocol.identifiers import SOURCE_STRAND, Address, Digest, EntryId, StrandId

EntryContent = tuple[SignedEntry, Content | None]  # None: removed, or it does not open


class ProposalStatus(StrEnum):
    """What became of a proposal."""

    WAITING = "waiting"
    AGREED = "agreed"
    DECLINED = "declined"
    CHANGES_ASKED = "changes_asked"
    TAKEN_BACK = "taken_back"
    OBSOLETE = "obsolete"  # a newer proposal came in its place
    PASSING_ON = "passing_on"  # taking back ended here
    PASSED_ON = "passed_on"  # the file was made


@dataclass(frozen=True, slots=True)
class ThreadStep:
    """One step in the line. With `is_derived` it follows from what lies in the mailbox: nobody wrote it.

    `text` is the adviser's sentence (a last word, a reason); `to` the recipient of what is passed on;
    `delivered` the day on which it was handed over. With `is_void` passing on had begun, and came to nothing:
    the source had taken back before they could see it.
    """

    step: StepName
    day: date
    entry_id: EntryId
    text: str = field(default="", repr=False)
    next: str = field(default="", repr=False)
    by: date | None = None
    to: str = field(default="", repr=False)
    proposal: Digest | None = None
    delivered: date | None = None
    without_consent: bool = False
    is_derived: bool = True
    is_void: bool = False


@dataclass(frozen=True, slots=True)
class CountedAnswer:
    """The source's answer that counts."""

    signed: SignedEntry = field(repr=False)
    content: Content
    verdict: Verdict
    day: date


@dataclass(frozen=True, slots=True)
class ProposalState:
    """One proposal, word for word, with what became of it."""

    signed: SignedEntry = field(repr=False)
    content: Content
    digest: Digest
    state: ProposalStatus
    answer: CountedAnswer | None
    is_newest: bool
    void: frozenset[EntryId] = frozenset()  # the steps that began to pass it on, and came to nothing

    @property
    def entry_id(self) -> EntryId:
        """Return the id of the proposal's entry."""
        return self.signed.envelope.entry_id

    @property
    def day(self) -> date:
        """Return the day on which it was made."""
        return self.signed.envelope.day


@dataclass(frozen=True, slots=True)
class ThreadState:
    """Where things stand: every step, oldest first, and every proposal, oldest first."""

    steps: tuple[ThreadStep, ...]
    proposals: tuple[ProposalState, ...]

    @property
    def closing(self) -> ThreadStep | None:
        """Return the closing that counts: nothing was begun since, by either side."""
        return _closing(self.steps)

    @property
    def current(self) -> ThreadStep | None:
        """Return the newest step; None while nothing was written."""
        return self.steps[-1] if self.steps else None


def thread_state(address: Address, opened: Sequence[EntryContent]) -> ThreadState:
    """Say where things stand in a mailbox.

    `opened` holds its verified entries (`chain.check`) in thread order, each with what stands in it.
    """
    proposals = tuple(_proposals(address, opened))
    return ThreadState(tuple(_steps(opened, proposals)), proposals)


def is_answer(content: Content | None) -> bool:
    """Say whether what the desk said is an answer, so that who wrote waits no more.

    A step that says no more than that something came in or is read confirms it, as a mark does; so does one
    without a word of the adviser's own. What was removed, or does not open, counts as an answer.
    """
    if content is None or content.step is UNSET:
        return True
    if content.step.step in {StepName.IN_CONVERSATION, StepName.ADVICE_GIVEN}:
        return bool(content.text.strip() or content.step.next.strip())
    return content.step.step not in {StepName.RECEIVED, StepName.BEING_READ}


def _closing(steps: Sequence[ThreadStep]) -> ThreadStep | None:
    # To say that something was handed over opens nothing again.
    since = next((step for step in reversed(steps) if step.step is not StepName.PASSED_ON), None)
    return since if since is not None and since.step is StepName.CLOSED else None


# ---- the line of steps ------------------------------------------------------------------------------

_RANK: Final = {StepName.RECEIVED: 1, StepName.BEING_READ: 2, StepName.IN_CONVERSATION: 3}


def _steps(opened: Sequence[EntryContent], proposals: Sequence[ProposalState]) -> list[ThreadStep]:
    """Put what the adviser said and what follows from the entries in one line.

    What follows is said once, and never after something further on: a mark of having read says nothing new in
    the middle of a conversation.
    """
    void = frozenset(chain.from_iterable(each.void for each in proposals))
    digests = {each.entry_id: each.digest for each in proposals}
    line: list[ThreadStep] = []
    reached = 0
    for signed, content in opened:
        part = signed.envelope
        step = _said(signed, content)
        if step is None:
            follows = _following(signed, content, is_closed=_closing(line) is not None)
            if follows is None or _RANK.get(follows, reached + 1) <= reached:
                continue
            to = content.proposal.name if content is not None and content.proposal is not UNSET else ""
            proposal = digests.get(part.entry_id)
            line.append(step := ThreadStep(follows, part.day, part.entry_id, to=to, proposal=proposal))
        else:
            if step.entry_id in void:  # what was promised with it came to nothing too
                step = replace(step, is_void=True, next="", by=None)
            _put(line, step)
        if step.step is StepName.CLOSED and (crossing := _crossing(signed, opened)) is not None:
            # The source wrote without having seen the closing: whichever the thread shows first, it is open.
            line.append(step := ThreadStep(StepName.REOPENED, part.day, crossing))
        # Whoever writes again is read again; what is further on than a conversation brings back none of it.
        reached = 1 if step.step is StepName.REOPENED else max(reached, _RANK.get(step.step, len(_RANK)))
    return line


def _put(line: list[ThreadStep], step: ThreadStep) -> None:
    """Put what the adviser said in the place of the same step that would have followed anyway.

    That is the one just before it; of a proposal the one that followed from that very proposal, wherever it
    stands: another workstation may have said something in between.
    """
    for at, before in enumerate(line):
        is_meant = before.proposal == step.proposal if step.proposal else at == len(line) - 1
        if is_meant and before.is_derived and before.step is step.step:
            line[at] = replace(step, to=before.to)
            return
    line.append(step)


def _crossing(closing: SignedEntry, opened: Sequence[EntryContent]) -> EntryId | None:
    """Return an utterance of the source that the thread shows before a closing that had not seen it."""
    seen = _number_in(SOURCE_STRAND, closing.envelope.seen, opened)
    before = (signed.envelope for signed, _ in takewhile(lambda each: each[0] is not closing, opened))
    spoken = (part for part in before if part.author is Author.SOURCE and part.speaks)
    return next((part.entry_id for part in spoken if part.number > seen), None)


def _number_in(strand: StrandId, seen: Sequence[Digest], opened: Sequence[EntryContent]) -> int:
    """Return how far a strand had come when something was written that had seen these digests."""
    return max(
        (
            signed.envelope.number
            for signed, _ in opened
            if signed.envelope.strand == strand and signed.digest in seen
        ),
        default=0,
    )


def _said(signed: SignedEntry, content: Content | None) -> ThreadStep | None:
    """Return the step that the adviser said in this entry."""
    part = signed.envelope
    if content is None or part.author is not Author.DESK:
        return None
    if content.closing is not UNSET:
        return ThreadStep(
            StepName.CLOSED,
            part.day,
            part.entry_id,
            text=content.text,
            by=content.closing.delete_on,
            is_derived=False,
        )
    if content.step is UNSET:
        return None
    note: StepNote = content.step
    return ThreadStep(
        note.step,
        part.day,
        part.entry_id,
        text=content.text,
        next=note.next,
        by=note.by,
        to=note.to,
        proposal=note.proposal,
        delivered=note.delivered,
        without_consent=note.without_consent,
        is_derived=False,
    )


def _following(signed: SignedEntry, content: Content | None, *, is_closed: bool) -> StepName | None:
    """Return the step that follows from an entry in which none is said."""
    part = signed.envelope
    if part.author is Author.SOURCE:
        if not part.speaks:
            return None
        return StepName.REOPENED if is_closed else StepName.RECEIVED
    if not part.speaks:
        return StepName.BEING_READ
    if content is not None and content.kind is Kind.PROPOSAL:
        return StepName.PROPOSAL_MADE
    return StepName.IN_CONVERSATION


# ---- proposals ---------------------------------------------------------------------------------------


_VERDICTS: Final = {
    Verdict.AGREED: ProposalStatus.AGREED,
    Verdict.DECLINED: ProposalStatus.DECLINED,
    Verdict.CHANGES_ASKED: ProposalStatus.CHANGES_ASKED,
    Verdict.TAKEN_BACK: ProposalStatus.TAKEN_BACK,
}
_AGAINST: Final = frozenset({Verdict.DECLINED, Verdict.CHANGES_ASKED, Verdict.TAKEN_BACK})


def _proposals(address: Address, opened: Sequence[EntryContent]) -> list[ProposalState]:
    made = [
        (signed, content)
        for signed, content in opened
        if content is not None and content.kind is Kind.PROPOSAL and signed.envelope.author is Author.DESK
    ]
    return [
        _proposed(address, signed, content, opened, is_newest=signed is made[-1][0])
        for signed, content in made
    ]


def _proposed(
    address: Address,
    signed: SignedEntry,
    content: Content,
    opened: Sequence[EntryContent],
    *,
    is_newest: bool,
) -> ProposalState:
    digest = proposal_digest(content, address=address, entry_id=signed.envelope.entry_id)
    passing = [
        (step, said.step)
        for step, said in opened
        if said is not None
        and step.envelope.author is Author.DESK
        and said.step is not UNSET
        and said.step.proposal == digest
    ]
    begun = [(step, note) for step, note in passing if note.step is StepName.PASSING_ON]
    counts = [(step, note) for step, note in begun if not _is_void(step, note, digest, opened)]
    is_made = any(note.step is StepName.PASSED_ON for _, note in passing)
    if is_made and not counts:
        counts = begun  # it was made all the same: then that is what happened
    before = max((_number_in(SOURCE_STRAND, step.envelope.seen, opened) for step, _ in counts), default=None)
    answer = _answer_to(digest, opened, before=before)
    if is_made:
        state = ProposalStatus.PASSED_ON
    elif counts:
        state = ProposalStatus.PASSING_ON
    elif not is_newest:
        state = ProposalStatus.OBSOLETE
    elif answer is None:
        state = ProposalStatus.WAITING
    else:
        state = _VERDICTS[answer.verdict]
        if state is ProposalStatus.AGREED and _something_is_gone_since(answer.signed, opened):
            # Perhaps it took the agreement back, or proposed something else: what was deleted, or spoiled in
            # the store (the age header is not signed), must not bring an agreement to life again.
            state = ProposalStatus.TAKEN_BACK
    void = frozenset(step.envelope.entry_id for step, note in begun if (step, note) not in counts)
    return ProposalState(signed, content, digest, state, answer, is_newest, void)


def _is_void(step: SignedEntry, note: StepNote, digest: Digest, opened: Sequence[EntryContent]) -> bool:
    """Say whether the source had taken back before they could see that passing on began.

    That happens where the desk begins on a machine of its own. Neither had seen the other: both say so in
    `seen`, which is signed. What was deleted, or does not open, may have been the taking back; and where the
    agreement itself is gone nobody knows since when. A step without agreement needs none: an answer alone,
    which the desk has to read first, makes it void.
    """
    begins = step.envelope
    head = _number_in(SOURCE_STRAND, begins.seen, opened)
    is_agreed = is_something_gone = False
    for signed, content in opened:
        part = signed.envelope
        if part.author is not Author.SOURCE or not part.speaks:
            continue
        verdict = _verdict_on(digest, content)
        is_gone = content is None and not note.without_consent
        if part.number <= head:
            is_agreed |= verdict is Verdict.AGREED
            is_something_gone |= is_gone
        elif (is_gone or verdict in _AGAINST) and (
            _number_in(begins.strand, part.seen, opened) < begins.number
        ):
            return True
    return is_something_gone and not is_agreed


def _verdict_on(digest: Digest, content: Content | None) -> Verdict | None:
    if content is None or content.answer is UNSET or content.answer.proposal != digest:
        return None
    return content.answer.verdict


def _answer_to(digest: Digest, opened: Sequence[EntryContent], *, before: int | None) -> CountedAnswer | None:
    """Return the source's newest answer to a proposal, given before passing on began."""
    answers = [
        CountedAnswer(signed, content, verdict, signed.envelope.day)
        for signed, content in opened
        if content is not None
        and signed.envelope.author is Author.SOURCE
        and (verdict := _verdict_on(digest, content)) is not None
        and (before is None or signed.envelope.number <= before)
    ]
    return max(answers, key=lambda answer: answer.signed.envelope.number, default=None)


def _something_is_gone_since(answer: SignedEntry, opened: Sequence[EntryContent]) -> bool:
    """Say whether words that an answer had not before it, of either side, were deleted or do not open."""
    known = {answer.envelope.strand: answer.envelope.number}
    for signed, _ in opened:
        if signed.digest in answer.envelope.seen:
            known[signed.envelope.strand] = signed.envelope.number
    return any(
        content is None
        and signed.envelope.speaks
        and signed.envelope.number > known.get(signed.envelope.strand, 0)
        for signed, content in opened
    )
