"""Exchanging by hand: one sync on a line, and pouches as files, at either end."""

import os
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

from deploy.atomic_folder import sync_folder
from deploy.errors import TwoMachinesError
from deploy.pairing.server import find_workstation
from deploy.settings.load_settings import sections_in
from deploy.syncing.sync_refusals import refusals_as_sentences
from protocol.identifiers import StrandId
from protocol.pouch.pouch_file import SERVER
from store import outbox, peers, sync_findings
from store.database.engine import Store
from sync.build import pack_parts
from sync.endpoint import Endpoint
from sync.pending import Arrival, Brought, bring, read_pieces

Say = Callable[[str], object]

_EARLY = (
    "This pouch comes early: one before it is missing. It is kept here, and taken in by itself once the "
    "missing "
    "one has come. Make a pouch for the other side now: it then sends what is missing again."
)


def is_server_settings(settings: Path) -> bool:
    """Say which end the settings are of.

    Raises:
        ConfigError: the settings cannot be read.
    """
    return "sync" in sections_in(settings)


def write_pouch_file(
    side: Endpoint, path: Path, to: str | None, *, part_bytes: int | None = None, say: Say
) -> None:
    """Write all that the other end is not known to have to a file; a stick that is lost loses nothing.

    `to` names the workstation, from a server that has several. With `part_bytes` it is split over files of
    about that size, whose names end in .1, .2 and so on.

    Raises:
        TwoMachinesError: nothing was written; one sentence.
        StoreError: the store cannot be used.
    """
    with refusals_as_sentences():
        peer, called = _receiver(side, to)
        for number, pieces in enumerate(pack_parts(side, peer, part_bytes), 1):
            part = path if part_bytes is None else path.with_name(f"{path.name}.{number}")
            _write(part, pieces)
            say(
                f"{part} is for {called}. It is sealed to it alone; carry it there, and run: steunpunt pouch "
                f"in {part.name}"
            )


def apply_pouch_file(side: Endpoint, path: Path, *, say: Say) -> None:
    """Take a pouch in from a file, and what was waiting for it.

    Raises:
        TwoMachinesError: nothing of it was taken in; one sentence.
        StoreError: the store cannot be used.
    """
    try:
        with refusals_as_sentences():
            brought = bring(side, read_pieces(path))
    except OSError as why:
        raise TwoMachinesError(
            f"{path} cannot be read ({type(why).__name__}). Nothing of it was taken in: copy it again, "
            "or have "
            "it made again."
        ) from why
    for sentence in _of_brought(brought):
        say(sentence)
    if not side.is_server:
        for sentence in desk_warnings(side.store):
            say(sentence)


def desk_warnings(store: Store) -> list[str]:
    """Return what somebody at the workstation has to see: the interface shows it until they did."""
    with store.reading() as session:
        server = peers.find(session, SERVER)
        found = len({each.address for each in sync_findings.all_findings(session)})
    said = []
    if server is not None and server.rollback_day is not None:
        said.append(
            f"Look at this: on {server.rollback_day} the server was found put back to an earlier day. "
            "Everything that "
            "is here was given to it again. Call the operator: who did that, and why?"
        )
    if found:
        said.append(
            f"Look at this: in {found} mailboxes the server holds something that is not right. The adviser's "
            "interface shows which, and what to do."
        )
    return said


def last_exchange(store: Store, name: bytes = SERVER) -> date | None:
    """Return the day on which a pouch of a peer was last taken in."""
    with store.reading() as session:
        peer = peers.find(session, name)
    return None if peer is None else peer.last_applied_day


def count_waiting(store: Store) -> int:
    """Return how many things the server is not known to have."""
    with store.reading() as session:
        return outbox.count(session, SERVER)


def pending_pouch_sentences(pouches: int) -> list[str]:
    """Return what is said of pouches that still wait for one before them."""
    return [f"Pouches that came early and still wait for a missing one: {pouches}."] if pouches else []


def _of_brought(brought: Brought) -> list[str]:
    match brought.arrival:
        case Arrival.HELD:
            said = [_EARLY]
        case Arrival.KNOWN:
            said = ["This pouch was taken in before. Nothing was done."]
        case Arrival.TAKEN_IN:
            said = [f"Taken in: {brought.applied} new things."]
    if brought.also:
        said.append(f"Pouches that had come early and were taken in now: {brought.also}.")
    if brought.arrival is not Arrival.HELD:
        said += pending_pouch_sentences(brought.waiting)
    if brought.was_set_back:
        said.append("The other side was put back to an earlier day: it is given everything again.")
    return said


def _receiver(side: Endpoint, to: str | None) -> tuple[StrandId, str]:
    if not side.is_server:
        return SERVER, "the server"
    letterhead = side.letterhead()
    with side.store.reading() as session:
        known = [peer.name for peer in peers.all_peers(session)]
    peer = find_workstation(letterhead, known, to)
    side.workstation(peer, letterhead)
    return peer, next(strand.name for strand in letterhead.strands if strand.id == peer)


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file whole or not at all, for whoever carries it."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        with fresh.open("wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_folder(path.parent)
    except OSError as why:
        fresh.unlink(missing_ok=True)
        raise TwoMachinesError(
            f"{path} cannot be written ({type(why).__name__}). Nothing is lost: make room there, and run the "
            "same command again."
        ) from why
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
