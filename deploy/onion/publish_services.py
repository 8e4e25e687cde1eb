"""Publish the onion services through Tor's control port, and again whenever Tor has restarted."""

import threading
from collections.abc import Callable
from pathlib import Path

from stem.control import Controller

from deploy.errors import OnionKeyError, OnionSettingsError, TorAwayError
from deploy.onion.clients import client_keys
from deploy.onion.control import add_onion, connect_to_tor
from deploy.onion.folders import read_service_key, write_service_key
from deploy.onion.onion_keys import SECRET_FILE, OnionKey
from deploy.settings.onion_settings import OnionConfig, Way

_LOOK_SECONDS = 2.0

Say = Callable[[str], object]


def publish_services(config: OnionConfig, source_socket: str, *, say: Say) -> None:
    """Publish once what the settings name. The services stay until Tor ends, not until we do.

    Keys are made where there are none, and are on the disk before Tor hears of them.

    Raises:
        OnionError: it cannot be done; the message says what to do.
    """
    services = _Services(config, source_socket)
    with connect_to_tor(config.control) as controller:
        services.publish(controller, say)


def keep_published(config: OnionConfig, source_socket: str, stop: threading.Event, *, say: Say) -> None:
    """Publish, and again after every restart of Tor and when a workstation comes or goes, until `stop`.

    While Tor is away we wait for it: on a server both start at the same time.

    Raises:
        OnionError: something but Tor's absence is in the way; the message says what to do.
    """
    services = _Services(config, source_socket)
    is_waiting = False
    while not stop.is_set():
        try:
            with connect_to_tor(config.control) as controller:
                is_waiting = False
                services.publish(controller, say)
                _watch(controller, services, stop, say)
        except TorAwayError as why:
            if not is_waiting:
                say(f"{why} Waiting for it.")
            is_waiting = True
        stop.wait(_LOOK_SECONDS)


def _watch(controller: Controller, services: "_Services", stop: threading.Event, say: Say) -> None:
    while controller.is_alive() and not stop.wait(_LOOK_SECONDS):
        services.publish_changed_clients(controller, say)


class _Services:
    """Both services: their keys, where they lead, and who may come in."""

    def __init__(self, config: OnionConfig, source_socket: str) -> None:
        if config.way != Way.CONTROL:
            raise OnionSettingsError(
                "The settings let Tor itself publish ('way' is \"torrc\"): use steunpunt onion torrc."
            )
        if not source_socket:
            raise OnionSettingsError(
                "Name the socket first: 'onion_socket' under [source] in the settings file."
            )
        self._config = config
        self._source_socket = source_socket
        self._source = read_or_make_service_key(config.source_folder)
        self._sync = read_or_make_service_key(config.sync_folder) if config.sync_socket else None
        self._clients: list[str] = []

    def publish(self, controller: Controller, say: Say) -> None:
        """Publish both. The door for sync stays shut as long as no workstation was admitted."""
        add_onion(controller, self._source, self._source_socket)
        say(f"Published: http://{self._source.host}")
        self._clients = []
        self.publish_changed_clients(controller, say)

    def publish_changed_clients(self, controller: Controller, say: Say) -> None:
        """Publish the door for sync anew if others may come in than before."""
        if self._sync is None:
            return
        clients = sorted(client_keys(self._config.clients_folder).values())
        if clients != self._clients:
            add_onion(controller, self._sync, self._config.sync_socket, clients=clients)
            self._clients = clients
            say(f"Published for admitted workstations alone: http://{self._sync.host}")


def read_or_make_service_key(folder: Path) -> OnionKey:
    """Return the key in a folder of ours, made now if there is none.

    Raises:
        OnionKeyError: it is damaged, or others can read it.
        OnionFolderError: the folder cannot be read or written.
    """
    try:
        return read_service_key(folder)
    except OnionKeyError:
        if (folder / SECRET_FILE).exists():
            raise
    key = OnionKey.draw()
    write_service_key(folder, key)
    return key
