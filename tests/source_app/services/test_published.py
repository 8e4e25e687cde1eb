"""Published files: the site serves exactly what the desk signed, or nothing."""

import base64
import hashlib
import re
import secrets
from dataclasses import replace

import msgspec
import pytest

from crypto.minisign import SecretKey
from protocol.letterhead import Report, sign_letterhead, verify_letterhead
from source_app.errors import NotFoundError, ReportMissingError
from source_app.services import published
from store import letterheads, public_files
from tests.pages import hook, hooks
from tests.source_app.desks import TODAY, ADesk

_PAGE = b"<!doctype html><title>2026</title><style>p{color:#123}</style><svg><text>&lt;10</text></svg>"
_FILES = {
    "report-2026-nl.html": _PAGE,
    "report-2026-en.html": _PAGE + b"en",
    "report-2026-en.pdf": b"%PDF-1.7",
    "report-2026-en.csv": b"year,count\n2026,10\n",
    "report-2025-nl.html": b"2025",
}


def _report(name: str, body: bytes) -> Report:
    return Report(title=name, published=TODAY, sha256=hashlib.sha256(body).digest())


def _publish(a_desk: ADesk, files: dict[str, bytes], *more: Report) -> None:
    """Put files in the store, and name them in the letterhead, as the adviser's interface does."""
    with a_desk.store.writing() as writing:
        for name, body in files.items():
            public_files.put(writing, name, body)
    reports = (*(_report(name, body) for name, body in files.items()), *more)
    letterhead = msgspec.structs.replace(a_desk.letterhead, reports=reports)
    a_desk.app.extensions["newest_letterhead"] = lambda: letterhead
    a_desk.app.extensions["desk"] = replace(a_desk.desk, letterhead=letterhead)


def test_years_are_listed_newest_first_with_all_their_files(a_desk: ADesk) -> None:
    _publish(a_desk, _FILES)

    years = published.reports_by_year(a_desk.desk)

    assert [2026, 2025] == [year for year, _ in years]
    assert {"report-2026-nl.html", "report-2026-en.html", "report-2026-en.pdf", "report-2026-en.csv"} == {
        report.name for report in years[0][1]
    }
    (only,) = years[1][1]
    assert ("report-2025-nl.html", "nl", "html", TODAY) == (
        only.name,
        only.language,
        only.kind,
        only.published,
    )


@pytest.mark.parametrize("name", _FILES)
def test_a_report_is_served_byte_for_byte(a_desk: ADesk, name: str) -> None:
    _publish(a_desk, _FILES)

    assert _FILES[name] == published.read_published_report(a_desk.desk, name)
    assert _FILES[name] == a_desk.browser().get(f"/en/reports/{name}").data


def test_a_report_that_was_changed_in_the_store_is_not_served(a_desk: ADesk) -> None:
    _publish(a_desk, _FILES)
    with a_desk.store.writing() as writing:
        public_files.put(writing, "report-2026-en.html", _PAGE + b"en ")

    with pytest.raises(ReportMissingError):
        published.read_published_report(a_desk.desk, "report-2026-en.html")


def test_a_report_that_was_taken_out_of_the_store_is_not_available(a_desk: ADesk) -> None:
    _publish(a_desk, {}, _report("report-2026-en.html", _PAGE))

    with pytest.raises(ReportMissingError):
        published.read_published_report(a_desk.desk, "report-2026-en.html")
    page = a_desk.browser().get("/en/reports/report-2026-en.html")
    assert page.status_code == 503
    assert hooks(page.text, "failure") == ["no_report"]


def test_a_file_that_the_letterhead_does_not_name_is_not_served(a_desk: ADesk) -> None:
    _publish(a_desk, _FILES)
    with a_desk.store.writing() as writing:
        public_files.put(writing, "report-2027-en.html", b"made up")

    with pytest.raises(NotFoundError):
        published.read_published_report(a_desk.desk, "report-2027-en.html")


@pytest.mark.parametrize(
    "name", ["Report 2026", "report-1999-en.html", "report-2026-en.svg", "report-2026-french.pdf"]
)
def test_a_name_in_another_format_is_neither_listed_nor_served(a_desk: ADesk, name: str) -> None:
    _publish(a_desk, {name: b"x"})

    assert published.reports_by_year(a_desk.desk) == ()
    with pytest.raises(NotFoundError):
        published.read_published_report(a_desk.desk, name)


