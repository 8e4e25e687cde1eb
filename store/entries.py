"""Entries of mailboxes: appended to a strand with compare-and-set, read, and replaced by tombstones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypedDict, Unpack

from sqlalchemy import Date, bindparam, func, select, type_coerce, update
from sqlalchemy.orm import Session

from store.database.deletion_queue import queue_attachments, queue_entries
from store.database.prepared_statements import (
    BrokenConstraintError,
    PlainQuery,
    PreparedChange,
    PreparedQuery,
    columns,
    insert,
    roll_back,
)
from store.database.schema import AttachmentRow, EntryRow, MailboxRow, SealedRow, StrandHeadRow, Whole, new_id
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
    """Entry from the store, not verified. If `header` is None, the entry was removed and is unreadable."""

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


class SignedColumns(TypedDict):
    """Columns of a new entry whose values the entry's writer has signed, except `epoch`, which may change."""

    address: bytes
    author: int
    strand: bytes
    number: int
    entry_id: bytes
    digest: bytes
    envelope: bytes
    signature: bytes
    epoch: int
    day: date


@dataclass(frozen=True, slots=True)
class SignedPart:
    """Signed envelope and removal of an entry, without ciphertext. Shows who wrote the entry, and when."""

    envelope: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    epoch: int
    removal: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class StrandEnd:
    """Number and digest of a strand's newest entry, and the number of encrypted bytes in the whole mailbox.

    An empty strand has number 0 and a digest of zeros.
    """

    mailbox_bytes: int
    number: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class StrandHead:
    """Number and digest of the newest entry in a strand of one mailbox."""

    author: int
    strand: bytes
    number: int
    digest: bytes


_IN_MAILBOX = EntryRow.address == bindparam("address")
_HAS_ID = _IN_MAILBOX & (EntryRow.entry_id == bindparam("entry_id"))
_BY_STRAND = (EntryRow.author, EntryRow.strand, EntryRow.number)
_ENTRIES = select(*columns(StoredEntry, EntryRow, SealedRow)).outerjoin(
    SealedRow, SealedRow.id == EntryRow.id
)
_FIND = PreparedQuery(_ENTRIES.where(_HAS_ID), StoredEntry)
_OF_MAILBOX = PreparedQuery(_ENTRIES.where(_IN_MAILBOX).order_by(*_BY_STRAND), StoredEntry)
_OF_MAILBOXES = PreparedQuery(
    _ENTRIES.where(EntryRow.address.in_(bindparam("addresses", expanding=True))).order_by(
        EntryRow.address, *_BY_STRAND
    ),
    StoredEntry,
)
_SIGNED_PARTS = PreparedQuery(select(*columns(SignedPart, EntryRow)).where(_IN_MAILBOX), SignedPart)
_ROW_ID = PlainQuery(select(EntryRow.id).where(_HAS_ID))
_DIGEST_AT = PlainQuery(
    select(EntryRow.digest).where(
        _IN_MAILBOX,
        EntryRow.author == bindparam("author"),
        EntryRow.strand == bindparam("strand"),
        EntryRow.number == bindparam("number"),
    )
)
_FIRST_DAYS = PlainQuery(
    select(EntryRow.address, func.min(EntryRow.day))
    .where(EntryRow.author == bindparam("author"))
    .group_by(EntryRow.address)
)
_SEALED_BYTES = PlainQuery(
    select(func.sum(SealedRow.size)).join(EntryRow, EntryRow.id == SealedRow.id).where(_IN_MAILBOX)
)
_NOT_WAITING = PlainQuery(select(MailboxRow.address).where(MailboxRow.waiting_since.is_(None)))

