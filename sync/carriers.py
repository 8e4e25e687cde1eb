"""Connections that carry pouches (sync bundles) from a workstation to its server and back.

The connection is an onion service, SSH, or a Unix socket on one machine.
"""

import re
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Final, cast

from python_socks import ProxyError
from python_socks.sync import Proxy

from sync.errors import ServerRefusedError, SyncError, SyncRefusal, SyncRefusedError
from sync.pouch_stream import POUCH_PATH, read_pouches
from sync.refusal_words import REFUSAL_WORDS

# Longest wait without receiving a byte. An onion circuit needs some seconds, or tens of seconds to rebuild.
_IDLE_SECONDS: Final = 120
_POUCH_SECONDS: Final = 1800.0  # longest time for one pouch, however slowly its bytes arrive
_WORD_BYTES: Final = 100
_HTTP_PORT: Final = 80
_OK: Final = 200
SSH_POUCHES: Final = b"pouch\n"  # `steunpunt server answer` writes this before pouches,
SSH_REFUSED: Final = b"refused "  # and writes this before a word of refusal

_SSH_COMMAND: Final = (
    # When our process ends, the kernel kills ssh: a hostile server could keep the connection open.
    *("setpriv", "--pdeathsig", "KILL", "ssh", "-T", "-oBatchMode=yes", "-oConnectTimeout=60"),
    "-oServerAliveInterval=30",  # give up when the server is silent for two minutes
    "-oServerAliveCountMax=4",
)

_ONION: Final = re.compile(r"onion:([a-z2-7]{56}\.onion)")
_SSH: Final = re.compile(
    r"ssh:((?:[A-Za-z0-9_.-]+@)?(?:[A-Za-z0-9_.-]*[A-Za-z0-9]|[0-9a-fA-F:]+))"  # a host or an IPv6 address
)
_UNIX: Final = re.compile(r"unix:(/\S+)")


@dataclass(frozen=True, slots=True)
class OnionCarrier:
    """Connection that carries pouches (sync bundles) to the server's onion service, through Tor.

    `socks` is Tor's SOCKS port, as "127.0.0.1:9050".
    """

    onion: str
    socks: str

    @contextmanager
    def carry(self, pouch: bytes) -> Iterator[Iterator[bytes]]:
        """Send a pouch (sync bundle) through Tor, and return the pouches of the server's answer.

        Raises:
            SyncRefusedError: UNREACHABLE: the connection failed, before or during the answer.
            ServerRefusedError: the server sent a reason to refuse, instead of pouches.
        """
        with _unreachable():  # Tor may not run, or not know the service; the service may not know our key
            proxy = Proxy.from_url(f"socks5://{self.socks}", rdns=True)
            opened = proxy.connect(self.onion, _HTTP_PORT, timeout=_IDLE_SECONDS)
        with opened, _posting(opened, self.onion, pouch) as pouches:
            yield pouches


@dataclass(frozen=True, slots=True)
class UnixCarrier:
    """Connection that carries pouches (sync bundles) to a server on this machine, through a Unix socket."""

    path: Path

    @contextmanager
    def carry(self, pouch: bytes) -> Iterator[Iterator[bytes]]:
        """Send a pouch (sync bundle) through the Unix socket, and return the pouches of the server's answer.

        Raises:
            SyncRefusedError: UNREACHABLE: the connection failed, before or during the answer.
            ServerRefusedError: the server sent a reason to refuse, instead of pouches.
        """
        with socket.socket(socket.AF_UNIX) as opened:
            opened.settimeout(_IDLE_SECONDS)
            with _unreachable():
                opened.connect(str(self.path))
            with _posting(opened, "localhost", pouch) as pouches:
                yield pouches


