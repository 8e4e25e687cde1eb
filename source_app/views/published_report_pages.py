"""Pages of the yearly reports that the desk has published."""

import base64
import hashlib
import re

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from source_app.services import published
from source_app.views.request_context import desk, render_page, send_download

bp = Blueprint("reports", __name__, url_prefix="/<language:lang>/reports")

_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)
_TYPES = {"pdf": "application/pdf", "csv": "text/csv"}


@bp.get("")
def list_reports() -> ResponseReturnValue:
    """Show the page with links to the published yearly reports, by year."""
    return render_page("reports/index.html", years=published.reports_by_year(desk()))


@bp.get("/<name>")
def send_report(name: str) -> ResponseReturnValue:
    """Show a yearly report in HTML, or send a report in another format as a download."""
    body = published.read_published_report(desk(), name)
    kind = name.rpartition(".")[2]
    if kind == "html":
        return Response(body, mimetype="text/html", headers={"Content-Security-Policy": _policy_of(body)})
    return send_download(name, body, _TYPES[kind])


def _policy_of(body: bytes) -> str:
    """Return the Content-Security-Policy of a yearly report, which allows only its inline stylesheet."""
    # Source: CSP Level 3, section 8.3 (the digest of an inline block).
    digests = [base64.b64encode(hashlib.sha256(style).digest()).decode() for style in _STYLE.findall(body)]
    styles = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return (
        f"default-src 'none'; style-src {styles}; sandbox; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
