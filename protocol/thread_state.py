"""Thread state: the steps of a mailbox and the state of each proposal.

See docs/protocol.md, "Steps" and "Consent". Both apps compute the state from the same verified entries, so
the adviser sees the same state as the source.
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

EntryContent = tuple[SignedEntry, Content | None]  # None: the entry was removed, or cannot be decrypted


class ProposalStatus(StrEnum):
    """State of a proposal."""

    WAITING = "waiting"
    AGREED = "agreed"
    DECLINED = "declined"
    CHANGES_ASKED = "changes_asked"
    TAKEN_BACK = "taken_back"
    OBSOLETE = "obsolete"  # a newer proposal replaces it
    PASSING_ON = "passing_on"  # in this state and later, the source can no longer take the agreement back
    PASSED_ON = "passed_on"  # the file was made


@dataclass(frozen=True, slots=True)
class ThreadStep:
    """One step of a mailbox.

    - `text`: the adviser's sentence, such as a last message or a reason
    - `next`, `by`: the next thing that will happen, and the working day on which to expect it
    - `to`, `delivered`: the recipient, and the day on which the file was handed over
    - `is_derived`: no one wrote this step; it follows from the entries
    - `is_void`: the desk had begun to pass the text and files on, but the step has no effect. The source had
    taken the agreement back before they could see this step
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
    """The newest valid answer of the source to a proposal."""

    signed: SignedEntry = field(repr=False)
    content: Content
    verdict: Verdict
    day: date


@dataclass(frozen=True, slots=True)
class ProposalState:
    """One proposal with its text, its state, and the source's answer to the proposal."""

    signed: SignedEntry = field(repr=False)
    content: Content
    digest: Digest
    state: ProposalStatus
    answer: CountedAnswer | None
    is_newest: bool
    void: frozenset[EntryId] = frozenset()  # entry ids of the PASSING_ON steps that are void

    @property
    def entry_id(self) -> EntryId:
        """Return the id of the proposal's entry."""
        return self.signed.envelope.entry_id

    @property
    def day(self) -> date:
        """Return the day on which the proposal was made."""
        return self.signed.envelope.day


@dataclass(frozen=True, slots=True)
class ThreadState:
    """State of a mailbox: every step and every proposal, oldest first."""

    steps: tuple[ThreadStep, ...]
    proposals: tuple[ProposalState, ...]

    @property
    def closing(self) -> ThreadStep | None:
        """Return the closing of the mailbox, or None if the mailbox is open.

        Any step after the closing opens the mailbox again, except PASSED_ON.
        """
        return _closing(self.steps)

    @property
    def current(self) -> ThreadStep | None:
        """Return the newest step, or None if the mailbox is empty."""
        return self.steps[-1] if self.steps else None


def thread_state(address: Address, opened: Sequence[EntryContent]) -> ThreadState:
    """Compute the steps and proposals of a mailbox.

    `opened` has the mailbox's verified entries (`check_chain`) in thread order, each with its content.
    """
    proposals = tuple(_proposals(address, opened))
    return ThreadState(tuple(_steps(opened, proposals)), proposals)


def is_answer(content: Content | None) -> bool:
    """Return True if an entry of the desk answers the source, so that the source no longer waits.

    The steps RECEIVED and BEING_READ are not answers: these steps only confirm that the message arrived or is
    being read. IN_CONVERSATION and ADVICE_GIVEN are answers only if the adviser wrote a text. An entry that
    was removed or cannot be decrypted counts as an answer.
    """
    if content is None or content.step is UNSET:
        return True
    if content.step.step in {StepName.IN_CONVERSATION, StepName.ADVICE_GIVEN}:
        return bool(content.text.strip() or content.step.next.strip())
    return content.step.step not in {StepName.RECEIVED, StepName.BEING_READ}


def _closing(steps: Sequence[ThreadStep]) -> ThreadStep | None:
    # A PASSED_ON step after the closing does not reopen the mailbox.
    newest = next((step for step in reversed(steps) if step.step is not StepName.PASSED_ON), None)
    return newest if newest is not None and newest.step is StepName.CLOSED else None


# ---- steps ------------------------------------------------------------------------------

_RANK: Final = {StepName.RECEIVED: 1, StepName.BEING_READ: 2, StepName.IN_CONVERSATION: 3}