@dataclass(frozen=True, slots=True)
class SshCarrier:
    """Connection that carries pouches (sync bundles) to the server through the `ssh` program.

    The program uses the user's own SSH settings and keys, and never asks the user anything. The program ends
    at the latest when our process ends.
    """

    target: str
    options: tuple[str, ...] = ()

    @contextmanager
    def carry(self, pouch: bytes) -> Iterator[Iterator[bytes]]:
        """Send a pouch (sync bundle) through SSH, and return the pouches of the server's answer.

        Raises:
            SyncRefusedError: UNREACHABLE: the connection failed, before or during the answer.
            ServerRefusedError: the server sent a reason to refuse, instead of pouches.
        """
        # A forced command in the server's authorized_keys replaces the command that is named here.
        command = [*_SSH_COMMAND, *self.options, self.target, "steunpunt server answer"]
        with _unreachable(), tempfile.TemporaryFile() as question:
            question.write(pouch)
            question.seek(0)
            ssh = subprocess.Popen(  # noqa: S603  # no shell
                command, stdin=question, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        with ssh:
            try:
                yield _limit_time(_read_ssh(cast("IO[bytes]", ssh.stdout)), ssh.kill)
            finally:
                ssh.kill()


def carrier_of(server: str, socks: str) -> OnionCarrier | SshCarrier | UnixCarrier:
    """Return the connection to the server that a setting names: "onion:…", "ssh:user@host" or "unix:/path".

    `socks` is the address of Tor's SOCKS port, for an onion service.

    Raises:
        ValueError: `server` has none of these forms.
    """
    if found := _ONION.fullmatch(server):
        return OnionCarrier(found[1], socks)
    if (found := _SSH.fullmatch(server)) and not found[1].startswith("-"):
        return SshCarrier(found[1])
    if found := _UNIX.fullmatch(server):
        return UnixCarrier(Path(found[1]))
    raise ValueError("onion: and an address, ssh: and a host, or unix: and an absolute path")


@contextmanager
def _unreachable() -> Iterator[None]:
    """Turn a failure of the connection inside the block into SyncRefusedError with the reason UNREACHABLE."""
    try:
        yield
    except (OSError, ProxyError, HTTPException) as why:
        raise SyncRefusedError(SyncRefusal.UNREACHABLE) from why


@contextmanager
def _posting(opened: socket.socket, host: str, pouch: bytes) -> Iterator[Iterator[bytes]]:
    """Post a pouch (sync bundle) to the server over an open socket, and return the pouches of the answer.

    The socket is shut down at the end of the `with` block.
    """

    def hang_up() -> None:
        with suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)

    opened.settimeout(_IDLE_SECONDS)
    with HTTPResponse(opened, method="POST") as response:
        try:
            yield _limit_time(_post(opened, response, host, pouch), hang_up)
        finally:
            hang_up()


def _post(opened: socket.socket, response: HTTPResponse, host: str, pouch: bytes) -> Iterator[bytes]:
    """Post a pouch (sync bundle) over HTTP/1.0, and yield the pouches of the answer."""
    # HTTP/1.0 has no chunks: http.client accepts negative chunk lengths, and then reads without end.
    head = (
        f"POST {POUCH_PATH} HTTP/1.0\r\nHost: {host}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(pouch)}\r\n\r\n"
    )
    with _unreachable():
        opened.sendall(head.encode("ascii") + pouch)
        response.begin()
        if response.chunked:
            raise SyncRefusedError(SyncRefusal.UNREACHABLE)
        if response.status != _OK:
            raise _refusal(response.read(_WORD_BYTES))
        yield from read_pouches(response.read)


def _read_ssh(output: IO[bytes]) -> Iterator[bytes]:
    """Yield the pouches (sync bundles) of the server's answer over SSH.

    The answer is the output of the command `steunpunt server answer`, which runs on the server.
    """
    start = output.read(len(SSH_POUCHES))
    if start != SSH_POUCHES:
        start += output.read(len(SSH_REFUSED) + _WORD_BYTES - len(start))
        raise _refusal(start.removeprefix(SSH_REFUSED) if start.startswith(SSH_REFUSED) else b"")
    yield from read_pouches(output.read)


def _limit_time(pouches: Iterator[bytes], hang_up: Callable[[], object]) -> Iterator[bytes]:
    """Yield pouches (sync bundles) as they arrive. If a pouch takes over half an hour, hang up."""

    def take() -> bytes | None:
        timer = threading.Timer(_POUCH_SECONDS, hang_up)
        timer.daemon = True
        timer.start()
        try:
            return next(pouches, None)
        finally:
            timer.cancel()

    return iter(take, None)


def _refusal(word: bytes) -> SyncError:
    """Return the exception for the word that the server sent as the reason to refuse.

    A word that is not in `REFUSAL_WORDS` did not come from our server. The reason is then UNREACHABLE.
    """
    reason = word.decode("ascii", errors="replace").strip()
    if reason in REFUSAL_WORDS:
        return ServerRefusedError(reason)
    return SyncRefusedError(SyncRefusal.UNREACHABLE)
