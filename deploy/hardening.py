"""Protection of a process's memory and files against other users and programs. Linux only."""

import ctypes
import os
import resource
import signal
import stat
from pathlib import Path

from deploy.errors import UnsafePathError, os_error_as
from store.errors import StoreMissingError

# Source: linux/prctl.h.
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4

PRIVATE_FOLDER = 0o700
TMPFS = "/dev/shm"  # noqa: S108  # memory, never a disk; our folders under it are 0700


def harden_process() -> None:
    """Protect this process's memory from other programs, and its new files from other users.

    Root can still read the memory. A crash leaves no core file.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)  # if core dumps are piped to a program, the limit is ignored
    os.umask(0o077)


def end_with_parent(parent_pid: int) -> None:
    """Make the kernel end this process when its parent process ends, even if the parent is killed."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent_pid:  # the parent ended before `prctl` was called
        raise SystemExit(0)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def private_folder(path: Path) -> None:
    """Make a folder that only this user can enter, or check that an existing folder is closed to others.

    Raises:
        UnsafePathError: the path is a link, is not a folder, belongs to another user, or is open to others.
    """
    # Attack: under /dev/shm, another user makes the folder first, and later reads or swaps our files in it.
    path.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise UnsafePathError(f"{path} is not a folder of this user: remove it or name another.")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise UnsafePathError(f"{path} is open to other users: run chmod 700 {path}.")


def private_memory_folder(path: Path) -> None:
    """Make a private folder in memory, and its parent folders below /dev/shm. Check the folders that exist.

    Raises:
        UnsafePathError: one of these folders belongs to another user, or is open to others.
    """
    # The owner of an outer folder could replace our folder.
    for folder in reversed((path, *path.parents)):
        if folder == path or Path(TMPFS) in folder.parents:
            private_folder(folder)


def remake_folders(*paths: Path) -> None:
    """Make private folders in memory again if they were removed while the program runs.

    Raises:
        StoreMissingError: a folder cannot be made, or another user made it first.
    """
    try:
        for path in paths:
            private_memory_folder(path)
    except (UnsafePathError, OSError) as why:
        raise StoreMissingError("a folder in memory is missing, and cannot be made again") from why


def refuse_unusable_keyring(path: Path) -> None:
    """Check that the keyring (the desk's secret keys) exists, and that no other user can read or write it.

    Raises:
        UnsafePathError: the keyring is missing or open to others, or cannot be inspected.
    """
    if not path.exists():
        raise UnsafePathError(f"{path} is missing: to restore its backup, run steunpunt keys recover.")
    refuse_readable_by_others(path)


def refuse_readable_by_others(path: Path) -> None:
    """Check that no other user can read or write a secret file.

    Raises:
        UnsafePathError: the file is open to others, or its mode cannot be read. In the second case,
            `__cause__` is the OSError.
    """
    with os_error_as(f"{path} cannot be found or inspected", UnsafePathError):
        mode = path.stat().st_mode
    if stat.S_IMODE(mode) & 0o077:
        raise UnsafePathError(f"{path} can be read by others: run chmod 600 {path}.")
