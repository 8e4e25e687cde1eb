"""Background work on closed and abandoned mailboxes, and on the casefiles of deleted mailboxes."""

from collections.abc import Sequence
from datetime import date

import msgspec

from crypto.errors import CryptoError
from journalist_app.desk.casefile import Casefile
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import conversation_of, heads_shown, open_all, unconfirmed
from journalist_app.errors import MailboxNotFoundError
from journalist_app.search.tally_reader import keys_in_use
from journalist_app.services.closing import close_mailbox
from journalist_app.services.closing.ended_mailboxes import evidence_alone, forget_deleted_mailboxes
from journalist_app.services.records import casefiles
from protocol.identifiers import Address
from protocol.ledger import Tally, open_tally
from protocol.transcript.closing import closed_until
from store import mailbox_tallies, mailboxes
from stored_mailbox.entry_form import FormContext
from web.dates import add_months


def maintain_deletions(desk: OpenDesk, today: date) -> None:
    """Do the background work on closed, abandoned and deleted mailboxes.

    This work corrects the facts that are counted, closes abandoned mailboxes, and deletes what must not be
    kept.
    """
    forget_deleted_mailboxes(desk, today)
    with desk.store.reading() as session:
        rows = mailbox_tallies.all_rows(session)
    if desk.last_check != today:
        desk.tallied.clear()
    seen = list(desk.trusted_state.mailboxes.items())
    due = {address: each.closed for address, each in seen if each.closed is not None}
    desk.each_mailbox("tallies", due, lambda each: _maintain_tallies(desk, each, due[each], rows.get(each)))
    known = {address: casefile for address, (_, casefile) in list(desk.casefiles.items())}
    desk.each_mailbox("kept", known, lambda each: _maintain_casefile(desk, each, known[each], today))
    _close_abandoned(desk, today)


def _maintain_tallies(desk: OpenDesk, address: Address, due: date, rows: set[int] | None) -> None:
    """Make the tallies (anonymous facts) of a closed mailbox again, if they are missing or outdated.

    `rows` has the ids of the rows of the tallies. If these ids did not change, the tallies are read only once
    a day.
    """
    # Anyone who can write to the store can delete tallies, and another workstation can change the casefile.
    # New tallies get the casefile's revision, so that all workstations make the same tallies.
    revision, casefile = desk.casefiles.get(address, (0, Casefile()))
    if desk.tallied.get(address) == (revision, due, rows):
        return
    with desk.store.reading() as session:
        sealed = mailbox_tallies.find(session, address)
        mailbox = mailboxes.find(session, address)
    if mailbox is None:
        return
    if casefile.keep_until != due:
        casefiles.set_in_casefile(desk, address, keep_until=due)
    elif _are_current(desk, sealed, wanted := casefiles.tallies_of_closed(desk, mailbox, revision, casefile)):
        desk.tallied[address] = (revision, due, rows)
    else:
        with desk.store.writing() as session:
            casefiles.put_tallies(desk, session, address, wanted)


def _are_current(desk: OpenDesk, sealed: Sequence[bytes], wanted: Sequence[Tally]) -> bool:
    keys = desk.keyring.identities, keys_in_use(desk.letterhead)  # not those of a retired workstation
    try:
        there = {tally.id: tally.revision for tally in (open_tally(raw, *keys) for raw in sealed)}
    except CryptoError:
        return False
    return all(there.get(tally.id, 0) >= tally.revision for tally in wanted)


def _maintain_casefile(desk: OpenDesk, address: Address, casefile: Casefile, today: date) -> None:
    """Update the desk's notes about a mailbox after the mailbox was reopened or deleted.

    A reopened mailbox is no longer marked as spam or closed. Of a deleted mailbox, only the evidence of
    consent stays, until its last day.
    """
    if address in desk.trusted_state.ended and casefile != evidence_alone(casefile):
        _keep_evidence_alone(desk, address, today)  # written by a workstation that did not know of the end
        return
    if casefile.keep_until is None or desk.trusted_state.seen(address).closed is not None:
        return
    try:
        conversation = conversation_of(desk, address)
    except MailboxNotFoundError:
        if casefile.keep_until < today:  # the last day of evidence of an ended mailbox is over
            with desk.store.writing() as session:
                casefiles.drop_casefile(desk, session, address)
        return
    if conversation.may_answer and closed_until(conversation.transcript) is None:
        casefiles.set_in_casefile(desk, address, keep_until=None, is_spam=False)


def _keep_evidence_alone(desk: OpenDesk, address: Address, today: date) -> None:
    """Delete the casefile of a mailbox that is gone, except the evidence of consent to pass on a proposal.

    The evidence stays until `keep_until`.
    """
    if casefiles.has_mailbox(desk, address):
        return  # someone restored the mailbox; the inbox reports that
    casefile = casefiles.read_casefile(desk, address)
    if casefile.evidence:
        keep_until = casefile.keep_until or close_mailbox.choose_deletion_day(desk, today)
        casefiles.update_casefile(
            desk, address, lambda now: evidence_alone(msgspec.structs.replace(now, keep_until=keep_until))
        )
    else:
        with desk.store.writing() as session:
            casefiles.drop_casefile(desk, session, address)


def _close_abandoned(desk: OpenDesk, today: date) -> None:
    """Once a day, close the mailboxes in which no one wrote for `abandoned_months`.

    A mailbox without any entry is not closed, because the server drops such a mailbox.
    """
    if desk.abandoned_checked == today:
        return
    before = add_months(today, -desk.letterhead.abandoned_months)
    with desk.store.reading() as session:
        found = [Address(address) for address in mailboxes.all_addresses(session)]
    # Attack: the server sends a later day of opening, which no one signs, so that a mailbox is never closed.
    asked = {Address(each.address): each.asked for each in desk.index.summaries()}
    open_ones = [
        each
        for each in found
        if desk.trusted_state.seen(each).closed is None and (asked.get(each) or date.min) < before
    ]
    desk.each_mailbox("abandoned", open_ones, lambda each: _close_if_abandoned(desk, each, before, today))
    if not desk.stopping.is_set():
        desk.abandoned_checked = today


def _close_if_abandoned(desk: OpenDesk, address: Address, before: date, today: date) -> None:
    """Close a mailbox if all messages are older than the day `before`, and an adviser has seen all entries.

    A mailbox with faults is not closed.
    """
    conversation = conversation_of(desk, address)
    days = [entry.envelope.day for entry in conversation.entries if entry.envelope.is_words]
    if conversation.faults or not days or max(days) >= before:
        return
    opened = open_all(desk, conversation)
    if any(each.fault for each in opened):
        return
    if unconfirmed(desk, conversation, opened):
        return
    form_context = FormContext.new(address, *heads_shown(desk, conversation, opened))
    due = close_mailbox.choose_early_deletion_day(desk, today)
    close_mailbox.close_until(desk, form_context, "", due, today=today, is_automatic=True)
