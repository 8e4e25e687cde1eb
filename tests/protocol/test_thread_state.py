"""Thread state: steps and proposals, from the verified entries of a mailbox."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import pytest

from protocol import chain
from protocol.content import (
    AnswerNote,
    ClosingNote,
    Content,
    Kind,
    PassOnRecipient,
    ProposalNote,
    StepName,
    StepNote,
    Verdict,
    proposal_digest,
)
from protocol.entry import EntryContent, SignedEntry
from protocol.envelope import Author, Envelope
from protocol.identifiers import NO_DIGEST, Address, Digest, EntryId, StrandId
from protocol.transcript.consent import ProposalState, ProposalStatus
from protocol.transcript.thread_state import ThreadState, thread_state
from protocol.transcript.waiting import non_answers

ADDRESS = Address(bytes(20))
DAY = date(2026, 11, 23)
DESK = StrandId(b"desk-one")


@dataclass
class Talk:
    """A mailbox in memory. Entries are not signed, because `thread_state` checks no signature."""

    opened: list[EntryContent] = field(default_factory=list)
    day: date = DAY

    def adds(self, author: Author, content: Content | None, *, has_seen: int | None = None) -> SignedEntry:
        """Add an entry. `has_seen` is the number of entries that its writer had seen, by default all."""
        strand = DESK if author is Author.DESK else StrandId(b"")
        before = [each for each, _ in self.opened]
        own = [each for each in before if each.envelope.author is author]
        seen = chain.chain_heads(before[:has_seen])
        part = Envelope(
            address=ADDRESS,
            entry_id=EntryId(os.urandom(16)),
            author=author,
            strand=strand,
            number=len(own) + 1,
            previous=own[-1].digest if own else NO_DIGEST,
            seen=chain.seen_by(author, seen),
            day=self.day,
            letterhead_serial=1,
            payload_sha256=bytes(32),
            commit=bytes(32),
            speaks=content is None or content.kind is not Kind.SEEN,
        )
        signed = SignedEntry(part, bytes(64), 1, b"header", b"payload")
        self.opened.append((signed, content))
        self.day += timedelta(days=1)
        return signed

    def source(self, content: Content, **how: int) -> SignedEntry:
        return self.adds(Author.SOURCE, content, **how)

    def desk(self, content: Content, **how: int) -> SignedEntry:
        return self.adds(Author.DESK, content, **how)

    def proposes(self, text: str = "woord voor woord") -> Digest:
        content = Content(kind=Kind.PROPOSAL, text=text, proposal=TO_SG)
        made = self.desk(content)
        return proposal_digest(content, address=ADDRESS, entry_id=made.envelope.entry_id)

    def answers(self, verdict: Verdict, proposal: Digest, **how: int) -> SignedEntry:
        return self.source(
            Content(kind=Kind.ANSWER, text="", answer=AnswerNote(verdict=verdict, proposal=proposal)), **how
        )

    def steps(
        self, step: StepName, proposal: Digest, *, has_seen: int | None = None, **more: object
    ) -> SignedEntry:
        note = StepNote(step=step, to="SG", proposal=proposal, **more)  # type: ignore[arg-type]
        return self.adds(Author.DESK, Content(kind=Kind.STEP, text="", step=note), has_seen=has_seen)

    def says_of(self, proposal: Digest, text: str = "Lees het rustig.") -> SignedEntry:
        note = StepNote(
            step=StepName.PROPOSAL_MADE, next="wij bellen", by=date(2026, 12, 1), proposal=proposal
        )
        return self.desk(Content(kind=Kind.STEP, text=text, step=note))

    def removes(self, removed: SignedEntry) -> None:
        at = next(at for at, (signed, _) in enumerate(self.opened) if signed is removed)
        self.opened[at] = (replace(removed, header=None, removal=b"signed"), None)

    def thread_state(self) -> ThreadState:
        return thread_state(ADDRESS, self.opened)

    def line(self) -> list[StepName]:
        return [step.step for step in self.thread_state().steps]

    def proposal(self) -> ProposalState:
        (found,) = self.thread_state().proposals
        return found


TO_SG = ProposalNote(recipient=PassOnRecipient.SG, name="SG", fingerprint="A" * 40)
WORDS = Content(kind=Kind.MESSAGE, text="woorden")
READ = Content(kind=Kind.SEEN, text="")
CLOSING = Content(kind=Kind.CLOSING, text="Het ga je goed.", closing=ClosingNote(delete_on=date(2027, 3, 1)))


def a_step(step: StepName, text: str = "") -> Content:
    return Content(
        kind=Kind.STEP, text=text, step=StepNote(step=step, next="wij bellen", by=date(2026, 12, 1))
    )


def said(step: StepName, text: str = "", nxt: str = "") -> Content:
    return Content(kind=Kind.STEP, text=text, step=StepNote(step=step, next=nxt))


# ---- steps


def test_an_empty_mailbox_has_no_steps() -> None:
    state = thread_state(ADDRESS, [])

    assert (state.steps, state.proposals, state.current) == ((), (), None)


def test_a_derived_step_occurs_once() -> None:
    talk = Talk()
    for content in (WORDS, WORDS):
        talk.source(content)
    for content in (READ, WORDS):
        talk.desk(content)
    talk.source(WORDS)
    for content in (READ, WORDS):
        talk.desk(content)
    talk.source(READ)

    steps = talk.thread_state().steps

    assert [step.step for step in steps] == ["received", "being_read", "in_conversation"]
    assert [step.day for step in steps] == [DAY, DAY + timedelta(2), DAY + timedelta(3)]
    assert all(step.is_derived for step in steps)


def test_a_written_step_is_shown_as_it_was_written() -> None:
    talk = Talk()
    talk.source(WORDS)
    talk.desk(a_step(StepName.BEING_READ, "Wij lezen je bericht."))
    talk.desk(READ)

    step = talk.thread_state().current

    assert step is not None
    assert (step.step, step.text, step.next) == ("being_read", "Wij lezen je bericht.", "wij bellen")
    assert (step.by, step.is_derived) == (date(2026, 12, 1), False)
    assert talk.line() == ["received", "being_read"]


def test_a_step_may_be_written_again() -> None:
    talk = Talk()
    talk.source(WORDS)
    for _ in range(2):
        talk.desk(a_step(StepName.ADVICE_GIVEN))

    assert talk.line() == ["received", "advice_given", "advice_given"]


def test_a_written_step_replaces_the_same_derived_step() -> None:
    talk = Talk()
    talk.source(WORDS)
    talk.desk(WORDS)
    talk.desk(a_step(StepName.IN_CONVERSATION, "Wij praten verder."))
    talk.desk(a_step(StepName.IN_CONVERSATION, "Nog altijd."))

    assert [step.text for step in talk.thread_state().steps] == ["", "Wij praten verder.", "Nog altijd."]


def test_a_source_cannot_set_a_step() -> None:
    talk = Talk()
    talk.source(a_step(StepName.PASSED_ON))
    talk.source(CLOSING)

    assert talk.line() == ["received"]


def test_an_entry_that_cannot_be_decrypted_was_still_received() -> None:
    talk = Talk()
    talk.removes(talk.source(WORDS))
    talk.adds(Author.DESK, None)

    assert talk.line() == ["received", "in_conversation"]


def test_every_proposal_is_a_step_that_names_its_recipient() -> None:
    talk = Talk()
    talk.source(WORDS)
    talk.proposes("een")
    talk.proposes("twee")

    steps = talk.thread_state().steps

    assert [(step.step, step.to) for step in steps] == [
        ("received", ""), ("proposal_made", "SG"), ("proposal_made", "SG"),
    ]  # fmt: skip


def test_a_proposal_with_the_advisers_words_is_one_step() -> None:
    talk = Talk()
    talk.source(WORDS)
    proposal = talk.proposes("een")
    talk.says_of(proposal)

    made = talk.thread_state().current

    assert talk.line() == ["received", "proposal_made"]
    assert made is not None
    assert (made.to, made.text, made.next, made.by) == (
        "SG", "Lees het rustig.", "wij bellen", date(2026, 12, 1),
    )  # fmt: skip


def test_a_step_about_a_proposal_replaces_its_derived_step_in_any_place() -> None:
    talk = Talk()
    first, second = talk.proposes("een"), talk.proposes("twee")
    talk.says_of(first, "Over het eerste.")
    talk.says_of(second, "Over het tweede.")

    steps = talk.thread_state().steps

    assert [(step.step, step.text) for step in steps] == [
        ("proposal_made", "Over het eerste."), ("proposal_made", "Over het tweede."),
    ]  # fmt: skip


def test_a_step_about_a_deleted_proposal_is_a_step_of_its_own() -> None:
    talk = Talk()
    talk.source(WORDS)
    proposal = talk.proposes()
    talk.removes(talk.opened[-1][0])
    talk.says_of(proposal)

    assert talk.line() == ["received", "in_conversation", "proposal_made"]


@pytest.mark.parametrize("verdict", [None, *Verdict])
def test_a_step_with_a_proposal_does_not_change_the_answer(verdict: Verdict | None) -> None:
    bare = Talk()
    bare_digest = bare.proposes()
    worded = Talk(list(bare.opened), bare.day)
    worded.says_of(bare_digest)
    for talk in (bare, worded):
        if verdict is not None:
            talk.answers(verdict, bare_digest)

    assert bare_digest == worded.proposal().digest
    assert (bare.proposal().state, bare.proposal().is_newest) == (
        worded.proposal().state, worded.proposal().is_newest,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, True),
        (WORDS, True),
        (CLOSING, True),
        (said(StepName.RECEIVED, "Wij hebben je bericht.", "wij lezen"), False),
        (said(StepName.BEING_READ, "Wij lezen je bericht.", "wij antwoorden"), False),
        (said(StepName.IN_CONVERSATION, " ", "\n"), False),
        (said(StepName.ADVICE_GIVEN), False),
        (said(StepName.IN_CONVERSATION, "Wij praten verder."), True),
        (said(StepName.ADVICE_GIVEN, nxt="Jij kiest."), True),
        (said(StepName.PROPOSAL_MADE), True),
    ],
)
def test_a_step_that_only_confirms_is_not_an_answer(content: Content | None, *, expected: bool) -> None:
    assert is_answer(content) is expected


def test_a_closed_mailbox_is_reopened_by_writing() -> None:
    talk = Talk()
    talk.source(WORDS)
    talk.desk(WORDS)
    talk.desk(CLOSING)
    closed = talk.thread_state().current
    talk.source(READ)
    still = talk.line()
    talk.source(WORDS)
    talk.desk(READ)
    talk.desk(WORDS)

    assert closed is not None
    assert (closed.step, closed.text, closed.by) == ("closed", "Het ga je goed.", date(2027, 3, 1))
    assert still == ["received", "in_conversation", "closed"]
    assert talk.line() == [*still, "reopened", "being_read", "in_conversation"]


def test_a_message_that_crossed_the_closing_reopens_the_mailbox() -> None:
    talk = Talk()
    talk.source(WORDS)
    talk.source(WORDS)
    talk.desk(CLOSING, has_seen=1)

    assert talk.line() == ["received", "closed", "reopened"]


def test_a_read_receipt_that_crossed_the_closing_does_not_reopen_the_mailbox() -> None:
    talk = Talk()
    talk.source(WORDS)
    talk.source(READ)
    talk.desk(CLOSING, has_seen=1)

    assert talk.line() == ["received", "closed"]


def test_a_closed_mailbox_stays_closed_while_the_desk_reads() -> None:
    talk = Talk()
    talk.source(WORDS)
    talk.desk(CLOSING)
    talk.desk(READ)

    assert talk.line() == ["received", "closed"]


def test_handing_over_does_not_reopen_a_mailbox_and_a_new_step_does() -> None:
    talk = Talk()
    talk.source(WORDS)
    assert talk.thread_state().closing is None
    talk.desk(CLOSING)
    talk.steps(StepName.PASSED_ON, Digest(b"x" * 32), delivered=DAY)
    closing = talk.thread_state().closing
    assert closing is not None
    assert closing.by == date(2027, 3, 1)

    talk.desk(a_step(StepName.IN_CONVERSATION))
    assert talk.thread_state().closing is None

    talk.desk(CLOSING)
    talk.steps(StepName.PASSED_ON, Digest(b"x" * 32), delivered=DAY)
    talk.source(WORDS)
    assert talk.thread_state().closing is None
    assert talk.line()[-1] == "reopened"


# ---- proposals


def test_a_proposal_waits_for_its_answer() -> None:
    talk = Talk()
    digest = talk.proposes()
    proposal = talk.proposal()

    assert (proposal.state, proposal.digest, proposal.answer) == (ProposalStatus.WAITING, digest, None)
    assert (proposal.day, proposal.is_newest) == (DAY, True)
    assert proposal.entry_id == talk.opened[0][0].envelope.entry_id


@pytest.mark.parametrize("verdict", list(Verdict))
def test_the_newest_answer_counts(verdict: Verdict) -> None:
    talk = Talk()
    digest = talk.proposes()
    for other in Verdict:
        talk.answers(other, digest)
    talk.answers(verdict, digest)

    assert talk.proposal().state == verdict.value


def test_an_answer_with_another_digest_does_not_count() -> None:
    talk = Talk()
    talk.proposes()
    talk.answers(Verdict.AGREED, Digest(b"x" * 32))

    assert talk.proposal().state is ProposalStatus.WAITING


def test_the_desk_cannot_agree_for_the_source() -> None:
    talk = Talk()
    digest = talk.proposes()
    talk.desk(Content(kind=Kind.ANSWER, text="", answer=AnswerNote(verdict=Verdict.AGREED, proposal=digest)))

    assert talk.proposal().state is ProposalStatus.WAITING


def test_a_source_cannot_propose() -> None:
    talk = Talk()
    talk.source(Content(kind=Kind.PROPOSAL, text="x", proposal=TO_SG))

    assert talk.thread_state().proposals == ()


def test_a_newer_proposal_makes_the_older_obsolete_though_it_was_agreed() -> None:
    talk = Talk()
    talk.answers(Verdict.AGREED, talk.proposes("een"))
    talk.proposes("twee")

    assert [each.state for each in talk.thread_state().proposals] == ["obsolete", "waiting"]
    assert [each.is_newest for each in talk.thread_state().proposals] == [False, True]


@pytest.mark.parametrize(
    ("removes", "state"),
    [
        (lambda talk, agreed, _later: talk.removes(agreed), ProposalStatus.WAITING),
        (lambda talk, _agreed, later: talk.removes(later), ProposalStatus.TAKEN_BACK),
    ],
    ids=["the agreement itself", "what came after it"],
)
def test_an_agreement_counts_only_while_nothing_of_it_or_after_it_is_deleted(
    removes: Callable[[Talk, SignedEntry, SignedEntry], None], state: ProposalStatus
) -> None:
    talk = Talk()
    digest = talk.proposes()
    before = talk.source(WORDS)
    agreed = talk.answers(Verdict.AGREED, digest)
    later = talk.source(WORDS)
    talk.removes(before)
    assert talk.proposal().state is ProposalStatus.AGREED

    removes(talk, agreed, later)

    assert talk.proposal().state is state


def test_taking_back_ends_when_passing_on_begins() -> None:
    talk = Talk()
    digest = talk.proposes()
    agreed = talk.answers(Verdict.AGREED, digest)
    talk.steps(StepName.PASSING_ON, digest)
    talk.answers(Verdict.TAKEN_BACK, digest)
    proposal = talk.proposal()

    assert proposal.state is ProposalStatus.PASSING_ON
    assert proposal.answer is not None
    assert proposal.answer.signed is agreed


def test_a_made_file_is_passed_on_and_a_delivered_file_has_its_day() -> None:
    talk = Talk()
    digest = talk.proposes()
    talk.answers(Verdict.AGREED, digest)
    talk.steps(StepName.PASSING_ON, digest)
    talk.steps(StepName.PASSED_ON, digest)
    talk.steps(StepName.PASSED_ON, digest, delivered=date(2026, 12, 3))
    talk.proposes("later")

    assert [each.state for each in talk.thread_state().proposals] == ["passed_on", "waiting"]
    last = talk.thread_state().steps[-2]
    assert (last.step, last.delivered, last.to) == ("passed_on", date(2026, 12, 3), "SG")


# ---- consent on two machines, where entries of both sides can cross

AGAINST = [Verdict.TAKEN_BACK, Verdict.DECLINED, Verdict.CHANGES_ASKED]
IN_BOTH_ORDERS = pytest.mark.parametrize("desk_first", [True, False], ids=["desk first", "source first"])


def crosses(talk: Talk, verdict: Verdict, proposal: Digest, *, desk_first: bool, **more: object) -> None:
    """Let both sides write without having seen the other's entry, in either order of the thread."""
    known = len(talk.opened)
    if desk_first:
        talk.steps(StepName.PASSING_ON, proposal, **more)
        talk.answers(verdict, proposal, has_seen=known)
    else:
        talk.answers(verdict, proposal)
        talk.steps(StepName.PASSING_ON, proposal, has_seen=known, **more)


