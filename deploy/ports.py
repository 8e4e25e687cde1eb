"""Addresses to listen on: parse them, and check that an address is free before a server starts on it."""

import os
import pwd
import socket
from pathlib import Path

from deploy.errors import DeployError

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


def listen(address: str) -> socket.socket:
    """Listen at an address: "unix:/path", "host:port" or "[::1]:port".

    Only the owner and the group of a Unix socket may use the socket. In a folder with the set-group-ID bit,
    the socket gets the group of the folder.

    Raises:
        DeployError: the address cannot be used.
    """
    family, place = socket_address(address)
    listener = socket.socket(family)
    before = os.umask(0o117)  # so that no one can connect between two steps
    try:
        if isinstance(place, str) and Path(place).is_socket():
            Path(place).unlink()  # left by a program that was killed: `refuse_taken_address` has looked
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(_BACKLOG)
    except OSError as why:
        listener.close()
        raise DeployError(f"The address {address} cannot be used ({type(why).__name__}).") from why
    finally:
        os.umask(before)
    return listener


def may_connect(path: Path, user: int) -> bool:
    """Return True if the modes of a Unix socket and its folders let a user connect to the socket.

    Raises:
        OSError: the socket or a folder cannot be inspected.
        KeyError: there is no such user.
    """
    account = pwd.getpwuid(user)
    groups = os.getgrouplist(account.pw_name, account.pw_gid)

    def allows(place: Path, bit: int) -> bool:
        status = place.stat()
        shift = 6 if status.st_uid == user else 3 if status.st_gid in groups else 0
        return bool(status.st_mode >> shift & bit)

    return user == 0 or (allows(path, 2) and all(allows(folder, 1) for folder in path.resolve().parents))


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
