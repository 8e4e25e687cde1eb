"""Publishing of the onion services through Tor's control port, and again after each restart of Tor."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from gunicorn.systemd import sd_notify
from stem.control import Controller

from deploy.errors import OnionError, TorAwayError
from deploy.onion.clients import client_keys
from deploy.onion.control import add_onion, connect_to_tor
from deploy.onion.folders import find_service_key, write_service_key
from deploy.onion.onion_keys import OnionKey
from deploy.quiet_log import OWN_LOGGER
from deploy.settings.onion_settings import OnionConfig, Way

_POLL_SECONDS = 2.0
_log = logging.getLogger(OWN_LOGGER)

Say = Callable[[str], object]


def publish_services(config: OnionConfig, source_socket: str, *, say: Say) -> None:
    """Publish the onion services of the source's site and of sync, until Tor ends.

    Missing keys are made first.

    Raises:
        OnionError: the services cannot be published. The message says what to do.
    """
    services = _Services(config, source_socket)
    with connect_to_tor(config.control) as controller:
        services.publish(controller, say)


def keep_published(config: OnionConfig, source_socket: str, stop: threading.Event, *, say: Say) -> None:
    """Keep the onion services published in the Tor network until `stop` is set.

    If Tor is not running, this function waits for Tor.

    Raises:
        OnionError: the services cannot be published, and waiting would not help. The message says what to do.
    """
    # A server starts Tor and this program at the same time, so Tor may come later.
    services = _Services(config, source_socket)
    is_waiting = False
    while not stop.is_set():
        sd_notify("READY=1\nWATCHDOG=1", _log)
        try:
            with connect_to_tor(config.control) as controller:
                is_waiting = False
                services.publish(controller, say)
                while controller.is_alive() and not stop.wait(_POLL_SECONDS):
                    services.publish_changed_clients(controller, say)
                    sd_notify("WATCHDOG=1", _log)
        except TorAwayError as why:
            if not is_waiting:
                say(f"{why} Waiting for it.")
            is_waiting = True
        stop.wait(_POLL_SECONDS)


class _Services:
    """The onion services of the source's site and of sync, with their keys, sockets and clients."""

    def __init__(self, config: OnionConfig, source_socket: str) -> None:
        if config.way != Way.CONTROL:
            raise OnionError(
                "With the setting 'way' = \"torrc\" Tor itself publishes: use steunpunt onion torrc."
            )
        if not source_socket:
            raise OnionError("Name the socket first: 'onion_socket' under [source] in the settings file.")
        self._config = config
        self._source_socket = source_socket
        self._source = read_or_make_service_key(config.source_folder)
        self._sync = read_or_make_service_key(config.sync_folder) if config.sync_socket else None
        self._clients: list[str] = []

    def publish(self, controller: Controller, say: Say) -> None:
        add_onion(controller, self._source, self._source_socket)
        say(f"Published: http://{self._source.host}")
        self._clients = []
        self.publish_changed_clients(controller, say)

    def publish_changed_clients(self, controller: Controller, say: Say) -> None:
        if self._sync is None:
            return
        clients = sorted(client_keys(self._config.clients_folder).values())
        if clients != self._clients:
            add_onion(controller, self._sync, self._config.sync_socket, clients=clients)
            self._clients = clients
            say(f"Published for admitted workstations only: http://{self._sync.host}")


def read_or_make_service_key(folder: Path) -> OnionKey:
    """Return the secret key of an onion service from its folder. If the key is missing, make a new key.

    Raises:
        OnionError: the key is damaged.
        UnsafePathError: others can read the key.
        OnionFolderError: the folder cannot be read or written.
    """
    key = find_service_key(folder)
    if key is None:
        key = OnionKey.draw()
        write_service_key(folder, key)
    return key