def an_agreed(talk: Talk) -> Digest:
    digest = talk.proposes()
    talk.answers(Verdict.AGREED, digest)
    return digest


def void_steps(talk: Talk) -> list[bool]:
    return [step.is_void for step in talk.thread_state().steps if step.step is StepName.PASSING_ON]


@IN_BOTH_ORDERS
@pytest.mark.parametrize("verdict", AGAINST)
def test_taking_back_before_seeing_the_passing_on_is_in_time(verdict: Verdict, *, desk_first: bool) -> None:
    talk = Talk()
    crosses(talk, verdict, an_agreed(talk), desk_first=desk_first)
    proposal = talk.proposal()

    assert proposal.state == verdict.value
    assert proposal.answer is not None
    assert proposal.answer.verdict is verdict
    assert void_steps(talk) == [True]
    assert len(proposal.void) == 1


@IN_BOTH_ORDERS
def test_the_promise_of_a_void_step_is_void(*, desk_first: bool) -> None:
    talk = Talk()
    promise = {"next": "wij brengen het", "by": date(2026, 12, 1)}
    crosses(talk, Verdict.TAKEN_BACK, an_agreed(talk), desk_first=desk_first, **promise)
    (step,) = [step for step in talk.thread_state().steps if step.is_void]

    assert (step.next, step.by) == ("", None)


