"""After a log-in, an observer of the connection sees neither that it failed nor that an answer waits."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from html import escape

import pytest
from werkzeug.test import TestResponse

from crypto import passphrase
from protocol.session import token_hash
from source_app.argon2_limiter import Argon2Limiter
from source_app.background_thread import BackgroundThread
from source_app.mailbox_limiter import MailboxLimiter
from source_app.passphrase_typos import PassphraseTypos, find_typos
from source_app.queue_place import QueuePlace
from source_app.session_cookie import open_cookie, seal_cookie
from source_app.views import request_hooks
from source_app.views.request_hooks import CONVERSATION_STEP_BYTES
from tests.pages import hooks
from tests.source_app.desks import ADesk, SourceBrowser
from web.dates import half_hour_now

ANSWER = "An answer of some length. " * 150  # 3,900 bytes
CYRILLIC = "Тайна" * 390  # 1,950 letters


@pytest.fixture
def outcomes(a_desk: ADesk) -> dict[str, tuple[SourceBrowser, str]]:
    """Return browsers and the words to type: of an empty mailbox, of an unread answer, and wrong words."""
    empty, answered = a_desk.browser(), a_desk.browser()
    empty.start()
    answered.start()
    answered.write("hello")
    a_desk.answer(a_desk.keys_of(answered), ANSWER)
    words = empty.passphrase.split()
    typed = {
        "empty": empty.passphrase,
        "answered": answered.passphrase,
        "nothing": "",
        "all on the list": "abacus " * 7,
        "another order": " ".join([*words[1:], words[0]]),
        "typing error": " ".join([*words[:-1], "qqqqqq"]),
        "too long": "x" * 700,
        "too few": " ".join(words[:-1]),
        "too many": " ".join([*words, words[-1]]),
        "without spaces": "".join(words),
        "many words": "q " * 390,
    }
    return {name: (a_desk.browser(), each) for name, each in typed.items()}


def seen_on_the_wire(answer: TestResponse) -> object:
    """Return the status, the names and sizes of the headers, and the size of the body."""
    return answer.status_code, [(name, len(value)) for name, value in answer.headers], len(answer.data)


def test_every_log_in_looks_the_same_on_the_wire(outcomes: dict[str, tuple[SourceBrowser, str]]) -> None:
    wires = {}
    for name, (browser, typed) in outcomes.items():
        sent = browser.log_in(typed)
        cookie = browser.client.get_cookie("mailbox")
        page = browser.get(sent.location)
        request = (page.request.path, len(cookie.value) if cookie else 0)
        wires[name] = (seen_on_the_wire(sent), request, seen_on_the_wire(page))

    assert len({str(wire) for wire in wires.values()}) == 1, wires
    assert wires["empty"][0][0] == 303  # type: ignore[index]  # a tuple
    assert wires["empty"][2][0] == 200  # type: ignore[index]  # a tuple


def test_a_log_in_with_a_waiting_text_looks_the_same_on_the_wire(
    outcomes: dict[str, tuple[SourceBrowser, str]],
) -> None:
    """The text is in no cookie and not on the server, so the answer itself has the text (ADR 5)."""
    answers = {name: browser.log_in(typed, text="mine") for name, (browser, typed) in outcomes.items()}

    assert all("mine" in each.text for each in answers.values())
    assert len({str(seen_on_the_wire(each)) for each in answers.values()}) == 1
    assert {each.status_code for each in answers.values()} == {200}


def test_wrong_unknown_and_mistyped_passphrases_look_the_same(
    outcomes: dict[str, tuple[SourceBrowser, str]],
) -> None:
    for name in ("nothing", "all on the list", "another order", "typing error", "too long", "too few"):
        browser, typed = outcomes[name]

        page = browser.log_in_and_follow(typed)

        assert hooks(page.text, "refusal") == ["no_mailbox"], name
        assert len(typed) < 3 or typed not in page.text  # the words are typed again


def test_a_word_on_no_list_is_marked_by_its_place_and_never_in_a_url(a_desk: ADesk) -> None:
    browser = a_desk.browser()

    sent = browser.log_in("abacus qqqqqq abacus")
    page = browser.get(sent.location)

    assert hooks(page.text, "unknown") == ["2"]
    assert sent.location == "/en/mailbox"
    assert "qqqqqq" not in page.text


def test_the_cookie_of_a_failed_log_in_is_sealed_and_opens_nothing(a_desk: ADesk) -> None:
    browser = a_desk.browser()
    browser.log_in("abacus qqqqqq")
    cookie = browser.client.get_cookie("mailbox")
    assert cookie is not None

    assert open_cookie(cookie.value, a_desk.desk.server_secret, half_hour_now()) == PassphraseTypos(
        2, unknown=(2,)
    )
    assert browser.get("/en/mailbox/write").status_code == 200
    assert hooks(browser.get("/en/mailbox/write").text, "refusal") == ["no_mailbox"]
    assert browser.post("/en/mailbox/end", {}).status_code == 403


def test_the_cookie_of_a_failed_log_in_is_old_after_an_hour() -> None:
    """Attack: someone collects cookies of failed log-ins. Each has a turn of its own before the mailboxes."""
    secret = bytes(32)
    sealed = seal_cookie(PassphraseTypos(2), secret, 1_000_000)

    opened = [open_cookie(sealed, secret, 1_000_000 + later) for later in (-1, 0, 1, 2)]

    assert opened == [None, PassphraseTypos(2), PassphraseTypos(2), None]


def test_one_failed_log_in_cannot_pass_for_many_visitors(a_desk: ADesk) -> None:
    """Someone spells one cookie in many ways, so that each has a turn of its own before the mailboxes."""
    secret = a_desk.desk.server_secret
    cookies = [seal_cookie(PassphraseTypos(2, unknown=(2,)), secret, 1) for _ in range(50)]

    for cookie in cookies:
        others = {
            cookie.replace("-", "+"),
            cookie.replace("_", "/"),
            f"{cookie}=",
            f"{cookie}==",
            f".{cookie}",
        }
        for other in others - {cookie}:
            assert open_cookie(other, secret, 1) is None
    assert {"-", "_"} <= set("".join(cookies))


def test_a_failed_log_in_ends_the_session_that_the_browser_had(a_desk: ADesk) -> None:
    browser = a_desk.browser()
    browser.start()
    first = browser.client.get_cookie("mailbox")
    assert first is not None

    browser.log_in("abacus")

    browser.client.set_cookie("mailbox", first.value)
    assert browser.get("/en/mailbox").location == "/en/log-in"


def test_places_far_down_a_long_text_do_not_make_the_cookie_longer(a_desk: ADesk) -> None:
    secret = a_desk.desk.server_secret
    many = find_typos(["q", "abacusabacus"] * 250)

    assert many == PassphraseTypos(500, tuple(range(1, 105, 2)), tuple(range(2, 105, 2)))
    assert open_cookie(seal_cookie(many, secret, 1), secret, 1) == many
    assert (
        len({len(seal_cookie(each, secret, 1)) for each in (many, PassphraseTypos(0), bytes(32), None)}) == 1
    )


def test_the_number_of_words_is_told_only_after_argon2id_has_run(
    a_desk: ADesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    derived = []
    derive = passphrase.derive_root_key

    def count(typed: str, *costs: object) -> object:
        derived.append(typed)
        return derive(typed, *costs)  # type: ignore[arg-type]

    monkeypatch.setattr(passphrase, "derive_root_key", count)
    for typed in ("", "abacus", "abacusabacus", "1. abacus", "?!"):
        a_desk.browser().log_in(typed)

    assert derived == ["", "abacus", "abacusabacus", "abacus", ""]


@pytest.mark.parametrize(
    ("count", "text"), [*((count, ANSWER) for count in range(1, 11)), (10, CYRILLIC), (10, "&" * 780)]
)
def test_in_a_mailbox_of_up_to_ten_entries_the_size_does_not_show_an_answer(
    a_desk: ADesk, count: int, text: str
) -> None:
    """Two mailboxes have equally many entries. In one of them, the newest is an answer.

    Each entry has 3,900 bytes as HTML.
    """
    assert len(escape(text).encode()) == 3900
    sizes = set()
    for is_answered in (False, True):
        source = a_desk.browser()
        source.start()
        for _ in range(count - is_answered):
            source.write(text)
        if is_answered:
            a_desk.answer(a_desk.keys_of(source), text)
        sizes |= {len(source.get(f"/{lang}/mailbox").data) for lang in ("en", "nl")}

    assert sizes == {CONVERSATION_STEP_BYTES}


@dataclass
class SlowDesk:
    """Desk whose clock moves only while a request waits for its turn, while it works, and while it pauses."""

    waits_seconds: float
    works_seconds: float = 0.0
    now: float = 0.0

    def install(self, a_desk: ADesk, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the waits for Argon2id and for a mailbox take time, and the work after them."""
        run, of, pad = Argon2Limiter.run, MailboxLimiter.of, request_hooks.pad

        def run_slowly(
            limiter: Argon2Limiter, work: Callable[[], object], place: QueuePlace | None
        ) -> object:
            self.now += self.waits_seconds
            return run(limiter, work, place)

        @contextmanager
        def wait_slowly(limiter: MailboxLimiter, mailbox: str | bytes) -> Iterator[None]:
            self.now += self.waits_seconds
            with of(limiter, mailbox):
                yield

        def pad_slowly(page: bytes, step: int) -> bytes:
            self.now += self.works_seconds
            return pad(page, step)

        def pause(seconds: float) -> None:
            self.now += seconds

        monkeypatch.setattr(Argon2Limiter, "run", run_slowly)
        monkeypatch.setattr(MailboxLimiter, "of", wait_slowly)
        monkeypatch.setattr(request_hooks, "pad", pad_slowly)
        monkeypatch.setattr("source_app.views.request_hooks.time.monotonic", lambda: self.now)
        a_desk.app.extensions["pause"] = pause


