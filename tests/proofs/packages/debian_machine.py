"""Debian that boots in namespaces of its own, with systemd as PID 1 and no network. Only root can do this."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

_BOOT = Path(__file__).with_name("boot.sh")
_PROJECT = Path(__file__).parents[3]
_CGROUPS = Path("/sys/fs/cgroup")
_BOOTED = {"running\n", "degraded\n"}
QUIET = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
INSTALL = ("apt-get", "--quiet=2", "install", "--yes", "--no-install-recommends")


@dataclass(slots=True)
class DebianMachine:
    """Machine whose disk is a folder, or a copy of this machine in memory (`boot.sh`)."""

    kind: Literal["disk", "memory"]
    folder: Path
    _booting: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def root(self) -> Path:
        """The root folder of the running machine, with everything that the machine mounted."""
        return Path(f"/proc/{self._init()}/root")

    def start(self) -> None:
        """Boot the machine, and wait until systemd has started everything."""
        self._booting = subprocess.Popen([_BOOT, self.kind, self.folder])
        for _ in range(600):
            if self._init() and self.types("systemctl", "is-system-running", "--wait").stdout in _BOOTED:
                break
            assert self._booting.poll() is None, "the machine ended"
            time.sleep(0.1)
        assert self.does("systemctl", "is-system-running") == "running\n"

    def stop(self) -> None:
        """Stop all programs in order, as at a shutdown."""
        assert self._booting is not None
        os.kill(int(self._init()), signal.SIGRTMIN + 3)  # systemd(1): halt, which ends PID 1 of a container
        try:
            self._booting.wait(60)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the machine at once, and remove its cgroups."""
        if self._booting is not None:
            self._booting.kill()
            self._booting.wait()
            for folder in _CGROUPS.rglob(f"steunpunt-test-{self._booting.pid}"):
                _remove_cgroup(folder)
            self._booting = None

    def types(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command as root, with `text` as its input."""
        enter = ["nsenter", f"--target={self._init()}", "--all", "--root", "--wd"]
        return subprocess.run(
            [*enter, *words], input=text, capture_output=True, text=True, env=QUIET, umask=0o022, check=False
        )

    def does(self, *words: str, text: str = "") -> str:
        """Run a command that must succeed. Return its output."""
        done = self.types(*words, text=text)
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def waits(self, command: str) -> None:
        """Run a shell command each second until it succeeds, for at most a minute."""
        self.does("sh", "-c", f"for i in $(seq 60); do {{ {command}; }} && exit; sleep 1; done; exit 1")

    def installs(self, package: Path) -> subprocess.CompletedProcess[str]:
        """Install a package, or another version of it. What the package needs is downloaded already."""
        shutil.copy(package, self.root / package.name)
        return self.types(*INSTALL, "--allow-downgrades", f"/{package.name}")

    def state(self, unit: str) -> str:
        """Return the state of a unit, such as "active"."""
        return self.types("systemctl", "is-active", unit).stdout.strip()

    def processes(self, unit: str = "") -> list[int]:
        """Return the ids, on this machine, of the machine's processes, or only of one unit's processes."""
        assert self._booting is not None
        ending = f"/{unit}.service\n" if unit else ""
        group = re.compile(f"/steunpunt-test-{self._booting.pid}/.*{re.escape(ending)}")
        return [
            int(folder.name)
            for folder in Path("/proc").glob("[1-9]*")
            if group.search(_text_of(folder / "cgroup"))
        ]

    def is_used_by(self, *words: str) -> None:
        """Run a command of this machine, which must succeed, in the network of the booted machine."""
        network = f"--net=/proc/{self._init()}/ns/net"
        subprocess.run(["nsenter", network, *words], cwd=_PROJECT, check=True)

    def _init(self) -> str:
        """Return the id of the machine's PID 1, or "" if the machine has not begun to boot."""
        assert self._booting is not None
        children = Path(f"/proc/{self._booting.pid}/task/{self._booting.pid}/children").read_text("ascii")
        return children.strip()


@contextmanager
def booted(machine: DebianMachine) -> Iterator[DebianMachine]:
    """Start a machine, and end it after the tests."""
    try:
        machine.start()
        yield machine
    finally:
        machine.kill()


def download_needs(root: Path, package: Path, *names: str) -> None:
    """Download what a package needs, and packages of Debian, to the cache of a Debian that does not run."""
    shutil.copy(package, root / package.name)
    chroot(root, *INSTALL, "--download-only", f"/{package.name}", *names)


def chroot(root: Path, *words: str) -> None:
    """Run a command in the folder of a Debian that does not run."""
    subprocess.run(["chroot", root, *words], check=True, env=QUIET, umask=0o022)


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""  # the process has ended


def _remove_cgroup(folder: Path) -> None:
    for path, _, _ in os.walk(folder, topdown=False):
        for _ in range(100):  # the kernel ends the processes of a killed machine one by one
            try:
                Path(path).rmdir()
                break
            except OSError:
                time.sleep(0.1)
