"""Consent: the state of each proposal to pass something on (docs/protocol.md, "Consent").

Both apps compute the state from the same verified entries, so the adviser sees the same state as the source.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from msgspec import UNSET

from protocol.content import Content, StepName, StepNote, Verdict, proposal_digest
from protocol.entry import EntryContent, SignedEntry
from protocol.envelope import Author
from protocol.identifiers import SOURCE_STRAND, Address, Digest, EntryId
from protocol.transcript.check import Transcript


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
class CountedAnswer:
    """The source's answer that decides about a proposal."""

    signed: SignedEntry = field(repr=False)
    content: Content
    verdict: Verdict
    day: date


@dataclass(frozen=True, slots=True)
class ProposalState:
    """One proposal with its text, its state, and the source's answer to the proposal.

    `void` has the digests of the steps about this proposal that have no effect. If the file was made all the
    same, `must_destroy` is True: the adviser must destroy the file, or record that it was handed over.
    """

    signed: SignedEntry = field(repr=False)
    content: Content
    digest: Digest
    state: ProposalStatus
    answer: CountedAnswer | None
    is_newest: bool
    void: frozenset[Digest] = frozenset()
    must_destroy: bool = False

    @property
    def entry_id(self) -> EntryId:
        """Return the id of the proposal's entry."""
        return self.signed.envelope.entry_id

    @property
    def day(self) -> date:
        """Return the day on which the proposal was made."""
        return self.signed.envelope.day


def proposal_states(
    address: Address, transcript: Transcript, opened: Sequence[EntryContent]
) -> tuple[ProposalState, ...]:
    """Return the state of each proposal that can be read, oldest first.

    `opened` has the entries of the transcript, each with its content.
    """
    made = _proposals(address, opened)
    return tuple(
        _proposal_state(
            Consent(transcript, opened, digest, signed.digest),
            signed,
            content,
            digest,
            is_newest=signed is made[-1][1],
        )
        for digest, signed, content in made
    )


def void_steps(address: Address, transcript: Transcript, opened: Sequence[EntryContent]) -> frozenset[Digest]:
    """Return the digests of all steps about proposals that have no effect.

    A PASSED_ON step is among them if its file was made although the source had withdrawn in time.
    """
    proposals = {digest: signed.digest for digest, signed, _ in _proposals(address, opened)}
    named = {
        content.step.proposal for _, content in opened if content is not None and content.step is not UNSET
    }
    return frozenset(
        step
        for digest in named
        if digest is not None
        for step in Consent(transcript, opened, digest, proposals.get(digest)).void
    )


