"""What taking in pouches found wrong at the server: kept until the adviser has seen it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from store.database.prepared_statements import PreparedStatement
from store.database.schema import SyncFindingRow, new_id


class FindingKind(StrEnum):
    """What is wrong."""

    DAMAGED = "damaged"  # the server holds something that is not as it was signed
    FORK = "fork"  # the server holds another entry in the place of one that is here
    COME_BACK = "come_back"  # the server holds a mailbox that has ended
    CROSSED = "crossed"  # it deleted a mailbox, as the desk had ordered, before what was written here came


@dataclass(frozen=True, slots=True)
class SyncFinding:
    """One thing that was found. `entry_id` is empty where it is about no entry that says something."""

    address: bytes
    entry_id: bytes
    kind: FindingKind
    day: date


_FINDING = select(SyncFindingRow.address, SyncFindingRow.entry_id, SyncFindingRow.kind, SyncFindingRow.day)
_BY_ADDRESS = PreparedStatement(
    _FINDING.order_by(SyncFindingRow.address, SyncFindingRow.kind, SyncFindingRow.entry_id)
)
_OF_MAILBOX = PreparedStatement(
    _FINDING.where(SyncFindingRow.address == bindparam("of")).order_by(
        SyncFindingRow.kind, SyncFindingRow.entry_id
    )
)
_NOTE = PreparedStatement(insert(SyncFindingRow).on_conflict_do_nothing())
_FORGET_MAILBOX = PreparedStatement(delete(SyncFindingRow).where(SyncFindingRow.address == bindparam("of")))
_FORGET = PreparedStatement(
    delete(SyncFindingRow).where(
        SyncFindingRow.address == bindparam("of"),
        SyncFindingRow.entry_id == bindparam("entry"),
        SyncFindingRow.kind == bindparam("which"),
    )
)


def add(session: Session, address: bytes, entry_id: bytes, kind: FindingKind, day: date) -> bool:
    """Keep a finding; answer False when it is known."""
    row = {"id": new_id(), "address": address, "entry_id": entry_id, "kind": kind, "day": day}
    return _NOTE.run(session, row) == 1


def all_findings(session: Session) -> Sequence[SyncFinding]:
    """Return every finding, by address."""
    return [_read(*row) for row in _BY_ADDRESS.all(session, {})]


def of_mailbox(session: Session, address: bytes) -> Sequence[SyncFinding]:
    """Return what was found about one mailbox."""
    return [_read(*row) for row in _OF_MAILBOX.all(session, {"of": address})]


def drop(session: Session, address: bytes, entry_id: bytes, kind: FindingKind) -> None:
    """Drop a finding that does not hold any more; where there is none there is nothing to do."""
    _FORGET.run(session, {"of": address, "entry": entry_id, "which": kind})


def drop_findings(session: Session, address: bytes) -> None:
    """Drop what was found about a mailbox: the adviser has seen it."""
    _FORGET_MAILBOX.run(session, {"of": address})


def _read(address: bytes, entry_id: bytes, kind: str, day: date) -> SyncFinding:
    return SyncFinding(address, entry_id, FindingKind(kind), day)
