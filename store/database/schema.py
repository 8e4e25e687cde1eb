"""Tables of the store. Ciphertext is in one table, `sealed`. All other columns are signed, or are counts.

No row has a time of day. Rows have days, and a pending upload has the half hour in which the upload began.
Row ids are random, so the ids do not show the order in which rows arrived. After `cleanup.rewrite_store`,
the place of the rows on the disk does not show that order either.
"""

import os
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

from sqlalchemy import (
    CheckConstraint,
    Date,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from store.dialect.differing_sql import WIDE_INTEGER

CHUNK_BYTES = 1024 * 1024  # limit on the ciphertext in one row, so that one transaction is short


def new_id() -> int:
    """Return a random row id of 63 bits."""
    return int.from_bytes(os.urandom(8)) >> 1


# SQLite allows a value of any type in any column, and an attacker may write one. PostgreSQL refuses such a
# value, but knows days that Python does not know. A value of the wrong type is
# read as one of these four constants, and so is NULL in a column that is never NULL. Our code never stores
# these constants, so the verification refuses them and names the entry. An exception here would make the
# whole inbox fail because of one row, and `bytes(10**12)` would fill the memory.
NO_BYTES = b""
NO_NUMBER = -1
NO_DAY = date.min
NO_WORD = ""


def _read_day(value: object) -> date:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else NO_DAY
    except ValueError:
        return NO_DAY
    return day if day.isoformat() == value else NO_DAY  # Python reads other spellings of a day too


def _read_word(value: object) -> str:
    return value if isinstance(value, str) and value.isascii() and value.isprintable() else NO_WORD


class CheckedType(TypeDecorator[Any]):
    """Base class of column types. A stored value of the wrong type is read as a constant."""

    read: Callable[[object], Any]

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[object], Any]:  # noqa: ARG002  # its shape
        """Return the function that checks each value read from a column that can be NULL."""
        read = type(self).read
        return lambda value: None if value is None else read(value)


class Blob(CheckedType):
    """Column of bytes. A stored value of another type is read as `NO_BYTES`."""

    impl = LargeBinary
    cache_ok = True
    read = staticmethod(lambda value: value if isinstance(value, bytes) else NO_BYTES)


class Whole(CheckedType):
    """Column of whole numbers. A stored value of another type is read as `NO_NUMBER`."""

    impl = WIDE_INTEGER
    cache_ok = True
    read = staticmethod(lambda value: value if isinstance(value, int) else NO_NUMBER)


class Serial(Whole):
    """Column of serial numbers of pouches (sync bundles). A damaged value is read as 0.

    With 0, the next sync works as if a backup was restored.
    """

    cache_ok = True
    read = staticmethod(lambda value: max(value, 0) if isinstance(value, int) else 0)


class Day(CheckedType):
    """Column of days. Each driver returns a day as ISO 8601 text.

    A stored value of another form is read as `NO_DAY`.
    """

    impl = Date
    cache_ok = True
    read = staticmethod(_read_day)


class Word(CheckedType):
    """Column of text in printable ASCII. Any other stored value is read as `NO_WORD`."""

    impl = String
    cache_ok = True
    read = staticmethod(_read_word)


class Base(DeclarativeBase):
    """Base class of all tables. Its naming convention gives every constraint a name."""

    type_annotation_map = {int: Whole, date: Day, str: Word, bytes: Blob}  # noqa: RUF012  # SQLAlchemy's shape
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class _WithId:
    id: Mapped[int] = mapped_column(WIDE_INTEGER, primary_key=True, autoincrement=False, sort_order=-1)


class _WithSealedId:
    """Mixin for tables whose rows each have their ciphertext in the table `sealed`, under the same id."""

    id: Mapped[int] = mapped_column(
        WIDE_INTEGER, ForeignKey("sealed.id"), primary_key=True, autoincrement=False, sort_order=-1
    )


_Serial = Annotated[int, mapped_column(Serial)]
_AddressOfMailbox = Annotated[bytes, mapped_column(Blob, ForeignKey("mailbox.address"))]


class UsageRow(_WithId, Base):
    """Table with a single row: the number of encrypted bytes in the store.

    This number includes deleted bytes that the clean-up has not destroyed yet.
    """

    __tablename__ = "usage"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
    sealed_bytes: Mapped[int]


