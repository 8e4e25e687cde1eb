"""Comparison of this machine's clock with days in the store, and with the clock of the store's database."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Final

from crypto.errors import MalformedError
from deploy.noted_days import REWRITTEN, noted_day
from protocol.letterhead import Letterhead
from store import letterheads, mailboxes
from store.database.engine import Store

# A workstation's clock may be a day ahead: a sync accepts this.
_BEHIND = timedelta(days=1)
# Retention is at most a year. A clock that is a year ahead would delete every closed mailbox.
_AHEAD = timedelta(days=180)
CLOSE: Final = timedelta(minutes=1)  # clocks that a service such as systemd-timesyncd sets are much closer
_USABLE: Final = timedelta(minutes=10)  # no deletion may come more than this too early


def clock_days_off(store: Store, today: date) -> tuple[date | None, date | None]:
    """Compare the clock's day `today` with days in the store. If the clock may be right, return (None, None).

    If the clock is behind, the first item is the newest day on which something was written. If the clock is
    far ahead, the second item is the newest day of writing or clean-up.

    Raises:
        StoreError: the store cannot be read.
    """
    written = _newest_written_day(store)
    # The clean-up runs each night. So on a quiet desk, to which no one writes, a right clock is recognised.
    known = max(written, noted_day(store.path, REWRITTEN)[0])
    is_ahead = known != date.min and today > known + _AHEAD
    return written if today + _BEHIND < written else None, known if is_ahead else None


def clocks_apart(store: Store) -> timedelta:
    """Return how far the clocks of this machine and of the store's database are apart, in whole seconds."""
    return timedelta(seconds=round(abs((store.now() - datetime.now(UTC)).total_seconds())))


def is_too_far(apart: timedelta) -> bool:
    """Return True if two clocks differ so much that no deletion may depend on either of them."""
    return apart > _USABLE


def _newest_written_day(store: Store) -> date:
    """Return the newest day on which something was written, or on which the desk signed its letterhead."""
    with store.reading() as session:
        newest, letterhead = mailboxes.newest_day(session), letterheads.latest(session)
    # Each program verifies the letterhead by itself. Here, a damaged one only gives no day.
    with suppress(MalformedError):
        return max(newest, Letterhead.from_bytes(letterhead[1]).issued) if letterhead else newest
    return newest
