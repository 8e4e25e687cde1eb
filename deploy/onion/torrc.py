"""Lines for Tor's settings file. With these lines, Tor publishes the onion services and keeps their keys.

Source: tor(1), 0.4.9, *HIDDEN SERVICE OPTIONS*.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from deploy.errors import OnionError, OnionFolderError, os_error_as
from deploy.onion.clients import client_keys
from deploy.onion.folders import RIGHT_USER, read_host
from deploy.settings.onion_settings import TOR_LOG, OnionConfig, Way
from programs.errors import ProgramFailedError
from programs.runner import ProgramLimits, run_program

_TORRC = Path("/etc/tor/torrc.d/steunpunt.conf")  # the Debian package of the server lets Tor read this
_TOR_FOLDER = Path("/var/lib/tor")  # of Debian's Tor, which systemd runs
_SYSTEMCTL: Sequence[str] = ("/usr/bin/systemctl",)
_SYSTEMCTL_LIMITS = ProgramLimits(60, memory_bytes=1_000_000_000, output_bytes=100_000)
_TRIES, _TRY_SECONDS = 300, 0.2

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


def publish_with_torrc(lines: str, folders: Sequence[Path], torrc: Path = _TORRC) -> list[str]:
    """Write the lines of `torrc_lines` to a settings file of Tor, and make Tor read the file.

    Wait until Tor has made the key of each onion service. Return the onion addresses.

    Raises:
        OnionError: Tor does not run, or makes no key within a minute.
        OnionFolderError: the file cannot be written.
    """
    with os_error_as(f"{torrc} cannot be written", OnionFolderError, advice=RIGHT_USER):
        torrc.write_text(f"{lines}\nLog notice file {TOR_LOG}\n", "utf-8")
        torrc.chmod(0o644)  # Tor reads the file as Tor's own user
    tell_tor("reload")
    for _ in range(_TRIES):
        hosts = [host for folder in folders if (host := read_host(folder))]
        if len(hosts) == len(folders):
            return hosts
        time.sleep(_TRY_SECONDS)
    raise OnionError(f"Tor made no onion address. Its log, {TOR_LOG}, says why.")


def use_changed_clients(config: OnionConfig, action: str) -> str:
    """Let Tor use a changed list of clients. Return a sentence about what was done, or must be done.

    `action` is what Tor needs: "reload" or "restart".

    Raises:
        OnionError: the list was changed, but Tor does not use it.
    """
    if config.way == Way.CONTROL or config.folder != _TOR_FOLDER:
        return config.how_to_apply(action)
    tell_tor(action)
    return "Tor uses the changed list."


def tell_tor(action: str) -> None:
    """Reload or restart the Tor of this Debian.

    Raises:
        OnionError: Tor does not run, or did not do this within a minute.
    """
    try:
        run_program((*_SYSTEMCTL, action, "tor"), _SYSTEMCTL_LIMITS)
    except (OSError, ProgramFailedError) as why:
        raise OnionError("Tor did not read its settings again. See: systemctl status tor@default.") from why


def _plain(folder: Path) -> Path:
    text = str(folder)
    if not text.isprintable() or any(sign in text for sign in '#"\\'):
        raise OnionError(f"'folder' under [onion] must not contain signs such as # and \": {text!r}.")
    return folder
