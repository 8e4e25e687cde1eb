"""Small disks (tmpfs mounts) that tests fill or make read-only. No mount stays after a killed test run."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Not in pytest's own folders: a mount left there, perhaps read-only, would break pytest's next clean-up.
_PREFIX = "steunpunt-small-disk-"
CAN_MOUNT = os.geteuid() == 0


@contextmanager
def a_small_disk(size: str) -> Iterator[Path]:
    """Mount a tmpfs of `size` (such as "3m") in a new folder. Only root can do this."""
    _clear_after_killed_runs()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)
        yield folder
    finally:
        _clear(folder)


def make_read_only(disk: Path) -> None:
    """Make a disk read-only, for root too. No process may have a file on it open for writing."""
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)


@contextmanager
def a_read_only_copy_over(folder: Path, copy: Path) -> Iterator[None]:
    """Replace a folder by a read-only copy of it, like a disk that becomes read-only after a fault.

    Both must be on a small disk, so that the mount is removed with the disk when a test run is killed.
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
    # Lazy, so that a process with an open file there does not keep the mount.
    subprocess.run(["umount", "--lazy", folder], check=False, capture_output=True)
    folder.rmdir()
