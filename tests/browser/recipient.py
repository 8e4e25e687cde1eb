"""Somebody at the ministry to whom something is passed on, with a gpg of their own and nothing of ours."""

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
    """Their gpg, and the one key in it."""

    home: Path

    def gpg(self, *arguments: str, given: bytes = b"") -> bytes:
        """Run their gpg; return what it writes."""
        return subprocess.run(
            ["gpg", "--homedir", self.home, "--batch", "--quiet", *arguments],
            input=given,
            capture_output=True,
            check=True,
        ).stdout

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of their key."""
        listed = self.gpg("--with-colons", "--list-secret-keys").decode()
        return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))

    def is_pinned_by(self, desk: Desk) -> None:
        """Have a desk's settings name this recipient, and put their key beside them."""
        (desk.settings.parent / "sg.asc").write_bytes(self.gpg("--armor", "--export"))
        pinned = (
            f'{{ role = "sg", name = "{NAME}", fingerprint = "{self.fingerprint}", key_path = "sg.asc" }}'
        )
        settings = desk.settings.read_text("utf-8")
        assert "recipients = []" in settings
        desk.settings.write_text(settings.replace("recipients = []", f"recipients = [{pinned}]"), "utf-8")


@contextlib.contextmanager
def a_recipient() -> Iterator[Recipient]:
    """Make somebody a key; their gpg is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="sg-") as folder:  # a short path: gpg's sockets lie in it
        somebody = Recipient(Path(folder))
        somebody.gpg("--passphrase", "", "--quick-generate-key", NAME, "default", "default", "0")
        yield somebody
        subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=True)
