"""Status of syncing for the adviser's pages: the last sync, the outbox, and faults at the server."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Final

from journalist_app.config import BY_FILE, ONE_MACHINE
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import conversation_of, name_of_finding
from journalist_app.errors import MailboxNotFoundError
from journalist_app.services.inbox_rows import UnsoundRow, sort_by_label, unsound_row
from protocol.identifiers import Address
from protocol.pouch.pouch_file import SERVER
from store import mailboxes, outbox, peers, sync_findings
from store.sync_findings import FindingKind

_OLD_WORKING_DAYS: Final = 2


@dataclass(frozen=True, slots=True)
class LastSync:
    """Facts about the last sync with the server, which every page shows.

    `day` is None before the first sync.
    """

    day: date | None
    days: int  # since `day`
    waiting: int  # items that must still be sent
    is_old: bool  # more than two working days of the desk ago
    has_failed: bool  # the newest attempt since unlocking failed
    is_running: bool
    is_by_file: bool
    is_warning: bool  # the server has a fault that the adviser has not seen yet
    rollback_day: date | None  # a sync detected that the server was rolled back


def is_paired(desk: OpenDesk) -> bool:
    """Return True if this store is a replica of a server's store.

    Return False if the sources' site uses this same store, on the same machine.
    """
    return desk.config.server != ONE_MACHINE


def is_online(desk: OpenDesk) -> bool:
    """Return True if the workstation reaches the server over a network, not by files over an air gap."""
    return desk.config.server not in {ONE_MACHINE, BY_FILE}


def count_outbox(desk: OpenDesk) -> int:
    """Return the number of items that the server perhaps does not have yet."""
    with desk.store.reading() as session:
        return outbox.count(session, SERVER)


def waiting_by_kind(desk: OpenDesk) -> dict[str, int]:
    """Return, for each kind of item, how many items must still be sent to the server.

    The kind with the most items comes first.
    """
    with desk.store.reading() as session:
        found = outbox.counts(session, SERVER)
    return {what.value: number for what, number in sorted(found.items(), key=lambda each: -each[1])}


def last_sync(desk: OpenDesk, today: date) -> LastSync | None:
    """Return the facts about the last sync, which every page shows.

    Return None if the sources' site uses this same store, on the same machine: then nothing is synced.
    """
    if not is_paired(desk):
        return None
    with desk.store.reading() as session:
        known = peers.find(session, SERVER)
        left = outbox.count(session, SERVER)
        is_unseen = sync_findings.has_unseen(session)
    day, rollback_day = (known.last_applied_day, known.rollback_day) if known else (None, None)
    is_old = day is None or desk.letterhead.working_days_between(day, today) > _OLD_WORKING_DAYS
    return LastSync(
        day,
        max(0, (today - day).days) if day else 0,
        left,
        is_old,
        bool(desk.exchange.refusal),
        desk.exchange.is_running,
        desk.config.server == BY_FILE,
        rollback_day is not None or is_unseen,
        rollback_day,
    )


def faults_at_server(desk: OpenDesk) -> tuple[UnsoundRow, ...]:
    """Return the mailboxes in which a sync found faults at the server, sorted by their three-word label."""
    with desk.store.reading() as session:
        rows = [row for row in sync_findings.all_findings(session) if row.kind is not FindingKind.CROSSED]
        here = {row.address for row in rows if mailboxes.find(session, row.address) is not None}
    kinds: dict[Address, dict[str, None]] = {}
    for row in rows:
        is_unknown = (row.address, row.kind) == (sync_findings.NO_MAILBOX, FindingKind.DAMAGED)
        name = "unknown_at_server" if is_unknown else name_of_finding(row.kind)
        kinds.setdefault(Address(row.address), {})[name] = None
    return sort_by_label(
        unsound_row(desk, address, tuple(found), is_here=address in here) for address, found in kinds.items()
    )


def undelivered_mailboxes(desk: OpenDesk) -> tuple[UnsoundRow, ...]:
    """Return the mailboxes that the server deleted before it received this workstation's newest entries."""
    with desk.store.reading() as session:
        rows = sync_findings.all_findings(session)
    crossed = [Address(row.address) for row in rows if row.kind is FindingKind.CROSSED and row.digest]
    return sort_by_label(unsound_row(desk, address, (), is_here=False) for address in crossed)


def dismiss_rollback(desk: OpenDesk) -> None:
    """Record that the adviser has seen the notice that the server was restored from an older copy."""
    with desk.store.writing() as session:
        peers.clear_rollback(session, SERVER)


def dismiss_finding(desk: OpenDesk, address: Address) -> None:
    """Forget what a sync reported about a mailbox at the server. The adviser has seen the warning."""
    with desk.store.writing() as session:
        sync_findings.drop_findings(session, address)
    with suppress(MailboxNotFoundError):
        conversation_of(desk, address)
