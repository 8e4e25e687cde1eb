"""Exchange of pouches (sync bundles) as files that a person carries, on a server or on a workstation."""

from collections.abc import Callable
from pathlib import Path

from crypto import age
from crypto.errors import CryptoError
from deploy.errors import os_error_as
from deploy.pairing.server import find_workstation
from deploy.syncing.sync_refusals import refusals_as_sentences
from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.identifiers import StrandId
from protocol.pouch.pouch_file import SERVER
from store import peers, sync_findings
from store.database.atomic_files import replace_file
from store.database.engine import Store
from sync.build import build_pouch_files
from sync.endpoint import Endpoint
from sync.errors import SyncRefusal, SyncRefusedError
from sync.pending import ImportedPouch, ImportOutcome, import_pouch, read_pieces

Say = Callable[[str], object]

_EARLY = (
    "This pouch came early: an earlier one is missing. It is kept, and applied after the missing one. Make a "
    "pouch for the other machine now: it then sends the missing items again."
)


def refuse_no_pouch(path: Path) -> None:
    """Check that a file begins as a pouch (sync bundle) does.

    Raises:
        DeployError: the file is not a pouch, or cannot be read.
    """
    with os_error_as(f"{path} cannot be read"), refusals_as_sentences():
        try:
            age.split_stream(read_pieces(path))
        except CryptoError as why:
            raise PouchRefusedError(PouchRefusal.UNREADABLE) from why


def refuse_unpaired(store: Store) -> None:
    """Check that this workstation was paired with a server.

    Raises:
        DeployError: this workstation was not paired.
    """
    with refusals_as_sentences(), store.reading() as session:
        if peers.find(session, SERVER) is None:
            raise SyncRefusedError(SyncRefusal.NOT_PAIRED)


def write_pouch_file(
    endpoint: Endpoint, path: Path, to: str | None, *, part_bytes: int | None = None, say: Say
) -> None:
    """Write a sync bundle (pouch file) with everything that the other machine has not confirmed yet.

    `to` names the receiving workstation, if a server has several. With `part_bytes`, the bundle is split into
    files of about that size.

    Raises:
        DeployError: no file was written.
        StoreError: the store cannot be used.
    """
    # It does no harm to lose the file or to apply it twice.
    with refusals_as_sentences():
        peer, name = _receiver(endpoint, to)
        for number, pieces in enumerate(build_pouch_files(endpoint, peer, part_bytes), 1):
            part = path if part_bytes is None else path.with_name(f"{path.name}.{number}")
            advice = ". Nothing is lost: make room there, and run the same command again."
            with os_error_as(f"{part} cannot be written", advice=advice):
                replace_file(part, pieces)
            say(
                f"{part} is for {name}, and encrypted to it alone. Carry it there, and run: steunpunt pouch "
                f"apply {part.name}"
            )


def apply_pouch_file(endpoint: Endpoint, path: Path, *, say: Say) -> None:
    """Apply a pouch (sync bundle) from a file, and then the pouches that had to wait for this one.

    Raises:
        DeployError: no part of the pouch was applied.
        StoreError: the store cannot be used.
    """
    advice = ". No part of it was applied: copy it again, or make it again."
    with os_error_as(f"{path} cannot be read", advice=advice), refusals_as_sentences():
        brought = import_pouch(endpoint, read_pieces(path))
    for sentence in _result_sentences(brought):
        say(sentence)
    if not endpoint.is_server:
        for sentence in desk_warnings(endpoint.store):
            say(sentence)


def desk_warnings(store: Store) -> list[str]:
    """Return warnings for the adviser about faults that a sync found at the server.

    The adviser's interface shows the same warnings until the adviser confirms them.
    """
    with store.reading() as session:
        server = peers.find(session, SERVER)
        mailboxes = len({each.address for each in sync_findings.all_findings(session)})
    sentences = []
    if server is not None and server.rollback_day is not None:
        sentences.append(
            f"Look at this: on {server.rollback_day} the server turned out to be restored to an earlier day. "
            "Everything here was queued for it again. Call the operator: who restored it, and why?"
        )
    if mailboxes:
        sentences.append(
            f"Look at this: in {mailboxes} mailboxes the server holds something that is not right. The "
            "adviser's interface shows which, and what to do."
        )
    return sentences


def pending_pouch_sentences(pouches: int) -> list[str]:
    """Return a list with one sentence about waiting pouches (sync bundles), or an empty list.

    A pouch waits if an earlier pouch is missing.
    """
    return [f"Pouches that came early and still wait for a missing one: {pouches}."] if pouches else []


def _result_sentences(brought: ImportedPouch) -> list[str]:
    match brought.outcome:
        case ImportOutcome.PENDING:
            sentences = [_EARLY]
        case ImportOutcome.DUPLICATE:
            sentences = ["This pouch was applied before. Nothing was changed."]
        case ImportOutcome.APPLIED:
            sentences = [f"Applied: {brought.applied} new items."]
    if brought.also_applied:
        sentences.append(f"Pouches that had come early and were applied now: {brought.also_applied}.")
    if brought.outcome is not ImportOutcome.PENDING:
        sentences += pending_pouch_sentences(brought.pending)
    if brought.sender_was_restored:
        sentences.append("The other machine was restored to an earlier day: everything is sent to it again.")
    return sentences


def _receiver(endpoint: Endpoint, to: str | None) -> tuple[StrandId, str]:
    if not endpoint.is_server:
        return SERVER, "the server"
    letterhead = endpoint.letterhead()
    with endpoint.store.reading() as session:
        known = [peer.name for peer in peers.all_peers(session)]
    strand = find_workstation(letterhead, known, to)
    peer = StrandId(strand.id)
    endpoint.workstation(peer, letterhead)
    return peer, strand.name
