"""Recipient at the ministry who uses their own gpg, without any of our software."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.desk_servers import Desk

NAME = "J. Jansen"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Recipient with a gpg home folder that has one key pair."""

    home: Path

    def gpg(self, *arguments: str, given: bytes = b"") -> bytes:
        """Run the recipient's gpg and return its output."""
        return subprocess.run(
            ["gpg", "--homedir", self.home, "--batch", "--quiet", *arguments],
            input=given,
            capture_output=True,
            check=True,
        ).stdout

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of the recipient's key."""
        listed = self.gpg("--with-colons", "--list-secret-keys").decode()
        return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))

    def add_to_settings(self, desk: Desk) -> None:
        """Add this recipient to a desk's settings, and save the key beside the settings file."""
        (desk.settings.parent / "sg.asc").write_bytes(self.gpg("--armor", "--export"))
        pinned = (
            f'{{ role = "sg", name = "{NAME}", fingerprint = "{self.fingerprint}", key_path = "sg.asc" }}'
        )
        settings = desk.settings.read_text("utf-8")
        assert "recipients = []" in settings
        desk.settings.write_text(settings.replace("recipients = []", f"recipients = [{pinned}]"), "utf-8")


@contextlib.contextmanager
def a_recipient() -> Iterator[Recipient]:
    """Create a recipient with a new key. Its gpg home is removed afterwards."""
    with tempfile.TemporaryDirectory(
        prefix="sg-"
    ) as folder:  # a short path, since gpg puts its sockets there
        made = Recipient(Path(folder))
        made.gpg("--passphrase", "", "--quick-generate-key", NAME, "default", "default", "0")
        yield made
        subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=True)
