"""Mailboxes: created, listed for the adviser's inbox, and ended by their source or by the desk."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from sqlalchemy import bindparam, delete, exists, func, select
from sqlalchemy.orm import Session

from store import ledger_tallies, mailbox_tallies, outbox, records
from store.database.deletion_queue import queue_attachments, queue_entries
from store.database.prepared_statements import PlainQuery, PreparedChange, PreparedQuery, columns, insert
from store.database.schema import AttachmentRow, EndedMailboxRow, EntryRow, MailboxRow, new_id
from store.errors import MailboxEndedError, NoSuchMailboxError
from store.outbox import OutboxKind, enqueue


class InboxList(StrEnum):
    """Lists of the adviser's inbox: mailboxes that wait for an answer, and mailboxes that do not."""

    WAITING = "waiting"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class StoredMailbox:
    """Mailbox of one source: its row in the store. The values below are not signed.

    - `sealed_bytes`: size of the mailbox's ciphertext, with pending attachments
    - `version`: another number after each change of the mailbox's entries
    - `waiting_since`: day of the oldest message without an answer, or None
    - `due`: day from which the closed mailbox may be deleted, or None
    - `last_day`: day of the last entry, or None
    """

    address: bytes
    recipient: bytes = field(repr=False)
    verify_key: bytes = field(repr=False)
    opened_day: date
    sealed_bytes: int
    version: int
    waiting_since: date | None
    due: date | None
    last_day: date | None


@dataclass(frozen=True, slots=True)
class EndedMailbox:
    """Proof that a mailbox was ended or deleted (its last signed envelopes), with the keys of the mailbox."""

    address: bytes
    recipient: bytes = field(repr=False)
    verify_key: bytes = field(repr=False)
    proof: bytes = field(repr=False)
    day: date


@dataclass(frozen=True, slots=True)
class InboxCounts:
    """Number of mailboxes in each list of the adviser's inbox."""

    waiting: int
    answered: int


_HAS_ADDRESS = MailboxRow.address == bindparam("address")
_MAILBOXES = select(*columns(StoredMailbox, MailboxRow))
_FIND = PreparedQuery(_MAILBOXES.where(_HAS_ADDRESS), StoredMailbox)
_FIND_ALL = PreparedQuery(
    _MAILBOXES.where(MailboxRow.address.in_(bindparam("addresses", expanding=True))), StoredMailbox
)
_HAS = PlainQuery(select(MailboxRow.id).where(_HAS_ADDRESS))
_NEW = insert(MailboxRow)
_CREATE = PreparedChange(
    _NEW.on_conflict_do_update(
        index_elements=[MailboxRow.address],
        set_={"recipient": _NEW.excluded.recipient, "verify_key": _NEW.excluded.verify_key},
    )
)
_DELETE = PreparedChange(delete(MailboxRow).where(_HAS_ADDRESS))
_DELETE_ENTRIES = PreparedChange(delete(EntryRow).where(EntryRow.address == bindparam("address")))

_IS_WAITING = MailboxRow.waiting_since.is_not(None)
_IS_ANSWERED = MailboxRow.waiting_since.is_(None) & MailboxRow.last_day.is_not(None)
_WAITING_FIRST = (MailboxRow.waiting_since, MailboxRow.last_day, MailboxRow.address)
_ANSWERED_LAST = (MailboxRow.last_day.desc(), MailboxRow.address.desc())
_PAGES = {
    inbox_list: PreparedQuery(
        _MAILBOXES.where(is_in_list).order_by(*order).offset(bindparam("offset")).limit(bindparam("limit")),
        StoredMailbox,
    )
    for inbox_list, is_in_list, order in (
        (InboxList.WAITING, _IS_WAITING, _WAITING_FIRST),
        (InboxList.ANSWERED, _IS_ANSWERED, _ANSWERED_LAST),
    )
}
_NEWEST_DAYS = PlainQuery(select(func.max(MailboxRow.last_day), func.max(MailboxRow.opened_day)))
_COUNTS = PreparedQuery(
    select(
        select(func.count()).select_from(MailboxRow).where(_IS_WAITING).scalar_subquery(),
        select(func.count()).select_from(MailboxRow).where(_IS_ANSWERED).scalar_subquery(),
    ),
    InboxCounts,
)
# Checks all tables. If this checked only `last_day`, an attacker could have a mailbox deleted by changing
# one column.
_IS_EMPTY = (
    MailboxRow.last_day.is_(None)
    & ~exists().where(EntryRow.address == MailboxRow.address)
    & ~exists().where(AttachmentRow.address == MailboxRow.address)  # someone is writing at this moment
)
_ADDRESSES = select(MailboxRow.address).order_by(MailboxRow.address)
_ALL_ADDRESSES = PlainQuery(_ADDRESSES)
_EMPTY_BEFORE = PlainQuery(_ADDRESSES.where(_IS_EMPTY, MailboxRow.opened_day < bindparam("day")))
_DUE_BY = PlainQuery(_ADDRESSES.where(MailboxRow.due <= bindparam("day")))
_FIND_EMPTY = PlainQuery(_ADDRESSES.where(_IS_EMPTY, _HAS_ADDRESS))

