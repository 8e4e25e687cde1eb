"""What `steunpunt onion` is told. `deploy.settings.load_settings` reads it from the settings file."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Way(StrEnum):
    """Who publishes the onion services."""

    TORRC = "torrc"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class OnionConfig:
    """The settings of both onion services: the source's interface, and the door for sync.

    `way` is one of `Way`; `control` is "unix:" and a path, or a loopback address with a port. The services'
    folders lie in `folder`. `sync_socket` is empty where there is no such door.
    """

    way: str
    control: str
    folder: Path
    sync_socket: str

    @property
    def source_folder(self) -> Path:
        """Return where the source's onion key lies: Tor's `HiddenServiceDir`, or ours of the same form."""
        return self.folder / "steunpunt-source"

    @property
    def sync_folder(self) -> Path:
        """Return the same of the door for sync."""
        return self.folder / "steunpunt-sync"

    @property
    def clients_folder(self) -> Path:
        """Return where the workstations lie that may come in at the door for sync."""
        return self.sync_folder / "authorized_clients"

    def heard_of_it(self, how: str) -> str:
        """Return how Tor hears of a change of the clients; `how` is what it takes: "reload" or "restart"."""
        if self.way == Way.CONTROL:
            return "steunpunt onion publish takes it up by itself, while it runs."
        return f"For Tor to hear of it: systemctl {how} tor."  # a reload leaves a line that stands open
