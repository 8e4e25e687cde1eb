"""The source's site at two addresses: an onion service, and a host on the public internet."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from tests.source_app.desks import ADesk, SourceBrowser, make_desk

HOST = "su65btplhtb2mxt4qvcr7ly7a4upguwit4cptdwqldw3ec4iz35fpeqd.onion"
ONION = f"http://{HOST}"
CLEAR = "https://desk.example"


@pytest.fixture
def desk_of_both(tmp_path: Path) -> Iterator[ADesk]:
    desk = make_desk(tmp_path, origin=CLEAR, onion_host=HOST, tells_onion=True)
    yield desk
    desk.store.close()


def _by(desk: ADesk, address: str) -> SourceBrowser:
    """Request a page as a reverse proxy or Tor passes it on: in plain HTTP, with only the Host header."""
    browser = desk.browser()
    host = {"HTTP_HOST": address.split("://")[1]}
    browser.client.open = functools.partial(browser.client.open, environ_overrides=host)
    return browser


def _practise(browser: SourceBrowser, origin: str) -> TestResponse:
    shown = browser.get("/en/begin")
    words = " ".join(re.findall(r"<span>([a-z]+)</span>", shown.text))
    ticket = browser.hidden(shown, "/en/practise")
    fields = {**ticket, "words": words}
    return browser.client.post("/en/practise", data=fields, headers={"Origin": origin})


def test_over_the_onion_a_mailbox_opens_with_a_cookie_that_needs_no_tls(desk_of_both: ADesk) -> None:
    entered = _practise(_by(desk_of_both, ONION), ONION)

    assert entered.status_code == 303
    assert re.fullmatch(
        r"mailbox=[\w-]{108}; HttpOnly; Path=/; SameSite=Strict", entered.headers["Set-Cookie"]
    )


def test_beside_the_onion_the_cookie_stays_bound_to_tls(desk_of_both: ADesk) -> None:
    entered = _practise(_by(desk_of_both, CLEAR), CLEAR)

    assert entered.headers["Set-Cookie"].startswith("__Host-mailbox=")
    assert "; Secure; " in entered.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("came", "origin"), [(ONION, CLEAR), (CLEAR, ONION), (ONION, "null"), (ONION, f"https://{HOST}")]
)
def test_a_form_from_one_address_does_nothing_at_the_other(
    desk_of_both: ADesk, came: str, origin: str
) -> None:
    assert _practise(_by(desk_of_both, came), origin).status_code == 403


def test_logging_out_over_the_onion_takes_the_cookie_back(desk_of_both: ADesk) -> None:
    browser = _by(desk_of_both, ONION)
    browser.start()

    left = browser.get("/en/leave")

    assert left.headers["Set-Cookie"].startswith("mailbox=;")
    assert browser.get("/en/mailbox").status_code == 303


@pytest.mark.parametrize(
    "host", ["evil.example", f"www.{HOST}", f"{HOST}:80", "", "127.0.0.1:8080", "x" * 300]
)
def test_another_host_gets_no_page_of_ours_but_a_warning(desk_of_both: ADesk, host: str) -> None:
    answer = _by(desk_of_both, f"http://{host}").get("/en/log-in")

    assert answer.status_code == 421
    assert answer.mimetype == "text/plain"  # plain text has no hooks
    assert len(answer.text.strip().split("\n\n")) == 4
    assert "<form" not in answer.text
    assert "x" * 300 not in answer.text


@pytest.mark.parametrize("path", ["/", "/nl/", "/en/help", "/en/privacy", "/en/reports"])
def test_visitors_without_tor_get_an_onion_location(desk_of_both: ADesk, path: str) -> None:
    answer = _by(desk_of_both, CLEAR).get(path)

    assert answer.headers["Onion-Location"] == ONION + path


@pytest.mark.parametrize("path", ["/", "/en/help", "/en/nothing", "/en/log-in"])
def test_the_onion_never_sends_the_header(desk_of_both: ADesk, path: str) -> None:
    assert "Onion-Location" not in _by(desk_of_both, ONION).get(path).headers


@pytest.mark.parametrize(
    "path", ["/style.css", "/en/nothing", "/en/log-in", "/en/seal/recipient.txt", "/en/leave"]
)
def test_only_open_pages_tell_of_the_onion(desk_of_both: ADesk, path: str) -> None:
    assert "Onion-Location" not in _by(desk_of_both, CLEAR).get(path).headers


def test_no_onion_location_is_sent_unless_the_settings_say_so(tmp_path: Path) -> None:
    for number, settings in enumerate(({"onion_host": HOST}, {"tells_onion": True})):
        (tmp_path / str(number)).mkdir()
        desk = make_desk(tmp_path / str(number), origin=CLEAR, **settings)
        assert "Onion-Location" not in _by(desk, CLEAR).get("/").headers
        desk.store.close()


def test_help_shows_the_onion_where_there_is_one(desk_of_both: ADesk, tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    without = make_desk(tmp_path / "without")

    assert ONION in _by(desk_of_both, CLEAR).get("/en/help").text
    assert ".onion" not in without.browser().get("/en/help").text
    without.store.close()
