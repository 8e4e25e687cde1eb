"""Addresses to listen on: parse them, and check that an address is free before a server starts on it."""

import os
import socket
from pathlib import Path

from deploy.errors import DeployError, os_error_as

UNIX = "unix:"
_BACKLOG = 2048  # connections that wait to be accepted, as gunicorn allows


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


def listen_on_socket(path: Path) -> socket.socket:
    """Listen on a Unix socket that its owner and its group may use, and no one else (mode 0660).

    In a folder with the set-group-ID bit, the socket gets the group of the folder, such as that of Tor.

    Raises:
        DeployError: the socket cannot be made.
    """
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o117)
    try:
        with os_error_as(f"The socket {path} cannot be made"):
            if path.is_socket():
                path.unlink()  # left by a program that was killed: `refuse_taken_address` has looked
            listener.bind(str(path))
            listener.listen(_BACKLOG)
    finally:
        os.umask(before)
    return listener


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