@pytest.mark.parametrize("waits_seconds", [0.0, 0.05, 0.097, 0.1, 0.399, 1.0])
def test_a_little_more_work_after_a_wait_does_not_move_the_answer_to_another_time_step(
    a_desk: ADesk, monkeypatch: pytest.MonkeyPatch, waits_seconds: float
) -> None:
    """Attack: the words are tried when the queue ends just before a step, and right words take more work."""
    source, slow = a_desk.browser(), SlowDesk(waits_seconds)
    source.start()
    slow.install(a_desk, monkeypatch)
    taken: set[float] = set()
    for slow.works_seconds in (0.0, 0.004, 0.07):
        for words in (source.passphrase, "abacus"):
            slow.now = 0.0
            source.log_in(words)
            taken.add(round(slow.now, 6))
            slow.now = 0.0
            source.get("/en/mailbox")
            taken.add(round(slow.now, 6))

    assert len(taken) == 1
    (seconds,) = taken
    assert seconds * 10 == pytest.approx(round(seconds * 10))


@pytest.mark.parametrize(
    ("works_seconds", "takes_seconds"), [(0.003, 0.1), (0.09, 0.1), (0.101, 0.2), (1.05, 1.1)]
)
def test_the_answers_after_a_log_in_are_sent_at_a_time_step(
    a_desk: ADesk, monkeypatch: pytest.MonkeyPatch, works_seconds: float, takes_seconds: float
) -> None:
    source, slow = a_desk.browser(), SlowDesk(0.0, works_seconds)
    source.start()
    slow.install(a_desk, monkeypatch)

    for words in (source.passphrase, "abacus"):
        for ask in (partial(source.log_in, words), partial(source.get, "/en/mailbox")):
            slow.now = 0.0
            ask()
            assert slow.now == pytest.approx(takes_seconds)


