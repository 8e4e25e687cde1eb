"""Restoring of a backup: verify a copy of it, and only then replace the store by the copy."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from deploy.backup.backup_folder import KEYS_FILE, STORE_FILE, Manifest, file_digest, read_manifest
from deploy.backup.kept_backups import RESTORED, remove_left_copies
from deploy.backup.verified_copy import Screen, verify_copy
from deploy.errors import BusyError, DeployError, os_error_as, refused_as
from deploy.hardening import PRIVATE_FOLDER
from deploy.noted_days import REHEARSED, note_day
from deploy.onion.folders import give_to_owner_of
from deploy.onion.onion_backup import open_keys, settings_among, write_keys
from deploy.pinned_letterhead import remember_restored
from deploy.ports import is_listening
from deploy.settings.database_settings import Role, store_place
from deploy.settings.load_settings import sections_in
from deploy.settings.public_settings import load_binds, load_public_settings
from protocol.pouch.pouch_file import SERVER
from store import peers
from store.cleanup import copy_to_place
from store.database.atomic_files import folder_lock, make_folders
from store.database.engine import ServerPlace, open_store, refuse_full, upgrade_store
from store.database.file_copies import put_in_place, refuse_store_in_use
from store.database.table_versions import SCHEMA
from store.dialect.disk_room import free_on_disk
from store.errors import StoreBusyError, StoreNotEmptyError
from web.dates import half_hour_now, utc_today

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_PIECE_BYTES = 1024 * 1024
_AFTERWARDS = (
    "To go on with this server, start only the sync endpoint (steunpunt run sync), and let every workstation "
    "sync: they send what the backup does not have. If you start the source's interface earlier, mailboxes "
    "are forked."
)
_NOT_EMPTY = (
    "The database has tables. Nothing was changed: make an empty database, as 'Run the server on PostgreSQL' "
    "in docs/operator.md says."
)
_ON_WORKSTATION = "Before the adviser writes anything, run twice: steunpunt workstation sync"
_REHEARSED = (
    "If this was a rehearsal, start no program here. The day of this restore is noted beside the backup. If "
    "this was a copy of the backup, run on the server: steunpunt check --rehearsed"
)


def restore(settings: Path, backup: Path, identity: Path | None, *, replace: bool, screen: Screen) -> None:
    """Restore a backup of a server, or a copy that `steunpunt upgrade` made of a machine.

    With `identity` (a file of age-keygen), also restore the settings and keys of a server. Existing settings
    and keys are never replaced by different ones. After a killed restore, call this function again.

    Raises:
        DeployError: the backup is damaged or of another version, a program runs, a store exists and
            `replace` is False, or a file cannot be written.
        StoreError: the copied store cannot be read.
    """
    manifest = read_manifest(backup)
    keys = None
    if identity is not None:
        _refuse_damaged(backup / KEYS_FILE, KEYS_FILE, manifest)
        keys = open_keys(backup / KEYS_FILE, identity)
    raw = None if keys is None or settings.exists() else settings_among(keys)
    if raw is None and not settings.exists():
        raise DeployError(
            f"There are no settings in {settings}. To restore them too, name the file with the secret key of "
            "the backup: --identity FILE."
        )
    machine = load_public_settings(settings, raw=raw)
    path = machine.store_path
    place = store_place(settings, path, Role.OWNER, raw=raw)
    is_new = isinstance(place, ServerPlace) or not path.exists()
    with ExitStack() as stack, os_error_as(f"The backup cannot be restored to {_name(place)}"):
        make_folders(settings.parent.parent)
        settings.parent.mkdir(PRIVATE_FOLDER, exist_ok=True)
        another = f"Another restore or set-up is running in {settings.parent.parent}."
        with refused_as(BlockingIOError, another, BusyError):
            stack.enter_context(folder_lock(settings.parent.parent, is_waiting=False))
        _refuse_occupied(place, replace=replace)
        if settings.exists():
            _refuse_running(settings)
        copy = path.with_name(path.name + RESTORED)
        remove_left_copies(path)  # of a command that was killed
        stack.callback(remove_left_copies, path)
        _copy_store_file(backup, copy, manifest, screen)
        if manifest.tables < SCHEMA:
            upgrade_store(copy)
        verified = verify_copy(copy, machine.fingerprint, screen)
        is_workstation = raw is None and "source" not in sections_in(settings)
        _let_peers_notice(copy, is_workstation=is_workstation)
        _refuse_occupied(place, replace=replace)  # again, because the verification took long
        sentences = [] if keys is None else write_keys(settings, keys)
        remember_restored(verified.letterhead, machine.letterhead_serial_path)
        if isinstance(place, ServerPlace):
            screen.on_step("Writing the store to the database")
            copy_to_place(copy, place, half_hour_now(), screen.on_rows)
        else:
            put_in_place(copy, path)
        give_to_owner_of(settings.parent.parent, settings.parent, *settings.parent.iterdir())
    for sentence in sentences:
        screen.say(sentence)
    screen.say(f"Restored to {_name(place)}: the backup of {manifest.day}, with {verified.entries} entries.")
    if verified.faults:
        screen.say(f"Mailboxes and rows that differ from what was signed: {verified.faults}. Tell the desk.")
    for sentence in _what_follows(settings, backup, is_rehearsal=is_new and not verified.faults):
        screen.say(sentence)


def _name(place: Path | ServerPlace) -> str:
    return "the database" if isinstance(place, ServerPlace) else f"{place}"


def _what_follows(settings: Path, backup: Path, *, is_rehearsal: bool) -> Iterator[str]:
    """Yield sentences that say what the operator must do after a restore.

    After a rehearsal with a server's backup, also write today's date to a file beside the backup.
    """
    sections = sections_in(settings)
    if is_rehearsal and "backup" in sections:
        note_day(backup, REHEARSED, utc_today())
        with suppress(OSError):
            give_to_owner_of(backup.parent, backup.with_name(REHEARSED))
        yield _REHEARSED
    if "sync" in sections:
        yield _AFTERWARDS
    if "source" not in sections:
        yield _ON_WORKSTATION


def _refuse_occupied(place: Path | ServerPlace, *, replace: bool) -> None:
    if isinstance(place, ServerPlace):
        with refused_as(StoreNotEmptyError, _NOT_EMPTY):
            refuse_full(place)
        return
    if not place.exists():
        return
    if not replace:
        raise DeployError(
            f"There is a store in {place}. Nothing was changed: to replace it, and lose what it has since "
            "the backup, add --replace."
        )
    try:
        refuse_store_in_use(place)
    except StoreBusyError as why:
        raise DeployError(
            "A program of the mailbox uses the store. Nothing was changed: stop all programs."
        ) from why


def _refuse_running(settings: Path) -> None:
    for bind in load_binds(settings):
        if is_listening(bind):
            raise DeployError(f"A program listens on {bind}. Nothing was changed: stop all programs.")


def _copy_store_file(backup: Path, copy: Path, manifest: Manifest, screen: Screen) -> None:
    screen.on_step("Copying the backup, which takes minutes when it is large")
    file = backup / STORE_FILE
    with os_error_as(f"{file} cannot be read"):
        size = file.stat().st_size
    if free_on_disk(copy.parent) < size:
        raise DeployError(f"{copy.parent} has no room for the store of the backup. Nothing was changed.")
    with file.open("rb") as source, os.fdopen(os.open(copy, _NEW, 0o600), "wb") as target:
        while piece := source.read(_PIECE_BYTES):
            target.write(piece)
            screen.on_copied(target.tell(), size)
        target.flush()
        os.fsync(target.fileno())
    _refuse_damaged(copy, STORE_FILE, manifest)


def _let_peers_notice(copy: Path, *, is_workstation: bool) -> None:
    """Change a copied store so that other machines detect the restore at the next sync.

    Raises:
        DeployError: the copy is from the other kind of machine, server or workstation.
    """
    store = open_store(copy)
    with store.writing() as session:
        if is_workstation is (peers.find(session, SERVER) is None):
            raise DeployError(
                "This backup is not of this kind of machine, server or workstation. Nothing was changed."
            )
        peers.forget_applied(session)
    store.settle()


def _refuse_damaged(file: Path, name: str, manifest: Manifest) -> None:
    """Check that `file` has the digest that a manifest gives for the file `name`.

    Raises:
        DeployError: the file is damaged, or cannot be read.
    """
    with os_error_as(f"{file} cannot be read"):
        is_damaged = file_digest(file) != manifest.digests.get(name)
    if is_damaged:
        raise DeployError(f"{name} in the backup is damaged. Nothing was changed: use another backup.")