def _steps(opened: Sequence[EntryContent], proposals: Sequence[ProposalState]) -> list[ThreadStep]:
    """Return all steps of a mailbox: those that the adviser wrote, and those that follow from the entries.

    A derived step occurs once, and never after a step of a later stage. A mark (read receipt) in the middle
    of a conversation adds no step.
    """
    void = frozenset(chain.from_iterable(each.void for each in proposals))
    digests = {each.entry_id: each.digest for each in proposals}
    steps: list[ThreadStep] = []
    reached = 0
    for signed, content in opened:
        part = signed.envelope
        step = _written_step(signed, content)
        if step is None:
            name = _derived_step(signed, content, is_closed=_closing(steps) is not None)
            if name is None or _RANK.get(name, reached + 1) <= reached:
                continue
            to = content.proposal.name if content is not None and content.proposal is not UNSET else ""
            proposal = digests.get(part.entry_id)
            steps.append(step := ThreadStep(name, part.day, part.entry_id, to=to, proposal=proposal))
        else:
            if step.entry_id in void:  # what this step promised is void too
                step = replace(step, is_void=True, next="", by=None)
            _add_written_step(steps, step)
        if step.step is StepName.CLOSED and (crossing := _crossing(signed, opened)) is not None:
            # The source wrote before they saw the closing. The mailbox is open, even if the thread shows the
            # closing last.
            steps.append(step := ThreadStep(StepName.REOPENED, part.day, crossing))
        # After a reopening, the entry is read again. After a later stage than a conversation, no early step
        # returns.
        reached = 1 if step.step is StepName.REOPENED else max(reached, _RANK.get(step.step, len(_RANK)))
    return steps


def _add_written_step(steps: list[ThreadStep], step: ThreadStep) -> None:
    """Add a step that the adviser wrote, or replace the derived step of the same name.

    A step about a proposal replaces the derived step about the same proposal, even if newer steps follow,
    because another workstation may have written in between. Any other step can only replace the newest step.
    """
    for at, before in enumerate(steps):
        is_same = before.proposal == step.proposal if step.proposal else at == len(steps) - 1
        if is_same and before.is_derived and before.step is step.step:
            steps[at] = replace(step, to=before.to)
            return
    steps.append(step)


def _crossing(closing: SignedEntry, opened: Sequence[EntryContent]) -> EntryId | None:
    """Return the id of a source's message that the writer of a closing had not seen when they closed.

    The thread shows this message before the closing. The result is None if there is no such message.
    """
    seen = _number_in(SOURCE_STRAND, closing.envelope.seen, opened)
    before = (signed.envelope for signed, _ in takewhile(lambda each: each[0] is not closing, opened))
    spoken = (part for part in before if part.author is Author.SOURCE and part.speaks)
    return next((part.entry_id for part in spoken if part.number > seen), None)


def _number_in(strand: StrandId, seen: Sequence[Digest], opened: Sequence[EntryContent]) -> int:
    """Return the largest number of an entry in a strand, among the entries with these digests.

    The result is 0 if none of these entries is in the strand.
    """
    return max(
        (
            signed.envelope.number
            for signed, _ in opened
            if signed.envelope.strand == strand and signed.digest in seen
        ),
        default=0,
    )


def _written_step(signed: SignedEntry, content: Content | None) -> ThreadStep | None:
    """Return the step that the adviser wrote in this entry, or None if the entry has no written step."""
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


def _derived_step(signed: SignedEntry, content: Content | None, *, is_closed: bool) -> StepName | None:
    """Return the name of the step that follows from an entry in which the adviser wrote no step.

    The result is None if no step follows from the entry.
    """
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


_AGAINST: Final = frozenset({Verdict.DECLINED, Verdict.CHANGES_ASKED, Verdict.TAKEN_BACK})


def _proposals(address: Address, opened: Sequence[EntryContent]) -> list[ProposalState]:
    made = [
        (signed, content)
        for signed, content in opened
        if content is not None and content.kind is Kind.PROPOSAL and signed.envelope.author is Author.DESK
    ]
    return [
        _proposal_state(address, signed, content, opened, is_newest=signed is made[-1][0])
        for signed, content in made
    ]