_IS_HEAD = (
    (StrandHeadRow.address == bindparam("address"))
    & (StrandHeadRow.author == bindparam("author"))
    & (StrandHeadRow.strand == bindparam("strand"))
)
_HEADS = PreparedQuery(
    select(*columns(StrandHead, StrandHeadRow))
    .where(StrandHeadRow.address == bindparam("address"))
    .order_by(StrandHeadRow.author, StrandHeadRow.strand),
    StrandHead,
)
_ALL_HEADS = PlainQuery(
    select(StrandHeadRow.address, StrandHeadRow.strand, StrandHeadRow.number, StrandHeadRow.digest)
)
_STRAND_END = PlainQuery(
    select(
        MailboxRow.sealed_bytes,
        type_coerce(StrandHeadRow.number, Whole),  # NULL if there is no head
        StrandHeadRow.digest,
    )
    .outerjoin(StrandHeadRow, (StrandHeadRow.address == MailboxRow.address) & _IS_HEAD)
    .where(MailboxRow.address == bindparam("address"))
)
_HEAD_ID = PlainQuery(select(StrandHeadRow.id).where(_IS_HEAD))
_ADD_HEAD = PreparedChange(insert(StrandHeadRow))
_SET_HEAD = (
    update(StrandHeadRow)
    .where(_IS_HEAD)
    .values(number=bindparam("new_number"), digest=bindparam("new_digest"))
)
_MOVE_HEAD = PreparedChange(
    _SET_HEAD.where(
        StrandHeadRow.number == bindparam("new_number") - 1, StrandHeadRow.digest == bindparam("previous")
    )
)
_RAISE_HEAD = PreparedChange(_SET_HEAD.where(StrandHeadRow.number < bindparam("new_number")))

_TODAY = bindparam("today", type_=Date())
_COUNT = (
    update(MailboxRow)
    .where(MailboxRow.address == bindparam("address"))
    .values(
        sealed_bytes=MailboxRow.sealed_bytes + bindparam("more"),
        last_day=_TODAY,
        last_author=bindparam("author"),
    )
)
_COUNT_SILENTLY = PreparedChange(_COUNT)
_COUNT_WAITING = PreparedChange(_COUNT.values(waiting_since=func.coalesce(MailboxRow.waiting_since, _TODAY)))
_COUNT_ANSWERED = PreparedChange(_COUNT.values(waiting_since=None))
_ADD_ENTRY = PreparedChange(insert(EntryRow))
_MARK_REMOVED = PreparedChange(
    update(EntryRow).where(_HAS_ID, EntryRow.removal.is_(None)).values(removal=bindparam("statement"))
)
_ADOPT = PreparedChange(
    update(AttachmentRow)
    .where(
        AttachmentRow.address == bindparam("address"),
        AttachmentRow.entry_id == bindparam("entry_id"),
        AttachmentRow.attachment_id == bindparam("attachment_id"),
        AttachmentRow.pending_half_hour.is_not(None),
        AttachmentRow.is_whole,
    )
    .values(pending_half_hour=None)
)


def append(  # noqa: PLR0913  # the columns, by name
    session: Session,
    *,
    header: bytes,
    payload: bytes,
    previous: bytes,
    attachment_ids: Sequence[bytes] = (),
    speaks: bool = True,
    is_answer: bool = True,
    **signed: Unpack[SignedColumns],
) -> None:
    """Append an entry to its strand by compare-and-set, with its uploaded attachments.

    If the entry is refused, everything that the session wrote is rolled back.

    `previous` is the digest of the strand's newest entry (the head), and the new `number` is one higher. In
    an empty strand, `number` is 1. The attachments of `attachment_ids` must be whole and pending for this
    entry. A read receipt has `speaks=False`, and the mailbox stays in its list of the inbox.
    `is_answer=False` means that the desk had not seen a message of the source when it wrote the entry. The
    mailbox then still waits for an answer.

    Raises:
        HeadMovedError: another entry was appended to the strand after the entry `previous`.
        EntryExistsError: the mailbox already has an entry with this id.
        AttachmentMissingError: an attachment does not exist or is not whole.
        NoSuchMailboxError: there is no such mailbox.
    """
    try:
        _count(session, signed, len(header) + len(payload), speaks=speaks, is_answer=is_answer)
        _move_head(session, signed, previous)
        _add_entry(session, insert_sealed(session, header=header, payload=payload), signed)
        _adopt(session, signed, attachment_ids)
    except (StoreError, BrokenConstraintError):
        roll_back(session)  # half an entry is never committed, even if the caller catches the refusal
        raise


