"""Server processes for measurements, on free loopback ports. Each is ended by its own process id."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import memory

_START_SECONDS = 60
_STOP_SECONDS = 20


class NotStartedError(Exception):
    """A server ended, or did not listen in time. The message is the end of its output."""


@dataclass(frozen=True, slots=True)
class Server:
    """Running server with the address it listens on."""

    process: subprocess.Popen[bytes]
    host: str
    port: int

    @property
    def workers(self) -> list[int]:
        """Return the process ids of gunicorn's workers."""
        return memory.children(self.process.pid)


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port of `host` that no one listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(argv: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in its own session, without its output, and end it afterwards."""
    process = subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        _end(process)


@contextlib.contextmanager
def serving(argv: Sequence[str], host: str, port: int) -> Iterator[Server]:
    """Start a server, wait until it answers, and end it afterwards.

    Raises:
        NotStartedError: it ended before it answered, or did not answer within a minute.
    """
    with _answering(argv, lambda: socket.create_connection((host, port), timeout=5)) as process:
        yield Server(process, host, port)


@contextlib.contextmanager
def serving_at(argv: Sequence[str], path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server that listens on a Unix socket, wait until it answers, and end it afterwards.

    Raises:
        NotStartedError: it ended before it answered, or did not answer within a minute.
    """

    def connect() -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(5)
        try:
            client.connect(str(path))
        except OSError:
            client.close()
            raise
        return client

    with _answering(argv, connect) as process:
        yield process


@contextlib.contextmanager
def _answering(
    argv: Sequence[str], connect: Callable[[], socket.socket]
) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(argv, stdout=output, stderr=output, start_new_session=True)
        try:
            if not listens(process, connect):
                output.seek(0)
                raise NotStartedError(output.read().decode("utf-8", "replace")[-2000:])
            yield process
        finally:
            _end(process)


def listens(process: subprocess.Popen[bytes], connect: Callable[[], socket.socket]) -> bool:
    """Wait at most a minute until a server answers. Return True if it answers."""
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), connect() as probe:
            # An open port is not enough: gunicorn listens before its workers have started.
            probe.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            if probe.recv(4) == b"HTTP":
                return True
        time.sleep(0.05)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its own session, so the group is this server and its workers
        process.wait()


@contextlib.contextmanager
def folder_on_disk() -> Iterator[Path]:
    """Make a temporary folder below the project, since /tmp may be in memory."""
    with tempfile.TemporaryDirectory(dir=disk_folder()) as folder:
        yield Path(folder)


def disk_folder() -> Path:
    """Return the folder below the project for files of measurements. A database server is another user."""
    parent = Path.cwd() / ".cache" / "bench"
    parent.mkdir(parents=True, exist_ok=True)
    parent.chmod(0o755)
    return parent
