"""Mailboxes take turns, and someone who sends many requests at once waits for their own."""

import sys
import threading
import time
from collections.abc import Callable

import pytest

from source_app import mailbox_limiter
from source_app.errors import MailboxBusyError
from source_app.mailbox_limiter import REQUESTS_MAX, MailboxLimiter
from source_app.views import answer_pages
from source_app.views.request_context import limit_decryption
from store.errors import NoSuchMailboxError
from tests.pages import hooks
from tests.source_app.desks import ADesk, SourceBrowser
from tests.source_app.views.test_log_in_wire import seen_on_the_wire


class Requests:
    """Requests that come one after another, while the first still decrypts its mailbox."""

    def __init__(self, limiter: MailboxLimiter) -> None:
        self._limiter = limiter
        self._threads: list[threading.Thread] = []
        self.served: list[str] = []
        self.refused: list[str] = []

    def arrive(self, *mailboxes: str) -> None:
        for number, mailbox in enumerate(mailboxes):
            before = len(self._limiter._queue) + len(self.refused)
            self._threads.append(threading.Thread(target=self._serve, args=(f"{mailbox}{number}", mailbox)))
            self._threads[-1].start()
            while len(self._limiter._queue) + len(self.refused) <= before:
                time.sleep(0.001)

    def finish(self) -> None:
        for thread in self._threads:
            thread.join()

    def _serve(self, name: str, mailbox: str) -> None:
        try:
            with self._limiter.of(mailbox):
                self.served.append(name)
        except MailboxBusyError:
            self.refused.append(name)


def test_the_mailboxes_take_turns_however_many_requests_one_of_them_has() -> None:
    limiter = MailboxLimiter()
    requests = Requests(limiter)

    with limiter.of("a"):
        requests.arrive("a", "a", "b", "a", "c")
    requests.finish()

    assert requests.served == ["b2", "c4", "a0", "a1", "a3"]


def test_one_mailbox_with_many_requests_does_not_keep_another_out() -> None:
    limiter = MailboxLimiter()
    requests = Requests(limiter)

    with limiter.of("a"):
        requests.arrive(*"aaaaaaa", "b", "c")
        assert len(limiter._queue) == REQUESTS_MAX
    requests.finish()

    assert requests.served == ["b7", "c8", "a0", "a1", "a2"]
    assert sorted(requests.refused) == ["a3", "a4", "a5", "a6"]


def test_a_source_is_answered_while_someone_asks_for_six_long_mailboxes_again_and_again() -> None:
    limiter = MailboxLimiter()
    requests = Requests(limiter)

    with limiter.of("a"):
        requests.arrive(*"bcdef", "s", *"bcdef")
    requests.finish()
    assert "s5" in requests.refused
    with limiter.of("a"):
        requests.arrive(*"bcdef", "s", *"bcdef")
    requests.finish()

    assert requests.served == ["b0", "c1", "d2", "e3", "f4", "s5", "b0", "c1", "d2", "e3"]


def test_a_source_who_asks_again_is_answered_although_many_long_mailboxes_take_turns() -> None:
    """Attack: each mailbox asks rarely, so that each comes before a source who has just read the form."""
    limiter = MailboxLimiter()
    with limiter.of("s"):
        requests = Requests(limiter)
    answered = []
    for crowd in ("abcdef", "ghijkl", "mnopqr", "abcdef"):
        requests.served.clear()
        with limiter.of(crowd[0]):
            requests.arrive(*crowd[1:], "s")
        requests.finish()
        answered.append(requests.served[0] == "s5")

    assert answered == [False, False, False, True]
    assert requests.refused == ["s5", "s5", "s5", "f4"]


def test_only_the_latest_mailboxes_are_remembered() -> None:
    limiter = MailboxLimiter()
    most = mailbox_limiter._REMEMBERED_MAX

    for number in range(most + 10):
        with limiter.of(str(number)):
            pass

    assert list(limiter._previous) == [hash(str(number)) for number in range(10, most + 10)]


def test_the_failed_log_ins_of_an_hour_push_no_mailbox_out_of_the_order() -> None:
    """Attack: cookies of thousands of failed log-ins take turns. A forgotten one came before mailboxes."""
    limiter = MailboxLimiter()
    cookies = [f"failed {number}" for number in range(8 * 3600)]
    for name in (*cookies, "source"):
        with limiter.of(name):
            pass
    for name in cookies:
        with limiter.of(name):
            pass
    requests = Requests(limiter)

    with limiter.of("long"):
        requests.arrive(*cookies[:3], "source")
    requests.finish()

    assert requests.served[0] == "source3"


def test_a_refused_request_pushes_no_mailbox_out_of_the_order() -> None:
    limiter = MailboxLimiter()
    with limiter.of("source"):
        requests = Requests(limiter)
        requests.arrive(*"bcdef", *"ghijklmn")
        assert list(limiter._previous) == [hash("source")]
    requests.finish()

    assert list(limiter._previous) == [*map(hash, ("source", *"bcdef"))]


