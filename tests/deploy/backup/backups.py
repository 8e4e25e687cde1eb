"""A server with keys of an onion service, and its backups, used through the commands that people type."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from crypto import age
from deploy.noted_days import REWRITTEN, note_day
from deploy.onion.folders import write_service_key
from deploy.onion.onion_keys import OnionKey
from deploy.settings.load_settings import load_config
from deploy.settings.onion_settings import OnionConfig
from deploy.settings.settings_text import with_key
from deploy.setup import STORE
from tests.deploy.two_machines import Machine, TwoMachineDesk, a_desk
from web.dates import utc_today

IDENTITY = age.PQIdentity(b"p" * 32)


@dataclass(frozen=True, slots=True)
class BackedUpDesk:
    """A paired desk whose server has a section [backup], a recipient, and onion keys in its own folder."""

    desk: TwoMachineDesk

    @property
    def server(self) -> Machine:
        return self.desk.server

    @property
    def var(self) -> Path:
        return self.server.settings.parent

    @property
    def folder(self) -> Path:
        return self.var / "backups"

    @property
    def identity(self) -> Path:
        path = self.desk.folder / "identity.txt"
        path.write_text(f"{IDENTITY.to_text()}\n", "ascii")
        return path

    def set(self, section: str, key: str, value: str) -> None:
        """Change a setting of the server. `value` is as TOML writes it."""
        path = self.server.settings
        text = with_key(path.read_text("utf-8"), section, key, "changed below")
        path.write_text(text.replace(f'{key} = "changed below"', f"{key} = {value}"), "utf-8")

    def backs_up(self) -> Path:
        """Make a backup. Return its folder."""
        said = self.server.does("backup")
        return Path(re.findall(r"(\S+): \d+ entries verified", said)[0])

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def aged(self, backup: Path, days: int) -> Path:
        """Rename a backup, as if it had been made some days ago."""
        day = re.findall(r"\d{4}-\d\d-\d\d", backup.name)[0]
        earlier = date.fromisoformat(day) - timedelta(days)
        return backup.rename(backup.with_name(f"backup-{earlier}"))


def a_backed_up_desk(folder: Path) -> BackedUpDesk:
    desk = a_desk(folder)
    desk.pair_first()
    note_day(desk.server.settings.parent / STORE, REWRITTEN, utc_today())  # its letterhead is years old
    made = BackedUpDesk(desk)
    made.set("backup", "age_recipients", f'["{IDENTITY.recipient}"]')
    made.set("onion", "way", '"control"')
    made.set("onion", "folder", '"onion"')
    config = load_config(desk.server.settings, "onion", OnionConfig)
    write_service_key(config.source_folder, OnionKey.draw())
    return made
