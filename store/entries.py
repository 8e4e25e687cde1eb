"""Entries: appended to a strand, read, removed."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Date, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from store.database.deletion_queue import queue_attachments, queue_entries
from store.database.prepared_statements import PreparedStatement, roll_back
from store.database.schema import AttachmentRow, EntryRow, MailboxRow, SealedRow, StrandHeadRow, new_id
from store.database.sealed_rows import count_in_mailbox, insert_sealed
from store.errors import (
    AttachmentMissingError,
    EntryExistsError,
    EntryMissingError,
    HeadMovedError,
    NoSuchMailboxError,
    StoreDamagedError,
    StoreError,
)
from store.outbox import OutboxKind, enqueue

SOURCE, DESK = 0, 1  # authors
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry as it lies in the store. Without header it was removed and cannot be opened."""

    address: bytes
    author: int
    strand: bytes
    number: int
    entry_id: bytes
    digest: bytes
    envelope: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    epoch: int
    day: date
    removal: bytes | None = field(repr=False)
    header: bytes | None = field(repr=False)
    payload: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedPart:
    """What of an entry is signed in the open, and its removal: enough to tell who said something."""

    envelope: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    epoch: int
    removal: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class StrandEnd:
    """Where a strand ends: number and digest of its head (0 and zeros without one), and how full it is."""

    mailbox_bytes: int
    number: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class StrandHead:
    """The newest number and digest of a strand in one mailbox."""

    author: int
    strand: bytes
    number: int
    digest: bytes


_COLUMNS = select(
    EntryRow.address,
    EntryRow.author,
    EntryRow.strand,
    EntryRow.number,
    EntryRow.entry_id,
    EntryRow.digest,
    EntryRow.envelope,
    EntryRow.signature,
    EntryRow.epoch,
    EntryRow.day,
    EntryRow.removal,
    SealedRow.header,
    SealedRow.payload,
).outerjoin(SealedRow, SealedRow.id == EntryRow.id)
_STORED = _COLUMNS.where(EntryRow.address == bindparam("address"))
_OF_MAILBOXES = _COLUMNS.where(EntryRow.address.in_(bindparam("addresses", expanding=True))).order_by(
    EntryRow.address, EntryRow.author, EntryRow.strand, EntryRow.number
)
_OF_MAILBOX = PreparedStatement(_STORED.order_by(EntryRow.author, EntryRow.strand, EntryRow.number))
_FIND = PreparedStatement(_STORED.where(EntryRow.entry_id == bindparam("entry_id")))
_HEADS = PreparedStatement(
    select(StrandHeadRow.author, StrandHeadRow.strand, StrandHeadRow.number, StrandHeadRow.digest)
    .where(StrandHeadRow.address == bindparam("address"))
    .order_by(StrandHeadRow.author, StrandHeadRow.strand)
)
_PLACE = PreparedStatement(
    select(MailboxRow.sealed_bytes, StrandHeadRow.number, StrandHeadRow.digest)
    .outerjoin(
        StrandHeadRow,
        (StrandHeadRow.address == MailboxRow.address)
        & (StrandHeadRow.author == bindparam("author"))
        & (StrandHeadRow.strand == bindparam("strand")),
    )
    .where(MailboxRow.address == bindparam("address"))
)
_SIGNED_PARTS = PreparedStatement(
    select(EntryRow.envelope, EntryRow.signature, EntryRow.epoch, EntryRow.removal).where(
        EntryRow.address == bindparam("address")
    )
)
_IS_KNOWN = PreparedStatement(
    select(EntryRow.id).where(
        EntryRow.address == bindparam("address"), EntryRow.entry_id == bindparam("entry_id")
    )
)
_DIGEST_AT = PreparedStatement(
    select(EntryRow.digest).where(
        EntryRow.address == bindparam("address"),
        EntryRow.author == bindparam("author"),
        EntryRow.strand == bindparam("strand"),
        EntryRow.number == bindparam("number"),
    )
)
_FIRST_DAYS = (
    select(EntryRow.address, func.min(EntryRow.day))
    .where(EntryRow.author == bindparam("author"))
    .group_by(EntryRow.address)
)
_ALL_HEADS = PreparedStatement(
    select(StrandHeadRow.address, StrandHeadRow.strand, StrandHeadRow.number, StrandHeadRow.digest)
)
_SEALED_BYTES = (
    select(func.sum(SealedRow.size))
    .join(EntryRow, EntryRow.id == SealedRow.id)
    .where(EntryRow.address == bindparam("address"))
)
_RESTING = select(MailboxRow.address).where(MailboxRow.waiting_since.is_(None))

