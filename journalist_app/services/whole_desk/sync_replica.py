"""Syncing of this workstation with its server, in the background while the desk is unlocked or on demand."""

import functools
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date
from typing import Final

from crypto.errors import CryptoError
from journalist_app.desk.open_desk import OpenDesk, SyncProgress
from journalist_app.services.whole_desk import background_check
from journalist_app.services.whole_desk.merge_records import RecordMerger
from journalist_app.services.whole_desk.publish_letterhead import use_letterhead
from journalist_app.services.whole_desk.sync_status import count_outbox, is_online
from protocol.entry import SignedEntry, open_entry
from protocol.errors import LetterheadRefusedError, NewerVersionError, PouchRefusedError
from protocol.letterhead import Letterhead, verify_letterhead
from protocol.pouch.pouch_file import SERVER
from store import letterheads
from store.errors import PeerMissingError, StoreBusyError, StoreError, StoreFullError
from store.quota import Quota
from sync import pending
from sync.build import build_whole_pouch
from sync.carriers import carrier_of
from sync.endpoint import Endpoint
from sync.errors import ServerRefusedError, SyncError, SyncRefusal, SyncRefusedError
from sync.exchange import Carrier, exchange
from web.dates import half_hour_now, utc_today

_SOON_SECONDS: Final = 4  # wait after a change, so that the next change is sent in the same pouch
_STORE_REFUSALS: Final[dict[type[Exception], str]] = {
    PeerMissingError: "not_paired",
    StoreBusyError: "busy",
    StoreFullError: "no_room",
}


def workstation_endpoint(
    desk: OpenDesk, today: Callable[[], date] = utc_today, half_hour: Callable[[], int] = half_hour_now
) -> Endpoint:
    """Return the object that syncs for this workstation, with its store, its keys and its limits.

    If a newer signed public statement of the desk arrives in a sync, it is used immediately.
    """

    def opens(signed: SignedEntry) -> bool:
        try:
            open_entry(signed, desk.keyring.identities)
        except NewerVersionError:
            return True
        except CryptoError:
            return False
        return True

    config, newest = desk.config, functools.partial(use_newest_letterhead, desk)
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
        opens=opens,
        opens_file=desk.opens_file,
    )


def use_newest_letterhead(desk: OpenDesk) -> Letterhead:
    """Use the newest letterhead in the store from now on, and return it.

    A letterhead is the desk's signed public statement.

    Raises:
        SyncRefusedError: the letterhead is missing, not signed by this desk, or older than the one in use.
    """
    with desk.store.reading() as session:
        found = letterheads.latest(session)
    if found is not None and found[0] == desk.letterhead.serial:
        return desk.letterhead
    if found is None:
        raise SyncRefusedError(SyncRefusal.LETTERHEAD)
    try:
        least = desk.letterhead.serial
        newest = verify_letterhead(*found[1:], desk.keyring.fingerprint, at_least_serial=least)
    except LetterheadRefusedError as why:
        raise SyncRefusedError(SyncRefusal.LETTERHEAD) from why
    use_letterhead(desk, newest)
    return newest


def sync_replica(desk: OpenDesk, endpoint: Endpoint, carrier: Carrier | None = None) -> None:
    """Exchange items with the server until neither side lacks an item. Then verify what changed.

    `desk.exchange` has the progress, and afterwards the result. After an interruption, the next sync
    continues at the same place.
    """

    def work() -> SyncProgress:
        used_carrier = carrier or carrier_of(desk.config.server, desk.config.socks)
        synced = exchange(endpoint, used_carrier, functools.partial(_show_left, desk))
        return SyncProgress(received=synced.received, pending=pending.apply_pending(endpoint))

    with desk.syncing:
        if not desk.stopping.is_set():
            _run(desk, endpoint, work)


