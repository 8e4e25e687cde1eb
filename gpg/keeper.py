"""GnuPG homes in memory, and the keeper process that destroys a home when its owner ends.

The owner of a home is the process that made the home. The keeper is a small shell that reads a pipe from the
owner. However the owner ends, the pipe closes. Then the keeper ends gpg's agent, overwrites the files of the
home and removes the home. If both the owner and the keeper were killed, the home is destroyed when the next
home is made. An owner keeps a lock (flock) on its home, so a home without a lock is abandoned.
"""

import contextlib
import fcntl
import os
import secrets
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from gpg.errors import OpenPGPPlaceError
from programs.errors import ProgramFailedError
from programs.runner import ProgramLimits, run_at_our_end, run_program

_CLOSE_SECONDS: Final = 10
_SOCKET_PATH_MAX: Final = 107  # bytes; source: Linux, unix(7)
_LONGEST_SOCKET: Final = "S.gpg-agent.browser"
_START_AGENT: Final = 'gpgconf --homedir "$1" --launch gpg-agent'
# Source: gnupg, common/asshelp.c: the agent's command line has the folder as an argument.
_DESTROY: Final = """
for each in $(grep -lzxFe "$1" /proc/[0-9]*/cmdline | xargs -r grep -lzxE "(.*/)?gpg-agent"); do
    each=${each%/cmdline}; kill -s KILL "${each#/proc/}"
done
timeout 5 gpgconf --homedir "$1" --remove-socketdir
find "$1" -type f -exec shred --iterations=0 --zero {} +
rm -rf "$1"
"""
_DESTROY_LIMITS: Final = ProgramLimits(_CLOSE_SECONDS, 500_000_000, output_bytes=0, file_bytes=10_000_000)


@dataclass(frozen=True, slots=True)
class KeptFolder:
    """Folder for one GnuPG home, and a process that destroys the folder when our process ends.

    Our process keeps a lock, which shows that the folder is in use.
    """

    path: Path
    _lock: int
    _keeper: subprocess.Popen[bytes]

    @classmethod
    def make(cls, parent: Path) -> Self:
        """Make a folder with a random name for a GnuPG home in `parent`, a folder in memory.

        Homes that killed processes left there are destroyed.

        Raises:
            OpenPGPPlaceError: other users can enter `parent`, or its path is too long for a socket.
        """
        path = parent / secrets.token_hex(8)
        if len(os.fsencode(path / _LONGEST_SOCKET)) > _SOCKET_PATH_MAX:
            raise OpenPGPPlaceError
        with _locked_private(parent):
            _destroy_abandoned(parent)
            path.mkdir(0o700)
            lock = _lock(path)
        # An agent that a run of gpg starts would have the limits of that run. So the keeper starts the agent.
        return cls(path, lock, run_at_our_end(_DESTROY, str(path), first=_START_AGENT))

    def destroy(self) -> None:
        """End gpg's agent, then overwrite and remove the GnuPG home. A second call does nothing."""
        if self._keeper.stdin is None or self._keeper.stdin.closed:
            return
        self._keeper.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._keeper.wait(_CLOSE_SECONDS)
        os.close(self._lock)


@contextlib.contextmanager
def _locked_private(parent: Path) -> Iterator[None]:
    """Make the folder of all GnuPG homes, which only this user may enter, and lock it for other processes.

    Raises:
        OpenPGPPlaceError: `parent` is not a folder, belongs to another user, or other users can enter it.
    """
    try:
        parent.mkdir(0o700, exist_ok=True)
        found = parent.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise OpenPGPPlaceError
        lock = _lock(parent)
    except OSError as why:
        raise OpenPGPPlaceError from why
    try:
        yield
    finally:
        os.close(lock)


def _lock(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _destroy_abandoned(parent: Path) -> None:
    """Destroy each GnuPG home on which no process has a lock. A killed process left such a home behind."""
    for folder in parent.iterdir():
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            with contextlib.suppress(ProgramFailedError):  # the next home tries again
                run_program(("/bin/sh", "-c", _DESTROY, "keeper", str(folder)), _DESTROY_LIMITS)
        finally:
            os.close(descriptor)
