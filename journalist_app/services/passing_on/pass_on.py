"""Passing on a proposal, with the source's consent or with a written reason that the source can read.

The order is fixed:

1. The proposal and the source's answer are kept as evidence. 2. A signed step in the mailbox says that the
desk passes on the proposal. Once the source can see this step, the source cannot withdraw the consent. 3. If
the server is another machine, the server confirms the step. 4. The encrypted file for the recipient is made,
as often as needed. A step says that the file was made. 5. A step says that the file was handed over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

import msgspec

from journalist_app.desk.casefile import Casefile
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import Conversation, OpenedEntry, thread_of
from journalist_app.errors import AdviserError, PassOnRefusal, PassOnRefusedError
from journalist_app.services.mailbox.send_entries import EntrySender, NewWords, due_of_step
from journalist_app.services.mailbox.steps import EMPTY_STEP_FORM, StepForm, build_step, trim_step_text
from journalist_app.services.passing_on.proposal_consent import (
    find_proposal,
    note_of_proposal,
    refuse_restored_server,
    require_consent,
    valid_steps,
    verified_thread,
)
from journalist_app.services.passing_on.usable_recipients import recipient_of_proposal
from journalist_app.services.records import casefiles, consent_evidence
from protocol.content import StepName, StepNote
from protocol.identifiers import Address, EntryId
from protocol.pouch.pouch_file import SERVER
from protocol.transcript.proposal_states import ProposalState, ProposalStatus
from protocol.transcript.thread_state import ThreadState
from store import entries, outbox, peers
from store.outbox import OutboxKind
from stored_mailbox.entry_form import FormContext
from web.dates import read_day

REASON_CHARS_MIN: Final = 40  # a full sentence: a reason such as "urgent" tells the source nothing


@dataclass(frozen=True, slots=True)
class WithoutConsent:
    """The adviser's written reason to pass on a proposal without the source's consent.

    The source can read the reason. The adviser must confirm that the desk passes on the proposal without
    consent.
    """

    reason: str = field(repr=False)
    is_confirmed: bool


def begin_passing_on(  # noqa: PLR0913  # each argument is part of the step
    desk: OpenDesk,
    form_context: FormContext,
    proposal_id: EntryId,
    *,
    today: date,
    without: WithoutConsent | None = None,
    words: StepForm = EMPTY_STEP_FORM,
) -> None:
    """Append a step that tells the source that the desk begins to pass on a proposal.

    When the source can see the step, the source can no longer withdraw the consent. If `without` is given, no
    consent is needed, and the step has the reason in `without`.

    Raises:
        PassOnRefusedError: the recipient cannot be used, a newer proposal exists, the consent or the reason
            is missing, or the warning that the server was restored is still shown.
        SendRefusedError: a text or the day is invalid, the form was used for another entry, or the source
            wrote in the meantime.
        MailboxNotFoundError: the store has no such mailbox.
        UnsoundMailboxError: the mailbox failed verification.
    """
    conversation, opened, thread = verified_thread(desk, form_context.address)
    proposed = find_proposal(thread, proposal_id)
    if proposed.state in {ProposalStatus.PASSING_ON, ProposalStatus.PASSED_ON}:
        return
    note = note_of_proposal(proposed)
    recipient_of_proposal(desk, note, today)
    is_without = without is not None
    reason = _checked_reason(without)
    require_consent(proposed, conversation, opened, thread, is_without=is_without)
    if not is_without:
        refuse_restored_server(desk)
    step = StepNote(
        step=StepName.PASSING_ON, to=note.name, proposal=proposed.digest, without_consent=is_without
    )
    content = build_step(replace(words, text=reason or words.text), step, desk.letterhead, today)

    def is_still_agreed(conversation: Conversation, opened: Sequence[OpenedEntry]) -> None:
        now = thread_of(conversation, opened)
        require_consent(find_proposal(now, proposal_id), conversation, opened, now, is_without=is_without)

    new = [NewWords(form_context.entry_id, content)]
    sender = EntrySender(desk, form_context, new, today=today, precondition=is_still_agreed)
    kept = consent_evidence.keep_evidence(desk, form_context.address, proposed)
    try:
        sender.send()
    except AdviserError:  # the source reads that the desk keeps these copies only once it has begun
        consent_evidence.drop_evidence(desk, form_context.address, kept)
        raise


def _checked_reason(without: WithoutConsent | None) -> str:
    if without is None:
        return ""
    reason = trim_step_text(without.reason)
    if len(reason) < REASON_CHARS_MIN or not without.is_confirmed:
        raise PassOnRefusedError(PassOnRefusal.REASON_MISSING)
    return reason


def list_unfinished(thread: ThreadState) -> tuple[ProposalState, ...]:
    """Return the proposals that the desk has begun to pass on, but not yet handed over to the recipient.

    A proposal is left out if its file was made without a valid consent.
    """
    # The adviser must destroy such a file.
    handed_over = {step.proposal for step in thread.steps if step.delivered}
    begun = {ProposalStatus.PASSING_ON, ProposalStatus.PASSED_ON}
    return tuple(
        each
        for each in thread.proposals
        if each.state in begun and each.digest not in handed_over and not each.must_destroy
    )


def is_confirmed_by_server(
    desk: OpenDesk, address: Address, thread: ThreadState, proposed: ProposalState
) -> bool:
    """Return True if the server has every step that tells the source that the desk passes on this proposal.

    The result is False while the server has more entries for this workstation. If the sources' site uses this
    same store, the result is True.
    """
    # Until the server has the step, the source can withdraw. Any entry that is not here yet may do this.
    begun = {step.entry_id for step in valid_steps(thread, proposed, StepName.PASSING_ON)}
    with desk.store.reading() as session:
        server = peers.find(session, SERVER)
        rows = [row for each in begun for row in entries.find_by_entry_id(session, address, each)]
        is_there = all(  # a step in a pouch on its way is not there yet
            outbox.have_confirmed(session, [SERVER], OutboxKind.ENTRY, address=address, name=row.digest)
            for row in rows
        )
    return server is None or (is_there and not server.has_more)


def record_handover(  # noqa: PLR0913  # each argument is part of the step
    desk: OpenDesk,
    form_context: FormContext,
    proposal_id: EntryId,
    words: StepForm,
    *,
    delivered: str,
    today: date,
) -> None:
    """Append a step that tells the source when and how the desk handed over the recipient's file.

    `delivered` is the day on which the recipient got the file, as typed. The step is appended even after a
    withdrawal, because the source must know.

    Raises:
        PassOnRefusedError: no file was made yet, or `delivered` is not a day, is before the day on which
            the file was made, or is after today.
        NoSuchProposalError: the mailbox has no such proposal.
        SendRefusedError: a text or the day is invalid, the form was used for another entry, or the source
            wrote in the meantime.
        MailboxNotFoundError: the store has no such mailbox.
        UnsoundMailboxError: the mailbox failed verification.
    """
    try:
        day = read_day(delivered)
    except ValueError as why:
        raise PassOnRefusedError(PassOnRefusal.HANDOVER_DAY) from why
    conversation, _, thread = verified_thread(desk, form_context.address)
    proposed = find_proposal(thread, proposal_id)
    made = [
        step for step in thread.steps if step.proposal == proposed.digest and step.step is StepName.PASSED_ON
    ]
    if not made:
        raise PassOnRefusedError(PassOnRefusal.NOT_BEGUN)
    if not made[0].day <= day <= today:
        raise PassOnRefusedError(PassOnRefusal.HANDOVER_DAY)
    name = note_of_proposal(proposed).name
    step = StepNote(step=StepName.PASSED_ON, to=name, proposal=proposed.digest, delivered=day)
    content = build_step(words, step, desk.letterhead, today)
    new = NewWords(form_context.entry_id, content, due_of_step(conversation, today))
    EntrySender(desk, form_context, [new], today=today).send()

    def add_day(casefile: Casefile) -> Casefile:
        passed_on = (
            msgspec.structs.replace(each, delivered=day) if each.proposal == proposed.digest else each
            for each in casefile.passed_on
        )
        return msgspec.structs.replace(casefile, passed_on=tuple(passed_on))

    casefiles.update_casefile(desk, form_context.address, add_day)
