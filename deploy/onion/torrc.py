"""The lines by which Tor publishes the onion services itself: it keeps the key, nobody holds its controls.

Source: tor(1), 0.4.9, *HIDDEN SERVICE OPTIONS*.
"""

from pathlib import Path

from deploy.errors import OnionSettingsError
from deploy.onion.clients import client_keys
from deploy.settings.onion_settings import OnionConfig

_HEAD = """\
# Steunpunt Mailbox: the onion services. Written by `steunpunt onion torrc`; docs/operator.md.
# Never a single hop: with it, whoever watches the network sees where this machine is.
HiddenServiceNonAnonymousMode 0
HiddenServiceSingleHopMode 0
"""
_SOURCE = """
# The source's interface.
HiddenServiceDir {folder}
HiddenServiceVersion 3
HiddenServicePort 80 unix:{socket}
# Under attack, whoever comes works for their place in line: floods cost their makers, not the sources.
HiddenServicePoWDefensesEnabled 1
"""
_SYNC = """
# The door for sync. Only the keys in its folder authorized_clients come in.
HiddenServiceDir {folder}
HiddenServiceVersion 3
HiddenServicePort 80 unix:{socket}
"""


def torrc_lines(config: OnionConfig, source_socket: str) -> str:
    """Return the lines for Tor's settings: the source's interface, and the door for sync if there is one.

    Raises:
        OnionSettingsError: no socket is named, or a folder's name would not be read back as it is.
        OnionFolderError: it cannot be seen who may come in at the door for sync.
        ClientKeyError: nobody may yet, and Tor would then ask nobody for a key; or a key there is damaged.
    """
    if not source_socket:
        raise OnionSettingsError("Name the socket first: 'onion_socket' under [source] in the settings file.")
    lines = _HEAD + _SOURCE.format(folder=_plain(config.source_folder), socket=source_socket)
    if config.sync_socket:
        if not client_keys(config.clients_folder):
            raise OnionSettingsError(
                "Nothing guards the door for sync, and Tor would then ask nobody for a key: run "
                "steunpunt onion torrc as root, or empty 'sync_socket'."
            )
        lines += _SYNC.format(folder=_plain(config.sync_folder), socket=config.sync_socket)
    return lines


def _plain(folder: Path) -> Path:
    text = str(folder)
    if not text.isprintable() or any(sign in text for sign in '#"\\'):
        raise OnionSettingsError(f"'folder' under [onion] must be without signs such as # and \": {text!r}.")
    return folder
