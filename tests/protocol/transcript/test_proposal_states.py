"""Consent: a withdrawal in time stops the passing on, and only the source can renew an agreement."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from protocol.content import StepName, StepNote, Verdict
from protocol.entry import SignedEntry
from protocol.envelope import EntryClass, Envelope
from protocol.heads import Head
from protocol.identifiers import SOURCE_STRAND, Digest
from protocol.transcript.check import FaultKind, head_of
from protocol.transcript.knowledge import Knowledge
from protocol.transcript.proposal_states import ProposalStatus
from protocol.transcript.thread_state import thread_state
from tests.protocol.mailbox_factories import DAY, LAPTOP, MESSAGE, WORKSTATION, Talk, kinds

AGREED = Verdict.AGREED
AGAINST = [Verdict.TAKEN_BACK, Verdict.DECLINED, Verdict.CHANGES_ASKED]
IN_BOTH_ORDERS = pytest.mark.parametrize("desk_first", [True, False], ids=["desk first", "source first"])
AFTER_THE_LAST_DAY = DAY + timedelta(days=31)
PASSING_ON, PASSED_ON = StepName.PASSING_ON, StepName.PASSED_ON


@pytest.fixture
def talk() -> Talk:
    return Talk()


def an_agreed(talk: Talk) -> Digest:
    digest = talk.propose()
    talk.answer(AGREED, digest)
    return digest


def begin(talk: Talk, proposal: Digest, *, is_without: bool = False, **how: object) -> SignedEntry:
    note = StepNote(
        step=PASSING_ON,
        to="SG",
        proposal=proposal,
        next="wij brengen het",
        by=DAY,
        without_consent=is_without,
    )
    return talk.step(PASSING_ON, text="De wet eist het.", note=note, **how)  # type: ignore[arg-type]


def cross(
    talk: Talk, verdict: Verdict, proposal: Digest, *, desk_first: bool, is_without: bool = False
) -> tuple[SignedEntry, SignedEntry]:
    """Let both sides write at the same time, without knowing the other's entry, in either order of the
    thread.
    """
    if desk_first:
        step = begin(talk, proposal, is_without=is_without)
        return step, talk.answer(verdict, proposal, hidden=[step], day=DAY + timedelta(days=1))
    answer = talk.answer(verdict, proposal)
    step = begin(talk, proposal, is_without=is_without, hidden=[answer], day=DAY + timedelta(days=1))
    return step, answer


def void(talk: Talk) -> list[bool]:
    return [step.is_void for step in talk.state().steps if step.step is PASSING_ON]


# ---- the state of a proposal before passing on begins


def test_a_proposal_waits_for_its_answer(talk: Talk) -> None:
    digest = talk.propose()
    proposal = talk.proposal()
    assert (proposal.state, proposal.digest, proposal.answer) == (ProposalStatus.WAITING, digest, None)
    assert (proposal.signed.envelope.day, proposal.is_newest, proposal.must_destroy) == (DAY, True, False)
    assert proposal.entry_id == talk.entries[0].envelope.entry_id


@pytest.mark.parametrize("verdict", list(Verdict))
def test_the_newest_answer_counts(talk: Talk, verdict: Verdict) -> None:
    digest = talk.propose()
    for other in Verdict:
        talk.answer(other, digest)
    newest = talk.answer(verdict, digest)
    proposal = talk.proposal()
    assert proposal.state == verdict.value
    assert proposal.answer is not None
    assert (proposal.answer.signed.digest, proposal.answer.day) == (newest.digest, DAY)


def test_an_answer_with_another_digest_does_not_count(talk: Talk) -> None:
    talk.propose()
    talk.answer(AGREED, Digest(b"x" * 32))
    assert talk.proposal().state is ProposalStatus.WAITING


def test_a_newer_proposal_makes_the_older_obsolete_though_it_was_agreed(talk: Talk) -> None:
    an_agreed(talk)
    talk.propose("twee")
    assert [each.state for each in talk.state().proposals] == ["obsolete", "waiting"]
    assert [each.is_newest for each in talk.state().proposals] == [False, True]


@pytest.mark.parametrize("verdict", AGAINST)
@pytest.mark.parametrize("is_agreed_last", [True, False])
def test_of_answers_side_by_side_one_against_wins(
    talk: Talk, verdict: Verdict, *, is_agreed_last: bool
) -> None:
    """Attack: the operator hides the source's answer while a page is made, so both answers have one
    number.
    """
    digest = talk.propose()
    first, second = (verdict, AGREED) if is_agreed_last else (AGREED, verdict)
    hidden = talk.answer(first, digest)
    talk.answer(second, digest, hidden=[hidden], day=DAY + timedelta(days=1))
    assert talk.proposal().state == verdict.value
    talk.answer(AGREED, digest)
    assert talk.proposal().state is ProposalStatus.AGREED


def test_two_agreements_side_by_side_are_an_agreement(talk: Talk) -> None:
    digest = talk.propose()
    hidden = talk.answer(AGREED, digest)
    talk.answer(AGREED, digest, hidden=[hidden])
    assert talk.proposal().state is ProposalStatus.AGREED


# ---- removals, and entries that no one can read


def test_removing_something_from_before_the_agreement_withdraws_nothing(talk: Talk) -> None:
    before = talk.write(talk.source)
    an_agreed(talk)
    advice = talk.write(WORKSTATION)
    talk.remove(before, advice)
    assert talk.proposal().state is ProposalStatus.AGREED


def test_removing_the_agreement_withdraws_it(talk: Talk) -> None:
    an_agreed(talk)
    talk.remove(talk.entries[1])
    assert (talk.proposal().state, talk.proposal().answer) == (ProposalStatus.WAITING, None)


def test_removing_anything_said_after_the_agreement_withdraws_it(talk: Talk) -> None:
    digest = an_agreed(talk)
    talk.remove(talk.write(talk.source))
    assert talk.proposal().state is ProposalStatus.TAKEN_BACK
    talk.answer(AGREED, digest)
    assert talk.proposal().state is ProposalStatus.AGREED


def test_removing_what_was_said_beside_the_agreement_withdraws_it(talk: Talk) -> None:
    an_agreed(talk)
    beside = talk.write(talk.source, hidden=[talk.entries[1]])
    assert talk.proposal().state is ProposalStatus.AGREED
    talk.remove(beside)
    assert talk.proposal().state is ProposalStatus.TAKEN_BACK


def test_removing_an_answer_against_the_proposal_does_not_renew_the_agreement(talk: Talk) -> None:
    digest = an_agreed(talk)
    talk.remove(talk.answer(Verdict.TAKEN_BACK, digest))
    assert talk.proposal().state is ProposalStatus.TAKEN_BACK


def test_removing_the_proposal_leaves_nothing_to_pass_on(talk: Talk) -> None:
    an_agreed(talk)
    talk.remove(talk.entries[0])
    assert talk.state().proposals == ()


def test_a_withdrawal_that_does_not_open_does_not_renew_the_agreement(talk: Talk) -> None:
    """Attack: the operator changes a byte of the withdrawal's header, which is not signed, or destroys the
    header.
    """
    digest = an_agreed(talk)
    back = talk.answer(Verdict.TAKEN_BACK, digest)
    assert talk.proposal(unreadable=[back]).state is ProposalStatus.TAKEN_BACK


def test_a_withdrawal_whose_payload_was_changed_does_not_renew_the_agreement(talk: Talk) -> None:
    digest = an_agreed(talk)
    back = talk.answer(Verdict.TAKEN_BACK, digest)
    spoiled = SignedEntry(back.envelope, back.signature, 1, b"header", b"changed")
    transcript = talk.check([*talk.entries[:-1], spoiled])
    assert transcript.rejected == (spoiled,)
    assert talk.proposal(transcript=transcript).state is ProposalStatus.TAKEN_BACK


def test_a_withdrawal_that_is_missing_and_that_a_receipt_names_does_not_renew_the_agreement(
    talk: Talk,
) -> None:
    """Attack: the operator deletes the withdrawal's row. The source's next entry names the withdrawal."""
    digest = an_agreed(talk)
    back = talk.answer(Verdict.TAKEN_BACK, digest)
    talk.read(talk.source)
    assert talk.proposal(transcript=talk.without(back)).state is ProposalStatus.TAKEN_BACK
    talk.answer(AGREED, digest)
    assert talk.proposal(transcript=talk.without(back)).state is ProposalStatus.AGREED


def test_a_lost_entry_of_the_desk_or_from_before_withdraws_nothing(talk: Talk) -> None:
    before = talk.write(talk.source)
    digest = talk.propose()
    talk.answer(AGREED, digest)
    advice = talk.write(WORKSTATION)
    talk.read(talk.source)
    assert talk.proposal(transcript=talk.without(before, advice)).state is ProposalStatus.AGREED
    assert talk.proposal(unreadable=[before, advice]).state is ProposalStatus.AGREED


# ---- after passing on began


def test_taking_back_ends_when_passing_on_begins(talk: Talk) -> None:
    digest = an_agreed(talk)
    begin(talk, digest)
    talk.answer(Verdict.TAKEN_BACK, digest)
    proposal = talk.proposal()
    assert proposal.state is ProposalStatus.PASSING_ON
    assert proposal.answer is not None
    assert proposal.answer.signed == talk.entries[1]
    assert void(talk) == [False]


@pytest.mark.parametrize("between", [0, 1])
@pytest.mark.parametrize("verdict", AGAINST)
def test_an_answer_that_builds_on_the_step_is_too_late(talk: Talk, verdict: Verdict, between: int) -> None:
    digest = an_agreed(talk)
    begin(talk, digest)
    for _ in range(between):
        talk.write(WORKSTATION)
    talk.answer(verdict, digest)
    assert talk.proposal().state is ProposalStatus.PASSING_ON
    assert void(talk) == [False]


@pytest.mark.parametrize("which", ["the proposal", "the agreement", "something later"])
def test_a_removal_that_builds_on_the_step_is_too_late(talk: Talk, which: str) -> None:
    digest = an_agreed(talk)
    later = talk.write(talk.source)
    begin(talk, digest)
    named = {"the proposal": talk.entries[0], "the agreement": talk.entries[1], "something later": later}
    talk.remove(named[which])
    assert void(talk) == [False]
    assert [each.state for each in talk.state().proposals] == [PASSING_ON] * (which != "the proposal")


@pytest.mark.parametrize("which", ["the proposal", "the agreement", "something later"])
@IN_BOTH_ORDERS
def test_a_removal_that_crossed_the_step_is_in_time(talk: Talk, which: str, *, desk_first: bool) -> None:
    digest = an_agreed(talk)
    later = talk.write(talk.source)
    named = {"the proposal": talk.entries[0], "the agreement": talk.entries[1], "something later": later}
    if desk_first:
        step = begin(talk, digest)
        talk.remove(named[which], hidden=[step])
    else:
        removal = talk.remove(named[which])
        begin(talk, digest, hidden=[removal])
    assert void(talk) == [True]
    assert PASSING_ON not in [each.state for each in talk.state().proposals]


@IN_BOTH_ORDERS
def test_removing_a_withdrawal_that_was_in_time_does_not_renew_the_agreement(
    talk: Talk, *, desk_first: bool
) -> None:
    """The source reads that nothing was passed on, and deletes the answer that says why."""
    _, answer = cross(talk, Verdict.TAKEN_BACK, an_agreed(talk), desk_first=desk_first)
    talk.remove(answer)
    assert (talk.proposal().state, void(talk)) == (ProposalStatus.TAKEN_BACK, [True])


def test_hiding_a_withdrawal_that_the_source_removed_does_not_renew_the_agreement(talk: Talk) -> None:
    """The removal shows that the source said something after the agreement, and removed it."""
    digest = an_agreed(talk)
    talk.remove(talk.answer(Verdict.TAKEN_BACK, digest))
    *_, answer, removal = talk.entries
    step = begin(talk, digest, hidden=[answer, removal])
    assert talk.proposal(transcript=talk.without(answer)).void == {step.digest}


def test_removing_another_entry_takes_nothing_back_after_passing_on_began(talk: Talk) -> None:
    before = talk.write(talk.source)
    digest = an_agreed(talk)
    step = begin(talk, digest)
    talk.remove(before, hidden=[step])
    assert talk.proposal().state is ProposalStatus.PASSING_ON


def test_a_step_that_was_removed_is_void(talk: Talk) -> None:
    """The source could not read the step and removed it. So the source was never told."""
    digest = an_agreed(talk)
    step = begin(talk, digest)
    talk.remove(step, not_shown=[step])
    assert talk.proposal().state is ProposalStatus.AGREED
    talk.answer(Verdict.TAKEN_BACK, digest)
    assert talk.proposal().state is ProposalStatus.TAKEN_BACK


def test_a_step_that_was_spoiled_while_the_page_was_made_is_not_seen(talk: Talk) -> None:
    """Attack: the operator changes a byte of the step's header, and restores it after the source withdrew."""
    digest = an_agreed(talk)
    step = begin(talk, digest)
    talk.answer(Verdict.TAKEN_BACK, digest, not_shown=[step])
    assert (talk.proposal().state, void(talk)) == (ProposalStatus.TAKEN_BACK, [True])


