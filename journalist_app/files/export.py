"""Interface for passing on a proposal: recipients, inspection and cleaning of files, encrypted export.

`gpg_export` implements the interface. Without gpg or an OpenPGP key, the desk has no exporter and cannot pass
anything on.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Protocol

from journalist_app.files.pinned_recipients import RecipientKey


@dataclass(frozen=True, slots=True)
class FileFindings:
    """Result of inspecting a file: one sentence per finding, and whether a cleaned copy can be made.

    Findings are metadata and hidden parts. If the file could not be inspected, `lines` says why.
    """

    lines: tuple[str, ...] = field(repr=False)
    can_clean: bool


class Exporter(Protocol):
    """Interface of the external programs and OpenPGP keys with which the desk passes on texts and files."""

    @property
    def recipients(self) -> tuple[RecipientKey, ...]:
        """Return the recipients that the settings pin by fingerprint."""

    def require_usable(self, fingerprint: str, today: date) -> None:
        """Check that the recipient's key with this fingerprint can be used today.

        Raises:
            PassOnRefusedError: the key is unknown, expired, revoked, or not made for encryption.
        """

    def work_folder(self) -> AbstractContextManager[Path]:
        """Create an empty private folder in memory. The folder is deleted at the end of the context."""

    def inspect(self, path: Path, name: str) -> FileFindings:
        """Find metadata and hidden parts of a file in a work folder. `name` is the file's original name."""

    def clean(self, path: Path, name: str) -> bytes | None:
        """Return a copy of a file without metadata, or None if mat2 fails. The original does not change."""

    def make(
        self, recipient: RecipientKey, text: str, files: Iterable[tuple[str, Iterator[bytes]]], today: date
    ) -> Iterator[bytes]:
        """Return an export package in pieces, encrypted to the recipient's key and signed by the desk.

        Raises:
            PassOnRefusedError: the recipient's key cannot be used. The returned iterator raises this
                exception too, if gpg fails.
        """