def test_long_cookies_of_strangers_fill_no_memory(a_desk: ADesk) -> None:
    """Attack: each request brings another cookie, as long as the server reads."""
    limiter = a_desk.app.extensions["mailbox_limiter"]
    assert isinstance(limiter, MailboxLimiter)
    for number in range(1000):
        cookie = f"mailbox={number:0>16000}"
        with (
            a_desk.app.test_request_context("/en/mailbox", headers={"Cookie": cookie}),
            limit_decryption(None),
        ):
            pass

    assert len(limiter._previous) == 1000
    assert sum(map(sys.getsizeof, limiter._previous)) < 50_000


def test_many_mailboxes_occupy_no_more_threads_than_one() -> None:
    limiter = MailboxLimiter()
    requests = Requests(limiter)

    with limiter.of("a"):
        requests.arrive(*"bcdefghijk")
        assert len(limiter._queue) == REQUESTS_MAX
    requests.finish()

    assert requests.served == ["b0", "c1", "d2", "e3", "f4"]


def test_a_refused_request_that_wakes_after_all_others_have_ended_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limiter = MailboxLimiter()

    def wake_late(is_ready: Callable[[], bool]) -> bool:
        limiter._queue.clear()
        return is_ready()

    monkeypatch.setattr(limiter._queue_changed, "wait_for", wake_late)

    with pytest.raises(MailboxBusyError), limiter.of("a"):
        raise AssertionError("the request was not refused")


def test_a_page_that_fails_ends_its_turn() -> None:
    limiter = MailboxLimiter()

    with pytest.raises(ValueError, match="a fault"), limiter.of("a"):
        raise ValueError("a fault")

    with limiter.of("a"):
        assert len(limiter._queue) == 1


def test_a_log_in_with_a_text_counts_although_too_many_requests_wait(
    a_desk: ADesk, source: SourceBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the source types the passphrase again, and waits again. The text stays on the page."""
    tag = source.form_context()["mailbox"]

    def refuse(_mailbox: object) -> None:
        raise MailboxBusyError

    wires = []
    for typed, refusal in ((source.passphrase, []), ("words that open no mailbox here", ["no_mailbox"])):
        browser = a_desk.browser()
        with monkeypatch.context() as busy:
            busy.setattr(a_desk.app.extensions["mailbox_limiter"], "of", refuse)
            answer = browser.log_in(typed, text="an unsent text", mailbox=tag)
        assert (answer.status_code, "an unsent text" in answer.text) == (503, True)
        wires.append(seen_on_the_wire(answer))
        page = browser.get("/en/mailbox")
        assert (page.status_code, hooks(page.text, "refusal")) == (200, refusal)

    assert wires[0] == wires[1]


def test_a_mailbox_that_ended_meanwhile_leaves_no_cookie(
    source: SourceBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = source.form_context()["mailbox"]

    def end(*_: object) -> None:
        raise NoSuchMailboxError

    monkeypatch.setattr(answer_pages, "page_with_text", end)
    answer = source.log_in(source.passphrase, text="an unsent text", mailbox=tag)

    assert (answer.status_code, "an unsent text" in answer.text) == (404, True)
    assert source.client.get_cookie("mailbox") is None


def _log_ins(source: SourceBrowser, a_desk: ADesk) -> dict[str, Callable[[], int]]:
    """Return requests after a right and after a wrong log-in, with and without an unsent text."""
    right, wrong = a_desk.browser(), a_desk.browser()
    right.log_in(source.passphrase)
    wrong.log_in("seven words that open no mailbox here")
    tag = source.form_context()["mailbox"]
    return {
        "right": lambda: right.get("/en/mailbox").status_code,
        "wrong": lambda: wrong.get("/en/mailbox").status_code,
        "right, with a text": lambda: _with_text(a_desk, source.passphrase, tag),
        "right, with a text of another mailbox": lambda: _with_text(a_desk, source.passphrase, ""),
        "wrong, with a text": lambda: _with_text(a_desk, "seven words that open no mailbox here", tag),
    }


def _with_text(a_desk: ADesk, typed: str, tag: str) -> int:
    return a_desk.browser().log_in(typed, text="unsent", mailbox=tag).status_code


@pytest.mark.parametrize(
    "log_in",
    ["right", "wrong", "right, with a text", "right, with a text of another mailbox", "wrong, with a text"],
)
def test_the_time_of_the_page_does_not_show_whether_the_words_were_right(
    a_desk: ADesk, source: SourceBrowser, log_in: str
) -> None:
    """Someone keeps the process busy with long mailboxes: only pages that wait for their turn take long."""
    request = _log_ins(source, a_desk)[log_in]
    limiter = a_desk.app.extensions["mailbox_limiter"]
    others = Requests(limiter)
    answers: list[int] = []
    page = threading.Thread(target=lambda: answers.append(request()))

    with limiter.of("long"):
        page.start()
        while len(limiter._queue) == 1 and not answers:
            time.sleep(0.001)
        waits = not answers
    page.join()
    with limiter.of("long"):
        others.arrive(*"abcde")
        refused = request()
    others.finish()

    assert (waits, answers, refused) == (True, [200], 503)
