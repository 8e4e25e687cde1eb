"""The pages that everybody may read, and the quick way out."""

import re
from datetime import date
from typing import Final

from flask import Blueprint, Response, current_app, redirect
from flask.typing import ResponseReturnValue

from source_app.errors import NotFoundError
from source_app.services import login, published
from source_app.services.absences import away
from source_app.views.request_context import (
    config,
    current_day,
    current_session,
    desk,
    render_page,
    without_session,
)
from web.filenames import attachment_disposition
from web.headers import FILE_CSP

bp = Blueprint("pages", __name__)
LIMITS_DATED: Final = date(2026, 11, 29)  # of their words, here and in docs/threat-model.md


@bp.get("/")
def start_without_language() -> ResponseReturnValue:
    """Show the start page in the browser's language, without a redirect that a slow line would pay for."""
    answer = _public("start.html")
    answer.headers["Vary"] = "Accept-Language"
    return answer


@bp.get("/<any(nl, en):lang>/")
def start_page() -> ResponseReturnValue:
    """Say who we are and what we promise."""
    return _public("start.html")


@bp.get("/<any(nl, en):lang>/help")
def help() -> ResponseReturnValue:  # noqa: A001  # the name of the page
    """Show how to stay safe and how to talk instead."""
    return _public("help.html")


@bp.get("/<any(nl, en):lang>/privacy")
def privacy() -> ResponseReturnValue:
    """Show the privacy statement."""
    return render_page("privacy.html")


@bp.get("/<any(nl, en):lang>/limits")
def limits() -> ResponseReturnValue:
    """Say what this cannot do, and since when we say so."""
    return render_page("limits.html", dated=LIMITS_DATED)


@bp.get("/<any(nl, en):lang>/accessibility")
def accessibility() -> ResponseReturnValue:
    """Show the accessibility statement."""
    return render_page("accessibility.html")


@bp.get("/<any(nl, en):lang>/seal")
def seal_page() -> ResponseReturnValue:
    """Show how to seal a text or a file before it comes here."""
    ours = desk().letterhead
    return render_page(
        "seal.html",
        fingerprint=config().fingerprint,
        recipient=str(ours.current_epoch[1]),
        openpgp_fingerprint=" ".join(re.findall("....", ours.openpgp_fingerprint or "")),
    )


@bp.get("/<any(nl, en):lang>/seal/letterhead.json")
def letterhead_body() -> ResponseReturnValue:
    """Send what the desk signed, so that everybody can check the keys without believing us."""
    body, _ = published.signed_letterhead(desk())
    return _plain_file("letterhead.json", body)


@bp.get("/<any(nl, en):lang>/seal/letterhead.json.minisig")
def letterhead_signature() -> ResponseReturnValue:
    """Send the desk's signature over it, as minisign reads it."""
    _, signature = published.signed_letterhead(desk())
    return _plain_file("letterhead.json.minisig", signature)


@bp.get("/<any(nl, en):lang>/seal/recipient.txt")
def age_recipient() -> ResponseReturnValue:
    """Send what age seals to: one line, as its option -R reads it."""
    _, recipient = desk().letterhead.current_epoch
    return _plain_file("recipient.txt", f"{recipient}\n")


@bp.get("/<any(nl, en):lang>/seal/key.asc")
def openpgp_key() -> ResponseReturnValue:
    """Send the desk's OpenPGP key in ASCII armour, if it has one."""
    key = desk().letterhead.openpgp_key
    if not key:
        raise NotFoundError
    return _plain_file("key.asc", key)


@bp.get("/<any(nl, en):lang>/leave")
def leave() -> ResponseReturnValue:
    """End the session and go to a page that says nothing about the visitor."""
    here = current_session()
    if here is not None:
        login.log_out(desk(), here.token)
    return without_session(redirect(config().leave_url, code=303))


@bp.get("/style.css")
def stylesheet() -> ResponseReturnValue:
    """Serve the one stylesheet, from memory and without a mark."""
    return Response(current_app.extensions["stylesheet"], mimetype="text/css")


def _plain_file(name: str, content: str | bytes) -> Response:
    """Send a text to be saved, under a name that says nothing to whoever looks into the folder."""
    headers = {"Content-Disposition": attachment_disposition(name), "Content-Security-Policy": FILE_CSP}
    return Response(content, mimetype="text/plain", headers=headers)


def _public(template: str) -> Response:
    """Render a page that tells when nobody is there."""
    return render_page(template, away=away(desk().letterhead, current_day()))
