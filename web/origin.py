"""Checks of the Host and Origin headers and of a site's own address, against other sites and machines."""

import ipaddress
from typing import Protocol

_CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})
_PORTS = range(1, 65536)
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


def is_loopback(address: str) -> bool:
    """Return True for a port on an IP address of this machine, such as "127.0.0.2:8081" or "[::1]:8081".

    A host name is refused: DNS could point it to another machine later.
    """
    host, _, port = address.rpartition(":")
    try:
        ip = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return ip.is_loopback and port.isascii() and port.isdigit() and int(port) in _PORTS
