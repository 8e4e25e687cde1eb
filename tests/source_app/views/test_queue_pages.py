"""In a flood of log-ins, everyone who is refused gets a place in the queue, and nothing typed is lost."""

import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from source_app.queue_place import QueuePlace, open_place, seal_place
from source_app.services import login
from store import mailboxes
from tests.pages import hooks
from tests.source_app.desks import ADesk, SourceBrowser, make_desk
from web.dates import half_hour_now
from web.page_padding import STEP_BYTES


@pytest.fixture
def a_desk(tmp_path: Path) -> Iterator[ADesk]:
    """Return a desk in whose queue no one can wait."""
    desk = make_desk(tmp_path, argon2_queue=0)
    yield desk
    desk.store.close()


def in_a_flood(a_desk: ADesk, ask: Callable[[], TestResponse]) -> TestResponse:
    """Send a request while another log-in has the only slot."""
    with (a_desk.config.argon2_lock_path / "slot-0").open("wb") as slot:
        fcntl.flock(slot, fcntl.LOCK_EX)
        return ask()


def place_in(a_desk: ADesk, page: TestResponse, action: str = "/en/log-in") -> QueuePlace:
    return open_place(a_desk.browser().hidden(page, action)["place"], a_desk.desk.server_secret)


@pytest.fixture
def source(a_desk: ADesk) -> SourceBrowser:
    browser = a_desk.browser()
    browser.start()
    return browser


def test_the_refused_get_a_place_and_keep_words_and_text_whatever_was_typed(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    for typed in (source.passphrase, "abacus", ""):
        busy = in_a_flood(a_desk, lambda typed=typed: source.log_in(typed, text="do not lose me"))

        assert busy.status_code == 503
        assert busy.headers["Retry-After"] == hooks(busy.text, "wait")[0] == "10"
        assert hooks(busy.text, "refusal") == ["busy"]
        assert "do not lose me" in busy.text
        assert f"{typed}</textarea>" in busy.text
        assert 'aria-invalid="true"' not in busy.text
        assert len(busy.data) == STEP_BYTES
        assert "Set-Cookie" not in busy.headers
        again = {**source.hidden(busy, "/en/log-in"), "words": source.passphrase, "text": "do not lose me"}
        assert "do not lose me" in source.post("/en/log-in", again).text


def test_starting_a_mailbox_uses_the_same_queue(a_desk: ADesk) -> None:
    source = a_desk.browser()
    source.get("/en/begin")
    words, ticket = login.draw_passphrase(a_desk.desk, "en", now=half_hour_now())
    form = {"ticket": ticket, "words": " ".join(words)}

    busy = in_a_flood(a_desk, lambda: source.post("/en/practise", form))

    assert busy.status_code == 503
    assert busy.headers["Retry-After"] == hooks(busy.text, "wait")[0]
    assert hooks(busy.text, "refusal") == ["busy"]
    assert len(busy.data) == STEP_BYTES
    assert place_in(a_desk, busy, "/en/practise")
    entered = source.post("/en/practise", {**form, **source.hidden(busy, "/en/practise")})
    assert entered.status_code == 303
    with a_desk.store.reading() as reading:
        assert len(mailboxes.all_addresses(reading)) == 1


def test_who_presses_too_early_keeps_the_place(a_desk: ADesk, source: SourceBrowser) -> None:
    busy = in_a_flood(a_desk, lambda: source.log_in(source.passphrase))
    form = {**source.hidden(busy, "/en/log-in"), "words": source.passphrase}

    again = in_a_flood(a_desk, lambda: source.post("/en/log-in", form))

    assert place_in(a_desk, again) == place_in(a_desk, busy)


def test_all_worker_processes_honour_a_place(a_desk: ADesk, source: SourceBrowser) -> None:
    """Each process has the server's secret, and nothing else has to be shared."""
    place = QueuePlace(1, bytes(8))
    form = {"words": source.passphrase, "place": seal_place(place, a_desk.desk.server_secret)}

    busy = in_a_flood(a_desk, lambda: source.post("/en/log-in", form))

    assert place_in(a_desk, busy) == place


def test_a_place_is_used_once(a_desk: ADesk, source: SourceBrowser) -> None:
    busy = in_a_flood(a_desk, lambda: source.log_in("abacus"))
    form = {**source.hidden(busy, "/en/log-in"), "words": "abacus"}
    used = place_in(a_desk, busy)
    source.post("/en/log-in", form)

    again = in_a_flood(a_desk, lambda: source.post("/en/log-in", form))

    assert place_in(a_desk, again) > used


def test_of_two_copies_of_a_place_that_wait_one_is_served(a_desk: ADesk, source: SourceBrowser) -> None:
    place = QueuePlace.new()
    form = {"words": "abacus", "place": seal_place(place, a_desk.desk.server_secret)}
    run = a_desk.desk.argon2_limiter.run

    def overtaken(work: Callable[[], object], mine: QueuePlace | None = None) -> object:
        assert a_desk.desk.sessions.add(place.spent_name, half_hour_now() + 1)
        return run(work, mine)

    a_desk.desk.argon2_limiter.run = overtaken  # type: ignore[method-assign, assignment]  # the copy comes first

    refused = source.post("/en/log-in", form)

    assert refused.status_code == 503
    assert place_in(a_desk, refused) > place


def test_the_next_wait_of_a_visitor_has_nothing_in_common_with_this_one(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    first, second = (
        place_in(a_desk, in_a_flood(a_desk, lambda: source.log_in(source.passphrase))) for _ in range(2)
    )

    assert first.number != second.number


def test_a_store_that_fails_gives_no_place(a_desk: ADesk, source: SourceBrowser) -> None:
    busy = in_a_flood(a_desk, lambda: source.log_in(source.passphrase))
    form = {**source.hidden(busy, "/en/log-in"), "words": source.passphrase}
    a_desk.config.store_path.rename(a_desk.config.store_path.with_name("away"))

    failed = source.post("/en/log-in", form)

    assert (failed.status_code, hooks(failed.text, "refusal")) == (503, ["store"])
    assert source.hidden(failed, "/en/log-in")["place"] == ""
