"""The yearly reports, as the desk signed for them."""

import base64
import hashlib
import re

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue

from source_app.services import published
from source_app.views.request_context import desk, render_page
from web.filenames import attachment_disposition
from web.headers import FILE_CSP

bp = Blueprint("reports", __name__, url_prefix="/<any(nl, en):lang>/reports")

_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)
_TYPES = {"html": "text/html", "pdf": "application/pdf", "csv": "text/csv"}


@bp.get("")
def list_reports() -> ResponseReturnValue:
    """List the years, each with its files."""
    return render_page("reports/index.html", years=published.listed(desk()))


@bp.get("/<name>")
def send_report(name: str) -> ResponseReturnValue:
    """Show a report that is a page; send any other to be saved."""
    body = published.read_document(desk(), name)
    kind = name.rpartition(".")[2]
    headers = {"Content-Security-Policy": _policy_of(body)}
    if kind != "html":
        headers = {
            "Content-Security-Policy": FILE_CSP,
            "Content-Disposition": attachment_disposition(name),
        }
    return Response(body, mimetype=_TYPES[kind], headers=headers)


def _policy_of(body: bytes) -> str:
    """Allow a report its own style sheet, written in the page, by its digest; it may load and run nothing.

    Its charts are part of the page. Source: CSP Level 3, section 8.3 (the digest of an inline block).
    """
    digests = [base64.b64encode(hashlib.sha256(style).digest()).decode() for style in _STYLE.findall(body)]
    styles = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return (
        f"default-src 'none'; style-src {styles}; sandbox; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
