"""Syncing the replica with its server: by itself while the desk is open, and when the adviser asks for it."""

import functools
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Final

from crypto.errors import CryptoError
from journalist_app.config import BY_FILE, ONE_MACHINE
from journalist_app.desk.open_desk import OpenDesk, SyncProgress
from journalist_app.desk.verification import conversation_of
from journalist_app.errors import MailboxNotFoundError
from journalist_app.services.desk import background_check
from journalist_app.services.desk.merge_records import RecordMerger
from journalist_app.services.desk.publish_letterhead import use_letterhead
from protocol.errors import LetterheadRefusedError, PouchRefusedError
from protocol.identifiers import Address
from protocol.letterhead import Letterhead, verify_letterhead
from protocol.pouch.pouch_file import SERVER
from store import letterheads, mailboxes, outbox, peers, sync_findings
from store.errors import PeerMissingError, StoreBusyError, StoreError, StoreFullError
from store.quota import Quota
from store.sync_findings import FindingKind
from sync import pending
from sync.build import build_whole_pouch
from sync.carriers import carrier_of
from sync.endpoint import Endpoint
from sync.errors import ServerRefusedError, SyncError, SyncRefusal, SyncRefusedError
from sync.exchange import Carrier, exchange
from web.dates import half_hour_now, utc_today

_OLD_WORKING_DAYS: Final = 2
_SOON_SECONDS: Final = 4  # after something was written: what is written right after it goes along
_OF_STORE: Final[dict[type[Exception], str]] = {
    PeerMissingError: "not_paired",
    StoreBusyError: "busy",
    StoreFullError: "no_room",
}


@dataclass(frozen=True, slots=True)
class LastSync:
    """What every page says of syncing. `day` is None before the first; it is `days` ago.

    `waiting` counts what is to go out. `is_old`: more than two of the desk's working days ago. `has_failed`:
    the last try of this session did not get through. `is_warning`: something waits to be seen.
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
    """What syncing found wrong about one mailbox at the server; `kinds` are faults' names."""

    address: str
    label: str
    kinds: tuple[str, ...]
    is_here: bool


def is_paired(desk: OpenDesk) -> bool:
    """Say whether the store here is a replica, and the one that sources write to elsewhere."""
    return desk.config.server != ONE_MACHINE


def is_online(desk: OpenDesk) -> bool:
    """Say whether the server is reached over a line, and not by files that somebody carries."""
    return desk.config.server not in {ONE_MACHINE, BY_FILE}


def workstation_endpoint(
    desk: OpenDesk,
    today: Callable[[], date] = utc_today,
    half_hour: Callable[[], int] = half_hour_now,
) -> Endpoint:
    """Return this workstation's end of a sync. A newer letterhead that comes is worked with at once."""

    def newest() -> Letterhead:
        return use_newest_letterhead(desk)

    config = desk.config
    return Endpoint(
        store=desk.store,
        name=desk.keyring.strand.id,
        seed=desk.keyring.strand.seed,
        identities=desk.keyring.identities,
        fingerprint=desk.keyring.fingerprint,
        letterhead=newest,
        quota=Quota(config.mailbox_bytes, config.store_bytes, config.reserve_bytes),
        today=today,
        half_hour=half_hour,
        merger=RecordMerger(desk.keyring, newest, today),
    )


def use_newest_letterhead(desk: OpenDesk) -> Letterhead:
    """Work with the newest letterhead in the replica, and return it.

    Raises:
        SyncRefusedError: LETTERHEAD: it is not one that this desk signed, or older than one that was seen.
    """
    with desk.store.reading() as session:
        found = letterheads.latest(session)
    if found is not None and found[0] == desk.letterhead.serial:
        return desk.letterhead
    if found is None:
        raise SyncRefusedError(SyncRefusal.LETTERHEAD)
    try:
        newest = verify_letterhead(
            found[1], found[2], desk.keyring.fingerprint, at_least_serial=desk.letterhead.serial
        )
    except LetterheadRefusedError as why:
        raise SyncRefusedError(SyncRefusal.LETTERHEAD) from why
    use_letterhead(desk, newest)
    return newest


def sync_replica(
    desk: OpenDesk,
    today: Callable[[], date],
    half_hour: Callable[[], int] = half_hour_now,
    carrier: Carrier | None = None,
) -> None:
    """SyncProgress pouches until both sides know everything, then check what came. One at a time.

    `desk.exchange` says how far it is, and afterwards how it went. What broke off goes on the next time.
    """

    def work() -> SyncProgress:
        side = workstation_endpoint(desk, today, half_hour)
        way = carrier or carrier_of(desk.config.server, desk.config.socks)
        synced = exchange(side, way, functools.partial(_progress, desk))
        return SyncProgress(received=synced.received, held=pending.apply_pending(side))

    with desk.syncing:
        if not desk.stopping.is_set():
            _do(desk, today, work)


def _do(desk: OpenDesk, today: Callable[[], date], work: Callable[[], SyncProgress]) -> None:
    """Do the work and check what came; whatever happens, `desk.exchange` says at the end that it is over."""
    outcome = SyncProgress(refusal="store")
    try:
        desk.exchange = SyncProgress(is_running=True, left=count_outbox(desk))
        try:
            outcome = work()
        finally:  # where it broke off what was taken in before stays
            check_after_sync(desk, today())
    except (SyncError, CryptoError, StoreError) as why:
        outcome = SyncProgress(refusal=sync_refusal_key(why))
    finally:
        desk.exchange = outcome


def _progress(desk: OpenDesk, left: int) -> None:
    desk.exchange = SyncProgress(is_running=True, left=left)


