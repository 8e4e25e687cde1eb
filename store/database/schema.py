"""The tables. What is sealed lies in one table of its own; all else is signed in the open or counts.

No row keeps a time: days at most, and for uploads under way the half hour they began in. Row ids are random,
so that neither they nor the order of rows on disk follow the order of arrival (after `purge.tidy`).
"""

import os
from collections.abc import Callable
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = "0001"  # the newest Alembic revision; the web workers compare with it without loading Alembic

# Measured in one run: 200 rows of 1 MiB at NORMAL, then 1,000 rows of 8 KiB with their place at FULL.
# 1024: 113 MiB/s, 0.39 ms. 4096: 218 MiB/s, 0.37 ms. 8192: 284 MiB/s, 0.40 ms. 16384: 348 MiB/s, 0.50 ms.
# 65536: 281 MiB/s, 0.82 ms. Beyond 4096 each entry takes a larger SHIELD and journal for what sealing and
# parsing an upload, both slower than 218 MiB/s, do not let anybody notice.
PAGE_BYTES = 4096

# A row's first page of zeros. SQLite keeps the beginning of a row (at most a page) in the tree's leaf and the
# rest on overflow pages. Leaves are copied when the tree is balanced, and the copy left behind in a leaf's
# unused space is beyond `secure_delete`; overflow pages never move and are zeroed when they are freed. So
# with this in front no sealed byte is ever in a leaf. (docs/store.md: measured with and without.)
SHIELD = bytes(PAGE_BYTES)

CHUNK_BYTES = 1024 * 1024  # of ciphertext in one row, so that one transaction stays short

_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite: the rowid itself, 64 bits


def new_id() -> int:
    """Return a random row id of 63 bits."""
    return int.from_bytes(os.urandom(8)) >> 1


# What SQLite gives for a column that holds another type than ours is read as one of these. No writer of ours
# makes them, so whoever verifies refuses them, and tells which entry it was. An error here would take the
# whole inbox down for one row, and `bytes(10**12)` would fill the memory.
NO_BYTES = b""
NO_NUMBER = -1
NO_DAY = date.min
NO_WORD = ""


class Blob(TypeDecorator[bytes]):
    """Bytes that are bytes when they are read: SQLite keeps any type in any column."""

    impl = LargeBinary
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[object], Any]:  # noqa: ARG002  # its shape
        """Read what is no bytes as `NO_BYTES`."""
        return _read_bytes


class Whole(TypeDecorator[int]):
    """A number that is one when it is read; see `Blob`."""

    impl = Integer
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[object], Any]:  # noqa: ARG002  # as above
        """Read what is no whole number as `NO_NUMBER`."""
        return _read_number


class Day(TypeDecorator[date]):
    """A day that is one when it is read; see `Blob`. SQLite keeps it as ISO 8601 text."""

    impl = Date
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[object], Any]:  # noqa: ARG002  # as above
        """Read what is no day as `NO_DAY`."""
        return _read_day


class Word(TypeDecorator[str]):
    """A text that is one when it is read; see `Blob`."""

    impl = String
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[object], Any]:  # noqa: ARG002  # as above
        """Read what is no text as `NO_WORD`."""
        return _read_word


def _read_bytes(value: object) -> bytes | None:
    return value if value is None or isinstance(value, bytes) else NO_BYTES


def _read_number(value: object) -> int | None:
    return value if value is None or isinstance(value, int) else NO_NUMBER


def _read_day(value: object) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value) if isinstance(value, str) else NO_DAY
    except ValueError:
        return NO_DAY


def _read_word(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else NO_WORD


class Base(DeclarativeBase):
    """The tables of the store, every constraint named."""

    type_annotation_map = {int: Whole, date: Day, str: Word}  # noqa: RUF012  # SQLAlchemy's shape
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UsageRow(Base):
    """The one row that says how many sealed bytes the store holds: pending and not yet swept ones too."""

    __tablename__ = "usage"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
    id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)
    sealed_bytes: Mapped[int] = mapped_column(BigInteger)


class MailboxRow(Base):
    """One source's mailbox. `bytes` counts sealed bytes, pending ones too."""

    __tablename__ = "mailbox"
    __table_args__ = (
        UniqueConstraint("address"),
        Index(None, "waiting_since", "last_day", "address"),  # both lists of the inbox, in their order
        CheckConstraint("length(address) = 20", name="address"),
    )
    id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)
    address: Mapped[bytes] = mapped_column(Blob)
    recipient: Mapped[bytes] = mapped_column(Blob)
    verify_key: Mapped[bytes] = mapped_column(Blob)
    opened_day: Mapped[date]
    sealed_bytes: Mapped[int] = mapped_column(BigInteger)
    waiting_since: Mapped[date | None]  # day of the oldest unanswered entry of the source
    last_day: Mapped[date | None]  # NULL until the first entry
    last_author: Mapped[int | None]


