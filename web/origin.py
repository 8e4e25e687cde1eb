"""Checks of the Host and Origin headers: refuse forms that another site makes a browser send."""

from typing import Protocol

_CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS = frozenset({"same-origin", "none"})


class Headers(Protocol):
    """Headers of a request, by name."""

    def get(self, name: str, /) -> str | None:
        """Return the value of a header, or None."""


def is_our_request(method: str, headers: Headers, own_origin: str) -> bool:
    """Return True if a request comes from our own pages, or changes nothing.

    A request that changes something is refused if its `Sec-Fetch-Site` is neither `same-origin` nor `none`,
    or its `Origin` is not exactly `own_origin` (`null` included). Text browsers send neither header. Another
    site cannot make them post either, unless their reader presses a button there.
    """
    if method in _CHANGES_NOTHING:
        return True
    site = headers.get("Sec-Fetch-Site")
    origin = headers.get("Origin")
    return (site is None or site in _OURS) and (origin is None or origin == own_origin)


def is_our_host(host: str | None, own_origin: str) -> bool:
    """Return True if a Host header names our site. Prevents DNS rebinding by another site's pages."""
    return host is not None and own_origin.split("://", 1)[-1] == host.lower()
