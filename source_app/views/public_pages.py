"""Public pages: start, help, privacy, limits, accessibility, the desk's keys, and leaving the site.

The files `security.txt` and `robots.txt` are here too.
"""

import re
from datetime import date
from typing import Final

from flask import Blueprint, Response, current_app, redirect, request
from flask.typing import ResponseReturnValue

from source_app.errors import NotFoundError
from source_app.services import published
from source_app.services.absences import shown_absences
from source_app.views.request_context import config, current_day, desk, logged_out, render_page, send_download
from web.origin import is_seen

bp = Blueprint("pages", __name__)
LIMITS_DATED: Final = date(2026, 11, 30)  # date of the text of the page /limits and of docs/threat-model.md
_ACCESSIBILITY_DATED: Final = date(2026, 11, 30)  # date of the text of the accessibility statement


@bp.get("/")
def start_without_language() -> ResponseReturnValue:
    """Show the start page in the language that the browser prefers, without a redirect.

    A redirect to the page of this language would take more time on a slow connection.
    """
    answer = _public("start.html")
    answer.headers["Vary"] = "Accept-Language"
    return answer


@bp.get("/<language:lang>/")
def start_page() -> ResponseReturnValue:
    """Show the start page, which says who we are and what we promise."""
    return _public("start.html")


@bp.get("/<language:lang>/help")
def help() -> ResponseReturnValue:  # noqa: A001  # the name of the page
    """Show the help page: how to stay safe, and how to talk to the desk instead of writing."""
    return _public("help.html")


@bp.get("/<language:lang>/privacy")
def privacy() -> ResponseReturnValue:
    """Show the privacy statement of the source's site."""
    return render_page("privacy.html")


@bp.get("/<language:lang>/limits")
def limits() -> ResponseReturnValue:
    """Show the page about dangers that we cannot protect against, with the date of its text."""
    return render_page("limits.html", dated=LIMITS_DATED)


@bp.get("/<language:lang>/accessibility")
def accessibility() -> ResponseReturnValue:
    """Show the accessibility statement of the source's site."""
    return render_page("accessibility.html", dated=_ACCESSIBILITY_DATED)


@bp.get("/<language:lang>/seal")
def seal_page() -> ResponseReturnValue:
    """Show the page that explains how to encrypt a text or a file before sending it."""
    ours = desk().letterhead
    return render_page(
        "seal.html",
        fingerprint=config().fingerprint,
        recipient=str(ours.current_epoch[1]),
        openpgp_fingerprint=" ".join(re.findall("....", ours.openpgp_fingerprint or "")),
    )


# The names of the downloads reveal nothing to someone who sees the visitor's downloads.


@bp.get("/<language:lang>/seal/letterhead.json")
def letterhead_body() -> ResponseReturnValue:
    """Send the desk's signed public statement (letterhead), so that anyone can check the desk's keys."""
    return send_download("letterhead.json", published.signed_letterhead(desk())[0])


@bp.get("/<language:lang>/seal/letterhead.json.minisig")
def letterhead_signature() -> ResponseReturnValue:
    """Send the desk's signature of its public statement (letterhead), in the format of minisign."""
    return send_download("letterhead.json.minisig", published.signed_letterhead(desk())[1])


@bp.get("/<language:lang>/seal/recipient.txt")
def age_recipient() -> ResponseReturnValue:
    """Send the desk's public key for the age program, as a file of one line for its option -R."""
    return send_download("recipient.txt", f"{desk().letterhead.current_epoch[1]}\n")


@bp.get("/<language:lang>/seal/key.asc")
def openpgp_key() -> ResponseReturnValue:
    """Send the desk's public OpenPGP key in ASCII armour.

    Raises:
        NotFoundError: the desk has no OpenPGP key.
    """
    key = desk().letterhead.openpgp_key
    if not key:
        raise NotFoundError
    return send_download("key.asc", key)


@bp.get("/<language:lang>/leave")
def leave() -> ResponseReturnValue:
    """Log the source out, and redirect the browser to a harmless site elsewhere (the "leave" button).

    A browser that fetches this page in advance is not logged out.
    """
    answer = redirect(config().leave_url, code=303)
    if not is_seen(request.method, request.headers):
        return answer
    return logged_out(answer)


@bp.get("/style.css")
def stylesheet() -> ResponseReturnValue:
    """Send the stylesheet, which the app keeps in memory."""
    # A header that the browser sends back later, such as an ETag, would let the site recognise a visitor.
    return Response(current_app.extensions["stylesheet"], mimetype="text/css")


@bp.get("/.well-known/security.txt")
def security_txt() -> Response:
    """Show where someone who finds a weakness of this site can report the weakness (RFC 9116).

    Raises:
        NotFoundError: the settings name no contact.
    """
    ours = config()
    if not ours.security_contact:
        raise NotFoundError
    lines = [
        f"Contact: {ours.security_contact}",
        f"Expires: {ours.security_contact_until}T23:59:59Z",
        f"Preferred-Languages: {', '.join(ours.security_languages)}",
        *(f"Canonical: {origin}{request.path}" for origin in ours.origins),
    ]
    return Response("\n".join(lines) + "\n", mimetype="text/plain")


@bp.get("/robots.txt")
def robots_txt() -> Response:
    """Ask search engines to list only the start pages."""
    # The address of another page would show in someone's search history what that person looked for.
    starts = ["/", *(f"/{code}/" for code in config().languages)]
    lines = ["User-agent: *", *(f"Allow: {path}$" for path in starts), "Disallow: /"]
    return Response("\n".join(lines) + "\n", mimetype="text/plain")


def _public(template: str) -> Response:
    """Render a public page that also announces the desk's absences."""
    return render_page(template, away=shown_absences(desk().letterhead, current_day()))
