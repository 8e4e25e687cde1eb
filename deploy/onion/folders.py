"""Folder of an onion service on the disk, in the form of Tor's `HiddenServiceDir`."""

import os
import secrets
import shutil
from pathlib import Path

from deploy.atomic_folder import write_new
from deploy.errors import OnionError, OnionFolderError, os_error_as
from deploy.hardening import PRIVATE_FOLDER, refuse_readable_by_others
from deploy.onion.onion_keys import HOST_FILE, SECRET_FILE, OnionKey
from deploy.settings.onion_address import is_onion_host
from store.database.atomic_files import sync_folder

RIGHT_USER = ": run this as root, or as the owner of the folder."


def find_service_key(folder: Path) -> OnionKey | None:
    """Read the secret key of an onion service from its folder. Return None if there is no key.

    Raises:
        OnionError: the key is damaged.
        UnsafePathError: others can read the key.
        OnionFolderError: this user cannot read the folder.
    """
    path = folder / SECRET_FILE
    with os_error_as(f"{folder} cannot be read", OnionFolderError, advice=RIGHT_USER):
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
    refuse_readable_by_others(path)
    return OnionKey.from_file_bytes(raw)


def read_service_key(folder: Path) -> OnionKey:
    """Read the secret key of an onion service from its folder.

    Raises:
        OnionError: the key is missing or damaged.
        UnsafePathError: others can read the key.
        OnionFolderError: this user cannot read the folder.
    """
    if (key := find_service_key(folder)) is None:
        raise OnionError(f"There is no onion key in {folder}.")
    return key


def read_host(folder: Path) -> str | None:
    """Return the onion address in a service's folder, or None if the address is missing or cannot be read."""
    try:
        host = (folder / HOST_FILE).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return host if is_onion_host(host) else None


def write_service_key(folder: Path, key: OnionKey) -> None:
    """Write the key of an onion service to its folder, unless the same key is there.

    Either all three files of the key are written, or none.

    Raises:
        OnionError: the folder has another key. Nothing was changed.
        OnionFolderError: the folder cannot be read or written.
    """
    # If half of a published key were lost, no one could ever use its address again.
    if not refuse_another_key(folder, key):
        with os_error_as(f"{folder} cannot be written", OnionFolderError, advice=RIGHT_USER):
            _write_files(folder, key)


def refuse_another_key(folder: Path, key: OnionKey) -> bool:
    """Return True if an onion service's folder contains this key, and False if the folder contains no key.

    Raises:
        OnionError: the folder contains another key, or a damaged key.
        OnionFolderError: this user cannot read the folder.
    """
    present = find_service_key(folder)
    if present not in {None, key}:
        raise OnionError(f"The key of another onion is in {folder}: move it away first, if you mean it.")
    return present is not None


def _write_files(folder: Path, key: OnionKey) -> None:
    folder.parent.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    unfinished.mkdir(PRIVATE_FOLDER)
    try:
        for name, content in key.files().items():
            write_new(unfinished / name, content)
        if folder.exists():  # the folder exists if workstations were admitted before there was a key
            for name in reversed(key.files()):  # write the secret last: if it is there, so are the others
                (unfinished / name).rename(folder / name)
                give_to_owner_of(folder, folder / name)
            sync_folder(folder)
        else:
            give_to_owner_of(folder.parent, unfinished, *unfinished.iterdir())
            sync_folder(
                unfinished
            )  # before the rename, so that a power cut leaves no folder without its files
            unfinished.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def give_to_owner_of(folder: Path, *made: Path) -> None:
    """If this process is root, give new files to the owner of `folder`, as Tor requires."""
    if os.geteuid() == 0:
        owner = folder.stat()
        for path in made:
            os.chown(path, owner.st_uid, owner.st_gid)
