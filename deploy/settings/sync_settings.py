"""Settings of the sync endpoint, section [sync]."""

from dataclasses import dataclass
from pathlib import Path

from store.quota import Quota


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """Settings of a server's sync endpoint. `key_path` is the path of the only secret file of a server."""

    store_path: Path
    letterhead_serial_path: Path
    fingerprint: str
    key_path: Path
    bind: str
    store_bytes: int
    reserve_bytes: int
    workers: int
    threads: int

    @property
    def quota(self) -> Quota:
        """Return the limits for attachments that a sync adds. The limits are for the whole store."""
        # There is no limit for one mailbox, because one full mailbox would stop the sync of all others.
        return Quota(self.store_bytes, self.store_bytes, self.reserve_bytes)
