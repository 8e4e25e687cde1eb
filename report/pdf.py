"""A report as an accessible PDF (PDF/UA-1), made from the very HTML that is published."""

from typing import Final

from report.errors import ExternalResourceError, PdfToolsMissingError

_NO_BASE: Final = "about:blank"
_VARIANT: Final = "pdf/ua-1"  # ISO 14289-1: tagged, with a language, a title, and words for every picture


def render_pdf(page: bytes) -> bytes:
    """Lay out a report's HTML on A4. Nothing is fetched: no file, no network.

    Raises:
        PdfToolsMissingError: Pango, which lays out the letters, is not on this machine.
        ExternalResourceError: the page asks for something outside itself.
    """
    try:
        # Here and not above: it opens Pango and takes a second, and only whoever makes a PDF needs it.
        from weasyprint import HTML  # noqa: PLC0415
        from weasyprint.urls import FatalURLFetchingError, URLFetcher  # noqa: PLC0415
    except (ImportError, OSError) as why:
        raise PdfToolsMissingError from why
    fetches_nothing = URLFetcher(allowed_protocols=(), fail_on_errors=True)
    try:
        paper = HTML(string=page.decode(), base_url=_NO_BASE, url_fetcher=fetches_nothing)
        return bytes(paper.write_pdf(pdf_variant=_VARIANT))
    except FatalURLFetchingError as why:
        raise ExternalResourceError from why
