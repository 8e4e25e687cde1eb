"""Upgrade of this machine: copy the store and the settings, then bring both to this program's version."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from deploy.backup.before_upgrade import copy_before_upgrade, folder_before_upgrade
from deploy.checking.machine_files import read_machine_settings
from deploy.checking.running_programs import running_programs
from deploy.errors import BusyError, DeployError, os_error_as, refused_as
from deploy.settings.database_settings import Role, store_place
from deploy.upgrading.new_settings import NewSettings, plan_settings, replacing_settings
from store.database.atomic_files import folder_lock
from store.database.engine import ServerPlace, inspect_place, refuse_use, upgrade_store
from store.database.table_versions import StoreForm
from store.dialect.disk_room import free_on_disk
from store.errors import StoreError

_UNFINISHED = "A file cannot be read or written, so the upgrade is not complete"
_AGAIN = ": when the disk is in order, run the same command again."
_FAILED = "the upgrade failed, and nothing was changed ({}). Run the same command again. {}"
_BACK = "If it fails again, go back to the older version: as root, run dpkg --install {}"
_OLDER = re.compile(r"(?m) upgrade (steunpunt-[a-z]+):(\S+) (\S+) \S+$")
_DPKG_LOG = Path("/var/log/dpkg.log")
_NOTHING = "Nothing to do: the settings and the store's tables are of this version."


def upgrade_machine(
    settings: Path, *, is_dry_run: bool, say: Callable[[str], object], on_copied: Callable[[int, int], object]
) -> None:
    """Bring the settings file and the store of this machine to the version of this program.

    If anything fails, both keep their old contents. If `is_dry_run` is True, only show what would be done.
    `on_copied` receives the number of copied bytes of the store, and the number of all bytes.

    Raises:
        DeployError: the settings have faults, a program of the mailbox runs, or a file cannot be written.
        StoreError: the store is newer, damaged or in use, or its disk is full.
    """
    path = read_machine_settings(settings).store_path
    place = store_place(settings, path, Role.OWNER)
    with ExitStack() as stack, os_error_as(_UNFINISHED, advice=_AGAIN):
        another = f"Another upgrade or restore is running in {settings.parent.parent}."
        with refused_as(BlockingIOError, another, BusyError):
            stack.enter_context(folder_lock(settings.parent.parent, is_waiting=False))
        running = _running(settings)
        if not is_dry_run:
            if running:
                raise DeployError(running)
            refuse_use(place)
        form, new = inspect_place(place), plan_settings(settings)
        steps = _steps(settings, path, new, form)
        for step in steps or [_NOTHING]:
            say(step)
        is_file = isinstance(place, Path) and form.version != form.needed
        if is_file and free_on_disk(path) < path.stat().st_size:
            raise DeployError(f"{path.parent} has no room for a copy of the store. Nothing was changed.")
        if is_dry_run:
            say(f"{running} This was a dry run: nothing was changed.".strip())
        elif steps:
            with _naming_package():
                made = _upgrade(settings, place, new, form, on_copied)
            say(f"Upgraded. The sweeper removes the copy in {made} after a week.")


@contextmanager
def _naming_package() -> Iterator[None]:
    """Add to an error of the store or of a file the command that installs the older version."""
    try:
        yield
    except StoreError as why:
        raise type(why)(_FAILED.format(why, _way_back())) from why
    except OSError as why:
        raise DeployError(f"{_UNFINISHED} ({type(why).__name__}){_AGAIN} {_way_back()}.") from why


def _way_back() -> str:
    """Return how to go back, with the package of the older version if dpkg's log names it."""
    named = "with the package of the older version"
    with suppress(OSError):
        for name, arch, version in _OLDER.findall(_DPKG_LOG.read_text("utf-8", "replace")):
            named = f"{name}_{version}_{arch}.deb"
    return _BACK.format(named)


def _running(settings: Path) -> str:
    """Return a sentence that names the running programs of the mailbox, or "" if no program runs."""
    others = (each.words for each in running_programs(settings) if "upgrade" not in each.words)
    names = sorted({f"steunpunt {' '.join(words[:2])}" for words in others})
    return f"First stop these programs: {', '.join(names)}." if names else ""


def _steps(settings: Path, path: Path, new: NewSettings, form: StoreForm) -> list[str]:
    steps = [f"Add {each} in {settings}." for each in new.added]
    if not form.is_wal:
        steps.append("Set the store to SQLite's mode WAL.")
    what = "the settings"
    if form.version != form.needed:
        what = "the settings and the store"
        steps.append(f"Change the store's tables from version {form.version} to version {form.needed}.")
    return [f"Copy {what} to {folder_before_upgrade(path)}.", *steps] if steps else []


def _upgrade(
    settings: Path,
    place: Path | ServerPlace,
    new: NewSettings,
    form: StoreForm,
    on_copied: Callable[[int, int], object],
) -> Path:
    """Copy the settings and the store, then change both or neither. Return the folder of the copies."""
    version = form.version if form.version != form.needed else None
    made = copy_before_upgrade(settings, place, version, on_copied)
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, made, ignore_errors=True)
        with replacing_settings(settings, new.text):
            upgrade_store(place)
            undo.pop_all()
    return made
