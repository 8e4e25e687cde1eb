"""What the desk does over the line from its workstation: sync, retire a workstation, rebuild a lost one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from deploy.desk_for_command import open_desk_for_command
from deploy.errors import TwoMachinesError
from deploy.pairing.workstation import (
    ONION,
    PairingRequest,
    create_workstation_folder,
    end_strand,
    new_workstation,
    write_pairing_file,
)
from deploy.syncing.manual_exchange import (
    count_waiting,
    desk_warnings,
    last_exchange,
    pending_pouch_sentences,
)
from deploy.syncing.sync_refusals import refusals_as_sentences
from journalist_app.config import BY_FILE, ONE_MACHINE
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.desk import publish_letterhead as publishing
from journalist_app.services.desk.sync_replica import check_what_came, workstation_side
from protocol import letterhead as letterheads_format
from protocol.keyring import Keyring
from protocol.letterhead import Strand
from protocol.pouch.pairing_file import CardFile, letterhead_digest
from protocol.pouch.pouch_file import SERVER
from store import outbox, peers
from store.outbox import OutboxKind
from sync.apply import apply_pouch
from sync.build import build_pouch
from sync.carriers import carrier_of
from sync.exchange import Carrier, exchange
from sync.pending import take_in_held
from web.dates import utc_today

_INTRODUCTIONS = 3  # pouches until the server has our letterhead: more than one if it has a newer one

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class LostWorkstation:
    """What a lost workstation is rebuilt from. `name` is the new one's; empty: the lost one's and the day."""

    keyring: Keyring
    card: CardFile
    name: str


def sync_now(desk: OpenDesk, *, say: Say, on_left: Callable[[int], None]) -> None:
    """Exchange everything with the server now; `on_left` hears how much is left to go out.

    Raises:
        TwoMachinesError: it did not go through; one sentence.
        StoreError: the store cannot be used.
    """
    before = count_waiting(desk.store)
    side = workstation_side(desk)
    with refusals_as_sentences(at_line=True):
        done = exchange(side, _carrier(desk), on_left)
        held = take_in_held(side)
    say(
        f"Synced on {last_exchange(desk.store)}: {done.received} new things came ({done.bytes_received} "
        "bytes), "
        f"{before} went ({done.bytes_sent} bytes)."
    )
    for sentence in (*pending_pouch_sentences(held), *desk_warnings(desk.store)):
        say(sentence)


def retire_workstation(desk: OpenDesk, name: str, since: date | None, *, say: Say) -> None:
    """Take another workstation of the desk out of use after today, or after a day when it was stolen.

    Raises:
        TwoMachinesError: there is no such workstation, or it is this one.
        StoreError: the store cannot be used.
    """
    strand = _called(desk, name)
    if strand.id == desk.keyring.strand.id:
        raise TwoMachinesError("That is this very workstation: retire it from another one.")
    today = utc_today()
    until = today if since is None else min(since, today)
    if until < strand.since:
        raise TwoMachinesError(f"{name} is in use since {strand.since}: name that day or a later one.")
    strands = tuple(
        end_strand(each, until=until) if each.id == strand.id else each for each in desk.letterhead.strands
    )
    with desk.store.writing() as session:
        published = publishing.publish_successor(desk, session, strands=strands)
    publishing.in_use(desk, published)
    (now,) = (each for each in strands if each.id == strand.id)
    say(f"What {name} signs after {now.until} counts no more. The server hears of it with the next sync.")
    say(
        "If it came over an onion service, have the operator shut its way in, which works at once: "
        f'steunpunt admit --remove "{name}"'
    )
    if since is not None:
        say(
            "What it signed after that day counts no more either, and shows as not verified: look at "
            "it. Whoever "
            "has its keyring needs the passphrase to open it; if they may know that too, tell the "
            "operator: the "
            "desk needs new keys."
        )


def rebuild_workstation(
    settings: Path, lost: LostWorkstation, passphrase: str, asked: PairingRequest
) -> None:
    """Make a workstation in the place of a lost one, from a copy of its keyring and the server.

    Raises:
        DeployError: it was not made, or the server is still to be told; one sentence.
        StoreError: the store cannot be used.
    """
    name = lost.name or f"{lost.keyring.strand.name} ({utc_today()})"
    fresh = new_workstation(lost.card, lost.keyring, name, retire=True)
    create_workstation_folder(settings, fresh, lost.card.card, asked.server)
    asked.say(f'This is the desk\'s workstation "{name}" now. "{lost.keyring.strand.name}" ends today.')
    published = letterheads_format.sign_letterhead(fresh.letterhead, fresh.keyring.desk_key)
    base = letterhead_digest(fresh.base[0])
    write_pairing_file(fresh.keyring, published, base, settings.parent, asked)
    is_onion = asked.server.startswith(ONION)
    if asked.server == BY_FILE:
        asked.say("Then make a pouch here and one there, and carry them: steunpunt pouch out FILE")
        return
    with open_desk_for_command(settings, passphrase) as desk:
        try:
            with refusals_as_sentences(at_line=True):
                _introduce(desk, lost.keyring, _carrier(desk))
            sync_now(desk, say=asked.say, on_left=lambda _: None)
        except TwoMachinesError as why:
            key = "give Tor its key here, as said above, " if is_onion else ""
            raise TwoMachinesError(
                f"{why} Everything is in place here but what the server holds: {key}bring the pairing file "
                "to it, and then run here: steunpunt sync"
            ) from why
        check_what_came(desk, utc_today())
    key = "; the pairing file brings it the key to the onion service" if is_onion else ""
    asked.say(
        f"The server knows this workstation already{key}. What came is checked, and remembered from now on. "
        "Make a new copy of the keyring."
    )


def _introduce(desk: OpenDesk, lost: Keyring, carrier: Carrier) -> None:
    """Bring the server the letterhead that names this workstation, as the one that it still knows.

    What comes back is kept. From then on this workstation begins with the server like a new one: what was
    said as another is not to be taken for its own.
    """
    side = replace(workstation_side(desk), name=lost.strand.id, seed=lost.strand.seed)
    for _ in range(_INTRODUCTIONS):
        with carrier.carry(build_pouch(side, SERVER, {}).pouch) as pouches:
            brought = next(pouches)
        apply_pouch(side, lambda: [brought], is_direct=True)  # noqa: B023  # read at once
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


def _carrier(desk: OpenDesk) -> Carrier:
    match desk.config.server:
        case server if server == ONE_MACHINE:
            raise TwoMachinesError("This is one machine, with no server to sync with: see steunpunt pair.")
        case server if server == BY_FILE:
            raise TwoMachinesError(
                "This workstation has no line to its server: carry pouches, with steunpunt pouch out and in."
            )
        case server:
            return carrier_of(server, desk.config.socks)


def _called(desk: OpenDesk, name: str) -> Strand:
    found = [each for each in desk.letterhead.strands if name in {each.name, each.id.hex()}]
    if len(found) != 1:
        listed = ", ".join(f'"{each.name}" ({each.id.hex()})' for each in desk.letterhead.strands)
        raise TwoMachinesError(f"Which workstation? The letterhead names: {listed}.")
    return found[0]
