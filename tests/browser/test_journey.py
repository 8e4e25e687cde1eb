"""P8 (works without JavaScript): from the first message to the ended mailbox, also without a mouse."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from bench import desk_servers
from store import mailboxes
from store.cleanup import destroy_deleted
from store.database import engine
from tests import source_labels as labels
from tests.browser.keyboard import choose, fetch, fill, follow, press, reach, save_file, send
from tests.browser.user_actions import sees, unlock

pytestmark = pytest.mark.slow

Visit = Callable[..., BrowserContext]


def _start_mailbox(page: Page, url: str) -> str:
    page.goto(url)
    follow(page, labels.START)
    passphrase = page.locator(".words").inner_text()
    # A passphrase with two words swapped is refused.
    words = passphrase.split()
    fill(page, labels.FROM_PAPER, " ".join([words[1], words[0], *words[2:]]))
    press(page, labels.OPEN)
    sees(page, "refusal", "other_words")
    # The passphrase as it was printed or copied, with its line ends.
    fill(page, labels.FROM_PAPER, passphrase.upper())
    press(page, labels.OPEN)
    return passphrase


def _log_in(page: Page, url: str, passphrase: str) -> None:
    page.goto(url)
    follow(page, labels.RETURN)
    fill(page, labels.PASSPHRASE, passphrase)
    press(page, labels.OPEN)


def _addresses(store: engine.Store) -> set[bytes]:
    with store.reading() as session:
        return set(mailboxes.all_addresses(session))


def test_from_the_first_message_to_the_ended_mailbox(
    visit: Visit,
    servers: desk_servers.DeskServers,
    source_url: str,
    adviser_url: str,
    tmp_path: Path,
    big_video: Path,
) -> None:
    document, photo = tmp_path / "bewijs één.pdf", tmp_path / "photo.jpg"
    document.write_bytes(b"%PDF-1.7\n" + b"line\n" * 20_000)
    photo.write_bytes(bytes(range(256)) * 3_000)
    sent = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in (document, photo, big_video)}
    advice = tmp_path / "advies.pdf"
    advice.write_bytes(b"%PDF-1.7\nadvice\n")

    store = engine.open_store(servers.desk.path("source", "store_path"))
    before = _addresses(store)

    # A source starts a mailbox and writes.
    source = visit().new_page()
    passphrase = _start_mailbox(source, source_url)
    fill(source, labels.MESSAGE, "First line <b>not bold</b>\n\nhttps://example.org/ second line")
    choose(source, labels.FILES, [document, photo, big_video])
    press(source, labels.SEND)
    sees(source, "page", "mailbox/received")
    expect(source.locator("[data-expected]")).to_be_visible()
    for name in sent:
        expect(source.get_by_text(name)).to_be_visible()

    # The adviser reads, checks the files and answers.
    adviser = visit().new_page()
    unlock(adviser, adviser_url, servers.desk.passphrase)
    expect(adviser.locator("h1[data-waiting='1']")).to_be_visible()
    first = adviser.locator(".row .label").first
    label = first.inner_text()
    reach(adviser, first)
    adviser.keyboard.press("Enter")
    expect(adviser.get_by_text("First line <b>not bold</b>")).to_be_visible()
    assert adviser.get_by_role("link", name="example.org").count() == 0
    for name, sha256 in sent.items():
        assert hashlib.sha256(save_file(adviser, name, tmp_path / "fetched")).digest() == sha256
    expect(adviser.locator("form .label")).to_have_text(label)
    fill(adviser, adviser.locator("#text"), "Thank you.\nWhat would you like to reach?")
    choose(adviser, adviser.locator("#files"), [advice])
    send(adviser, "/answer")
    expect(adviser.locator("[data-news=sent]")).to_be_visible()

    # Later, in another browser, with only the passphrase.
    again = visit().new_page()
    _log_in(again, source_url, passphrase)
    sees(again, "notice", "answer")
    expect(again.get_by_text("What would you like to reach?")).to_be_visible()
    assert fetch(again, "advies.pdf", tmp_path / "answered") == advice.read_bytes()
    follow(again, labels.WRITE)
    fill(again, labels.MESSAGE, "A second message, which I will delete.")
    press(again, labels.SEND)
    follow(again, labels.TO_MAILBOX)
    follow(again, labels.DELETE)
    press(again, labels.DELETE_IT)
    sees(again, "page", "mailbox/thread")
    sees(again, "entry", "removed")
    expect(again.get_by_text("A second message, which I will delete.")).to_have_count(0)

    # The source ends the mailbox.
    follow(again, labels.END)
    reach(again, again.get_by_role("checkbox"))
    again.keyboard.press("Space")
    press(again, labels.END_IT)
    sees(again, "page", "mailbox/ended")
    _log_in(again, source_url, passphrase)
    sees(again, "refusal", "no_mailbox")
    destroy_deleted(store, 0)
    assert _addresses(store) == before
    store.close()
    adviser.goto(f"{adviser_url}/inbox?state=closed")
    expect(adviser.locator("[data-state=ended]")).to_be_visible()


def test_the_card_prints_the_words_in_their_order_and_nothing_else(visit: Visit, source_url: str) -> None:
    page = visit().new_page()
    page.goto(f"{source_url}/en/begin")
    words = page.locator(".words").inner_text().split()
    page.emulate_media(media="print")
    assert page.locator("body").inner_text().split() == words


def test_the_quick_exit_ends_the_session(visit: Visit, source_url: str) -> None:
    context = visit()
    page = context.new_page()
    _start_mailbox(page, source_url)
    assert len(context.cookies()) == 1
    quick_exit = page.get_by_role("link", name=labels.LEAVE)
    reach(page, quick_exit)
    with page.expect_request("https://neutral.example/") as neutral:  # `leave_url` of these servers
        page.keyboard.press("Enter")
    assert neutral.value.header_value("referer") is None
    assert context.cookies() == []
    another = context.new_page()
    another.goto(f"{source_url}/en/mailbox/write")
    sees(another, "page", "begin/log_in")


def test_the_back_button_shows_nothing_after_logging_out(visit: Visit, source_url: str) -> None:
    context = visit()
    page = context.new_page()
    _start_mailbox(page, source_url)
    page.goto(f"{source_url}/en/mailbox")
    press(page, labels.LOG_OUT)
    assert context.cookies() == []
    page.go_back()
    sees(page, "page", "begin/log_in")


def test_no_one_gets_a_cookie_before_a_mailbox_is_open(visit: Visit, source_url: str) -> None:
    context = visit()
    page = context.new_page()
    for path in ("/", "/nl/", "/en/help", "/nl/privacy", "/en/accessibility", "/en/log-in"):
        page.goto(source_url + path)
    assert context.cookies() == []


def test_the_start_page_needs_two_requests_and_less_than_14_kib(visit: Visit, source_url: str) -> None:
    for language in ("nl", "en"):
        page = visit(language=language).new_page()
        sizes: list[int] = []
        page.on("requestfinished", lambda request: sizes.append(sum(request.sizes().values())))  # noqa: B023
        page.goto(source_url)
        page.wait_for_load_state("networkidle")
        assert page.locator("html").get_attribute("lang") == language
        assert len(sizes) <= 2
        assert sum(sizes) < 14 * 1024