@IN_BOTH_ORDERS
def test_an_agreement_that_crossed_voids_nothing(*, desk_first: bool) -> None:
    talk = Talk()
    crosses(talk, Verdict.AGREED, an_agreed(talk), desk_first=desk_first)

    assert talk.proposal().state is ProposalStatus.PASSING_ON
    assert void_steps(talk) == [False]


@IN_BOTH_ORDERS
def test_an_answer_about_another_proposal_voids_nothing(*, desk_first: bool) -> None:
    talk = Talk()
    older = an_agreed(talk)
    digest = an_agreed(talk)
    known = len(talk.opened)
    if desk_first:
        talk.steps(StepName.PASSING_ON, digest)
        talk.answers(Verdict.TAKEN_BACK, older, has_seen=known)
    else:
        talk.answers(Verdict.TAKEN_BACK, older)
        talk.steps(StepName.PASSING_ON, digest, has_seen=known)

    assert [each.state for each in talk.thread_state().proposals] == ["obsolete", "passing_on"]
    assert void_steps(talk) == [False]


@pytest.mark.parametrize("verdict", AGAINST)
def test_an_answer_that_had_seen_the_step_or_a_later_entry_is_too_late(verdict: Verdict) -> None:
    for later in (0, 1):
        talk = Talk()
        digest = an_agreed(talk)
        talk.steps(StepName.PASSING_ON, digest)
        for _ in range(later):
            talk.desk(WORDS)
        talk.answers(verdict, digest)

        assert talk.proposal().state is ProposalStatus.PASSING_ON
        assert void_steps(talk) == [False]


