"""Debian packages that are built from clones of this project, as `make deb` builds them."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from store.database.atomic_files import folder_lock
from tests.deploy.servers import ROOT
from tests.proofs.packages.debian_machine import INSTALL, QUIET, chroot

_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_APT = Path("/etc/apt")
_SOURCES = ("sources.list", "sources.list.d/debian.sources")
_BASE = "systemd,systemd-sysv,iproute2,init-system-helpers"
_TOOLS = ("make", "git", "python3-venv", "faketime", "ca-certificates")
_PROGRAM = "usr/lib/steunpunt/program"


@dataclass(frozen=True, slots=True)
class Packages:
    """Two package files of one version."""

    server: Path
    workstation: Path

    @property
    def version(self) -> str:
        return self.server.name.split("_")[1]

    def unpacked(self, folder: Path) -> dict[Path, Path]:
        """Unpack each package in a folder of its own. Return the folder of each package."""
        folders = {package: folder / package.name for package in (self.server, self.workstation)}
        for package, target in folders.items():
            subprocess.run(["dpkg-deb", "--extract", package, target], check=True)
        return folders


@dataclass(frozen=True, slots=True)
class Debian:
    """A release of Debian, installed in a folder that is only copied."""

    release: str
    folder: Path

    def copied(self, folder: Path) -> Path:
        subprocess.run(["cp", "--archive", self.folder, folder], check=True)
        return folder


def this_release() -> str:
    return Path("/etc/os-release").read_text("utf-8").partition("VERSION_CODENAME=")[2].split()[0]


def install_debian(release: str, folder: Path) -> Debian:
    """Install a Debian release in a folder, with the package sources of this machine."""
    words = ["debootstrap", "--variant=minbase", f"--include={_BASE}", release, folder]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    folder.chmod(0o755)
    (folder / "etc/apt/sources.list").unlink()
    for name in _SOURCES:
        if (_APT / name).exists():
            text = (_APT / name).read_text("utf-8").replace(this_release(), release)
            (folder / "etc/apt" / name).write_text(text, "utf-8")
    # The disk of a test survives no power cut.
    (folder / "etc/dpkg/dpkg.cfg.d/fast").write_text("force-unsafe-io\n", "ascii")
    chroot(folder, "apt-get", "--quiet=2", "update")
    return Debian(release, folder)


def clone_project(folder: Path, commit: str = "HEAD") -> Path:
    """Clone the project to a new folder, with the files of a commit. Return the folder."""
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    subprocess.run(["git", "checkout", "--quiet", commit], cwd=folder, check=True)
    return folder


def is_known_commit(commit: str) -> bool:
    """Return False if this clone of the project has too little history to have the commit."""
    words = ["git", "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(words, cwd=ROOT, stderr=subprocess.DEVNULL, check=False).returncode == 0


def build_packages(project: Path) -> Packages:
    """Build the packages of a clone, for the Debian that runs here."""
    subprocess.run(["make", "--silent", "deb"], cwd=project, check=True)
    return _packages_in(project / "dist")


def build_once(folders: pytest.TempPathFactory) -> Packages:
    """Build the packages of the newest commit once for all processes of this test run."""
    own = folders.getbasetemp()
    run = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    project = run / "built-packages"
    with folder_lock(run, is_waiting=True):
        if not project.exists():
            return build_packages(clone_project(project))
    return _packages_in(project / "dist")


class BuildRoot:
    """Folder with a Debian and the tools that build packages for this release, with its own Python."""

    def __init__(self, debian: Debian, folder: Path) -> None:
        self._root = debian.copied(folder)
        chroot(self._root, *INSTALL, *_TOOLS)
        shutil.copy(_AUTHORITIES, self._root / _AUTHORITIES[1:])  # pip trusts what this machine trusts

    def build(self, place: str, *, clock: str = "+0", commit: str = "HEAD") -> Packages:
        """Clone the project to a place in this Debian, and build the packages of a commit.

        `clock` is how far the clock is from the right time, such as "+1d".
        """
        project = clone_project(self._root / place, commit)
        words = ["faketime", "-f", clock, "make", "--silent", "--directory", f"/{place}", "deb"]
        environment = QUIET | {"PIP_CERT": _AUTHORITIES, "PIP_CACHE_DIR": f"/{place}.cache", "HOME": "/root"}
        subprocess.run(["chroot", self._root, *words], check=True, env=environment)
        return _packages_in(project / "dist")


def change_package(package: Path, folder: Path, ending: str, change: Callable[[Path], object]) -> Path:
    """Make another package, whose version has one more ending, from a package.

    The ending ".1" makes the package newer, and "~1" makes it older. `change` gets the folder with the
    program, and changes its files.
    """
    tree = folder / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    change(tree / _PROGRAM)
    for compiled in (tree / _PROGRAM).rglob("*.pyc"):
        source = compiled.parent.with_name(compiled.name.split(".")[0] + ".py")
        if source.stat().st_mtime != compiled.stat().st_mtime:
            compiled.unlink()  # the program uses a compiled module without a look at its source
    version = package.name.split("_")[1]
    for script in (tree / "DEBIAN").iterdir():
        script.write_text(script.read_text("utf-8").replace(version, f"{version}{ending}"), "utf-8")
    subprocess.run(["chmod", "--recursive", "a+rX", tree], check=True)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, folder], check=True)
    shutil.rmtree(tree)
    return next(folder.glob("*.deb"))


def _packages_in(folder: Path) -> Packages:
    server, workstation = sorted(folder.glob("*.deb"))
    return Packages(server, workstation)
