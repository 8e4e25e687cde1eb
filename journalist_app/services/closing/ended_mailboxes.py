"""Mailboxes that are gone: ended by their source, or closed by this desk and deleted.

The store has a row with a proof of each, until the desk has counted the mailbox.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

from crypto.errors import CryptoError
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
from protocol.transcript.check import Transcript, head_of, read_transcript
from protocol.transcript.closing import closed_until
from protocol.transcript.ending import end_of, is_proved, proof_from_bytes
from store import ledger_tallies, mailboxes, sync_findings
from store.mailboxes import EndedMailbox
from store.sync_findings import FindingKind

_AT_ONCE: Final = 200  # rows that are dropped in one transaction, so that other writers wait only briefly


def end_by_source(desk: OpenDesk, row: EndedMailbox) -> SignedEntry | None:
    """Return the signed entry with which the source ended a mailbox.

    Return None if the mailbox's row in the store has no valid proof that the source ended the mailbox. A
    valid proof is remembered and not verified again, because thousands of mailboxes can have one.
    """
    if hash(row) not in desk.ends:
        _proof_in(desk, row)
    return desk.ends.get(hash(row))


def is_deleted_by_closing(desk: OpenDesk, row: EndedMailbox, today: date) -> bool:
    """Return True if a mailbox is gone because this desk closed it and its day of deletion has come.

    `row` has the proof: the last signed entries of the mailbox. Attack: someone who can write to the store
    puts an old closing in the row, although the mailbox was opened again later. So the proof counts only if
    this workstation remembers the same day of deletion, or remembers no newer entry. Two kinds of newer
    entries are ignored:

    - entries of this workstation that did not reach the server before the deletion
    - entries of the source that need no answer
    """
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

    If the source signed the end, the function also keeps this entry in `desk.ends`, so that the next page
    need not verify the proof again.
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

    If the proof of an ending is not valid, the mailbox is in the result even after the adviser has seen it.
    """
    return [row for row, state in _sort_ended(desk, today) if not state]


def _sort_ended(desk: OpenDesk, today: date) -> list[tuple[EndedMailbox, str]]:
    """Return the row of each ended mailbox and its state: "deleted", "counted", or "" (still to be shown).

    - "deleted": the desk closed the mailbox, and its day of deletion has come.
    - "counted": the source ended the mailbox, and this workstation has counted it for the yearly report.
    - "": the inbox must still show the mailbox.
    """
    with desk.store.reading() as session:
        ended = {Address(row.address): row for row in mailboxes.ended_mailboxes(session)}

    def sort(address: Address) -> tuple[EndedMailbox, str]:
        row = ended[address]
        is_deleted = is_deleted_by_closing(desk, row, today)
        return row, "deleted" if is_deleted else "counted" if _is_counted(desk, row) else ""

    return desk.each_mailbox("ended", ended, sort)


def _is_counted(desk: OpenDesk, row: EndedMailbox) -> bool:
    """Return True if this workstation has counted an ended mailbox, and the source has signed the ending.

    The trusted state, a signed file outside the store, lists the counted mailboxes. The store alone cannot
    tell: the row of a counted mailbox returns if the server was restored from a backup.
    """
    return row.address in desk.trusted_state.ended and end_by_source(desk, row) is not None


def acknowledge_ended(desk: OpenDesk, address: Address, today: date) -> None:
    """Count a mailbox that its source ended, for the yearly report. Then drop its row and casefile (notes).

    The inbox calls this function after the adviser has seen the ending on this workstation. If several
    workstations count the mailbox, each fact still counts once, because their tallies (anonymous facts) have
    the same ids. Evidence that the source agreed to pass on texts and files stays until the day on which the
    mailbox would have been deleted.

    Raises:
        MailboxNotFoundError: the store has no row of this mailbox, or this workstation has already counted
            the mailbox.
        UnsoundMailboxError: the source has not signed the ending. The row stays in the store, as evidence.
        RecordUnsoundError: the casefile fails verification, so the mailbox cannot be counted.
    """
    with desk.store.reading() as session:
        row = mailboxes.find_ended(session, address)
    if row is None or _is_counted(desk, row):
        raise MailboxNotFoundError
    end = end_by_source(desk, row)
    if end is None:
        raise UnsoundMailboxError
    _count_end(desk, row, end, today)
    _drop_row(desk, address, today)
    with desk.store.writing() as session:
        desk_records.delete_empty_records(desk, session, today)


def acknowledge_unread(desk: OpenDesk, today: date) -> None:
    """Count all mailboxes that their sources ended before an adviser opened them, and drop their rows.

    Attack: someone makes thousands of mailboxes and ends them. Without this function, an adviser would have
    to remove thousands of lines from the inbox one by one.
    """
    ended = [(row, end_by_source(desk, row)) for row in list_unacknowledged(desk, today)]
    ends = {Address(row.address): (row, end) for row, end in ended if end and _is_unread(desk, end)}
    unread = list(ends)

    def count(address: Address) -> Address:
        _count_end(desk, *ends[address], today)
        desk.forget_ended(address)
        return address

    for start in range(0, len(unread), _AT_ONCE):
        counted = desk.each_mailbox("acknowledge", unread[start : start + _AT_ONCE], count)
        desk.save()  # before the rows go, as in `_drop_row`, and once for all
        for address in counted:
            _drop_row(desk, address, today)


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
    """Return a copy of a casefile (notes about a mailbox) that keeps only the facts about passing on.

    These are the evidence of the source's consent, what the desk passed on, and the last day on which the
    evidence is kept.
    """
    return Casefile(evidence=casefile.evidence, passed_on=casefile.passed_on, keep_until=casefile.keep_until)


def forget_deleted_mailboxes(desk: OpenDesk, today: date) -> None:
    """Drop what this workstation still has of deleted mailboxes, and of mailboxes that their source ended.

    Of a mailbox that its source ended, nothing is dropped until this workstation has counted the mailbox for
    the yearly report. The row with the proof that the mailbox ended is dropped, and the mailbox's part of the
    trusted state.
    """
    found = _sort_ended(desk, today)
    _forget_deleted(desk, [Address(row.address) for row, state in found if state == "deleted"], today)
    counted = [Address(row.address) for row, state in found if state == "counted"]
    with desk.saving_once():
        desk.each_mailbox("counted", counted, lambda each: _drop_row(desk, each, today))


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


def _drop_row(desk: OpenDesk, address: Address, today: date) -> None:
    """Drop the row of an ended mailbox, and its casefile except the evidence of consent.

    This evidence, that the source agreed to pass on texts and files, stays in the casefile. A casefile has
    the desk's notes about a mailbox.

    Raises:
        RecordUnsoundError: the casefile fails verification. Nothing was dropped.
    """
    casefile = casefiles.read_casefile(desk, address)
    desk.forget_ended(address)
    desk.save()  # before the row goes: without a row, a mailbox in the trusted state looks stolen
    with desk.store.writing() as session:
        mailboxes.drop_ended(session, address, desk.stores_to_tell(today))
        if not casefile.evidence:
            casefiles.drop_casefile(desk, session, address)
    if casefile.evidence and casefile != evidence_alone(casefile):
        casefiles.update_casefile(desk, address, evidence_alone)
    desk.save()
