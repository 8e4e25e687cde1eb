"""Exporter of proposals to recipients: runs gpg to encrypt and sign, and an examiner of files.

Without gpg or an OpenPGP key, the desk has no exporter and cannot pass anything on.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
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
from journalist_app.files.file_examiner import FileExaminer
from journalist_app.files.pinned_recipients import RecipientKey

_REASONS: Final[Mapping[RecipientRefusal, PassOnRefusal]] = {
    RecipientRefusal.EXPIRED: PassOnRefusal.RECIPIENT_EXPIRED,
    RecipientRefusal.REVOKED: PassOnRefusal.RECIPIENT_REVOKED,
    RecipientRefusal.OTHER_KEY: PassOnRefusal.RECIPIENT_OTHER_KEY,
    RecipientRefusal.SEVERAL: PassOnRefusal.RECIPIENT_OTHER_KEY,
}


@dataclass(frozen=True, slots=True)
class Exporter:
    """External programs and OpenPGP keys with which the desk passes on texts and files.

    The settings pin `recipients` by fingerprint. `refused` has the reasons why gpg did not import some keys.
    """

    home: GpgHome
    signer: str  # fingerprint of the desk's own OpenPGP key
    recipients: tuple[RecipientKey, ...]
    refused: Mapping[str, RecipientRefusal] = field(repr=False)
    examiner: FileExaminer

    def require_usable(self, fingerprint: str, today: date) -> None:
        """Check that the recipient's OpenPGP key with this fingerprint can be used today.

        Raises:
            PassOnRefusedError: the key is unknown, expired, revoked, or not made for encryption.
        """
        reason = self.refused.get(fingerprint)
        if reason is None:
            try:
                self.home.usable_subkey(fingerprint, today)
            except KeyRefusedError as why:
                reason = why.reason
        if reason is not None:
            raise PassOnRefusedError(_REASONS.get(reason, PassOnRefusal.RECIPIENT_KEY))

    def make(
        self, recipient: RecipientKey, text: str, files: Iterable[tuple[str, Iterator[bytes]]], today: date
    ) -> Iterator[bytes]:
        """Return the pieces of a zip file that is encrypted to the recipient and signed by the desk.

        Raises:
            PassOnRefusedError: the recipient's key cannot be used, or gpg fails while the pieces are read.
        """
        self.require_usable(recipient.fingerprint, today)
        return self._encrypted(recipient, export_package.zip_package(text, files, today), today)

    def _encrypted(self, recipient: RecipientKey, zipped: Iterator[bytes], today: date) -> Iterator[bytes]:
        try:
            yield from self.home.encrypt_and_sign(
                zipped, recipient=recipient.fingerprint, signer=self.signer, day=today
            )
        except OpenPGPFailedError as why:
            raise PassOnRefusedError(PassOnRefusal.NO_OPENPGP) from why


def open_exporter(
    home_path: Path, secret_key: str, recipients: tuple[RecipientKey, ...], examiner: FileExaminer
) -> Exporter | None:
    """Import the desk's and the recipients' keys into gpg, and return the `Exporter` that uses them.

    If gpg is missing or the desk has no usable key, return None. A recipient whose key cannot be imported is
    refused when the adviser chooses this recipient.
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
    refused = MappingProxyType(_import_keys(home, recipients))
    return Exporter(home, signer, recipients, refused, examiner)


def _import_keys(home: GpgHome, recipients: Iterable[RecipientKey]) -> dict[str, RecipientRefusal]:
    refused = {}
    for each in recipients:
        raw = b""  # a file that cannot be read is refused as a file without a key
        with suppress(OSError), each.key_path.open("rb") as file:
            raw = file.read(KEY_BYTES_MAX + 1)
        try:
            home.import_public(raw, each.fingerprint)
        except KeyRefusedError as why:
            refused[each.fingerprint] = why.reason
    return refused
