"""Folders and new files that are written completely or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.errors import BusyError, DeployError, os_error_as, refused_as
from deploy.hardening import PRIVATE_FOLDER
from store.database.atomic_files import folder_lock, make_folders, sync_folder
from store.errors import StoreError

_ROOM_BYTES = 1_000_000  # with less room, a failure is because of the full disk


@contextmanager
def new_private_folder(settings: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill. After the block, it becomes the folder that contains `settings`.

    The final folder has all files or none, even after a power cut.

    Raises:
        DeployError: the final folder contains files or cannot be made, or another set-up is running.
        StoreError: the block raised a StoreError, and the disk is not full.
    """
    folder = settings.parent
    if folder.exists() and any(folder.iterdir()):
        raise DeployError(
            f"{folder} holds files but no {settings.name}: restore the settings, or move the files away."
        )
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    with os_error_as(f"{folder.parent} cannot be made"):
        make_folders(folder.parent)
    with ExitStack() as stack:
        another = f"Another set-up is running in {folder.parent}: wait for it to end."
        with refused_as(BlockingIOError, another, BusyError):
            stack.enter_context(folder_lock(folder.parent, is_waiting=False))
        shutil.rmtree(unfinished, ignore_errors=True)  # left by a set-up that was killed
        with _complete_or_nothing(unfinished, folder):
            unfinished.mkdir(PRIVATE_FOLDER)
            yield unfinished
            sync_folder(unfinished)
            unfinished.rename(folder)
            sync_folder(folder.parent)


@contextmanager
def _complete_or_nothing(unfinished: Path, folder: Path) -> Iterator[None]:
    # SQLite reports a full disk in many ways, so the disk itself is asked.
    try:
        yield
    except (OSError, StoreError) as why:
        disk = os.statvfs(folder.parent)
        if disk.f_bavail * disk.f_frsize < _ROOM_BYTES:
            raise DeployError(
                f"The disk of {folder} is full. Nothing was made: make room there, and run the same command "
                "again."
            ) from why
        if isinstance(why, StoreError):
            raise
        raise DeployError(f"{folder} cannot be made ({type(why).__name__}).") from why
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def refuse_missing_files(*paths: Path) -> None:
    """Check that these files of a machine exist.

    Raises:
        DeployError: a file is missing.
    """
    for path in paths:
        if not path.exists():
            raise DeployError(f"{path} is missing: restore it from a backup. Nothing was changed.")


def refuse_unwritable(path: Path) -> None:
    """Check that this user can write a new file or folder at a path.

    Raises:
        DeployError: the folder of `path` is missing, or this user cannot write in it.
    """
    folder = path.absolute().parent
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise DeployError(f"{folder} is not a folder in which this user can write. Nothing was changed.")


def write_new(path: Path, content: bytes) -> None:
    """Write a new file that only this user can read (mode 0600), and flush the file to the disk.

    Raises:
        FileExistsError: there is a file or a link of that name.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
