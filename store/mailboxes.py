"""Mailboxes: opened, listed for the inbox, ended by their source or purged by the desk's order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from sqlalchemy import bindparam, delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from store import deletion_orders, outbox, records
from store import ledger_tallies as ledger
from store.database.deletion_queue import queue_attachments, queue_entries
from store.database.prepared_statements import PreparedStatement
from store.database.schema import AttachmentRow, EndedMailboxRow, EntryRow, MailboxRow, StrandHeadRow, new_id
from store.errors import MailboxEndedError, NoSuchMailboxError
from store.outbox import OutboxKind, enqueue


class InboxList(StrEnum):
    """The lists of the inbox."""

    WAITING = "waiting"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class StoredMailbox:
    """One source's mailbox; `sealed_bytes` counts what is sealed in it, pending attachments too."""

    address: bytes
    recipient: bytes = field(repr=False)
    verify_key: bytes = field(repr=False)
    opened_day: date
    sealed_bytes: int
    waiting_since: date | None
    last_day: date | None
    last_author: int | None


@dataclass(frozen=True, slots=True)
class EndedMailbox:
    """A mailbox that has ended. One that `is_counted` the desk has seen: it waits for peers to be told."""

    address: bytes
    recipient: bytes = field(repr=False)
    verify_key: bytes = field(repr=False)
    statement: bytes = field(repr=False)
    day: date
    is_counted: bool


@dataclass(frozen=True, slots=True)
class InboxCounts:
    """How many mailboxes the lists of the inbox hold."""

    waiting: int
    answered: int


_MAILBOX = select(
    MailboxRow.address,
    MailboxRow.recipient,
    MailboxRow.verify_key,
    MailboxRow.opened_day,
    MailboxRow.sealed_bytes,
    MailboxRow.waiting_since,
    MailboxRow.last_day,
    MailboxRow.last_author,
)
_FIND = PreparedStatement(_MAILBOX.where(MailboxRow.address == bindparam("address")))
_OPEN = PreparedStatement(insert(MailboxRow))
_FIND_ALL = _MAILBOX.where(MailboxRow.address.in_(bindparam("addresses", expanding=True)))
_ENDED = select(
    EndedMailboxRow.address,
    EndedMailboxRow.recipient,
    EndedMailboxRow.verify_key,
    EndedMailboxRow.statement,
    EndedMailboxRow.day,
    EndedMailboxRow.is_counted,
)
_FIND_ENDED = PreparedStatement(_ENDED.where(EndedMailboxRow.address == bindparam("address")))
_IS_WAITING = MailboxRow.waiting_since.is_not(None)
_IS_ANSWERED = MailboxRow.waiting_since.is_(None) & MailboxRow.last_day.is_not(None)
# The tables themselves are asked: `last_day` alone would be one place to change and lose a mailbox by.
_IS_EMPTY = (
    MailboxRow.last_day.is_(None)
    & ~exists().where(StrandHeadRow.address == MailboxRow.address)
    & ~exists().where(EntryRow.address == MailboxRow.address)
    & ~exists().where(AttachmentRow.address == MailboxRow.address)  # somebody writes this very moment
)


def create_mailbox(
    session: Session, *, address: bytes, recipient: bytes, verify_key: bytes, day: date
) -> bool:
    """Make an empty mailbox; answer False when it was there.

    Raises:
        MailboxEndedError: it has ended, and the desk has not seen that yet or a peer was not told.
    """
    if find(session, address) is not None:
        return False
    if find_ended(session, address) is not None:
        raise MailboxEndedError("this mailbox has ended")
    columns = {"recipient": recipient, "verify_key": verify_key, "opened_day": day, "sealed_bytes": 0}
    _OPEN.run(session, {"id": new_id(), "address": address, **columns})
    return True


def find(session: Session, address: bytes) -> StoredMailbox | None:
    """Return the mailbox of an address (20 bytes), if there is one."""
    row = _FIND.first(session, {"address": address})
    return None if row is None else StoredMailbox(*row)


def find_all(session: Session, addresses: Sequence[bytes]) -> Sequence[StoredMailbox]:
    """Return those of some mailboxes, at most a few hundred, that are there."""
    return [
        StoredMailbox(*row) for row in session.connection().execute(_FIND_ALL, {"addresses": list(addresses)})
    ]


def all_addresses(session: Session) -> Sequence[bytes]:
    """Return the address of every mailbox, sorted."""
    return session.scalars(select(MailboxRow.address).order_by(MailboxRow.address)).all()


def inbox_page(session: Session, state: str, offset: int, limit: int) -> Sequence[StoredMailbox]:
    """Return part of a list of the inbox: waiting longest first, or answered latest first.

    A mailbox in which nothing was written yet is in neither list.
    """
    if InboxList(state) is InboxList.WAITING:
        query = _MAILBOX.where(_IS_WAITING).order_by(
            MailboxRow.waiting_since, MailboxRow.last_day, MailboxRow.address
        )
    else:
        query = _MAILBOX.where(_IS_ANSWERED).order_by(MailboxRow.last_day.desc(), MailboxRow.address.desc())
    return [StoredMailbox(*row) for row in session.execute(query.offset(offset).limit(limit))]


def inbox_counts(session: Session) -> InboxCounts:
    """Return the lengths of the inbox's lists."""
    waiting = session.scalar(select(func.count()).select_from(MailboxRow).where(_IS_WAITING))
    answered = session.scalar(select(func.count()).select_from(MailboxRow).where(_IS_ANSWERED))
    return InboxCounts(waiting=waiting or 0, answered=answered or 0)


