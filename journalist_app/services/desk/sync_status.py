"""Sync status for the adviser's pages: the last sync, the outbox, and faults found at the server."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Final

from journalist_app.config import BY_FILE, ONE_MACHINE
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import conversation_of
from journalist_app.errors import MailboxNotFoundError
from protocol.identifiers import Address
from protocol.pouch.pouch_file import SERVER
from store import mailboxes, outbox, peers, sync_findings
from store.sync_findings import FindingKind

_OLD_WORKING_DAYS: Final = 2


@dataclass(frozen=True, slots=True)
class LastSync:
    """Last sync, as every page shows it. `day` is None before the first sync, and was `days` ago.

    `waiting` counts the outbox. `is_old`: more than two working days of the desk ago. `has_failed`: the last
    try of this session failed. `is_warning`: the adviser has not seen a finding yet.
    """

    day: date | None
    days: int
    waiting: int
    is_old: bool
    has_failed: bool
    is_running: bool
    is_by_file: bool
    is_warning: bool


@dataclass(frozen=True, slots=True)
class ServerFaults:
    """Faults of one mailbox that syncing found at the server, by name."""

    address: str
    label: str
    kinds: tuple[str, ...]
    is_here: bool


def is_paired(desk: OpenDesk) -> bool:
    """Return whether this store is a replica, and sources write to a server elsewhere."""
    return desk.config.server != ONE_MACHINE


def is_online(desk: OpenDesk) -> bool:
    """Return whether the server is reached over a connection, and not by files that someone carries."""
    return desk.config.server not in {ONE_MACHINE, BY_FILE}


def count_outbox(desk: OpenDesk) -> int:
    """Return the number of items that the server is not known to have."""
    with desk.store.reading() as session:
        return outbox.count(session, SERVER)


def server_rollback_day(desk: OpenDesk) -> date | None:
    """Return the day on which the server was found restored to an earlier state, or None."""
    with desk.store.reading() as session:
        known = peers.find(session, SERVER)
    return known.rollback_day if known else None


def waiting_by_kind(desk: OpenDesk) -> dict[str, int]:
    """Return the number of items of each kind in the outbox, the most frequent kind first."""
    with desk.store.reading() as session:
        found = outbox.counts(session, SERVER)
    return {what.value: number for what, number in sorted(found.items(), key=lambda each: -each[1])}


def last_sync(desk: OpenDesk, today: date) -> LastSync | None:
    """Return the last sync as every page shows it, or None on one machine."""
    if not is_paired(desk):
        return None
    with desk.store.reading() as session:
        known = peers.find(session, SERVER)
        left = outbox.count(session, SERVER)
        unseen = [
            row
            for row in sync_findings.all_findings(session)
            if row.kind is not FindingKind.CROSSED or row.entry_id
        ]
    day = known.last_applied_day if known else None
    is_old = day is None or desk.letterhead.working_days_between(day, today) > _OLD_WORKING_DAYS
    return LastSync(
        day,
        max(0, (today - day).days) if day else 0,
        left,
        is_old,
        bool(desk.exchange.refusal),
        desk.exchange.is_running,
        desk.config.server == BY_FILE,
        bool(known and known.rollback_day) or bool(unseen),
    )


def faults_at_server(desk: OpenDesk) -> tuple[ServerFaults, ...]:
    """Return the mailboxes with faults at the server, sorted by label."""
    with desk.store.reading() as session:
        rows = [row for row in sync_findings.all_findings(session) if row.kind is not FindingKind.CROSSED]
        here = {row.address for row in rows if mailboxes.find(session, row.address) is not None}
    kinds: dict[Address, dict[str, None]] = {}
    for row in rows:
        kinds.setdefault(Address(row.address), {})[f"{row.kind.value}_at_server"] = None
    found = [
        ServerFaults(address.hex(), desk.label(address), tuple(of_it), address in here)
        for address, of_it in kinds.items()
    ]
    return tuple(sorted(found, key=lambda each: each.label))


def undelivered_mailboxes(desk: OpenDesk) -> tuple[ServerFaults, ...]:
    """Return the mailboxes that were deleted at the server before entries from here had arrived."""
    with desk.store.reading() as session:
        rows = sync_findings.all_findings(session)
    crossed = [Address(row.address) for row in rows if row.kind is FindingKind.CROSSED and row.entry_id]
    found = [ServerFaults(address.hex(), desk.label(address), (), is_here=False) for address in crossed]
    return tuple(sorted(found, key=lambda each: each.label))


def dismiss_rollback(desk: OpenDesk) -> None:
    """Record that the adviser has seen that the server was restored to an earlier state."""
    with desk.store.writing() as session:
        peers.clear_rollback(session, SERVER)


def dismiss_finding(desk: OpenDesk, address: Address) -> None:
    """Record that the adviser has seen a mailbox's faults at the server, so that it is no longer marked."""
    with desk.store.writing() as session:
        sync_findings.drop_findings(session, address)
    with suppress(MailboxNotFoundError):
        conversation_of(desk, address)
