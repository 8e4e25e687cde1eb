"""GnuPG home in memory: its keys, and encrypting, signing and decrypting with them.

The home has a random name and is separate from the user's own GnuPG home. Secret keys and plaintext reach gpg
through pipes only. No argument, environment variable or file on a disk contains them.
"""

import contextlib
import logging
import secrets
import shutil
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from crypto.errors import MalformedError, UnreadableError
from gpg import arguments
from gpg.errors import OpenPGPFailedError, OpenPGPMissingError, RecipientRefusal, RecipientRefusedError
from gpg.keeper import KeptFolder
from gpg.process import GpgProcess, PieceReader
from gpg.recipient_keys import KEY_BYTES_MAX, newest_usable_subkey, require_only_key
from gpg.status import GpgStatus

_VERSION_MIN: Final = (2, 2)


@dataclass(frozen=True, slots=True)
class OpenPGPKey:
    """A new OpenPGP key: fingerprint (40 hexadecimal digits), and public and secret half in ASCII armour."""

    fingerprint: str
    secret: str = field(repr=False)
    public: str


@dataclass(frozen=True, slots=True)
class DecryptedMessage:
    """A decrypted OpenPGP message, and the key that signed the message.

    `signer` is the primary fingerprint of the key that signed the message, if the GnuPG home has that key. If
    `is_signed` is true and `signer` is None, the signature proves nothing: the key that signed is not in the
    home, or is expired or revoked.
    """

    content: bytes = field(repr=False)
    is_signed: bool
    signer: str | None