def test_an_earlier_read_receipt_for_the_step_does_not_make_a_withdrawal_late(talk: Talk) -> None:
    """The form of the withdrawal was open in another tab since before the step."""
    digest = an_agreed(talk)
    form, unseen = talk.heads(talk.source)
    begin(talk, digest)
    talk.read(talk.source)
    talk.answer(Verdict.TAKEN_BACK, digest, heads=(form, unseen))
    assert (talk.proposal().state, void(talk)) == (ProposalStatus.TAKEN_BACK, [True])


@pytest.mark.parametrize("is_without", [True, False], ids=["without consent", "with consent"])
def test_a_step_about_a_proposal_that_its_writer_did_not_know_counts_for_nothing(
    talk: Talk, *, is_without: bool
) -> None:
    """Attack: with the key of a retired workstation, someone dates a step back. Only its content names the
    proposal, which was made later.
    """
    talk.retired = [LAPTOP]
    first = talk.write(talk.source)
    proposal = talk.propose()
    agreement = talk.answer(AGREED, proposal)
    later = [talk.entries[1], agreement]
    before = talk.state()
    step = begin(talk, proposal, is_without=is_without, by=LAPTOP, hidden=later)
    made = talk.step(PASSED_ON, proposal, by=LAPTOP, hidden=later)

    assert step.envelope.heads == (head_of(first),)
    assert talk.proposal().state is ProposalStatus.AGREED
    assert talk.proposal().unfounded == {step.digest, made.digest}
    assert talk.state().steps == before.steps
    assert not talk.proposal().must_destroy

    talk.answer(Verdict.TAKEN_BACK, proposal, hidden=[step, made])
    assert talk.proposal().state is ProposalStatus.TAKEN_BACK


