"""The desk as the public server knows it: what every use case is given."""

from dataclasses import dataclass, field, replace
from typing import Self

from protocol.letterhead import Letterhead
from source_app.argon2_limiter import Argon2Limiter
from store.database.engine import Store
from store.quota import Quota
from store.sessions import SessionStore


@dataclass(frozen=True, slots=True)
class MailboxLimits:
    """What one message may hold, and how many entries and bytes of text one mailbox.

    Every look at a mailbox verifies and opens all its text, the adviser's list of mailboxes too: 1,000 short
    entries take a third of a second, 1,000 long ones a gigabyte of memory. Without bounds one source who
    never stops writing would stop both sites.
    """

    text_chars: int
    files: int
    files_bytes: int
    entries: int
    entries_bytes: int


@dataclass(frozen=True, slots=True)
class PublicDesk:
    """A verified letterhead, an open store, and the rules of this server.

    `server_secret` is 32 bytes, made when the server starts and never written. A session lasts
    `session_half_hours` half hours after its last use.
    """

    letterhead: Letterhead
    store: Store
    sessions: SessionStore
    line: Argon2Limiter
    server_secret: bytes = field(repr=False)
    quota: Quota
    limits: MailboxLimits
    session_half_hours: int

    def with_letterhead(self, newest: Letterhead) -> Self:
        """Return the desk with this verified letterhead, for requests that begin from now on."""
        return self if newest is self.letterhead else replace(self, letterhead=newest)
