"""Retention: delete the mailboxes that the desk ordered to delete, and those in which no one ever wrote.

Each deletion order is verified again when its day comes, because an attacker who can write to the store can
put any order in the store.
"""

import hashlib
import logging
from collections import Counter
from dataclasses import dataclass
from datetime import date
from enum import Enum

from sqlalchemy.orm import Session

from crypto.errors import CryptoError
from deploy.quiet_log import OWN_LOGGER
from protocol.entry import SignedEntry
from protocol.identifiers import StrandId
from protocol.letterhead import Letterhead
from protocol.statements.deletion_order import is_order_void, verify_order
from store import deletion_orders, entries, mailboxes, peers
from store.database.engine import Store
from store.deletion_orders import StoredOrder
from web.dates import add_months

_log = logging.getLogger(OWN_LOGGER)


class DueOrder(Enum):
    """Decision about a deletion order whose unsigned day in the store has come."""

    CARRY_OUT = "carry out"
    DROP = "drop"  # the mailbox has a newer entry, or an entry is missing: the desk must look again
    WAIT = "wait"  # the desk signed a later day
    REFUSE = "refuse"  # no workstation of the desk signed this order; it stays, for the desk to see


@dataclass(frozen=True, slots=True)
class RetentionResult:
    """Counts of one round of retention. No count identifies a mailbox."""

    purged: int = 0
    dropped: int = 0
    refused: int = 0
    never_used: int = 0


def apply_retention(store: Store, letterhead: Letterhead, today: date) -> RetentionResult:
    """Carry out the deletion orders that are due, and drop unused mailboxes.

    Each mailbox is deleted in its own transaction.

    Raises:
        StoreError: the store failed. The transactions before the failure are kept.
    """
    with store.reading() as session:
        due = [
            (order.address, judge_order(session, order, letterhead, today))
            for order in deletion_orders.all_due(session, today)
        ]
        unused = mailboxes.empty_mailboxes(session, add_months(today, -letterhead.abandoned_months))
    count: Counter[DueOrder] = Counter(decision for _, decision in due if decision is DueOrder.REFUSE)
    for address, decision in due:
        if decision in {DueOrder.CARRY_OUT, DueOrder.DROP}:
            with store.writing() as session:
                count[carry_out_order(session, address, letterhead, today)] += 1
    never_used = 0
    for address in unused:
        with store.writing() as session:
            never_used += mailboxes.drop_empty(session, address)
    return RetentionResult(
        count[DueOrder.CARRY_OUT], count[DueOrder.DROP], count[DueOrder.REFUSE], never_used
    )


def forget_retired(store: Store, letterhead: Letterhead, today: date) -> None:
    """Forget workstations that the desk took out of use, so that no deletion waits for their confirmation.

    Raises:
        StoreError: the store failed.
    """
    with store.reading() as session:
        known = [peer.name for peer in peers.all_peers(session) if peer.name]
    for name in known:
        key = letterhead.strand_keys.get(StrandId(name))
        if key is not None and key.until is not None and key.until < today:
            with store.writing() as session:
                peers.remove_peer(session, name)
            _log.info("a workstation that the desk took out of use is forgotten")


def judge_order(session: Session, order: StoredOrder, letterhead: Letterhead, today: date) -> DueOrder:
    """Decide whether to carry out a deletion order, from the entries that its mailbox has now."""
    try:
        verified = verify_order(order.statement, strands=letterhead.strand_keys)
        present = [
            SignedEntry.from_stored(
                envelope=stored.envelope,
                signature=stored.signature,
                epoch=stored.epoch,
                header=None,
                payload=None,
                removal=stored.removal,
            )
            for stored in entries.signed_parts(session, order.address)
        ]
    except CryptoError:
        return DueOrder.REFUSE
    tallies = sorted(hashlib.sha256(tally).digest() for tally in order.tallies)
    is_whole = (order.address, tuple(tallies)) == (verified.address, verified.tallies_sha256)
    if not is_whole or len({len(tally) for tally in order.tallies}) > 1:
        return DueOrder.REFUSE
    if today < verified.due:
        return DueOrder.WAIT
    # An order without heads is dropped: it would fit any mailbox that is opened under this address later.
    return DueOrder.DROP if not verified.heads or is_order_void(verified, present) else DueOrder.CARRY_OUT


def log_retention(retained: RetentionResult, before: RetentionResult) -> None:
    """Log the counts of a round of retention.

    Refused orders are logged only if their number has changed since the round `before`.
    """
    if retained.purged:
        _log.info("mailboxes deleted by the desk's order: %d", retained.purged)
    if retained.dropped:
        _log.info("orders dropped, because an entry is new or missing: %d", retained.dropped)
    if retained.never_used:
        _log.info("mailboxes dropped in which no one ever wrote: %d", retained.never_used)
    if retained.refused and retained.refused != before.refused:
        _log.error(
            "orders to delete that are not as the desk signed them, left alone: %d; tell the desk",
            retained.refused,
        )


def carry_out_order(session: Session, address: bytes, letterhead: Letterhead, today: date) -> DueOrder:
    """Decide again about a deletion order, in the writing transaction, and delete or keep the mailbox.

    The first decision may be out of date, because the mailbox may have changed since that decision.
    """
    order = deletion_orders.find(session, address)
    if order is None:  # since the first decision, the mailbox ended, or the desk withdrew its order
        return DueOrder.WAIT
    decision = judge_order(session, order, letterhead, today)
    if decision is DueOrder.CARRY_OUT:
        mailboxes.purge_mailbox(
            session, address, statement=order.statement, day=today, tallies=sorted(order.tallies)
        )
    elif decision is DueOrder.DROP:
        deletion_orders.drop(session, address)
    return decision