def test_a_made_file_is_not_forgotten_if_the_step_before_it_is_missing(talk: Talk) -> None:
    """Damage: the step PASSED_ON names the proposal only through the step PASSING_ON. Otherwise both pages
    would say that the desk does not carry out the proposal, and the adviser would read of a stolen key.
    """
    digest = an_agreed(talk)
    step = begin(talk, digest)
    talk.step(PASSED_ON, digest)
    proposal = talk.proposal(transcript=talk.without(step))
    assert (proposal.state, proposal.unfounded) == (ProposalStatus.PASSED_ON, frozenset())


def test_names_of_a_retired_workstation_take_no_agreement_back(talk: Talk) -> None:
    """Attack: with its key, someone names an entry of the source that never existed. Missing entries of the
    source may be withdrawals, so no agreement would ever count again.
    """
    talk.retired = [LAPTOP]
    proposal = an_agreed(talk)
    invented = (Head(SOURCE_STRAND, 7, Digest(b"x" * 32)),)
    talk.read(LAPTOP, heads=((), invented))
    assert talk.proposal().state is ProposalStatus.AGREED
    assert kinds(talk.check()) == {FaultKind.MISSING}

    begin(talk, proposal)
    assert talk.proposal().state is ProposalStatus.PASSING_ON


def test_a_proposal_that_a_retired_workstation_dates_back_replaces_no_other(talk: Talk) -> None:
    """Attack: with its key, someone dates another text back to the last day, so that what the source agreed
    to is obsolete, and the source agrees to the other text.
    """
    talk.retired = [LAPTOP]
    proposal = talk.propose()
    false = talk.propose("een andere tekst", by=LAPTOP)
    agreement = talk.answer(AGREED, proposal, not_shown=[talk.entries[-1]])
    assert talk.state().proposals[-1].digest == false  # last in the thread
    assert [each.state for each in talk.state().proposals] == ["agreed", "obsolete"]
    assert [each.is_newest for each in talk.state().proposals] == [True, False]

    talk.answer(AGREED, false, hidden=[agreement], day=AFTER_THE_LAST_DAY)
    assert [each.state for each in talk.state().proposals] == ["agreed", "obsolete"]

    talk.retired = [LAPTOP, WORKSTATION]
    assert [each.state for each in talk.state().proposals] == ["obsolete", "obsolete"]


