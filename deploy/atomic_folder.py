"""A folder with keys and a store in it, that is there whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.errors import SetupError
from deploy.hardening import PRIVATE_FOLDER


@contextmanager
def new_private_folder(settings: Path) -> Iterator[Path]:
    """Give a folder to fill; it gets the name of the settings' folder at the very end.

    Killed at any moment, there is a whole folder or none.

    Raises:
        SetupError: something is in the way, or another set-up is at work; one sentence.
    """
    folder = settings.parent
    if folder.exists() and any(folder.iterdir()):
        raise SetupError(
            f"{folder} holds files but no {settings.name}: put the settings back, or move the files away."
        )
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    with _alone(folder.parent):
        shutil.rmtree(unfinished, ignore_errors=True)  # of a set-up that was killed: nothing in it counts
        unfinished.mkdir(PRIVATE_FOLDER)
        yield unfinished
        try:
            unfinished.rename(folder)
        except OSError as why:
            raise SetupError(f"{folder} cannot be made ({os.strerror(why.errno or 0)}).") from why
        sync_folder(folder.parent)


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, for us alone, and have it on the disk.

    Raises:
        FileExistsError: it is there.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as sink:
        sink.write(content)
        sink.flush()
        os.fsync(sink.fileno())


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(held)
    finally:
        os.close(held)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder that the new one comes to lie in; the kernel lets go of it if we are killed."""
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as why:
        raise SetupError(f"Another set-up is at work in {folder}: wait for it to end.") from why
    finally:
        os.close(held)
