"""Tor of a workstation: the key with which it connects to the server's onion service.

Source: tor(1), 0.4.9, *ClientOnionAuthDir*.
"""

import os
import re
import secrets
from pathlib import Path

from deploy.atomic_folder import write_new
from deploy.errors import OnionFolderError, os_error_as
from deploy.hardening import PRIVATE_FOLDER
from deploy.onion.clients import parse_private_line
from deploy.onion.folders import give_to_owner_of
from deploy.onion.torrc import tell_tor
from store.database.atomic_files import sync_folder

_TORRC = Path("/etc/tor/torrc")
_FOLDER = Path("/var/lib/tor/onion_auth")
_OPTION = "ClientOnionAuthDir"
_NAMED = re.compile(rf"(?mi)^[ \t]*{_OPTION}[ \t]+(\S+)")
_NEEDS = ": run this as root, on a workstation with Debian's tor."


def use_client_key(path: Path, torrc: Path = _TORRC, usual: Path = _FOLDER) -> Path:
    """Give this machine's Tor a workstation's key to an onion service, and restart Tor.

    If Tor's settings name no folder for such keys, add the folder `usual` to the settings. Return the path of
    the key in the folder.

    Raises:
        OnionError: the file is not such a key, or Tor does not start again.
        OnionFolderError: this user cannot write Tor's settings or the folder.
    """
    with os_error_as(f"{path} cannot be read", OnionFolderError):
        line = parse_private_line(path.read_bytes())
    with os_error_as("Tor's settings and keys cannot be written", OnionFolderError, advice=_NEEDS):
        found = _NAMED.search(before := torrc.read_text("utf-8"))
        folder = Path(found[1]) if found else usual
        if not folder.exists():
            folder.mkdir(PRIVATE_FOLDER)
            give_to_owner_of(folder.parent, folder)
        unfinished = folder / f".{path.name}.{secrets.token_hex(4)}"
        write_new(unfinished, line)
        give_to_owner_of(folder, unfinished)
        unfinished.rename(folder / path.name)
        sync_folder(folder)
        if not found:
            with torrc.open("a", encoding="utf-8") as lines:
                lines.write("" if before.endswith("\n") else "\n")
                lines.write(f"{_OPTION} {folder}\n")
                lines.flush()
                os.fsync(lines.fileno())
    tell_tor("restart")
    return folder / path.name