class StrandHeadRow(Base):
    """The newest number and digest of a strand in a mailbox: what writers compare and set."""

    __tablename__ = "strand_head"
    __table_args__ = (UniqueConstraint("address", "author", "strand"),)
    id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)
    address: Mapped[bytes] = mapped_column(Blob, ForeignKey("mailbox.address"))
    author: Mapped[int]
    strand: Mapped[bytes] = mapped_column(Blob)  # b"" for the source's
    number: Mapped[int]
    digest: Mapped[bytes] = mapped_column(Blob)


class SealedRow(Base):
    """Ciphertext: an entry (header and payload), an attachment's header, or one chunk of its payload.

    Also a record, an order or a tally: all of it stands in `header`, so that it goes at once.
    """

    __tablename__ = "sealed"
    __table_args__ = (CheckConstraint(f"length(payload) <= {CHUNK_BYTES}", name="chunk"),)
    id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)
    size: Mapped[
        int
    ]  # bytes of header and payload as they came: what quotas count, and what sweeping gives back
    shield: Mapped[bytes] = mapped_column(Blob)  # before the next two, always: see SHIELD
    header: Mapped[bytes | None] = mapped_column(Blob)  # NULL: nothing opens the payload any more
    payload: Mapped[bytes | None] = mapped_column(Blob)


class EntryRow(Base):
    """The open part of one thing in a mailbox, and its place there. Its id is that of its sealed row."""

    __tablename__ = "entry"
    __table_args__ = (
        UniqueConstraint("address", "author", "strand", "number"),
        UniqueConstraint("address", "entry_id"),
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("author IN (0, 1)", name="author"),
    )
    id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)
    address: Mapped[bytes] = mapped_column(Blob, ForeignKey("mailbox.address"))
    author: Mapped[int]  # 0 the source, 1 the desk
    strand: Mapped[bytes] = mapped_column(Blob)
    number: Mapped[int]  # counts up from 1 in its strand
    entry_id: Mapped[bytes] = mapped_column(Blob)
    digest: Mapped[bytes] = mapped_column(Blob)
    envelope: Mapped[bytes] = mapped_column(Blob)
    signature: Mapped[bytes] = mapped_column(Blob)
    epoch: Mapped[int]
    day: Mapped[date]
    removal: Mapped[bytes | None] = mapped_column(Blob)  # set: a tombstone


class AttachmentRow(Base):
    """A file of an entry. Its id is that of the sealed row with its header."""

    __tablename__ = "attachment"
    __table_args__ = (
        UniqueConstraint("attachment_id"),
        Index(None, "address", "entry_id"),
        Index(None, "pending_half_hour"),
    )
    id: Mapped[int] = mapped_column(_ID, ForeignKey("sealed.id"), primary_key=True, autoincrement=False)
    address: Mapped[bytes] = mapped_column(Blob, ForeignKey("mailbox.address"))
    entry_id: Mapped[bytes] = mapped_column(Blob)
    attachment_id: Mapped[bytes] = mapped_column(Blob)
    chunks: Mapped[int]  # arrived so far
    is_whole: Mapped[bool]
    pending_half_hour: Mapped[
        int | None
    ]  # since 1970 in UTC, when its upload began; NULL once an entry adopted it
    peer: Mapped[bytes | None] = mapped_column(Blob)  # from whom it comes, while it comes in pouches


class ChunkRow(Base):
    """The place of one chunk. Its id is that of its sealed row."""

    __tablename__ = "chunk"
    __table_args__ = (UniqueConstraint("attachment_row", "number"),)
    id: Mapped[int] = mapped_column(_ID, ForeignKey("sealed.id"), primary_key=True, autoincrement=False)
    attachment_row: Mapped[int] = mapped_column(_ID, ForeignKey("attachment.id"))
    number: Mapped[int]  # from 0


class DeletionQueueRow(Base):
    """A sealed row that the next sweep destroys. What could open it is gone already."""

    __tablename__ = "deletion_queue"
    id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)


class EndedMailboxRow(Base):
    """What is left of an ended mailbox until the desk has seen it, and every peer was told."""

    __tablename__ = "ended_mailbox"
    __table_args__ = (UniqueConstraint("address"),)
    id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)
    address: Mapped[bytes] = mapped_column(Blob)
    recipient: Mapped[bytes] = mapped_column(Blob)
    verify_key: Mapped[bytes] = mapped_column(Blob)
    statement: Mapped[bytes] = mapped_column(Blob)
    day: Mapped[date]
    is_counted: Mapped[bool]  # the desk has seen it; it waits only until every peer was told


class LetterheadRow(Base):
    """The desk's signed public statement, one row per serial."""

    __tablename__ = "letterhead"
    serial: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)
    body: Mapped[bytes] = mapped_column(Blob)
    signature: Mapped[bytes] = mapped_column(Blob)


