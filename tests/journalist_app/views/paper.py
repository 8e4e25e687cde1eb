"""Fake exporter for tests, which keeps every text and file instead of running gpg and mat2."""

import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO, Self

from journalist_app.errors import PassOnRefusal, PassOnRefusedError
from journalist_app.files.file_examiner import CopyForm, CopyOutcome, FileExaminer, SafeCopy
from journalist_app.files.metadata import FileFindings
from journalist_app.files.pinned_recipients import RecipientKey

KEY, OTHER_KEY = "A" * 40, "B" * 40


@dataclass
class Paper:
    """Fake exporter that keeps every text and file that it gets, in a folder of the test."""

    folder: Path
    recipients: tuple[RecipientKey, ...] = (
        RecipientKey("sg", "Secretaris-generaal", KEY, Path()),
        RecipientKey("other", "X", OTHER_KEY, Path()),
    )
    refused: set[str] = field(default_factory=set)
    is_broken: bool = False
    real: FileExaminer | None = None  # examines the files instead of this fake exporter
    shares: list[float] = field(default_factory=list)  # until when each file may be examined
    may_end: threading.Event = field(default_factory=threading.Event)  # clear it to keep a file waiting
    made: list[tuple[str, str, list[tuple[str, bytes]]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.may_end.set()

    def require_usable(self, fingerprint: str, today: date) -> None:
        assert today
        if fingerprint in self.refused:
            raise PassOnRefusedError(PassOnRefusal.RECIPIENT_KEY)

    @property
    def home(self) -> Self:
        return self

    @property
    def examiner(self) -> Self:
        return self

    def inspect(self, file: IO[bytes], name: str, until: float) -> FileFindings:
        self.shares.append(until)
        assert self.may_end.wait(20)
        if self.real is not None:
            return self.real.inspect(file, name, until)
        author = b"author" in os.pread(file.fileno(), 10**6, 0)
        assert name
        return FileFindings(("Author: J. Jansen" if author else "Nothing",), is_empty=not author)

    def make_copy(self, file: IO[bytes], name: str, until: float) -> CopyOutcome:
        assert until
        if self.real is not None:
            return self.real.make_copy(file, name, until)
        content = os.pread(file.fileno(), 10**6, 0)
        if b"author" not in content or not name.endswith((".pdf", ".doc")):
            return CopyOutcome(None, ("No copy.",))
        form = CopyForm.CLEANED if name.endswith(".pdf") else CopyForm.PAGES
        copy = SafeCopy(form, name, content.replace(b"author", b""), pages=3 * (form is CopyForm.PAGES))
        return CopyOutcome(copy, ("A copy.",))

    def make(
        self, recipient: RecipientKey, text: str, files: Iterable[tuple[str, Iterator[bytes]]], today: date
    ) -> Iterator[bytes]:
        assert today
        if self.is_broken:
            raise OSError("the disk is full")
        self.made.append((recipient.fingerprint, text, [(name, b"".join(all_)) for name, all_ in files]))
        yield b"-----BEGIN PGP MESSAGE-----"
