"""Lines for Tor's settings file. With these lines, Tor publishes the onion services and keeps their keys.

Source: tor(1), 0.4.9, *HIDDEN SERVICE OPTIONS*.
"""

from pathlib import Path

from deploy.errors import OnionError
from deploy.onion.clients import client_keys
from deploy.settings.onion_settings import OnionConfig

_HEAD = """\
# Steunpunt Mailbox: the onion services. Written by `steunpunt onion torrc`; docs/operator.md.
# Never a single hop: anyone who watches the network would see where this machine is.
HiddenServiceNonAnonymousMode 0
HiddenServiceSingleHopMode 0
"""
_SOURCE = """
# The source's interface.
HiddenServiceDir {folder}
HiddenServiceVersion 3
HiddenServicePort 80 unix:{socket}
# During a flood each visitor has to compute to get a place in the queue: costly for attackers only.
HiddenServicePoWDefensesEnabled 1
"""
_SYNC = """
# The sync endpoint. Only clients whose key is in its folder authorized_clients can connect.
HiddenServiceDir {folder}
HiddenServiceVersion 3
HiddenServicePort 80 unix:{socket}
"""


def torrc_lines(config: OnionConfig, source_socket: str) -> str:
    """Return the lines to add to Tor's settings file, so that Tor publishes the onion services.

    If the settings name no socket for sync, the lines are only for the source's site.

    Raises:
        OnionError: the source's socket or the clients' keys are missing, a key is damaged, or a folder's name
            has characters that Tor would misread.
        OnionFolderError: this user cannot read the list of clients.
    """
    if not source_socket:
        raise OnionError("Name the socket first: 'onion_socket' under [source] in the settings file.")
    lines = _HEAD + _SOURCE.format(folder=_plain(config.source_folder), socket=source_socket)
    if config.sync_socket:
        if not client_keys(config.clients_folder):
            raise OnionError(
                "The onion for sync has no client key yet, so Tor would ask no one for a key: run steunpunt "
                "onion torrc as root, or empty 'sync_socket'."
            )
        lines += _SYNC.format(folder=_plain(config.sync_folder), socket=config.sync_socket)
    return lines


def _plain(folder: Path) -> Path:
    text = str(folder)
    if not text.isprintable() or any(sign in text for sign in '#"\\'):
        raise OnionError(f"'folder' under [onion] must not contain signs such as # and \": {text!r}.")
    return folder