@pytest.mark.parametrize(
    "witness", ["the source declines", "the source reads", "the other workstation reads"]
)
def test_to_retire_a_workstation_renews_no_agreement_that_its_proposal_replaced(
    talk: Talk, witness: str
) -> None:
    """The source was told that the newer proposal replaces the one to which they had agreed."""
    an_agreed(talk)
    newer = talk.propose("een andere tekst", by=LAPTOP)
    if witness == "the source declines":
        talk.answer(Verdict.DECLINED, newer)
    else:
        talk.read(talk.source if "source" in witness else WORKSTATION)
    before = [each.state for each in talk.state().proposals]

    talk.retired = [LAPTOP]

    assert before[0] is ProposalStatus.OBSOLETE
    assert [each.state for each in talk.state().proposals] == ["obsolete", "obsolete"]
    assert not any(each.is_newest for each in talk.state().proposals)
    talk.propose("een derde tekst")
    assert [each.is_newest for each in talk.state().proposals] == [False, False, True]


def test_what_the_desk_began_to_pass_on_stays_begun_when_its_writer_is_retired(talk: Talk) -> None:
    proposal = talk.propose(by=LAPTOP)
    talk.answer(AGREED, proposal)
    begin(talk, proposal)
    talk.retired = [LAPTOP]
    assert talk.proposal().state is ProposalStatus.PASSING_ON


