"""Import of pouches (sync bundles) from files.

A pouch that arrives before an earlier one is kept next to the store. A pouch is first copied from the USB
stick, because it is read twice: to verify and to apply. A USB stick could return other bytes the second time.
"""

import errno
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from protocol.errors import PouchRefusal, PouchRefusedError
from store.database.atomic_files import sync_folder
from sync.apply import AppliedPouch, apply_pouch
from sync.endpoint import Endpoint
from sync.errors import SyncRefusal, SyncRefusedError
from sync.sync_lock import sync_lock

_PIECE_BYTES = 1024 * 1024
_POUCH = ".pouch"
_UNFINISHED = ".new"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_PRIVATE_FILE = 0o600
_NOT_A_PEER = {SyncRefusal.NOT_PAIRED, SyncRefusal.UNKNOWN_WORKSTATION, SyncRefusal.REVOKED_WORKSTATION}


class ImportOutcome(Enum):
    """Outcome of importing one pouch (sync bundle) from a file."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"  # the pouch was applied before
    PENDING = "pending"  # an earlier pouch is missing: this pouch is applied after the earlier one


@dataclass(frozen=True, slots=True)
class ImportedPouch:
    """Result of importing a pouch (sync bundle) from a file.

    - `applied`: number of items that changed something, including items of pending pouches
    - `also_applied`: number of pending pouches that were applied after this pouch
    - `pending`: number of pouches that still wait for an earlier pouch
    - `sender_was_restored`: True if the sender lost pouches that it had applied or sent
    """

    outcome: ImportOutcome
    applied: int
    also_applied: int
    pending: int
    sender_was_restored: bool


def import_pouch(endpoint: Endpoint, pieces: Iterable[bytes]) -> ImportedPouch:
    """Apply a pouch (sync bundle) that arrives in pieces, and then the pending pouches that follow it.

    If an earlier pouch has not arrived yet, the pouch is stored until then. An interrupted import can be
    repeated.

    Raises:
        PouchRefusedError: no item was applied. `reason` says why, and is never EARLY.
        SyncRefusedError: NOT_PAIRED, UNKNOWN_WORKSTATION, REVOKED_WORKSTATION, or NO_ROOM.
        StoreError: the store failed. Items that were applied before the failure stay applied.
    """
    with sync_lock(endpoint) as folder:
        for unfinished in folder.glob(f"*{_UNFINISHED}"):
            unfinished.unlink()  # left by a process that was killed
        path = _copy(folder, pieces, endpoint.quota.reserve_bytes)
        try:
            first = _apply_file(endpoint, path)
        except BaseException as why:
            if isinstance(why, PouchRefusedError) and why.reason is PouchRefusal.EARLY:
                pending = len(_pending(folder))
                return ImportedPouch(ImportOutcome.PENDING, 0, 0, pending, sender_was_restored=False)
            path.unlink()  # the person who brought the pouch still has the file
            raise
        path.unlink()
        followers = _apply_pending(endpoint, folder)
        return ImportedPouch(
            ImportOutcome.DUPLICATE if first.is_duplicate else ImportOutcome.APPLIED,
            sum(each.applied for each in (first, *followers)),
            len(followers),
            len(_pending(folder)),
            sender_was_restored=any(each.peer_was_restored for each in (first, *followers)),
        )


def apply_pending(endpoint: Endpoint) -> int:
    """Apply each pending pouch (sync bundle) if the earlier pouch for which it waited has arrived.

    Return the number of pouches that are still pending.

    Raises:
        SyncRefusedError: the sync cannot continue. The pouch stays pending.
        StoreError: the store failed. The pouch stays pending.
    """
    with sync_lock(endpoint) as folder:
        _apply_pending(endpoint, folder)
        return len(_pending(folder))


def read_pieces(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, in pieces of at most 1 MiB.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _pending(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob(f"*{_POUCH}"))


def _apply_file(endpoint: Endpoint, path: Path) -> AppliedPouch:
    return apply_pouch(endpoint, lambda: read_pieces(path), is_direct=False)


def _apply_pending(endpoint: Endpoint, folder: Path) -> list[AppliedPouch]:
    """Apply each pending pouch (sync bundle) that no longer waits for an earlier pouch, and delete its file.

    The file of a refused pouch is deleted too.
    """
    applied: list[AppliedPouch] = []
    while True:
        count_before = len(applied)
        for path in _pending(folder):
            try:
                found = _apply_file(endpoint, path)
            except PouchRefusedError as why:
                if why.reason is PouchRefusal.EARLY:
                    continue
            except SyncRefusedError as why:
                if why.reason not in _NOT_A_PEER:  # if it is, the sender was removed while the pouch waited
                    raise
            else:
                if not found.is_duplicate:
                    applied.append(found)
            path.unlink()
        if len(applied) == count_before:
            return applied


def _copy(folder: Path, pieces: Iterable[bytes], reserve_bytes: int) -> Path:
    """Copy a pouch (sync bundle) to a file named after its digest, so that a second copy replaces the first.

    Raises:
        SyncRefusedError: NO_ROOM: the disk is full, or has only the last `reserve_bytes` free.
    """
    unfinished = folder / f"{secrets.token_hex(8)}{_UNFINISHED}"
    digest = hashlib.sha256()
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                disk = os.statvfs(folder)
                if disk.f_bavail * disk.f_frsize < reserve_bytes + len(piece):
                    raise SyncRefusedError(SyncRefusal.NO_ROOM)  # noqa: TRY301  # the file is deleted below
                file.write(piece)
                digest.update(piece)
            file.flush()
            os.fsync(file.fileno())
        kept = unfinished.rename(folder / f"{digest.hexdigest()}{_POUCH}")
        sync_folder(folder)
        sync_folder(folder.parent)  # the folder may be new
        return kept  # noqa: TRY300  # a failure to flush is a failure to keep
    except BaseException as why:
        unfinished.unlink(missing_ok=True)
        if isinstance(why, OSError) and why.errno in _FULL:
            raise SyncRefusedError(SyncRefusal.NO_ROOM) from why
        raise
