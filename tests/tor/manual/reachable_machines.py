"""Ways from a booted machine, which has no network, to the private Tor network and to another machine.

Only this process opens sockets in both networks, and carries the bytes between them.
"""

import ctypes
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.tor_network import EVERYWHERE, TorNetwork
from tests.proofs.packages.debian_machine import DebianMachine

_NETWORK = 0x40000000  # setns(2): CLONE_NEWNET
_TOR_DEFAULTS = "usr/share/tor/tor-service-defaults-torrc"
Address = tuple[str, int]


@contextmanager
def tor_network_reached(machine: DebianMachine, network: TorNetwork) -> Iterator[None]:
    """Let the machine's own Tor use the private Tor network, and no other."""
    with (machine.root / _TOR_DEFAULTS).open("a", encoding="ascii") as defaults:
        defaults.write(f"{EVERYWHERE}{network.directory}")
    ports = {int(port) for pair in re.findall(r"orport=(\d+) .*:(\d+) ", network.directory) for port in pair}
    with _ways([((network.host, port), (network.host, port)) for port in sorted(ports)], machine, None):
        yield


@contextmanager
def machine_reached(machine: DebianMachine, name: str, other: DebianMachine, port: int) -> Iterator[None]:
    """Let `machine` reach a port of another machine under a host name."""
    host = "127.9.9.9"
    with (machine.root / "etc/hosts").open("a", encoding="ascii") as hosts:
        hosts.write(f"{host} {name}\n")
    with _ways([((host, port), ("127.0.0.1", port))], machine, other):
        yield


@contextmanager
def _ways(
    ways: list[tuple[Address, Address]], machine: DebianMachine, other: DebianMachine | None
) -> Iterator[None]:
    listening = []
    with _in_network_of(machine):
        listening += [(socket.create_server(at), to) for at, to in ways]
    threads = [threading.Thread(target=_serve, args=(line, to, other)) for line, to in listening]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for line, _ in listening:
            line.shutdown(socket.SHUT_RDWR)
            line.close()
        for thread in threads:
            thread.join()


@contextmanager
def _in_network_of(machine: DebianMachine | None) -> Iterator[None]:
    """Let this thread make sockets in the network of a machine. None is the network of this process."""
    if machine is None:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    with (
        Path("/proc/thread-self/ns/net").open("rb") as here,
        (machine.root.parent / "ns/net").open("rb") as there,
    ):
        if libc.setns(there.fileno(), _NETWORK) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        try:
            yield
        finally:
            libc.setns(here.fileno(), _NETWORK)


def _serve(listening: socket.socket, to: Address, other: DebianMachine | None) -> None:
    with suppress(OSError):  # closed
        while True:
            line, _ = listening.accept()
            threading.Thread(target=_connect, args=(line, to, other)).start()


def _connect(line: socket.socket, to: Address, other: DebianMachine | None) -> None:
    with _in_network_of(other):
        there = socket.socket()
    with line, there, suppress(OSError):
        there.connect(to)
        back = threading.Thread(target=_carry, args=(there, line))
        back.start()
        _carry(line, there)
        back.join()


def _carry(out_of: socket.socket, into: socket.socket) -> None:
    with suppress(OSError):
        while piece := out_of.recv(65536):
            into.sendall(piece)
    with suppress(OSError):
        into.shutdown(socket.SHUT_WR)
