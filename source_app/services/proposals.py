"""Proposals of the desk to pass on a text, as the source's pages show them."""

from dataclasses import dataclass, field
from datetime import date
from typing import cast

from protocol.content import PassOnRecipient, ProposalNote, Verdict
from protocol.entry import SignedEntry
from protocol.identifiers import receipt_number
from protocol.mailbox_keys import MailboxKeys
from protocol.transcript.proposal_states import ProposalState, ProposalStatus
from protocol.transcript.thread_state import thread_state
from source_app.errors import NotFoundError
from source_app.services.mailbox_files import ThreadFile, shown_files
from source_app.services.verified_mailbox import SourceMailbox

_POSSIBLE_ANSWERS = {
    ProposalStatus.WAITING: (Verdict.AGREED, Verdict.CHANGES_ASKED, Verdict.DECLINED),
    ProposalStatus.DECLINED: (Verdict.AGREED, Verdict.CHANGES_ASKED),
    ProposalStatus.CHANGES_ASKED: (Verdict.AGREED, Verdict.CHANGES_ASKED, Verdict.DECLINED),
    ProposalStatus.TAKEN_BACK: (Verdict.AGREED, Verdict.CHANGES_ASKED, Verdict.DECLINED),
    ProposalStatus.AGREED: (Verdict.TAKEN_BACK,),
}


@dataclass(frozen=True, slots=True)
class ShownProposal:
    """Proposal of the desk as the source's page shows it: exact text, state and possible answers."""

    id: str
    digest: str  # hexadecimal; an answer contains this digest
    day: date
    recipient: PassOnRecipient
    name: str = field(repr=False)
    fingerprint: str
    text: str = field(repr=False)
    files: tuple[ThreadFile, ...]
    state: ProposalStatus
    may: tuple[Verdict, ...]  # the answers that are possible now
    verdict: Verdict | None  # the newest answer
    answered_on: date | None
    answer_text: str = field(repr=False)
    answer_receipt: str  # number on the receipt of the newest answer, or empty if there is no answer
    must_destroy: bool  # the file was made although the source had withdrawn in time
    signed: SignedEntry = field(repr=False)


def read_proposal(mailbox: SourceMailbox, keys: MailboxKeys, entry_id: bytes) -> ShownProposal:
    """Return one proposal of the desk in a mailbox, by the id of its entry.

    Raises:
        NotFoundError: no verified entry of the mailbox is a proposal with this id.
    """
    for each in thread_state(keys.address, mailbox.transcript, mailbox.opened).proposals:
        if each.entry_id == entry_id:
            return view_of_proposal(each)
    raise NotFoundError


def view_of_proposal(proposed: ProposalState) -> ShownProposal:
    """Convert the state of a proposal to the form that the source's pages show."""
    content, answer = proposed.content, proposed.answer
    note = cast("ProposalNote", content.proposal)  # every proposal of `thread_state` has a note
    return ShownProposal(
        id=proposed.entry_id.hex(),
        digest=proposed.digest.hex(),
        day=proposed.day,
        recipient=note.recipient,
        name=note.name,
        fingerprint=note.fingerprint,
        text=content.text,
        files=shown_files(content),
        state=proposed.state,
        may=_POSSIBLE_ANSWERS.get(proposed.state, ()),
        verdict=None if answer is None else answer.verdict,
        answered_on=None if answer is None else answer.day,
        answer_text="" if answer is None else answer.content.text,
        answer_receipt="" if answer is None else receipt_number(answer.signed.digest),
        must_destroy=proposed.must_destroy,
        signed=proposed.signed,
    )
