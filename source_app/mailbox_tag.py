"""Tag (HMAC) in a form that says in which mailbox the text was typed, without naming the mailbox.

See docs/protocol.md, "Sessions".
"""

import hmac
import secrets
from typing import Final

from crypto.kdf import hkdf
from crypto.passphrase import RootKey

_NONCE_CHARS: Final = 32


def new_tag(root: RootKey) -> str:
    """Return a new tag for a form: 96 hexadecimal digits that differ at each call.

    With the tag, the server can check that the form belongs to the mailbox whose root key is `root`.
    """
    nonce = secrets.token_hex(_NONCE_CHARS // 2)
    return nonce + _mac(root, nonce)


def is_tag_of(tag: str, root: RootKey) -> bool:
    """Return True if a tag was made for the mailbox with this root key. Compare in constant time.

    The tag stays valid when the session ends or the server restarts.
    """
    nonce, mac = tag[:_NONCE_CHARS], tag[_NONCE_CHARS:]
    return hmac.compare_digest(mac.encode(errors="replace"), _mac(root, nonce).encode())


def _mac(root: RootKey, nonce: str) -> str:
    key = hkdf(root, info=b"steunpunt/v1/form-mailbox")
    return hmac.digest(key, nonce.encode(errors="replace"), "sha256").hex()