def test_a_step_of_another_workstation_that_was_seen_does_not_make_it_late() -> None:
    """Numbers count within a strand. Number 9 of one workstation may be older than number 1 of another."""
    talk = Talk()
    digest = an_agreed(talk)
    step = talk.steps(StepName.PASSING_ON, digest)
    other = talk.desk(WORDS)
    on_laptop = replace(
        other, envelope=replace(other.envelope, strand=StrandId(b"desk-two"), number=9, previous=NO_DIGEST)
    )
    talk.opened[-1] = (on_laptop, WORDS)
    back = talk.answers(Verdict.TAKEN_BACK, digest)
    unseen = replace(back, envelope=replace(back.envelope, seen=(on_laptop.digest,)))
    talk.opened[-1] = (unseen, talk.opened[-1][1])

    assert talk.proposal().void == {step.envelope.entry_id}
    assert talk.proposal().state is ProposalStatus.TAKEN_BACK


@IN_BOTH_ORDERS
def test_a_made_file_stays_made_even_if_entries_crossed(*, desk_first: bool) -> None:
    """Both sides see what happened, although the desk broke the rule."""
    talk = Talk()
    digest = an_agreed(talk)
    crosses(talk, Verdict.TAKEN_BACK, digest, desk_first=desk_first)
    talk.steps(StepName.PASSED_ON, digest)

    assert talk.proposal().state is ProposalStatus.PASSED_ON
    assert void_steps(talk) == [False]
    assert talk.proposal().void == frozenset()


