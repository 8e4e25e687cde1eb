"""Pages of the yearly report: preview the public and the SG's version, add the adviser's text, publish.

SG is the Secretary-General.
"""

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import AdviserError, ReportRefusal, ReportRefusedError
from journalist_app.locale_format import chosen_language
from journalist_app.requests import kept_text
from journalist_app.requests.access import require_our_form, unlocked
from journalist_app.requests.form_context import adviser_today
from journalist_app.requests.refusal_status import reason_and_status
from journalist_app.services.whole_desk import publish_report, report_records, yearly_report
from journalist_app.services.whole_desk.report_records import YEARS, ReportWords
from report.disclosure import Audience
from report.document import OWN_WORDS_CHARACTERS
from report.errors import PdfToolsMissingError
from store.errors import RecordMovedError
from web.filenames import attachment_disposition
from web.form_limits import TOKEN_BYTES, takes
from web.headers import FILE_CSP
from web.languages import closest, known_languages
from web.normal_text import trim

bp = Blueprint("reports", __name__, url_prefix="/reports")

# A report is one HTML page with its own style. The sandbox isolates the report from the adviser's site.
_REPORT_CSP = FILE_CSP.replace("default-src 'none'", "default-src 'none'; style-src 'unsafe-inline'")
_YEAR = f"/<int(min={YEARS.start}, max={YEARS.stop - 1}):year>"
# A text that is too long, up to twice the allowed length, is shown again: a character takes up to four bytes.
_TEXT_BYTES = 2 * 4 * OWN_WORDS_CHARACTERS
_TYPES = {"html": "text/html", "pdf": "application/pdf", "csv": "text/csv"}
_STATUSES = {"": 200, "stale": 403, "unrecognisable": 422}
_REFUSED = (AdviserError, RecordMovedError, PdfToolsMissingError)


@bp.get("")
@unlocked
def list_report_years(desk: OpenDesk) -> ResponseReturnValue:
    """List the years for which the desk can publish or has published a report."""
    try:
        years = yearly_report.years_to_report(desk, adviser_today())
    except ReportRefusedError as why:
        return _refused(why)
    return render_template("reports/index.html", years=years, published=report_records.published_years(desk))


@bp.get(_YEAR)
@unlocked
def show_report_year(desk: OpenDesk, year: int) -> ResponseReturnValue:
    """Show both versions of a year's report, for the public and for the Secretary-General, side by side."""
    return _page(desk, year)


@bp.post(f"{_YEAR}/words")
@takes(token=TOKEN_BYTES, **dict.fromkeys(known_languages(), _TEXT_BYTES))
@unlocked
def save_year_text(desk: OpenDesk, year: int) -> ResponseReturnValue:
    """Save the adviser's own text for a year's report."""
    typed = {code: _typed(code) for code in known_languages()}
    words = {code: text for code, text in typed.items() if text}
    kept_text.keep_typed_text(*words.values())
    try:
        require_our_form("report-words")
        publish_report.save_report_words(desk, year, words)
    except _REFUSED as why:
        return _page(desk, year, words=words, refused=why)
    return redirect(url_for("reports.show_report_year", year=year, _anchor="versions"), code=303)


@bp.post(f"{_YEAR}/publish")
@takes(token=TOKEN_BYTES, digest=TOKEN_BYTES, unrecognisable=TOKEN_BYTES)
@unlocked
def publish_year(desk: OpenDesk, year: int) -> ResponseReturnValue:
    """Publish the report of a year. From then on, the counts in the report no longer change."""
    try:
        require_our_form("report-publish")
        if request.form.get("unrecognisable") != "yes":
            raise ReportRefusedError(ReportRefusal.UNRECOGNISABLE)
        publish_report.publish_report(desk, year, request.form.get("digest", ""), adviser_today())
    except _REFUSED as why:
        return _page(desk, year, refused=why)
    return redirect(url_for("reports.show_report_year", year=year), code=303)


@bp.get(f"{_YEAR}/<any(public, sg):audience>-<language>.<any(html, pdf, csv):kind>")
@unlocked
def download_report_file(
    desk: OpenDesk, year: int, audience: str, language: str, kind: str
) -> ResponseReturnValue:
    """Send one version of a report: HTML to show in the browser, PDF or CSV to save."""
    if language not in yearly_report.report_languages(desk):
        abort(404)
    try:
        found = yearly_report.read_report_year(desk, year, adviser_today())
        body = yearly_report.build_report_file(desk, found, Audience(audience), language, kind)
    except _REFUSED as why:
        return _refused(why)
    headers = {"Content-Security-Policy": _REPORT_CSP}
    if kind != "html":
        name = yearly_report.download_name(found, Audience(audience), language, kind)
        headers = {"Content-Security-Policy": FILE_CSP, "Content-Disposition": attachment_disposition(name)}
    return Response(body, mimetype=_TYPES[kind], headers=headers)


def _page(
    desk: OpenDesk, year: int, *, words: ReportWords | None = None, refused: Exception | None = None
) -> ResponseReturnValue:
    today = adviser_today()
    what, _ = reason_and_status(refused)
    try:
        found = yearly_report.read_report_year(desk, year, today)
    except _REFUSED as why:
        return _refused(why, words)
    shown = closest(chosen_language(), yearly_report.report_languages(desk))
    versions = [yearly_report.build_document(desk, found, audience, shown).tables for audience in Audience]
    page = render_template(
        "reports/year.html",
        found=found,
        tables=list(zip(*versions, strict=True)),
        words=words or found.words,
        languages=yearly_report.report_languages(desk),
        is_over=year < today.year,
        what=what,
    )
    return page, _STATUSES.get(what, 409)


def _refused(why: Exception, words: ReportWords | None = None) -> ResponseReturnValue:
    what, _ = reason_and_status(why)
    return render_template("reports/refused.html", what=what, words=words or {}), 409


def _typed(language: str) -> str:
    return trim(request.form.get(language, "").replace("\r\n", "\n"))
