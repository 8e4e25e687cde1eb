"""Sealed form field or cookie: a few bytes that only a process of the running server can read or change.

See docs/protocol.md, "Sessions".
"""

import base64

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from crypto.errors import UnreadableError
from crypto.kdf import hkdf


def seal_field(plaintext: bytes, server_secret: bytes, purpose: bytes) -> str:
    """Encrypt bytes for a form field or a cookie, as URL-safe base64.

    A field that was encrypted for one `purpose` cannot be decrypted for another. Inputs of the same length
    give outputs of the same length.
    """
    sealed = SecretBox(_field_key(server_secret, purpose)).encrypt(plaintext)
    return base64.urlsafe_b64encode(sealed).decode()


def open_field(given: str, server_secret: bytes, purpose: bytes) -> bytes:
    """Decrypt the bytes that `seal_field` encrypted for the same purpose.

    Raises:
        UnreadableError: the text was changed, or was sealed for another purpose or before the server was
            started again.
    """
    # Python also decodes "+", "/" and needless "=", so that one cookie could be spelled in many ways.
    try:
        sealed = base64.urlsafe_b64decode(given)
        plaintext = SecretBox(_field_key(server_secret, purpose)).decrypt(sealed)
    except (ValueError, CryptoError) as why:
        raise UnreadableError from why
    if base64.urlsafe_b64encode(sealed).decode() != given:
        raise UnreadableError
    return plaintext


def _field_key(server_secret: bytes, purpose: bytes) -> bytes:
    return hkdf(server_secret, info=b"steunpunt/v1/" + purpose)
