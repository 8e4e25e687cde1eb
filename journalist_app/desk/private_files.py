"""Reading of the two private files of a workstation: the keyring and the trusted state."""

import os
import stat
from pathlib import Path

_OTHERS = 0o077


class ExposedError(Exception):
    """A file with secrets is not private.

    Another user owns the file or can read or write it, or the file is not a plain file.
    """


def read_private(path: Path) -> bytes:
    """Return the bytes of a file, after a check that only its owner can read and write the file.

    Raises:
        OSError: the file does not exist or cannot be read.
        ExposedError: the file is not a plain file that only the owner of this process can read and write.
    """
    # The check is on the open file, so an attacker cannot swap the file after the check.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        if (
            not stat.S_ISREG(status.st_mode)
            or status.st_uid != os.geteuid()
            or stat.S_IMODE(status.st_mode) & _OTHERS
        ):
            raise ExposedError
        return file.read()