def apply_from_peer(  # noqa: PLR0913  # the columns, by name
    session: Session,
    *,
    header: bytes | None,
    payload: bytes | None,
    removal: bytes | None,
    attachment_ids: Sequence[bytes],
    speaks: bool,
    is_answer: bool,
    **signed: Unpack[SignedColumns],
) -> None:
    """Add an entry that a peer sent, with its uploaded attachments, at the number in its envelope.

    The number is not compared with the strand's head: an earlier entry may be damaged at the peer, and
    readers then see a gap. With a `removal`, no ciphertext is stored. If the entry is refused, everything
    that the session wrote is rolled back.

    Raises:
        EntryExistsError: another entry has this number, or this id.
        AttachmentMissingError: an attachment does not exist or is not whole.
        NoSuchMailboxError: there is no such mailbox.
    """
    more = len(header or b"") + len(payload or b"")
    try:
        _count(session, signed, more, speaks=speaks, is_answer=is_answer)
        _raise_head(session, signed)
        row = new_id() if removal is not None else insert_sealed(session, header=header, payload=payload)
        _ADD_ENTRY.run(session, id=row, removal=removal, **signed)
        _adopt(session, signed, attachment_ids)
    except BrokenConstraintError as why:
        roll_back(session)
        raise EntryExistsError("the mailbox already has an entry with this number or id") from why
    except StoreError:
        roll_back(session)
        raise


def of_mailbox(session: Session, address: bytes) -> Sequence[StoredEntry]:
    """Return a mailbox's entries with its tombstones, sorted by author, strand and number."""
    return _OF_MAILBOX.all(session, address=address)


def of_mailboxes(session: Session, addresses: Sequence[bytes]) -> dict[bytes, list[StoredEntry]]:
    """Return the entries of up to a few hundred mailboxes, by address.

    Each list contains tombstones too, and is sorted by author, strand and number.
    """
    found: dict[bytes, list[StoredEntry]] = {address: [] for address in addresses}
    for entry in _OF_MAILBOXES.each(session, addresses=addresses):
        found[entry.address].append(entry)
    return found


def signed_parts(session: Session, address: bytes) -> Sequence[SignedPart]:
    """Return the signed envelopes of all entries of a mailbox, tombstones included, in any order."""
    return _SIGNED_PARTS.all(session, address=address)


def find(session: Session, address: bytes, entry_id: bytes) -> StoredEntry | None:
    """Return one entry of a mailbox, or None if the mailbox has no such entry."""
    return _FIND.first(session, address=address, entry_id=entry_id)


def digest_at(session: Session, address: bytes, author: int, strand: bytes, number: int) -> bytes | None:
    """Return the digest of the entry that has a number in a strand, or None if there is no such entry."""
    return _DIGEST_AT.first(session, address=address, author=author, strand=strand, number=number)


def strand_heads(session: Session, address: bytes) -> Sequence[StrandHead]:
    """Return the head (number and digest of the newest entry) of each strand in a mailbox."""
    return _HEADS.all(session, address=address)


def strand_end(session: Session, address: bytes, author: int, strand: bytes) -> StrandEnd | None:
    """Return the newest number and digest of a strand, and its mailbox's size, for a writer who will append.

    Returns None if there is no such mailbox.

    Raises:
        StoreDamagedError: the strand's head has a number below 1, which our code never writes.
    """
    row = _STRAND_END.first(session, address=address, author=author, strand=strand)
    if row is None:
        return None
    mailbox_bytes, number, digest = row
    if number is None:
        return StrandEnd(mailbox_bytes, 0, bytes(_DIGEST_BYTES))
    if number < 1:
        raise StoreDamagedError("the store has an impossible head")
    return StrandEnd(mailbox_bytes, number, digest)


def first_entry_days(session: Session, author: int) -> Sequence[tuple[bytes, date]]:
    """Return, for each mailbox, its address and the day of an author's first entry.

    Removed entries count too. Mailboxes without an entry of this author are left out.
    """
    return _FIRST_DAYS.all(session, author=author)


def all_heads(session: Session) -> Iterator[tuple[bytes, bytes, int, bytes]]:
    """Yield the head of every strand in the store: address, strand, number and digest, in any order."""
    return _ALL_HEADS.each(session)


def sealed_bytes(session: Session, address: bytes) -> int:
    """Return the number of encrypted bytes in a mailbox's entries, without its files."""
    return _SEALED_BYTES.first(session, address=address) or 0


