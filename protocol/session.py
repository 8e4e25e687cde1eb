"""A source's session and its forms: what the cookie, the session store and hidden fields hold.

See docs/protocol.md, "Sessions". A token and a server secret are 32 random bytes each; the secret is made
when the server starts and lives in its memory alone.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from crypto.errors import TooLongError, UnreadableError
from crypto.framing import frame
from crypto.kdf import hkdf
from crypto.passphrase import RootKey

TOKEN_BYTES: Final = 32
SECRET_BYTES: Final = 32

_EXPIRY_BYTES: Final = 4
_PASSPHRASE_BYTES: Final = 96  # eight words of nine letters and seven spaces take 79


def seal_session(root: RootKey, token: bytes, server_secret: bytes) -> bytes:
    """Seal a mailbox's root key for one session: 72 bytes, to be kept under `token_hash(token)`.

    It takes the cookie, the session store and the memory of the running server together to open it.
    """
    return SecretBox(_box_key(token, server_secret)).encrypt(root)


def open_session(sealed: bytes, token: bytes, server_secret: bytes) -> RootKey:
    """Open what `box` sealed.

    Raises:
        UnreadableError: another token, another run of the server, or damage.
    """
    return RootKey(_open(sealed, _box_key(token, server_secret)))


def token_hash(token: bytes) -> bytes:
    """Return the name that the session store keeps a box under: it gives away neither token nor key."""
    return hashlib.sha256(frame(b"steunpunt/v1/session-name", token)).digest()


def form_token(token: bytes, purpose: str) -> str:
    """Return the token that a form of this purpose carries, as 64 hexadecimal digits.

    One for each purpose, so that what leaks from one form does not fit another. It is the same all session
    long; that it cannot be guessed bit by bit from the sizes of pages relies on no page being compressed.
    """
    key = hkdf(token, info=b"steunpunt/v1/form")
    return hmac.digest(key, purpose.encode(), "sha256").hex()


def check_form_token(given: str, token: bytes, purpose: str) -> bool:
    """Tell, in constant time, whether a form carries the token of its purpose."""
    return hmac.compare_digest(given.encode(errors="replace"), form_token(token, purpose).encode())


def seal_ticket(passphrase: str, server_secret: bytes, last_half_hour: int) -> str:
    """Seal a new passphrase into the practice form, which is good until the end of that half-hour.

    Half-hours are counted from 1970 in UTC. The page that asks to type the passphrase back must not show it
    in a hidden field, there is no cookie yet, and the server keeps nothing of a mailbox that may never be
    opened. Every ticket has one length, whatever the words. URL-safe base64.

    Raises:
        TooLongError: more than 96 bytes of UTF-8; nothing that `passphrase.draw` gives is.
    """
    told = passphrase.encode()
    if len(told) > _PASSPHRASE_BYTES:
        raise TooLongError
    plaintext = last_half_hour.to_bytes(_EXPIRY_BYTES) + told.ljust(_PASSPHRASE_BYTES, b"\0")
    sealed = SecretBox(_ticket_key(server_secret)).encrypt(plaintext)
    return base64.urlsafe_b64encode(sealed).decode()


def open_ticket(given: str, server_secret: bytes, half_hour: int) -> str:
    """Return the passphrase in a ticket, in the half-hour that it is now.

    Raises:
        UnreadableError: not a ticket of this run of the server, changed, or past its time.
    """
    try:
        sealed = base64.b64decode(given.encode(errors="replace"), altchars=b"-_", validate=True)
    except binascii.Error as why:
        raise UnreadableError from why
    plaintext = _open(sealed, _ticket_key(server_secret))
    if half_hour > int.from_bytes(plaintext[:_EXPIRY_BYTES]):
        raise UnreadableError
    return plaintext[_EXPIRY_BYTES:].rstrip(b"\0").decode()


def spent_ticket_name(passphrase: str, server_secret: bytes) -> bytes:
    """Return the name under which the session store notes that a drawn passphrase opens a mailbox by now.

    32 bytes. Without the server's secret nobody can try words against it.
    """
    key = hkdf(server_secret, info=b"steunpunt/v1/spent-ticket")
    return hmac.digest(key, passphrase.encode(), "sha256")


def _open(sealed: bytes, key: bytes) -> bytes:
    try:
        return SecretBox(key).decrypt(sealed)
    except CryptoError as why:
        raise UnreadableError from why


def _box_key(token: bytes, server_secret: bytes) -> bytes:
    return hkdf(frame(token, server_secret), info=b"steunpunt/v1/session-box")


def _ticket_key(server_secret: bytes) -> bytes:
    return hkdf(server_secret, info=b"steunpunt/v1/practice-ticket")