_HAS_ENDED = EndedMailboxRow.address == bindparam("address")
_ENDED = select(*columns(EndedMailbox, EndedMailboxRow))
_ALL_ENDED = PreparedQuery(_ENDED.order_by(EndedMailboxRow.address), EndedMailbox)
_ENDED_BY = PreparedQuery(_ENDED.where(EndedMailboxRow.day <= bindparam("day")), EndedMailbox)
_FIND_ENDED = PreparedQuery(_ENDED.where(_HAS_ENDED), EndedMailbox)
_NEW_END = insert(EndedMailboxRow)
_ADD_ENDED = PreparedChange(  # a false row of the operator must not stop the end of a mailbox
    _NEW_END.on_conflict_do_update(
        index_elements=[EndedMailboxRow.address],
        set_={name: _NEW_END.excluded[name] for name in ("recipient", "verify_key", "proof", "day")},
    )
)
_DELETE_ENDED = PreparedChange(delete(EndedMailboxRow).where(_HAS_ENDED))


def create_mailbox(
    session: Session, *, address: bytes, recipient: bytes, verify_key: bytes, opened_day: date
) -> bool:
    """Create an empty mailbox. Return False if the mailbox exists already.

    The caller must have checked that the keys belong to the address. If the stored keys of an existing
    mailbox are damaged, they are replaced.

    Raises:
        MailboxEndedError: the mailbox has ended, and the store still has the proof of its end.
    """
    stored = find(session, address)
    if stored is not None and (stored.recipient, stored.verify_key) == (recipient, verify_key):
        return False
    if stored is None and find_ended(session, address) is not None:
        raise MailboxEndedError("this mailbox has ended")
    row = {"recipient": recipient, "verify_key": verify_key, "opened_day": opened_day}
    _CREATE.run(session, id=new_id(), address=address, **row, sealed_bytes=0, version=0)
    return True


def find(session: Session, address: bytes) -> StoredMailbox | None:
    """Return the mailbox of an address (20 bytes), or None if there is no such mailbox."""
    return _FIND.first(session, address=address)


def has(session: Session, address: bytes) -> bool:
    """Return True if the store has a mailbox with this address. This is faster than `find`."""
    return _HAS.first(session, address=address) is not None


def find_all(session: Session, addresses: Sequence[bytes]) -> Sequence[StoredMailbox]:
    """Return the mailboxes of up to a few hundred addresses. Addresses without a mailbox are left out."""
    return _FIND_ALL.all(session, addresses=addresses)


def all_addresses(session: Session) -> Sequence[bytes]:
    """Return the addresses of all mailboxes, sorted."""
    return _ALL_ADDRESSES.all(session)


def inbox_page(session: Session, state: str, offset: int, limit: int) -> Sequence[StoredMailbox]:
    """Return at most `limit` mailboxes of one list of the inbox, after skipping the first `offset` mailboxes.

    `state` is "waiting" (longest waiting first) or "answered" (latest answered first). Empty mailboxes are in
    neither list.
    """
    return _PAGES[InboxList(state)].all(session, offset=offset, limit=limit)


def inbox_counts(session: Session) -> InboxCounts:
    """Return how many mailboxes wait for an answer, and how many mailboxes were answered."""
    return _COUNTS.first(session) or InboxCounts(0, 0)


def newest_day(session: Session) -> date:
    """Return the newest day on which a mailbox was opened or got an entry.

    If the store has no mailbox, return `date.min`. The result comes from dates that are not signed.
    """
    days: Sequence[date | None] = _NEWEST_DAYS.first(session) or ()
    return max((day or date.min for day in days), default=date.min)


