"""Outbox: replication queue of the items that each peer (another store) may not have yet.

A row is added in the transaction that writes the item. The row is marked when the item is packed into a pouch
(sync bundle), and deleted when the peer confirms that pouch. A row contains only the name of its item. The
item itself is read from its table when a pouch is packed. No column shows the order in which items arrived.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, case, delete, exists, func, literal, or_, select, update
from sqlalchemy.orm import Session

from store.database.prepared_statements import (
    PlainQuery,
    PreparedChange,
    PreparedQuery,
    columns,
    insert,
    roll_back,
)
from store.database.schema import (
    Blob,
    EndedMailboxRow,
    EntryRow,
    LedgerTallyRow,
    LetterheadRow,
    MailboxTallyRow,
    OutboxRow,
    PeerRow,
    PublicFileRow,
    RecordRow,
    Word,
    new_id,
)
from store.dialect.differing_sql import (
    WIDE_INTEGER,
    is_blob,
    is_text,
    is_word,
    joined_bytes,
    larger,
    random_id,
)
from store.errors import BrokenConstraintError, PeerMissingError


class OutboxKind(StrEnum):
    """Kind of an item that must be sent by sync.

    The comment after each kind says which columns identify an item of that kind.
    """

    LETTERHEAD = "letterhead"  # no column: always the newest letterhead
    ENDED = "ended"  # `address` of an ended mailbox
    PUBLIC_FILE = "public_file"  # `name` of the file in UTF-8
    RECORD = "record"  # `name` from `record_name`, and in `replaces` a revision that it may replace
    TALLY = "tally"  # `name` is the digest of the tally
    ENTRY = "entry"  # `address`; `name` is the entry's digest
    TALLIES = "tallies"  # `address` of a mailbox; if there are no tallies beside it, they were withdrawn


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """Name of an item, such as an entry, that must be sent to another store (peer)."""

    id: int
    kind: OutboxKind
    address: bytes
    name: bytes = field(repr=False)
    replaces: bytes = field(repr=False)

    @property
    def record(self) -> tuple[str, bytes]:
        """Return the kind and the name of the record (encrypted note) that this item names.

        The name of the item has the form "kind:name".
        """
        kind, _, name = self.name.partition(b":")
        return as_word(kind), name


def _read(row: int, kind: str, address: bytes, name: bytes, replaces: bytes) -> OutboxItem:
    return OutboxItem(row, OutboxKind(kind), address, name, replaces)


_OTHER_PEERS = "other_peers"  # key in `Session.info`
_OF_PEER = OutboxRow.peer == bindparam("peer")
# So that SQLite uses the indexes, whose first column is the peer.
_OF_ALL_PEERS = OutboxRow.peer.in_(select(PeerRow.name))
_IN_MAILBOX = OutboxRow.address == bindparam("address")
_IS_ABOUT_MAILBOX = or_(OutboxRow.kind == OutboxKind.ENTRY, OutboxRow.kind == OutboxKind.TALLIES)
_IS_TO_PACK = OutboxRow.pouch_serial.is_(None)
_IS_CONFIRMED = _OF_PEER & (OutboxRow.pouch_serial <= bindparam("serial"))
_IS_UNCHANGED = OutboxRow.is_changed.is_(False)
_HAS_NAME = (OutboxRow.kind == bindparam("kind")) & (OutboxRow.name == bindparam("name"))
_IS_ITEM = _HAS_NAME & _IN_MAILBOX
_HAS_ROW = OutboxRow.id == bindparam("row")
_IS_SOUND = (
    is_text(OutboxRow.kind)
    & OutboxRow.kind.in_(list(OutboxKind))
    & is_blob(OutboxRow.address)
    & is_blob(OutboxRow.name)
)

# A damaged row must not stop an entry of a source, so a name that is not bytes is left out.
_PEERS = PlainQuery(select(PeerRow.name).where(is_blob(PeerRow.name)))
_ADD = insert(OutboxRow)
_ADDED = ["id", "peer", "kind", "address", "name", "replaces", "is_changed"]
_NOTHING = literal(b"", Blob)
_KEY = [OutboxRow.peer, OutboxRow.kind, OutboxRow.address, OutboxRow.name]
_REPLACES = case((func.length(_ADD.excluded.replaces) > 0, _ADD.excluded.replaces), else_=OutboxRow.replaces)
_ENQUEUE = PreparedChange(_ADD.on_conflict_do_update(index_elements=_KEY, set_={"is_changed": True}))
_UNPACKED: Mapping[str, Any] = {"is_changed": False, "pouch_serial": None, "packed_revision": None}
_ENQUEUE_AGAIN = PreparedChange(
    _ADD.on_conflict_do_update(index_elements=_KEY, set_={**_UNPACKED, "replaces": _REPLACES})
)
_TO_PACK = select(*columns(OutboxItem, OutboxRow)).where(_OF_PEER, _IS_TO_PACK)
_OF_KIND = PreparedQuery(
    _TO_PACK.where(OutboxRow.kind == bindparam("kind")).order_by(OutboxRow.address, OutboxRow.name), _read
)
_OF_MAILBOX = PreparedQuery(
    _TO_PACK.where(_IN_MAILBOX, _IS_ABOUT_MAILBOX).order_by(OutboxRow.kind, OutboxRow.name), _read
)
NAMES_TO_PACK = select(OutboxRow.name).where(_OF_PEER, _IS_TO_PACK, _IN_MAILBOX, _IS_ABOUT_MAILBOX)
_MAILBOXES = PlainQuery(
    select(OutboxRow.address)
    .where(_OF_PEER, _IS_ABOUT_MAILBOX, _IS_TO_PACK)
    .distinct()
    .order_by(OutboxRow.address)
)
_COUNTS = PlainQuery(select(OutboxRow.kind, func.count()).where(_OF_PEER, _IS_SOUND).group_by(OutboxRow.kind))
_IS_QUEUED = PlainQuery(select(OutboxRow.id).where(_OF_ALL_PEERS, _IS_ITEM))
_HAS_CONFIRMED = PlainQuery(
    select(PeerRow.id).where(
        PeerRow.name == bindparam("peer"),
        PeerRow.acknowledged_serial > 0,
        ~exists().where(_OF_PEER, _IS_ITEM),
    )
)
_MARK_PACKED = PreparedChange(
    update(OutboxRow)
    .where(_HAS_ROW)
    .values(pouch_serial=bindparam("serial"), is_changed=False, packed_revision=bindparam("revision"))
)
_MARK_MAILBOX_PACKED = PreparedChange(
    update(OutboxRow)
    .where(_OF_PEER, _IN_MAILBOX, _IS_ABOUT_MAILBOX, _IS_TO_PACK)
    .values(pouch_serial=bindparam("serial"), is_changed=False, packed_revision=None)
)
_MARK_CHANGED = PreparedChange(update(OutboxRow).where(_HAS_ROW).values(is_changed=True))
_UNMARK_PACKED = PreparedChange(update(OutboxRow).where(_HAS_ROW).values(pouch_serial=None))
_REPACK_ALL = PreparedChange(
    update(OutboxRow).where(_OF_PEER, OutboxRow.pouch_serial.is_not(None)).values(pouch_serial=None)
)
_REPACK_CHANGED = PreparedChange(
    update(OutboxRow).where(_IS_CONFIRMED).values(pouch_serial=None, is_changed=False)
)
_CONFIRMED_LETTERHEAD = PlainQuery(
    select(OutboxRow.packed_revision).where(
        _IS_CONFIRMED, OutboxRow.kind == OutboxKind.LETTERHEAD, OutboxRow.packed_revision.is_not(None)
    )
)
_SET_LETTERHEAD = PreparedChange(
    update(PeerRow).where(PeerRow.name == bindparam("peer")).values(letterhead_serial=bindparam("serial"))
)
_ACKNOWLEDGE = PreparedChange(
    update(PeerRow)
    .where(PeerRow.name == bindparam("peer"))
    .values(acknowledged_serial=larger(PeerRow.acknowledged_serial, bindparam("serial", type_=WIDE_INTEGER)))
)
_DELETE_CONFIRMED = PreparedChange(delete(OutboxRow).where(_IS_CONFIRMED, _IS_UNCHANGED))
_DELETE_DAMAGED = PreparedChange(delete(OutboxRow).where(_OF_PEER, ~_IS_SOUND))
_DELETE_OF_PEER = PreparedChange(delete(OutboxRow).where(_OF_PEER))
_DELETE_OF_MAILBOX = PreparedChange(delete(OutboxRow).where(_OF_ALL_PEERS, _IN_MAILBOX, _IS_ABOUT_MAILBOX))
_DELETE_FOR_ALL = PreparedChange(delete(OutboxRow).where(_OF_ALL_PEERS, _IS_ITEM))
_DELETE_FOR_PEER = PreparedChange(delete(OutboxRow).where(_OF_PEER, _IS_ITEM))


def _all_of(kind: OutboxKind, address: Any, name: Any, *conditions: Any) -> PreparedChange:  # noqa: ANN401  # SQL
    """Return the statement that adds all items of a kind to the outbox of a peer, to pack them again."""
    # Several entries can have one digest, and PostgreSQL updates no row twice in one statement.
    found = select(address.label("address"), name.label("name")).where(*conditions).distinct().subquery()
    is_packed_or_changed = or_(OutboxRow.pouch_serial.is_not(None), OutboxRow.is_changed.is_not(False))
    row = (random_id(), bindparam("peer"), literal(kind), *found.c, _NOTHING, literal(value=False))
    # No peer knows an item with a damaged name.
    rows = select(*row).where(is_blob(found.c.address), is_blob(found.c.name))
    added = insert(OutboxRow).from_select(_ADDED, rows, include_defaults=False)
    return PreparedChange(
        added.on_conflict_do_update(index_elements=_KEY, set_=_UNPACKED, where=is_packed_or_changed)
    )


_ENQUEUE_EVERYTHING = (
    _all_of(OutboxKind.LETTERHEAD, _NOTHING, _NOTHING, exists(select(LetterheadRow.serial))),
    _all_of(OutboxKind.ENDED, EndedMailboxRow.address, _NOTHING),
    _all_of(OutboxKind.TALLIES, MailboxTallyRow.address, _NOTHING),
    _all_of(OutboxKind.ENTRY, EntryRow.address, EntryRow.digest),
    _all_of(
        OutboxKind.RECORD,
        _NOTHING,
        joined_bytes(RecordRow.kind + ":", RecordRow.name),  # as `record_name`
        *(RecordRow.goes_to_peers, is_word(RecordRow.kind), is_blob(RecordRow.name)),
    ),
    _all_of(OutboxKind.TALLY, _NOTHING, LedgerTallyRow.digest),
    _all_of(
        OutboxKind.PUBLIC_FILE, _NOTHING, joined_bytes(PublicFileRow.name, b""), is_word(PublicFileRow.name)
    ),
)


def record_name(kind: str, name: bytes) -> bytes:
    """Return the text "kind:name", by which the outbox (queue of items to send) names a record.

    A record is an encrypted note. No kind contains a colon.
    """
    return kind.encode() + b":" + name


def as_word(name: bytes) -> str:
    """Decode a word that a row stores as bytes. For a damaged word, return the constant `NO_WORD`."""
    return Word.read(name.decode("utf-8", "replace"))


# ---- adding items ----------------------------------------------------------------------------------


def exclude_peer(session: Session, peer: bytes) -> None:
    """Make `enqueue` skip one other store (peer) for the rest of this session.

    A sync uses this so that a peer does not receive its own items again.
    """
    session.info[_OTHER_PEERS] = [other for other in _PEERS.all(session) if other != peer]


def enqueue(session: Session, kind: OutboxKind, *, address: bytes = b"", name: bytes = b"") -> None:
    """Add an item to the outbox (queue of items to send) of every peer (another store).

    A peer that `exclude_peer` has excluded is skipped. An item that is in the outbox already will be packed
    again.
    """
    others = session.info.get(_OTHER_PEERS)
    for peer in _PEERS.all(session) if others is None else others:
        _add(session, _ENQUEUE, peer, kind, address=address, name=name)


def enqueue_for(session: Session, peer: bytes, kind: OutboxKind, **item: bytes) -> None:
    """Add an item to the outbox (queue to send) of one peer (another store), even if it was sent before.

    `item` has the `address` and the `name`, if any. For a record, it can also have `replaces`: the digest of
    a revision that the peer may replace.

    Raises:
        PeerMissingError: there is no such peer. Everything that this session wrote is rolled back.
    """
    _add(session, _ENQUEUE_AGAIN, peer, kind, **item)


def enqueue_all(session: Session, peer: bytes) -> None:
    """Add all items of this store to the outbox (queue to send) of one peer (another store).

    Items that were packed before will be packed again. Records that do not go to peers are left out.

    Raises:
        PeerMissingError: there is no such peer. Everything that this session wrote is rolled back.
    """
    # One statement for each kind: with a statement for each item, the store would be locked for seconds.
    for statement in _ENQUEUE_EVERYTHING:
        _run(session, statement, peer=peer)


def _add(session: Session, statement: PreparedChange, peer: bytes, kind: OutboxKind, **item: bytes) -> None:
    row = {"address": b"", "name": b"", "replaces": b"", **item}
    _run(session, statement, id=new_id(), peer=peer, kind=kind, is_changed=False, **row)


def _run(session: Session, statement: PreparedChange, **values: object) -> None:
    try:
        statement.run(session, **values)
    except BrokenConstraintError as why:
        roll_back(session)
        raise PeerMissingError("there is no such peer") from why


# ---- reading items ---------------------------------------------------------------------------------


def of_kind(session: Session, peer: bytes, kind: OutboxKind) -> Iterator[OutboxItem]:
    """Yield the items of one kind that must still be sent to a peer (another store).

    The items are sorted by address and name.
    """
    return _OF_KIND.each(session, peer=peer, kind=kind)


def mailboxes_to_pack(session: Session, peer: bytes) -> Sequence[bytes]:
    """Return the mailboxes with entries or tallies that must still be sent to a peer (another store).

    The result has the addresses, sorted. A tally is one anonymous fact about a mailbox.
    """
    return _MAILBOXES.all(session, peer=peer)


def of_mailbox(session: Session, peer: bytes, address: bytes) -> Sequence[OutboxItem]:
    """Return the entries and tallies of a mailbox that must still be sent to a peer (another store).

    The items are sorted by kind and name. A tally is one anonymous fact about a mailbox.
    """
    return _OF_MAILBOX.all(session, peer=peer, address=address)


def count(session: Session, peer: bytes) -> int:
    """Return the number of items in a peer's outbox: not sent yet, or sent but not confirmed."""
    return sum(counts(session, peer).values())


