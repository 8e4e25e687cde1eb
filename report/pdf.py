"""Accessible PDF (PDF/UA-1) of a report, made from the same HTML that is published."""

from typing import Final

from report.errors import PdfToolsMissingError, ReportError

_NO_BASE: Final = "about:blank"
_VARIANT: Final = "pdf/ua-1"  # ISO 14289-1: tagged, with a language, a title, and a text for every picture


def render_pdf(page: bytes) -> bytes:
    """Convert a report's HTML page to a PDF on A4 paper, without reading any other file or address.

    Raises:
        PdfToolsMissingError: Pango, which lays out the text, is not installed on this machine.
        ReportError: the HTML page refers to another file or address.
    """
    try:
        # Not at the top: this import loads Pango and takes a second, and most processes make no PDF.
        from weasyprint import HTML  # noqa: PLC0415
        from weasyprint.urls import FatalURLFetchingError, URLFetcher  # noqa: PLC0415
    except (ImportError, OSError) as why:
        raise PdfToolsMissingError from why
    fetches_nothing = URLFetcher(allowed_protocols=(), fail_on_errors=True)
    try:
        paper = HTML(string=page.decode(), base_url=_NO_BASE, url_fetcher=fetches_nothing)
        return bytes(paper.write_pdf(pdf_variant=_VARIANT))
    except FatalURLFetchingError as why:
        raise ReportError("the page asks for something outside itself") from why
