"""Reading and atomic writing of private files: the keyring and the trusted state."""

import os
import stat
from contextlib import suppress
from pathlib import Path

_OTHERS = 0o077
_OWNER_ONLY = 0o600


class ExposedError(Exception):
    """A file with secrets is not private.

    Another user owns the file or can read or write it, or the file is not a plain file.
    """


def read_private(path: Path) -> bytes:
    """Return the bytes of a file, after a check that only its owner can read and write the file.

    The check is on the open file, so an attacker cannot swap the file after the check.

    Raises:
        OSError: the file does not exist or cannot be read.
        ExposedError: another user owns the file or can read or write it, or it is not a plain file.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        if (
            not stat.S_ISREG(status.st_mode)
            or status.st_uid != os.geteuid()
            or stat.S_IMODE(status.st_mode) & _OTHERS
        ):
            raise ExposedError
        return file.read()


def write_private(path: Path, content: bytes) -> None:
    """Replace a private file atomically: a crash leaves either the whole old or the whole new content.

    Raises:
        OSError: the new content could not be written. The file still has its old content.
    """
    fresh = path.with_name(path.name + ".new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # so that the rename is on the disk too
    finally:
        os.close(folder)
