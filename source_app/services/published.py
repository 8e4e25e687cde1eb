"""Published files of the desk: its signed letterhead and the yearly reports.

A report is served only if it has the digest that the signed letterhead names. An attacker who controls the
store can withhold a report, but cannot change it.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import date

from source_app.errors import NotFoundError, ReportMissingError
from source_app.public_desk import PublicDesk
from store import letterheads, public_files

_NAME = re.compile(r"report-(?P<year>20\d\d)-(?P<language>[a-z]{2,3})\.(?P<kind>html|pdf|csv)", re.ASCII)


@dataclass(frozen=True, slots=True)
class PublishedReport:
    """File of a yearly report that the desk's signed letterhead (public statement) names.

    `kind` is the ending of the file's name: html, pdf or csv.
    """

    name: str
    year: int
    language: str
    kind: str
    published: date


def signed_letterhead(desk: PublicDesk) -> tuple[bytes, bytes]:
    """Return the stored bytes of the desk's newest signed public statement, and their minisign signature.

    Raises:
        NotFoundError: the store has no such statement (letterhead).
    """
    with desk.store.reading() as reading:
        found = letterheads.latest(reading)
    if found is None:
        raise NotFoundError
    _, body, signature = found
    return body, signature


def reports_by_year(desk: PublicDesk) -> tuple[tuple[int, tuple[PublishedReport, ...]], ...]:
    """Return pairs of a year and its report files, the newest year first.

    The desk's signed public statement names these files. A file whose name has another format is left out.
    """
    # Such a file is for another version of this program.
    found: dict[str, PublishedReport] = {}
    for report in desk.letterhead.reports:
        name = _NAME.fullmatch(report.title)
        if name is not None:
            found[report.title] = PublishedReport(
                report.title, int(name["year"]), name["language"], name["kind"], report.published
            )
    years = sorted({report.year for report in found.values()}, reverse=True)
    return tuple((year, tuple(report for report in found.values() if report.year == year)) for year in years)


def read_published_report(desk: PublicDesk, name: str) -> bytes:
    """Return the bytes of a yearly report, after checking that the desk signed exactly these bytes.

    Raises:
        NotFoundError: the desk's signed public statement names no such report.
        ReportMissingError: the report is missing in the store, or differs from the report that the desk
            signed.
    """
    digests = {report.title: report.sha256 for report in desk.letterhead.reports}
    if name not in digests or not _NAME.fullmatch(name):
        raise NotFoundError
    with desk.store.reading() as reading:
        body = public_files.find(reading, name)
    if body is None or not hmac.compare_digest(hashlib.sha256(body).digest(), digests[name]):
        raise ReportMissingError
    return body
