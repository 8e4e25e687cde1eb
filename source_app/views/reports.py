"""The yearly reports, as the desk signed for them."""

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from source_app import published
from web.filenames import attachment_disposition
from web.headers import FILE_CSP

from .current import desk, page

bp = Blueprint("reports", __name__, url_prefix="/<any(nl, en):lang>/reports")

# A report is one page by itself, with its looks and charts in it. The desk key vouches for its every byte, so
# inline styles are the desk's own; a script, a picture or anything from elsewhere stays shut out.
_REPORT_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; sandbox; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_TYPES = {"html": "text/html", "pdf": "application/pdf", "csv": "text/csv"}


@bp.get("")
def index() -> ResponseReturnValue:
    """List the years, each with its files."""
    return page("reports/index.html", years=published.listed(desk()))


@bp.get("/<name>")
def document(name: str) -> ResponseReturnValue:
    """Show a report that is a page; send any other to be saved."""
    body = published.document(desk(), name)
    kind = name.rpartition(".")[2]
    headers = {"Content-Security-Policy": _REPORT_CSP}
    if kind != "html":
        headers = {
            "Content-Security-Policy": FILE_CSP,
            "Content-Disposition": attachment_disposition(name),
        }
    return Response(body, mimetype=_TYPES[kind], headers=headers)
