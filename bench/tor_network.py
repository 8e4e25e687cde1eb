"""Private Tor network on loopback: four directory authorities that are also relays. Nothing leaves it.

    with TorNetwork() as network:
        client = network.add("client", socks=True)
        client.start()
        client.wait_until_bootstrapped()
        client.socks, client.control_socket, client.data_folder

On two busy cores the network is ready after half a minute, and an onion service answers five seconds after
its tor was started. Only processes that were started here are ended, by their process ids. If the thread that
started them ends or is killed, the kernel ends them.

Needs Debian's `tor`, with its `tor-gencert`.
"""

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

from stem.control import Controller

from bench.processes import NotStartedError, free_port

AUTHORITIES = 4  # the fewest that leave a choice of relays for three hops, an introduction and a rendezvous
_BOOT_SECONDS = 180
_STOP_SECONDS = 20
_POLL_SECONDS = 0.25

# Settings of every tor of the network.
EVERYWHERE = """
TestingTorNetwork 1
AssumeReachable 1
ExtendAllowPrivateAddresses 1
EnforceDistinctSubnets 0
ClientDNSRejectInternalAddresses 0
ClientRejectInternalAddresses 0
SafeLogging 0
RunAsDaemon 0
"""

# The authorities vote every 20 seconds: the shortest interval in which they can exchange votes on a busy
# machine. There are no exits, so that no request of a test can leave this machine.
_AUTHORITY = """
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
TestingDirAuthVoteHSDir *
TestingDirAuthVoteGuard *
V3AuthNIntervalsValid 3
V3AuthVotingInterval 20
V3AuthVoteDelay 4
V3AuthDistDelay 4
TestingV3AuthInitialVotingInterval 20
TestingV3AuthInitialVoteDelay 4
TestingV3AuthInitialDistDelay 4
ExitRelay 0
ExitPolicy reject *:*
SocksPort 0
"""


