"""The ways between a workstation and its server: an onion service, SSH, or a Unix socket on one machine."""

import http.client
import re
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from python_socks import ProxyError
from python_socks.sync import Proxy

from sync.door import PATH, POUCH_BYTES
from sync.errors import RefusedError, UnreachableError
from sync.reasons import REASONS

# Without a byte: an onion circuit takes some seconds, and some tens when it must be built anew.
_SECONDS: Final = 120
_LONGEST_SECONDS: Final = 1800.0  # for one pouch to and fro, however slowly it comes
_WORD_BYTES: Final = 100
_HTTP_PORT: Final = 80
_OK: Final = 200
BROUGHT: Final = b"pouch\n"  # what `steunpunt sync answer` writes before a pouch, and
REFUSED: Final = b"refused "  # before a reason

_ANSWER_BYTES: Final = len(BROUGHT) + POUCH_BYTES

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

    def carry(self, pouch: bytes) -> bytes:
        """Return the server's pouch.

        Raises:
            UnreachableError, RefusedError: as `Carrier` has it.
        """
        try:
            proxy = Proxy.from_url(f"socks5://{self.socks}", rdns=True)
            line = proxy.connect(self.onion, _HTTP_PORT, timeout=_SECONDS)
        except (OSError, ProxyError) as why:  # Tor is not there, or the service unknown, or we have no key
            raise UnreachableError from why
        with line, _ending(lambda: line.shutdown(socket.SHUT_RDWR)):
            line.settimeout(_SECONDS)
            return _post(line, self.onion, pouch)


@dataclass(frozen=True, slots=True)
class UnixCarrier:
    """To a door on this very machine, by its socket."""

    path: Path

    def carry(self, pouch: bytes) -> bytes:
        """Return the server's pouch.

        Raises:
            UnreachableError, RefusedError: as `Carrier` has it.
        """
        with socket.socket(socket.AF_UNIX) as line, _ending(lambda: line.shutdown(socket.SHUT_RDWR)):
            line.settimeout(_SECONDS)
            try:
                line.connect(str(self.path))
            except OSError as why:
                raise UnreachableError from why
            return _post(line, "localhost", pouch)


@dataclass(frozen=True, slots=True)
class SshCarrier:
    """Through the `ssh` program, with the user's own settings and keys; never a question is asked."""

    target: str
    options: tuple[str, ...] = ()

    def carry(self, pouch: bytes) -> bytes:
        """Return the server's pouch.

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
                with ssh, _ending(ssh.kill):
                    said = cast("IO[bytes]", ssh.stdout).read(_ANSWER_BYTES + 1)
                    if len(said) > _ANSWER_BYTES:
                        ssh.kill()
                    is_whole = ssh.wait() == 0
        except OSError as why:
            raise UnreachableError from why
        if said.startswith(REFUSED):
            raise _refused(said.removeprefix(REFUSED)[:_WORD_BYTES])
        if not is_whole or not said.startswith(BROUGHT):
            raise UnreachableError
        return said.removeprefix(BROUGHT)


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


def _post(line: socket.socket, host: str, pouch: bytes) -> bytes:
    connection = http.client.HTTPConnection(host)
    connection.sock = line
    try:
        connection.request("POST", PATH, body=pouch, headers={"Content-Type": "application/octet-stream"})
        with connection.getresponse() as response:
            # Our door says how long its answer is. Of a chunked one http.client takes lengths below zero.
            if response.length is None or response.length > POUCH_BYTES:
                raise UnreachableError
            if response.status != _OK:
                raise _refused(response.read(_WORD_BYTES))
            brought = response.read()
    except (OSError, http.client.HTTPException) as why:
        raise UnreachableError from why
    else:
        return brought


@contextmanager
def _ending(end: Callable[[], object]) -> Iterator[None]:
    """Do `end` to a line that takes longer than any pouch does."""

    def ends() -> None:
        with suppress(OSError):
            end()

    timer = threading.Timer(_LONGEST_SECONDS, ends)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _refused(word: bytes) -> RefusedError | UnreachableError:
    """Read a reason; who answers with another word is no server of ours."""
    reason = word.decode("ascii", errors="replace").strip()
    return RefusedError(reason) if reason in REASONS else UnreachableError()
