"""Peers: other stores with which this store exchanges pouches (sync bundles).

The server's peers are the workstations. A workstation's only peer is the server.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import bindparam, case, delete, select, update
from sqlalchemy.orm import Session

from store import outbox
from store.database.prepared_statements import PreparedChange, PreparedQuery, columns, insert
from store.database.schema import PeerRow, new_id
from store.errors import PeerMissingError


@dataclass(frozen=True, slots=True)
class Peer:
    """Another store with which this store exchanges pouches (sync bundles), and the state of this exchange.

    `name` is the id of a workstation (8 bytes), or b"" for the server. A serial is 0 if nothing was exchanged
    yet.
    """

    name: bytes
    card: bytes = field(repr=False)  # public keys of the peer
    sent_serial: int  # serial of the last pouch that was packed for the peer
    acknowledged_serial: int  # serial of the newest of our pouches that the peer has applied
    applied_serial: int  # serial of the newest pouch of the peer that this store applied
    last_applied_day: date | None  # day on which this store last applied a pouch of the peer
    rollback_day: date | None  # day on which we detected that the peer lost pouches it had applied
    letterhead_serial: int  # serial of the newest letterhead that both stores are known to have
    has_more: bool = False  # the peer has more items for this store than its last pouch contained


_HAS_NAME = PeerRow.name == bindparam("peer")
_PEERS = select(*columns(Peer, PeerRow))
_FIND = PreparedQuery(_PEERS.where(_HAS_NAME), Peer)
_ALL_PEERS = PreparedQuery(_PEERS.order_by(PeerRow.name), Peer)
_ADD = PreparedChange(insert(PeerRow))
_SERIALS = (PeerRow.sent_serial, PeerRow.acknowledged_serial, PeerRow.applied_serial)
_FORGET_FUTURE = PreparedChange(
    update(PeerRow)
    .where(_HAS_NAME)
    .values({each.key: case((each < bindparam("future"), each), else_=0) for each in _SERIALS})
)
_NO_SERIALS = {"sent_serial": 0, "acknowledged_serial": 0, "applied_serial": 0, "letterhead_serial": 0}
_DELETE_ALL = PreparedChange(delete(PeerRow))
_DELETE = PreparedChange(delete(PeerRow).where(_HAS_NAME))
_FORGET_APPLIED = PreparedChange(update(PeerRow).values(applied_serial=0))


def add(session: Session, name: bytes, card: bytes) -> None:
    """Add another store (peer), with which this store will exchange pouches (sync bundles).

    If the peer exists, only its card (public keys) is replaced.
    """
    if _change(session, name, card=card) == 0:
        _ADD.run(session, id=new_id(), name=name, card=card, has_more=False, **_NO_SERIALS)


def find(session: Session, name: bytes) -> Peer | None:
    """Return the peer (another store) named `name`, or None if there is no such peer."""
    return _FIND.first(session, peer=name)


def find_in_time(session: Session, name: bytes, future: int) -> Peer | None:
    """Return the peer (another store) with this name, or None if there is no such peer.

    A serial of this peer that is `future` or higher is set to 0 first, because such a serial would stop the
    sync for years.
    """
    _FORGET_FUTURE.run(session, peer=name, future=future)
    return find(session, name)


def all_peers(session: Session) -> Sequence[Peer]:
    """Return every peer (store with which this store syncs), sorted by name."""
    return _ALL_PEERS.all(session)


def remove_peer(session: Session, name: bytes) -> None:
    """Delete a peer (another store) and its outbox, so that this store no longer syncs with the peer.

    The outbox is the queue of items to send.
    """
    outbox.drop_peer(session, name)
    _DELETE.run(session, peer=name)


def remove_all(session: Session, name: bytes) -> None:
    """Delete every peer, also rows whose name is damaged, and the outbox of the peer with this name.

    A peer is another store. The outbox is the queue of items to send.
    """
    outbox.drop_peer(session, name)
    _DELETE_ALL.run(session)


def mark_applied(session: Session, name: bytes, serial: int, day: date) -> None:
    """Record the serial of a peer's pouch (sync bundle) that this store applied, and the day."""
    _change(session, name, applied_serial=serial, last_applied_day=day)


def set_has_more(session: Session, name: bytes, *, is_so: bool) -> None:
    """Record whether a peer has more items for this store than its newest pouch (sync bundle) contains."""
    _change(session, name, has_more=is_so)


def reserve_serial(session: Session, name: bytes, *, at_least: int = 0) -> int:
    """Return the serial for the next pouch (sync bundle) to a peer, and store this serial as used.

    The serial is higher than that of the last pouch, and not lower than `at_least`.

    Raises:
        PeerMissingError: there is no such peer.
    """
    peer = find(session, name)
    if peer is None:
        raise PeerMissingError("there is no such peer")
    serial = max(peer.sent_serial + 1, peer.acknowledged_serial + 1, at_least)  # `sent_serial` may be damaged
    _change(session, name, sent_serial=serial)
    return serial


def advance_serial(session: Session, name: bytes, serial: int) -> None:
    """Raise the stored serial of the last pouch to a peer, after this store was restored from a backup.

    A pouch is a sync bundle. All packed items will be sent again.
    """
    _change(session, name, sent_serial=serial)
    outbox.repack_all(session, name)


def set_shared_letterhead(session: Session, name: bytes, serial: int) -> None:
    """Record the serial of the newest letterhead that both this store and a peer (another store) have.

    A letterhead is the desk's signed public statement.
    """
    _change(session, name, letterhead_serial=serial)


def mark_rollback(session: Session, name: bytes, day: date) -> None:
    """Record the day on which this store detected that a peer was restored from an older copy.

    Such a peer has lost pouches (sync bundles) that it had applied.
    """
    _change(session, name, rollback_day=day)


def clear_rollback(session: Session, name: bytes) -> None:
    """Delete the warning that a peer (another store) was restored from an older copy.

    Call this function when someone has seen the warning.
    """
    _change(session, name, rollback_day=None)


def reset_acknowledged(session: Session, name: bytes) -> None:
    """Record that a peer has confirmed no pouch (sync bundle), because the peer was restored from a backup.

    Later pouches still get higher serials.
    """
    _change(session, name, acknowledged_serial=0)


def forget_applied(session: Session) -> None:
    """Record that this store applied no pouch (sync bundle) of any peer, because a backup was restored.

    In the next sync, each peer detects the restore and sends everything again.
    """
    _FORGET_APPLIED.run(session)


@cache
def _update(columns: tuple[str, ...]) -> PreparedChange:
    new: dict[str, Any] = {column: bindparam(f"new_{column}") for column in columns}
    return PreparedChange(update(PeerRow).where(_HAS_NAME).values(**new))


def _change(session: Session, name: bytes, **columns: object) -> int:
    new = {f"new_{column}": value for column, value in columns.items()}
    return _update(tuple(columns)).run(session, peer=name, **new)
