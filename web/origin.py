"""Tell a form of our own from one that another site makes a browser send."""

from typing import Protocol

_CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS = frozenset({"same-origin", "none"})


class Headers(Protocol):
    """The headers of a request, by name."""

    def get(self, name: str, /) -> str | None:
        """Return the value, or None."""


def is_our_request(method: str, headers: Headers, own_origin: str) -> bool:
    """Say whether a request may change something.

    Refused is a changing request whose `Sec-Fetch-Site` is neither `same-origin` nor `none`, or whose
    `Origin` is not exactly `own_origin` (`null` included). Text browsers send neither; they also cannot be
    made to post by another site without their reader pressing a button there.
    """
    if method in _CHANGES_NOTHING:
        return True
    site = headers.get("Sec-Fetch-Site")
    origin = headers.get("Origin")
    return (site is None or site in _OURS) and (origin is None or origin == own_origin)


def is_our_host(host: str | None, own_origin: str) -> bool:
    """Say whether a Host header names us, so that DNS rebinding cannot bring another site's pages here."""
    return host is not None and own_origin.split("://", 1)[-1] == host.lower()