def end_for_good(session: Session, address: bytes, *, statement: bytes, day: date) -> None:
    """Make everything in a mailbox unreadable, leave it to `purge.sweep`, and keep one signed line.

    An order that it was under goes with it. What the desk noted about it stays until the desk drops it.

    Raises:
        MailboxMissingError: there is no such mailbox.
    """
    mailbox = find(session, address)
    if mailbox is None:
        raise NoSuchMailboxError("there is no such mailbox")
    _drop(session, address)
    _keep_line(
        session,
        EndedMailbox(address, mailbox.recipient, mailbox.verify_key, statement, day, is_counted=False),
    )


def apply_end_from_peer(  # noqa: PLR0913  # the columns of the line, by name
    session: Session, *, address: bytes, recipient: bytes, verify_key: bytes, statement: bytes, day: date
) -> None:
    """End a mailbox as a peer says it ended, its statement verified before.

    Where the mailbox is not here its line is kept alone. A line that is here stays as it is.
    """
    if find(session, address) is not None:
        end_for_good(session, address, statement=statement, day=day)
    elif find_ended(session, address) is None:
        _keep_line(session, EndedMailbox(address, recipient, verify_key, statement, day, is_counted=False))


def purge_mailbox(
    session: Session, address: bytes, *, statement: bytes, day: date, tallies: Sequence[bytes]
) -> None:
    """End a mailbox by the desk's order, which is the `statement` that is kept; its records go with it.

    The `tallies`, of one size, are what is left of it: in the ledger, under new ids.

    Raises:
        MailboxMissingError: there is no such mailbox.
    """
    end_for_good(session, address, statement=statement, day=day)
    records.drop_of_mailbox(session, address)
    ledger.add(session, tallies)


def empty_mailboxes(session: Session, before: date) -> Sequence[bytes]:
    """Return the addresses of mailboxes opened before a day in which nothing was ever written, sorted."""
    query = select(MailboxRow.address).where(_IS_EMPTY, MailboxRow.opened_day < before)
    return session.scalars(query.order_by(MailboxRow.address)).all()


def opened_before(session: Session, before: date) -> Sequence[bytes]:
    """Return the address of every mailbox that was opened before a day, sorted."""
    query = select(MailboxRow.address).where(MailboxRow.opened_day < before)
    return session.scalars(query.order_by(MailboxRow.address)).all()


def drop_empty(session: Session, address: bytes) -> bool:
    """Forget a mailbox in which nothing was ever written; answer False when something was meanwhile."""
    if session.scalar(select(MailboxRow.id).where(_IS_EMPTY, MailboxRow.address == address)) is None:
        return False
    records.drop_of_mailbox(session, address)
    _drop(session, address)
    return True


def ended_mailboxes(session: Session) -> Sequence[EndedMailbox]:
    """Return what is left of mailboxes that ended, by address. What is counted is not for people to see."""
    return [EndedMailbox(*row) for row in session.execute(_ENDED.order_by(EndedMailboxRow.address))]


def find_ended(session: Session, address: bytes) -> EndedMailbox | None:
    """Return what is left of a mailbox that ended, if there is anything."""
    row = _FIND_ENDED.first(session, {"address": address})
    return None if row is None else EndedMailbox(*row)


def mark_ending_counted(session: Session, address: bytes, *, tallies: Sequence[bytes] = ()) -> None:
    """Forget an ended mailbox, once the desk has seen its statement; the `tallies`, of one size, are kept.

    While a peer is still to be told that it ended, the line stays, as counted.
    """
    ledger.add(session, tallies)
    line = find_ended(session, address)
    if line is None or not line.is_counted or tallies:  # what was acknowledged before need not be told again
        digests = b"".join(map(ledger.tally_digest, tallies))
        enqueue(session, OutboxKind.ACKNOWLEDGED, address=address, tally_digests=digests)
    if outbox.is_queued(session, OutboxKind.ENDED, address=address):
        mark_counted(session, address)
    else:
        session.connection().execute(delete(EndedMailboxRow).where(EndedMailboxRow.address == address))


def mark_counted(session: Session, address: bytes) -> bool:
    """Note that the desk has counted an ended mailbox; answer False where there is no line of it."""
    counted = update(EndedMailboxRow).where(EndedMailboxRow.address == address).values(is_counted=True)
    return session.connection().execute(counted).rowcount == 1


def _keep_line(session: Session, ended: EndedMailbox) -> None:
    session.connection().execute(
        insert(EndedMailboxRow).values(
            id=new_id(),
            address=ended.address,
            recipient=ended.recipient,
            verify_key=ended.verify_key,
            statement=ended.statement,
            day=ended.day,
            is_counted=ended.is_counted,
        )
    )
    enqueue(session, OutboxKind.ENDED, address=ended.address)


def _drop(session: Session, address: bytes) -> None:
    deletion_orders.drop(session, address)
    queue_attachments(session, address)
    queue_entries(session, address)
    session.connection().execute(delete(EntryRow).where(EntryRow.address == address))
    session.connection().execute(delete(StrandHeadRow).where(StrandHeadRow.address == address))
    session.connection().execute(delete(MailboxRow).where(MailboxRow.address == address))
    outbox.drop_mailbox(session, address)
