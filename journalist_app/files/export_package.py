"""Export package: the zip file with text and files that a recipient gets in an OpenPGP message.

The zip file contains exactly the text and files that the source was shown. Its file names are safe to save.
The zip has no label, address or number of the mailbox, and no time of day.
"""

import zipfile
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import chain
from typing import IO, Final, cast

from web.filenames import distinct_name

TEXT_NAME: Final = "proposal.txt"
_UNIX: Final = 3  # says in a zip file that `_MODE` is a file mode of Unix
_MODE: Final = 0o600 << 16


def zip_package(text: str, files: Iterable[tuple[str, Iterator[bytes]]], day: date) -> Iterator[bytes]:
    """Yield a zip file with the text and files for a recipient, in pieces.

    The files are read once, in order. If reading a file fails, the exception reaches the caller, and the zip
    file is incomplete.
    """
    output = _ZipOutput()
    names: set[str] = set()
    with zipfile.ZipFile(cast("IO[bytes]", output), "w", zipfile.ZIP_STORED) as archive:  # write-only
        for name, pieces in chain([(TEXT_NAME, iter((text.encode("utf-8"),)))], files):
            about = zipfile.ZipInfo(distinct_name(name, names), (day.year, day.month, day.day, 0, 0, 0))
            about.create_system = _UNIX
            about.external_attr = _MODE
            with archive.open(about, "w", force_zip64=True) as member:
                for piece in pieces:
                    member.write(piece)
                    yield output.take()
    yield output.take()


class _ZipOutput:
    """Write-only file in memory, from which the caller takes the bytes that `zipfile` wrote."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, piece: bytes) -> int:
        self._written += piece
        return len(piece)

    def flush(self) -> None:
        """Do nothing. `zipfile` calls this, but written bytes stay in memory until `take` returns them."""

    def take(self) -> bytes:
        written = bytes(self._written)
        self._written.clear()
        return written
