"""Nothing that a source typed is lost without JavaScript, and what a source needs is on the first screen."""

import socket
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests import source_labels as labels
from tests.browser.user_actions import sees, start_mailbox
from tests.proofs.proof_sizes import IS_WHOLE
from web.languages import known_languages

pytestmark = pytest.mark.slow

Visit = Callable[..., BrowserContext]
TEXT = "What I typed.\nA second line."
_MASTHEAD = ".masthead"
_PHONE = {"width": 360, "height": 640}
_HEAD_SHARE = 0.6  # of the first screen: the links in French and Arabic need a little more than half
_LANGUAGES = known_languages() if IS_WHOLE else ("fr", "ar")  # these two need the most room
_ZOOMED = {"width": 680, "height": 450}  # a window of 1,360 by 900 pixels, at a zoom of 200 %


@pytest.fixture
def page(visit: Visit, source_url: str) -> Page:
    """Return a page on which a source has typed a message and sent nothing."""
    page = visit().new_page()
    start_mailbox(page, source_url)
    page.locator("main textarea").fill(TEXT)
    return page


def _has_text(page: Page) -> None:
    expect(page.locator("textarea[name=text]")).to_have_value(TEXT)


@pytest.mark.parametrize("link", ["In danger?", "Talk instead", "Help", "Your mailbox", "Privacy"])
def test_a_link_of_the_site_costs_no_text(page: Page, link: str) -> None:
    page.get_by_role("button", name=link, exact=True).click()
    expect(page.locator("textarea[name=text]")).to_have_count(0)
    page.go_back()
    _has_text(page)


def test_a_log_out_leaves_no_text_on_the_device(page: Page) -> None:
    page.get_by_role("button", name=labels.LOG_OUT).click()
    sees(page, "page", "begin/logged_out")
    page.go_back()
    sees(page, "page", "begin/log_in")
    expect(page.locator("textarea[name=text]")).to_have_count(0)


def test_another_language_costs_no_text(page: Page) -> None:
    page.get_by_role("button", name="Nederlands").click()
    expect(page.locator("html")).to_have_attribute("lang", "nl")
    _has_text(page)


def test_back_and_forward_cost_no_text(page: Page) -> None:
    page.go_back()
    page.go_forward()
    _has_text(page)


def test_a_refused_file_costs_no_text(page: Page) -> None:
    files = [{"name": f"{number}.txt", "mimeType": "text/plain", "buffer": b"x"} for number in range(21)]
    page.locator("#files").set_input_files(files)  # type: ignore[arg-type]  # payloads of files
    page.get_by_role("button", name=labels.SEND).click()
    sees(page, "refusal", "too_many_files")
    _has_text(page)
    page.go_back()
    _has_text(page)


def test_an_expired_session_costs_no_text(page: Page) -> None:
    page.context.clear_cookies()
    page.get_by_role("button", name=labels.SEND).click()
    sees(page, "notice", "text_kept")
    _has_text(page)
    page.get_by_role("button", name="Nederlands").click()
    expect(page.locator("html")).to_have_attribute("lang", "nl")
    _has_text(page)


def test_a_new_mailbox_instead_of_a_log_in_costs_no_text(page: Page) -> None:
    page.context.clear_cookies()
    page.get_by_role("button", name=labels.SEND).click()
    with page.context.expect_page() as starting:
        page.get_by_role("link", name="Start a mailbox").click()
    sees(starting.value, "page", "begin/passphrase")
    _has_text(page)


def test_an_upload_that_is_cut_in_the_middle_costs_no_text(page: Page, source_url: str) -> None:
    """The connection breaks after the text and half of a file."""
    hidden = page.locator("form#typed input[type=hidden]").all()
    fields = {str(each.get_attribute("name")): str(each.get_attribute("value")) for each in hidden}
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {**fields, "text": TEXT}.items()
    ]
    head = '--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    body = "".join([*parts, head]).encode() + b"x" * 50_000
    cookie = "; ".join(f"{each['name']}={each['value']}" for each in page.context.cookies())
    host, _, port = source_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"POST /en/mailbox/write HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {source_url}\r\n"
            f"Cookie: {cookie}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            f"Content-Length: {len(body) + 100_000}\r\n\r\n".encode()
        )
        connection.sendall(body)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1)
    page.goto(f"{source_url}/en/mailbox/write")
    _has_text(page)


def test_a_mailbox_that_ended_meanwhile_costs_no_text(page: Page, source_url: str) -> None:
    other = page.context.new_page()
    other.goto(f"{source_url}/en/mailbox/end")
    cookies = page.context.cookies()
    other.locator("main input[type=checkbox]").check()
    other.locator("main form button").click()
    sees(other, "page", "mailbox/ended")
    page.context.add_cookies(cookies)  # type: ignore[arg-type]  # what `cookies` returned
    page.get_by_role("button", name=labels.SEND).click()
    _has_text(page)


def test_the_same_words_stay_in_another_language(visit: Visit, source_url: str) -> None:
    page = visit().new_page()
    page.goto(f"{source_url}/en/begin")
    words = page.locator(".words").inner_text()
    page.locator("main textarea").fill("half of the words")
    page.get_by_role("button", name="Nederlands").click()
    expect(page.locator("html")).to_have_attribute("lang", "nl")
    expect(page.locator(".words")).to_have_text(words)  # waits until the whole list has arrived
    expect(page.locator("main textarea")).to_have_value("half of the words")
    with page.context.expect_page() as helping:
        page.get_by_role("link", name="Hulp").click()
    sees(helping.value, "page", "help")
    expect(page.locator("main textarea")).to_have_value("half of the words")


