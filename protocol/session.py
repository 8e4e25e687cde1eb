"""Sessions of sources: the encrypted session state, form tokens and the ticket of a new passphrase.

See docs/protocol.md, "Sessions". A token (in the session cookie) and a server secret have 32 random bytes
each. The server draws the secret when it starts, and keeps the secret in memory only.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from crypto.errors import TooLongError, UnreadableError
from crypto.framing import frame, unframe
from crypto.kdf import hkdf
from crypto.passphrase import RootKey
from protocol.heads import Heads, heads_from_bytes, heads_to_bytes

TOKEN_BYTES: Final = 32
SECRET_BYTES: Final = 32

_STATE_STEP: Final = 1024  # fits 14 heads: the size does not show how many strands a mailbox has
_EXPIRY_BYTES: Final = 4
_PASSPHRASE_BYTES: Final = 96  # eight words of nine letters and seven spaces have 79


@dataclass(frozen=True, slots=True)
class SessionState:
    """Secret state of one session: the mailbox's root key, and what the source was shown last.

    `shown` has the heads and the unseen entries that a new entry of the source signs. Both are empty until
    the session has shown the mailbox.
    """

    root: RootKey = field(repr=False)
    shown: tuple[Heads, Heads] = ((), ())


def seal_session(state: SessionState, token: bytes, server_secret: bytes) -> bytes:
    """Encrypt the state of one session, to be stored under `token_hash(token)`.

    The state can be decrypted only by combining three things: the cookie, the session store and the memory of
    the running server.
    """
    plaintext = frame(state.root, *map(heads_to_bytes, state.shown))
    plaintext += bytes(-len(plaintext) % _STATE_STEP)  # zeros, which `unframe` reads as empty fields
    return SecretBox(_box_key(token, server_secret)).encrypt(plaintext)


def open_session(sealed: bytes, token: bytes, server_secret: bytes) -> SessionState:
    """Decrypt the state that `seal_session` encrypted for a session.

    Raises:
        UnreadableError: the state was encrypted with another token or server secret, or the bytes are
            damaged.
    """
    root, heads, unseen, *_ = unframe(_decrypt(sealed, _box_key(token, server_secret)))
    return SessionState(RootKey(root), (heads_from_bytes(heads), heads_from_bytes(unseen)))


def token_hash(token: bytes) -> bytes:
    """Return the name (32 bytes) under which the store keeps a session.

    The name reveals neither the token nor the root key.
    """
    return hashlib.sha256(frame(b"steunpunt/v1/session-name", token)).digest()


def form_token(token: bytes, purpose: str) -> str:
    """Return the CSRF token of forms with this purpose, as 64 hexadecimal digits.

    Each purpose has its own token, so that a token that leaks from one form does not fit another form. A
    token stays the same during a session. Pages must therefore not be compressed, or an attacker could guess
    the token from the sizes of pages.
    """
    key = hkdf(token, info=b"steunpunt/v1/form")
    return hmac.digest(key, purpose.encode(), "sha256").hex()


def check_form_token(given: str, token: bytes, purpose: str) -> bool:
    """Return True if `given` is the CSRF token of this purpose. The comparison takes constant time."""
    return hmac.compare_digest(given.encode(errors="replace"), form_token(token, purpose).encode())


def seal_ticket(passphrase: str, server_secret: bytes, last_half_hour: int) -> str:
    """Encrypt a new passphrase as a ticket for the practice form, valid until the end of `last_half_hour`.

    The source practises typing the new passphrase, so the form must not contain the passphrase in a readable
    hidden field. There is no cookie yet, and the server stores nothing about a mailbox that may never be
    opened. So the form contains this ticket. The ticket is URL-safe base64, and all tickets have one length.
    Half hours are counted from 1970 in UTC.

    Raises:
        TooLongError: the passphrase has more than 96 bytes of UTF-8, which `generate_passphrase` never
            returns.
    """
    encoded = passphrase.encode()
    if len(encoded) > _PASSPHRASE_BYTES:
        raise TooLongError
    plaintext = last_half_hour.to_bytes(_EXPIRY_BYTES) + encoded.ljust(_PASSPHRASE_BYTES, b"\0")
    sealed = SecretBox(_ticket_key(server_secret)).encrypt(plaintext)
    return base64.urlsafe_b64encode(sealed).decode()


def open_ticket(given: str, server_secret: bytes, half_hour: int) -> str:
    """Decrypt the passphrase in a ticket. `half_hour` is the present half hour, counted from 1970 in UTC.

    Raises:
        UnreadableError: the ticket is from another run of the server, was changed, or has expired.
    """
    try:
        sealed = base64.b64decode(given.encode(errors="replace"), altchars=b"-_", validate=True)
    except binascii.Error as why:
        raise UnreadableError from why
    plaintext = _decrypt(sealed, _ticket_key(server_secret))
    if half_hour > int.from_bytes(plaintext[:_EXPIRY_BYTES]):
        raise UnreadableError
    return plaintext[_EXPIRY_BYTES:].rstrip(b"\0").decode()


def spent_ticket_name(passphrase: str, server_secret: bytes) -> bytes:
    """Return the name (32 bytes) by which the store remembers that a new passphrase was used.

    A new passphrase counts as used once it has opened its mailbox. Without the server's secret, no one can
    test guesses of a passphrase against this name.
    """
    key = hkdf(server_secret, info=b"steunpunt/v1/spent-ticket")
    return hmac.digest(key, passphrase.encode(), "sha256")


def _decrypt(sealed: bytes, key: bytes) -> bytes:
    try:
        return SecretBox(key).decrypt(sealed)
    except CryptoError as why:
        raise UnreadableError from why


def _box_key(token: bytes, server_secret: bytes) -> bytes:
    return hkdf(frame(token, server_secret), info=b"steunpunt/v1/session-box")


def _ticket_key(server_secret: bytes) -> bytes:
    return hkdf(server_secret, info=b"steunpunt/v1/practice-ticket")
