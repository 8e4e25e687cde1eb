"""Consent: the state of each proposal to pass on a text or file (docs/protocol.md, "Consent").

Both apps compute the state from the same verified entries, so the adviser sees the same state as the source.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
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
    """State of a proposal of the desk to pass on a text, such as "agreed" or "passed on"."""

    WAITING = "waiting"
    AGREED = "agreed"
    DECLINED = "declined"
    CHANGES_ASKED = "changes_asked"
    TAKEN_BACK = "taken_back"
    OBSOLETE = "obsolete"  # a newer proposal replaces it, or its workstation was retired
    PASSING_ON = "passing_on"  # in this state and later, the source can no longer take the agreement back
    PASSED_ON = "passed_on"  # the file was made


@dataclass(frozen=True, slots=True)
class CountedAnswer:
    """The one answer of the source that decides about a proposal of the desk."""

    signed: SignedEntry = field(repr=False)
    content: Content
    verdict: Verdict
    day: date


@dataclass(frozen=True, slots=True)
class ProposalState:
    """One proposal of the desk to pass on a text, with its state and the source's answer to the proposal.

    - `void`: digests of the ineffective steps about this proposal
    - `must_destroy`: True if the desk made the file for the recipient without a valid step PASSING_ON. The
      adviser must destroy the file, or record that it was handed over
    - `unfounded`: digests of retired workstations' steps that are ignored, because their writers did not know
      the proposal
    """

    signed: SignedEntry = field(repr=False)
    content: Content
    digest: Digest
    state: ProposalStatus
    answer: CountedAnswer | None
    is_newest: bool
    void: frozenset[Digest] = frozenset()
    must_destroy: bool = False
    unfounded: frozenset[Digest] = frozenset()

    @property
    def entry_id(self) -> EntryId:
        """Return the id of the entry that contains the proposal."""
        return self.signed.envelope.entry_id


def proposal_states(
    address: Address, transcript: Transcript, opened: Sequence[EntryContent]
) -> tuple[ProposalState, ...]:
    """Return the state of each proposal in a mailbox, oldest first.

    `opened` has the entries of the transcript, each with its decrypted content. Unreadable proposals are left
    out. A retired workstation's key may be stolen, so its proposal never counts as the newest.
    """
    made, retired = _proposals(address, opened), transcript.knowledge.retired
    newest = _replacing([signed for _, signed, _ in made], transcript)[-1:]
    facts = _Facts(transcript, opened)
    states = []
    for digest, signed, content in made:
        consent = Consent(facts, digest, signed.digest)
        is_newest = signed in newest and signed.envelope.strand not in retired
        state, answer = consent.status(is_newest=is_newest), consent.counted_answer()
        how = (state, answer, is_newest, consent.void, consent.must_destroy, consent.unfounded)
        states.append(ProposalState(signed, content, digest, *how))
    return tuple(states)


def void_steps(
    transcript: Transcript, opened: Sequence[EntryContent], proposals: Sequence[ProposalState]
) -> frozenset[Digest]:
    """Return the digests of the steps without effect, such as a step that lacks a necessary consent.

    `proposals` has the states of all readable proposals. Steps about unreadable proposals are checked too.
    """
    facts = _Facts(transcript, opened)
    consents = [Consent(facts, key, None) for key in facts.steps.keys() - {it.digest for it in proposals}]
    return frozenset().union(*(each.void for each in proposals), *(each.void for each in consents))


class _Facts:
    """Facts about a mailbox that are the same for all its proposals, computed once.

    - `said`: the source's encrypted entries, and missing entries of the source that another entry names
    - `unreadable`: entries in `said` that were removed, are missing or cannot be decrypted
    - `unopened`: the source's entries that were not removed, but cannot be decrypted
    - `lost_of_desk`: the desk's entries that were not removed, but are missing or cannot be decrypted
    - `doubted`: all entries that retired workstations signed
    - `answers`: maps the digest of a proposal to the answers to this proposal
    - `steps`: maps the digest of a proposal to the steps about this proposal
    """

    def __init__(self, transcript: Transcript, opened: Sequence[EntryContent]) -> None:
        self.knowledge, authentic = transcript.knowledge, transcript.authentic
        readable = {signed.digest for signed, content in opened if content is not None}
        words = {key: entry.envelope.author for key, entry in authentic.items() if entry.envelope.is_words}
        said = {key for key, author in words.items() if author is Author.SOURCE}
        gone = {key: head.strand for key, head in self.knowledge.named.items() if key not in authentic}
        self.missing = {key for key, strand in gone.items() if strand == SOURCE_STRAND}
        self.said, removed = said | self.missing, transcript.removed.keys()
        self.unreadable, self.unreadable_of_desk = self.said - readable, words.keys() - said - readable
        self.unopened, self.removed = said - readable - removed, said & removed
        self.lost_of_desk = (self.unreadable_of_desk | gone.keys()) - self.missing - removed
        self.removals = {
            key: entry.envelope.removes for key, entry in authentic.items() if entry.envelope.removes
        }
        self.doubted = {key for key, it in authentic.items() if it.envelope.strand in self.knowledge.retired}
        self.answers: dict[Digest, list[CountedAnswer]] = defaultdict(list)
        self.steps: dict[Digest, list[tuple[Digest, StepNote]]] = defaultdict(list)
        for signed, content in opened:
            if content is not None and content.answer is not UNSET:
                answer = CountedAnswer(signed, content, content.answer.verdict, signed.envelope.day)
                self.answers[content.answer.proposal].append(answer)
            if content is not None and content.step is not UNSET and content.step.proposal is not None:
                self.steps[content.step.proposal].append((signed.digest, content.step))


class Consent:
    """The source's answers to one proposal, and the steps of the desk that these answers allow.

    `digest` names the proposal. `proposal` is the digest of its entry, or None if no one can read the
    proposal.
    """

    def __init__(self, facts: _Facts, digest: Digest, proposal: Digest | None) -> None:
        self._facts, self._knowledge = facts, facts.knowledge
        self.answers = facts.answers[digest]
        self._agreed = [a.signed.digest for a in self.answers if a.verdict is Verdict.AGREED]
        self._against = [a.signed.digest for a in self.answers if a.verdict is not Verdict.AGREED]
        self._proposal = {proposal} if proposal is not None else facts.unreadable_of_desk
        # An agreement that was removed, is missing or does not open counts for the steps whose writers knew
        # it: the desk signed that it had an agreement, and the removal is a withdrawal.
        allowing = [*self._agreed, *facts.unreadable]
        self._known_at = {step: self._knowledge.known_to([step]) for step, _ in facts.steps[digest]}
        doubted = facts.doubted & self._known_at.keys() if proposal is not None else ()
        self.unfounded = frozenset(step for step in doubted if proposal not in self._known_at[step])
        steps = [each for each in facts.steps[digest] if each[0] not in self.unfounded]
        self._begun = {key: note for key, note in steps if note.step is StepName.PASSING_ON}
        self._made = {key: note for key, note in steps if note.step is StepName.PASSED_ON}
        self.counted = [key for key, note in self._begun.items() if self._has_effect(key, note, allowing)]
        # Lost words are perhaps the valid step, unless they are older than the agreement or the proposal, or
        # have no effect as this step either.
        older = [*self._agreed, *self._proposal - facts.unreadable_of_desk] if self._made else []
        lost = facts.lost_of_desk - self._knowledge.known_to(older)
        perhaps = [(each, made) for made in self._made for each in self._known_at[made] & lost]
        self._known_at |= {key: self._knowledge.known_to([key]) or self._known_at[by] for key, by in perhaps}
        is_begun = self.counted or any(self._has_effect(key, self._made[by], allowing) for key, by in perhaps)
        self.must_destroy = bool(self._made) and not is_begun

    @property
    def void(self) -> frozenset[Digest]:
        """Return the digests of the ineffective steps about this proposal."""
        return frozenset(self._begun.keys() - self.counted).union(self._made if self.must_destroy else ())

    def status(self, *, is_newest: bool) -> ProposalStatus:
        """Return the state of the proposal, such as "agreed" or "passed on"."""
        if self._made or self.counted:
            return ProposalStatus.PASSED_ON if self._made else ProposalStatus.PASSING_ON
        if not is_newest:
            return ProposalStatus.OBSOLETE
        answer = self.counted_answer()
        if answer is None:
            return ProposalStatus.WAITING
        if answer.verdict is Verdict.AGREED and not any(map(self._is_in_force, self._newest(self._agreed))):
            return ProposalStatus.TAKEN_BACK
        return ProposalStatus(answer.verdict)  # every verdict is a state with the same value

    def counted_answer(self) -> CountedAnswer | None:
        """Return the answer of the source that decides about the proposal, or None.

        At first, the newest answer decides. After a valid step to pass on the proposal, the agreement that
        allowed this step decides.
        """
        newest = self._newest([*self._agreed, *self._against])
        chosen = newest & set(self._against) or newest
        if self.counted:
            chosen = set().union(*(self._allowing(step, self._agreed) for step in self.counted))
        return next((answer for answer in reversed(self.answers) if answer.signed.digest in chosen), None)

    def _is_in_force(self, agreement: Digest) -> bool:
        """Return True if the source has certainly not withdrawn an agreement.

        If an entry of the source is missing, the result is False, because this entry is perhaps a withdrawal.
        """
        known = self._knowledge.known_to([agreement])
        return known.issuperset(self._facts.missing) and not self._withdrawals(agreement, known)

    def _has_effect(self, step: Digest, note: StepNote, allowing: Iterable[Digest]) -> bool:
        # Only an answer against the proposal stops this step, unless the source had seen the step.
        if note.without_consent:
            return self._knowledge.all_cover(set(self._against) - self._known_at[step], step)
        return bool(self._allowing(step, allowing))

    def _allowing(self, step: Digest, agreements: Iterable[Digest]) -> set[Digest]:
        """Return those of these agreements of the source that allow a step of the desk.

        Only the newest agreements that the writer of the step knew can allow the step.
        """
        known = self._known_at[step].intersection(agreements)
        return {agreement for agreement in self._newest(known) if self._allows(agreement, step)}

    def _allows(self, agreement: Digest, step: Digest) -> bool:
        """Return True if an agreement of the source allows a step of the desk to pass on the proposal.

        A withdrawal stops the step, unless the withdrawal proves that the source had seen the step.
        """
        known = self._knowledge.known_to([agreement])
        crossed = self._facts.removed - known - self._known_at[step]
        return self._knowledge.all_cover(crossed | self._withdrawals(agreement, known), step)

    def _withdrawals(self, agreement: Digest, known: set[Digest]) -> set[Digest]:
        facts = self._facts
        named = self._proposal | facts.said - known
        removals = [key for key, removes in facts.removals.items() if not named.isdisjoint(removes)]
        return facts.unopened.union(self._against, removals) - known - {agreement}

    def _newest(self, keys: Collection[Digest]) -> set[Digest]:
        """Return the newest of these entries of the source.

        An entry is left out if the source knew it when they wrote another of these entries.
        """
        return set(keys) - self._knowledge.known_to(keys)


def _replacing(proposals: Sequence[SignedEntry], transcript: Transcript) -> list[SignedEntry]:
    """Return the proposals that make all earlier proposals obsolete.

    A retired workstation's proposal is one of them only if the source or a workstation in use knew the
    proposal by the retired workstation's last day. Someone who stole the key may have made a later proposal.
    """
    # Otherwise the source's agreement to an earlier proposal would count again when the desk retires the
    # workstation that replaced this proposal.
    knowledge, retired, last = transcript.knowledge, transcript.knowledge.retired, date.max
    days = {it.digest: it.envelope.day for it in knowledge.order if it.envelope.strand not in retired}
    first = knowledge.first_known([it.digest for it in proposals], sorted(days, key=days.__getitem__))
    known = {digest: days[writer] for digest, writer in first.items()}
    return [it for it in proposals if known.get(it.digest, last) <= retired.get(it.envelope.strand, last)]


def _proposals(address: Address, opened: Sequence[EntryContent]) -> list[tuple[Digest, SignedEntry, Content]]:
    return [
        (proposal_digest(content, address=address, entry_id=signed.envelope.entry_id), signed, content)
        for signed, content in opened
        if content is not None and content.proposal is not UNSET
    ]
