"""Commands of a workstation: sync with the server, retire another workstation, rebuild a lost one."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

from crypto.errors import MalformedError
from deploy.desk_for_command import open_desk_for_command
from deploy.errors import DeployError
from deploy.pairing.server import find_workstation
from deploy.pairing.workstation import ONION, PairingRequest, end_strand, pair_new_workstation
from deploy.syncing.manual_exchange import desk_warnings, pending_pouch_sentences
from deploy.syncing.sync_refusals import refusals_as_sentences
from journalist_app.config import BY_FILE, ONE_MACHINE, AdviserConfig
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.whole_desk import publish_letterhead as publishing
from journalist_app.services.whole_desk.sync_replica import check_after_sync, workstation_endpoint
from protocol.keyring import Keyring
from protocol.letterhead import Letterhead
from protocol.pouch.pouch_file import SERVER
from store import letterheads, outbox, peers
from store.database.engine import Store
from store.outbox import OutboxKind
from sync.apply import apply_pouch
from sync.build import build_pouch
from sync.carriers import carrier_of
from sync.exchange import Carrier, exchange
from sync.pending import apply_pending
from web.dates import utc_today

_INTRODUCTIONS = 3  # most pouches to bring the server our letterhead: several if its letterhead is newer

Say = Callable[[str], object]


def sync_now(desk: OpenDesk, *, say: Say, on_left: Callable[[int], None]) -> None:
    """Sync this workstation with the server now, in both directions.

    `on_left` receives the number of items that must still be sent.

    Raises:
        DeployError: the sync was not completed.
        StoreError: the store cannot be used.
    """
    with desk.store.reading() as session:
        queued = outbox.count(session, SERVER)
    side = workstation_endpoint(desk)
    with refusals_as_sentences(from_server=True):
        done = exchange(side, way_to_server(desk.config), on_left)
        pending = apply_pending(side)
    say(
        f"Synced on {utc_today()}: received {done.received} new items ({done.bytes_received} "
        f"bytes), sent {queued} ({done.bytes_sent} bytes)."
    )
    for sentence in (*pending_pouch_sentences(pending), *desk_warnings(desk.store)):
        say(sentence)


def retire_workstation(desk: OpenDesk, name: str, since: date | None, *, say: Say) -> None:
    """Take another workstation of the desk out of use.

    `since` is the last day of use. None or a later day means today.

    Raises:
        DeployError: the workstation is unknown, is this one, or was not in use yet on that day.
        StoreError: the store cannot be used.
    """
    strand = find_workstation(desk.letterhead, desk.letterhead.strand_keys, name)
    if strand.id == desk.keyring.strand.id:
        raise DeployError("That is this workstation itself: retire it from another one.")
    today = utc_today()
    until = today if since is None else min(since, today)
    if until < strand.since:
        raise DeployError(f"{name} is in use since {strand.since}: name that day or a later one.")
    ended = end_strand(strand, until=until)
    if ended == strand:
        say(f"{name} was taken out of use after {ended.until} already. Nothing was changed.")
        return
    strands = tuple(ended if each.id == strand.id else each for each in desk.letterhead.strands)
    with desk.store.writing() as session:
        published = publishing.sign_next_letterhead(desk, session, strands=strands)
    publishing.use_letterhead(desk, published)
    say(f"Signatures of {name} after {ended.until} do not count. The server is told with the next sync.")
    say(
        "If it connected over an onion service, ask the operator to remove its key, which works at once: "
        f'steunpunt server dismiss "{name}"'
    )
    if since is not None:
        say(
            "What it signed after that day is shown as not verified: look at it. Anyone who has its keyring "
            "still needs the passphrase. If they may know the passphrase too, tell the operator: the desk "
            "needs new keys."
        )


def refuse_unknown_workstation(store: Store, name: str) -> None:
    """Check that the newest letterhead (signed public statement) in the store names a workstation.

    The letterhead is not verified: this is only a check before the passphrase is asked.

    Raises:
        DeployError: there is no such workstation.
    """
    with store.reading() as session:
        newest = letterheads.latest(session)
    with suppress(MalformedError):
        if newest is not None:
            letterhead = Letterhead.from_bytes(newest[1])
            find_workstation(letterhead, letterhead.strand_keys, name)


def rebuild_workstation(
    settings: Path, lost: Keyring, name: str, passphrase: str, request: PairingRequest
) -> None:
    """Set up this machine as a new workstation that replaces a lost one.

    `lost` is a copy of the lost workstation's keyring. If `name` is empty, the new name is the lost
    workstation's name and today's date.

    Raises:
        DeployError: no workstation was made, or the new workstation could not sync.
        StoreError: the store cannot be used.
    """
    name = name or f"{lost.strand.name} ({utc_today()})"
    pair_new_workstation(settings, lost, name, request, retire=True)
    request.say(f'This is now the desk\'s workstation "{name}". "{lost.strand.name}" ends today.')
    is_onion = request.server.startswith(ONION)
    if request.server == BY_FILE:
        request.say("Then carry a pouch from the server to here, and one back: steunpunt pouch make FILE")
        return
    with open_desk_for_command(settings, lambda: passphrase) as desk:
        try:
            with refusals_as_sentences(from_server=True):
                _introduce_to_server(desk, lost, way_to_server(desk.config))
            sync_now(desk, say=request.say, on_left=lambda _: None)
        except DeployError as why:
            key = "give Tor its key here, as described above, " if is_onion else ""
            raise type(why)(
                f"{why} This workstation is complete, except for the contents of the server: {key}bring the "
                "pairing file to the server, and then run here: steunpunt workstation sync"
            ) from why
        check_after_sync(desk, utc_today())
    key = "; the pairing file brings it the key to the onion service" if is_onion else ""
    request.say(
        f"The server knows this workstation already{key}. Everything received is verified, and remembered "
        "from now on. Make a new copy of the keyring."
    )


def _introduce_to_server(desk: OpenDesk, lost: Keyring, carrier: Carrier) -> None:
    """Introduce this workstation to the server in a sync bundle.

    The lost workstation's key signs the bundle.
    """
    # The server does not know this workstation's own key yet, and would refuse a bundle with that key.
    side = replace(workstation_endpoint(desk), name=lost.strand.id, seed=lost.strand.seed)
    for _ in range(_INTRODUCTIONS):
        with carrier.carry(build_pouch(side, SERVER, {}).pouch) as pouches:
            answer = next(pouches)
        apply_pouch(side, lambda: [answer], is_direct=True)  # noqa: B023  # read at once
        with desk.store.reading() as session:
            if not outbox.is_queued(session, OutboxKind.LETTERHEAD):
                break
    with desk.store.writing() as session:
        server = peers.find(session, SERVER)
        if server is not None:
            peers.remove_peer(session, SERVER)
            peers.add(session, SERVER, server.card)
            outbox.enqueue_all(session, SERVER)
            peers.set_shared_letterhead(session, SERVER, server.letterhead_serial)


def way_to_server(config: AdviserConfig) -> Carrier:
    """Return this workstation's connection to its server.

    Raises:
        DeployError: the workstation has no connection to a server.
    """
    server = config.server
    if server == ONE_MACHINE:
        raise DeployError(
            "This is one machine, without a server to sync with: see steunpunt workstation pair."
        )
    if server == BY_FILE:
        raise DeployError(
            "This workstation has no connection to its server: carry pouches, with steunpunt pouch make "
            "and apply."
        )
    return carrier_of(server, config.socks)