@IN_BOTH_ORDERS
def test_after_a_void_step_the_source_can_agree_and_the_desk_begin_again(*, desk_first: bool) -> None:
    talk = Talk()
    digest = an_agreed(talk)
    crosses(talk, Verdict.TAKEN_BACK, digest, desk_first=desk_first)
    talk.answers(Verdict.AGREED, digest)
    agreed = talk.proposal()
    talk.steps(StepName.PASSING_ON, digest)
    begun = talk.proposal()
    talk.answers(Verdict.TAKEN_BACK, digest)
    too_late = talk.proposal()
    talk.steps(StepName.PASSED_ON, digest)

    assert [each.state for each in (agreed, begun, too_late, talk.proposal())] == [
        "agreed",
        "passing_on",
        "passing_on",
        "passed_on",
    ]
    assert void_steps(talk) == [True, False]


def test_agreeing_again_before_the_step_was_seen_needs_another_step() -> None:
    talk = Talk()
    digest = an_agreed(talk)
    known = len(talk.opened)
    talk.answers(Verdict.TAKEN_BACK, digest)
    talk.answers(Verdict.AGREED, digest)
    talk.steps(StepName.PASSING_ON, digest, has_seen=known)

    assert talk.proposal().state is ProposalStatus.AGREED
    assert void_steps(talk) == [True]


