"""How something leaves this desk: to whom, looked into before, and sealed to them.

The programs behind it (gpg, mat2) may be missing: then the desk has no outbox, and a page says so.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Protocol


class Addressee(Protocol):
    """Somebody to whom this desk passes on: their part in it, name, and the fingerprint that is pinned."""

    @property
    def role(self) -> str:
        """Return the value of a `protocol.content.Recipient`."""

    @property
    def name(self) -> str:
        """Return the name as the source is shown it, at most 200 characters."""

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of their OpenPGP key: 40 hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class FileFindings:
    """What is in a file besides what it shows, a line for each thing; and whether a cleaned copy can be made.

    Where the kind of file is unknown, or the program is missing, a line says so.
    """

    lines: tuple[str, ...] = field(repr=False)
    can_clean: bool


class Exporter(Protocol):
    """What passing on needs of the world outside."""

    @property
    def recipients(self) -> tuple[Addressee, ...]:
        """Return whom the settings pin."""

    def require_usable(self, fingerprint: str, today: date) -> None:
        """Check a pinned key.

        Raises:
            RecipientRefusedError: unknown, expired, revoked, or not made to be sealed to.
        """

    def work_folder(self) -> AbstractContextManager[Path]:
        """Give an empty folder in memory, ours alone, which is wiped when it is left."""

    def inspect(self, path: Path, name: str) -> FileFindings:
        """Say what is in a file in such a folder; `name` is how its owner calls it."""

    def clean(self, path: Path, name: str) -> bytes | None:
        """Return a cleaned copy; None where none could be made. The file itself stays as it is."""

    def make(
        self, recipient: Addressee, text: str, files: Iterable[tuple[str, Iterator[bytes]]], today: date
    ) -> Iterator[bytes]:
        """Return the pieces of one file for a recipient, sealed to their key and signed by the desk's.

        Raises:
            RecipientRefusedError: their key cannot be used; at once.
            NoOpenPGPError: from the iterator: the program did not make it.
        """
