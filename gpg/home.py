"""GnuPG home in memory: its keys, and encrypting, signing and decrypting with them.

The home has a random name and is separate from the user's own GnuPG home. Secret keys and plaintext reach gpg
through pipes only. No argument, environment variable or file on a disk contains them.
"""

import logging
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final, Self

from crypto.errors import CryptoError, MalformedError, UnreadableError
from gpg import arguments
from gpg.errors import (
    OpenPGPBlockedError,
    OpenPGPFailedError,
    OpenPGPMissingError,
    OpenPGPOtherKeyError,
    RecipientRefusal,
    RecipientRefusedError,
)
from gpg.keeper import KeptFolder
from gpg.process import Gpg
from gpg.recipient_keys import KEY_BYTES_MAX, newest_usable_subkey, require_only_key
from gpg.status import GpgStatus
from programs.errors import ProgramFailedError, ProgramLimitError
from programs.runner import Program
from programs.sandbox import Sandbox

_VERSION_MIN: Final = (2, 2)
_NO_LIMIT: Final = 2**62  # of gpg's output, if we made the input


@dataclass(frozen=True, slots=True)
class OpenPGPKey:
    """New OpenPGP key: its fingerprint, its secret key and its public key.

    The fingerprint has 40 hexadecimal digits. The keys are in ASCII armour.
    """

    fingerprint: str
    secret: str = field(repr=False)
    public: str