def test_a_newer_proposal_makes_one_obsolete_whose_step_was_void() -> None:
    talk = Talk()
    crosses(talk, Verdict.CHANGES_ASKED, an_agreed(talk), desk_first=True)
    talk.proposes("anders")

    assert [each.state for each in talk.thread_state().proposals] == ["obsolete", "waiting"]
    assert void_steps(talk) == [True]


@IN_BOTH_ORDERS
def test_a_refusal_that_crossed_must_be_read_before_passing_on(*, desk_first: bool) -> None:
    """Passing on without agreement stays possible, but not past an unread answer."""
    talk = Talk()
    digest = talk.proposes()
    crosses(talk, Verdict.DECLINED, digest, desk_first=desk_first, without_consent=True)
    assert talk.proposal().state is ProposalStatus.DECLINED
    assert void_steps(talk) == [True]

    talk.steps(StepName.PASSING_ON, digest, without_consent=True)
    assert talk.proposal().state is ProposalStatus.PASSING_ON
    talk.steps(StepName.PASSED_ON, digest)
    assert talk.proposal().state is ProposalStatus.PASSED_ON
    assert void_steps(talk) == [True, False]


# ---- deleted entries, which may have taken the agreement back


@IN_BOTH_ORDERS
def test_a_deleted_entry_that_crossed_may_have_taken_the_agreement_back(*, desk_first: bool) -> None:
    """The source deleted it, or someone damaged its header in the store, which is not signed."""
    talk = Talk()
    crosses(talk, Verdict.TAKEN_BACK, an_agreed(talk), desk_first=desk_first)
    talk.removes(
        next(
            signed
            for signed, content in talk.opened
            if content is not None
            and content.kind is Kind.ANSWER
            and content.answer.verdict is Verdict.TAKEN_BACK  # type: ignore[union-attr]
        )
    )

    assert talk.proposal().state is ProposalStatus.TAKEN_BACK
    assert void_steps(talk) == [True]


