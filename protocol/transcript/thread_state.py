"""Thread state: the steps of the desk in a mailbox, with the state of each proposal.

See docs/protocol.md, "Steps". Both apps compute the state from the same verified entries, so the adviser sees
the same state as the source.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from msgspec import UNSET

from protocol.content import Content, Kind, StepName, StepNote
from protocol.entry import EntryContent, SignedEntry
from protocol.envelope import Author, EntryClass
from protocol.identifiers import Address, Digest, EntryId
from protocol.transcript.check import Transcript
from protocol.transcript.closing import closed_until
from protocol.transcript.proposal_states import ProposalState, proposal_states, void_steps


@dataclass(frozen=True, slots=True)
class ThreadStep:
    """One step in a mailbox: what the desk has done, on which day, and what happens next.

    - `text`: the adviser's text, such as the last message before closing
    - `next`, `by`: what will happen next, and the working day on which to expect it. In the step CLOSED, `by`
      is the day from which the mailbox may be deleted
    - `to`, `delivered`: the recipient of a proposal, and the day on which the recipient got the file
    - `is_derived`: True if the step follows from the entries. No adviser wrote such a step
    - `is_void`: True if the step has no effect. If the step is PASSED_ON, the desk must destroy the file that
      it made for the recipient
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
class ThreadState:
    """State of a mailbox: every step that the desk has taken, and every proposal, oldest first.

    `closing` is the step that closed the mailbox, or None if the mailbox is open.
    """

    steps: tuple[ThreadStep, ...]
    proposals: tuple[ProposalState, ...]
    closing: ThreadStep | None = None

    @property
    def current(self) -> ThreadStep | None:
        """Return the newest step of the desk, such as "received", or None if the desk took no step."""
        return self.steps[-1] if self.steps else None


def thread_state(address: Address, transcript: Transcript, opened: Sequence[EntryContent]) -> ThreadState:
    """Compute the steps of the desk in a mailbox, and the state of each proposal.

    `opened` has the entries in thread order, each with its content, or with None if its content cannot be
    read.
    """
    proposals = proposal_states(address, transcript, opened)
    void = void_steps(transcript, opened, proposals)
    steps = _steps(transcript, opened, proposals, void)
    until = closed_until(transcript)
    closing = next((step for step in reversed(steps) if step.step is StepName.CLOSED), None)
    is_closed = closing is not None and until is not None
    return ThreadState(tuple(steps), proposals, replace(closing, by=until) if closing and is_closed else None)


_RANK: Final = {StepName.RECEIVED: 1, StepName.BEING_READ: 2, StepName.IN_CONVERSATION: 3}


def _steps(
    transcript: Transcript,
    opened: Sequence[EntryContent],
    proposals: Sequence[ProposalState],
    void: Collection[Digest],
) -> list[ThreadStep]:
    steps: list[ThreadStep] = []
    made = {each.signed.digest: each.digest for each in proposals}
    unfounded = frozenset[Digest]().union(*(each.unfounded for each in proposals))
    words = [signed.digest for signed, _ in opened if signed.envelope.is_words]
    known_by = transcript.knowledge.first_known(words, words)
    last: list[SignedEntry] = []  # the words so far that the writer of no other words knew
    reached = 0
    is_closed = False
    for signed, content in opened:
        step = _written_step(signed, content, is_void=signed.digest in void)
        if step is not None and signed.digest in unfounded:
            step = None
        elif step is not None:
            _add_written_step(steps, step)
        else:
            step = _derived_step(signed, content, made, is_closed=is_closed)
            if step is not None and _RANK.get(step.step, reached + 1) > reached:
                steps.append(step)
        if signed.envelope.is_words:
            last = [each for each in last if known_by.get(each.digest) != signed.digest]
            last.append(signed)
            crossing = [each for each in last if each.envelope.due is None]
            is_closed = not crossing
            if crossing and step is not None and step.step is StepName.CLOSED:
                # Someone wrote these words without knowing the closing, and the writer of the closing did not
                # know them. The mailbox is open, even if the thread shows the closing last.
                part = crossing[0].envelope
                steps.append(step := ThreadStep(StepName.REOPENED, signed.envelope.day, part.entry_id))
        if step is not None:  # after a reopening, an early step can occur again
            is_reopened = step.step is StepName.REOPENED
            reached = 1 if is_reopened else max(reached, _RANK.get(step.step, len(_RANK)))
    return steps


def _add_written_step(steps: list[ThreadStep], step: ThreadStep) -> None:
    for at, before in enumerate(steps):
        # Another workstation can have written steps between a proposal's derived step and this one.
        is_same = before.proposal == step.proposal if step.proposal else at == len(steps) - 1
        if is_same and before.is_derived and before.step is step.step:
            steps[at] = replace(step, to=before.to)
            return
    steps.append(step)


def _written_step(signed: SignedEntry, content: Content | None, *, is_void: bool) -> ThreadStep | None:
    part = signed.envelope
    if content is None:
        return None
    if content.kind is Kind.CLOSING:
        closed = (StepName.CLOSED, part.day, part.entry_id, content.text)
        return ThreadStep(*closed, by=part.due, is_derived=False)
    if content.step is UNSET:
        return None
    note: StepNote = content.step
    following, by = ("", None) if is_void and note.step is StepName.PASSING_ON else (note.next, note.by)
    how = (content.text, following, by, note.to, note.proposal, note.delivered, note.without_consent)
    return ThreadStep(note.step, part.day, part.entry_id, *how, is_derived=False, is_void=is_void)


def _derived_step(
    signed: SignedEntry, content: Content | None, proposals: Mapping[Digest, Digest], *, is_closed: bool
) -> ThreadStep | None:
    """Return the step that follows from an entry without a written step, such as "received", or None."""
    part = signed.envelope
    name = _derived_name(signed, content, is_closed=is_closed)
    if name is None:
        return None
    to = content.proposal.name if content is not None and content.proposal is not UNSET else ""
    return ThreadStep(
        name, part.day, part.entry_id, by=part.due, to=to, proposal=proposals.get(signed.digest)
    )


def _derived_name(signed: SignedEntry, content: Content | None, *, is_closed: bool) -> StepName | None:
    part = signed.envelope
    if part.entry_class is EntryClass.RECEIPT and part.author is Author.DESK:
        return StepName.BEING_READ
    if not part.is_words:
        return None
    if part.due is not None:  # a closing that was removed, or that does not open
        return StepName.CLOSED
    if is_closed:
        return StepName.REOPENED
    if part.author is Author.SOURCE:
        return StepName.RECEIVED
    is_proposal = content is not None and content.kind is Kind.PROPOSAL
    return StepName.PROPOSAL_MADE if is_proposal else StepName.IN_CONVERSATION
