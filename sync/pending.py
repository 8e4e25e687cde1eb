"""Pouches that come as files: kept beside the store, taken in when what goes before them has come.

A pouch is copied before it is read. It is read twice, to judge it and to apply it, and a stick could give
other bytes the second time.
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
from sync.apply import AppliedPouch, apply_pouch
from sync.endpoint import Endpoint
from sync.errors import NoRoomError, NotPairedError, RevokedWorkstationError, UnknownWorkstationError
from sync.sync_lock import sync_lock

PIECE_BYTES = 1024 * 1024
_ENDING = ".pouch"
_UNFINISHED = ".new"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_PRIVATE_FILE = 0o600


class Arrival(Enum):
    """What became of a pouch that was brought."""

    TAKEN_IN = "taken in"
    KNOWN = "known"  # it was taken in before
    HELD = "held"  # one before it is missing: it is taken in once that has come


@dataclass(frozen=True, slots=True)
class Brought:
    """What a pouch as a file brought. `applied` counts items that were new, of those held before it too.

    `also` is how many pouches that had come too early were taken in behind it, `waiting` how many still lie
    there. `was_set_back`: its sender does not know any more what it had taken in.
    """

    arrival: Arrival
    applied: int
    also: int
    waiting: int
    was_set_back: bool


def bring(side: Endpoint, pieces: Iterable[bytes]) -> Brought:
    """Take in a pouch that comes in pieces of any size, and then what was waiting for it.

    Stopped at any moment it may be brought again. Of what is refused nothing stays here.

    Raises:
        PouchRefusedError: nothing of it was taken in; `reason` says why, and is never EARLY.
        UnknownWorkstationError, RevokedWorkstationError, NotPairedError: its sender is nobody to us.
        NoRoomError, BrokenTransferError, StoreError: as `take_in` has it.
    """
    with sync_lock(side) as folder:
        for left in folder.glob(f"*{_UNFINISHED}"):
            left.unlink()  # of one that was killed
        path = _keep(folder, pieces, side.quota.reserve_bytes)
        try:
            taken = _take_in(side, path)
        except PouchRefusedError as why:
            if why.reason is not PouchRefusal.EARLY:
                path.unlink()
                raise
            return Brought(Arrival.HELD, 0, 0, len(_held(folder)), was_set_back=False)
        except BaseException:
            path.unlink()  # whoever brought it has it still
            raise
        path.unlink()
        behind = _take_in_held(side, folder)
        return Brought(
            Arrival.KNOWN if taken.is_known else Arrival.TAKEN_IN,
            sum(each.applied for each in (taken, *behind)),
            len(behind),
            len(_held(folder)),
            was_set_back=any(each.was_set_back for each in (taken, *behind)),
        )


def take_in_held(side: Endpoint) -> int:
    """Take in what was held and fits now, after a sync on a line; return how many pouches still wait.

    Raises:
        NoRoomError, BrokenTransferError, StoreError: as `take_in` has it; the pouch stays.
    """
    with sync_lock(side) as folder:
        _take_in_held(side, folder)
        return len(_held(folder))


def read_pieces(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, in pieces of at most 1 MiB.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _held(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob(f"*{_ENDING}"))


def _take_in(side: Endpoint, path: Path) -> AppliedPouch:
    return apply_pouch(side, lambda: read_pieces(path), is_direct=False)


def _take_in_held(side: Endpoint, folder: Path) -> list[AppliedPouch]:
    """Take in all that fits, in any order, until nothing does. What is refused by now is dropped."""
    taken: list[AppliedPouch] = []
    is_moving = True
    while is_moving:
        is_moving = False
        for path in _held(folder):
            try:
                found = _take_in(side, path)
            except PouchRefusedError as why:
                if why.reason is PouchRefusal.EARLY:
                    continue
            except (NotPairedError, RevokedWorkstationError, UnknownWorkstationError):
                pass  # since it was held, its sender has become nobody to us
            else:
                if not found.is_known:
                    taken.append(found)
                    is_moving = True
            path.unlink()
    return taken


def _keep(folder: Path, pieces: Iterable[bytes], reserve_bytes: int) -> Path:
    """Copy a pouch under the name of its digest: brought twice, it is there once.

    Raises:
        NoRoomError: the disk is full, but for what must stay free for text.
    """
    unfinished = folder / f"{secrets.token_hex(8)}{_UNFINISHED}"
    digest = hashlib.sha256()
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                _require_room(folder, reserve_bytes + len(piece))
                file.write(piece)
                digest.update(piece)
            file.flush()
            os.fsync(file.fileno())
        return unfinished.rename(folder / f"{digest.hexdigest()}{_ENDING}")
    except BaseException as why:
        unfinished.unlink(missing_ok=True)
        if isinstance(why, OSError) and why.errno in _FULL:
            raise NoRoomError from why
        raise


def _require_room(folder: Path, wanted: int) -> None:
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < wanted:
        raise NoRoomError