_TODAY = bindparam("today", type_=Date())
_COUNTED = (
    update(MailboxRow)
    .where(MailboxRow.address == bindparam("of"))
    .values(
        sealed_bytes=MailboxRow.sealed_bytes + bindparam("more"),
        last_day=_TODAY,
        last_author=bindparam("writer"),
    )
)
_COUNT_SILENTLY = PreparedStatement(_COUNTED)
_COUNT_WAITING = PreparedStatement(
    _COUNTED.values(waiting_since=func.coalesce(MailboxRow.waiting_since, _TODAY))
)
_COUNT_ANSWERED = PreparedStatement(_COUNTED.values(waiting_since=None))
_FIRST_HEAD = PreparedStatement(insert(StrandHeadRow))
_ITS_HEAD = (
    (StrandHeadRow.address == bindparam("of"))
    & (StrandHeadRow.author == bindparam("writer"))
    & (StrandHeadRow.strand == bindparam("line"))
)
_MOVE_HEAD = PreparedStatement(
    update(StrandHeadRow)
    .where(
        _ITS_HEAD,
        StrandHeadRow.number == bindparam("after") - 1,
        StrandHeadRow.digest == bindparam("previous"),
    )
    .values(number=bindparam("after"), digest=bindparam("newest"))
)
_HAS_HEAD = PreparedStatement(select(StrandHeadRow.id).where(_ITS_HEAD))
_RAISE_HEAD = PreparedStatement(
    update(StrandHeadRow)
    .where(_ITS_HEAD, StrandHeadRow.number < bindparam("raised"))
    .values(number=bindparam("raised"), digest=bindparam("newest"))
)
_ADD_ENTRY = PreparedStatement(insert(EntryRow))
_MARK_REMOVED = PreparedStatement(
    update(EntryRow)
    .where(
        EntryRow.address == bindparam("of"),
        EntryRow.entry_id == bindparam("entry"),
        EntryRow.removal.is_(None),
    )
    .values(removal=bindparam("statement"))
)
_ADOPT = PreparedStatement(
    update(AttachmentRow)
    .where(
        AttachmentRow.address == bindparam("of"),
        AttachmentRow.entry_id == bindparam("entry"),
        AttachmentRow.attachment_id == bindparam("which"),
        AttachmentRow.pending_half_hour.is_not(None),
        AttachmentRow.is_whole,
    )
    .values(pending_half_hour=None)
)


def append(  # noqa: PLR0913  # the columns of the entry, by name
    session: Session,
    *,
    address: bytes,
    author: int,
    strand: bytes,
    number: int,
    entry_id: bytes,
    digest: bytes,
    envelope: bytes,
    signature: bytes,
    epoch: int,
    day: date,
    header: bytes,
    payload: bytes,
    previous: bytes,
    attachment_ids: Sequence[bytes] = (),
    speaks: bool = True,
    is_answer: bool = True,
) -> None:
    """Add an entry at the head of its strand, and adopt its attachments. A refusal rolls back.

    `number` is one more than that of the head whose digest is `previous`, or 1 for a strand that has none.
    `attachment_ids` are whole and pending for this entry. Without `speaks` (a mark of having seen) the
    mailbox's place in the inbox stays as it was. An entry of the desk without `is_answer` crossed something
    that the source said: the mailbox goes on waiting.

    Raises:
        HeadMovedError: the strand's head is not `previous` with the number before.
        EntryExistsError: the mailbox holds this entry id already.
        AttachmentMissingError: an attachment is not there or not whole.
        MailboxMissingError: there is no such mailbox.
    """
    more = len(header) + len(payload)
    columns = {
        "address": address,
        "author": author,
        "strand": strand,
        "number": number,
        "entry_id": entry_id,
        "digest": digest,
        "envelope": envelope,
        "signature": signature,
        "epoch": epoch,
        "day": day,
    }
    try:
        _count(session, columns, more, speaks=speaks, is_answer=is_answer)
        _move_head(session, columns, previous)
        _insert(session, {"id": insert_sealed(session, header=header, payload=payload), **columns})
        _adopt(session, address, entry_id, attachment_ids)
        enqueue(session, OutboxKind.ENTRY, address=address, name=entry_id)
    except (StoreError, sqlite3.IntegrityError):
        roll_back(session)  # whatever the caller does with the refusal, no half of an entry is ever committed
        raise