def test_a_newer_entry_of_another_workstation_does_not_make_a_withdrawal_late(talk: Talk) -> None:
    digest = an_agreed(talk)
    step = begin(talk, digest)
    talk.write(LAPTOP)
    talk.answer(Verdict.TAKEN_BACK, digest, hidden=[step])
    assert (talk.proposal().state, talk.proposal().void) == (ProposalStatus.TAKEN_BACK, {step.digest})


@IN_BOTH_ORDERS
@pytest.mark.parametrize("verdict", AGAINST)
def test_taking_back_before_seeing_the_step_is_in_time(
    talk: Talk, verdict: Verdict, *, desk_first: bool
) -> None:
    step, answer = cross(talk, verdict, an_agreed(talk), desk_first=desk_first)
    proposal = talk.proposal()
    assert proposal.state == verdict.value
    assert proposal.answer is not None
    assert proposal.answer.signed.digest == answer.digest
    assert (void(talk), proposal.void, proposal.must_destroy) == ([True], {step.digest}, False)


@IN_BOTH_ORDERS
def test_the_promise_of_a_void_step_is_void(talk: Talk, *, desk_first: bool) -> None:
    cross(talk, Verdict.TAKEN_BACK, an_agreed(talk), desk_first=desk_first)
    (step,) = [step for step in talk.state().steps if step.is_void]
    assert (step.next, step.by) == ("", None)


@IN_BOTH_ORDERS
def test_an_agreement_that_crossed_voids_nothing(talk: Talk, *, desk_first: bool) -> None:
    cross(talk, AGREED, an_agreed(talk), desk_first=desk_first)
    assert (talk.proposal().state, void(talk)) == (ProposalStatus.PASSING_ON, [False])


@IN_BOTH_ORDERS
def test_a_message_that_crossed_voids_nothing_unless_it_does_not_open(
    talk: Talk, *, desk_first: bool
) -> None:
    digest = an_agreed(talk)
    if desk_first:
        message = talk.write(talk.source, hidden=[begin(talk, digest)])
    else:
        message = talk.write(talk.source)
        begin(talk, digest, hidden=[message])
    assert talk.proposal().state is ProposalStatus.PASSING_ON
    assert talk.proposal(unreadable=[message]).state is ProposalStatus.TAKEN_BACK


def test_an_answer_about_another_proposal_voids_nothing(talk: Talk) -> None:
    older = an_agreed(talk)
    digest = talk.propose("twee")
    talk.answer(AGREED, digest)
    talk.answer(Verdict.TAKEN_BACK, older, hidden=[begin(talk, digest)])
    assert [each.state for each in talk.state().proposals] == ["obsolete", "passing_on"]
    assert void(talk) == [False]


def test_a_step_without_an_agreement_that_its_writer_knew_is_void(talk: Talk) -> None:
    digest = talk.propose()
    begin(talk, digest)
    assert (talk.proposal().state, void(talk)) == (ProposalStatus.WAITING, [True])
    talk.answer(AGREED, digest)
    assert (talk.proposal().state, void(talk)) == (ProposalStatus.AGREED, [True])


def test_a_step_that_was_written_against_an_answer_is_void(talk: Talk) -> None:
    digest = an_agreed(talk)
    talk.answer(Verdict.TAKEN_BACK, digest)
    begin(talk, digest)
    assert (talk.proposal().state, void(talk)) == (ProposalStatus.TAKEN_BACK, [True])


def test_an_agreement_that_does_not_open_any_more_still_counts_for_the_step(talk: Talk) -> None:
    """Attack: otherwise the operator could undo what the desk did with consent, by changing one byte."""
    digest = an_agreed(talk)
    agreement = talk.entries[1]
    begin(talk, digest)
    proposal = talk.proposal(unreadable=[agreement])
    assert (proposal.state, proposal.answer) == (ProposalStatus.PASSING_ON, None)


