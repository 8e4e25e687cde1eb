"""Checks of a request's Host and Origin headers, which refuse requests that another site causes.

These checks prevent CSRF and DNS rebinding. One more check detects requests whose answer no one sees, and one
makes sure that a site's own address is on this machine.
"""

import ipaddress
import re
from typing import Protocol

_CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})
_FETCHED_IN_ADVANCE = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")  # of new and of old browsers
_PORTS = range(1, 65536)
_IP_AND_PORT = re.compile(r"(?:([0-9.]+)|\[([0-9a-fA-F:.]+)\]):([0-9]{1,5})")
_OURS = frozenset({"same-origin", "none"})


class Headers(Protocol):
    """Interface of an object that returns the headers of a request by name."""

    def get(self, name: str, /) -> str | None:
        """Return the value of a header, or None if the request does not have this header."""


def is_our_request(method: str, headers: Headers, own_origin: str) -> bool:
    """Return True if a request comes from a page of our own site, or is GET, HEAD or OPTIONS.

    In other requests, `Sec-Fetch-Site` must be `same-origin` or `none`, and `Origin` must be `own_origin`. A
    missing header is accepted.
    """
    # Text browsers send neither header. With such a browser, another site can post a form to our site, but
    # only if the visitor presses a button.
    if method in _CHANGES_NOTHING:
        return True
    site = headers.get("Sec-Fetch-Site")
    origin = headers.get("Origin")
    return (site is None or site in _OURS) and (origin is None or origin == own_origin)


def is_seen(method: str, headers: Headers) -> bool:
    """Return True if someone will see the answer to a request.

    No one sees the answer to a HEAD request, or a page that a browser fetches in advance.
    """
    return method != "HEAD" and all(headers.get(name) is None for name in _FETCHED_IN_ADVANCE)


def is_our_host(host: str | None, own_origin: str) -> bool:
    """Return True if the Host header of a request names our site.

    This check prevents DNS rebinding, with which a page of another site could read our pages.
    """
    return host is not None and own_origin.split("://", 1)[-1] == host.lower()


def is_loopback(address: str) -> bool:
    """Return True if an address is a port on a loopback IP, such as "127.0.0.2:8081" or "[::1]:8081".

    A host name is refused, because DNS could point the name to another machine later.
    """
    found = _IP_AND_PORT.fullmatch(address)
    if found is None or int(found[3]) not in _PORTS:
        return False
    try:
        return ipaddress.ip_address(found[1] or found[2]).is_loopback
    except ValueError:
        return False
