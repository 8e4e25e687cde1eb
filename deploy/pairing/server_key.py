"""Secret key with which a server signs and decrypts sync bundles, in a file of 64 bytes that is made once."""

import os
from contextlib import suppress
from pathlib import Path

from crypto.errors import MalformedError
from deploy.atomic_folder import write_new
from deploy.errors import DeployError, os_error_as, refused_as
from deploy.hardening import refuse_readable_by_others
from protocol.pouch.pouch_file import ServerKey
from store.database.atomic_files import sync_folder

_BYTES = 64


def read_server_key(path: Path) -> ServerKey:
    """Read the server's secret key from its file.

    Raises:
        DeployError: the file is missing or has a wrong form.
        UnsafePathError: others can read the file.
    """
    if not path.exists():
        raise DeployError(
            f"There is no server key in {path}: restore its backup, or run: steunpunt server card"
        )
    refuse_readable_by_others(path)
    damaged = f"{path} is not a server key of 64 bytes: restore its backup."
    with os_error_as(f"{path} cannot be read"), refused_as(MalformedError, damaged):
        return ServerKey.from_bytes(path.read_bytes())


def make_server_key(path: Path) -> None:
    """Make the server's secret key, unless the server has a key already.

    The key's file appears only when it is complete.

    Raises:
        DeployError: the file cannot be written.
    """
    if path.exists():
        return
    fresh = path.with_name(f"{path.name}.new")
    with os_error_as(f"{path} cannot be written"):
        fresh.unlink(missing_ok=True)
        write_new(fresh, os.urandom(_BYTES))
        with suppress(FileExistsError):  # another process just made a key, which is used
            path.hardlink_to(fresh)
        fresh.unlink()
        sync_folder(path.parent)