def addresses_not_waiting(session: Session) -> Sequence[bytes]:
    """Return the address of every mailbox that the store does not list as waiting for an answer."""
    return _NOT_WAITING.all(session)


def remove_entry(session: Session, address: bytes, entry_id: bytes, *, removal: bytes) -> None:
    """Make an entry and its attachments unreadable, and store the signed `removal` as a tombstone.

    If the entry was removed before, the first removal stays.

    Raises:
        EntryMissingError: the mailbox has no such entry.
    """
    entry = {"address": address, "entry_id": entry_id}
    if _MARK_REMOVED.run(session, **entry, statement=removal) == 0:
        if _ROW_ID.first(session, **entry) is None:
            raise EntryMissingError("the mailbox has no such entry")
        return
    freed = queue_entries(session, address, entry_id) + queue_attachments(session, address, entry_id)
    count_in_mailbox(session, address, -freed)
    enqueue(session, OutboxKind.ENTRY, address=address, name=entry_id)


def _count(session: Session, signed: SignedColumns, more: int, *, speaks: bool, is_answer: bool) -> None:
    if not speaks:
        statement = _COUNT_SILENTLY
    elif signed["author"] == SOURCE:
        statement = _COUNT_WAITING
    else:
        statement = _COUNT_ANSWERED if is_answer else _COUNT_SILENTLY
    address, author, today = signed["address"], signed["author"], signed["day"]
    if statement.run(session, address=address, author=author, today=today, more=more) == 0:
        raise NoSuchMailboxError("there is no such mailbox")


def _move_head(session: Session, signed: SignedColumns, previous: bytes) -> None:
    """Make a new entry the head of its strand, if `previous` is still the digest of the head.

    Raises:
        HeadMovedError: another writer has appended an entry after the entry `previous`.
        EntryExistsError: the mailbox already has an entry with this id.
    """
    if signed["number"] == 1:
        try:
            _add_head(session, signed)
        except BrokenConstraintError as why:
            raise _refusal(session, signed) from why
    elif _MOVE_HEAD.run(session, **_head(signed), previous=previous) == 0:
        raise _refusal(session, signed)


def _raise_head(session: Session, signed: SignedColumns) -> None:
    """Make an entry the head of its strand, unless the present head has the same or a higher number."""
    head = _head(signed)
    if _RAISE_HEAD.run(session, **head) == 0 and _HEAD_ID.first(session, **head) is None:
        _add_head(session, signed)


def _head(signed: SignedColumns) -> dict[str, object]:
    return {
        "address": signed["address"],
        "author": signed["author"],
        "strand": signed["strand"],
        "new_number": signed["number"],
        "new_digest": signed["digest"],
    }


def _add_head(session: Session, signed: SignedColumns) -> None:
    number, digest = signed["number"], signed["digest"]
    strand = {"address": signed["address"], "author": signed["author"], "strand": signed["strand"]}
    _ADD_HEAD.run(session, id=new_id(), number=number, digest=digest, **strand)


def _add_entry(session: Session, row: int, signed: SignedColumns) -> None:
    try:
        _ADD_ENTRY.run(session, id=row, **signed)
    except BrokenConstraintError as why:
        if why.sqlite_errorname == "SQLITE_CONSTRAINT_UNIQUE":  # this id is there, or the head is damaged
            raise _refusal(session, signed) from why
        raise


def _refusal(session: Session, signed: SignedColumns) -> StoreError:
    """Return the exception for a refused entry.

    An entry is refused if it was sent twice, or if another writer was faster.
    """
    if _ROW_ID.first(session, address=signed["address"], entry_id=signed["entry_id"]) is not None:
        return EntryExistsError("the mailbox already has an entry with this id")
    return HeadMovedError("the strand has a newer head")


def _adopt(session: Session, signed: SignedColumns, attachment_ids: Sequence[bytes]) -> None:
    address, entry_id = signed["address"], signed["entry_id"]
    for attachment_id in attachment_ids:
        if _ADOPT.run(session, address=address, entry_id=entry_id, attachment_id=attachment_id) == 0:
            raise AttachmentMissingError("an attachment of the entry does not exist, or is not whole")
    enqueue(session, OutboxKind.ENTRY, address=address, name=entry_id)
