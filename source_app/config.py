"""Settings of the source's site, which `deploy.settings.load_settings` reads from the settings file."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """Settings of the source's site. No field can contain a secret.

    The file `config.example.toml` explains each setting.
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
    argon2_queue: int
    argon2_lock_path: Path
    workers: int
    threads: int
    leave_url: str
    languages: tuple[str, ...]
    new_mailboxes_an_hour: int = 0
    onion_socket: str = ""
    onion_host: str = ""
    tells_onion: bool = False
    security_contact: str = ""
    security_contact_until: date = date.min
    security_languages: tuple[str, ...] = ()
    where_conduct: dict[str, str] = field(default_factory=dict)
    where_integrity: dict[str, str] = field(default_factory=dict)
    where_complaints: dict[str, str] = field(default_factory=dict)

    @property
    def onion_origin(self) -> str | None:
        """Return the Origin header that Tor Browser sends, or None if there is no onion service.

        The origin begins with `http://`, because Tor itself encrypts the connection and proves the address.
        """
        return f"http://{self.onion_host}" if self.onion_host else None

    @property
    def origins(self) -> tuple[str, ...]:
        """Return the origins at which visitors can reach this site: the web address and the onion address."""
        return tuple(filter(None, (self.origin, self.onion_origin)))
