"""Real servers on free loopback ports for the tests: start them, talk to them, and end them."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.two_machines import Machine

ROOT = Path(__file__).parents[2]


@dataclass
class ServerProcess:
    process: subprocess.Popen[bytes]
    host: str
    port: int
    log: Path

    def connect(self, *, receive_bytes: int | None = None) -> socket.socket:
        """Connect. `receive_bytes` limits what the kernel receives before the client reads."""
        client = socket.socket()
        client.settimeout(60)
        if receive_bytes is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        client.connect((self.host, self.port))
        return client

    def exchange(self, raw: bytes) -> bytes:
        """Send raw bytes on a new connection and return everything that the server sends back."""
        with self.connect() as client:
            client.sendall(raw)
            client.shutdown(socket.SHUT_WR)
            return read_all(client)

    def get(self, path: str) -> tuple[bytes, bytes]:
        """Return head and body of the answer to a plain request."""
        asked = f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nConnection: close\r\n\r\n"
        answer = self.exchange(asked.encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        return head, body


def read_all(client: socket.socket) -> bytes:
    pieces = []
    while piece := client.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def free_address() -> tuple[str, int]:
    """Return an unused loopback host, and a port that is free on this host."""
    host = f"127.0.{secrets.randbelow(200) + 10}.{secrets.randbelow(200) + 10}"
    with socket.socket() as probe:
        probe.bind((host, 0))
        return host, probe.getsockname()[1]


def wait_for(host: str, port: int, process: subprocess.Popen[bytes]) -> None:
    _wait(socket.AF_INET, (host, port), process)


def wait_for_socket(path: Path, process: subprocess.Popen[bytes]) -> None:
    _wait(socket.AF_UNIX, str(path), process)


def _wait(family: int, address: tuple[str, int] | str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        with socket.socket(family) as probe:
            if probe.connect_ex(address) == 0:
                return
        assert process.poll() is None, "the server ended before it listened"
        time.sleep(0.05)
    raise AssertionError("the server does not listen")


@contextmanager
def toy_server(folder: Path) -> Iterator[ServerProcess]:
    host, port = free_address()
    log = folder / "server.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("serving") / "toy_server.py", f"{host}:{port}"],
            stdout=sink,
            stderr=sink,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    try:
        wait_for(host, port, process)
        yield ServerProcess(process, host, port, log)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@contextmanager
def running(machine: Machine, said: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `steunpunt run` of a machine, with its output in the file `said`, until the block ends."""
    with said.open("ab") as sink:
        process = start(machine, sink.fileno())
    try:
        assert comes_true(lambda: "Ctrl-C" in said.read_text() or process.poll() is not None)
        assert process.poll() is None, said.read_text()
        yield process
    finally:
        end(process)


def start(machine: Machine, sink: int, *words: str) -> subprocess.Popen[bytes]:
    """Start `steunpunt run` of a machine, with its output in the open file `sink`."""
    command = [sys.executable, "-m", "deploy.cli.main", "--settings", machine.settings, "run", *words]
    return subprocess.Popen(command, stdout=sink, stderr=sink, cwd=ROOT)


def comes_true(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