def apply_from_peer(  # noqa: PLR0913  # the columns of the entry, by name
    session: Session,
    *,
    address: bytes,
    author: int,
    strand: bytes,
    number: int,
    entry_id: bytes,
    digest: bytes,
    envelope: bytes,
    signature: bytes,
    epoch: int,
    day: date,
    header: bytes | None,
    payload: bytes | None,
    removal: bytes | None,
    attachment_ids: Sequence[bytes],
    speaks: bool,
    is_answer: bool,
) -> None:
    """Add an entry that a peer brought, in the place that it was signed for, and adopt its attachments.

    Where it stands in its strand is not compared with the head: an entry before it may be damaged there, and
    its readers see a gap. With a removal nothing of it is sealed any more. A refusal rolls back.

    Raises:
        EntryExistsError: another entry has this place, or this id.
        AttachmentMissingError: an attachment is not there or not whole.
        MailboxMissingError: there is no such mailbox.
    """
    columns = {
        "address": address,
        "author": author,
        "strand": strand,
        "number": number,
        "entry_id": entry_id,
        "digest": digest,
        "envelope": envelope,
        "signature": signature,
        "epoch": epoch,
        "day": day,
        "removal": removal,
    }
    more = len(header or b"") + len(payload or b"")
    try:
        _count(session, columns, more, speaks=speaks, is_answer=is_answer)
        _raise_head(session, columns)
        row = new_id() if removal is not None else insert_sealed(session, header=header, payload=payload)
        _ADD_ENTRY.run(session, {"id": row, **columns})
        _adopt(session, address, entry_id, attachment_ids)
        enqueue(session, OutboxKind.ENTRY, address=address, name=entry_id)
    except sqlite3.IntegrityError as why:
        roll_back(session)
        raise EntryExistsError("the mailbox holds an entry at this place, or of this id, already") from why
    except StoreError:
        roll_back(session)
        raise


def of_mailbox(session: Session, address: bytes) -> Sequence[StoredEntry]:
    """Return a mailbox's entries, tombstones too, in the order of author, strand and number."""
    return [StoredEntry(*row) for row in _OF_MAILBOX.all(session, {"address": address})]


def of_mailboxes(session: Session, addresses: Sequence[bytes]) -> dict[bytes, list[StoredEntry]]:
    """Return the entries of some mailboxes, at most a few hundred, each list as `of_mailbox` has it."""
    found: dict[bytes, list[StoredEntry]] = {address: [] for address in addresses}
    for row in session.connection().execute(_OF_MAILBOXES, {"addresses": list(addresses)}):
        found[row.address].append(StoredEntry(*tuple(row)))
    return found


def signed_parts(session: Session, address: bytes) -> Sequence[SignedPart]:
    """Return the open halves of a mailbox's entries, tombstones too, in no order."""
    return [SignedPart(*row) for row in _SIGNED_PARTS.all(session, {"address": address})]


def find(session: Session, address: bytes, entry_id: bytes) -> StoredEntry | None:
    """Return one entry of a mailbox, if it is there."""
    row = _FIND.first(session, {"address": address, "entry_id": entry_id})
    return None if row is None else StoredEntry(*row)


def digest_at(session: Session, address: bytes, author: int, strand: bytes, number: int) -> bytes | None:
    """Return the digest of the entry at a place of a strand, if there is one."""
    at = {"address": address, "author": author, "strand": strand, "number": number}
    row = _DIGEST_AT.first(session, at)
    return None if row is None else row[0]


def strand_heads(session: Session, address: bytes) -> Sequence[StrandHead]:
    """Return the head of each strand in a mailbox."""
    return [StrandHead(*row) for row in _HEADS.all(session, {"address": address})]


def strand_end(session: Session, address: bytes, author: int, strand: bytes) -> StrandEnd | None:
    """Return where a strand's next entry comes, if there is such a mailbox: all that a writer must know.

    Raises:
        StoreDamagedError: no writer of ours has such a head, and there is no place after it.
    """
    row = _PLACE.first(session, {"address": address, "author": author, "strand": strand})
    if row is None:
        return None
    mailbox_bytes, number, digest = row
    if number is None:
        return StrandEnd(mailbox_bytes, 0, bytes(_DIGEST_BYTES))
    if number < 1:
        raise StoreDamagedError("the store names an impossible head")
    return StrandEnd(mailbox_bytes, number, digest)


def first_entry_days(session: Session, author: int) -> Sequence[tuple[bytes, date]]:
    """Return the day of an author's first entry in each mailbox that has one, deleted or not."""
    rows = session.connection().execute(_FIRST_DAYS, {"author": author})
    return [(address, day) for address, day in rows]


