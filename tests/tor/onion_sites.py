"""A desk's server with its onion services, and clients that connect to it through Tor."""

import contextlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import desk_servers, processes
from bench.browser import Browser
from bench.tor_network import Tor, TorNetwork
from deploy.onion.clients import ClientKey, make_client_key
from deploy.settings.settings_text import with_key
from tests.deploy import two_machines

COMMAND = [sys.executable, "-m", "deploy.cli.main"]
_PATIENCE_SECONDS = 120
_TRY_SECONDS = 20


class NoAnswerError(Exception):
    """The onion service did not answer. The message is SOCKS's reason, or says that the answer was empty."""


@dataclass(frozen=True)
class OnionSite:
    """Desk whose server is listening, and the tor through which sources and its workstation reach it."""

    desk: two_machines.TwoMachineDesk
    tor: Tor
    host: str
    sync_host: str
    sync_key: ClientKey

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_steunpunt(self.desk.server.settings, *arguments)


def run_steunpunt(settings: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as an operator does."""
    return subprocess.run(
        [*COMMAND, "--settings", str(settings), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS + 60,
    )


def change_settings(settings: Path, **values: str) -> None:
    """Set text settings in a settings file."""
    text = settings.read_text("utf-8")
    for key, value in values.items():
        text, times = re.subn(rf'(?m)^{key} = ".*"$', f'{key} = "{value}"', text)
        assert times == 1, key
    settings.write_text(text, "utf-8")


@contextlib.contextmanager
def serve_onion_site(network: TorNetwork) -> Iterator[OnionSite]:
    """Follow docs/operator.md for the way in which Tor keeps the key, and start every part."""
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="site-"))
        stack.callback(shutil.rmtree, folder)
        endpoint_socket = folder / "sync.sock"
        desk = two_machines.a_desk(
            folder / "desk",
            source_bind=f"127.0.0.1:{processes.free_port()}",
            sync_bind=f"unix:{endpoint_socket}",
        )
        server = desk_servers.Desk(desk.server.settings, "")
        stack.callback(shutil.rmtree, server.path("source", "sessions_path").parent, ignore_errors=True)
        tor = network.add("service")
        change_settings(
            server.settings,
            onion_socket=str(folder / "source.sock"),
            control=f"unix:{tor.control_socket}",
            sync_socket=str(endpoint_socket),
        )
        with_folder = with_key(server.settings.read_text("utf-8"), "onion", "folder", str(tor.folder))
        server.settings.write_text(with_folder, "utf-8")
        key = make_client_key()
        admitted = run_steunpunt(server.settings, "onion", "admit", "desk-1", key.public)
        assert admitted.returncode == 0, admitted.stderr
        lines = run_steunpunt(server.settings, "onion", "torrc")
        assert lines.returncode == 0, lines.stderr
        tor.add_lines(lines.stdout)
        tor.start()
        host, sync_host = (tor.host_of(name) for name in ("steunpunt-source", "steunpunt-sync"))
        change_settings(server.settings, onion_host=host)
        desk.pair_first(f"onion:{sync_host}")
        tor.reload()  # as `admit` asks for
        stack.enter_context(desk_servers.serving(server, "source"))
        serve = [*COMMAND, "--settings", str(server.settings), "run", "sync"]
        stack.enter_context(processes.serving_at(serve, endpoint_socket))
        tor.wait_until_bootstrapped()
        yield OnionSite(desk, tor, host, sync_host, key)


def wait_for_answer(client: Tor, host: str, path: str = "/", *, seconds: float = _PATIENCE_SECONDS) -> bytes:
    """Request a page of an onion service until it answers. Return the whole answer.

    Raises:
        NoAnswerError: the service did not answer within the time limit.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return fetch_once(client, host, path)
        except (NoAnswerError, OSError) as why:
            if time.monotonic() > deadline:
                raise NoAnswerError(str(why)) from why
        client.forget()  # the old place of a service whose tor was killed, which a later source never knew
        time.sleep(1)


def fetch_once(client: Tor, host: str, path: str = "/") -> bytes:
    """Request a page of an onion service once.

    Raises:
        NoAnswerError: SOCKS refused, or the answer was empty.
        OSError: the connection broke.
    """
    with _connect(client, host, _TRY_SECONDS) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        pieces = []
        while piece := line.recv(65536):
            pieces.append(piece)
    if not pieces:
        raise NoAnswerError("an empty answer")
    return b"".join(pieces)


def _connect(client: Tor, host: str, seconds: float) -> socket.socket:
    assert client.socks is not None
    with contextlib.ExitStack() as on_failure:
        line = on_failure.enter_context(socket.create_connection(client.socks, timeout=seconds))
        line.sendall(b"\x05\x01\x00")  # RFC 1928: no authentication
        _take(line, 2)
        line.sendall(b"\x05\x01\x00\x03" + bytes([len(host)]) + host.encode() + struct.pack(">H", 80))
        said = _take(line, 10)
        if said[1]:
            raise NoAnswerError(f"SOCKS {said[1]:#x}")
        on_failure.pop_all()
    return line


class OnionBrowser(Browser):
    """HTTP client that connects to an onion service through the SOCKS port of a tor."""

    def __init__(self, client: Tor, host: str) -> None:
        super().__init__(host, 80)
        self._client = client

    def _connect(self) -> socket.socket:
        return _connect(self._client, self.host, _PATIENCE_SECONDS)


def _take(line: socket.socket, size: int) -> bytes:
    taken = b""
    while len(taken) < size:
        piece = line.recv(size - len(taken))
        if not piece:
            raise NoAnswerError("SOCKS hung up")
        taken += piece
    return taken


@contextlib.contextmanager
def answering_socket(path: Path, says: bytes) -> Iterator[None]:
    """Answer every request at a Unix socket with the same words."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        while True:
            try:
                line, _ = server.accept()
            except OSError:
                return  # closed
            with line, contextlib.suppress(OSError):
                line.recv(65536)
                line.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + says)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def start_workstation_tor(network: TorNetwork, name: str, line: str) -> Tor:
    """Start a workstation's Tor, which has a key for an onion service."""
    keys = network.folder / f"{name}-keys"
    keys.mkdir(mode=0o700)
    (keys / "desk.auth_private").write_text(line)
    workstation = network.add(name, [f"ClientOnionAuthDir {keys}"], socks=True)
    workstation.start()
    workstation.wait_until_bootstrapped()
    return workstation


@contextlib.contextmanager
def running_publish(settings: Path) -> Iterator[None]:
    """Run `steunpunt onion publish`, as systemd does."""
    with processes.running([*COMMAND, "--settings", str(settings), "onion", "publish"]):
        yield
