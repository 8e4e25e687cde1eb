"""Interface of passing on: recipients, inspection and cleaning of files, and the encrypted export.

`gpg_export` implements the interface. Without gpg or an OpenPGP key, the desk has no exporter and cannot pass
anything on.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Protocol


class Addressee(Protocol):
    """Recipient of what this desk passes on: role, name and pinned fingerprint."""

    @property
    def role(self) -> str:
        """Return the value of a `protocol.content.PassOnRecipient`."""

    @property
    def name(self) -> str:
        """Return the name that the source sees, at most 200 characters."""

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of the recipient's OpenPGP key: 40 hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class FileFindings:
    """Metadata and hidden parts of a file, a sentence for each, and whether the file can be cleaned.

    If the file could not be inspected, a sentence says why.
    """

    lines: tuple[str, ...] = field(repr=False)
    can_clean: bool


class Exporter(Protocol):
    """External programs and keys that passing on needs."""

    @property
    def recipients(self) -> tuple[Addressee, ...]:
        """Return the recipients that the settings pin."""

    def require_usable(self, fingerprint: str, today: date) -> None:
        """Check that a recipient's key can be used today.

        Raises:
            PassOnRefusedError: the key is unknown, expired, revoked, or not made for encryption.
        """

    def work_folder(self) -> AbstractContextManager[Path]:
        """Open an empty private folder in memory. It is deleted at the end of the context."""

    def inspect(self, path: Path, name: str) -> FileFindings:
        """Inspect a file in a work folder. `name` is the name that its owner gave it."""

    def clean(self, path: Path, name: str) -> bytes | None:
        """Return a cleaned copy of a file, or None if mat2 fails. The file itself does not change."""

    def make(
        self, recipient: Addressee, text: str, files: Iterable[tuple[str, Iterator[bytes]]], today: date
    ) -> Iterator[bytes]:
        """Return the pieces of the export for a recipient, encrypted to their key and signed by the desk.

        Raises:
            PassOnRefusedError: the recipient's key cannot be used. From the iterator: the program failed.
        """
