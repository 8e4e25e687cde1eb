"""Practice ticket: a new passphrase, encrypted in the form on which the source practises typing it.

See docs/protocol.md, "Sessions".
"""

import hmac
from typing import Final

from crypto.errors import TooLongError, UnreadableError
from crypto.kdf import hkdf
from source_app.sealed_field import open_field, seal_field

_PURPOSE: Final = b"practice-ticket"
_EXPIRY_BYTES: Final = 4
_PASSPHRASE_BYTES: Final = 96  # eight words of nine letters and seven spaces have 79


def seal_ticket(passphrase: str, server_secret: bytes, last_half_hour: int) -> str:
    """Encrypt a new passphrase as a ticket for the practice form, valid until the end of `last_half_hour`.

    Half hours are counted from 1970 in UTC. The ticket is URL-safe base64, and all tickets have one length.

    Raises:
        TooLongError: the passphrase has more than 96 bytes of UTF-8.
    """
    # The form carries the ticket, so that the server stores nothing about a mailbox that no one may ever use.
    encoded = passphrase.encode()
    if len(encoded) > _PASSPHRASE_BYTES:
        raise TooLongError
    plaintext = last_half_hour.to_bytes(_EXPIRY_BYTES) + encoded.ljust(_PASSPHRASE_BYTES, b"\0")
    return seal_field(plaintext, server_secret, _PURPOSE)


def open_ticket(given: str, server_secret: bytes, half_hour: int) -> str:
    """Decrypt a practice ticket that a browser sent with the practice form. Return the passphrase in it.

    `half_hour` is the current half hour, counted from 1970 in UTC.

    Raises:
        UnreadableError: the ticket was changed, has expired, or was made before the server's last start.
    """
    plaintext = open_field(given, server_secret, _PURPOSE)
    if half_hour > int.from_bytes(plaintext[:_EXPIRY_BYTES]):
        raise UnreadableError
    return plaintext[_EXPIRY_BYTES:].rstrip(b"\0").decode()


def spent_ticket_name(passphrase: str, server_secret: bytes) -> bytes:
    """Return the name (32 bytes) by which the store remembers that a new passphrase was used.

    A new passphrase counts as used once it has opened its mailbox.
    """
    # Without the server's secret, no one can test guesses of a passphrase against this name.
    key = hkdf(server_secret, info=b"steunpunt/v1/spent-ticket")
    return hmac.digest(key, passphrase.encode(), "sha256")
