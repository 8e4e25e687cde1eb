"""Secret key of an onion service, in the files that Tor itself writes and reads.

Source: Tor's rend-spec-v3, appendix A.2 (expanded keys). A test compares these files with files that Tor
made.
"""

import base64
import hashlib
import os
from dataclasses import dataclass, field
from typing import Self

from nacl.bindings import crypto_scalarmult_ed25519_base_noclamp

from deploy.errors import OnionError
from deploy.settings.onion_address import onion_address

SECRET_FILE = "hs_ed25519_secret_key"  # noqa: S105  # a file's name
PUBLIC_FILE = "hs_ed25519_public_key"
HOST_FILE = "hostname"
SECRET_FILE_BYTES = 96

_SECRET_HEAD = b"== ed25519v1-secret: type0 ==\0\0\0"
_PUBLIC_HEAD = b"== ed25519v1-public: type0 ==\0\0\0"
_EXPANDED_BYTES = 64
_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class OnionKey:
    """Secret key of an onion service (version 3): an expanded Ed25519 key of 64 bytes, as Tor stores it."""

    _expanded: bytes = field(repr=False)

    @classmethod
    def draw(cls) -> Self:
        """Make a random secret key for a new onion service, which gets a new address."""
        expanded = bytearray(hashlib.sha512(os.urandom(_SEED_BYTES)).digest())
        expanded[0] &= 248  # these bits are set and cleared as in RFC 8032, section 5.1.5
        expanded[31] = (expanded[31] & 63) | 64
        return cls(bytes(expanded))

    @classmethod
    def from_file_bytes(cls, raw: bytes) -> Self:
        """Parse a secret key from the contents of Tor's file `hs_ed25519_secret_key`.

        Raises:
            OnionError: the contents have a wrong form.
        """
        expanded = raw.removeprefix(_SECRET_HEAD)
        if len(raw) != SECRET_FILE_BYTES or len(expanded) != _EXPANDED_BYTES:
            raise OnionError("This is not a key of an onion service as Tor writes it (96 bytes).")
        if expanded[0] & 7 or expanded[31] & 192 != 64:  # noqa: PLR2004  # not clamped (RFC 8032)
            raise OnionError("The key of the onion service is damaged: Tor makes no such key.")
        return cls(expanded)

    def files(self) -> dict[str, bytes]:
        """Return the three files in which Tor stores this key, as a dict from file name to contents.

        The files belong in a `HiddenServiceDir`. The first file contains the secret key.
        """
        return {
            SECRET_FILE: _SECRET_HEAD + self._expanded,
            PUBLIC_FILE: _PUBLIC_HEAD + self._public(),
            HOST_FILE: f"{self.host}\n".encode(),
        }

    def control_text(self) -> str:
        """Return the secret key in the form that Tor's command ADD_ONION needs."""
        return "ED25519-V3:" + base64.b64encode(self._expanded).decode()

    @property
    def host(self) -> str:
        """Return the onion address that belongs to this key: 56 letters and digits, and ".onion"."""
        return onion_address(self._public())

    def _public(self) -> bytes:
        return crypto_scalarmult_ed25519_base_noclamp(self._expanded[:32])
