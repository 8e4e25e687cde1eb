"""HKDF-SHA256: derive a key for one purpose from another key."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32


def hkdf(secret: bytes, *, info: bytes, salt: bytes = b"") -> bytes:
    """Derive a key of 32 bytes for one purpose from a secret.

    Each purpose has its own `info`, listed in docs/protocol.md, "Primitives". Source: RFC 5869.
    """
    return HKDF(SHA256(), KEY_BYTES, salt=salt, info=info).derive(secret)
