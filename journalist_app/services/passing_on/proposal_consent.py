"""Check of the source's consent: finds a proposal, and refuses to pass it on if the source did not agree."""

from collections.abc import Sequence
from datetime import date
from typing import cast

from msgspec import UNSET
from protocol.statements.heads import Heads
from sqlalchemy.orm import Session

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import OpenedEntry, conversation_of, entry_contents, open_all
from journalist_app.errors import PassOnRefusal, PassOnRefusedError, UnsoundMailboxError
from journalist_app.services.mailbox import order_deletion
from journalist_app.services.mailbox.send_entries import TransactionHook
from protocol.content import ProposalNote, StepName
from protocol.entry import EntryContent
from protocol.envelope import Author
from protocol.identifiers import Address, EntryId
from protocol.transcript.consent import ProposalState, ProposalStatus
from protocol.transcript.thread_state import ThreadState, ThreadStep, thread_state
from store import entries


def verified_thread(desk: OpenDesk, address: Address) -> tuple[tuple[OpenedEntry, ...], ThreadState]:
    """Verify and decrypt a mailbox. Return its entries and its thread state.

    Raises:
        MailboxNotFoundError: the store has no such mailbox.
        UnsoundMailboxError: the mailbox failed verification.
    """
    conversation = conversation_of(desk, address)
    if conversation.faults:
        raise UnsoundMailboxError
    opened = open_all(desk, conversation)
    return opened, thread_state(address, entry_contents(opened))


def find_proposal(thread: ThreadState, proposal_id: EntryId) -> ProposalState:
    """Return the proposal with this entry id from a mailbox's thread state.

    Raises:
        PassOnRefusedError: PROPOSAL_MISSING: the mailbox has no such proposal.
    """
    found = next((each for each in thread.proposals if each.entry_id == proposal_id), None)
    if found is None:
        raise PassOnRefusedError(PassOnRefusal.PROPOSAL_MISSING)
    return found


def note_of_proposal(proposed: ProposalState) -> ProposalNote:
    """Return the part of a proposal's content that names the recipient and the files."""
    return cast("ProposalNote", proposed.content.proposal)  # each proposal of `thread_state` has one


def valid_steps(thread: ThreadState, proposed: ProposalState, name: StepName) -> list[ThreadStep]:
    """Return the steps of this kind about a proposal, without void steps.

    A step is void if the source had withdrawn the consent before the source saw the step.
    """
    return [
        step
        for step in thread.steps
        if step.proposal == proposed.digest and step.step is name and not step.is_void
    ]


def find_begun(thread: ThreadState, proposed: ProposalState) -> ThreadStep:
    """Return the valid step that told the source that the desk begins to pass on a proposal.

    Raises:
        PassOnRefusedError: NOT_BEGUN: there is no such step. WITHDRAWN: the source withdrew the consent
            before they saw the step.
    """
    begun = valid_steps(thread, proposed, StepName.PASSING_ON)
    if not begun:
        raise PassOnRefusedError(PassOnRefusal.WITHDRAWN if proposed.void else PassOnRefusal.NOT_BEGUN)
    return begun[0]


def require_consent(
    proposed: ProposalState, opened: Sequence[OpenedEntry], thread: ThreadState, *, is_without: bool
) -> None:
    """Raise an exception if the source has not agreed to a proposal, or if a newer proposal replaced it.

    If `is_without` is True, the proposal may be passed on without the source's consent. If an entry of the
    mailbox cannot be decrypted, earlier consent does not count: the source may have withdrawn the consent in
    this entry.

    Raises:
        PassOnRefusedError: PROPOSAL_OBSOLETE: a newer proposal exists. WITHDRAWN: the source withdrew the
            consent. OTHER_DIGEST: the source answered a proposal that the desk never made. NOT_AGREED: the
            source has not agreed.
        UnsoundMailboxError: an entry cannot be decrypted.
    """
    if not proposed.is_newest:
        raise PassOnRefusedError(PassOnRefusal.PROPOSAL_OBSOLETE)
    if is_without:
        return
    if any(each.fault for each in opened):  # this may be the entry by which the source withdrew
        raise UnsoundMailboxError
    if proposed.state is ProposalStatus.AGREED:
        return
    if proposed.state is ProposalStatus.TAKEN_BACK:
        raise PassOnRefusedError(PassOnRefusal.WITHDRAWN)
    if proposed.state is ProposalStatus.WAITING and _answers_something_else(opened, thread):
        raise PassOnRefusedError(PassOnRefusal.OTHER_DIGEST)
    raise PassOnRefusedError(PassOnRefusal.NOT_AGREED)


def _answers_something_else(opened: Sequence[OpenedEntry], thread: ThreadState) -> bool:
    """Return True if an answer of the source names a proposal that the desk never made in this mailbox."""
    known = {each.digest for each in thread.proposals}
    return any(
        each.content is not None
        and each.content.answer is not UNSET
        and each.signed.envelope.author is Author.SOURCE
        and each.content.answer.proposal not in known
        for each in opened
    )


def refuse_if_deleted(
    desk: OpenDesk, address: Address, proposed: ProposalState, today: date
) -> TransactionHook:
    """Return a transaction hook that refuses to append if the proposal or its answer was deleted.

    The hook is needed because a deletion changes no head. The compare-and-set of the append checks only
    heads, so the append itself would not detect the deletion.
    """

    def check(session: Session, heads: Heads, thread: tuple[EntryContent, ...]) -> None:
        order_deletion.update_order(desk, session, address, heads, thread, today=today)
        needed = [proposed.signed, *([proposed.answer.signed] if proposed.answer else [])]
        for signed in needed:
            row = entries.find(session, address, signed.envelope.entry_id)
            if row is None or row.removal is not None:
                raise PassOnRefusedError(PassOnRefusal.WITHDRAWN)

    return check
