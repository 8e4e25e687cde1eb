"""Entries of mailboxes: added after a compare-and-set of the mailbox's version, read, and destroyed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import date

from sqlalchemy import Date, and_, bindparam, delete, func, null, or_, select, tuple_, update
from sqlalchemy.orm import Session

from store.database.deletion_queue import queue_attachments, queue_entries
from store.database.prepared_statements import (
    PlainQuery,
    PreparedChange,
    PreparedQuery,
    columns,
    insert,
    roll_back,
)
from store.database.schema import AttachmentRow, Blob, EntryRow, MailboxRow, SealedRow, new_id
from store.database.sealed_rows import LENGTH, count_in_mailbox, insert_sealed
from store.dialect.differing_sql import bounded, is_blob, is_integer, summed
from store.errors import AttachmentMissingError, MailboxChangedError, NoSuchMailboxError
from store.outbox import NAMES_TO_PACK, OutboxKind, enqueue

SOURCE, DESK = 0, 1  # authors
LARGEST_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry of a mailbox as read from the store, not verified.

    If `header` is None, no one can decrypt the entry.
    """

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
    header: bytes | None = field(repr=False)
    payload: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredEnvelope:
    """Signed header (envelope) and signature of an entry, without ciphertext.

    `has_header` is True if the store also has the age header, without which no one can decrypt the entry.
    """

    envelope: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    digest: bytes
    has_header: bool


_IN_MAILBOX = EntryRow.address == bindparam("address")
_HAS_DIGEST = _IN_MAILBOX & (EntryRow.digest == bindparam("digest"))
_BY_STRAND = (EntryRow.author, EntryRow.strand, EntryRow.number, EntryRow.digest)
_ENTRIES = select(*columns(StoredEntry, EntryRow, SealedRow)).outerjoin(
    SealedRow, SealedRow.id == EntryRow.id
)
# With ORDER BY, SQLite would use the index of digests, and read the whole mailbox.
_FIND_ALL = PreparedQuery(
    _ENTRIES.where(_IN_MAILBOX, EntryRow.entry_id == bindparam("entry_id")), StoredEntry
)
_FIND_DIGEST = PreparedQuery(_ENTRIES.where(_HAS_DIGEST), StoredEntry)
_QUEUED = PreparedQuery(_ENTRIES.where(_IN_MAILBOX, EntryRow.digest.in_(NAMES_TO_PACK)), StoredEntry)
_WITHOUT_CIPHERTEXT = select(*columns(StoredEntry, EntryRow, SealedRow)[:-2], null(), null())
_OF_STRAND = PreparedQuery(
    _WITHOUT_CIPHERTEXT.where(
        _IN_MAILBOX,
        EntryRow.author == bindparam("author"),
        EntryRow.strand == bindparam("strand"),
        EntryRow.number.between(bindparam("number"), bindparam("last")),
        EntryRow.digest != bindparam("known"),
    ).order_by(EntryRow.number),  # as the index is: SQLite sorts nothing
    StoredEntry,
)
_OF_MAILBOX = PreparedQuery(_ENTRIES.where(_IN_MAILBOX).order_by(*_BY_STRAND), StoredEntry)
_OF_MAILBOXES = PreparedQuery(
    _ENTRIES.where(EntryRow.address.in_(bindparam("addresses", expanding=True))).order_by(
        EntryRow.address, *_BY_STRAND
    ),
    StoredEntry,
)
_ENVELOPES = PreparedQuery(
    select(EntryRow.envelope, EntryRow.signature, EntryRow.digest, SealedRow.header.is_not(None))
    .outerjoin(SealedRow, SealedRow.id == EntryRow.id)
    .where(_IN_MAILBOX),
    StoredEnvelope,
)
_DIGESTS = PlainQuery(select(EntryRow.digest).where(_IN_MAILBOX))
_NAME = {EntryRow.address: 20, EntryRow.digest: 32}  # bytes of each
_HAS_NAME = and_(*(is_blob(c) & (func.length(c) == size) for c, size in _NAME.items()))
_PLACE = func.row_number().over(order_by=list(_NAME)).label("place")
_PLACES = select(*_NAME, _PLACE).where(_HAS_NAME).subquery().c
_IS_AT = (_PLACES.place - 1) % bindparam("size") == 0
_NAMES_AT = PreparedQuery(select(_PLACES.address, _PLACES.digest).where(_IS_AT), bytes.__add__)
_LOW, _END = (
    tuple_(func.substr(bindparam(x, type_=Blob()), 1, 20), func.substr(bindparam(x, type_=Blob()), 21))
    for x in ("low", "end")
)
_HELD = PlainQuery(
    select(*_NAME, SealedRow.header.is_not(None))
    .outerjoin(SealedRow, SealedRow.id == EntryRow.id)
    .where(_HAS_NAME, tuple_(*_NAME) >= _LOW, tuple_(*_NAME) < _END)
)
_ALL_DIGESTS = PlainQuery(select(EntryRow.address, EntryRow.digest))
_ENTRY_IDS = PlainQuery(select(EntryRow.entry_id).where(_HAS_DIGEST))
_FIRST_DAYS = PlainQuery(
    select(EntryRow.address, func.min(EntryRow.day))
    .where(EntryRow.author == bindparam("author"))
    .group_by(EntryRow.address)
)
_SEALED_BYTES = PlainQuery(
    select(summed(LENGTH)).join(EntryRow, EntryRow.id == SealedRow.id).where(_IN_MAILBOX)
)
_NOT_WAITING = PlainQuery(select(MailboxRow.address).where(MailboxRow.waiting_since.is_(None)))

