"""Files of the site that programs read: security.txt and robots.txt."""

import re
from datetime import date
from pathlib import Path

from tests.source_app.desks import ADesk, make_desk
from web.headers import EVERY_ANSWER

CONTACT = {
    "security_contact": "mailto:security@example.org",
    "security_contact_until": date(2027, 6, 30),
    "security_languages": ("nl", "en"),
}


def test_someone_who_finds_a_weakness_learns_where_to_report_it(tmp_path: Path) -> None:
    onion = f"{'a' * 56}.onion"
    desk = make_desk(tmp_path, onion_host=onion, **CONTACT)

    answer = desk.browser().get("/.well-known/security.txt")

    path = "/.well-known/security.txt"
    assert answer.text.splitlines() == [
        "Contact: mailto:security@example.org",
        "Expires: 2027-06-30T23:59:59Z",
        "Preferred-Languages: nl, en",
        f"Canonical: http://localhost{path}",
        f"Canonical: http://{onion}{path}",
    ]
    assert answer.content_type == "text/plain; charset=utf-8"  # RFC 9116, section 3
    assert EVERY_ANSWER.items() <= dict(answer.headers).items()
    assert "Set-Cookie" not in answer.headers


def test_without_a_contact_there_is_no_file_with_a_false_one(a_desk: ADesk) -> None:
    assert a_desk.browser().get("/.well-known/security.txt").status_code == 404


def test_search_engines_list_the_start_pages_and_nothing_behind_them(a_desk: ADesk) -> None:
    lines = a_desk.browser().get("/robots.txt").text.splitlines()

    allowed = [line.removeprefix("Allow: ").removesuffix("$") for line in lines if line.startswith("Allow: ")]
    assert lines[0] == "User-agent: *"
    assert lines[-1] == "Disallow: /"
    assert allowed == ["/", "/en/", "/nl/"]
    assert all(line.endswith("$") for line in lines[1:-1])  # RFC 9309: only this very address
    start = a_desk.browser().get("/en/").text
    assert all(path in {*re.findall(r'href="([^"]*)"', start), "/"} for path in allowed)


def test_the_accessibility_statement_says_from_which_day_it_is(a_desk: ADesk) -> None:
    """Decision (EU) 2018/1523 asks for the day of the statement."""
    page = a_desk.browser().get("/en/accessibility").text

    assert re.search(r"Last changed on: *.*2026", page)