@pytest.mark.parametrize("which", ["the agreement", "a later message", "both"])
def test_an_agreement_that_the_step_names_and_someone_hid_still_counts_for_the_step(
    talk: Talk, which: str
) -> None:
    """Attack: otherwise the source would read that the desk did not pass on the information, by one hidden
    row.
    """
    digest = an_agreed(talk)
    agreement, later = talk.entries[1], talk.write(talk.source)
    gone = {"the agreement": [agreement], "a later message": [later], "both": [agreement, later]}[which]
    begin(talk, digest)
    assert talk.proposal(transcript=talk.without(*gone)).state is ProposalStatus.PASSING_ON
    talk.step(PASSED_ON, digest)
    hidden = talk.proposal(transcript=talk.without(*gone))
    assert (hidden.state, hidden.void, hidden.must_destroy) == (ProposalStatus.PASSED_ON, frozenset(), False)


@IN_BOTH_ORDERS
def test_after_a_void_step_the_source_can_agree_and_the_desk_begin_again(
    talk: Talk, *, desk_first: bool
) -> None:
    digest = an_agreed(talk)
    cross(talk, Verdict.TAKEN_BACK, digest, desk_first=desk_first)
    talk.answer(AGREED, digest)
    agreed = talk.proposal()
    begin(talk, digest)
    begun = talk.proposal()
    talk.answer(Verdict.TAKEN_BACK, digest)
    too_late = talk.proposal()
    talk.step(PASSED_ON, digest)
    assert [each.state for each in (agreed, begun, too_late, talk.proposal())] == [
        "agreed", "passing_on", "passing_on", "passed_on",
    ]  # fmt: skip
    assert void(talk) == [True, False]
    assert not talk.proposal().must_destroy


def test_agreeing_again_before_the_step_was_seen_needs_another_step(talk: Talk) -> None:
    digest = an_agreed(talk)
    back = talk.answer(Verdict.TAKEN_BACK, digest)
    again = talk.answer(AGREED, digest)
    begin(talk, digest, hidden=[back, again])
    assert (talk.proposal().state, void(talk)) == (ProposalStatus.AGREED, [True])


def test_a_newer_proposal_makes_one_obsolete_whose_step_was_void(talk: Talk) -> None:
    cross(talk, Verdict.CHANGES_ASKED, an_agreed(talk), desk_first=True)
    talk.propose("anders")
    assert [each.state for each in talk.state().proposals] == ["obsolete", "waiting"]
    assert void(talk) == [True]


# ---- without consent


@IN_BOTH_ORDERS
def test_a_refusal_that_crossed_must_be_read_before_passing_on(talk: Talk, *, desk_first: bool) -> None:
    """Passing on without agreement stays possible, but not past an unread answer."""
    digest = talk.propose()
    cross(talk, Verdict.DECLINED, digest, desk_first=desk_first, is_without=True)
    assert (talk.proposal().state, void(talk)) == (ProposalStatus.DECLINED, [True])
    begin(talk, digest, is_without=True)
    assert talk.proposal().state is ProposalStatus.PASSING_ON
    assert talk.proposal().answer is None
    talk.step(PASSED_ON, digest)
    assert talk.proposal().state is ProposalStatus.PASSED_ON
    assert void(talk) == [True, False]


def test_without_consent_only_a_readable_answer_voids_a_step(talk: Talk) -> None:
    before = talk.write(talk.source)
    digest = talk.propose()
    step = begin(talk, digest, is_without=True)
    crossed = talk.write(talk.source, hidden=[step])
    late = talk.answer(Verdict.DECLINED, digest)
    talk.remove(before, crossed)
    assert talk.proposal(unreadable=[late]).state is ProposalStatus.PASSING_ON
    assert (talk.proposal().state, void(talk)) == (ProposalStatus.PASSING_ON, [False])


def test_a_step_without_consent_and_without_a_proposal_is_never_void(talk: Talk) -> None:
    note = StepNote(step=PASSING_ON, to="OM", without_consent=True)
    talk.step(PASSING_ON, text="De wet eist het.", note=note)
    assert void(talk) == [False]


# ---- the file was made


def test_a_made_file_is_passed_on_and_a_delivered_file_has_its_day(talk: Talk) -> None:
    digest = an_agreed(talk)
    begin(talk, digest)
    talk.step(PASSED_ON, digest)
    delivered = date_of_delivery(talk, digest)
    talk.propose("later")
    assert [each.state for each in talk.state().proposals] == ["passed_on", "waiting"]
    last = talk.state().steps[-2]
    assert (last.step, last.delivered, last.to, last.is_void) == ("passed_on", delivered, "SG", False)


def date_of_delivery(talk: Talk, digest: Digest) -> object:
    note = StepNote(step=PASSED_ON, to="SG", proposal=digest, delivered=DAY + timedelta(days=3))
    talk.step(PASSED_ON, note=note)
    return note.delivered


