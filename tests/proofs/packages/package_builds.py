"""Debian packages that are built from clones of this project, as `make deb` builds them."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.servers import ROOT

_AUTHOR = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "A test"), ("EMAIL", "test@localhost"))
}


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


def clone_project(folder: Path) -> Path:
    """Clone the newest commit to a new folder. Return the folder."""
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    return folder


def commit_change(project: Path) -> None:
    """Add a commit that changes one file of the packages, so that their version is newer."""
    with (project / "CHANGELOG.md").open("a", encoding="utf-8") as changes:
        changes.write("\n- a change\n")
    git = ["git", "-C", str(project), "commit", "--quiet", "--all", "--message", "a change"]
    subprocess.run(git, check=True, env={**os.environ, **_AUTHOR})


def build_packages(project: Path, *, cache: Path | None = None, clock: str = "+0") -> Packages:
    """Build the packages of a clone, with a clock that is this far from the right time, such as "+1d".

    `cache` is the folder in which pip keeps what it has downloaded.
    """
    environment = {**os.environ, **({"PIP_CACHE_DIR": str(cache)} if cache else {})}
    make = ["faketime", "-f", clock, "make", "--silent", "deb"]
    subprocess.run(make, cwd=project, check=True, env=environment)
    server, workstation = sorted((project / "dist").glob("*.deb"))
    return Packages(server, workstation)
