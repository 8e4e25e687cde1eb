"""Security headers that both apps add to every response, also to error pages."""

from collections.abc import Mapping
from types import MappingProxyType

from flask import Flask, Response
from werkzeug.datastructures import Headers

PAGE_CSP = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
FILE_CSP = "default-src 'none'; sandbox; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_NO_FEATURES = (
    "accelerometer=(), browsing-topics=(), camera=(), clipboard-read=(), display-capture=(), geolocation=(), "
    "gyroscope=(), identity-credentials-get=(), interest-cohort=(), magnetometer=(), microphone=(), midi=(), "
    "otp-credentials=(), payment=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), "
    "xr-spatial-tracking=()"
)
EVERY_ANSWER: Mapping[str, str] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": PAGE_CSP,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": _NO_FEATURES,
        # Not `no-referrer`: Chromium would send `Origin: null` with our own forms, and they would be refused.
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    }
)
# These have no effect on a stylesheet.
_OF_PAGES = frozenset({"permissions-policy", "cross-origin-opener-policy"})
_STYLE = "text/css"
# Browsers return these values, so they can serve as a cookie.
_MARKS_A_VISITOR = frozenset({"etag", "last-modified"})


def install_headers(app: Flask) -> None:
    """Make an app add the security headers to every response.

    A header that a view has set is kept. ETag and Last-Modified, which could serve as a cookie,
    are removed.
    """
    app.after_request(_harden)


def _harden(response: Response) -> Response:
    kept = [(name, value) for name, value in response.headers if name.lower() not in _MARKS_A_VISITOR]
    names = {name.lower() for name, _ in kept} | (_OF_PAGES if response.mimetype == _STYLE else frozenset())
    kept += [(name, value) for name, value in EVERY_ANSWER.items() if name.lower() not in names]
    response.headers = Headers(kept)  # one pass: a look-up in these headers compares all names
    return response
