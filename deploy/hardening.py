"""Keep a process's memory and files from leaving traces or being read by others. Linux only."""

import ctypes
import os
import resource
import signal
import stat
from pathlib import Path

from deploy.errors import UnsafePlaceError

# Source: linux/prctl.h.
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4

PRIVATE_FOLDER = 0o700
TMPFS = "/dev/shm"  # noqa: S108  # memory, never a disk; folders of our own under it are 0700


def harden_process() -> None:
    """Let nobody else read this process's memory or files, whatever the shell's settings were.

    No core file after a crash, no reading through /proc or a debugger by other programs of the same user
    (root still can), and files for the owner alone.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)  # also holds where core dumps are piped to a program, which ignores the limit
    os.umask(0o077)


def end_with_parent(parent_pid: int) -> None:
    """Have the kernel end this process when the one that started it ends, however that comes about."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent_pid:  # it was gone before we asked
        raise SystemExit(0)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def private_folder(path: Path) -> None:
    """Make a folder for us alone, or make sure that the one found there is.

    Under /dev/shm anybody may make a folder first, to read what we put in it or to swap it later.

    Raises:
        UnsafePlaceError: it is a link, not a folder, another user's, or open to others.
    """
    path.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise UnsafePlaceError(f"{path} is not a folder of this user: remove it or name another.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise UnsafePlaceError(f"{path} is open to other users: run chmod 700 {path}.")


def refuse_readable_by_others(path: Path) -> None:
    """Refuse a secret file that another user could read or write.

    Raises:
        UnsafePlaceError: it is open to others, or cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except OSError as why:
        raise UnsafePlaceError(f"{path} cannot be found or looked at ({type(why).__name__}).") from why
    if stat.S_IMODE(mode) & 0o077:
        raise UnsafePlaceError(f"{path} can be read by others: run chmod 600 {path}.")