class GpgHome(AbstractContextManager["GpgHome"]):
    """Private home folder of GnuPG (gpg) in memory, and the operations with its keys.

    `close` destroys the folder. Threads may share this object once all keys are imported.
    """

    def __init__(self, folder: KeptFolder, gpg: Gpg) -> None:
        self.folder: Final = folder.path
        self._folder = folder
        self._gpg = gpg
        self._closing = threading.Lock()

    @classmethod
    def open(cls, parent: Path, *, program: str = "gpg", bwrap: Path = Path("/usr/bin/bwrap")) -> Self:
        """Make a new GnuPG home in `parent`, a folder in memory.

        Homes that killed processes left there are destroyed. If bubblewrap cannot start, gpg runs without a
        sandbox.

        Raises:
            OpenPGPMissingError: GnuPG 2.2 or newer is not installed.
            OpenPGPPlaceError: other users can enter `parent`, or its path is too long for a socket.
        """
        logging.getLogger("gnupg").disabled = True  # at the level DEBUG python-gnupg logs keys
        found = shutil.which(program)
        if found is None or not all(map(shutil.which, ("gpgconf", "shred"))):
            raise OpenPGPMissingError
        folder = KeptFolder.make(parent)
        with suppress(OSError, ValueError):  # python-gnupg could not read the version
            gpg = Gpg(found, folder.path)
            if tuple(gpg.version or ()) >= _VERSION_MIN:
                gpg.use_sandbox(Sandbox(bwrap))
                return cls(folder, gpg)
        folder.destroy()
        raise OpenPGPMissingError

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End gpg's agent, then overwrite and remove the GnuPG home. A second call does nothing."""
        with self._closing:
            self._folder.destroy()

    # ---- keys

    def make_key(self, name: str, day: date) -> OpenPGPKey:
        """Make an OpenPGP key that signs and decrypts, with `name` as its user id.

        The key is dated at the start of `day`, in UTC.

        Raises:
            MalformedError: the name cannot be a user id, for example because it is empty.
            OpenPGPFailedError: gpg did not make the key.
        """
        fingerprint = str(self._gpg.gen_key(arguments.new_key_parameters(name, day)).fingerprint)
        secret = self._gpg.export_keys(fingerprint, secret=True, expect_passphrase=False)
        public = self._gpg.export_keys(fingerprint)
        if not (fingerprint and secret and public):
            raise OpenPGPFailedError
        return OpenPGPKey(fingerprint, secret, public)

    def import_secret(self, armoured: str) -> str:
        """Import a secret key in ASCII armour, and return its primary fingerprint.

        Raises:
            MalformedError: the text does not contain exactly one secret key with a user id.
        """
        listed = self._gpg.scan_keys_mem(armoured.encode())
        is_one = [key["type"] for key in listed] == ["sec"]
        if not is_one or not self._gpg.import_keys(armoured).fingerprints:
            raise MalformedError
        return str(listed[0]["fingerprint"])

    def export_public(self, fingerprint: str) -> str:
        """Return a public key in ASCII armour, or "" if this GnuPG home does not have the key."""
        return str(self._gpg.export_keys(fingerprint))

    def import_public(self, raw: bytes, fingerprint: str) -> None:
        """Import a recipient's public key from a key file.

        The file must have one key, with this primary fingerprint. An expired or revoked key is imported too.

        Raises:
            RecipientRefusedError: the file is unreadable or over 1 MiB, or has several keys or another key.
        """
        # `usable_subkey` refuses an expired or revoked key at every use.
        require_only_key(self._gpg.scan_keys_mem(raw) if len(raw) <= KEY_BYTES_MAX else [], fingerprint)
        self._gpg.import_keys(raw)
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
        """Yield a message in pieces, encrypted to `recipient` and signed with the key of `signer`.

        `recipient` and `signer` are primary fingerprints. The message is dated at the start of `day`, in UTC.

        Raises:
            RecipientRefusedError: the recipient's key cannot be used. Nothing was read from `pieces`.
            OpenPGPFailedError: gpg did not report success, so the last piece is not yielded.
        """
        subkey = self.usable_subkey(recipient, day)
        return self._encrypt(pieces, subkey, signer, day)

    def _encrypt(self, pieces: Iterable[bytes], subkey: str, signer: str, day: date) -> Iterator[bytes]:
        # "!" makes gpg use exactly this subkey, not one that gpg chooses.
        keys = ("--recipient", f"{subkey}!", "--default-key", f"{signer}!")
        words = (*arguments.encryption_options(day), *keys, "--sign", "--encrypt")
        run = self._gpg.start(*words, output_bytes=_NO_LIMIT)
        yield from _checked(run, pieces, lambda status: status.is_encrypted(signer), OpenPGPFailedError)

    def decrypt_stream(self, pieces: Iterable[bytes], *, at_most: int) -> Iterator[bytes]:
        """Decrypt a binary or armoured message, and yield its plaintext in pieces.

        The last piece is yielded after the whole message was checked.

        Raises:
            UnreadableError: the input is not one whole, unchanged message, or the plaintext is over `at_most`
                bytes.
            OpenPGPOtherKeyError: no key of this home opens the message.
            OpenPGPBlockedError: gpg exceeded its time or memory.
        """
        yield from _checked(self._decrypting(at_most), pieces, GpgStatus.is_decrypted, UnreadableError)

    def decrypt(self, raw: bytes, *, at_most: int) -> tuple[bytes, bool]:
        """Decrypt a whole message, and return the plaintext and whether the message has a signature.

        The signature is not verified. `at_most` is the largest size of the plaintext, in bytes.

        Raises:
            UnreadableError: the input is not one whole, unchanged message, or the plaintext is too large.
            OpenPGPOtherKeyError: no key of this home opens the message.
            OpenPGPBlockedError: gpg exceeded its time or memory.
        """
        run = self._decrypting(at_most)
        content = b"".join(_checked(run, [raw], GpgStatus.is_decrypted, UnreadableError))
        return content, GpgStatus(run.messages).is_signed()

    def _decrypting(self, at_most: int) -> Program:
        return self._gpg.start(*arguments.DECRYPTING, "--decrypt", output_bytes=at_most)

    def _listed(self, fingerprint: str) -> dict[str, Any] | None:
        listed = self._gpg.list_keys()
        return next((key for key in listed if key["fingerprint"] == fingerprint), None)


def _checked(
    run: Program, pieces: Iterable[bytes], is_good: Callable[[GpgStatus], bool], failure: type[CryptoError]
) -> Iterator[bytes]:
    """Yield the output of a run of gpg. Hold back the last piece until gpg has ended and reported success."""
    last = b""
    try:
        with run:
            for piece in run.output(pieces):
                if last:
                    yield last
                last = piece
    except ProgramLimitError as why:
        raise OpenPGPBlockedError from why
    except ProgramFailedError as why:
        raise failure from why
    status = GpgStatus(run.messages)
    if status.is_for_another_key():
        raise OpenPGPOtherKeyError
    if not is_good(status):
        raise failure
    yield last
