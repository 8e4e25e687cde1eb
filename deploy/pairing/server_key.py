"""The server's own key on its disk: 64 bytes, made once."""

import os
from contextlib import suppress
from pathlib import Path

from crypto.errors import MalformedError
from deploy.atomic_folder import sync_folder, write_new
from deploy.errors import ServerKeyError
from deploy.hardening import refuse_readable_by_others
from protocol.pouch.pouch_file import ServerKey

_BYTES = 64


def read_server_key(path: Path) -> ServerKey:
    """Read the key.

    Raises:
        ServerKeyError: it is not there, or is none.
        UnsafePlaceError: others can read it.
    """
    if not path.exists():
        raise ServerKeyError(f"There is no server key in {path}: put its backup back, or run: steunpunt card")
    refuse_readable_by_others(path)
    try:
        return ServerKey.from_bytes(path.read_bytes())
    except MalformedError as why:
        raise ServerKeyError(f"{path} is not a server key of 64 bytes: put its backup back.") from why
    except OSError as why:
        raise ServerKeyError(f"{path} cannot be read ({type(why).__name__}).") from why


def make_server_key(path: Path) -> None:
    """Make a key, unless there is one: half a key never stands under its name.

    Raises:
        ServerKeyError: it cannot be written.
    """
    if path.exists():
        return
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        write_new(fresh, os.urandom(_BYTES))
        with suppress(FileExistsError):  # another made one meanwhile: that is it
            path.hardlink_to(fresh)
        fresh.unlink()
        sync_folder(path.parent)
    except OSError as why:
        raise ServerKeyError(f"{path} cannot be written ({type(why).__name__}).") from why
