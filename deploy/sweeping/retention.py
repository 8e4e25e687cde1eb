"""Retention: delete the mailboxes that the desk closed, and those in which no one ever wrote.

Each closing is verified again when its day comes, because an attacker who can write to the store can put any
day in the store.
"""

import logging
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sqlalchemy.orm import Session

from crypto.errors import CryptoError
from deploy.quiet_log import OWN_LOGGER
from protocol.identifiers import Address
from protocol.ledger import ROWS
from protocol.letterhead import Letterhead
from protocol.transcript.closing import last_words, may_delete
from protocol.transcript.ending import proof_from_bytes, proof_to_bytes
from store import mailbox_tallies, mailboxes, peers, records
from store.database.engine import Store
from store.database.one_by_one import work_on_each
from stored_mailbox.appending import destroy_restored, recompute_state
from stored_mailbox.reading import read_stored
from web.dates import add_months

_PROOF_DAYS: Final = timedelta(days=30)  # the proof of an end stays for as long, or longer
_log = logging.getLogger(OWN_LOGGER)


@dataclass(frozen=True, slots=True)
class RetentionResult:
    """Counts of mailboxes from one run of the retention rules.

    `purged` counts closed mailboxes that were deleted. `never_used` counts deleted mailboxes in which no one
    wrote. `kept` counts mailboxes that were due for deletion, but failed a check.
    """

    purged: int = 0
    kept: int = 0
    never_used: int = 0


def apply_retention(store: Store, letterhead: Letterhead, today: date) -> RetentionResult:
    """Delete closed mailboxes whose day of deletion has come, and old mailboxes in which no one ever wrote.

    A mailbox with damaged rows is kept.

    Raises:
        StoreError: the store failed. Mailboxes that were deleted before the failure stay deleted.
    """
    with store.reading() as session:
        due = [Address(address) for address in mailboxes.due_by(session, today)]
        before = add_months(today, -letterhead.abandoned_months)
        unused = [Address(address) for address in mailboxes.empty_mailboxes(session, before)]

    def purge(address: Address) -> bool:
        with store.reading() as session:
            if _proof(session, address, letterhead, today) is None:
                return False  # without a transaction for which other writers wait
        with store.writing() as session:
            return purge_if_due(session, address, letterhead, today)

    def drop(address: Address) -> bool:
        with store.writing() as session:
            return mailboxes.drop_empty(session, address)

    purged, never_used = (sum(work_on_each(*each)[0]) for each in ((due, purge), (unused, drop)))
    return RetentionResult(purged, len(due) - purged, never_used)


def purge_if_due(session: Session, address: Address, letterhead: Letterhead, today: date) -> bool:
    """Delete a closed mailbox if its day of deletion has come. Return True if it was deleted."""
    proof = _proof(session, address, letterhead, today)
    if proof is None:
        return False
    mailboxes.purge_mailbox(session, address, proof=proof, day=today)
    return True


def _proof(session: Session, address: Address, letterhead: Letterhead, today: date) -> bytes | None:
    """Return the proof that the desk closed a mailbox, or None if the mailbox must be kept for now."""
    # The desk writes the tallies (anonymous facts) when it counts the mailbox. If their sizes differ, someone
    # else wrote one of them.
    found = read_stored(session, address, letterhead.strand_keys, has_content=False)
    if found is None or found.damaged or not found.has_sound_keys:
        return None
    sizes = [len(tally) for tally in mailbox_tallies.find(session, address)]
    is_counted = len(sizes) >= ROWS and len(set(sizes)) == 1
    if not (is_counted and may_delete(found.transcript, letterhead.strand_keys, today)):
        return None
    return proof_to_bytes(last_words(found.transcript))


def refresh_hints(store: Store) -> None:
    """Compute since when the source of each mailbox waits, and on which day the mailbox may be deleted.

    If someone put removed content into the store again, destroy the content again.

    Raises:
        StoreError: the store failed.
    """
    # The days are not signed, so someone could change them in the store to prevent a deletion forever.
    with store.reading() as session:
        addresses = mailboxes.all_addresses(session)

    def refresh(address: Address) -> bool:
        with store.writing(durable=False) as session:
            recompute_state(session, address)
            return destroy_restored(session, address) > 0

    destroyed, failed = work_on_each(map(Address, addresses), refresh)
    restored = sum(destroyed)
    if restored:
        _log.error("mailboxes whose removed words had contents again: %d; tell the desk", restored)
    if failed:
        _log.error("mailboxes whose days were not computed again: %d; tell the desk", len(failed))


def forget_known(store: Store, letterhead: Letterhead, today: date) -> None:
    """Delete workstations that are not in use, and old records and proofs.

    A record that the desk dropped is deleted when each workstation in use knows this. A proof that a mailbox
    ended is deleted when each workstation in use has the proof, but not within 30 days.

    Raises:
        StoreError: the store failed.
    """
    # Proofs stay 30 days, because the server's notes of what a workstation has received are not signed.
    in_use = letterhead.strands_in_use(today)
    last = today - _PROOF_DAYS
    # Attack: sources make and end mailboxes without end. While all proofs were read, no one could write.
    with store.reading() as session:
        old = [
            ended.address for ended in mailboxes.known_ends(session, last, in_use) if _day_of(ended) <= last
        ]
    with store.writing() as session:
        for address in old:
            mailboxes.drop_ended(session, address, in_use)
        records.delete_dropped(session, in_use)
        for peer in peers.all_peers(session):
            if peer.name not in in_use:
                peers.remove_peer(session, peer.name)
                _log.info("a workstation that the desk does not use is forgotten")


def _day_of(ended: mailboxes.EndedMailbox) -> date:
    """Return the day on which a mailbox ended, or the day in its signed proof if that is later.

    If the stored proof cannot be parsed, return `date.max`.
    """
    try:
        parts = [entry.envelope for entry in proof_from_bytes(ended.proof)]
    except CryptoError:
        return date.max
    return max(ended.day, *(part.due or part.day for part in parts))


def log_retention(retained: RetentionResult, before: RetentionResult) -> None:
    """Log how many mailboxes the retention rules deleted and kept.

    The number of kept mailboxes is logged only if it has changed since the earlier result `before`.
    """
    if retained.purged:
        _log.info("mailboxes deleted that the desk closed: %d", retained.purged)
    if retained.never_used:
        _log.info("mailboxes dropped in which no one ever wrote: %d", retained.never_used)
    if retained.kept and retained.kept != before.kept:
        _log.error("mailboxes kept, although the store calls them due: %d; tell the desk", retained.kept)