def _run(desk: OpenDesk, endpoint: Endpoint, work: Callable[[], SyncProgress]) -> None:
    outcome = SyncProgress(refusal="store")
    try:
        _show_left(desk, count_outbox(desk))
        try:
            outcome = work()
        finally:  # also after an interruption, because applied items stay
            check_after_sync(desk, endpoint.today())
    except (SyncError, CryptoError, StoreError) as why:
        outcome = SyncProgress(refusal=sync_refusal_key(why))
    finally:
        desk.exchange = outcome


def _show_left(desk: OpenDesk, left: int) -> None:
    desk.exchange = SyncProgress(is_running=True, left=left)


def import_pouch_file(desk: OpenDesk, endpoint: Endpoint, pieces: Iterable[bytes]) -> None:
    """Import a sync bundle from a file that someone carried to this workstation.

    Bundles that waited for this one are imported too. `desk.exchange` has the result.

    Raises:
        BodyError: the upload of the file was interrupted, and nothing was imported.
    """

    def work() -> SyncProgress:
        brought = pending.import_pouch(endpoint, pieces)
        return SyncProgress(received=brought.applied, arrival=brought.outcome.name, pending=brought.pending)

    with desk.syncing:
        _run(desk, endpoint, work)


def make_pouch_file(endpoint: Endpoint) -> Iterator[bytes]:
    """Make a sync bundle with all items that the server perhaps does not have yet, and return its pieces.

    Raises:
        SyncRefusedError, PeerMissingError: this workstation is not paired with a server.
        StoreError: the store cannot be read.
    """
    pieces = build_whole_pouch(endpoint, SERVER)
    first = next(pieces)  # an exception must come before the response begins
    return itertools.chain([first], pieces)


def check_after_sync(desk: OpenDesk, today: date) -> None:
    """Verify the mailboxes that a sync bundle changed, and update the inbox and the search.

    The function also updates the trusted state, with which this workstation detects a roll-back.
    """
    with suppress(SyncRefusedError):  # the next sync reports the letterhead
        use_newest_letterhead(desk)
    background_check.check_store(desk, today)


def sync_refusal_key(why: Exception) -> str:
    """Return the key of the sentence with which the sync page explains an exception.

    `why` is the exception of a sync, or of the import of a sync bundle from a file.
    """
    match why:
        case ServerRefusedError():
            return f"server_{why.reason}"
        case PouchRefusedError():
            return f"pouch_{why.reason}"
        case SyncRefusedError():
            return why.reason.value
        case _:
            return _STORE_REFUSALS.get(type(why), "store")


def keep_syncing(desk: OpenDesk, endpoint: Endpoint) -> None:
    """Sync immediately, and again after every `sync_minutes`, until the desk locks.

    A sync also begins soon after this workstation wrote an item for the server.
    """
    while not desk.stopping.is_set():
        desk.sync_wanted.clear()
        sync_replica(desk, endpoint)
        if desk.sync_wanted.wait(desk.config.sync_minutes * 60):
            desk.stopping.wait(_SOON_SECONDS)


def sync_in_background(desk: OpenDesk, endpoint: Endpoint) -> None:
    """Start a sync in a background thread.

    Nothing happens if a sync is running, or if the settings say that this workstation has no network
    connection to a server.
    """
    if is_online(desk) and not desk.exchange.is_running:
        _show_left(desk, count_outbox(desk))
        threading.Thread(target=sync_replica, args=(desk, endpoint), name="sync now", daemon=True).start()


def start_sync_thread(desk: OpenDesk, endpoint: Endpoint) -> None:
    """Start the background thread that syncs regularly, if the server is reached online."""
    if is_online(desk):
        threading.Thread(target=keep_syncing, args=(desk, endpoint), name="syncing", daemon=True).start()


def sync_soon(desk: OpenDesk) -> None:
    """Make the background thread sync within seconds, if the outbox has items for the server.

    The outbox is the queue of items to send.
    """
    if is_online(desk) and count_outbox(desk):
        desk.sync_wanted.set()
