"""Addresses to listen on: parse them, and check that an address is free before a server starts on it."""

import os
import socket
from pathlib import Path

from deploy.errors import DeployError

UNIX = "unix:"


def socket_address(address: str) -> tuple[socket.AddressFamily, str | tuple[str, int]]:
    """Parse an address to listen on: "unix:/path", "host:port" or "[::1]:port".

    Return the address family and the socket address, as Python's `socket` module needs them.
    """
    if address.startswith(UNIX):
        return socket.AF_UNIX, address.removeprefix(UNIX)
    host, _, port = address.rpartition(":")
    return (socket.AF_INET6 if ":" in host else socket.AF_INET), (host.strip("[]"), int(port))


def is_listening(address: str) -> bool:
    """Return True if a program accepts connections at this address."""
    family, place = socket_address(address)
    with socket.socket(family) as probe:
        return probe.connect_ex(place) == 0


def refuse_taken_address(address: str) -> None:
    """Check that no other program listens at an address.

    Raises:
        DeployError: the port or socket is taken, or the address does not belong to this machine.
    """
    # Otherwise gunicorn would retry for five seconds and log the address. It would also take a Unix socket
    # away from the program that listens there.
    family, place = socket_address(address)
    if isinstance(place, str):
        folder = Path(place).parent
        if not folder.is_dir():
            raise DeployError(
                f"There is no folder {folder} for the socket: make it, and let Tor's user enter it too."
            )
        if is_listening(address):
            raise DeployError(f"Another program listens on {place}: stop it, or name another socket.")
        return
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
        except OSError as why:
            host, _, port = address.rpartition(":")
            raise DeployError(
                f"Port {port} on {host} cannot be used ({os.strerror(why.errno or 0)}): stop the other "
                "program, or change 'bind' in the settings file, and 'origin' if it is set."
            ) from why
