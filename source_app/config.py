"""Settings of the source interface. `deploy.settings.load_settings` reads them from the settings file."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """The settings of the source's interface; it has no field that could hold a secret.

    `origin` is what a browser sends as Origin ("http://127.0.0.1:8080"). Sizes are bytes; `session_minutes`
    is rounded up to half hours. `argon2_lock_path` and the folder of `sessions_path` are on tmpfs.
    `onion_socket` and `onion_host` are empty where there is no onion service; `tells_onion` sends
    Onion-Location to whoever comes without Tor.
    `where_…` tells in one line where a procedure outside this desk is found, or is empty: "ask us".
    """

    store_path: Path
    sessions_path: Path
    letterhead_serial_path: Path
    fingerprint: str
    bind: str
    origin: str
    session_minutes: int
    upload_bytes: int
    upload_files: int
    mailbox_bytes: int
    store_bytes: int
    reserve_bytes: int
    argon2_at_once: int
    argon2_line: int
    argon2_lock_path: Path
    workers: int
    threads: int
    leave_url: str
    onion_socket: str = ""
    onion_host: str = ""
    tells_onion: bool = False
    where_conduct_nl: str = ""
    where_conduct_en: str = ""
    where_integrity_nl: str = ""
    where_integrity_en: str = ""
    where_complaints_nl: str = ""
    where_complaints_en: str = ""

    @property
    def onion_origin(self) -> str | None:
        """Return what Tor Browser sends as Origin. Without TLS: Tor itself seals, and proves the name."""
        return f"http://{self.onion_host}" if self.onion_host else None

    @property
    def origins(self) -> tuple[str, ...]:
        """Return all addresses that this site answers to."""
        return tuple(filter(None, (self.origin, self.onion_origin)))