class MailboxRow(_WithId, Base):
    """Mailbox of one source: its public keys, its size, and the dates that the inbox shows."""

    __tablename__ = "mailbox"
    __table_args__ = (
        UniqueConstraint("address"),
        Index(None, "waiting_since", "last_day", "address"),  # both lists of the inbox, in their order
        Index(None, "due"),
        CheckConstraint("length(address) = 20", name="address"),
    )
    address: Mapped[bytes]
    recipient: Mapped[bytes]  # public key that messages to the source are encrypted to
    verify_key: Mapped[bytes]  # public key that verifies the source's signatures
    opened_day: Mapped[date]
    sealed_bytes: Mapped[int]  # all ciphertext, also of pending attachments
    # A random number that each change of the mailbox replaces. Writers change it by compare-and-set, so that
    # no one writes after an older state of the mailbox. It decides nothing else.
    version: Mapped[int]
    waiting_since: Mapped[date | None]  # day of the source's oldest words without an answer
    due: Mapped[date | None]  # day from which a closed mailbox may be deleted: where the clean-up must look
    last_day: Mapped[date | None]  # NULL until the first entry


class SealedRow(_WithId, Base):
    """One piece of ciphertext. The kind of the piece decides which columns are filled.

    - entry: `header` has the age header, and `payload` the rest of the ciphertext
    - chunk of an attached file: only `payload`
    - age header of an attached file, record, tally: only `header`

    A deletion clears `header` immediately. No one can decrypt the rest without `header`.
    """

    __tablename__ = "sealed"
    __table_args__ = (CheckConstraint(f"length(payload) <= {CHUNK_BYTES}", name="chunk"),)
    size: Mapped[int]  # bytes of header and payload when they were written; quotas count them
    shield: Mapped[bytes]  # this column must stay before header and payload: see sqlite_pages.SHIELD
    header: Mapped[bytes | None]  # NULL: the row was deleted, and no one can decrypt the payload any more
    payload: Mapped[bytes | None]


class EntryRow(_WithId, Base):
    """Signed header (envelope) of one entry of a mailbox.

    The row in `sealed` with the same id has the ciphertext, if any. Only the digest identifies an entry: a
    dishonest writer can use a number or an entry id twice.
    """

    __tablename__ = "entry"
    __table_args__ = (
        Index(None, "address", "author", "strand", "number"),
        Index(None, "address", "entry_id"),
        Index(None, "address", "digest"),
    )
    address: Mapped[_AddressOfMailbox]
    author: Mapped[int]  # 0 the source, 1 the desk
    strand: Mapped[bytes]
    number: Mapped[int]  # counts from 1 in its strand
    entry_id: Mapped[bytes]
    digest: Mapped[bytes]
    envelope: Mapped[bytes]
    signature: Mapped[bytes]
    epoch: Mapped[int]  # 0 for an entry without an encrypted part
    day: Mapped[date]


class AttachmentRow(_WithSealedId, Base):
    """Attached file of an entry. The row in `sealed` with the same id has the file's encrypted header."""

    __tablename__ = "attachment"
    __table_args__ = (
        UniqueConstraint("address", "attachment_id"),
        Index(None, "address", "entry_id"),
        Index(None, "pending_half_hour"),
    )
    address: Mapped[_AddressOfMailbox]
    entry_id: Mapped[bytes]
    attachment_id: Mapped[bytes]
    chunks: Mapped[int]  # number of chunks that arrived so far
    is_whole: Mapped[bool]
    # When the upload began, in half hours since 1970 (UTC); NULL: its entry was written.
    pending_half_hour: Mapped[int | None]
    peer: Mapped[bytes | None]  # name of the peer that sends the attachment in pouches


class ChunkRow(_WithSealedId, Base):
    """Numbered chunk of an attached file. The row in `sealed` with the same id has the chunk's ciphertext."""

    __tablename__ = "chunk"
    __table_args__ = (UniqueConstraint("attachment_row", "number"),)
    attachment_row: Mapped[int] = mapped_column(WIDE_INTEGER, ForeignKey("attachment.id"))
    number: Mapped[int]  # from 0


class DeletionQueueRow(_WithId, Base):
    """Id of a row in `sealed` that the next clean-up destroys. The header of that row is NULL already."""

    __tablename__ = "deletion_queue"


class EndedMailboxRow(_WithId, Base):
    """Last signed envelopes of a mailbox: the proof that the source ended it or the desk deleted it."""

    __tablename__ = "ended_mailbox"
    __table_args__ = (UniqueConstraint("address"),)
    address: Mapped[bytes]
    recipient: Mapped[bytes]
    verify_key: Mapped[bytes]
    proof: Mapped[bytes]
    day: Mapped[date]