def all_heads(session: Session) -> Iterator[tuple[bytes, bytes, int, bytes]]:
    """Yield address, strand, number and digest of every head in the store, in no order."""
    yield from _ALL_HEADS.all(session, {})


def sealed_bytes(session: Session, address: bytes) -> int:
    """Return how many bytes the sealed parts of a mailbox's entries take, without their files."""
    return session.scalar(_SEALED_BYTES, {"address": address}) or 0


def addresses_not_waiting(session: Session) -> Sequence[bytes]:
    """Return the address of every mailbox that is not said to wait."""
    return session.scalars(_RESTING).all()


def remove_entry(session: Session, address: bytes, entry_id: bytes, *, removal: bytes) -> None:
    """Make an entry and its attachments unreadable, and leave a tombstone. The first removal stays.

    Raises:
        EntryMissingError: the mailbox holds no such entry.
    """
    if _MARK_REMOVED.run(session, {"of": address, "entry": entry_id, "statement": removal}) == 0:
        if _IS_KNOWN.first(session, {"address": address, "entry_id": entry_id}) is None:
            raise EntryMissingError("the mailbox holds no such entry")
        return
    freed = queue_entries(session, address, entry_id) + queue_attachments(session, address, entry_id)
    count_in_mailbox(session, address, -freed)
    enqueue(session, OutboxKind.ENTRY, address=address, name=entry_id)


def _count(session: Session, columns: dict[str, object], more: int, *, speaks: bool, is_answer: bool) -> None:
    author = columns["author"]
    counted = _counting(author, speaks=speaks, is_answer=is_answer).run(
        session, {"of": columns["address"], "today": columns["day"], "more": more, "writer": author}
    )
    if counted == 0:
        raise NoSuchMailboxError("there is no such mailbox")


def _counting(author: object, *, speaks: bool, is_answer: bool) -> PreparedStatement:
    if not speaks:
        return _COUNT_SILENTLY
    if author == SOURCE:
        return _COUNT_WAITING
    return _COUNT_ANSWERED if is_answer else _COUNT_SILENTLY


def _move_head(session: Session, columns: dict[str, object], previous: bytes) -> None:
    """Compare and set: the database moves the head only from where the writer saw it."""
    if columns["number"] == 1:
        of = {name: columns[name] for name in ("address", "author", "strand", "digest")}
        try:
            _FIRST_HEAD.run(session, {"id": new_id(), **of, "number": 1})
        except sqlite3.IntegrityError as why:
            raise _refused(session, columns) from why
        return
    moved = _MOVE_HEAD.run(
        session,
        {
            "of": columns["address"],
            "writer": columns["author"],
            "line": columns["strand"],
            "after": columns["number"],
            "newest": columns["digest"],
            "previous": previous,
        },
    )
    if moved == 0:
        raise _refused(session, columns)


def _raise_head(session: Session, columns: dict[str, object]) -> None:
    """Make an entry the head of its strand if it is newer than the one that is."""
    head = {
        "of": columns["address"],
        "writer": columns["author"],
        "line": columns["strand"],
        "raised": columns["number"],
        "newest": columns["digest"],
    }
    if _RAISE_HEAD.run(session, head) == 0 and _HAS_HEAD.first(session, head) is None:
        of = {name: columns[name] for name in ("address", "author", "strand", "number", "digest")}
        _FIRST_HEAD.run(session, {"id": new_id(), **of})


def _insert(session: Session, columns: dict[str, object]) -> None:
    try:
        _ADD_ENTRY.run(session, columns)
    except sqlite3.IntegrityError as why:
        if _is_known(session, columns):
            raise _exists() from why
        raise


def _refused(session: Session, columns: dict[str, object]) -> StoreError:
    """Tell a second submit of the same entry from a lost race."""
    return _exists() if _is_known(session, columns) else HeadMovedError("the strand has a newer head")


def _is_known(session: Session, columns: dict[str, object]) -> bool:
    of = {"address": columns["address"], "entry_id": columns["entry_id"]}
    return _IS_KNOWN.first(session, of) is not None


def _exists() -> EntryExistsError:
    return EntryExistsError("the mailbox holds an entry of this id already")


def _adopt(session: Session, address: bytes, entry_id: bytes, attachment_ids: Sequence[bytes]) -> None:
    for attachment_id in attachment_ids:
        if _ADOPT.run(session, {"of": address, "entry": entry_id, "which": attachment_id}) == 0:
            raise AttachmentMissingError("an attachment of the entry is not there, or not whole")
