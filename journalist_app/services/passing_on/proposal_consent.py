"""Check of the source's consent: finds a proposal, and refuses to pass it on if the source did not agree."""

from collections.abc import Sequence
from typing import cast

from msgspec import UNSET

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import Conversation, OpenedEntry, require_answerable, thread_of
from journalist_app.errors import NoSuchProposalError, PassOnRefusal, PassOnRefusedError, UnsoundMailboxError
from protocol.content import ProposalNote, StepName
from protocol.envelope import Author
from protocol.identifiers import Address, Digest, EntryId
from protocol.pouch.pouch_file import SERVER
from protocol.transcript.proposal_states import ProposalState, ProposalStatus
from protocol.transcript.thread_state import ThreadState, ThreadStep
from store import peers


def verified_thread(
    desk: OpenDesk, address: Address
) -> tuple[Conversation, tuple[OpenedEntry, ...], ThreadState]:
    """Verify and decrypt a mailbox. Return the mailbox, its entries, and its steps and proposals.

    Raises:
        MailboxNotFoundError: the store has no such mailbox.
        UnsoundMailboxError: the mailbox has a fault that forbids the desk to write.
    """
    conversation, opened = require_answerable(desk, address)
    return conversation, opened, thread_of(conversation, opened)


def find_proposal(thread: ThreadState, proposal_id: EntryId) -> ProposalState:
    """Return the proposal with this entry id, among the proposals of a mailbox.

    Raises:
        NoSuchProposalError: the mailbox has no such proposal.
    """
    found = next((each for each in thread.proposals if each.entry_id == proposal_id), None)
    if found is None:
        raise NoSuchProposalError
    return found


def note_of_proposal(proposed: ProposalState) -> ProposalNote:
    """Return the part of a proposal's content that names the recipient and the files."""
    return cast("ProposalNote", proposed.content.proposal)  # each proposal of `thread_state` has one


def valid_steps(thread: ThreadState, proposed: ProposalState, name: StepName) -> list[ThreadStep]:
    """Return the steps of one kind about a proposal, without the steps that have no effect.

    A step has no effect if the source withdrew the consent before seeing the step.
    """
    return [
        step
        for step in thread.steps
        if step.proposal == proposed.digest and step.step is name and not step.is_void
    ]


def find_begun(conversation: Conversation, thread: ThreadState, proposed: ProposalState) -> ThreadStep:
    """Return the step with which the desk told the source that it begins to pass on a proposal.

    Raises:
        PassOnRefusedError: there is no such step, or the source withdrew the consent before seeing the step.
        UnsoundMailboxError: an entry that could be a withdrawal is damaged at the server.
    """
    if conversation.may_lack_withdrawal:
        raise UnsoundMailboxError
    begun = valid_steps(thread, proposed, StepName.PASSING_ON)
    if not begun:
        raise PassOnRefusedError(PassOnRefusal.WITHDRAWN if proposed.void else PassOnRefusal.NOT_BEGUN)
    return begun[0]


def refuse_restored_server(desk: OpenDesk) -> None:
    """Refuse to pass on with consent while the warning that the server was restored is still shown.

    Raises:
        PassOnRefusedError: SERVER_RESTORED.
    """
    with desk.store.reading() as session:
        server = peers.find(session, SERVER)
    if server is not None and server.rollback_day is not None:
        raise PassOnRefusedError(PassOnRefusal.SERVER_RESTORED)


def require_consent(
    proposed: ProposalState,
    conversation: Conversation,
    opened: Sequence[OpenedEntry],
    thread: ThreadState,
    *,
    is_without: bool,
) -> None:
    """Refuse to pass on a proposal if the source has not agreed to it, or if the proposal is obsolete.

    If `is_without` is True, the source need not have agreed.

    Raises:
        PassOnRefusedError: the proposal is obsolete, or the source has not agreed to it or has withdrawn the
            consent.
        UnsoundMailboxError: an entry is missing, cannot be decrypted, or was damaged at the server.
    """
    # A newer entry that no one can read could be a withdrawal or a newer proposal, so no agreement counts.
    if not proposed.is_newest:
        raise PassOnRefusedError(PassOnRefusal.PROPOSAL_OBSOLETE)
    if is_without:
        return
    if proposed.answer is not None:
        _refuse_hidden(proposed.answer.signed.digest, conversation, opened)
    if proposed.state is ProposalStatus.AGREED:
        return
    if proposed.state is ProposalStatus.TAKEN_BACK:
        raise PassOnRefusedError(PassOnRefusal.WITHDRAWN)
    if proposed.state is ProposalStatus.WAITING and _answers_something_else(opened, thread):
        raise PassOnRefusedError(PassOnRefusal.OTHER_DIGEST)
    raise PassOnRefusedError(PassOnRefusal.NOT_AGREED)


def _refuse_hidden(answer: Digest, conversation: Conversation, opened: Sequence[OpenedEntry]) -> None:
    transcript = conversation.transcript
    hidden = [each.signed.digest for each in opened if each.fault]
    hidden += [digest for digest in transcript.knowledge.named if digest not in transcript.authentic]
    if conversation.may_lack_withdrawal or transcript.knowledge.unknown_to_all(hidden, [answer]):
        raise UnsoundMailboxError
    removed = [each.signed.digest for each in opened if each.signed.digest in conversation.removed]
    if transcript.knowledge.unknown_to_all(removed, [answer]):  # perhaps a proposal that replaced this one
        raise PassOnRefusedError(PassOnRefusal.WITHDRAWN)


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
