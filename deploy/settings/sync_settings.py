"""What a server's end of syncing is told. `deploy.settings.load_settings` reads it from the settings file."""

from dataclasses import dataclass
from pathlib import Path

from store.quota import Quota


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """The settings of the door for workstations. `key_path` is the one secret that a server has."""

    store_path: Path
    letterhead_serial_path: Path
    fingerprint: str
    key_path: Path
    bind: str
    mailbox_bytes: int
    store_bytes: int
    reserve_bytes: int
    workers: int
    threads: int

    @property
    def quota(self) -> Quota:
        """Return how much room there is for files."""
        return Quota(self.mailbox_bytes, self.store_bytes, self.reserve_bytes)
