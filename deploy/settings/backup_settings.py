"""Settings of the backups, section [backup]."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BackupConfig:
    """Settings of a server's backups: their folder, how long they are kept, and who can decrypt the keys.

    Only the newest `keep` backups are kept, for at most `keep_days` days. `age_recipients` are public keys
    of the program age.
    """

    folder: Path
    keep: int
    keep_days: int
    age_recipients: tuple[str, ...]