def test_deleting_the_agreement_before_the_file_is_made_takes_it_back() -> None:
    """A removal does not show what its writer had seen. It counts as in time, and a made file stays made."""
    talk = Talk()
    digest = talk.proposes()
    agreed = talk.answers(Verdict.AGREED, digest)
    talk.steps(StepName.PASSING_ON, digest)
    assert talk.proposal().state is ProposalStatus.PASSING_ON

    talk.removes(agreed)
    assert talk.proposal().state is ProposalStatus.WAITING
    assert void_steps(talk) == [True]

    talk.steps(StepName.PASSED_ON, digest)
    assert talk.proposal().state is ProposalStatus.PASSED_ON
    assert void_steps(talk) == [False]


def test_deleting_another_entry_takes_nothing_back_after_passing_on_began() -> None:
    talk = Talk()
    before = talk.source(WORDS)
    digest = an_agreed(talk)
    between = talk.source(WORDS)
    talk.steps(StepName.PASSING_ON, digest)
    after = talk.source(WORDS)
    mark = talk.source(READ)
    for each in (before, between, after, mark):
        talk.removes(each)

    assert talk.proposal().state is ProposalStatus.PASSING_ON
    assert void_steps(talk) == [False]


def test_without_an_agreement_a_deleted_entry_takes_nothing_back() -> None:
    talk = Talk()
    before = talk.source(WORDS)
    digest = talk.proposes()
    known = len(talk.opened)
    talk.steps(StepName.PASSING_ON, digest, without_consent=True)
    crossed = talk.source(WORDS, has_seen=known)
    for each in (before, crossed):
        talk.removes(each)

    assert talk.proposal().state is ProposalStatus.PASSING_ON
    assert void_steps(talk) == [False]


def test_a_mark_that_crossed_changes_nothing() -> None:
    talk = Talk()
    digest = an_agreed(talk)
    known = len(talk.opened)
    talk.steps(StepName.PASSING_ON, digest)
    mark = talk.source(READ, has_seen=known)
    talk.removes(mark)

    assert talk.proposal().state is ProposalStatus.PASSING_ON
