"""Settings of the backups, section [backup]."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BackupConfig:
    """Settings of a server's backups: their folder, how long they are kept, and who can decrypt the keys.

    `keep` is the number of backups, and `keep_days` is their highest age. `age_recipients` are age public
    keys.
    """

    folder: Path
    keep: int
    keep_days: int
    age_recipients: tuple[str, ...]