@pytest.mark.parametrize("path", ["/en/mailbox", "/en/mailbox/save"])
def test_visitors_who_tried_no_log_in_occupy_no_thread_by_waiting_for_a_time_step(
    a_desk: ADesk, source: SourceBrowser, path: str
) -> None:
    paused: list[float] = []
    a_desk.app.extensions["pause"] = paused.append
    stranger, former = a_desk.browser(), a_desk.browser()
    former.log_in(source.passphrase)
    assert len(paused) == 1
    a_desk.desk.sessions.drop(token_hash(a_desk.token_of(former)))

    for browser in (stranger, former):
        assert browser.get(path).status_code == 303

    assert len(paused) == 1


class HoldingClient:
    """Connection as the server passes it to the app."""

    def __init__(self) -> None:
        self.held: list[float] = []

    def hold(self, seconds: float) -> None:
        self.held.append(seconds)

    def hurry(self) -> None:
        """Do nothing: these requests have no body."""


def test_the_cookie_of_a_failed_log_in_occupies_no_thread_however_often_it_is_sent(a_desk: ADesk) -> None:
    """Attack: 300 requests a second with one cookie, each of which waits for its time step in a thread."""
    paused: list[float] = []
    a_desk.app.extensions["pause"] = paused.append
    browser, client = a_desk.browser(), HoldingClient()
    browser.log_in("abacus")
    paused.clear()

    for _ in range(5):
        page = browser.client.get("/en/mailbox", environ_overrides={"gunicorn.socket": client})
        assert hooks(page.text, "refusal") == ["no_mailbox"]

    assert paused == []
    assert len(client.held) == 5
    assert all(0 <= each < 0.2 for each in client.held)


def test_an_unread_answer_delays_no_later_request(a_desk: ADesk) -> None:
    """The receipt is appended in the background: the next request of the same connection does not wait."""
    later = []
    a_desk.app.extensions["in_background"] = later.append
    source = a_desk.browser()
    source.start()
    a_desk.answer(a_desk.keys_of(source), ANSWER)
    before = a_desk.transcript(a_desk.keys_of(source)).authentic.keys()

    source.get("/en/mailbox")

    assert a_desk.transcript(a_desk.keys_of(source)).authentic.keys() == before
    (append_receipt,) = later
    append_receipt()
    assert len(a_desk.transcript(a_desk.keys_of(source)).authentic) == len(before) + 1


def test_work_in_the_background_begins_a_second_later_and_keeps_its_order() -> None:
    slept: list[float] = []
    done: list[int] = []
    finished = threading.Event()
    thread = BackgroundThread(sleep=slept.append)

    thread.call(lambda: done.append(1))
    thread.call(lambda: done.append(2))
    thread.call(finished.set)

    assert finished.wait(30)
    assert done == [1, 2]
    assert all(0 < each <= 1 for each in slept)
