"""The other stores that this one exchanges pouches with: the server's, or those of the workstations."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from store import outbox
from store.database.prepared_statements import PreparedStatement
from store.database.schema import PeerRow, new_id
from store.errors import PeerMissingError


@dataclass(frozen=True, slots=True)
class Peer:
    """Store that this one exchanges pouches with.

    `name` is a workstation's strand (8 bytes), or b"" for the server. A serial is 0 as long as there was no
    pouch or letterhead.
    """

    name: bytes
    card: bytes = field(repr=False)  # its public keys
    sent_serial: int  # of the last pouch that was packed for the peer
    acknowledged_serial: int  # of the newest of our pouches that the peer has applied
    applied_serial: int  # of the newest pouch of the peer that this store applied
    last_applied_day: date | None  # on which this store last applied a pouch of the peer
    rollback_day: date | None  # on which it was detected that the peer lost what it had applied
    letterhead_serial: int  # of the newest letterhead that both are known to have
    has_more: bool = False  # the peer had more for this store than its last pouch contained


_PEER = select(
    PeerRow.name,
    PeerRow.card,
    PeerRow.sent_serial,
    PeerRow.acknowledged_serial,
    PeerRow.applied_serial,
    PeerRow.last_applied_day,
    PeerRow.rollback_day,
    PeerRow.letterhead_serial,
    PeerRow.has_more,
)
_FIND = PreparedStatement(_PEER.where(PeerRow.name == bindparam("called")))
_ALL = PreparedStatement(_PEER.order_by(PeerRow.name))


def add(session: Session, name: bytes, card: bytes) -> None:
    """Exchange pouches with another store from now on; of one that is known only the card is replaced."""
    if _change(session, name, card=card) == 0:
        session.connection().execute(
            insert(PeerRow),
            {
                "id": new_id(),
                "name": name,
                "card": card,
                "sent_serial": 0,
                "acknowledged_serial": 0,
                "applied_serial": 0,
                "letterhead_serial": 0,
                "has_more": False,
            },
        )


def find(session: Session, name: bytes) -> Peer | None:
    """Return the peer of a name, if there is one."""
    row = _FIND.first(session, {"called": name})
    return None if row is None else Peer(*row)


def all_peers(session: Session) -> Sequence[Peer]:
    """Return every peer, by name."""
    return [Peer(*row) for row in _ALL.all(session, {})]


def remove_peer(session: Session, name: bytes) -> None:
    """Forget a peer and all that it was to be told. It holds nothing back any more."""
    outbox.drop_peer(session, name)
    session.connection().execute(delete(PeerRow).where(PeerRow.name == name))


def mark_applied(session: Session, name: bytes, serial: int, day: date) -> None:
    """Note which pouch of a peer was taken in, and on which day."""
    _change(session, name, applied_serial=serial, last_applied_day=day)


def set_has_more(session: Session, name: bytes, *, is_so: bool) -> None:
    """Note whether a peer that just told what it took in has more for us than came in with that."""
    _change(session, name, has_more=is_so)


def reserve_serial(session: Session, name: bytes, *, at_least: int = 0) -> int:
    """Return the serial of the next pouch for a peer, which is its last from now on.

    It is one more than the last one, or `at_least`: a store that was put back must give no serial twice.

    Raises:
        PeerMissingError: there is no such peer.
    """
    peer = find(session, name)
    if peer is None:
        raise PeerMissingError("there is no such peer")
    serial = max(peer.sent_serial + 1, at_least)
    _change(session, name, sent_serial=serial)
    return serial


def advance_serial(session: Session, name: bytes, serial: int) -> None:
    """Note that a peer has a pouch of ours that we do not remember: serials go on behind it.

    What we remember to have packed was not in that one: it is to be packed again.
    """
    _change(session, name, sent_serial=serial)
    outbox.repack_all(session, name)


def set_shared_letterhead(session: Session, name: bytes, serial: int) -> None:
    """Note that a peer and we have the letterhead of a serial."""
    _change(session, name, letterhead_serial=serial)


def mark_rollback(session: Session, name: bytes, day: date) -> None:
    """Note the day on which a peer was found to have lost what it had taken in."""
    _change(session, name, rollback_day=day)


def clear_rollback(session: Session, name: bytes) -> None:
    """Note that somebody has seen that a peer was set back."""
    _change(session, name, rollback_day=None)


def reset_acknowledged(session: Session, name: bytes) -> None:
    """Note that a peer begins anew, and has taken in none of our pouches. Ours keep counting."""
    _change(session, name, acknowledged_serial=0)


def _change(session: Session, name: bytes, **columns: object) -> int:
    changed = session.connection().execute(update(PeerRow).where(PeerRow.name == name).values(**columns))
    return changed.rowcount
