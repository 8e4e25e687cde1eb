"""Checks of the Host and Origin headers, to refuse forms that another site makes a browser send."""

from typing import Protocol

_CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS = frozenset({"same-origin", "none"})


class Headers(Protocol):
    """Interface of the headers of a request, found by name."""

    def get(self, name: str, /) -> str | None:
        """Return the value of a header, or None if the request does not have this header."""


def is_our_request(method: str, headers: Headers, own_origin: str) -> bool:
    """Return True if a request comes from our own pages, or changes nothing (GET, HEAD or OPTIONS).

    Any other request must have the `Sec-Fetch-Site` header `same-origin` or `none`, and an `Origin` header
    that is exactly `own_origin` (so not `null`). A missing header is accepted, because text browsers send
    neither header. Another site cannot make a text browser post a form, unless the visitor presses a button
    on the other site.
    """
    if method in _CHANGES_NOTHING:
        return True
    site = headers.get("Sec-Fetch-Site")
    origin = headers.get("Origin")
    return (site is None or site in _OURS) and (origin is None or origin == own_origin)


def is_our_host(host: str | None, own_origin: str) -> bool:
    """Return True if a Host header names our site. Prevents DNS rebinding by the pages of another site."""
    return host is not None and own_origin.split("://", 1)[-1] == host.lower()
