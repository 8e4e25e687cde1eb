"""Look whether a port is free before anything is started on it."""

import os
import socket

from deploy.errors import PortTakenError


def refuse_taken(bind: str) -> None:
    """Make sure that nobody listens yet where we are to listen.

    gunicorn itself would try for five seconds and log the address.

    Raises:
        PortTakenError: the port is taken, or the address is not one of this machine.
    """
    if bind.startswith("unix:"):
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