def end_for_good(
    session: Session, address: bytes, *, proof: bytes, day: date, keys: tuple[bytes, bytes] | None = None
) -> None:
    """End a mailbox: make its content unreadable, queue the content for deletion, and store `proof`.

    `keys` are the verified recipient and verify key, or None to use the keys in the mailbox's row. The desk's
    records about the mailbox are not deleted.

    Raises:
        NoSuchMailboxError: there is no such mailbox.
    """
    mailbox = find(session, address)
    if mailbox is None:
        raise NoSuchMailboxError("there is no such mailbox")
    _delete(session, address)
    recipient, verify_key = keys or (mailbox.recipient, mailbox.verify_key)
    _add_ended(session, address, recipient=recipient, verify_key=verify_key, proof=proof, day=day)


def apply_end_from_peer(  # noqa: PLR0913  # the columns of the line, by name
    session: Session, *, address: bytes, recipient: bytes, verify_key: bytes, proof: bytes, day: date
) -> None:
    """End a mailbox because another store (peer) sent a proof of its end.

    The caller must have verified the proof. If the mailbox is not in this store, only the proof is stored.
    """
    if find(session, address) is not None:
        end_for_good(session, address, proof=proof, day=day, keys=(recipient, verify_key))
    elif find_ended(session, address) is None:
        keys = {"recipient": recipient, "verify_key": verify_key}
        _add_ended(session, address, **keys, proof=proof, day=day)


def purge_mailbox(session: Session, address: bytes, *, proof: bytes, day: date) -> None:
    """Delete a mailbox that the desk closed, with the desk's records about the mailbox.

    The mailbox's tallies (anonymous facts) are moved to the ledger.

    Raises:
        NoSuchMailboxError: there is no such mailbox.
    """
    tallies = mailbox_tallies.find(session, address)
    end_for_good(session, address, proof=proof, day=day)
    records.drop_of_mailbox(session, address)
    # The new row ids are random, so no row shows which mailbox a tally is about.
    ledger_tallies.add(session, tallies)


def due_by(session: Session, day: date) -> Sequence[bytes]:
    """Return the addresses of the mailboxes that may be due for deletion on a day, sorted.

    The day in the mailbox's row is not signed, so the caller must verify the entries of the mailbox.
    """
    return _DUE_BY.all(session, day=day)


def empty_mailboxes(session: Session, before: date) -> Sequence[bytes]:
    """Return the addresses of the empty mailboxes that were opened before a day, sorted.

    Empty means: there was never an entry, and no upload is pending.
    """
    return _EMPTY_BEFORE.all(session, day=before)


def drop_empty(session: Session, address: bytes) -> bool:
    """Delete a mailbox if it is empty. Return False if someone has written in it, or is uploading a file."""
    if _FIND_EMPTY.first(session, address=address) is None:
        return False
    records.drop_of_mailbox(session, address)
    _delete(session, address)
    return True


def ended_mailboxes(session: Session) -> Sequence[EndedMailbox]:
    """Return the proofs of all ended mailboxes, sorted by address."""
    return _ALL_ENDED.all(session)


def known_ends(session: Session, day: date, peers: Collection[bytes]) -> Iterator[EndedMailbox]:
    """Yield the proofs of the mailboxes that ended on `day` or earlier. The day of an end is not signed.

    A proof is left out if one of these peers (other stores) does not have the proof yet.
    """
    for ended in _ENDED_BY.each(session, day=day):
        if outbox.have_confirmed(session, peers, OutboxKind.ENDED, address=ended.address):
            yield ended


def find_ended(session: Session, address: bytes) -> EndedMailbox | None:
    """Return the proof that a mailbox has ended, or None if there is no proof."""
    return _FIND_ENDED.first(session, address=address)


def drop_ended(session: Session, address: bytes, peers: Iterable[bytes]) -> None:
    """Delete the proof that a mailbox has ended, if each of these peers (other stores) has the proof."""
    if outbox.have_confirmed(session, peers, OutboxKind.ENDED, address=address):
        _DELETE_ENDED.run(session, address=address)


def _add_ended(session: Session, address: bytes, **line: object) -> None:
    _ADD_ENDED.run(session, id=new_id(), address=address, **line)
    enqueue(session, OutboxKind.ENDED, address=address)


def _delete(session: Session, address: bytes) -> None:
    mailbox_tallies.drop(session, address)
    queue_attachments(session, address)
    queue_entries(session, address)
    _DELETE_ENTRIES.run(session, address=address)
    _DELETE.run(session, address=address)
    outbox.drop_mailbox(session, address)
