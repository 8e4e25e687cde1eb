"""Comparison of this machine's clock with the newest day in the store and in the desk's letterhead."""

from contextlib import suppress
from datetime import date, timedelta

from crypto.errors import MalformedError
from deploy.noted_days import REWRITTEN, noted_day
from protocol.letterhead import Letterhead
from store import letterheads, mailboxes
from store.database.engine import Store

# A workstation's clock may be a day ahead: a sync accepts this.
_BEHIND = timedelta(days=1)
# Retention is at most a year. A clock that is a year ahead would delete every closed mailbox.
_AHEAD = timedelta(days=180)


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


def _newest_written_day(store: Store) -> date:
    """Return the newest day on which something was written, or on which the desk signed its letterhead."""
    with store.reading() as session:
        newest, letterhead = mailboxes.newest_day(session), letterheads.latest(session)
    # Each program verifies the letterhead by itself. Here, a damaged one only gives no day.
    with suppress(MalformedError):
        return max(newest, Letterhead.from_bytes(letterhead[1]).issued) if letterhead else newest
    return newest
