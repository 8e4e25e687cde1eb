"""Proposals of the desk to pass on a text, as the source's pages show them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import cast

from msgspec import UNSET

from protocol.content import PassOnRecipient, ProposalNote, StepName, Verdict
from protocol.entry import EntryContent, SignedEntry
from protocol.identifiers import Digest, receipt_number
from protocol.mailbox_keys import MailboxKeys
from protocol.transcript.proposal_states import CountedAnswer, ProposalState, ProposalStatus
from protocol.transcript.thread_state import ThreadState, ThreadStep, thread_state
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
    answered_by: Digest | None  # of the entry with the newest answer
    is_begun: bool  # a step to pass on the proposal counts
    must_destroy: bool  # the file was made, and no step to pass on the proposal counts
    is_newest: bool
    without_consent: ThreadStep | None  # newest step that passes on the proposal without the source's consent
    delivered: date | None  # day on which the recipient got the file
    signed: SignedEntry = field(repr=False)
    damaged_files: frozenset[str] = frozenset()  # ids: only the page with the answer form looks for them

    @property
    def answer_receipt(self) -> str:
        """Return the number on the receipt of the newest answer, or an empty text if there is no answer."""
        return "" if self.answered_by is None else receipt_number(self.answered_by)

    @property
    def is_final(self) -> bool:
        """Return True if the source agreed, and can no longer take this agreement back."""
        return self.is_begun and self.without_consent is None


def read_proposal(mailbox: SourceMailbox, keys: MailboxKeys, entry_id: bytes) -> ShownProposal:
    """Return one proposal of the desk in a mailbox, by the id of its entry.

    Raises:
        NotFoundError: no verified entry of the mailbox is a proposal with this id.
    """
    state = thread_state(keys.address, mailbox.transcript, mailbox.opened)
    for each in shown_proposals(state, mailbox.opened):
        if each.signed.envelope.entry_id == entry_id:
            return each
    raise NotFoundError


def shown_proposals(state: ThreadState, opened: Sequence[EntryContent]) -> tuple[ShownProposal, ...]:
    """Return all proposals of a mailbox, oldest first, as the source's pages show them.

    `opened` has the entries of the mailbox, each with its decrypted content.
    """
    return tuple(_shown_proposal(each, state.steps, opened) for each in state.proposals)


def _shown_proposal(
    proposed: ProposalState, steps: Sequence[ThreadStep], opened: Sequence[EntryContent]
) -> ShownProposal:
    content, answer = proposed.content, proposed.answer or _newest_answer(proposed.digest, opened)
    about = [step for step in reversed(steps) if step.proposal == proposed.digest]
    forced = (step for step in about if step.without_consent and not step.is_void)
    note = cast("ProposalNote", content.proposal)  # every proposal of `thread_state` has a note
    return ShownProposal(
        id=proposed.entry_id.hex(),
        digest=proposed.digest.hex(),
        day=proposed.signed.envelope.day,
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
        answered_by=None if answer is None else answer.signed.digest,
        is_begun=any(step.step is StepName.PASSING_ON and not step.is_void for step in about),
        must_destroy=proposed.must_destroy,
        is_newest=proposed.is_newest,
        without_consent=next(forced, None) if proposed.answer is None else None,
        delivered=next((step.delivered for step in about if step.delivered), None),
        signed=proposed.signed,
    )


def _newest_answer(digest: Digest, opened: Sequence[EntryContent]) -> CountedAnswer | None:
    # Of a proposal that is passed on without consent, no answer decides. The source's answer is shown anyway.
    for signed, content in reversed(opened):
        if content is not None and content.answer is not UNSET and content.answer.proposal == digest:
            return CountedAnswer(signed, content, content.answer.verdict, signed.envelope.day)
    return None
