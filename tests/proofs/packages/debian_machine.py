"""Debian that boots from a folder, in namespaces of its own, with systemd as PID 1. Only root can do this."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_BOOT = Path(__file__).with_name("boot.sh")
_CGROUPS = Path("/sys/fs/cgroup")
_APT = Path("/etc/apt")
_SOURCES = ("sources.list", "sources.list.d/debian.sources")
_BOOTED = {"running\n", "degraded\n"}
_QUIET = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
_INSTALL = ("apt-get", "--quiet=2", "install", "--yes", "--no-install-recommends")


@dataclass(slots=True)
class DebianMachine:
    """Machine whose disk is the folder `root`."""

    root: Path
    _kind: str = "disk"  # or "memory", as boot.sh says
    _booting: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Boot the machine, and wait until systemd has started everything."""
        self._booting = subprocess.Popen([_BOOT, self._kind, self.root])
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
            [*enter, *words], input=text, capture_output=True, text=True, env=_QUIET, check=False
        )

    def does(self, *words: str, text: str = "") -> str:
        """Run a command that must succeed. Return its output."""
        done = self.types(*words, text=text)
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def path(self, name: str) -> Path:
        """Return the path, on this machine, of a file of the booted machine."""
        return Path(f"/proc/{self._init()}/root") / name.lstrip("/")

    def state(self, unit: str) -> str:
        """Return the state of a unit, such as "active"."""
        return self.types("systemctl", "is-active", unit).stdout.strip()

    def _init(self) -> str:
        """Return the id of the machine's PID 1, or "" if the machine has not begun to boot."""
        assert self._booting is not None
        children = Path(f"/proc/{self._booting.pid}/task/{self._booting.pid}/children").read_text("ascii")
        return children.strip()


@contextmanager
def boot_copy(root: Path) -> Iterator[DebianMachine]:
    """Boot a copy of this machine's system in a second: its packages and settings, but no users and services.

    The copy is in memory. `root` becomes an empty folder.
    """
    root.mkdir()
    machine = DebianMachine(root, "memory")
    try:
        machine.start()
        yield machine
    finally:
        machine.kill()


@contextmanager
def install_debian(root: Path, package: Path) -> Iterator[DebianMachine]:
    """Install this Debian release in a folder, download what a package needs, and boot the machine."""
    release = Path("/etc/os-release").read_text("utf-8").partition("VERSION_CODENAME=")[2].split()[0]
    include = "--include=systemd,systemd-sysv,iproute2"
    subprocess.run(
        ["debootstrap", "--variant=minbase", include, release, root], check=True, stdout=subprocess.DEVNULL
    )
    root.chmod(0o755)
    (root / "etc/apt/sources.list").unlink()
    for name in _SOURCES:  # the mirror of this machine, with the security updates
        if (_APT / name).exists():
            shutil.copy(_APT / name, root / "etc/apt" / name)
    (root / "etc/dpkg/dpkg.cfg.d/fast").write_text(
        "force-unsafe-io\n"
    )  # no disk of a test survives a power cut
    shutil.copy(package, root / package.name)
    for command in (("apt-get", "--quiet=2", "update"), (*_INSTALL, "--download-only", f"/{package.name}")):
        subprocess.run(["chroot", root, *command], check=True, env=_QUIET)
    machine = DebianMachine(root)
    try:
        machine.start()
        yield machine
    finally:
        machine.kill()


def install_package(machine: DebianMachine, package: Path) -> subprocess.CompletedProcess[str]:
    """Install or upgrade a package, without a network."""
    shutil.copy(package, machine.root / package.name)
    return machine.types(*_INSTALL, "--allow-downgrades", f"/{package.name}")


def _remove_cgroup(folder: Path) -> None:
    for path, _, _ in os.walk(folder, topdown=False):
        for _ in range(100):  # the kernel ends the processes of a killed machine one by one
            try:
                Path(path).rmdir()
                break
            except OSError:
                time.sleep(0.1)