def _proposal_state(
    address: Address,
    signed: SignedEntry,
    content: Content,
    opened: Sequence[EntryContent],
    *,
    is_newest: bool,
) -> ProposalState:
    digest = proposal_digest(content, address=address, entry_id=signed.envelope.entry_id)
    passing = [
        (step, content.step)
        for step, content in opened
        if content is not None
        and step.envelope.author is Author.DESK
        and content.step is not UNSET
        and content.step.proposal == digest
    ]
    begun = [(step, note) for step, note in passing if note.step is StepName.PASSING_ON]
    counts = [(step, note) for step, note in begun if not _is_void(step, note, digest, opened)]
    is_made = any(note.step is StepName.PASSED_ON for _, note in passing)
    if is_made and not counts:
        counts = begun  # the file was made although the steps were void, so passing on did happen
    before = max((_number_in(SOURCE_STRAND, step.envelope.seen, opened) for step, _ in counts), default=None)
    answer = _answer_to(digest, opened, before=before)
    if is_made:
        state = ProposalStatus.PASSED_ON
    elif counts:
        state = ProposalStatus.PASSING_ON
    else:
        state = _status(answer, opened) if is_newest else ProposalStatus.OBSOLETE
    void = frozenset(step.envelope.entry_id for step, note in begun if (step, note) not in counts)
    return ProposalState(signed, content, digest, state, answer, is_newest, void)


def _status(answer: CountedAnswer | None, opened: Sequence[EntryContent]) -> ProposalStatus:
    """Return the state of the newest proposal, if the desk has not begun to pass the proposal on."""
    if answer is None:
        return ProposalStatus.WAITING
    # A lost entry may have taken the agreement back, or proposed something else. Someone who deletes or
    # damages an entry in the store (the age header is not signed) must not be able to renew an agreement.
    if answer.verdict is Verdict.AGREED and _is_something_lost_since(answer.signed, opened):
        return ProposalStatus.TAKEN_BACK
    return ProposalStatus(answer.verdict)  # every verdict is a state with the same value


def _is_void(step: SignedEntry, note: StepNote, digest: Digest, opened: Sequence[EntryContent]) -> bool:
    """Return True if the source had taken the agreement back before they could see the desk's step.

    This happens if the desk works on another machine than the server. Then neither side had seen the entry of
    the other side, and the signed `seen` of both entries shows this. An entry that was deleted or cannot be
    decrypted may have taken the agreement back. If the agreement itself is lost, no one knows when it was
    withdrawn. A step `without_consent` needs no agreement: only a readable answer, which the desk must read
    first, makes such a step void.
    """
    begins = step.envelope
    head = _number_in(SOURCE_STRAND, begins.seen, opened)
    is_agreed = is_something_lost = False
    for signed, content in opened:
        part = signed.envelope
        if part.author is not Author.SOURCE or not part.speaks:
            continue
        verdict = _verdict_on(digest, content)
        is_lost = content is None and not note.without_consent
        if part.number <= head:
            is_agreed |= verdict is Verdict.AGREED
            is_something_lost |= is_lost
        elif (is_lost or verdict in _AGAINST) and (
            _number_in(begins.strand, part.seen, opened) < begins.number
        ):
            return True
    return is_something_lost and not is_agreed


def _verdict_on(digest: Digest, content: Content | None) -> Verdict | None:
    if content is None or content.answer is UNSET or content.answer.proposal != digest:
        return None
    return content.answer.verdict


def _answer_to(digest: Digest, opened: Sequence[EntryContent], *, before: int | None) -> CountedAnswer | None:
    """Return the source's newest answer to a proposal, or None.

    `before` is the number of the newest entry of the source that the desk had seen when passing on began.
    Later answers do not count. `before` is None if passing on has not begun.
    """
    answers = [
        CountedAnswer(signed, content, verdict, signed.envelope.day)
        for signed, content in opened
        if content is not None
        and signed.envelope.author is Author.SOURCE
        and (verdict := _verdict_on(digest, content)) is not None
        and (before is None or signed.envelope.number <= before)
    ]
    return max(answers, key=lambda answer: answer.signed.envelope.number, default=None)


def _is_something_lost_since(answer: SignedEntry, opened: Sequence[EntryContent]) -> bool:
    """Return True if a message was lost that the writer of the answer had not seen.

    A message is lost if it was deleted or cannot be decrypted.
    """
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
