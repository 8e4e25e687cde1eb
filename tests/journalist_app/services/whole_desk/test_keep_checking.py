"""The background threads check the store from unlocking until locking, and no page has to ask for a check."""

import threading
import time
from collections.abc import Callable
from datetime import date, timedelta

import pytest

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services import inbox_lists
from journalist_app.services.inbox_lists import InboxFilter
from journalist_app.services.whole_desk import background_check, unlocking, whole_check
from tests.journalist_app.desk_factories import TODAY, World, a_source
from tests.journalist_app.desk_readers import SECONDS


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unlocking, "_PAGE_SECONDS", 0)
    monkeypatch.setattr(unlocking, "_AGAIN_SECONDS", 0.001)


def stopping_at(desk: OpenDesk, check: int, then: Callable[[], None] = lambda: None) -> Callable[[], date]:
    """Return a clock whose days follow each other. It locks the desk when this check asks for the day."""
    days: list[date] = []

    def today() -> date:
        days.append(TODAY + timedelta(len(days)))
        if len(days) == check:
            desk.stop()
        then()
        return days[-1]

    return today


def wait_for(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.002)


def test_a_new_message_is_in_the_inbox_although_no_page_asked_for_a_check(
    world: World, desk: OpenDesk
) -> None:
    before = set(threading.enumerate())
    unlocking.start_check_threads(desk, lambda: TODAY)
    wait_for(lambda: desk.last_check == desk.whole_check.day == TODAY)

    source = a_source(world)
    source.writes("vraag")
    wait_for(lambda: source.keys.address in desk.trusted_state.mailboxes)

    desk.stop()
    for thread in set(threading.enumerate()) - before:
        thread.join(SECONDS)
        assert not thread.is_alive()


def test_each_check_takes_the_day_anew(desk: OpenDesk) -> None:
    checked: list[date | None] = []

    unlocking.keep_checking(desk, stopping_at(desk, 3, lambda: checked.append(desk.last_check)))

    assert checked == [None, TODAY, TODAY + timedelta(1)]


def test_a_check_that_is_wanted_while_another_runs_comes_after_it(
    desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form was submitted after the running check had read the store. The next round is an hour away."""
    monkeypatch.setattr(unlocking, "_AGAIN_SECONDS", 3600)

    unlocking.keep_checking(desk, stopping_at(desk, 2, desk.check_wanted.set))

    assert desk.last_check is not None


def test_nothing_is_checked_after_locking(world: World, desk: OpenDesk) -> None:
    a_source(world).writes("vraag")
    desk.stop()

    unlocking.keep_checking(desk, lambda: TODAY)
    unlocking.keep_checking_whole_store(desk, lambda: TODAY)
    background_check.check_store(desk, TODAY)
    whole_check.check_whole_store(desk, TODAY)

    assert (desk.progress.done, desk.last_check, desk.whole_check.day) == (0, None, None)


def test_the_comparison_of_contents_keeps_no_check_waiting(
    world: World, desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: a source pastes thousands of encrypted blocks, whose comparison takes hours."""
    compared = threading.Event()

    def compare(desk: OpenDesk) -> None:
        compared.set()
        desk.stopping.wait()

    monkeypatch.setattr(unlocking.file_downloads, "compare_new_contents", compare)
    unlocking.start_check_threads(desk, lambda: TODAY)
    assert compared.wait(SECONDS)
    source = a_source(world)
    source.writes("vraag")

    wait_for(lambda: source.keys.address in desk.trusted_state.mailboxes)
    wait_for(lambda: desk.whole_check.day == TODAY)
    desk.stop()


def test_the_inbox_says_that_checking_ended_with_an_unexpected_fault(desk: OpenDesk) -> None:
    def no_day() -> date:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        unlocking.keep_checking(desk, no_day)

    shown = inbox_lists.read_inbox(desk, InboxFilter("waiting"), TODAY)
    assert (shown.progress.is_broken, shown.progress.is_running) == (True, False)


def test_a_check_waits_until_the_check_of_another_thread_ended(world: World, desk: OpenDesk) -> None:
    """The thread of a sync must not skip its check, because the other check began before items arrived."""
    a_source(world).writes("vraag")
    thread = threading.Thread(target=background_check.check_store, args=(desk, TODAY))

    with desk.checking:
        thread.start()
        assert desk.last_check is None
    thread.join()

    assert desk.progress.total == 1


def test_a_check_in_which_nothing_changed_does_not_make_the_inbox_reload(
    world: World, desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_source(world).writes("vraag")
    background_check.check_store(desk, TODAY)
    shown = []
    real = background_check.ended_mailboxes.forget_deleted_mailboxes

    def forget(desk: OpenDesk, today: date) -> None:
        shown.append(desk.progress.is_running)
        real(desk, today)

    monkeypatch.setattr(background_check.ended_mailboxes, "forget_deleted_mailboxes", forget)
    background_check.check_store(desk, TODAY)
    a_source(world).writes("nog een vraag")
    background_check.check_store(desk, TODAY)

    assert shown == [False, True]
