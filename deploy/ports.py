"""Look whether a port is free before anything is started on it."""

import os
import socket
from pathlib import Path

from deploy.errors import PortTakenError


def refuse_taken_address(bind: str) -> None:
    """Make sure that nobody listens yet where we are to listen.

    gunicorn itself would try for five seconds and log the address; a Unix socket it would take from under
    whoever listens there.

    Raises:
        PortTakenError: the port or socket is taken, or the address is not one of this machine.
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
            raise PortTakenError(
                f"Port {port} on {host} cannot be used ({os.strerror(why.errno or 0)}): "
                "stop the other program, or change 'bind' in the settings file, and 'origin' if it is there."
            ) from why


def _refuse_taken_socket(path: Path) -> None:
    if not path.parent.is_dir():
        raise PortTakenError(
            f"There is no folder {path.parent} for the socket: make it, for Tor to enter as well."
        )
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise PortTakenError(f"Another program listens on {path}: stop it, or name another socket.")
