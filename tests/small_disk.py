"""A small disk to fill or to make read-only; never left behind, also when a test run is killed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Outside pytest's own folders: a mount left in there, read-only perhaps, breaks pytest's next clean-up.
_PREFIX = "steunpunt-small-disk-"
CAN_MOUNT = os.geteuid() == 0


@contextmanager
def a_small_disk(size: str) -> Iterator[Path]:
    """Mount a tmpfs of `size` ("3m") in a folder of its own; only root may."""
    _clear_after_killed_runs()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)
        yield folder
    finally:
        _clear(folder)


def make_read_only(disk: Path) -> None:
    """Take away writing, also from root. Nobody may have a file open there for writing."""
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)


@contextmanager
def a_read_only_copy_over(folder: Path, copy: Path) -> Iterator[None]:
    """Put a copy of a folder in its place that takes no writing, as a disk does that came back after a fault.

    Both must lie on a small disk, with which the copy's mount goes when a test run is killed.
    """
    shutil.copytree(folder, copy)
    subprocess.run(["mount", "--bind", copy, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _clear_after_killed_runs() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        process = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if not Path("/proc", process).exists():
            _clear(folder)


def _clear(folder: Path) -> None:
    # Lazy: a process that still has a file open there must not keep the mount in its place.
    subprocess.run(["umount", "--lazy", folder], check=False, capture_output=True)
    folder.rmdir()
