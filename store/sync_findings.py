"""Sync findings: faults at the server that a sync detected, stored until the adviser has seen them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from sqlalchemy import bindparam, delete, exists, select
from sqlalchemy.orm import Session

from store import mailboxes
from store.database.prepared_statements import PlainQuery, PreparedChange, PreparedQuery, columns, insert
from store.database.schema import NO_BYTES, SyncFindingRow, new_id

NO_MAILBOX: Final = bytes(20)


class FindingKind(StrEnum):
    """Kind of a fault at the server that a sync can detect."""

    DAMAGED = "damaged"  # the server has an item that differs from the signed one
    FORK = "fork"  # at one place in a strand, the server and this store have different entries
    COME_BACK = "come_back"  # the server has a mailbox that has ended
    CROSSED = "crossed"  # the server deleted a closed mailbox before an entry from here arrived
    RESTORED = "restored"  # a removed entry had its encrypted part again, which was destroyed again
    FORGED_RECORD = "forged_record"  # the server sent a record that no workstation of the desk wrote
    WAITING_RECORD = "waiting_record"  # too many received records wait until this workstation can open them
    LONG_RECORD = "long_record"  # the notes of two workstations do not fit into one record
    OTHER = "other"  # read from a damaged row, which does not say what the fault was


_OF_ANY_ADDRESS: Final = frozenset({FindingKind.DAMAGED, FindingKind.FORGED_RECORD})
_KINDS: Final = frozenset(FindingKind)
_DIGESTS: Final = 10


@dataclass(frozen=True, slots=True)
class SyncFinding:
    """One fault at the server that a sync detected. `digest` is b"" if the fault is not about one entry.

    `address` is `NO_MAILBOX` if the fault is not about one mailbox.
    """

    address: bytes
    digest: bytes
    kind: FindingKind
    day: date


def _read(address: bytes, digest: bytes, kind: str, day: date) -> SyncFinding:
    return SyncFinding(address, digest, FindingKind(kind) if kind in _KINDS else FindingKind.OTHER, day)


_IN_MAILBOX = SyncFindingRow.address == bindparam("address")
_FINDINGS = select(*columns(SyncFinding, SyncFindingRow)).order_by(
    SyncFindingRow.address, SyncFindingRow.kind, SyncFindingRow.digest
)
_ALL_FINDINGS = PreparedQuery(_FINDINGS, _read)
_OF_MAILBOX = PreparedQuery(_FINDINGS.where(_IN_MAILBOX), _read)
_ADD = PreparedChange(insert(SyncFindingRow).on_conflict_do_nothing())
_IS_NAMED = (SyncFindingRow.digest == bindparam("digest"), SyncFindingRow.kind == bindparam("kind"))
_DELETE = PreparedChange(delete(SyncFindingRow).where(_IN_MAILBOX, *_IS_NAMED))
_IS_SHOWN = SyncFindingRow.kind.is_distinct_from(FindingKind.CROSSED) | (SyncFindingRow.digest != NO_BYTES)
_HAS_UNSEEN = PlainQuery(select(exists().where(_IS_SHOWN)))
_DELETE_OF_MAILBOX = PreparedChange(delete(SyncFindingRow).where(_IN_MAILBOX))


def add(session: Session, address: bytes, digest: bytes, kind: FindingKind, day: date) -> bool:
    """Write a finding (fault at the server that a sync detected). Return False if it is stored already.

    At most 10 findings of one kind about a mailbox name an entry. All further faults of that kind share one
    finding, which names no entry.
    """
    # Attack: a hostile server reports faults without end, to fill this store.
    is_here = mailboxes.find(session, address) or mailboxes.find_ended(session, address)
    if kind in _OF_ANY_ADDRESS and not is_here:
        address, digest = NO_MAILBOX, NO_BYTES
    elif sum(each.kind is kind for each in of_mailbox(session, address)) >= _DIGESTS:
        digest = NO_BYTES
    return _ADD.run(session, id=new_id(), address=address, digest=digest, kind=kind, day=day) == 1


def has_unseen(session: Session) -> bool:
    """Return True if there is a finding (fault at the server) that the adviser's pages show."""
    return bool(_HAS_UNSEEN.first(session))


def all_findings(session: Session) -> Sequence[SyncFinding]:
    """Return every finding (fault at the server that a sync detected), sorted by address."""
    return _ALL_FINDINGS.all(session)


def of_mailbox(session: Session, address: bytes) -> Sequence[SyncFinding]:
    """Return every finding (fault at the server that a sync detected) about one mailbox."""
    return _OF_MAILBOX.all(session, address=address)


def drop(session: Session, address: bytes, digest: bytes, kind: FindingKind) -> None:
    """Delete a finding (fault at the server) that is no longer true.

    Do nothing if there is no such finding.
    """
    _DELETE.run(session, address=address, digest=digest, kind=kind)


def drop_findings(session: Session, address: bytes) -> None:
    """Delete all recorded faults at the server about a mailbox, because the adviser has seen them."""
    _DELETE_OF_MAILBOX.run(session, address=address)
