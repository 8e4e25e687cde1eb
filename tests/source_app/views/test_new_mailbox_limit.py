"""A limit on new mailboxes an hour: it asks new visitors to come back, and no one with a mailbox notices."""

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from store import mailboxes
from tests.pages import hooks
from tests.source_app.desks import ADesk, SourceBrowser, make_desk
from web.dates import half_hour_now

HALF_HOUR = 1_800
START = 1_000_000 * HALF_HOUR


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Stop the clock at the beginning of a half hour. A test moves the clock by changing the list's item."""
    now = [float(START)]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


@pytest.fixture
def a_desk(tmp_path: Path) -> Iterator[ADesk]:
    """Return a desk at which two mailboxes can be started in each half hour."""
    desk = make_desk(tmp_path, new_mailboxes_an_hour=3)
    yield desk
    desk.store.close()


@pytest.fixture
def full(a_desk: ADesk) -> tuple[SourceBrowser, SourceBrowser]:
    """Return two browsers that started the last mailboxes of this half hour."""
    browsers = a_desk.browser(), a_desk.browser()
    for browser in browsers:
        browser.start()
    return browsers


def mailboxes_in(a_desk: ADesk) -> int:
    with a_desk.store.reading() as reading:
        return len(mailboxes.all_addresses(reading))


def words_on(page: str) -> list[str]:
    """Return the words of the passphrase that a page shows."""
    return re.findall(r"<span>([a-z]+)</span>", page)


@pytest.mark.usefixtures("full")
def test_the_start_page_says_when_to_come_back_before_anyone_writes_words_down(a_desk: ADesk) -> None:
    page = a_desk.browser().get("/en/begin")

    assert (page.status_code, hooks(page.text, "refusal")) == (503, ["limit"])
    assert words_on(page.text) == []
    assert "Set-Cookie" not in page.headers
    assert 0 < int(page.headers["Retry-After"]) <= HALF_HOUR
    assert hooks(page.text, "again") == [f"{datetime.fromtimestamp(START + HALF_HOUR, UTC):%H:%M}"]


@pytest.mark.parametrize(("passed", "minutes"), [(0, 30), (1, 30), (899, 30), (900, 15), (1_790, 15)])
def test_the_time_to_wait_is_told_in_quarters_of_an_hour(
    a_desk: ADesk, clock: list[float], passed: int, minutes: int
) -> None:
    clock[0] += passed
    for _ in range(2):
        a_desk.browser().start()

    page = a_desk.browser().get("/en/begin")

    assert hooks(page.text, "minutes") == [str(minutes)]
    assert page.headers["Retry-After"] == str(HALF_HOUR - passed)


def test_someone_who_has_a_mailbox_never_notices(
    a_desk: ADesk, full: tuple[SourceBrowser, SourceBrowser]
) -> None:
    source, other = full
    assert source.log_in(source.passphrase).status_code == 303
    assert source.write("still here").status_code == 303
    assert other.get("/en/mailbox").status_code == 200
    assert mailboxes_in(a_desk) == 2


def test_words_that_were_written_down_stay_good_until_the_next_half_hour(
    a_desk: ADesk, clock: list[float]
) -> None:
    late = a_desk.browser()
    shown = late.get("/en/begin")
    for _ in range(2):
        a_desk.browser().start()
    words = " ".join(words_on(shown.text))
    form = {**late.hidden(shown, "/en/practise"), "words": words}

    busy = late.post("/en/practise", form)
    assert (busy.status_code, hooks(busy.text, "refusal"), mailboxes_in(a_desk)) == (503, ["limit"], 2)
    assert f"{words}</textarea>" in busy.text
    again = {**late.hidden(busy, "/en/practise"), "words": words}
    clock[0] += HALF_HOUR

    assert late.post("/en/practise", again).status_code == 303
    assert mailboxes_in(a_desk) == 3


def test_a_form_that_is_sent_twice_counts_once(a_desk: ADesk) -> None:
    source = a_desk.browser()
    shown = source.get("/en/begin")
    words = " ".join(words_on(shown.text))
    form = {**source.hidden(shown, "/en/practise"), "words": words}
    answers = [source.post("/en/practise", form).status_code for _ in range(3)]
    a_desk.browser().start()

    assert answers == [303] * 3
    assert mailboxes_in(a_desk) == 2
    assert source.post("/en/practise", form).status_code == 303  # also when the limit is reached


def test_wrong_words_are_not_counted(a_desk: ADesk) -> None:
    source = a_desk.browser()
    for _ in range(5):
        shown = source.get("/en/begin")
        source.post("/en/practise", {**source.hidden(shown, "/en/practise"), "words": "not these"})

    assert a_desk.browser().start().status_code == 200


def test_only_the_number_of_this_half_hour_is_stored_and_only_in_memory(
    a_desk: ADesk, full: tuple[SourceBrowser, SourceBrowser]
) -> None:
    for browser in full:
        browser.post("/en/log-out", {})
    with closing(sqlite3.connect(a_desk.config.sessions_path)) as sessions:
        counts = sessions.execute(
            "SELECT box, expires_half_hour FROM session WHERE box = zeroblob(2)"
        ).fetchall()
    assert counts == [(bytes(2), half_hour_now() + 1)]

    a_desk.desk.sessions.sweep(half_hour_now() + 1)
    with closing(sqlite3.connect(a_desk.config.sessions_path)) as sessions:
        assert sessions.execute("SELECT count(*) FROM session WHERE box = zeroblob(2)").fetchone() == (0,)


def test_without_the_setting_nothing_is_counted(tmp_path: Path) -> None:
    a_desk = make_desk(tmp_path)
    for _ in range(3):
        a_desk.browser().start()
    with closing(sqlite3.connect(a_desk.config.sessions_path)) as sessions:
        assert not sessions.execute(
            "SELECT 1 FROM session WHERE box = zeroblob(length(box)) AND length(box) > 0"
        ).fetchall()
    a_desk.store.close()
