"""Unsent texts: what a source typed and did not send, sealed in the store of the sessions (ADR 30).

Only someone who logs in to the same mailbox can open them, and only on the running server that sealed them.
"""

import hmac

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from crypto.framing import frame, unframe
from crypto.kdf import hkdf
from source_app.public_desk import PublicDesk
from source_app.services.login import MailboxSession
from store.errors import StoreError

_TEXTS_MAX = 3  # of a mailbox
_PIECE_BYTES = 8192  # of a row, so that a row fits on its page in the store of the sessions
_SESSIONS_BYTES_MAX = 64 * 1024 * 1024  # a larger store of the sessions takes no texts


def keep_typed(desk: PublicDesk, here: MailboxSession, place: str, text: str, *, now: int) -> None:
    """Keep a text that was typed in a form, for as long as a session lasts. An empty text deletes it.

    `place` is the id of the proposal that the text answers, or empty for a message. `now` counts the half
    hours since 1970.

    Raises:
        StoreError: the store of the sessions cannot be written, or is full.
    """
    texts = {name: old for name, old in _read(desk, here, now)[0].items() if name != place}
    texts |= {place: text} if text else {}
    if text and desk.sessions.size() > _SESSIONS_BYTES_MAX:
        raise StoreError("no room for unsent texts")  # the texts of before stay
    drop_typed(desk, here, now=now)
    if not texts:
        return
    fields = [part.encode() for item in list(texts.items())[-_TEXTS_MAX:] for part in item]
    unpadded_bytes = len(frame(*fields, b"")) + SecretBox.NONCE_SIZE + SecretBox.MACBYTES
    box = _box(desk, here).encrypt(frame(*fields, bytes(-unpadded_bytes % _PIECE_BYTES)))
    for number, start in enumerate(range(0, len(box), _PIECE_BYTES)):
        piece = box[start : start + _PIECE_BYTES]
        desk.sessions.put(_name(desk, here, number), piece, now + desk.session_half_hours)


def find_typed(desk: PublicDesk, here: MailboxSession, place: str, *, now: int) -> str:
    """Return the text that was typed in a form and not sent, or "" if no such text is kept."""
    return _read(desk, here, now)[0].get(place, "")


def drop_typed(desk: PublicDesk, here: MailboxSession, *, now: int) -> None:
    """Delete all unsent texts of a mailbox."""
    for number in range(_read(desk, here, now)[1]):
        desk.sessions.drop(_name(desk, here, number))


def _read(desk: PublicDesk, here: MailboxSession, now: int) -> tuple[dict[str, str], int]:
    """Return the unsent text of each place, and the number of rows in which these texts are stored.

    A place is the id of the proposal that the text answers, or "" for a message.
    """
    found: list[bytes] = []
    while (row := desk.sessions.find(_name(desk, here, len(found)), now)) is not None:
        found.append(row[0])
    try:
        fields = [field.decode() for field in unframe(_box(desk, here).decrypt(b"".join(found)))]
    except CryptoError:  # there is no text, or another tab is writing one
        return {}, len(found)
    return dict(zip(fields[:-1:2], fields[1::2], strict=True)), len(found)


def _name(desk: PublicDesk, here: MailboxSession, number: int) -> bytes:
    """Return the name of row `number` in the store of the sessions.

    The name does not show to which mailbox the row belongs.
    """
    key = hkdf(frame(here.state.root, desk.server_secret), info=b"steunpunt/v1/unsent-name")
    return hmac.digest(key, number.to_bytes(4), "sha256")


def _box(desk: PublicDesk, here: MailboxSession) -> SecretBox:
    return SecretBox(hkdf(frame(here.state.root, desk.server_secret), info=b"steunpunt/v1/unsent"))
