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

    Without limits, one source who never stops writing could make both sites unusable. To show a mailbox, the
    sites verify and decrypt all its text: this takes a third of a second for 1,000 short entries, and 100 MB
    of memory for 300 entries of the longest text. `entries` limits the number of entries, and `entries_bytes`
    their encrypted bytes, without files.
    """

    text_chars: int
    files: int
    files_bytes: int
    entries: int
    entries_bytes: int


@dataclass(frozen=True, slots=True)
class PublicDesk:
    """Context object of the source's use cases: the desk's verified letterhead, the store and the limits.

    The letterhead is the desk's signed public statement. `server_secret` is 32 random bytes that are made
    when the server starts, and that are never stored. A session lasts `session_half_hours` half hours after
    its last use. In each half hour, at most `new_mailboxes` mailboxes can be started. If it is 0, there is
    no limit.
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
