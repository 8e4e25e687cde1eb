"""Settings of the onion services, section [onion]."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

TOR_SOCKETS = "/run/steunpunt"  # the folder of the sockets that Tor may use
TOR_LOG = "/var/log/tor/notices.log"


class Way(StrEnum):
    """Way in which the onion services are published: Tor's own settings file, or Tor's control port."""

    TORRC = "torrc"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class OnionConfig:
    """Settings of the onion services of the source's site and of the sync endpoint.

    `control` is "unix:" and a path, or a loopback address with a port. `sync_socket` is empty if there is no
    onion service for sync. `sync_host` is the address of this service. `proxy_socket` is empty if there is no
    proxy in front of several source servers.
    """

    way: str
    control: str
    folder: Path
    sync_socket: str
    sync_host: str
    proxy_socket: str

    @property
    def source_folder(self) -> Path:
        """Return the folder with the key of the source's onion service.

        The folder has the form of Tor's `HiddenServiceDir`.
        """
        return self.folder / "steunpunt-source"

    @property
    def sync_folder(self) -> Path:
        """Return the folder with the key of the onion service for sync."""
        return self.folder / "steunpunt-sync"

    @property
    def clients_folder(self) -> Path:
        """Return the folder with the keys of workstations that may connect to the onion service for sync."""
        return self.sync_folder / "authorized_clients"

    def source_socket(self, onion_socket: str) -> str:
        """Return the socket through which Tor reaches the site: that of the proxy, or `onion_socket`."""
        return self.proxy_socket or onion_socket

    def how_to_apply(self, action: str) -> str:
        """Return a sentence that tells the operator how to make Tor use a changed list of clients.

        `action` is what Tor needs: "reload" or "restart".
        """
        if self.way == Way.CONTROL:
            return "steunpunt onion publish applies it by itself, while it runs."
        return f"To apply it: systemctl {action} tor."  # a reload does not close open connections
