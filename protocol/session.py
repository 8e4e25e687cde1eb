"""Sessions of sources: the encrypted session state, and the tokens of forms.

See docs/protocol.md, "Sessions". A token (in the session cookie) and a server secret have 32 random bytes
each. The server draws the secret when it starts, and keeps the secret in memory only.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from crypto.errors import UnreadableError
from crypto.framing import frame, unframe
from crypto.kdf import hkdf
from crypto.passphrase import RootKey
from protocol.heads import Heads, heads_from_bytes, heads_to_bytes

TOKEN_BYTES: Final = 32
SECRET_BYTES: Final = 32

_STATE_STEP: Final = 2304  # fits 13 heads: the size does not show how many strands a mailbox has


@dataclass(frozen=True, slots=True)
class SessionState:
    """Secret state of a source's session: the mailbox's root key, and what the source was shown and sent.

    - `recipient`: the mailbox's age recipient, so that no request needs to derive it again
    - `shown`: two lists of entries. The first has the newest entries that the source was shown, and the
      second the known entries that the source was not shown
    - `sent`: empty, or the digest of the entry of the newest message, and a SHA-256 hash of its text
    """

    root: RootKey = field(repr=False)
    recipient: bytes = field(repr=False)
    shown: tuple[Heads, Heads] = ((), ())
    sent: bytes = field(default=b"", repr=False)


def seal_session(state: SessionState, token: bytes, server_secret: bytes) -> bytes:
    """Encrypt the state of a source's session, so that the store can keep it under `token_hash(token)`."""
    fields = (state.root, state.recipient, *map(heads_to_bytes, state.shown), state.sent)
    padding = bytes(-len(frame(*fields, b"")) % _STATE_STEP)
    return _box(token, server_secret).encrypt(frame(*fields, padding))


def open_session(sealed: bytes, token: bytes, server_secret: bytes) -> SessionState:
    """Decrypt the state that `seal_session` encrypted for a session.

    Raises:
        UnreadableError: the state was encrypted with another token or server secret, or the bytes are
            damaged.
    """
    try:
        root, recipient, heads, unseen, sent, _ = unframe(_box(token, server_secret).decrypt(sealed))
    except CryptoError as why:
        raise UnreadableError from why
    return SessionState(RootKey(root), recipient, (heads_from_bytes(heads), heads_from_bytes(unseen)), sent)


def token_hash(token: bytes) -> bytes:
    """Return the hash (32 bytes) of the token in a session's cookie.

    The store keeps the session under this hash, which reveals neither the token nor the root key.
    """
    return hashlib.sha256(frame(b"steunpunt/v1/session-name", token)).digest()


def form_token(token: bytes, purpose: str) -> str:
    """Return the CSRF token of forms with this purpose, as 64 hexadecimal digits.

    Pages with a token must not be compressed: an attacker could guess the token from the sizes.
    """
    key = hkdf(token, info=b"steunpunt/v1/form")
    return hmac.digest(key, purpose.encode(), "sha256").hex()


def _box(token: bytes, server_secret: bytes) -> SecretBox:
    return SecretBox(hkdf(frame(token, server_secret), info=b"steunpunt/v1/session-box"))
