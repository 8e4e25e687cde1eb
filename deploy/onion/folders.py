"""An onion service's own folder on the disk: what Tor calls a `HiddenServiceDir`, whoever made it."""

import os
import secrets
import shutil
from pathlib import Path

from deploy.atomic_folder import sync_folder, write_new
from deploy.errors import OnionFolderError, OnionKeyError, UnsafePlaceError
from deploy.hardening import PRIVATE_FOLDER, refuse_readable_by_others
from deploy.onion.onion_keys import HOST_FILE, SECRET_FILE, OnionKey
from deploy.settings.onion_address import is_onion_host

_WHO = "run this as root, or as the user whose folder it is."


def read_service_key(folder: Path) -> OnionKey:
    """Read the key of a service.

    Raises:
        OnionKeyError: there is none, it is damaged, or others can read it.
        OnionFolderError: we cannot look.
    """
    path = folder / SECRET_FILE
    try:
        refuse_readable_by_others(path)
        return OnionKey.from_file_bytes(path.read_bytes())
    except UnsafePlaceError as why:
        if isinstance(why.__cause__, FileNotFoundError):
            raise OnionKeyError(f"There is no onion key in {folder}.") from why
        if isinstance(why.__cause__, OSError):
            raise OnionFolderError(f"{folder} cannot be read: {_WHO}") from why
        raise OnionKeyError(str(why)) from why
    except OSError as why:
        raise OnionFolderError(f"{folder} cannot be read ({type(why).__name__}): {_WHO}") from why


def read_host(folder: Path) -> str | None:
    """Return the address that stands in a service's folder; None where there is none, or we may not look."""
    try:
        host = (folder / HOST_FILE).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return host if is_onion_host(host) else None


def write_service_key(folder: Path, key: OnionKey) -> None:
    """Lay a key into a folder that has none, with files of mode 600; the folder is made if it must be (0700).

    What is there already must be the same key. All three files come at once or none: a key that was published
    and then half lost would be an address that nobody can ever use again.

    Raises:
        OnionKeyError: another key is there; nothing was changed.
        OnionFolderError: the folder cannot be written.
    """
    try:
        if (folder / SECRET_FILE).exists():
            if read_service_key(folder) == key:
                return
            raise OnionKeyError(f"Another onion's key lies in {folder}: move it away first, if you mean it.")
        _lay(folder, key)
    except OSError as why:
        raise OnionFolderError(f"{folder} cannot be written ({type(why).__name__}): {_WHO}") from why


def _lay(folder: Path, key: OnionKey) -> None:
    folder.parent.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    unfinished.mkdir(PRIVATE_FOLDER)
    try:
        for name, content in key.files().items():
            write_new(unfinished / name, content)
        if folder.exists():  # with the workstations that were admitted before there was a key
            for name in reversed(key.files()):  # the secret last: with it there, the others are
                (unfinished / name).rename(folder / name)
                give_to_owner_of(folder, folder / name)
        else:
            give_to_owner_of(folder.parent, unfinished, *unfinished.iterdir())
            unfinished.rename(folder)
        sync_folder(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def give_to_owner_of(folder: Path, *made: Path) -> None:
    """Give what root made to whoever owns the folder that it lies in: Tor accepts no file of another user."""
    if os.geteuid() == 0:
        owner = folder.stat()
        for path in made:
            os.chown(path, owner.st_uid, owner.st_gid)
