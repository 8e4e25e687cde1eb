"""What each peer is not known to have: noted where it comes about, packed into pouches, forgotten once told.

A row says that something is to be told, not what: the tables are read when a pouch is packed. Nothing here
keeps the order in which things came.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from sqlalchemy import (
    ColumnElement,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from store.database.prepared_statements import PreparedStatement, roll_back
from store.database.schema import (
    EndedRow,
    EntryRow,
    LedgerRow,
    LetterheadRow,
    OrderRow,
    PeerRow,
    PublicFileRow,
    RecordRow,
    UndeliveredRow,
    new_id,
)
from store.errors import PeerMissingError


class What(StrEnum):
    """What a row is about, and by what it is named there."""

    LETTERHEAD = "letterhead"  # the newest one
    ACKNOWLEDGED = "acknowledged"  # address; the digests of its tallies as detail
    ENDED = "ended"  # address
    PUBLIC_FILE = "public_file"  # name in UTF-8
    RECORD = "record"  # name as `record_name` has it; a record that is not there was dropped
    TALLY = "tally"  # digest as name
    ENTRY = "entry"  # address, entry id as name
    ORDER = "order"  # address; an order that is not there was dropped


@dataclass(frozen=True, slots=True)
class Undelivered:
    """One thing that a peer is not known to have."""

    id: int
    what: What
    address: bytes
    name: bytes = field(repr=False)
    detail: bytes = field(repr=False)


_DIGEST_BYTES = 32
_TAKING_IN = "taking_in_from"  # under this name a session knows whose pouch it takes in
_OF_PEER = UndeliveredRow.peer == bindparam("of")
_IS_TO_PACK = UndeliveredRow.pouch.is_(None)
_IN_MAILBOX = or_(UndeliveredRow.what == What.ENTRY, UndeliveredRow.what == What.ORDER)
_ARRIVED = (UndeliveredRow.peer == bindparam("of")) & (UndeliveredRow.pouch <= bindparam("serial"))

_PEERS = PreparedStatement(select(PeerRow.name))
_ADD = insert(UndeliveredRow)
_DETAIL = case((func.length(_ADD.excluded.detail) > 0, _ADD.excluded.detail), else_=UndeliveredRow.detail)
_SAME = [UndeliveredRow.peer, UndeliveredRow.what, UndeliveredRow.address, UndeliveredRow.name]
_NOTE = PreparedStatement(
    _ADD.on_conflict_do_update(index_elements=_SAME, set_={"is_changed": True, "detail": _DETAIL})
)
_NOTE_ANEW = PreparedStatement(
    _ADD.on_conflict_do_update(
        index_elements=_SAME, set_={"is_changed": False, "pouch": None, "revision": None}
    )
)
_ROWS = select(
    UndeliveredRow.id,
    UndeliveredRow.what,
    UndeliveredRow.address,
    UndeliveredRow.name,
    UndeliveredRow.detail,
).where(_OF_PEER, _IS_TO_PACK)
_OF_KIND = PreparedStatement(
    _ROWS.where(UndeliveredRow.what == bindparam("kind")).order_by(
        UndeliveredRow.address, UndeliveredRow.name
    )
)
_OF_MAILBOX = PreparedStatement(
    _ROWS.where(UndeliveredRow.address == bindparam("mailbox"), _IN_MAILBOX).order_by(
        UndeliveredRow.what, UndeliveredRow.name
    )
)
_ADDRESSES = PreparedStatement(
    select(UndeliveredRow.address)
    .where(_OF_PEER, _IN_MAILBOX, _IS_TO_PACK)
    .distinct()
    .order_by(UndeliveredRow.address)
)
_COUNT = PreparedStatement(select(func.count()).select_from(UndeliveredRow).where(_OF_PEER))
_OF_ALL_PEERS = UndeliveredRow.peer.in_(select(PeerRow.name))  # said, so that the indexes, by peer, serve
_COUNTS = PreparedStatement(
    select(UndeliveredRow.what, func.count()).where(_OF_PEER).group_by(UndeliveredRow.what)
)
_IS_UNDELIVERED = PreparedStatement(
    select(UndeliveredRow.id).where(
        _OF_ALL_PEERS,
        UndeliveredRow.what == bindparam("kind"),
        UndeliveredRow.address == bindparam("mailbox"),
        UndeliveredRow.name == bindparam("called"),
    )
)
_IS_NEWS = PreparedStatement(
    select(UndeliveredRow.id).where(
        _OF_PEER,
        UndeliveredRow.what == bindparam("kind"),
        UndeliveredRow.address == b"",
        UndeliveredRow.name == bindparam("called"),
        UndeliveredRow.pouch.is_(None)
        | UndeliveredRow.is_changed
        | (UndeliveredRow.pouch > bindparam("serial")),
    )
)
_MARK = PreparedStatement(
    update(UndeliveredRow)
    .where(UndeliveredRow.id == bindparam("row"))
    .values(pouch=bindparam("serial"), is_changed=False, revision=bindparam("packed"))
)
_PACKED_RECORDS = PreparedStatement(
    select(UndeliveredRow.name, UndeliveredRow.revision).where(
        _ARRIVED, UndeliveredRow.what == What.RECORD, UndeliveredRow.revision.is_not(None)
    )
)
_SET_BASE = PreparedStatement(
    update(RecordRow)
    .where(RecordRow.kind == bindparam("of_kind"), RecordRow.name == bindparam("called"))
    .values(base=bindparam("known"))
)
_TOLD_ENDINGS = PreparedStatement(
    select(UndeliveredRow.address).where(
        _ARRIVED, UndeliveredRow.what == What.ENDED, UndeliveredRow.is_changed.is_(False)
    )
)
_TOLD = PreparedStatement(delete(UndeliveredRow).where(_ARRIVED, UndeliveredRow.is_changed.is_(False)))
_PACK_AGAIN = PreparedStatement(update(UndeliveredRow).where(_ARRIVED).values(pouch=None, is_changed=False))
_PACKED_LETTERHEAD = PreparedStatement(
    select(UndeliveredRow.revision).where(
        _ARRIVED, UndeliveredRow.what == What.LETTERHEAD, UndeliveredRow.revision.is_not(None)
    )
)
_SHARE_LETTERHEAD = PreparedStatement(
    update(PeerRow).where(PeerRow.name == bindparam("of")).values(letterhead=bindparam("shared"))
)
_RESTART = PreparedStatement(
    update(UndeliveredRow).where(_OF_PEER, UndeliveredRow.pouch.is_not(None)).values(pouch=None)
)
_UNMARK = PreparedStatement(
    update(UndeliveredRow).where(UndeliveredRow.id == bindparam("row")).values(pouch=None)
)
_ACKED = PreparedStatement(
    update(PeerRow)
    .where(PeerRow.name == bindparam("of"))
    .values(acked=func.max(PeerRow.acked, bindparam("serial")))
)

# All that travels, for `note_all`.
_ANY_LETTERHEAD = PreparedStatement(select(LetterheadRow.serial))
_NAMED_BY_ADDRESS = (
    (What.ENDED, PreparedStatement(select(EndedRow.address))),
    (What.ORDER, PreparedStatement(select(OrderRow.address))),
)
_ENTRIES = PreparedStatement(
    select(EntryRow.address, EntryRow.entry_id).order_by(EntryRow.address, EntryRow.entry_id)
)
_RECORDS = PreparedStatement(select(RecordRow.kind, RecordRow.name).where(RecordRow.travels))
_TALLIES = PreparedStatement(select(LedgerRow.digest))
_PUBLIC_FILES = PreparedStatement(select(PublicFileRow.name))


def digests_in(detail: bytes) -> tuple[bytes, ...]:
    """Return the digests of tallies, 32 bytes each, that stand one after the other in a detail."""
    return tuple(detail[at : at + _DIGEST_BYTES] for at in range(0, len(detail), _DIGEST_BYTES))


def record_name(kind: str, name: bytes) -> bytes:
    """Return the name under which a record is undelivered. No kind has a colon in it."""
    return kind.encode() + b":" + name


# ---- noted -----------------------------------------------------------------------------------------


def taking_in_from(session: Session, peer: bytes) -> None:
    """Have `note` leave out a peer for the rest of this session: what it brings it need not be told."""
    session.info[_TAKING_IN] = peer


def enqueue(
    session: Session, what: What, *, address: bytes = b"", name: bytes = b"", detail: bytes = b""
) -> None:
    """Note for every peer, but the one that this session takes in from, that there is something to tell.

    What is noted already is changed: should it be under way, it is packed again. An empty `detail` leaves the
    one before as it is. Without a peer this takes 6 to 7 µs of processor time (measured on a busy machine).
    """
    source = session.info.get(_TAKING_IN)
    for (peer,) in list(_PEERS.all(session, {})):
        if peer != source:
            _run(session, _NOTE, peer, what, address, name, detail)


def enqueue_for(
    session: Session, peer: bytes, what: What, *, address: bytes = b"", name: bytes = b""
) -> None:
    """Note something for one peer, be it the one that this session takes in from, as if never packed before.

    Raises:
        PeerMissingError: there is no such peer. Everything this session did is undone.
    """
    _run(session, _NOTE_ANEW, peer, what, address, name)


def enqueue_all(session: Session, peer: bytes) -> None:
    """Note for one peer all that travels: it is new here, or has lost what it had.

    One row after the other is read and noted, so that memory stays flat. What was under way is packed again.

    Raises:
        PeerMissingError: there is no such peer. Everything this session did is undone.
    """
    for what, address, name in _everything(session):
        _run(session, _NOTE_ANEW, peer, what, address, name)


def _run(  # noqa: PLR0913, PLR0917  # the columns of the row
    session: Session,
    statement: PreparedStatement,
    peer: bytes,
    what: What,
    address: bytes,
    name: bytes,
    detail: bytes = b"",
) -> None:
    row = {
        "id": new_id(),
        "peer": peer,
        "what": what,
        "address": address,
        "name": name,
        "detail": detail,
        "is_changed": False,
    }
    try:
        statement.run(session, row)
    except sqlite3.IntegrityError as why:
        roll_back(session)
        raise PeerMissingError("there is no such peer") from why


def _everything(session: Session) -> Iterator[tuple[What, bytes, bytes]]:
    if _ANY_LETTERHEAD.first(session, {}) is not None:
        yield What.LETTERHEAD, b"", b""
    for what, statement in _NAMED_BY_ADDRESS:
        for (address,) in statement.all(session, {}):
            yield what, address, b""
    for address, entry_id in _ENTRIES.all(session, {}):
        yield What.ENTRY, address, entry_id
    for kind, name in _RECORDS.all(session, {}):
        yield What.RECORD, b"", record_name(kind, name)
    for (digest,) in _TALLIES.all(session, {}):
        yield What.TALLY, b"", digest
    for (title,) in _PUBLIC_FILES.all(session, {}):
        yield What.PUBLIC_FILE, b"", title.encode()


# ---- read ------------------------------------------------------------------------------------------


def of_kind(session: Session, peer: bytes, what: What) -> Iterator[Undelivered]:
    """Yield what of one kind is to be packed for a peer, by address and name: no order of arrival."""
    return map(_read, _OF_KIND.all(session, {"of": peer, "kind": what}))


def mailboxes_to_pack(session: Session, peer: bytes) -> Sequence[bytes]:
    """Return the mailboxes of which an entry or the order is to be packed for a peer, sorted."""
    return [address for (address,) in _ADDRESSES.all(session, {"of": peer})]


def of_mailbox(session: Session, peer: bytes, address: bytes) -> Sequence[Undelivered]:
    """Return what of a mailbox, its entries and its order, is to be packed for a peer, by their names."""
    return [_read(row) for row in _OF_MAILBOX.all(session, {"of": peer, "mailbox": address})]


def count(session: Session, peer: bytes) -> int:
    """Return how much a peer is not known to have."""
    (number,) = _COUNT.first(session, {"of": peer}) or (0,)
    return int(number)


def counts(session: Session, peer: bytes) -> Mapping[What, int]:
    """Return how much of each kind a peer is not known to have."""
    return {What(what): int(number) for what, number in _COUNTS.all(session, {"of": peer})}


def is_undelivered(session: Session, what: What, *, address: bytes = b"", name: bytes = b"") -> bool:
    """Say whether any peer is not known to have something."""
    return _IS_UNDELIVERED.first(session, {"kind": what, "mailbox": address, "called": name}) is not None


def is_news_to(session: Session, peer: bytes, what: What, name: bytes, *, taken: int) -> bool:
    """Say whether one peer lacks something as it is now, having taken in our pouches up to `taken`."""
    row = {"of": peer, "kind": what, "called": name, "serial": taken}
    return _IS_NEWS.first(session, row) is not None


def _read(row: tuple[int, str, bytes, bytes, bytes]) -> Undelivered:
    return Undelivered(row[0], What(row[1]), *row[2:])


# ---- packed and told -------------------------------------------------------------------------------


def mark(
    session: Session,
    ids: Iterable[int],
    serial: int,
    *,
    revisions: Mapping[int, int] = MappingProxyType({}),
) -> None:
    """Note that rows are packed in a pouch; for records which revision, by the id of the row.

    Mark before what is packed is read, or in the transaction that reads it: what changes later is then known
    to have changed, and at worst packed twice. Marked after reading, a change in between would be lost.
    """
    for row in ids:
        _MARK.run(session, {"row": row, "serial": serial, "packed": revisions.get(row)})


def restart(session: Session, peer: bytes) -> None:
    """Have everything that is under way to a peer packed again: what was sent may never have arrived."""
    _RESTART.run(session, {"of": peer})


def unmark(session: Session, ids: Iterable[int]) -> None:
    """Note that rows that were marked did not get into the pouch after all."""
    for row in ids:
        _UNMARK.run(session, {"row": row})


def acknowledge_pouch(session: Session, peer: bytes, serial: int) -> None:
    """Forget what a peer has taken in: all that was packed for it up to a pouch and has not changed since.

    What has changed is to be packed again. An ended mailbox that the desk has counted goes when no other peer
    waits for it.
    """
    arrived = {"of": peer, "serial": serial}
    for name, revision in list(_PACKED_RECORDS.all(session, arrived)):
        kind, _, called = name.partition(b":")
        _SET_BASE.run(
            session, {"of_kind": kind.decode(errors="replace"), "called": called, "known": revision}
        )
    letterhead = _PACKED_LETTERHEAD.first(session, arrived)
    if letterhead is not None:
        _SHARE_LETTERHEAD.run(session, {"of": peer, "shared": letterhead[0]})
    endings = [address for (address,) in _TOLD_ENDINGS.all(session, arrived)]
    _TOLD.run(session, arrived)
    _PACK_AGAIN.run(session, arrived)
    _drop_counted(session, endings)
    _ACKED.run(session, arrived)


def forget_peer(session: Session, peer: bytes) -> None:
    """Forget all that a peer was to be told; an ended mailbox that waited for it alone goes."""
    endings = session.scalars(
        select(UndeliveredRow.address).where(UndeliveredRow.peer == peer, UndeliveredRow.what == What.ENDED)
    ).all()
    session.connection().execute(delete(UndeliveredRow).where(UndeliveredRow.peer == peer))
    _drop_counted(session, endings)


def drop_mailbox(session: Session, address: bytes) -> None:
    """Forget that peers were to be told of a mailbox's entries and its order: they are gone."""
    _forget(session, (UndeliveredRow.address == address) & _IN_MAILBOX)