class GpgHome:
    """Private home folder of GnuPG (gpg) in memory, and the operations with its keys.

    `close` destroys the folder. Threads may share this object once all keys are imported.
    """

    def __init__(self, folder: KeptFolder, program: str) -> None:
        self.folder: Final = folder.path
        self._folder = folder
        self._program = program
        self._closing = threading.Lock()

    @classmethod
    def open(cls, parent: Path, *, program: str = "gpg") -> Self:
        """Make a new GnuPG home in `parent`, a folder in memory.

        Also destroy the homes in `parent` that killed processes left behind.

        Raises:
            OpenPGPMissingError: GnuPG 2.2 or newer is not installed.
            OpenPGPPlaceError: other users can enter `parent`, or its path is too long for a socket.
        """
        logging.getLogger("gnupg").disabled = True  # at the level DEBUG python-gnupg logs keys
        if not all(map(shutil.which, (program, "gpgconf", "gpg-connect-agent", "shred"))):
            raise OpenPGPMissingError
        home = cls(KeptFolder.make(parent), program)
        (home.folder / "gpg-agent.conf").write_text("disable-scdaemon\n")
        try:
            home._require_recent()
        except OpenPGPMissingError:
            home.close()
            raise
        return home

    def __repr__(self) -> str:
        return "GpgHome()"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End gpg's agent, then overwrite and remove the GnuPG home. A second call does nothing."""
        with self._closing:
            self._folder.destroy()

    @contextlib.contextmanager
    def work_folder(self) -> Iterator[Path]:
        """Yield an empty folder in memory that only this user can enter.

        The folder and its files are removed when the `with` block ends.
        """
        folder = self.folder / f"work-{secrets.token_hex(8)}"
        folder.mkdir(0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # ---- keys

    def make_key(self, name: str, day: date) -> OpenPGPKey:
        """Make an OpenPGP key that signs and decrypts, with `name` as its user id.

        The key is dated at the start of `day`, in UTC.

        Raises:
            MalformedError: the name is empty, or gpg would read an address, a comment or a new line in it.
            OpenPGPFailedError: gpg did not make the key.
        """
        gpg = self._gpg("--allow-freeform-uid")
        fingerprint = str(gpg.gen_key(arguments.new_key_parameters(name, day)).fingerprint)
        secret = gpg.export_keys(fingerprint, secret=True, expect_passphrase=False)
        public = gpg.export_keys(fingerprint)
        if not (fingerprint and secret and public):
            raise OpenPGPFailedError
        return OpenPGPKey(fingerprint, secret, public)

    def import_secret(self, armoured: str) -> str:
        """Import a secret key in ASCII armour, and return its primary fingerprint.

        Raises:
            MalformedError: the text does not contain exactly one secret key with a user id.
        """
        listed = self._gpg().scan_keys_mem(armoured.encode())
        is_one = [key["type"] for key in listed] == ["sec"]
        if not is_one or not self._gpg().import_keys(armoured).fingerprints:
            raise MalformedError
        return str(listed[0]["fingerprint"])

    def export_public(self, fingerprint: str) -> str:
        """Return a public key in ASCII armour, or "" if this GnuPG home does not have the key."""
        return str(self._gpg().export_keys(fingerprint))

    def import_public(self, raw: bytes, fingerprint: str) -> None:
        """Import a recipient's public key from a key file.

        The file must have one key, with this primary fingerprint. An expired or revoked key is imported too,
        because `usable_subkey` refuses such a key at every use.

        Raises:
            RecipientRefusedError: the reason is UNREADABLE (also if the file is over 1 MiB), SEVERAL or
                OTHER_KEY.
        """
        require_only_key(self._gpg().scan_keys_mem(raw) if len(raw) <= KEY_BYTES_MAX else [], fingerprint)
        self._gpg().import_keys(raw)
        # gpg does not import a key without a user id that the key itself signed.
        if self._listed(fingerprint) is None:
            raise RecipientRefusedError(RecipientRefusal.UNREADABLE)

    def usable_subkey(self, fingerprint: str, today: date) -> str:
        """Return the fingerprint of a recipient's newest subkey that may be used for encryption today.

        `fingerprint` is the primary fingerprint of the recipient's key.

        Raises:
            RecipientRefusedError: the reason is UNKNOWN, REVOKED, EXPIRED, NO_ENCRYPTION or WEAK.
        """
        return newest_usable_subkey(self._listed(fingerprint), today)

    # ---- messages

    def encrypt_and_sign(
        self, pieces: Iterable[bytes], *, recipient: str, signer: str, day: date
    ) -> Iterator[bytes]:
        """Encrypt a message to `recipient` and sign it with the key of `signer`. Yield the encrypted pieces.

        `recipient` and `signer` are primary fingerprints. The memory used does not grow with the message. The
        message is dated at the start of `day`, in UTC. The last piece is held back until gpg reports success.
        If `pieces` raises an exception, gpg is killed and the iterator raises the exception.

        Raises:
            RecipientRefusedError: `usable_subkey` refuses the recipient's key. Raised at once, before any
                piece is read.
            OpenPGPFailedError: gpg did not report success. Raised while the caller iterates.
        """
        subkey = self.usable_subkey(recipient, day)
        return self._encrypt(pieces, subkey, signer, day)

    def _encrypt(self, pieces: Iterable[bytes], subkey: str, signer: str, day: date) -> Iterator[bytes]:
        gpg, status = self._gpg(*arguments.encryption_options(day)), GpgStatus()

        def encrypt(reader: PieceReader) -> None:
            # "!" makes gpg use exactly this subkey, not one that gpg chooses.
            gpg.encrypt_file(reader, [f"{subkey}!"], sign=f"{signer}!", armor=False)

        for piece in gpg.stream(encrypt, pieces, status):
            if not piece and not status.is_encrypted(signer):
                raise OpenPGPFailedError
            yield piece

    def decrypt_stream(self, pieces: Iterable[bytes], *, at_most: int) -> Iterator[bytes]:
        """Decrypt a binary or armoured message, and yield its plaintext in pieces.

        The last piece is held back until the whole message is checked.

        Raises:
            UnreadableError: the input was changed or cut off, is not exactly one message that is encrypted to
                a key in this home, or has more than `at_most` bytes of plaintext. Raised while the caller
                iterates.
        """
        return self._decrypt(pieces, at_most, GpgStatus())

    def decrypt(self, raw: bytes, *, at_most: int) -> DecryptedMessage:
        """Decrypt a whole message with at most `at_most` bytes of plaintext, and check its signature.

        Raises:
            UnreadableError: the input was changed or cut off, is not exactly one message that is encrypted to
                a key in this home, or has more than `at_most` bytes of plaintext.
        """
        status = GpgStatus()
        content = b"".join(self._decrypt([raw], at_most, status))
        return DecryptedMessage(content, status.is_signed(), status.signer())

    def _decrypt(self, pieces: Iterable[bytes], at_most: int, status: GpgStatus) -> Iterator[bytes]:
        gpg = self._gpg(arguments.NO_LOCK)
        size = 0
        for piece in gpg.stream(gpg.decrypt_file, pieces, status):
            size += len(piece)
            if size > at_most or (not piece and not status.is_decrypted()):
                raise UnreadableError
            yield piece

    # ---- gpg

    def _gpg(self, *options: str) -> GpgProcess:
        return GpgProcess(self._program, self.folder, [*arguments.BASE_OPTIONS, *options])

    def _require_recent(self) -> None:
        try:
            version = self._gpg().version
        except (OSError, ValueError) as why:
            raise OpenPGPMissingError from why
        if tuple(version or ()) < _VERSION_MIN:
            raise OpenPGPMissingError

    def _listed(self, fingerprint: str) -> dict[str, Any] | None:
        listed = self._gpg().list_keys()
        return next((key for key in listed if key["fingerprint"] == fingerprint), None)
