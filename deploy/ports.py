"""Check that an address is free before a server starts on it."""

import os
import socket
from pathlib import Path

from deploy.errors import DeployError


def refuse_taken_address(bind: str) -> None:
    """Refuse an address, "host:port" or "unix:/path", at which another program listens.

    gunicorn itself would retry for five seconds and log the address. A Unix socket it would take away from
    the program that listens there.

    Raises:
        DeployError: the port or socket is taken, or the address is not one of this machine.
    """
    if bind.startswith("unix:"):
        _refuse_taken_socket(Path(bind.removeprefix("unix:")))
        return
    host, _, port = bind.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError as why:
            raise DeployError(
                f"Port {port} on {host} cannot be used ({os.strerror(why.errno or 0)}): "
                "stop the other program, or change 'bind' in the settings file, and 'origin' if it is set."
            ) from why


def _refuse_taken_socket(path: Path) -> None:
    if not path.parent.is_dir():
        raise DeployError(
            f"There is no folder {path.parent} for the socket: make it, and let Tor's user enter it too."
        )
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise DeployError(f"Another program listens on {path}: stop it, or name another socket.")
