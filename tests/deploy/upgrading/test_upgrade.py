"""`steunpunt upgrade` brings the settings and the store of a machine to this version, or changes nothing."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.backup.before_upgrade import folder_before_upgrade, remove_copies_before_upgrade
from deploy.setup import STORE
from store.database.atomic_files import folder_lock
from store.database.engine import open_store
from tests.deploy.two_machines import Machine, TwoMachineDesk
from tests.store.factories import a_mailbox
from tests.stores import killed_after
from web.dates import utc_today

pytestmark = pytest.mark.enable_socket

MACHINES = ("server", "first")
WORKERS = "workers = 2\n"


def an_older_file(machine: Machine) -> str:
    """Remove a key from the settings, as if they were of an older version. Return the new text."""
    text = machine.settings.read_text("utf-8")
    for line in (WORKERS, "idle_minutes = 15\n"):
        text = text.replace(line, "", 1)
    machine.settings.write_text(text, "utf-8")
    return text


def everything(machine: Machine) -> dict[str, tuple[int, bytes]]:
    """Return the time and the content of each file and folder of a machine."""
    paths = [machine.settings.parent.parent, *machine.settings.parent.parent.rglob("*")]
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in paths
    }


def contents(machine: Machine) -> dict[str, bytes]:
    return {path: content for path, (_, content) in everything(machine).items()}


@pytest.mark.parametrize("name", MACHINES)
def test_settings_of_an_older_version_are_copied_and_completed(desk: TwoMachineDesk, name: str) -> None:
    machine: Machine = getattr(desk, name)
    whole = machine.settings.read_bytes()
    before = an_older_file(machine)
    assert "(run: steunpunt upgrade)" in machine.is_told("store", "verify")

    said = machine.does("upgrade")

    assert "Copy the settings to" in said
    assert re.search(r"Add (workers = 2 to \[source\]|idle_minutes = 15 to \[adviser\]) in /", said)
    assert set(whole.splitlines()) <= set(machine.settings.read_bytes().splitlines())
    (copy,) = folder_before_upgrade(machine.settings.parent / STORE).iterdir()
    assert before == (copy / "config.toml").read_text("utf-8")
    assert {0o700, 0o600} == {path.stat().st_mode & 0o777 for path in (copy, *copy.iterdir())}
    machine.does("store", "verify")
    there = contents(machine)
    assert "Nothing to do: the settings and the store's tables are of this version." in machine.does(
        "upgrade"
    )
    assert there == contents(machine)


@pytest.mark.parametrize("name", MACHINES)
def test_a_dry_run_says_what_would_be_done_and_writes_nothing(desk: TwoMachineDesk, name: str) -> None:
    """Also after a program was killed, and while a program has the store open."""
    machine: Machine = getattr(desk, name)
    an_older_file(machine)
    store = machine.store()
    store.settle()
    killed_after(lambda: a_mailbox(store))
    there = everything(machine)

    said = machine.does("upgrade", "--dry-run").splitlines()

    assert there == everything(machine)
    steps = [line for line in said if line.startswith(("Copy", "Add", "Set", "Change"))]
    assert "This was a dry run: nothing was changed." in said
    done = machine.does("upgrade").splitlines()
    assert steps == [line for line in done if line.startswith(("Copy", "Add", "Set", "Change"))]


def test_a_dry_run_names_another_kind_of_journal(desk: TwoMachineDesk) -> None:
    with closing(sqlite3.connect(desk.server.settings.parent / STORE)) as store:
        store.execute("PRAGMA journal_mode=DELETE")
    there = everything(desk.server)

    assert "Set the store to SQLite's mode WAL." in desk.server.does("upgrade", "--dry-run")
    assert there == everything(desk.server)

    desk.server.does("upgrade")
    desk.server.does("store", "verify")


def unknown_key(machine: Machine) -> None:
    machine.settings.write_text(
        machine.settings.read_text("utf-8").replace("threads = ", "treads = "), "utf-8"
    )


def no_fingerprint(machine: Machine) -> None:
    text = machine.settings.read_text("utf-8").replace(f'fingerprint = "{machine.fingerprint}"\n', "")
    machine.settings.write_text(text, "utf-8")


def no_store(machine: Machine) -> None:
    (machine.settings.parent / STORE).unlink()


def changed_by_hand(machine: Machine) -> None:
    with closing(sqlite3.connect(machine.settings.parent / STORE)) as store, store:
        store.execute("CREATE TRIGGER note AFTER DELETE ON entry BEGIN INSERT INTO usage VALUES (2, 2); END")


def newer_store(machine: Machine) -> None:
    with closing(sqlite3.connect(machine.settings.parent / STORE)) as store, store:
        store.execute("UPDATE alembic_version SET version_num = '0009'")


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["upgrade", "dry run"])
@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (unknown_key, "this version has no key 'treads' under [source], so remove it"),
        (no_fingerprint, "write the key 'fingerprint' under [source]"),
        (no_store, "missing"),
        (changed_by_hand, "changed them by hand"),
        (newer_store, "tables of version 0009"),
    ],
)
def test_what_prevents_an_upgrade_is_told_and_nothing_changes(
    desk: TwoMachineDesk, spoil: Callable[[Machine], None], sentence: str, dry: list[str]
) -> None:
    an_older_file(desk.server)
    spoil(desk.server)
    there = everything(desk.server)

    said = desk.server.is_told("upgrade", *dry)

    assert sentence in said
    assert "\n" not in said
    assert {path: content for path, (_, content) in there.items()} == contents(desk.server)
    assert not dry or there == everything(desk.server)


def test_a_store_in_use_is_not_upgraded(desk: TwoMachineDesk) -> None:
    an_older_file(desk.server)
    before = desk.server.settings.read_bytes()
    with closing(desk.server.store()) as store, store.reading() as session:
        session.connection().exec_driver_sql("SELECT 1 FROM mailbox")
        assert "in use by another program" in desk.server.is_told("upgrade")
        assert "dry run" in desk.server.does("upgrade", "--dry-run")
    assert before == desk.server.settings.read_bytes()


def test_an_upgrade_waits_for_no_other_upgrade_or_restore(desk: TwoMachineDesk) -> None:
    with folder_lock(desk.server.settings.parent.parent, is_waiting=False):
        assert "Another upgrade or restore is running" in desk.server.is_told("upgrade")


def a_copy(machine: Machine, days: int, *, is_whole: bool = True) -> Path:
    folder = folder_before_upgrade(machine.settings.parent / STORE)
    made = folder / f"backup-{utc_today() - timedelta(days)}"
    made.mkdir(0o700, parents=True)
    (made / "config.toml").write_text("")
    if is_whole:
        (made / "manifest.json").write_text(
            '{"format": 1, "tables": "0001", "day": "2020-01-01", "faults": 0, "digests": {"store.db": ""}}'
        )
    return made


@pytest.mark.parametrize("name", MACHINES)
def test_the_sweeper_removes_copies_that_are_old_or_not_the_newest(desk: TwoMachineDesk, name: str) -> None:
    machine: Machine = getattr(desk, name)
    old, second, newest, settings_only = (
        a_copy(machine, 8),
        a_copy(machine, 5),
        a_copy(machine, 4),
        a_copy(machine, 2, is_whole=False),
    )

    machine.does("store", "sweep")

    assert [False, False, True, True] == [each.exists() for each in (old, second, newest, settings_only)]


def test_no_copy_stays_longer_than_the_desk_promises_to_keep_a_closed_mailbox(desk: TwoMachineDesk) -> None:
    desk.publishes(desk.server, retention_days=2)
    a_copy(desk.server, 3)
    kept = a_copy(desk.server, 2)

    desk.server.does("store", "sweep")

    assert [kept] == list(kept.parent.iterdir())


def test_a_store_without_a_readable_letterhead_keeps_its_copy_for_a_week(desk: TwoMachineDesk) -> None:
    kept = a_copy(desk.server, 7)
    for change in ("UPDATE letterhead SET body = x'00'", "DELETE FROM letterhead"):
        with closing(sqlite3.connect(desk.server.settings.parent / STORE)) as connection, connection:
            connection.execute(change)
        with closing(open_store(desk.server.settings.parent / STORE)) as store:
            assert 0 == remove_copies_before_upgrade(store, utc_today())
    assert kept.exists()
