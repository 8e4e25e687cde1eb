"""Mark in a form that says in which mailbox its text was typed, without naming the mailbox.

See docs/protocol.md, "Sessions".
"""

import hmac
import secrets
from typing import Final

from crypto.kdf import hkdf
from crypto.passphrase import RootKey

_NONCE_CHARS: Final = 32


def new_mark(root: RootKey) -> str:
    """Return a new mark for a form: 96 hexadecimal digits that differ at each call.

    With the mark, the server can check that the form belongs to the mailbox whose root key is `root`.
    """
    nonce = secrets.token_hex(_NONCE_CHARS // 2)
    return nonce + _tag(root, nonce)


def is_mark_of(mark: str, root: RootKey) -> bool:
    """Return True if a mark was made for the mailbox with this root key. Compare in constant time.

    The mark stays valid when the session ends or the server restarts.
    """
    nonce, tag = mark[:_NONCE_CHARS], mark[_NONCE_CHARS:]
    return hmac.compare_digest(tag.encode(errors="replace"), _tag(root, nonce).encode())


def _tag(root: RootKey, nonce: str) -> str:
    key = hkdf(root, info=b"steunpunt/v1/form-mailbox")
    return hmac.digest(key, nonce.encode(errors="replace"), "sha256").hex()
