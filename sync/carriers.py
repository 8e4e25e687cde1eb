"""The ways between a workstation and its server: an onion service, SSH, or a Unix socket on one machine."""

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

from sync import pouch_stream
from sync.errors import RefusedError, UnreachableError
from sync.http_endpoint import PATH
from sync.reasons import REASONS

# Without a byte: an onion circuit takes some seconds, and some tens when it must be built anew.
_SECONDS: Final = 120
_LONGEST_SECONDS: Final = 1800.0  # for one pouch to and fro, however slowly it comes
_WORD_BYTES: Final = 100
_HTTP_PORT: Final = 80
_OK: Final = 200
BROUGHT: Final = b"pouch\n"  # what `steunpunt sync answer` writes before pouches, and
REFUSED: Final = b"refused "  # before a reason

_SSH_OPTIONS: Final = (
    "-oBatchMode=yes",
    "-oConnectTimeout=60",  # and then a line on which no server is for two minutes is given up
    "-oServerAliveInterval=30",
    "-oServerAliveCountMax=4",
)

_ONION: Final = re.compile(r"onion:([a-z2-7]{56}\.onion)")
_SSH: Final = re.compile(r"ssh:([A-Za-z0-9_.@\[\]:-]+)")
_UNIX: Final = re.compile(r"unix:(/\S+)")


@dataclass(frozen=True, slots=True)
class OnionCarrier:
    """Through Tor's SOCKS port, `socks` as "127.0.0.1:9050", to an onion service of our own."""

    onion: str
    socks: str

    @contextmanager
    def carry(self, pouch: bytes) -> Iterator[Iterator[bytes]]:
        """Give the server's pouches.

        Raises:
            UnreachableError, RefusedError: as `Carrier` has it.
        """
        try:
            proxy = Proxy.from_url(f"socks5://{self.socks}", rdns=True)
            opened = proxy.connect(self.onion, _HTTP_PORT, timeout=_SECONDS)
        except (OSError, ProxyError) as why:  # Tor is not there, or the service unknown, or we have no key
            raise UnreachableError from why
        with opened, _posting(opened, self.onion, pouch) as pouches:
            yield pouches


@dataclass(frozen=True, slots=True)
class UnixCarrier:
    """To a door on this very machine, by its socket."""

    path: Path

    @contextmanager
    def carry(self, pouch: bytes) -> Iterator[Iterator[bytes]]:
        """Give the server's pouches.

        Raises:
            UnreachableError, RefusedError: as `Carrier` has it.
        """
        with socket.socket(socket.AF_UNIX) as opened:
            opened.settimeout(_SECONDS)
            try:
                opened.connect(str(self.path))
            except OSError as why:
                raise UnreachableError from why
            with _posting(opened, "localhost", pouch) as pouches:
                yield pouches


@dataclass(frozen=True, slots=True)
class SshCarrier:
    """Through the `ssh` program, with the user's own settings and keys; never a question is asked."""

    target: str
    options: tuple[str, ...] = ()

    @contextmanager
    def carry(self, pouch: bytes) -> Iterator[Iterator[bytes]]:
        """Give the server's pouches.

        Raises:
            UnreachableError, RefusedError: as `Carrier` has it.
        """
        # A forced command in the server's authorized_keys takes the place of what is asked for here.
        command = ["ssh", "-T", *_SSH_OPTIONS, *self.options, self.target, "steunpunt sync answer"]
        try:
            with tempfile.TemporaryFile() as asked:
                asked.write(pouch)
                asked.seek(0)
                ssh = subprocess.Popen(  # noqa: S603  # no shell
                    command, stdin=asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
        except OSError as why:
            raise UnreachableError from why
        with ssh:
            try:
                yield _in_time(_said(cast("IO[bytes]", ssh.stdout)), ssh.kill)
            finally:
                ssh.kill()


def carrier_of(server: str, socks: str) -> OnionCarrier | SshCarrier | UnixCarrier:
    """Return the way to a server as the settings name it: "onion:…", "ssh:user@host" or "unix:/path".

    Raises:
        ValueError: it is none of these.
    """
    if found := _ONION.fullmatch(server):
        return OnionCarrier(found[1], socks)
    if (found := _SSH.fullmatch(server)) and not found[1].startswith("-"):
        return SshCarrier(found[1])
    if found := _UNIX.fullmatch(server):
        return UnixCarrier(Path(found[1]))
    raise ValueError("onion: and an address, ssh: and a host, or unix: and an absolute path")


@contextmanager
def _posting(opened: socket.socket, host: str, pouch: bytes) -> Iterator[Iterator[bytes]]:
    """Give the pouches that the door answers with; in the end hang up, since a thread may be reading."""

    def hang_up() -> None:
        with suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)

    opened.settimeout(_SECONDS)
    with HTTPResponse(opened, method="POST") as response:
        try:
            yield _in_time(_post(opened, response, host, pouch), hang_up)
        finally:
            hang_up()


def _post(opened: socket.socket, response: HTTPResponse, host: str, pouch: bytes) -> Iterator[bytes]:
    """Ask as HTTP/1.0 does: the answer then ends with the line, and is not in HTTP's own chunks.

    http.client takes lengths below zero in those, and reads without end.
    """
    head = (
        f"POST {PATH} HTTP/1.0\r\nHost: {host}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(pouch)}\r\n\r\n"
    )
    try:
        opened.sendall(head.encode("ascii") + pouch)
        response.begin()
        if response.chunked:
            raise UnreachableError
        if response.status != _OK:
            raise _refused(response.read(_WORD_BYTES))
        yield from pouch_stream.read_pouches(response.read)
    except (OSError, HTTPException) as why:
        raise UnreachableError from why


def _said(said: IO[bytes]) -> Iterator[bytes]:
    """Read what `steunpunt sync answer` writes."""
    word = said.read(len(BROUGHT))
    if word != BROUGHT:
        word += said.read(len(REFUSED) + _WORD_BYTES - len(word))
        raise _refused(word.removeprefix(REFUSED)) if word.startswith(REFUSED) else UnreachableError
    yield from pouch_stream.read_pouches(said.read)


def _in_time(pouches: Iterator[bytes], hang_up: Callable[[], object]) -> Iterator[bytes]:
    """Yield pouches; hang up where one takes longer than any does."""
    while True:
        timer = threading.Timer(_LONGEST_SECONDS, hang_up)
        timer.daemon = True
        timer.start()
        try:
            pouch = next(pouches, None)
        finally:
            timer.cancel()
        if pouch is None:
            return
        yield pouch


def _refused(word: bytes) -> RefusedError | UnreachableError:
    """Read a reason; who answers with another word is no server of ours."""
    reason = word.decode("ascii", errors="replace").strip()
    return RefusedError(reason) if reason in REASONS else UnreachableError()
