"""A flood of mailboxes: check, inbox, closing and clean-up keep their speed for each mailbox."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from bench import desk_servers, fill, processes
from bench.timing import median
from deploy.serving.search_processes import search_process_starters
from deploy.settings.load_settings import load_config
from deploy.sweeping.retention import apply_retention
from journalist_app.config import AdviserConfig
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.spam_choice import SpamChoice
from journalist_app.search.search_index import SearchIndex
from journalist_app.services import inbox_lists
from journalist_app.services.closing import close_spam
from journalist_app.services.inbox_lists import InboxFilter
from journalist_app.services.whole_desk import background_check, unlocking
from store import cleanup
from store.database.engine import open_store
from tests.journalist_app import desk_readers
from tests.proofs.proof_sizes import CLOSED_MAILBOXES, FLOOD_MAILBOXES, IS_WHOLE, print_result
from web.dates import half_hour_now, utc_today

pytestmark = pytest.mark.slow

_FEW = FLOOD_MAILBOXES // 20
_INDEX_SECONDS = 1_800
_INBOX_SECONDS = 1
_RATE = 1.5  # the most by which the work for each mailbox may be larger in the large store


@contextmanager
def a_flooded_desk(count: int) -> Iterator[OpenDesk]:
    """Return an unlocked desk that has checked nothing yet. Each mailbox in its store has one message."""
    with processes.folder_on_disk() as folder:
        made = desk_servers.set_up(folder)
        fill.add_mailboxes(made, count, 1, 1)
        config = load_config(made.settings, "adviser", AdviserConfig)
        store = open_store(config.store_path)
        desk = unlocking.unlock_desk(config, store, made.passphrase)
        try:
            yield desk
        finally:
            desk.stop()
            store.close()


def cpu_of(work: Callable[[], object]) -> float:
    """Return the seconds of processor time that this process needs for a piece of work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def check(desk: OpenDesk, count: int) -> float:
    """Check every mailbox, and return the processor time for each, in microseconds."""
    seconds = cpu_of(lambda: background_check.check_store(desk, utc_today()))
    assert (desk.progress.done, desk.unsound) == (count, {})
    return seconds / count * 1e6


def index(desk: OpenDesk) -> None:
    desk.index = SearchIndex(search_process_starters())
    unlocking.start_indexing(desk)
    assert desk_readers.wait_until_whole(desk.index, _INDEX_SECONDS).is_whole


def test_the_check_takes_the_same_time_for_each_mailbox_and_the_inbox_opens_at_once() -> None:
    with a_flooded_desk(_FEW) as few:
        before = check(few, _FEW)
    with a_flooded_desk(FLOOD_MAILBOXES) as desk:
        each = check(desk, FLOOD_MAILBOXES)
        size = Path(desk.config.trusted_state_path).stat().st_size / 1e6
        index(desk)
        seconds = []
        for _ in range(7):
            start = time.monotonic()
            inbox = inbox_lists.read_inbox(desk, InboxFilter(), utc_today())
            seconds.append(time.monotonic() - start)
            assert (inbox.waiting, len(inbox.rows)) == (FLOOD_MAILBOXES, inbox_lists.PAGE_ROWS)
    if IS_WHOLE:
        assert each < _RATE * before
        assert median(seconds) < _INBOX_SECONDS
    print_result(
        f"a flood: the check of {FLOOD_MAILBOXES:,} mailboxes takes {each:.0f} µs of processor time for each,"
        f" and of {_FEW:,} mailboxes {before:.0f} µs; the trusted state has {size:.1f} MB; the inbox opens in"
        f" {median(seconds):.2f} s"
    )


def closed(count: int) -> tuple[float, float, float]:
    """Close a flood as spam, delete it, and destroy its bytes. Return milliseconds for each mailbox."""
    with a_flooded_desk(count) as desk:
        check(desk, count)
        index(desk)
        close_spam.choose_mailboxes(desk)
        choice = desk.spam_choice
        look_at_all(desk, choice)
        assert close_spam.confirm_choice(choice, close_spam.digest_of_choice(choice))
        closing = cpu_of(lambda: close_spam.close_chosen(desk, choice, utc_today()))
        assert (choice.closed, choice.kept) == (count, [])
        later = utc_today() + timedelta(days=2 + desk.config.retention_spread_days)
        deleting = cpu_of(lambda: apply_retention(desk.store, desk.letterhead, later))
        destroying = cpu_of(lambda: cleanup.destroy_deleted(desk.store, half_hour_now()))
        background_check.check_store(desk, later)
        assert (desk.unsound, len(desk.trusted_state.ended)) == ({}, count)
    return closing / count * 1e3, deleting / count * 1e3, destroying / count * 1e3


def look_at_all(desk: OpenDesk, choice: SpamChoice) -> None:
    place = 0
    while place < len(choice.addresses):
        name, place, _ = close_spam.read_page(desk, choice, place)
        assert close_spam.submit_page(choice, name, ())


def test_many_mailboxes_are_closed_and_deleted_at_a_rate_that_does_not_fall() -> None:
    few, many = closed(CLOSED_MAILBOXES // 5), closed(CLOSED_MAILBOXES)
    if IS_WHOLE:
        assert all(now < _RATE * before for now, before in zip(many, few, strict=True))
    print_result(
        f"{CLOSED_MAILBOXES:,} mailboxes closed as spam in one step: closing, deleting and destroying take"
        f" {many[0]:.1f}, {many[1]:.1f} and {many[2]:.1f} ms of processor time for each; with a fifth as many"
        f" mailboxes {few[0]:.1f}, {few[1]:.1f} and {few[2]:.1f} ms"
    )