_IS_MAILBOX = MailboxRow.address == bindparam("address")
_MAILBOX = PlainQuery(select(MailboxRow.id).where(_IS_MAILBOX))
# A version is random, because an operator may write the largest number, to which nothing can be added.
_IS_WHOLE = is_integer(MailboxRow.version)
_CLAIM = PreparedChange(
    update(MailboxRow)
    .where(_IS_MAILBOX, or_(MailboxRow.version == bindparam("expected"), ~_IS_WHOLE))
    .values(version=bindparam("new_version"))
)
_DAY = bindparam("day", type_=Date())
_COUNT = PreparedChange(
    update(MailboxRow)
    .where(_IS_MAILBOX)
    .values(
        sealed_bytes=bounded(func.coalesce(MailboxRow.sealed_bytes, 0) + bindparam("more")),
        version=bindparam("new_version"),
        last_day=_DAY,
    )
)
_SET_STATE = PreparedChange(
    update(MailboxRow)
    .where(_IS_MAILBOX)
    .values(waiting_since=bindparam("since", type_=Date()), due=bindparam("until", type_=Date()))
)
_DROP_ROW = PreparedChange(delete(EntryRow).where(_HAS_DIGEST))
_ADD_ENTRY = PreparedChange(insert(EntryRow))
_FIELDS = [each.name for each in fields(StoredEntry)]  # `header` and `payload` are no columns
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


def claim(session: Session, address: bytes, version: int) -> None:
    """Begin to change a mailbox. Until the commit, no one else can write in this mailbox.

    `version` is the mailbox's version that the caller has read.

    Raises:
        MailboxChangedError: the mailbox has another version now.
        NoSuchMailboxError: there is no such mailbox.
    """
    if _CLAIM.run(session, address=address, expected=version, new_version=new_id()) == 0:
        if _MAILBOX.first(session, address=address) is None:
            raise NoSuchMailboxError("there is no such mailbox")
        raise MailboxChangedError("the mailbox has changed")


def add(session: Session, entry: StoredEntry, attachment_ids: Sequence[bytes] = ()) -> None:
    """Add an entry to its mailbox, with its uploaded attachments.

    If the entry is refused, everything that the session wrote is rolled back.

    Raises:
        AttachmentMissingError: an attachment is not whole, or is not pending for this entry.
        NoSuchMailboxError: there is no such mailbox.
    """
    address, entry_id, header = entry.address, entry.entry_id, entry.header
    more = len(header or b"") + len(entry.payload or b"")
    if _COUNT.run(session, address=address, day=entry.day, more=more, new_version=new_id()) == 0:
        roll_back(session)
        raise NoSuchMailboxError("there is no such mailbox")
    row = insert_sealed(session, header=header, payload=entry.payload) if header is not None else new_id()
    _ADD_ENTRY.run(session, id=row, **{each: getattr(entry, each) for each in _FIELDS})
    for attachment_id in attachment_ids:
        if _ADOPT.run(session, address=address, entry_id=entry_id, attachment_id=attachment_id) == 0:
            roll_back(session)  # half an entry is never committed, even if the caller catches the refusal
            raise AttachmentMissingError("an attachment of the entry does not exist, or is not whole")
    enqueue(session, OutboxKind.ENTRY, address=address, name=entry.digest)


def set_state(session: Session, address: bytes, *, waiting_since: date | None, due: date | None) -> None:
    """Write the state of a mailbox in its row.

    The state is the day since which the source waits, and the day from which the mailbox may be deleted.
    """
    _SET_STATE.run(session, address=address, since=waiting_since, until=due)


def destroy(session: Session, address: bytes, digests: Sequence[bytes]) -> int:
    """Make entries and their attachments unreadable, and return the number of bytes that were freed.

    Digests of entries that are not in the mailbox are ignored. The result is 0 if all the entries were
    unreadable before.
    """
    freed = 0
    for digest in digests:
        freed += queue_entries(session, address, digest)
        for entry_id in _ENTRY_IDS.all(session, address=address, digest=digest):
            freed += queue_attachments(session, address, entry_id)
    count_in_mailbox(session, address, -freed)
    return freed


