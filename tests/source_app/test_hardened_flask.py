"""Promises of the hardened Flask app for every response and for the log."""

import logging
import re
import time

import pytest
from flask import Flask

from tests.pages import hook, hooks
from tests.source_app.desks import ADesk, SourceBrowser
from web.headers import EVERY_ANSWER
from web.page_padding import STEP_BYTES


@pytest.fixture
def source(a_desk: ADesk) -> SourceBrowser:
    return a_desk.browser()


def test_the_start_page_with_its_stylesheet_is_small(source: SourceBrowser) -> None:
    for path in ("/", "/nl/", "/en/"):
        page = source.get(path)
        assert len(page.data) + len(source.get("/style.css").data) < 14 * 1024
        assert page.text.count("<link ") == 2  # the other is an empty icon, so that none is asked for


@pytest.mark.parametrize(
    ("wanted", "lang"),
    [("nl-NL,nl;q=0.9", "nl"), ("en", "en"), ("fr", "en"), ("", "en"), ("fr,nl;q=0.1", "nl")],
)
def test_the_browser_chooses_the_language_without_a_redirect(
    source: SourceBrowser, wanted: str, lang: str
) -> None:
    page = source.client.get("/", headers={"Accept-Language": wanted})

    assert page.status_code == 200
    assert f'<html lang="{lang}"' in page.text
    assert page.headers["Vary"] == "Accept-Language"


@pytest.mark.parametrize("path", ["/nl", "/nl/help/", "/nl//help", "//nl/help"])
def test_no_address_sends_a_visitor_to_plain_http(source: SourceBrowser, path: str) -> None:
    """A proxy ends TLS, so the app receives plain HTTP. A redirect must therefore not name a scheme."""
    answer = source.get(path)

    assert answer.status_code in {200, 404, 421}  # the test's client takes //nl for a host
    assert "Location" not in answer.headers


def test_every_page_names_the_desk_and_leads_to_the_other_language_and_out(source: SourceBrowser) -> None:
    source.start()
    for page in (
        "",
        "begin",
        "log-in",
        "help",
        "privacy",
        "accessibility",
        "mailbox",
        "mailbox/write",
        "mailbox/end",
        "mailbox/save",
    ):
        shown = source.get(f"/en/{page}").text
        assert re.search(f'(href|formaction|value)="/nl/{page}"', shown)
        assert 'href="/en/leave"' in shown
        assert "Support point" in shown  # the desk's name says if the desk is a trial


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/en/nothing", 404),
        ("/de/", 404),
        ("/nothing", 404),
        ("/en/practise", 405),
        ("/en/mailbox/files/x", 303),
    ],
)
def test_errors_are_kind_pages_with_every_header(source: SourceBrowser, path: str, status: int) -> None:
    answer = source.get(path)

    assert answer.status_code == status
    assert dict(EVERY_ANSWER).items() <= dict(answer.headers).items()
    if status != 303:
        assert hooks(answer.text, "failure") == [str(status)]
        assert re.search(rf"{hook('advice', 'now')}>\w", answer.text)
        assert len(answer.data) % STEP_BYTES == 0


def test_a_body_that_is_too_large_for_a_small_form_is_refused(source: SourceBrowser) -> None:
    answer = source.post("/en/log-in", {"words": "x" * 5_000_000})

    assert answer.status_code == 413
    assert hooks(answer.text, "failure") == ["413"]


def test_a_flood_of_fields_is_refused_before_it_is_taken_apart(source: SourceBrowser) -> None:
    started = time.process_time()

    answer = source.client.post(
        "/en/log-in", data=b"&a" * 2_000_000, content_type="application/x-www-form-urlencoded"
    )

    assert answer.status_code == 413
    assert time.process_time() - started < 1


def test_a_form_with_a_file_goes_nowhere_else(source: SourceBrowser) -> None:
    answer = source.client.post(
        "/en/log-in", data={"words": (b"", "x.txt")}, content_type="multipart/form-data"
    )

    assert answer.status_code == 400


def test_an_error_of_ours_says_nothing_of_the_visitor(
    a_desk: ADesk, source: SourceBrowser, caplog: pytest.LogCaptureFixture
) -> None:
    app: Flask = a_desk.app

    def broken() -> str:
        raise ValueError("a passphrase")

    app.view_functions["pages.help"] = broken
    with caplog.at_level(logging.DEBUG):
        answer = source.get("/en/help?secret=1")

    assert answer.status_code == 500
    assert hooks(answer.text, "failure") == ["500"]
    assert "a passphrase" not in caplog.text
    assert "secret" not in caplog.text
    assert "unexpected error: ValueError at test_hardened_flask.py:" in caplog.text


def test_pages_answer_in_dutch(source: SourceBrowser) -> None:
    assert '<html lang="nl"' in source.get("/nl/log-in").text
    assert '<html lang="nl"' in source.client.get("/nergens", headers={"Accept-Language": "nl"}).text
