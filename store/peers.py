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
    """Another store, named by its workstation's strand (8 bytes), or b"" for the server.

    `sent` is the serial of the last pouch that was packed for it, `acked` the newest of those that it has
    taken in, `taken` the newest of its own that we took in: 0 where there is none. `heard` is the day of the
    last one that we took in, `setback` the day on which it was found to have lost what it had taken in,
    `letterhead` the serial of the newest that both sides are known to have. With `has_more` it has something
    for us that had not come in when it last told us what it took in.
    """

    name: bytes
    card: bytes = field(repr=False)
    sent: int
    acked: int
    taken: int
    heard: date | None
    setback: date | None
    letterhead: int
    has_more: bool = False


_PEER = select(
    PeerRow.name,
    PeerRow.card,
    PeerRow.sent,
    PeerRow.acked,
    PeerRow.taken,
    PeerRow.heard,
    PeerRow.setback,
    PeerRow.letterhead,
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
                "sent": 0,
                "acked": 0,
                "taken": 0,
                "letterhead": 0,
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
    outbox.forget_peer(session, name)
    session.connection().execute(delete(PeerRow).where(PeerRow.name == name))


def took_in(session: Session, name: bytes, serial: int, day: date) -> None:
    """Note which pouch of a peer was taken in, and on which day."""
    _change(session, name, taken=serial, heard=day)


def has_more(session: Session, name: bytes, *, is_so: bool) -> None:
    """Note whether a peer that just told what it took in has more for us than came in with that."""
    _change(session, name, has_more=is_so)


def packed(session: Session, name: bytes, *, at_least: int = 0) -> int:
    """Return the serial of the next pouch for a peer, which is its last from now on.

    It is one more than the last one, or `at_least`: a store that was put back must give no serial twice.

    Raises:
        PeerMissingError: there is no such peer.
    """
    peer = find(session, name)
    if peer is None:
        raise PeerMissingError("there is no such peer")
    serial = max(peer.sent + 1, at_least)
    _change(session, name, sent=serial)
    return serial


def has_sent(session: Session, name: bytes, serial: int) -> None:
    """Note that a peer has a pouch of ours that we do not remember: serials go on behind it.

    What we remember to have packed was not in that one: it is to be packed again.
    """
    _change(session, name, sent=serial)
    outbox.restart(session, name)


def shares_letterhead(session: Session, name: bytes, serial: int) -> None:
    """Note that a peer and we have the letterhead of a serial."""
    _change(session, name, letterhead=serial)


def was_set_back(session: Session, name: bytes, day: date) -> None:
    """Note the day on which a peer was found to have lost what it had taken in."""
    _change(session, name, setback=day)


def clear_setback(session: Session, name: bytes) -> None:
    """Note that somebody has seen that a peer was set back."""
    _change(session, name, setback=None)


def forget_serials(session: Session, name: bytes) -> None:
    """Note that a peer begins anew, and has taken in none of our pouches. Ours keep counting."""
    _change(session, name, acked=0)


def _change(session: Session, name: bytes, **columns: object) -> int:
    changed = session.connection().execute(update(PeerRow).where(PeerRow.name == name).values(**columns))
    return changed.rowcount