def import_pouch_file(
    desk: OpenDesk,
    pieces: Iterable[bytes],
    today: Callable[[], date],
    half_hour: Callable[[], int] = half_hour_now,
) -> None:
    """Take in a pouch that came as a file, and what had come too early before it. One at a time.

    `desk.exchange` says what became of it.

    Raises:
        BodyError: from `pieces`, when they break off. Nothing was taken in.
    """

    def work() -> SyncProgress:
        return _brought(pending.import_pouch(workstation_endpoint(desk, today, half_hour), pieces))

    with desk.syncing:
        _do(desk, today, work)


def _brought(brought: pending.ImportedPouch) -> SyncProgress:
    return SyncProgress(received=brought.applied, arrival=brought.outcome.name, held=brought.pending)


def make_pouch_file(
    desk: OpenDesk, today: Callable[[], date], half_hour: Callable[[], int] = half_hour_now
) -> Iterator[bytes]:
    """Return a pouch for the server, in pieces, with everything that it is not known to have.

    Raises:
        SyncRefusedError, PeerMissingError: this workstation does not know the server.
        StoreError: the store refuses.
    """
    pieces = build_whole_pouch(workstation_endpoint(desk, today, half_hour), SERVER)
    first = next(pieces)  # what can be refused is refused before the first byte
    return itertools.chain([first], pieces)


def check_after_sync(desk: OpenDesk, today: date) -> None:
    """Let anchors, inbox and search learn what came with a pouch."""
    with suppress(SyncRefusedError):  # the next sync says so
        use_newest_letterhead(desk)
    with desk.checking:  # a check that began before the pouch came knows nothing of it
        pass
    background_check.check_store(desk, today)


def sync_refusal_key(why: Exception) -> str:
    """Return the name of the sentence about what stopped a sync or a pouch."""
    match why:
        case ServerRefusedError():
            return f"server_{why.reason}"
        case PouchRefusedError():
            return f"pouch_{why.reason}"
        case SyncRefusedError():
            return why.reason.value
        case _:
            return _OF_STORE.get(type(why), "store")


# ---- in the background -----------------------------------------------------------------------------


def keep_syncing(desk: OpenDesk, today: Callable[[], date]) -> None:
    """Sync now, every `sync_minutes`, and soon after something was written; end with the desk."""
    while not desk.stopping.is_set():
        desk.sync_wanted.clear()
        sync_replica(desk, today)
        if desk.sync_wanted.wait(desk.config.sync_minutes * 60):
            desk.stopping.wait(_SOON_SECONDS)


def sync_in_background(desk: OpenDesk, today: Callable[[], date]) -> None:
    """Sync now, in the background, unless one is under way."""
    if is_online(desk) and not desk.exchange.is_running:
        desk.exchange = SyncProgress(is_running=True, left=count_outbox(desk))
        threading.Thread(target=sync_replica, args=(desk, today), name="sync now", daemon=True).start()


def start_sync_thread(desk: OpenDesk, today: Callable[[], date]) -> None:
    """Start syncing in the background, where there is a line to a server."""
    if is_online(desk):
        threading.Thread(target=keep_syncing, args=(desk, today), name="syncing", daemon=True).start()


def sync_soon(desk: OpenDesk) -> None:
    """Have the background sync soon, if anything is to go out."""
    if is_online(desk) and count_outbox(desk):
        desk.sync_wanted.set()


# ---- what the pages show ---------------------------------------------------------------------------


def count_outbox(desk: OpenDesk) -> int:
    """Return how many things the server is not known to have."""
    with desk.store.reading() as session:
        return outbox.count(session, SERVER)


def server_rollback_day(desk: OpenDesk) -> date | None:
    """Return the day on which the server was found to be put back, until the adviser has seen that."""
    with desk.store.reading() as session:
        known = peers.find(session, SERVER)
    return known.rollback_day if known else None


def waiting_by_kind(desk: OpenDesk) -> dict[str, int]:
    """Return how many things of each kind the server is not known to have, the most frequent first."""
    with desk.store.reading() as session:
        found = outbox.counts(session, SERVER)
    return {what.value: number for what, number in sorted(found.items(), key=lambda each: -each[1])}


def last_sync(desk: OpenDesk, today: date) -> LastSync | None:
    """Return what every page says of syncing; None on one machine."""
    if not is_paired(desk):
        return None
    with desk.store.reading() as session:
        known = peers.find(session, SERVER)
        left = outbox.count(session, SERVER)
        to_be_seen = [
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
        bool(known and known.rollback_day) or bool(to_be_seen),
    )


def faults_at_server(desk: OpenDesk) -> tuple[ServerFaults, ...]:
    """Return the mailboxes in which syncing found something wrong at the server, by label."""
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
    """Return the mailboxes that the desk's order deleted before what was written here had got there."""
    with desk.store.reading() as session:
        rows = sync_findings.all_findings(session)
    crossed = [Address(row.address) for row in rows if row.kind is FindingKind.CROSSED and row.entry_id]
    found = [ServerFaults(address.hex(), desk.label(address), (), is_here=False) for address in crossed]
    return tuple(sorted(found, key=lambda each: each.label))


def dismiss_rollback(desk: OpenDesk) -> None:
    """Note that the adviser has seen that the server was put back to an earlier day."""
    with desk.store.writing() as session:
        peers.clear_rollback(session, SERVER)


def dismiss_finding(desk: OpenDesk, address: Address) -> None:
    """Note that the adviser has seen what was found about a mailbox at the server: it marks it no more."""
    with desk.store.writing() as session:
        sync_findings.drop_findings(session, address)
    with suppress(MailboxNotFoundError):
        conversation_of(desk, address)