class RecordRow(Base):
    """What the desk keeps for itself under a name: its newest revision. Its id is that of its sealed row."""

    __tablename__ = "record"
    __table_args__ = (
        UniqueConstraint("kind", "name"),
        CheckConstraint("revision >= 1", name="revision"),
    )
    id: Mapped[int] = mapped_column(_ID, ForeignKey("sealed.id"), primary_key=True, autoincrement=False)
    kind: Mapped[str]
    name: Mapped[bytes] = mapped_column(Blob)
    revision: Mapped[int]  # counts up from 1
    base: Mapped[int]  # the revision that the other side is known to have; 0: none
    goes_to_peers: Mapped[bool]  # pouches carry it


class DeletionOrderRow(Base):
    """The desk's word that a mailbox is to go on a day. Its id is that of its sealed row, the statement."""

    __tablename__ = "deletion_order"
    __table_args__ = (UniqueConstraint("address"), Index(None, "due"))
    id: Mapped[int] = mapped_column(_ID, ForeignKey("sealed.id"), primary_key=True, autoincrement=False)
    address: Mapped[bytes] = mapped_column(Blob, ForeignKey("mailbox.address"))
    due: Mapped[date]


class DeletionOrderTallyRow(Base):
    """The place of one tally that the ledger gets when the order is carried out."""

    __tablename__ = "deletion_order_tally"
    __table_args__ = (UniqueConstraint("order_row", "number"),)
    id: Mapped[int] = mapped_column(_ID, ForeignKey("sealed.id"), primary_key=True, autoincrement=False)
    order_row: Mapped[int] = mapped_column(_ID, ForeignKey("deletion_order.id"))
    number: Mapped[int]  # from 0


class LedgerTallyRow(Base):
    """One sealed tally that tells of no mailbox. Its id is that of its sealed row, and new."""

    __tablename__ = "ledger_tally"
    __table_args__ = (UniqueConstraint("digest"),)
    id: Mapped[int] = mapped_column(_ID, ForeignKey("sealed.id"), primary_key=True, autoincrement=False)
    digest: Mapped[bytes] = mapped_column(Blob)  # SHA-256 of the tally as it is sealed: kept once


class PublicFileRow(Base):
    """A file that everybody may read, such as a yearly report."""

    __tablename__ = "public_file"
    __table_args__ = (UniqueConstraint("name"),)
    id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)
    name: Mapped[str]
    body: Mapped[bytes] = mapped_column(Blob)


class PeerRow(Base):
    """Another store that this one exchanges pouches with. Serials count pouches, each way for itself."""

    __tablename__ = "peer"
    __table_args__ = (UniqueConstraint("name"), CheckConstraint("length(name) IN (0, 8)", name="name"))
    id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)
    name: Mapped[bytes] = mapped_column(Blob)  # a workstation's strand; b"" for the server
    card: Mapped[bytes] = mapped_column(Blob)  # its public keys
    sent_serial: Mapped[int]  # the last pouch that was packed for it; 0: none
    acknowledged_serial: Mapped[int]  # the newest of ours that it has taken in
    applied_serial: Mapped[int]  # the newest of its that we took in
    last_applied_day: Mapped[date | None]  # when we last took one in
    rollback_day: Mapped[date | None]  # when it was found to have lost what it had taken in
    letterhead_serial: Mapped[int]  # serial of the newest that both are known to have; 0: none
    has_more: Mapped[bool]  # it had more for us than came in with the last one


class OutboxRow(Base):
    """Something that a peer is not known to have. Its id tells no order, and no column does."""

    __tablename__ = "outbox"
    __table_args__ = (UniqueConstraint("peer", "kind", "address", "name"), Index(None, "peer", "address"))
    id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)
    peer: Mapped[bytes] = mapped_column(Blob, ForeignKey("peer.name"))
    kind: Mapped[str]
    address: Mapped[bytes] = mapped_column(Blob)  # b"" where it is about no mailbox
    name: Mapped[bytes] = mapped_column(Blob)  # b"" where there is one of its kind
    tally_digests: Mapped[bytes] = mapped_column(Blob)
    pouch_serial: Mapped[int | None]  # the last one that it was packed in
    packed_revision: Mapped[int | None]  # of a record or letterhead, as it was packed there
    is_changed: Mapped[bool]  # since then: it must be packed again


class SyncFindingRow(Base):
    """Something that taking in a pouch found wrong at the server, for the adviser to see."""

    __tablename__ = "sync_finding"
    __table_args__ = (UniqueConstraint("address", "entry_id", "kind"),)
    id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)
    address: Mapped[bytes] = mapped_column(Blob)
    entry_id: Mapped[bytes] = mapped_column(Blob)  # b"" where it is about a whole mailbox
    kind: Mapped[str]
    day: Mapped[date]
