"""Files that only their owner may read: the keyring, read; the anchors, read and written."""

import os
import stat
from contextlib import suppress
from pathlib import Path

_OTHERS = 0o077
_OWNER_ONLY = 0o600


class ExposedError(Exception):
    """Somebody else can read or write the file, or it is no plain file of ours."""


def read_private(path: Path) -> bytes:
    """Return a file's bytes.

    The rights are those of the file that was opened, not of one looked at before: nobody can swap it between.

    Raises:
        FileNotFoundError: it is not there.
        ExposedError: others can read or write it, another user owns it, or it is not a plain file.
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


def write_private(path: Path, sealed: bytes) -> None:
    """Replace a file in one step: after a crash there is the old one or the new one, never half of either.

    Raises:
        OSError: it could not be written; the old file stands.
    """
    fresh = path.with_name(path.name + ".new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY), "wb") as file:
            file.write(sealed)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # the name is on the disk too
    finally:
        os.close(folder)
