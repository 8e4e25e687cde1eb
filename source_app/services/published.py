"""What the desk publishes: its signed letterhead, and the yearly reports.

A report is given out only if it is the very one that the letterhead names: whoever runs the store can
withhold one, and nothing more. No Flask here.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import date

from source_app.errors import NotFoundError, ReportMissingError
from source_app.public_desk import PublicDesk
from store import letterheads, public_files

_NAME = re.compile(r"report-(?P<year>20\d\d)-(?P<language>nl|en)\.(?P<kind>html|pdf|csv)", re.ASCII)


@dataclass(frozen=True, slots=True)
class PublishedReport:
    """One file of one year; `kind` is its ending: html, pdf or csv."""

    name: str
    year: int
    language: str
    kind: str
    published: date


def signed_letterhead(desk: PublicDesk) -> tuple[bytes, bytes]:
    """Return the newest letterhead and its minisign signature as they are stored, for others to check.

    Raises:
        NotFoundError: the store holds none.
    """
    with desk.store.reading() as reading:
        found = letterheads.latest(reading)
    if found is None:
        raise NotFoundError
    _, body, signature = found
    return body, signature


def listed(desk: PublicDesk) -> tuple[tuple[int, tuple[PublishedReport, ...]], ...]:
    """Return what the letterhead names, by year, the newest first.

    A name in another form is left out: it is for a reader of another version.
    """
    found: dict[str, PublishedReport] = {}
    for report in desk.letterhead.reports:
        name = _NAME.fullmatch(report.title)
        if name is not None:
            found[report.title] = PublishedReport(
                report.title, int(name["year"]), name["language"], name["kind"], report.published
            )
    years = sorted({report.year for report in found.values()}, reverse=True)
    return tuple((year, tuple(report for report in found.values() if report.year == year)) for year in years)


def read_document(desk: PublicDesk, name: str) -> bytes:
    """Return a report's bytes, exactly as the desk signed for them.

    Raises:
        NotFoundError: the letterhead names no such report.
        ReportMissingError: it does, but the store holds none, or another than the desk signed for.
    """
    digests = {report.title: report.sha256 for report in desk.letterhead.reports}
    if name not in digests or not _NAME.fullmatch(name):
        raise NotFoundError
    with desk.store.reading() as reading:
        body = public_files.find(reading, name)
    if body is None or not hmac.compare_digest(hashlib.sha256(body).digest(), digests[name]):
        raise ReportMissingError
    return body
