"""Context object of the source's use cases: letterhead, store, sessions and limits of the public server."""

from dataclasses import dataclass, field, replace
from typing import Self

from protocol.letterhead import Letterhead
from source_app.argon2_limiter import Argon2Limiter
from store.database.engine import Store
from store.quota import Quota
from store.sessions import SessionStore


@dataclass(frozen=True, slots=True)
class MailboxLimits:
    """Limits on the text and files of one message, and on the entries and bytes of text of one mailbox.

    Every page of a mailbox verifies and decrypts all its text, and so does the adviser's list of mailboxes.
    1,000 short entries take a third of a second, and 1,000 long ones a gigabyte of memory. Without limits,
    one source who never stops writing could stop both sites.
    """

    text_chars: int
    files: int
    files_bytes: int
    entries: int
    entries_bytes: int


@dataclass(frozen=True, slots=True)
class PublicDesk:
    """Desk as the public server knows it: verified letterhead, open store, and limits of this server.

    `server_secret` is 32 bytes, made when the server starts and never stored. A session lasts
    `session_half_hours` half hours after its last use.
    """

    letterhead: Letterhead
    store: Store
    sessions: SessionStore
    argon2_limiter: Argon2Limiter
    server_secret: bytes = field(repr=False)
    quota: Quota
    limits: MailboxLimits
    session_half_hours: int

    def with_letterhead(self, newest: Letterhead) -> Self:
        """Return the desk with another verified letterhead, for requests that begin from now on."""
        return self if newest is self.letterhead else replace(self, letterhead=newest)
