"""Mailboxes that are gone: ended by their source, or closed by this desk and deleted.

The store has a row with a proof of each, until the desk has counted the mailbox. A workstation with a server
keeps the proof of a source's end for 400 days, because the server may be restored from a backup.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from crypto.errors import CryptoError
from journalist_app.config import ONE_MACHINE
from journalist_app.desk.casefile import Casefile, tallies_of
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import MailboxNotFoundError, UnsoundMailboxError
from journalist_app.services.closing import close_mailbox
from journalist_app.services.mailbox import count_for_report
from journalist_app.services.records import casefiles, desk_records, unsent_forms
from protocol.entry import SignedEntry
from protocol.identifiers import SOURCE_STRAND, Address
from protocol.ledger import seal_tallies, tally_seed
from protocol.mailbox_keys import check_mailbox_keys
from protocol.sealed_record import RecordKind
from protocol.transcript.check import Transcript, head_of, read_transcript
from protocol.transcript.closing import closed_until
from protocol.transcript.ending import end_of, is_proved, proof_from_bytes
from store import ledger_tallies, mailboxes, records, sync_findings
from store.mailboxes import EndedMailbox
from store.sync_findings import FindingKind

_PROOF_DAYS: Final = timedelta(days=400)  # longer than a backup of the server may be kept
_AT_ONCE: Final = 200  # rows that are dropped in one transaction, so that other writers wait only briefly


def end_by_source(desk: OpenDesk, row: EndedMailbox) -> SignedEntry | None:
    """Return the signed entry with which the source ended a mailbox, or None without a valid proof."""
    # A valid proof is verified once, because thousands of mailboxes can have one.
    if hash(row) not in desk.ends:
        _proof_in(desk, row)
    return desk.ends.get(hash(row))


def is_deleted_by_closing(desk: OpenDesk, row: EndedMailbox, today: date) -> bool:
    """Return True if a mailbox is gone because this desk closed it and its day of deletion has come.

    `row` has the proof that the mailbox ended. If this workstation remembers that the mailbox was opened
    again, the result is False.
    """
    # Attack: someone puts an old closing in the row, although the mailbox was opened again later. So newer
    # entries that this workstation remembers refute the proof, with two exceptions: our entries that did not
    # reach the server before the deletion, and entries of the source that need no answer.
    proof = None if hash(row) in desk.ends else _proof_in(desk, row)
    due = None if proof is None or end_of(proof) is not None else closed_until(proof)
    if proof is None or due is None or due > min(row.day, today):
        return False
    address = Address(row.address)
    seen = desk.trusted_state.seen(address)
    if seen.closed == due:
        return True
    named = {head for entry in proof.entries for head in (*entry.envelope.heads, head_of(entry))}
    newest = {head.strand: head.number for head in sorted(named)}  # the largest number comes last
    later = {
        head.strand for head in seen.heads if head not in named and head.number >= newest.get(head.strand, 0)
    }
    with desk.store.reading() as session:
        found = sync_findings.of_mailbox(session, address)
    if any(each.kind is FindingKind.CROSSED for each in found):
        later.discard(desk.keyring.strand.id)
    return not later or (later == {SOURCE_STRAND} and seen.is_answered)


def _proof_in(desk: OpenDesk, row: EndedMailbox) -> Transcript | None:
    """Return the verified entries in the proof that a mailbox ended, or None if the proof is false.

    If the source ended the mailbox, the entry that says so is saved in `desk.ends`.
    """
    address = Address(row.address)
    try:
        check_mailbox_keys(address, row.recipient, row.verify_key)
        entries = proof_from_bytes(row.proof)
    except CryptoError:
        return None
    strands = desk.letterhead.strand_keys
    proof = read_transcript(address, row.verify_key, strands, entries, has_content=False)
    if is_proved(proof) and (end := end_of(proof)) is not None:
        desk.ends[hash(row)] = end
    return proof if is_proved(proof) else None


def list_unacknowledged(desk: OpenDesk, today: date) -> list[EndedMailbox]:
    """Return the ended mailboxes that the inbox must still show to the adviser of this workstation.

    A mailbox without a valid proof of its end is always in the result.
    """
    return [row for row, state in _sort_ended(desk, today) if not state]


def _sort_ended(desk: OpenDesk, today: date) -> list[tuple[EndedMailbox, str]]:
    """Return the row of each ended mailbox, with the reason why the app can forget the mailbox.

    "deleted" means that the desk closed the mailbox. "counted" means that this workstation has counted a
    mailbox that its source ended. An empty reason means that the app must not forget the mailbox yet.
    """
    with desk.store.reading() as session:
        ended = {Address(row.address): row for row in mailboxes.ended_mailboxes(session)}

    def sort(address: Address) -> tuple[EndedMailbox, str]:
        row = ended[address]
        is_deleted = is_deleted_by_closing(desk, row, today)
        return row, "deleted" if is_deleted else "counted" if _is_counted(desk, row) else ""

    return desk.each_mailbox("ended", ended, sort)


def _is_counted(desk: OpenDesk, row: EndedMailbox) -> bool:
    """Return True if this workstation has counted an ended mailbox, and the source has signed the ending."""
    # The row of a counted mailbox returns if the server is restored from a backup.
    return row.address in desk.trusted_state.ended and end_by_source(desk, row) is not None


def acknowledge_ended(desk: OpenDesk, address: Address, today: date) -> None:
    """Count a mailbox for the yearly report, after the adviser has seen that the source ended it.

    Then drop what is no longer needed. Evidence of the source's consent stays until its last day.

    Raises:
        MailboxNotFoundError: the store has no row of this mailbox, or this workstation has counted it
            already.
        UnsoundMailboxError: the source has not signed the ending, so the row stays as evidence.
        RecordUnsoundError: the casefile fails verification, so the mailbox cannot be counted.
    """
    # Several workstations can count the mailbox: their tallies have the same ids, so each fact counts once.
    with desk.store.reading() as session:
        row = mailboxes.find_ended(session, address)
    if row is None or _is_counted(desk, row):
        raise MailboxNotFoundError
    end = end_by_source(desk, row)
    if end is None:
        raise UnsoundMailboxError
    _count_end(desk, row, end, today)
    _drop_counted(desk, row, today)
    unsent_forms.drop_unsent_about(desk, [address])
    with desk.store.writing() as session:
        desk_records.delete_empty_records(desk, session, today)


def acknowledge_unread(desk: OpenDesk, today: date) -> None:
    """For the report, count the mailboxes that ended before an adviser opened them. Delete their rows."""
    # Attack: someone makes and ends thousands of mailboxes, to fill the inbox with lines.
    ended = [(row, end_by_source(desk, row)) for row in list_unacknowledged(desk, today)]
    ends = {Address(row.address): (row, end) for row, end in ended if end and _is_unread(desk, end)}
    unread = list(ends)

    def count(address: Address) -> Address:
        _count_end(desk, *ends[address], today)
        desk.forget_ended(address)
        return address

    for start in range(0, len(unread), _AT_ONCE):
        counted = desk.each_mailbox("acknowledge", unread[start : start + _AT_ONCE], count)
        desk.save()  # before the rows go, as in `_drop_counted`, and once for all
        for address in counted:
            _drop_counted(desk, ends[address][0], today)


def _is_unread(desk: OpenDesk, end: SignedEntry) -> bool:
    """Return True if no adviser left an entry in a mailbox before the source ended the mailbox.

    Return False if this workstation knows the mailbox but lacks one of the source's entries.
    """
    is_read = any(head.strand for head in (*end.envelope.heads, *end.envelope.unseen))
    is_known = end.envelope.address in desk.trusted_state.mailboxes
    return not is_read and not (is_known and count_for_report.count_not_arrived(desk, end))


def _count_end(desk: OpenDesk, row: EndedMailbox, end: SignedEntry, today: date) -> None:
    """Add the anonymous facts about an ended mailbox to the ledger, for the yearly report.

    Raises:
        RecordUnsoundError: the casefile fails verification, so the mailbox cannot be counted.
    """
    part, address = end.envelope, Address(row.address)
    casefile = casefiles.read_casefile(desk, address)
    if casefile.keep_until is None or casefile != evidence_alone(casefile):
        if casefile.evidence:
            keep_until = casefile.keep_until or close_mailbox.choose_deletion_day(desk, today)
            casefiles.set_in_casefile(desk, address, keep_until=keep_until)
        counted = tallies_of(
            count_for_report.add_facts_of_end(desk, casefile, end),
            desk.letterhead,
            seed=tally_seed(desk.keyring.desk_key.seed, row.verify_key),
            revision=desk.casefiles.get(address, (0, casefile))[0] + 1,
            closed=part.day,
            # An adviser who read the mailbox or wrote in it left an entry.
            is_read=any(head.strand for head in (*part.heads, *part.unseen)),
        )
        with desk.store.writing() as session:  # before the trusted state says that the mailbox is counted
            ledger_tallies.add(session, seal_tallies(counted, desk.letterhead, desk.keyring.desk_writer))


def evidence_alone(casefile: Casefile) -> Casefile:
    """Return the part of a casefile that is about passing on texts and files.

    This part has three things: the evidence that the source consented, a list of what the desk passed on, and
    the last day on which this evidence is kept.
    """
    return Casefile(evidence=casefile.evidence, passed_on=casefile.passed_on, keep_until=casefile.keep_until)


def forget_deleted_mailboxes(desk: OpenDesk, today: date) -> None:
    """Drop what this workstation still has of deleted mailboxes, and of mailboxes that their source ended.

    A mailbox that its source ended is dropped after this workstation has counted it, and when its proof is no
    longer needed.
    """
    found = _sort_ended(desk, today)
    _forget_deleted(desk, [Address(row.address) for row, state in found if state == "deleted"], today)
    gone = (row for row, state in found if state == "counted" and not _needs_proof(desk, row, today))
    counted = {Address(row.address): row for row in gone}
    with desk.saving_once():
        desk.each_mailbox("counted", counted, lambda each: _drop_counted(desk, counted[each], today))


def _forget_deleted(desk: OpenDesk, deleted: Sequence[Address], today: date) -> None:
    if deleted:
        unsent_forms.drop_unsent_about(desk, deleted)
    for address in deleted:
        desk.forget_purged(address)
    desk.save()  # before the rows go: without a row, a mailbox in the trusted state looks stolen
    others = desk.stores_to_tell(today)
    for start in range(0, len(deleted), _AT_ONCE):
        with desk.store.writing() as session:
            for address in deleted[start : start + _AT_ONCE]:
                mailboxes.drop_ended(session, address, others)
                sync_findings.drop(session, address, b"", FindingKind.CROSSED)  # only read receipts crossed


def _needs_proof(desk: OpenDesk, row: EndedMailbox, today: date) -> bool:
    """Return True if the server may still need the proof that a mailbox ended.

    If the server is restored from an older backup, this workstation sends the proof again. If there is no
    server, the result is False.
    """
    end = end_by_source(desk, row)
    return desk.config.server != ONE_MACHINE and end is not None and end.envelope.day > today - _PROOF_DAYS


def _drop_counted(desk: OpenDesk, row: EndedMailbox, today: date) -> None:
    """Drop the desk's notes about an ended mailbox, except the evidence of consent.

    The proof that the mailbox ended is dropped too, if it is no longer needed.

    Raises:
        RecordUnsoundError: the notes fail verification, and nothing was dropped.
    """
    address = Address(row.address)
    casefile = casefiles.read_casefile(desk, address)
    desk.forget_ended(address)
    desk.save()  # before the row goes: without a row, a mailbox in the trusted state looks stolen
    with desk.store.writing() as session:
        if not _needs_proof(desk, row, today):
            mailboxes.drop_ended(session, address, desk.stores_to_tell(today))
        if casefile.evidence:
            records.drop(session, RecordKind.DRAFT, address)
        else:
            casefiles.drop_casefile(desk, session, address)
    if casefile.evidence and casefile != evidence_alone(casefile):
        casefiles.update_casefile(desk, address, evidence_alone)
    desk.save()