@IN_BOTH_ORDERS
def test_a_file_that_was_made_although_the_source_withdrew_must_be_destroyed(
    talk: Talk, *, desk_first: bool
) -> None:
    """Attack: a hostile server holds back the withdrawal until the file is made."""
    digest = an_agreed(talk)
    step, answer = cross(talk, Verdict.TAKEN_BACK, digest, desk_first=desk_first)
    made = talk.step(PASSED_ON, digest, hidden=[answer])
    proposal = talk.proposal()
    assert (proposal.state, proposal.must_destroy) == (ProposalStatus.PASSED_ON, True)
    assert proposal.void == {step.digest, made.digest}
    assert [each.is_void for each in talk.state().steps if each.step is PASSED_ON] == [True]
    assert proposal.answer is not None
    assert proposal.answer.verdict is Verdict.TAKEN_BACK

    delivered = date_of_delivery(talk, digest)
    last = talk.state().steps[-1]
    assert (last.delivered, last.is_void) == (delivered, True)


def test_a_made_file_of_a_removed_proposal_must_be_destroyed_if_the_removal_was_in_time(talk: Talk) -> None:
    digest = an_agreed(talk)
    step = begin(talk, digest)
    talk.step(PASSED_ON, digest)
    talk.remove(talk.entries[0], hidden=[step, talk.entries[-1]])
    assert [step.is_void for step in talk.state().steps if step.step in {PASSING_ON, PASSED_ON}] == [True] * 2


def test_a_made_file_need_not_be_destroyed_while_its_step_does_not_open(talk: Talk) -> None:
    """Attack: otherwise the operator could make an adviser destroy a file, by changing one byte of the
    step.
    """
    digest = an_agreed(talk)
    step = begin(talk, digest)
    talk.step(PASSED_ON, digest)
    assert not talk.proposal(unreadable=[step]).must_destroy
    assert talk.proposal(unreadable=[step]).state is ProposalStatus.PASSED_ON
    talk.remove(step)
    assert talk.proposal().must_destroy


def test_a_made_file_need_not_be_destroyed_while_its_step_is_missing(talk: Talk) -> None:
    """Attack: the operator hides the row of the step. The step that says that the file was made names it."""
    digest = an_agreed(talk)
    step = begin(talk, digest, by=LAPTOP)
    talk.step(PASSED_ON, digest, by=WORKSTATION)
    hidden = talk.proposal(transcript=talk.without(step))
    assert (hidden.state, hidden.must_destroy) == (ProposalStatus.PASSED_ON, False)


@pytest.mark.parametrize("is_hidden", [True, False])
def test_no_later_entry_that_is_damaged_keeps_a_file_from_being_destroyed(
    talk: Talk, *, is_hidden: bool
) -> None:
    """Attack: otherwise the operator could hide from the adviser that they must destroy a file."""
    digest = an_agreed(talk)
    _, answer = cross(talk, Verdict.TAKEN_BACK, digest, desk_first=True)
    talk.step(PASSED_ON, digest, hidden=[answer])
    later = talk.write(WORKSTATION)
    talk.read(talk.source)
    damaged = {"transcript": talk.without(later)} if is_hidden else {"unreadable": [later]}
    assert talk.proposal(**damaged).must_destroy  # type: ignore[arg-type]


DAMAGE = pytest.mark.parametrize("is_hidden", [True, False], ids=["is missing", "does not open"])


def damaged_state(talk: Talk, entry: SignedEntry, *, is_hidden: bool) -> tuple[ProposalStatus, bool]:
    """Return the state of the proposal if the operator hid an entry, or made it unreadable."""
    damaged = {"transcript": talk.without(entry)} if is_hidden else {"unreadable": [entry]}
    proposal = talk.proposal(**damaged)  # type: ignore[arg-type]
    return proposal.state, proposal.must_destroy


@DAMAGE
def test_no_words_from_before_the_agreement_keep_a_file_from_being_destroyed(
    talk: Talk, *, is_hidden: bool
) -> None:
    """Attack: the operator damages an old answer of the desk, which cannot be the step to pass on."""
    old = talk.write(WORKSTATION)
    digest = talk.propose()
    between = talk.write(WORKSTATION)
    talk.answer(AGREED, digest)
    _, answer = cross(talk, Verdict.TAKEN_BACK, digest, desk_first=True)
    talk.step(PASSED_ON, digest, hidden=[answer])
    for each in (old, between):
        assert damaged_state(talk, each, is_hidden=is_hidden) == (ProposalStatus.PASSED_ON, True)


