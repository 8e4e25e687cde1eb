"""Mailboxes that are gone: ended by their source, or deleted by an order of this desk.

A row in the store remains of each, until the desk has counted the mailbox.
"""

from contextlib import suppress
from datetime import date
from typing import Final

import msgspec
from protocol.statements.deletion_order import verify_order
from protocol.statements.removal import MailboxEnding, is_ended_by_source, verify_ending

from crypto.errors import ForgedError, MalformedError
from journalist_app.config import ONE_MACHINE
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import MailboxNotFoundError, RecordUnsoundError, UnsoundMailboxError
from journalist_app.services.mailbox import count_for_report, order_deletion
from journalist_app.services.records import casefiles, unsent_forms
from protocol.casefile import Casefile
from protocol.identifiers import NO_DIGEST, SOURCE_STRAND, Address
from protocol.ledger import seal_tallies, tallies_of
from store import mailboxes, sync_findings
from store.mailboxes import EndedMailbox
from store.sync_findings import FindingKind

_NO_HEAD: Final = (0, NO_DIGEST)


def is_deleted_by_order(desk: OpenDesk, row: EndedMailbox, today: date) -> bool:
    """Return True if a valid deletion order of this desk explains why a mailbox is gone.

    An attacker could have written the row that remains of the mailbox, because the row is not signed. So two
    more conditions must be true. By our own clock, the order's day has come. And this workstation knows no
    later entry that makes the order void.

    Such an entry is an entry of the desk, or a message of the source that waits for an answer. One entry of
    the desk is an exception: an entry of this workstation that had not reached the server before the deletion
    does not make the order void.
    """
    try:
        ordered = verify_order(row.statement, strands=desk.letterhead.strand_keys)
    except (ForgedError, MalformedError):
        return False
    if ordered.address != row.address or ordered.due > min(row.day, today):
        return False
    known = desk.trusted_state.mailboxes.get(ordered.address, {})
    later = {strand for strand, head in known.items() if head[0] > ordered.heads.get(strand, _NO_HEAD)[0]}
    if desk.keyring.strand.id in later and _has_crossed(desk, ordered.address):
        later.remove(desk.keyring.strand.id)
    return not later or (later == {SOURCE_STRAND} and ordered.address in desk.trusted_state.answered)


def _has_crossed(desk: OpenDesk, address: Address) -> bool:
    with desk.store.reading() as session:
        return any(found.kind is FindingKind.CROSSED for found in sync_findings.of_mailbox(session, address))


def list_unacknowledged(desk: OpenDesk, today: date) -> list[EndedMailbox]:
    """Return the ended mailboxes that the adviser must see before the desk counts them.

    A row that claims to be counted, but has no valid signature of the source, is forged. The list contains
    such a row too.
    """
    with desk.store.reading() as session:
        ended = mailboxes.ended_mailboxes(session)
    return [
        row
        for row in ended
        if not (_is_counted(desk, row) and _is_ended_by_source(row))
        and not is_deleted_by_order(desk, row, today)
    ]


def _is_counted(desk: OpenDesk, row: EndedMailbox) -> bool:
    """Return True if the desk has counted an ended mailbox.

    Another workstation may have counted the mailbox: its row then says so. Or this workstation counted the
    mailbox before the server was restored from a backup. The restored row no longer says so, but the trusted
    state, which this workstation saves outside the store, still names the mailbox as ended.

    If the sources' site uses the same store as this site, the trusted state does not prove that the desk
    counted the mailbox. The app may have stopped after it saved the ending in the trusted state, but before
    it counted the mailbox.
    """
    was_ours = row.address in desk.trusted_state.ended and desk.config.server != ONE_MACHINE
    return row.is_counted or was_ours


