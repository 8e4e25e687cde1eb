"""Folders and new files that are written completely or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.errors import DeployError, os_error_as
from deploy.hardening import PRIVATE_FOLDER
from store.database.atomic_files import folder_lock, make_folders, sync_folder


@contextmanager
def new_private_folder(settings: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill. After the block, rename the folder to the parent of `settings`.

    The final folder has all files or none, even after a power cut.

    Raises:
        DeployError: the final folder contains files or cannot be made, or another set-up is running.
    """
    folder = settings.parent
    if folder.exists() and any(folder.iterdir()):
        raise DeployError(
            f"{folder} holds files but no {settings.name}: restore the settings, or move the files away."
        )
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    make_folders(folder.parent)
    with ExitStack() as stack:
        try:
            stack.enter_context(folder_lock(folder.parent, is_waiting=False))
        except BlockingIOError as why:
            raise DeployError(f"Another set-up is running in {folder.parent}: wait for it to end.") from why
        shutil.rmtree(unfinished, ignore_errors=True)  # left by a set-up that was killed
        unfinished.mkdir(PRIVATE_FOLDER)
        yield unfinished
        sync_folder(unfinished)
        with os_error_as(f"{folder} cannot be made"):
            unfinished.rename(folder)
        sync_folder(folder.parent)


def write_new(path: Path, content: bytes) -> None:
    """Write a new file that only this user can read (mode 0600), and flush the file to the disk.

    Raises:
        FileExistsError: there is a file or a link of that name.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
