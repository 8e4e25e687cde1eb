"""Context object of the source's use cases: signed letterhead, store, sessions and limits of the server."""

from dataclasses import dataclass, field

from protocol.letterhead import Letterhead
from source_app.argon2_limiter import Argon2Limiter
from store.database.engine import Store
from store.quota import Quota
from store.sessions import SessionStore


@dataclass(frozen=True, slots=True)
class MailboxLimits:
    """Limits on the text and files of one message, and on the source's entries in one mailbox.

    `entries_bytes` counts the encrypted bytes of the entries, without their files.
    """

    text_chars: int
    files: int
    files_bytes: int
    # A page verifies and decrypts all text: a third of a second for 1,000 short entries, and 100 MB of memory
    # for 300 entries of the longest text.
    entries: int
    entries_bytes: int


@dataclass(frozen=True, slots=True)
class PublicDesk:
    """Context object of the source's use cases: the desk's signed public statement, the store and the limits.

    `server_secret` is 32 random bytes that are never stored. `new_mailboxes` is the limit in each half
    hour, or 0 for no limit.
    """

    letterhead: Letterhead
    store: Store
    sessions: SessionStore
    argon2_limiter: Argon2Limiter
    server_secret: bytes = field(repr=False)
    quota: Quota
    limits: MailboxLimits
    session_half_hours: int
    new_mailboxes: int = 0