def drop_row(session: Session, address: bytes, digest: bytes) -> None:
    """Delete the damaged row of an entry, because the caller is about to store a sound copy of the entry."""
    count_in_mailbox(session, address, -queue_entries(session, address, digest))
    _DROP_ROW.run(session, address=address, digest=digest)


def of_mailbox(session: Session, address: bytes) -> Sequence[StoredEntry]:
    """Return a mailbox's entries, sorted by author, writer (strand), number and digest."""
    return _OF_MAILBOX.all(session, address=address)


def of_mailboxes(session: Session, addresses: Sequence[bytes]) -> dict[bytes, list[StoredEntry]]:
    """Return a mapping from each of these addresses to the entries of its mailbox.

    Ask for at most a few hundred addresses. The entries are sorted as `of_mailbox` sorts them.
    """
    found: dict[bytes, list[StoredEntry]] = {address: [] for address in addresses}
    for entry in _OF_MAILBOXES.each(session, addresses=addresses):
        found[entry.address].append(entry)
    return found


def of_strand(  # noqa: PLR0913  # the strand's key, and a range of numbers
    session: Session,
    address: bytes,
    author: int,
    strand: bytes,
    *,
    number: int,
    last: int = LARGEST_NUMBER,
    known: bytes = b"",
) -> Sequence[StoredEntry]:
    """Return the entries of one writer (strand) with numbers from `number` to `last`, without ciphertext.

    The entries are sorted by number. The entry with the digest `known` is left out. In the result,
    `header` and `payload` are None.
    """
    of_writer = {"address": address, "author": author, "strand": strand, "known": known}
    return _OF_STRAND.all(session, **of_writer, number=number, last=last)


def envelopes(session: Session, address: bytes) -> Sequence[StoredEnvelope]:
    """Return the envelopes and signatures of all entries of a mailbox, in any order."""
    return _ENVELOPES.all(session, address=address)


def find_by_entry_id(session: Session, address: bytes, entry_id: bytes) -> Sequence[StoredEntry]:
    """Return the entries of a mailbox with this entry id, sorted by digest: normally at most one."""
    found = _FIND_ALL.all(session, address=address, entry_id=entry_id)
    return sorted(found, key=lambda entry: entry.digest)


def find_digest(session: Session, address: bytes, digest: bytes) -> StoredEntry | None:
    """Return the entry of a mailbox with this digest, or None if there is no such entry."""
    return _FIND_DIGEST.first(session, address=address, digest=digest)


def queued_for(session: Session, peer: bytes, address: bytes) -> Sequence[StoredEntry]:
    """Return the entries of a mailbox that must still be sent to a peer (another store), in any order."""
    return _QUEUED.all(session, peer=peer, address=address)


def digests(session: Session, address: bytes) -> Sequence[bytes]:
    """Return the digests of all entries of a mailbox, in any order."""
    return _DIGESTS.all(session, address=address)


def names_at(session: Session, size: int) -> Sequence[bytes]:
    """Sort the names of all entries, and return those whose position (from 0) is a multiple of `size`.

    A name is an address followed by a digest. Entries with a damaged address or digest are left out.
    """
    return _NAMES_AT.all(session, size=size)


def held(session: Session, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield the address and the digest of each entry in a range, and True if the entry's header is stored.

    The range begins at the name `first` and ends before the name `end`. A name is an address followed by a
    digest.
    """
    return _HELD.each(session, low=first, end=end)


def all_digests(session: Session) -> dict[bytes, list[bytes]]:
    """Return a mapping from each mailbox's address to the digests of its entries.

    Mailboxes without entries are left out.
    """
    found: dict[bytes, list[bytes]] = {}
    for address, digest in _ALL_DIGESTS.each(session):
        found.setdefault(address, []).append(digest)
    return found


def first_entry_days(session: Session, author: int) -> Sequence[tuple[bytes, date]]:
    """Return each mailbox's address, with the day of the first entry that this author wrote.

    `author` is the source or the desk. Removed entries count. Mailboxes without an entry of the author are
    left out.
    """
    return _FIRST_DAYS.all(session, author=author)


def sealed_bytes(session: Session, address: bytes) -> int:
    """Return the number of encrypted bytes in a mailbox's entries, without its files."""
    return _SEALED_BYTES.first(session, address=address) or 0


def addresses_not_waiting(session: Session) -> Sequence[bytes]:
    """Return the address of every mailbox that the store does not list as waiting for an answer."""
    return _NOT_WAITING.all(session)