@DAMAGE
def test_no_words_after_a_withdrawal_that_had_not_seen_them_keep_a_file_from_being_destroyed(
    talk: Talk, *, is_hidden: bool
) -> None:
    """Attack: the operator damages an answer that the desk wrote after the agreement. Even if this answer was
    the step, the withdrawal was in time.
    """
    digest = an_agreed(talk)
    later = talk.write(WORKSTATION)
    step = begin(talk, digest)
    answer = talk.answer(Verdict.TAKEN_BACK, digest, hidden=[later, step])
    talk.step(PASSED_ON, digest, hidden=[answer])
    assert damaged_state(talk, later, is_hidden=is_hidden) == (ProposalStatus.PASSED_ON, True)


@DAMAGE
def test_no_old_words_keep_a_file_without_consent_from_being_destroyed(
    talk: Talk, *, is_hidden: bool
) -> None:
    old = talk.write(WORKSTATION)
    digest = talk.propose()
    step, answer = cross(talk, Verdict.DECLINED, digest, desk_first=True, is_without=True)
    note = StepNote(step=PASSED_ON, to="SG", proposal=digest, without_consent=True)
    talk.step(PASSED_ON, text="De wet eist het.", note=note, hidden=[answer])
    assert damaged_state(talk, old, is_hidden=is_hidden) == (ProposalStatus.PASSED_ON, True)
    assert damaged_state(talk, step, is_hidden=is_hidden) == (ProposalStatus.PASSED_ON, True)


@DAMAGE
def test_a_file_without_consent_need_not_be_destroyed_while_its_step_is_lost(
    talk: Talk, *, is_hidden: bool
) -> None:
    digest = talk.propose()
    step = begin(talk, digest, is_without=True, by=LAPTOP)
    note = StepNote(step=PASSED_ON, to="SG", proposal=digest, without_consent=True)
    talk.step(PASSED_ON, text="De wet eist het.", note=note)
    talk.answer(Verdict.DECLINED, digest)
    assert damaged_state(talk, step, is_hidden=is_hidden) == (ProposalStatus.PASSED_ON, False)


def test_a_file_that_was_made_and_not_begun_must_be_destroyed(talk: Talk) -> None:
    digest = an_agreed(talk)
    talk.step(PASSED_ON, digest)
    assert talk.proposal().must_destroy


# ---- who may say what


def test_a_receipt_that_crossed_changes_nothing(talk: Talk) -> None:
    digest = an_agreed(talk)
    step = begin(talk, digest)
    talk.read(talk.source, hidden=[step])
    assert talk.proposal().state is ProposalStatus.PASSING_ON


def test_each_proposal_has_its_own_answer(talk: Talk) -> None:
    first, second = talk.propose("een"), talk.propose("een")
    assert first != second
    talk.answer(AGREED, first)
    assert [each.answer is not None for each in talk.state().proposals] == [True, False]


def test_the_state_is_the_same_for_every_order_of_the_rows(talk: Talk) -> None:
    digest = an_agreed(talk)
    cross(talk, Verdict.TAKEN_BACK, digest, desk_first=True)
    talk.write(talk.source, MESSAGE)
    forwards, backwards = talk.state(), talk.state(transcript=talk.check(talk.entries[::-1]))
    assert forwards == backwards


@pytest.mark.parametrize("kind", ["proposals", "answers to one proposal"])
def test_many_proposals_and_answers_make_a_page_no_slower_than_other_entries(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: a thousand proposals or answers in one mailbox make the inbox wait for seconds."""
    talk = Talk()
    work = []
    for count in (20, 40, 80):
        first = talk.propose()
        while len(talk.entries) < count:
            number = str(len(talk.entries))
            if kind == "proposals":
                talk.propose(number)
            else:
                talk.answer(AGREED if len(talk.entries) % 2 else Verdict.TAKEN_BACK, first)
        work.append(reads(talk, monkeypatch))
    assert work[2] - work[1] < 3 * (work[1] - work[0])  # with the square of the entries, it would be 4 times


def reads(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how often the state of a mailbox reads an envelope or visits an entry."""
    transcript = talk.check()
    opened = talk.opened(transcript)
    count = 0
    with monkeypatch.context() as patch:

        def planted(self: Envelope) -> bool:
            nonlocal count
            count += 1
            return self.entry_class is EntryClass.WORDS

        patch.setattr(Envelope, "is_words", property(planted))
        real = Knowledge._visit

        def visit(self: Knowledge, digests: Iterable[Digest], visited: set[Digest]) -> set[Digest]:
            nonlocal count
            new = real(self, digests, visited)
            count += len(new)
            return new

        patch.setattr(Knowledge, "_visit", visit)
        thread_state(talk.keys.address, transcript, opened)
    return count
