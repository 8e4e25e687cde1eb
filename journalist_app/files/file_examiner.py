"""Examiner of files that are passed on: what is hidden in a file, and which copy may be offered instead."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, Protocol

from flask_babel import LazyString

from journalist_app.files.metadata import FileFindings


class CopyForm(StrEnum):
    """Kind of copy that is offered instead of the original."""

    CLEANED = "cleaned"  # a file of the same type
    PAGES = "pages"  # pictures of the pages in a PDF


@dataclass(frozen=True, slots=True)
class SafeCopy:
    """Safe copy of a file, which was compared with the original.

    If the copy consists of pictures of the pages, `pages` is the number of pictures. Otherwise it is 0.
    """

    form: CopyForm
    name: str = field(repr=False)
    content: bytes = field(repr=False)
    pages: int = 0


@dataclass(frozen=True, slots=True)
class CopyOutcome:
    """Result of making a copy of a file. `copy` is None if no copy may be offered.

    `remarks` says what the copy is. If no cleaned copy was made, `remarks` also says why.
    """

    copy: SafeCopy | None
    remarks: tuple[LazyString, ...] = field(default=(), repr=False)


class FileExaminer(Protocol):
    """Programs that examine files and make copies. A run must end before `until`, on the monotonic clock."""

    def inspect(self, file: IO[bytes], name: str, until: float) -> FileFindings:
        """Return a file's metadata and hidden parts, or why the file could not be examined."""

    def make_copy(self, file: IO[bytes], name: str, until: float) -> CopyOutcome:
        """Return a copy of a file without hidden information, if a copy can be made and checked."""