def test_the_words_are_hidden_while_they_are_typed_and_copy_in_their_order(
    visit: Visit, source_url: str
) -> None:
    page = visit().new_page()
    page.goto(f"{source_url}/en/begin")
    spans = page.locator(".words span")
    lines = [round(box["y"]) for span in spans.all() if (box := span.bounding_box())]
    assert lines == sorted(set(lines))
    assert len(lines) == 7
    page.locator("main textarea").focus()
    expect(spans.first).to_be_hidden()
    page.keyboard.press("Tab")
    expect(spans.first).to_be_visible()


@pytest.mark.parametrize("language", _LANGUAGES)
def test_the_page_with_the_words_fits_one_screen_at_a_zoom_of_200_percent(
    visit: Visit, source_url: str, language: str
) -> None:
    page = visit().new_page()
    page.set_viewport_size(_ZOOMED)  # type: ignore[arg-type]  # a size
    page.goto(f"{source_url}/{language}/begin")
    last = page.locator("main > *").last.bounding_box()
    assert last is not None
    assert last["y"] + last["height"] <= _ZOOMED["height"]


def test_the_words_that_typing_hides_come_back_with_a_tap(visit: Visit, source_url: str) -> None:
    page = visit().new_page()
    page.goto(f"{source_url}/en/begin")
    words, again = page.locator(".words"), page.locator(".list .screen")
    expect(again).to_be_hidden()

    page.locator("textarea").focus()
    expect(words).to_be_hidden()
    again.click()

    expect(words).to_be_visible()


@pytest.mark.parametrize("language", _LANGUAGES)
def test_language_danger_and_other_ways_to_talk_are_on_the_first_screen_of_a_phone(
    page: Page, source_url: str, language: str
) -> None:
    """These have no head: the pages of a reverse proxy and of a wrong address, and files of reports."""
    page.get_by_role("button", name=labels.SEND).click()
    sees(page, "page", "mailbox/received")
    entry_id = page.url.partition("?")[0].rpartition("/")[2]
    page.set_viewport_size(_PHONE)  # type: ignore[arg-type]  # a size
    everybodys = ("", "help", "limits", "s/47", "s/38", "begin", "log-in", "x")
    own = ("write", f"received/{entry_id}", f"delete/{entry_id}", "end")
    for path in (*everybodys, "mailbox", *(f"mailbox/{each}" for each in own)):
        page.goto(f"{source_url}/{language}/{path}")
        _shows_the_head(page, path)


@pytest.mark.parametrize("path", ["log-in", "mailbox/end"])
def test_after_an_error_the_links_of_the_head_are_still_on_the_first_screen_of_a_phone(
    visit: Visit, source_url: str, path: str
) -> None:
    """Fault: the focus on the summary of the error scrolled the languages and the help off the screen."""
    page = visit().new_page()
    start_mailbox(page, source_url)
    page.set_viewport_size(_PHONE)  # type: ignore[arg-type]  # a size
    page.goto(f"{source_url}/en/{path}")
    if path == "log-in":
        page.locator("main textarea").fill("not the words")
    page.locator("main form button").click()
    expect(page.locator("#fault")).to_be_focused()
    expect(page.locator("#fault")).to_be_in_viewport()
    _shows_the_head(page, path)


def _shows_the_head(page: Page, path: str) -> None:
    links = page.locator(f"{_MASTHEAD} .links :is(a, button)")
    shown = [each for each in links.all() if (box := each.bounding_box()) and _is_on_screen(box)]
    leads = " ".join(str(each.get_attribute("href") or each.get_attribute("value")) for each in shown)
    assert "#danger" in leads, path
    assert "#talk" in leads, path
    assert any(each.get_attribute("lang") for each in shown), path
    heading = page.locator("main h1").bounding_box()
    assert heading is not None
    assert heading["y"] < _PHONE["height"] * _HEAD_SHARE, path


def _is_on_screen(box: object) -> bool:
    assert isinstance(box, dict)
    is_within = box["y"] + box["height"] <= _PHONE["height"] and box["x"] + box["width"] <= _PHONE["width"]
    return bool(is_within and box["y"] >= 0)


def test_after_an_error_the_focus_is_on_the_summary_and_its_link_leads_to_the_field(
    visit: Visit, source_url: str
) -> None:
    page = visit().new_page()
    start_mailbox(page, source_url)
    page.get_by_role("button", name=labels.SEND).click()
    expect(page).to_have_title("Error: Write")
    expect(page.locator("#fault")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.type("typed at once")
    expect(page.locator("main textarea")).to_have_value("typed at once")


def test_the_receipt_prints_as_a_card_with_only_the_day(visit: Visit, source_url: str) -> None:
    page = visit().new_page()
    start_mailbox(page, source_url)
    page.locator("main textarea").fill(TEXT)
    page.get_by_role("button", name=labels.SEND).click()
    sees(page, "page", "mailbox/received")
    page.wait_for_load_state("load")  # with its stylesheet
    day = page.locator(".day").inner_text()
    page.emulate_media(media="print")
    assert page.locator("body").inner_text().split() == day.split()