class LetterheadRow(Base):
    """Letterhead: one version of the desk's signed configuration. Each version has a higher serial."""

    __tablename__ = "letterhead"
    serial: Mapped[int] = mapped_column(WIDE_INTEGER, primary_key=True, autoincrement=False)
    body: Mapped[bytes]
    signature: Mapped[bytes]


class RecordRow(_WithSealedId, Base):
    """Newest revision of one of the desk's encrypted notes (records).

    The row in `sealed` with the same id has the record's ciphertext.
    """

    __tablename__ = "record"
    __table_args__ = (UniqueConstraint("kind", "name"), CheckConstraint("revision >= 1", name="revision"))
    kind: Mapped[str]
    name: Mapped[bytes]
    revision: Mapped[int]  # counts from 1
    is_dropped: Mapped[bool]  # True if the desk dropped the record, and a peer may still have it
    goes_to_peers: Mapped[bool]  # False for drafts and unsent forms


class MailboxTallyRow(_WithSealedId, Base):
    """Tally (anonymous fact about a mailbox) that is added to the ledger when the mailbox is deleted.

    The row in `sealed` with the same id has the tally's ciphertext.
    """

    __tablename__ = "mailbox_tally"
    __table_args__ = (Index(None, "address"),)
    address: Mapped[_AddressOfMailbox]


class LedgerTallyRow(_WithSealedId, Base):
    """Tally (anonymous fact about a deleted mailbox) in the ledger, which does not show the mailbox.

    The row in `sealed` with the same id has the tally's ciphertext.
    """

    __tablename__ = "ledger_tally"
    __table_args__ = (UniqueConstraint("digest"),)
    digest: Mapped[bytes]  # SHA-256 of the encrypted tally, so that the same tally is stored only once


class PublicFileRow(_WithId, Base):
    """Public file, such as a yearly report."""

    __tablename__ = "public_file"
    __table_args__ = (UniqueConstraint("name"),)
    name: Mapped[str]
    body: Mapped[bytes]


class PeerRow(_WithId, Base):
    """Another store (peer) with which this store syncs. `store.peers.Peer` explains the columns."""

    __tablename__ = "peer"
    __table_args__ = (UniqueConstraint("name"), CheckConstraint("length(name) IN (0, 8)", name="name"))
    name: Mapped[bytes]
    card: Mapped[bytes]
    sent_serial: Mapped[_Serial]
    acknowledged_serial: Mapped[_Serial]
    applied_serial: Mapped[_Serial]
    last_applied_day: Mapped[date | None]
    rollback_day: Mapped[date | None]
    letterhead_serial: Mapped[_Serial]
    has_more: Mapped[bool]


class OutboxRow(_WithId, Base):
    """Name of an item that must be sent to another store (peer) by sync.

    The row's id is random, so no column shows the order in which items arrived.
    """

    __tablename__ = "outbox"
    __table_args__ = (UniqueConstraint("peer", "kind", "address", "name"), Index(None, "peer", "address"))
    peer: Mapped[bytes] = mapped_column(Blob, ForeignKey("peer.name"))
    kind: Mapped[str]
    address: Mapped[bytes]  # b"" if the item belongs to no mailbox
    name: Mapped[bytes]  # b"" if there is one item of this kind
    replaces: Mapped[bytes]  # digest of a revision at the peer that a record may replace, or b""
    pouch_serial: Mapped[int | None]  # serial of the last pouch with the item; NULL: it must still be packed
    packed_revision: Mapped[int | None]  # serial of a letterhead in that pouch
    is_changed: Mapped[bool]  # True: the item changed after it was packed, and must be packed again


class SyncFindingRow(_WithId, Base):
    """Fault of the server that this store detected when it applied a pouch (sync bundle) of the server."""

    __tablename__ = "sync_finding"
    __table_args__ = (UniqueConstraint("address", "digest", "kind"),)
    address: Mapped[bytes]
    digest: Mapped[bytes]  # of an entry; b"" if the fault is about a whole mailbox
    kind: Mapped[str]
    day: Mapped[date]


# Tables that refer to their rows in `sealed`. Entries keep their envelope when their ciphertext is destroyed.
SEALED_TABLES = (AttachmentRow, ChunkRow, RecordRow, MailboxTallyRow, LedgerTallyRow)