def test_the_newer_of_two_reports_under_one_name_counts(a_desk: ADesk) -> None:
    _publish(a_desk, {"report-2026-en.csv": b"new"})
    old = _report("report-2026-en.csv", b"old")
    letterhead = msgspec.structs.replace(
        a_desk.desk.letterhead, reports=(old, *a_desk.desk.letterhead.reports)
    )
    desk = replace(a_desk.desk, letterhead=letterhead)

    assert b"new" == published.read_published_report(desk, "report-2026-en.csv")
    assert 1 == len(published.reports_by_year(desk)[0][1])


# ---- pages -----------------------------------------------------------------------------------------


def test_the_reports_stand_in_the_footer_once_there_is_one(a_desk: ADesk) -> None:
    browser = a_desk.browser()
    assert "/en/reports" not in browser.get("/en/").text
    assert hooks(browser.get("/en/reports").text, "notice") == ["no_report"]

    _publish(a_desk, _FILES)

    assert re.search(r'<a href="/en/reports">\w', browser.get("/en/").text)
    page = browser.get("/en/reports").text
    assert page.index("report-2026-en.html") < page.index("report-2026-nl.html")
    assert page.index("report-2026-nl.html") < page.index("report-2025-nl.html")
    dutch = browser.get("/nl/reports").text
    assert dutch.index("report-2026-nl.html") < dutch.index("report-2026-en.html")


def test_a_report_without_the_bar_to_leave_is_announced_before_its_link(a_desk: ADesk) -> None:
    _publish(a_desk, _FILES)

    listed = a_desk.browser().get("/en/reports").text

    assert listed.index(hook("notice", "opens_without_bar")) < listed.index("report-2026-en.html")


def test_a_report_page_may_have_looks_and_charts_of_its_own_and_nothing_else(a_desk: ADesk) -> None:
    _publish(a_desk, _FILES)

    page = a_desk.browser().get("/nl/reports/report-2026-nl.html")

    policy = {
        part.split()[0]: part.split()[1:] for part in page.headers["Content-Security-Policy"].split("; ")
    }
    assert page.mimetype == "text/html"
    assert ["'none'"] == policy["default-src"]
    assert [f"'sha256-{_digest_of(b'p{color:#123}')}'"] == policy["style-src"]
    assert [] == policy["sandbox"]
    assert not policy.keys() & {"script-src", "img-src", "font-src", "connect-src"}
    assert "Content-Disposition" not in page.headers


def test_a_report_page_without_looks_of_its_own_gets_none(a_desk: ADesk) -> None:
    _publish(a_desk, _FILES)

    page = a_desk.browser().get("/nl/reports/report-2025-nl.html")

    assert "style-src 'none'" in page.headers["Content-Security-Policy"]


def _digest_of(style: bytes) -> str:
    return base64.b64encode(hashlib.sha256(style).digest()).decode()


@pytest.mark.parametrize(("kind", "mimetype"), [("pdf", "application/pdf"), ("csv", "text/csv")])
def test_a_report_to_print_or_count_is_saved_and_never_shown(a_desk: ADesk, kind: str, mimetype: str) -> None:
    _publish(a_desk, _FILES)

    answer = a_desk.browser().get(f"/nl/reports/report-2026-en.{kind}")

    assert mimetype == answer.mimetype
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["report-2027-en.html", "..%2Fstyle.css", "x", "report-2026-en.html%00"])
def test_a_report_that_was_never_published_is_not_there(a_desk: ADesk, name: str) -> None:
    _publish(a_desk, _FILES)

    assert a_desk.browser().get(f"/en/reports/{name}").status_code == 404


# ---- the signed letterhead -------------------------------------------------------------------------


def test_the_letterhead_is_served_as_it_was_signed(a_desk: ADesk) -> None:
    desk_key = SecretKey(secrets.token_bytes(32))
    body, signature = sign_letterhead(a_desk.letterhead, desk_key)
    with a_desk.store.writing() as writing:
        letterheads.add(writing, 1, body, signature)

    browser = a_desk.browser()
    given = browser.get("/en/seal/letterhead.json").data
    signed = browser.get("/en/seal/letterhead.json.minisig").data

    assert (body, signature) == (given, signed)
    assert a_desk.letterhead == verify_letterhead(given, signed, str(desk_key.public))


def test_without_a_letterhead_in_the_store_there_is_none_to_give(a_desk: ADesk) -> None:
    with pytest.raises(NotFoundError):
        published.signed_letterhead(a_desk.desk)
    assert a_desk.browser().get("/nl/seal/letterhead.json").status_code == 404