class Consent:
    """What the source and the desk said about one proposal, by the proposal's digest.

    `proposal` is the entry of the proposal, or None if no one can read it.

    An agreement holds until the source withdraws it. A withdrawal is an answer against the proposal, or a
    removal of the proposal, of the agreement, or of anything that the source said later. Words of the source
    that do not open may be such an answer, so they count as one. What the writer of the agreement knew is
    settled by the agreement.
    """

    def __init__(
        self, transcript: Transcript, opened: Sequence[EntryContent], digest: Digest, proposal: Digest | None
    ) -> None:
        self._transcript = transcript
        self._knowledge = transcript.knowledge
        self._proposal = proposal
        self._answers = _answers_to(digest, opened)
        self._against = {a.signed.digest for a in self._answers if a.verdict is not Verdict.AGREED}
        readable = {signed.digest for signed, content in opened if content is not None}
        self._closed = {
            key for key, entry in transcript.authentic.items() if entry.envelope.is_words
        } - readable
        steps = _steps_about(digest, opened)
        self._begun = {step: note for step, note in steps if note.step is StepName.PASSING_ON}
        self._made = {step for step, note in steps if note.step is StepName.PASSED_ON}
        self.counts = [step for step, note in self._begun.items() if self._has_effect(step, note)]

    @property
    def is_made(self) -> bool:
        """Return True if the desk made the file."""
        return bool(self._made)

    @property
    def must_destroy(self) -> bool:
        """Return True if the desk made the file although the source had withdrawn in time."""
        is_hidden = any(
            self._transcript.authentic[key].envelope.author is Author.DESK
            for key in self._closed - self._transcript.removed.keys()
        )
        return self.is_made and not self.counts and not is_hidden

    @property
    def void(self) -> frozenset[Digest]:
        """Return the steps that have no effect."""
        return frozenset(self._begun.keys() - self.counts) | (self._made if self.must_destroy else set())

    def status(self) -> ProposalStatus:
        """Return the state of the proposal, if no newer proposal replaces it."""
        if self.is_made:
            return ProposalStatus.PASSED_ON
        if self.counts:
            return ProposalStatus.PASSING_ON
        answer = self.counted_answer()
        if answer is None:
            return ProposalStatus.WAITING
        if answer.verdict is Verdict.AGREED and not any(self._is_in_force(each) for each in self._answers):
            return ProposalStatus.TAKEN_BACK
        return ProposalStatus(answer.verdict)  # every verdict is a state with the same value

    def counted_answer(self) -> CountedAnswer | None:
        """Return the answer that decides about the proposal, or None.

        If passing on has begun, it is the agreement on which the desk relied. Otherwise it is the newest
        answer. Of answers that were written side by side, one against the proposal wins.
        """
        if self.counts:
            relied_on = [
                a for a in self._answers if any(self._allows(a.signed.digest, t) for t in self.counts)
            ]
            return relied_on[-1] if relied_on else None
        digests = [answer.signed.digest for answer in self._answers]
        last = set(self._knowledge.unknown_to_all(digests, digests))
        newest = [answer for answer in self._answers if answer.signed.digest in last]
        against = [answer for answer in newest if answer.signed.digest in self._against]
        return next(iter((against or newest)[::-1]), None)

    def _is_in_force(self, answer: CountedAnswer) -> bool:
        """Return True if an answer is an agreement that nothing withdrew, as far as anyone can know.

        An entry of the source that is missing may be a withdrawal.
        """
        agreement = answer.signed.digest
        missing = [
            digest
            for digest, head in self._knowledge.named.items()
            if head.strand == SOURCE_STRAND and digest not in self._transcript.authentic
        ]
        return (
            agreement not in self._against
            and not self._withdrawals(agreement)
            and not self._knowledge.unknown_to_all(missing, [agreement])
        )

    def _has_effect(self, step: Digest, note: StepNote) -> bool:
        """Return True if a PASSING_ON step has an effect, because the source did not withdraw in time.

        An agreement that was removed or does not open still counts as one: the desk signed that it knew the
        agreement, and the removal is a withdrawal. A step without consent needs no agreement. Only an answer
        that its writer did not know makes it void.
        """
        if note.without_consent:
            crossing = (a for a in self._against if not self._knowledge.knew(step, a))
            return all(self._knowledge.covers(answer, step) for answer in crossing)
        sealed = (key for key in self._closed if self._author(key) is Author.SOURCE)
        agreed = (a.signed.digest for a in self._answers if a.signed.digest not in self._against)
        return any(self._allows(agreement, step) for agreement in (*agreed, *sealed))

    def _allows(self, agreement: Digest, step: Digest) -> bool:
        """Return True if a step relies on an agreement, and all withdrawals of it came too late.

        A withdrawal is too late only if its own heads cover the step. Earlier read receipts do not count.
        """
        return (
            agreement not in self._against
            and self._knowledge.knew(step, agreement)
            and all(self._knowledge.covers(each, step) for each in self._withdrawals(agreement))
        )

    def _withdrawals(self, agreement: Digest) -> list[Digest]:
        later = [
            entry
            for key, entry in self._transcript.authentic.items()
            if entry.envelope.author is Author.SOURCE
            and key != agreement
            and not self._knowledge.knew(agreement, key)
        ]
        named = {agreement, *(entry.digest for entry in later if entry.envelope.is_words)}
        named |= self._closed_desk_words() if self._proposal is None else {self._proposal}
        unreadable = self._closed - self._transcript.removed.keys()
        return [
            entry.digest
            for entry in later
            if entry.digest in self._against
            or entry.digest in unreadable
            or not named.isdisjoint(entry.envelope.removes)
        ]

    def _closed_desk_words(self) -> set[Digest]:
        return {key for key in self._closed if self._author(key) is Author.DESK}

    def _author(self, digest: Digest) -> Author:
        return self._transcript.authentic[digest].envelope.author


def _proposals(address: Address, opened: Sequence[EntryContent]) -> list[tuple[Digest, SignedEntry, Content]]:
    return [
        (proposal_digest(content, address=address, entry_id=signed.envelope.entry_id), signed, content)
        for signed, content in opened
        if content is not None and content.proposal is not UNSET
    ]


def _proposal_state(
    consent: Consent, signed: SignedEntry, content: Content, digest: Digest, *, is_newest: bool
) -> ProposalState:
    state = consent.status()
    if not is_newest and not consent.counts and not consent.is_made:
        state = ProposalStatus.OBSOLETE
    return ProposalState(
        signed,
        content,
        digest,
        state,
        consent.counted_answer(),
        is_newest,
        consent.void,
        consent.must_destroy,
    )


def _answers_to(digest: Digest, opened: Sequence[EntryContent]) -> list[CountedAnswer]:
    return [
        CountedAnswer(signed, content, content.answer.verdict, signed.envelope.day)
        for signed, content in opened
        if content is not None and content.answer is not UNSET and content.answer.proposal == digest
    ]


def _steps_about(digest: Digest, opened: Sequence[EntryContent]) -> list[tuple[Digest, StepNote]]:
    return [
        (signed.digest, content.step)
        for signed, content in opened
        if content is not None and content.step is not UNSET and content.step.proposal == digest
    ]
