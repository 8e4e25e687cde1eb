"""An onion service's key and its address, in the files that Tor itself writes and reads.

Source: Tor's rend-spec-v3, section 1.9 (addresses) and appendix A.2 (expanded keys). The form of the files is
Tor's own, compared in a test with files that tor made.
"""

import base64
import hashlib
import os
from dataclasses import dataclass, field
from typing import Self

from nacl.bindings import crypto_scalarmult_ed25519_base_noclamp

from deploy.errors import OnionKeyError
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
    """The identity key of a v3 onion service: 64 bytes, an Ed25519 key as Tor keeps it, already expanded.

    Whoever has it is the onion; there is no way to change it without changing the address.
    """

    _expanded: bytes = field(repr=False)

    @classmethod
    def draw(cls) -> Self:
        """Make a new key, and so a new address."""
        expanded = bytearray(hashlib.sha512(os.urandom(_SEED_BYTES)).digest())
        expanded[0] &= 248  # RFC 8032, section 5.1.5
        expanded[31] = (expanded[31] & 63) | 64
        return cls(bytes(expanded))

    @classmethod
    def from_file_bytes(cls, raw: bytes) -> Self:
        """Read what stands in Tor's `hs_ed25519_secret_key`.

        Raises:
            OnionKeyError: it is not that.
        """
        expanded = raw.removeprefix(_SECRET_HEAD)
        if len(raw) != SECRET_FILE_BYTES or len(expanded) != _EXPANDED_BYTES:
            raise OnionKeyError("This is not the key of an onion service as Tor writes it (96 bytes).")
        clamped = not expanded[0] & 7 and expanded[31] & 192 == 64  # noqa: PLR2004  # RFC 8032
        if not clamped:
            raise OnionKeyError("The key of the onion service is damaged: Tor makes no such key.")
        return cls(expanded)

    def files(self) -> dict[str, bytes]:
        """Return the three files of a `HiddenServiceDir`, by name. The first is the secret itself."""
        return {
            SECRET_FILE: _SECRET_HEAD + self._expanded,
            PUBLIC_FILE: _PUBLIC_HEAD + self._public(),
            HOST_FILE: f"{self.host}\n".encode(),
        }

    def control_text(self) -> str:
        """Return it as ADD_ONION takes it. It is the secret itself."""
        return "ED25519-V3:" + base64.b64encode(self._expanded).decode()

    @property
    def host(self) -> str:
        """Return the address, 56 letters and digits and ".onion"."""
        return onion_address(self._public())

    def _public(self) -> bytes:
        return crypto_scalarmult_ed25519_base_noclamp(self._expanded[:32])