def acknowledge_ended(desk: OpenDesk, address: Address, today: date) -> None:
    """Count a mailbox that its source ended for the yearly report, and drop its row from the store.

    The inbox calls this function after the adviser has seen the ending.

    Raises:
        MailboxNotFoundError: the store has no row of this mailbox, or the desk has already counted the
            mailbox.
        UnsoundMailboxError: the source has not signed the ending. The row stays in the store, as evidence.
        RecordUnsoundError: the casefile fails verification, so the mailbox cannot be counted.
    """
    with desk.store.reading() as session:
        row = mailboxes.find_ended(session, address)
    if row is None or row.is_counted:
        raise MailboxNotFoundError
    try:
        ended = verify_ending(
            row.statement, address=address, recipient=row.recipient, verify_key=row.verify_key
        )
    except (ForgedError, MalformedError) as why:
        raise UnsoundMailboxError from why
    count_ended_mailbox(desk, ended, today)


def count_ended_mailbox(desk: OpenDesk, ended: MailboxEnding, today: date) -> None:
    """Count a mailbox whose source signed its ending, and drop its row and its casefile.

    Evidence that the source agreed to pass on texts and files stays until the day on which the mailbox would
    have been deleted.

    Raises:
        RecordUnsoundError: the casefile fails verification, so the mailbox cannot be counted.
    """
    address = ended.address
    casefile = casefiles.read_casefile(desk, address)
    if casefile.evidence:
        keep_until = casefile.keep_until or order_deletion.choose_deletion_day(desk, today)
        casefiles.update_casefile(
            desk, address, lambda now: msgspec.structs.replace(now, keep_until=keep_until)
        )
    # An adviser who read the mailbox or wrote in it left an entry.
    is_read = any(strand != SOURCE_STRAND for strand in ended.heads)
    known = count_for_report.add_facts_of_ending(desk, casefile, ended)
    counted = tallies_of(known, desk.letterhead, closed=ended.day, is_read=is_read)
    tallies = seal_tallies(counted, desk.letterhead, desk.keyring.desk_writer)
    _drop_row(desk, casefile, address, tallies=tallies)


def evidence_alone(casefile: Casefile) -> Casefile:
    """Return a copy of a casefile with only the evidence that the source agreed to pass on a proposal."""
    return Casefile(evidence=casefile.evidence, passed_on=casefile.passed_on, keep_until=casefile.keep_until)


def forget_deleted_mailboxes(desk: OpenDesk, today: date) -> None:
    """Drop all traces (row, casefile, trusted state) of mailboxes that this desk's order deleted.

    The traces of ended mailboxes that the desk has already counted are dropped too. This workstation can
    still have such traces for two reasons. Another workstation counted the mailbox. Or the row returned when
    the server was restored from a backup.
    """
    with desk.store.reading() as session:
        ended = mailboxes.ended_mailboxes(session)
    for row in ended:
        if is_deleted_by_order(desk, row, today):
            _forget_deleted(desk, Address(row.address))
        elif _is_counted(desk, row) and _is_ended_by_source(row):
            with suppress(RecordUnsoundError):  # the inbox shows the fault, and the row stays
                _drop_row(desk, casefiles.read_casefile(desk, Address(row.address)), Address(row.address))


def _is_ended_by_source(row: EndedMailbox) -> bool:
    return is_ended_by_source(
        row.statement, address=Address(row.address), recipient=row.recipient, verify_key=row.verify_key
    )


def _forget_deleted(desk: OpenDesk, address: Address) -> None:
    unsent_forms.drop_unsent_about(desk, address)
    desk.forget_purged(address)
    desk.save()  # before the row goes: without a row, a mailbox in the trusted state looks stolen
    with desk.store.writing() as session:
        mailboxes.mark_ending_counted(session, address)
        sync_findings.drop(session, address, b"", FindingKind.CROSSED)  # only read receipts crossed


def _drop_row(desk: OpenDesk, casefile: Casefile, address: Address, tallies: tuple[bytes, ...] = ()) -> None:
    """Drop the row of an ended mailbox, and its casefile without the evidence of consent.

    This evidence, that the source agreed to pass on texts and files, stays in the casefile.
    """
    desk.forget_ended(address)
    desk.save()  # before the row goes: without a row, a mailbox in the trusted state looks stolen
    with desk.store.writing() as session:
        mailboxes.mark_ending_counted(session, address, tallies=tallies)
        if not casefile.evidence:
            casefiles.drop_casefile(desk, session, address)
    if casefile.evidence and casefile != evidence_alone(casefile):
        casefiles.update_casefile(desk, address, evidence_alone)
    desk.save()
