"""The file that a recipient is given: one zip in one OpenPGP message, made piece by piece.

What is in it is what the source was shown: the text and the files, under names that are safe to save. No
label, address or number of the mailbox, and no time beyond the day.
"""

import zipfile
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import PurePosixPath
from typing import IO, Final, cast

from gpg.home import GpgHome
from web.filenames import safe_name

TEXT_NAME: Final = "proposal.txt"
_UNIX: Final = 3  # zip's number for the system whose modes `_MODE` are
_MODE: Final = 0o600 << 16


def make_export_package(  # noqa: PLR0913  # who seals what, for whom, and when
    home: GpgHome,
    *,
    recipient: str,
    signer: str,
    text: str,
    files: Iterable[tuple[str, Iterator[bytes]]],
    day: date,
) -> Iterator[bytes]:
    """Seal a text and files to a recipient, signed by the desk; both are primary fingerprints.

    `files` are read in their order, each once, while the pieces of the message are taken. The last piece
    comes when everything is known to have gone well: what `files` raises comes out of the iterator before.

    Raises:
        RecipientRefusedError: the recipient's key cannot be used.
        OpenPGPFailedError: from the iterator: gpg did not do it.
    """
    return home.encrypt_and_sign(_zipped(text, files, day), recipient=recipient, signer=signer, day=day)


def _zipped(text: str, files: Iterable[tuple[str, Iterator[bytes]]], day: date) -> Iterator[bytes]:
    written = _Written()
    names: set[str] = set()
    with zipfile.ZipFile(cast("IO[bytes]", written), "w", zipfile.ZIP_STORED) as archive:  # it only writes
        for name, pieces in _with_text(text, files):
            about = zipfile.ZipInfo(_unused(safe_name(name), names), (day.year, day.month, day.day, 0, 0, 0))
            about.create_system = _UNIX
            about.external_attr = _MODE
            with archive.open(about, "w", force_zip64=True) as member:
                for piece in pieces:
                    member.write(piece)
                    yield written.taken()
    yield written.taken()


def _with_text(
    text: str, files: Iterable[tuple[str, Iterator[bytes]]]
) -> Iterator[tuple[str, Iterator[bytes]]]:
    yield TEXT_NAME, iter((text.encode("utf-8"),))
    yield from files


def _unused(name: str, names: set[str]) -> str:
    """Return the name, or with a number when it was used: some systems know no small and large letters."""
    path = PurePosixPath(name)
    found, number = name, 1
    while found.casefold() in names:
        number += 1
        found = f"{path.stem} ({number}){path.suffix}"
    names.add(found.casefold())
    return found


class _Written:
    """A file that can only be written to, and gives away what was written: zipfile needs no more."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, piece: bytes) -> int:
        self._held += piece
        return len(piece)

    def flush(self) -> None:
        """Do nothing: there is nowhere to flush to."""

    def taken(self) -> bytes:
        held = bytes(self._held)
        self._held.clear()
        return held
