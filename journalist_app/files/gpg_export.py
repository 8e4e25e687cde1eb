"""The desk's outbox, with the real programs: gpg for sealing and signing, mat2 for looking into files."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Final

from crypto.errors import MalformedError
from gpg.errors import OpenPGPFailedError, OpenPGPMissingError, OpenPGPPlaceError, RecipientRefusal
from gpg.errors import RecipientRefusedError as KeyRefusedError
from gpg.home import GpgHome
from gpg.recipient_keys import KEY_BYTES_MAX
from journalist_app.errors import PassOnRefusal, PassOnRefusedError
from journalist_app.files import export_package
from journalist_app.files.export import Addressee, FileFindings
from journalist_app.files.metadata import Mat2
from journalist_app.files.pinned_recipients import RecipientKey

_REASONS: Final[Mapping[RecipientRefusal, PassOnRefusal]] = MappingProxyType(
    {
        RecipientRefusal.EXPIRED: PassOnRefusal.RECIPIENT_EXPIRED,
        RecipientRefusal.REVOKED: PassOnRefusal.RECIPIENT_REVOKED,
        RecipientRefusal.OTHER_KEY: PassOnRefusal.RECIPIENT_OTHER_KEY,
        RecipientRefusal.SEVERAL: PassOnRefusal.RECIPIENT_OTHER_KEY,
    }
)


@dataclass(frozen=True, slots=True)
class GpgExporter:
    """Whom this desk can pass on to, with what. `refused` holds what is wrong with a key since unlocking."""

    home: GpgHome
    signer: str  # fingerprint of the desk's own key
    recipients: tuple[RecipientKey, ...]
    refused: Mapping[str, RecipientRefusal] = field(repr=False)
    mat2: Mat2

    def require_usable(self, fingerprint: str, today: date) -> None:
        """Check a pinned key on the day it is to be used.

        Raises:
            RecipientRefusedError: or the kind of it that says why.
        """
        why = self.refused.get(fingerprint)
        if why is None:
            try:
                self.home.usable_subkey(fingerprint, today)
            except KeyRefusedError as refused:
                why = refused.reason
        if why is not None:
            raise PassOnRefusedError(_REASONS.get(why, PassOnRefusal.RECIPIENT_KEY))

    def work_folder(self) -> AbstractContextManager[Path]:
        """Give an empty folder in memory, ours alone, which is gone when it is left."""
        return self.home.work_folder()

    def inspect(self, path: Path, name: str) -> FileFindings:
        """Say what is in a file in such a folder; `name` is how its owner calls it."""
        return self.mat2.inspect(path, name)

    def clean(self, path: Path, name: str) -> bytes | None:
        """Return a cleaned copy; None where none could be made. The file itself stays as it is."""
        return self.mat2.clean(path, name)

    def make(
        self, recipient: Addressee, text: str, files: Iterable[tuple[str, Iterator[bytes]]], today: date
    ) -> Iterator[bytes]:
        """Return the pieces of one file for a recipient, sealed to their key and signed by the desk's.

        Raises:
            RecipientRefusedError: their key cannot be used; at once.
            NoOpenPGPError: from the iterator: gpg did not make it.
        """
        self.require_usable(recipient.fingerprint, today)
        return self._made(recipient, text, files, today)

    def _made(
        self, recipient: Addressee, text: str, files: Iterable[tuple[str, Iterator[bytes]]], today: date
    ) -> Iterator[bytes]:
        try:
            yield from export_package.make_export_package(
                self.home,
                recipient=recipient.fingerprint,
                signer=self.signer,
                text=text,
                files=files,
                day=today,
            )
        except OpenPGPFailedError as why:
            raise PassOnRefusedError(PassOnRefusal.NO_OPENPGP) from why


def open_exporter(
    home_path: Path, secret_key: str, recipients: tuple[RecipientKey, ...], mat2: Mat2
) -> GpgExporter | None:
    """Give gpg its home, the desk's own key and the recipients'; None where this desk has no OpenPGP.

    A recipient's key that cannot be read or is another one is remembered as refused: passing on to the others
    goes on.
    """
    if not secret_key:
        return None
    try:
        home = GpgHome.open(home_path)
    except (OpenPGPMissingError, OpenPGPPlaceError):
        return None
    try:
        signer = home.import_secret(secret_key)
    except MalformedError:
        home.close()
        return None
    refused = MappingProxyType(_take_in(home, recipients))
    return GpgExporter(home, signer, recipients, refused, mat2)


def _take_in(home: GpgHome, recipients: Iterable[RecipientKey]) -> dict[str, RecipientRefusal]:
    refused = {}
    for each in recipients:
        try:
            home.import_public(_read(each.key_path), each.fingerprint)
        except KeyRefusedError as why:
            refused[each.fingerprint] = why.reason
    return refused


def _read(path: Path) -> bytes:
    """Return a key file, or nothing where it cannot be read: that is refused as no key."""
    try:
        with path.open("rb") as file:
            return file.read(KEY_BYTES_MAX + 1)
    except OSError:
        return b""