def counts(session: Session, peer: bytes) -> Mapping[OutboxKind, int]:
    """Return the number of items of each kind in a peer's outbox: not sent yet, or sent but not confirmed."""
    return {OutboxKind(kind): number for kind, number in _COUNTS.each(session, peer=peer)}


def is_queued(session: Session, kind: OutboxKind, *, address: bytes = b"", name: bytes = b"") -> bool:
    """Return True if an item is in the outbox (the queue of items to send) of one or more other stores."""
    return _IS_QUEUED.first(session, kind=kind, address=address, name=name) is not None


def have_confirmed(
    session: Session, peers: Iterable[bytes], kind: OutboxKind, *, address: bytes = b"", name: bytes = b""
) -> bool:
    """Return True if none of these peers (other stores) still needs to receive an item.

    A peer that this store does not know, or that has confirmed nothing yet, still needs the item.
    """
    item = {"kind": kind, "address": address, "name": name}
    return all(_HAS_CONFIRMED.first(session, peer=peer, **item) is not None for peer in peers)


# ---- packing and confirming items ------------------------------------------------------------------


def mark_packed(session: Session, ids: Iterable[int], serial: int, *, letterhead: int | None = None) -> None:
    """Mark items of the outbox (queue to send) as packed in the pouch (sync bundle) with this serial.

    `ids` are row ids. Mark the items before you read them, or in the same transaction. `letterhead` is the
    serial of the packed letterhead (signed public statement).
    """
    # If the items were read first, a change between reading and marking would never be sent.
    for row in ids:
        _MARK_PACKED.run(session, row=row, serial=serial, revision=letterhead)