def drop(session: Session, what: What, name: bytes) -> None:
    """Forget that peers were to be told of something that belongs to no mailbox: it is gone for good."""
    _forget(session, _named(what, name))


def take_back(session: Session, peer: bytes, what: What, *, address: bytes = b"", name: bytes = b"") -> bytes:
    """Forget that a peer was to be told something; return its detail, empty if it was not."""
    which = (
        (UndeliveredRow.peer == peer)
        & (UndeliveredRow.what == what)
        & (UndeliveredRow.address == address)
        & (UndeliveredRow.name == name)
    )
    detail = session.scalar(select(UndeliveredRow.detail).where(which))
    session.connection().execute(delete(UndeliveredRow).where(which))
    return detail or b""


def forget_at_source(session: Session, what: What, name: bytes) -> None:
    """Forget that the peer that this session takes in from was to be told: it has brought its own."""
    source = session.info.get(_TAKING_IN)
    if source is not None:
        session.connection().execute(
            delete(UndeliveredRow).where(UndeliveredRow.peer == source, _named(what, name))
        )


def _named(what: What, name: bytes) -> ColumnElement[bool]:
    return (UndeliveredRow.what == what) & (UndeliveredRow.address == b"") & (UndeliveredRow.name == name)


def _forget(session: Session, which: ColumnElement[bool]) -> None:
    session.connection().execute(delete(UndeliveredRow).where(_OF_ALL_PEERS, which))


def _drop_counted(session: Session, addresses: Iterable[bytes]) -> None:
    waits = exists().where(
        _OF_ALL_PEERS, UndeliveredRow.what == What.ENDED, UndeliveredRow.address == EndedRow.address
    )
    for address in addresses:
        session.connection().execute(
            delete(EndedRow).where(EndedRow.address == address, EndedRow.is_counted, ~waits)
        )
