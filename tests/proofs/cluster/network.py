"""Network of a test's own, with a bridge to machines that the test can cut off. Only root can make one."""

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import memory

_NETWORK = 0x40000000  # unshare(2), setns(2): CLONE_NEWNET
_BRIDGE = "lan"
_INIT = (
    "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN); signal.pause()"  # the kernel reaps orphans
)


@contextmanager
def own_network() -> Iterator[None]:
    """Give this thread a network of its own. All threads and programs that it starts are in this network."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open("rb") as before:
        if libc.unshare(_NETWORK) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        try:
            _ip("link", "set", "lo", "up")
            _ip("link", "add", _BRIDGE, "type", "bridge")
            _ip("address", "add", "10.99.0.1/24", "dev", _BRIDGE)
            _ip("link", "set", _BRIDGE, "up")
            yield
        finally:
            libc.setns(before.fileno(), _NETWORK)


@dataclass(slots=True)
class NetworkMachine:
    """Machine on the bridge: namespaces for a network and for processes. It ends with the test's process."""

    address: str
    _keeper: subprocess.Popen[bytes]  # its only child keeps the namespaces
    _first: int

    @classmethod
    def boot(cls, number: int) -> "NetworkMachine":
        """Add a machine to the bridge."""
        keep = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--pid", "--mount-proc", "--fork"]
        keeper = subprocess.Popen([*keep, "--kill-child", sys.executable, "-c", _INIT])
        here = _network_of("self")
        while not (found := memory.children(keeper.pid)) or _network_of(found[0]) in {here, ""}:
            time.sleep(0.01)
            assert keeper.poll() is None
        machine = cls(f"10.99.0.{10 + number}", keeper, found[0])
        _ip(
            "link", "add", machine._link, "type", "veth", "peer", "name", "eth0", "netns", str(machine._first)
        )
        _ip("link", "set", machine._link, "master", _BRIDGE, "up")
        inside = machine.command(as_root=True)
        for settings in (["link", "set", "lo", "up"], ["link", "set", "eth0", "up"]):
            subprocess.run([*inside, "ip", *settings], check=True)
        subprocess.run([*inside, "ip", "address", "add", f"{machine.address}/24", "dev", "eth0"], check=True)
        return machine

    def command(self, *, as_root: bool = False) -> list[str]:
        """Return the words before a command that runs it on this machine, as a user without rights."""
        enter = ["nsenter", f"--target={self._first}", "--net", "--pid", "--mount"]
        return enter if as_root else [*enter, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

    def signal(self, number: int) -> None:
        """Send a signal to all processes of the machine, also to those that they start in the meantime."""
        done: set[int] = set()
        while found := self._processes() - done:
            for process in found:
                try:
                    os.kill(process, number)
                except ProcessLookupError:
                    continue
            done |= found

    def cut_off(self) -> None:
        """Let no packet to the machine or from it through."""
        _ip("link", "set", self._link, "down")

    def let_in(self) -> None:
        """Let packets through again."""
        _ip("link", "set", self._link, "up")

    def end(self) -> None:
        """End the machine with all its processes."""
        _ip("link", "delete", self._link)  # now: the kernel would take its time
        self._keeper.kill()
        self._keeper.wait()

    @property
    def _link(self) -> str:
        return f"to{self.address.rpartition('.')[2]}"

    def _processes(self) -> set[int]:
        mine = _network_of(self._first)
        assert mine
        numbers = {int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()}
        keepers = {self._keeper.pid, self._first}
        return {number for number in numbers if _network_of(number) == mine} - keepers


def _network_of(process: int | str) -> str:
    try:
        return str(Path(f"/proc/{process}/ns/net").readlink())
    except OSError:  # has just ended, or belongs to another sandbox
        return ""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