def mark_mailbox_packed(session: Session, peer: bytes, address: bytes, serial: int) -> None:
    """Mark everything that `of_mailbox` returns as packed in the pouch (sync bundle) with this serial."""
    _MARK_MAILBOX_PACKED.run(session, peer=peer, address=address, serial=serial)


def mark_changed(session: Session, ids: Iterable[int]) -> None:
    """Mark packed items of the outbox (queue of items to send) as changed, so that they are packed again.

    `ids` are the row ids of the items.
    """
    for row in ids:
        _MARK_CHANGED.run(session, row=row)


def repack_all(session: Session, peer: bytes) -> None:
    """Mark all packed items of a peer (another store) as not packed, because they may not have arrived.

    If the outbox (queue of items to send) has a damaged row, all items of the store are queued again.
    """
    if _DELETE_DAMAGED.run(session, peer=peer):
        enqueue_all(session, peer)
    _REPACK_ALL.run(session, peer=peer)


def unmark_packed(session: Session, ids: Iterable[int]) -> None:
    """Mark items of the outbox as not packed, because they did not fit into the pouch (sync bundle).

    `ids` are the row ids of the items.
    """
    for row in ids:
        _UNMARK_PACKED.run(session, row=row)


def acknowledge_pouch(session: Session, peer: bytes, serial: int) -> None:
    """Delete from a peer's outbox (queue of items to send) the items whose arrival the peer has confirmed.

    The peer has applied our pouches (sync bundles) up to `serial`. Items that changed since then will be
    packed again.
    """
    confirmed = {"peer": peer, "serial": serial}
    for letterhead in _CONFIRMED_LETTERHEAD.all(session, **confirmed):
        _SET_LETTERHEAD.run(session, peer=peer, serial=letterhead)
    _DELETE_CONFIRMED.run(session, **confirmed)
    _REPACK_CHANGED.run(session, **confirmed)
    _ACKNOWLEDGE.run(session, **confirmed)


# ---- dropping items --------------------------------------------------------------------------------


def drop_peer(session: Session, peer: bytes) -> None:
    """Delete the whole outbox (queue of items to send) of one peer (another store)."""
    _DELETE_OF_PEER.run(session, peer=peer)


def drop_mailbox(session: Session, address: bytes) -> None:
    """Delete a mailbox's entries and tallies (anonymous facts) from every peer's outbox.

    Call this function when the store deletes the mailbox. The outbox is the queue of items to send.
    """
    _DELETE_OF_MAILBOX.run(session, address=address)


def dequeue_record(session: Session, kind: str, name: bytes) -> None:
    """Delete a record (encrypted note of the desk) from every peer's outbox, the queue of items to send.

    Call this function when the store deletes the record.
    """
    _DELETE_FOR_ALL.run(session, kind=OutboxKind.RECORD, address=b"", name=record_name(kind, name))


def dequeue(
    session: Session, peer: bytes, kind: OutboxKind, *, address: bytes = b"", name: bytes = b""
) -> bool:
    """Delete one item from a peer's outbox (queue of items to send).

    Return False if the outbox did not have the item.
    """
    return _DELETE_FOR_PEER.run(session, peer=peer, kind=kind, address=address, name=name) > 0