class Tor:
    """One tor process, which can be stopped or killed, and started again with the same files."""

    def __init__(self, folder: Path, lines: str, *, socks_host: str | None) -> None:
        """Write a torrc to its own folder (0700). Nothing is started yet."""
        folder.mkdir(mode=0o700)
        self.folder = folder
        self.data_folder = folder / "data"
        self.data_folder.mkdir(mode=0o700)
        self.control_socket = folder / "control"
        self.cookie = folder / "cookie"
        self.log = folder / "log"
        self.torrc = folder / "torrc"
        self.socks = None if socks_host is None else (socks_host, free_port(socks_host))
        self._process: subprocess.Popen[bytes] | None = None
        listen = "0" if self.socks is None else "{}:{}".format(*self.socks)
        self.torrc.write_text(
            f"DataDirectory {self.data_folder}\n"
            f"ControlSocket {self.control_socket}\n"
            f"CookieAuthentication 1\nCookieAuthFile {self.cookie}\n"
            f"Log notice file {self.log}\n"
            f"SocksPort {listen}\n"
            f"{EVERYWHERE}{lines}\n"
        )

    @property
    def pid(self) -> int | None:
        """Return the process id of tor, or None if tor does not run."""
        return None if self._process is None else self._process.pid

    def add_lines(self, lines: str) -> None:
        """Add lines to the torrc, for the next start."""
        with self.torrc.open("a") as torrc:
            torrc.write(f"{lines}\n")

    def start(self) -> None:
        """Start tor, and wait until its control socket listens.

        Raises:
            NotStartedError: tor ended at once, or does not listen. The message is the end of its log.
        """
        self.control_socket.unlink(missing_ok=True)  # left by a tor that was killed
        # Not `__OwningControllerProcess`: every stem connection of this process would then own tor, and tor
        # would end when the first of them closes.
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "tor", "-f", self.torrc, "--hush"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(self.folder)},  # so that the user's own torrc is not read
            start_new_session=True,
        )
        self._wait(self.control_socket.exists, _STOP_SECONDS)

    def host_of(self, service: str) -> str:
        """Return the address of an onion service in tor's folder, as soon as tor has written the address.

        Raises:
            NotStartedError: tor ended, or did not write the address.
        """
        path = self.folder / service / "hostname"
        self._wait(path.exists, _STOP_SECONDS)
        return path.read_text("ascii").strip()

    def stop(self) -> None:
        """Stop tor as systemd does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill tor, as a power cut does."""
        self._end(signal.SIGKILL)

    def reload(self) -> None:
        """Make tor read its files again, as `systemctl reload tor` does.

        Sends a signal, because stem 1.8.2 hangs when it closes just after a reload that it asked for.
        """
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    @contextlib.contextmanager
    def controller(self) -> Iterator[Controller]:
        """Connect to the control socket, authenticated by the cookie."""
        with Controller.from_socket_file(str(self.control_socket)) as controller:
            controller.authenticate()
            yield controller

    def forget(self) -> None:
        """Make tor forget its descriptors and circuits, so that the next connection is like the first."""
        with self.controller() as controller:
            controller.msg("SIGNAL NEWNYM")

    def wait_until_bootstrapped(self) -> None:
        """Wait until tor has a consensus and circuits.

        Raises:
            NotStartedError: tor ended, or it takes more than three minutes.
        """
        with self.controller() as controller:
            self._wait(lambda: "PROGRESS=100" in controller.get_info("status/bootstrap-phase"), _BOOT_SECONDS)

    def wait_for_relays(self, number: int) -> None:
        """Wait until the consensus lists `number` running relays that store descriptors of onion services.

        Raises:
            NotStartedError: tor ended, or it takes more than three minutes.
        """
        with self.controller() as controller:
            self._wait(lambda: _relays(controller) >= number, _BOOT_SECONDS)

    def _wait(self, condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise NotStartedError(f"{self.folder.name}: {self.log_end()}")
            time.sleep(_POLL_SECONDS)

    def log_end(self) -> str:
        """Return the end of tor's log."""
        return self.log.read_text("utf-8", "replace")[-2000:] if self.log.exists() else "there is no log"

    def _end(self, by: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(by)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


class TorNetwork:
    """Network of directory authorities, with every tor that was added to it."""

    def __init__(self) -> None:
        """Create a folder for the network. Nothing is started yet."""
        # A short path, not below the caller's folder: the path of a Unix socket may have at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="tor-"))
        # An address whose ports no other process uses.
        self.host = f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(200) + 20}.1"
        self.authorities: list[Tor] = []
        self._added: list[Tor] = []
        self.directory = ""

    def __enter__(self) -> Self:
        """Start the authorities, and wait until the consensus lists all of them."""
        try:
            self._make_authorities()
            for tor in self.authorities:
                tor.start()
            self._wait_for_consensus()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_why: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop every tor of this network, and remove its files."""
        for tor in [*self._added, *self.authorities]:
            tor.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, name: str, lines: Sequence[str] = (), *, socks: bool = False) -> Tor:
        """Add a tor, as client or service, and return it before it is started.

        `name` is the name of its folder and must be unused. `lines` are added to its torrc. With `socks` it
        has a SOCKS port.
        """
        tor = Tor(
            self.folder / name, "\n".join([self.directory, *lines]), socks_host=self.host if socks else None
        )
        self._added.append(tor)
        return tor

    def _make_authorities(self) -> None:
        ports = [(free_port(self.host), free_port(self.host)) for _ in range(AUTHORITIES)]
        for number, (orport, dirport) in enumerate(ports):
            tor = Tor(
                self.folder / f"authority{number}",
                f"Nickname authority{number}\n"
                f"ContactInfo authority{number}@localhost.invalid\n"
                f"Address {self.host}\n"
                f"ORPort {self.host}:{orport}\n"
                f"DirPort {self.host}:{dirport}\n"
                f"{_AUTHORITY}",
                socks_host=None,
            )
            self.authorities.append(tor)
            self.directory += _authority_line(tor, self.host, orport, dirport) + "\n"
        for tor in self.authorities:
            tor.add_lines(self.directory)

    def _wait_for_consensus(self) -> None:
        """Wait until every authority has the consensus, so that the slowest one refuses no client."""
        for tor in self.authorities:
            tor.wait_for_relays(AUTHORITIES)


def _relays(controller: Controller) -> int:
    statuses = controller.get_info("ns/all", "")
    return len(re.findall(r"(?m)^s .*\bHSDir\b.*\bRunning\b", statuses))


def _authority_line(tor: Tor, host: str, orport: int, dirport: int) -> str:
    """Create an authority's keys. Return the torrc line that makes it known to every other tor."""
    keys = tor.data_folder / "keys"
    keys.mkdir(mode=0o700)
    certificate = keys / "authority_certificate"
    made = {"-i": keys / "authority_identity_key", "-s": keys / "authority_signing_key", "-c": certificate}
    subprocess.run(
        ["tor-gencert", "--create-identity-key", "--passphrase-fd", "0", "-a", f"{host}:{dirport}"]
        + [word for option in made.items() for word in map(str, option)],
        input=b"not a secret\n",
        check=True,
        capture_output=True,
    )
    listed = subprocess.run(
        ["tor", "--list-fingerprint", "-f", "-", "--quiet"],
        input=f"DataDirectory {tor.data_folder}\nORPort {host}:{orport}\nNickname {tor.folder.name}\n"
        "SocksPort 0\nAssumeReachable 1\n".encode(),
        check=True,
        capture_output=True,
    )
    fingerprint = listed.stdout.decode().split(maxsplit=1)[1].replace(" ", "").strip()
    identity = re.search(r"(?m)^fingerprint ([0-9A-F]{40})$", certificate.read_text())
    assert identity is not None
    name = tor.folder.name
    return f"DirAuthority {name} orport={orport} no-v2 v3ident={identity[1]} {host}:{dirport} {fingerprint}"
