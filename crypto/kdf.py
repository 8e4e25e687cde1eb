"""HKDF-SHA256: one key and one purpose in, one key for that purpose alone out."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32


def hkdf(secret: bytes, *, info: bytes, salt: bytes = b"") -> bytes:
    """Derive 32 bytes. Every purpose has its own `info`: docs/protocol.md, "Primitives", lists them all.

    Source: RFC 5869.
    """
    return HKDF(SHA256(), KEY_BYTES, salt=salt, info=info).derive(secret)
