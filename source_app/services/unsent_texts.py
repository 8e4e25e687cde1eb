"""Unsent texts: what a source typed and did not send, sealed in the store of the sessions (ADR 30).

Only someone who logs in to the same mailbox can open them, and only on the running server that sealed them.
"""

import hmac
from collections.abc import Callable, Mapping

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from crypto.framing import frame, unframe
from crypto.kdf import hkdf
from source_app.public_desk import PublicDesk
from source_app.services.login import MailboxSession
from store.errors import StoreError
from store.sessions import PIECE_BYTES

_TEXTS_MAX = 3  # of a mailbox
_SESSIONS_BYTES_MAX = 64 * 1024 * 1024  # a larger store of the sessions takes no texts


def keep_typed(desk: PublicDesk, here: MailboxSession, place: str, text: str, *, now: int) -> None:
    """Keep a text that was typed in a form, for as long as a session lasts.

    `place` is the id of the proposal that the text answers, or empty for a message. An empty text deletes the
    text that was kept for this place. `now` counts the half hours since 1970.

    Raises:
        StoreError: the store of the sessions cannot be written, or is full.
    """
    if text and desk.sessions.size() > _SESSIONS_BYTES_MAX:
        raise StoreError("no room for unsent texts")  # the texts of before stay

    def change(box: bytes) -> bytes:
        texts = {name: old for name, old in _open(desk, here, box).items() if name != place}
        return _seal(desk, here, texts | ({place: text} if text else {}))

    _change(desk, here, change, now)


def find_typed(desk: PublicDesk, here: MailboxSession, place: str, *, now: int) -> str:
    """Return the text that was typed in a form and not sent, or "" if no such text is kept."""
    return _open(desk, here, desk.sessions.find_long(_names(desk, here), now)).get(place, "")


def drop_typed(desk: PublicDesk, here: MailboxSession, *, now: int) -> None:
    """Delete all unsent texts of a mailbox."""
    _change(desk, here, lambda _: b"", now)


def _change(desk: PublicDesk, here: MailboxSession, change: Callable[[bytes], bytes], now: int) -> None:
    expires = now + desk.session_half_hours
    desk.sessions.change_long(_names(desk, here), change, now_half_hour=now, expires_half_hour=expires)


def _open(desk: PublicDesk, here: MailboxSession, box: bytes) -> dict[str, str]:
    """Return the unsent texts. The key of an answer is its proposal's id, and the key of a message is ""."""
    try:
        fields = [field.decode() for field in unframe(_box(desk, here).decrypt(box))] if box else []
    except CryptoError:  # one of the rows was changed
        return {}
    return dict(zip(fields[:-1:2], fields[1::2], strict=True))


def _seal(desk: PublicDesk, here: MailboxSession, texts: Mapping[str, str]) -> bytes:
    if not texts:
        return b""
    fields = [part.encode() for item in list(texts.items())[-_TEXTS_MAX:] for part in item]
    unpadded_bytes = len(frame(*fields, b"")) + SecretBox.NONCE_SIZE + SecretBox.MACBYTES
    return _box(desk, here).encrypt(frame(*fields, bytes(-unpadded_bytes % PIECE_BYTES)))


def _names(desk: PublicDesk, here: MailboxSession) -> Callable[[int], bytes]:
    """Return a function from a row's number to its name. The name does not show whose mailbox it is."""
    key = hkdf(frame(here.state.root, desk.server_secret), info=b"steunpunt/v1/unsent-name")
    return lambda number: hmac.digest(key, number.to_bytes(4), "sha256")


def _box(desk: PublicDesk, here: MailboxSession) -> SecretBox:
    return SecretBox(hkdf(frame(here.state.root, desk.server_secret), info=b"steunpunt/v1/unsent"))
