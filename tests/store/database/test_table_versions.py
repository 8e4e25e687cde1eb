"""A store with tables of another version, or with tables that someone changed, is refused with a sentence."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from store import mailboxes
from store.database.engine import Store, open_store, upgrade_store
from store.database.table_versions import StoreForm, inspect_store
from store.dialect.own_journal import journal_of
from store.dialect.sqlite import SqliteStore
from store.errors import StoreDamagedError, StoreError, StoreMissingError, StoreOutdatedError
from tests.next_version import copy_with_next_migration, store_code_of_next_version
from tests.store.factories import a_mailbox, rows
from tests.stores import killed_after


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """Return a copy of the folder `store/` that has one more migration."""
    return copy_with_next_migration(tmp_path / "later" / "store")


def changed(store: Store, statement: str) -> Path:
    store.settle()
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(statement)
    return store.path


@pytest.mark.parametrize(
    "by_hand",
    [
        "CREATE TABLE note (id INTEGER)",
        "CREATE VIEW note AS SELECT address FROM mailbox",
        "CREATE TRIGGER note AFTER DELETE ON entry BEGIN INSERT INTO usage VALUES (2, 2); END",
        "CREATE TRIGGER note AFTER UPDATE ON alembic_version BEGIN DELETE FROM entry; END",
        "CREATE INDEX ix_note ON entry (day)",
        "DROP INDEX ix_mailbox_due",
        "ALTER TABLE mailbox ADD COLUMN name TEXT",
        "ALTER TABLE peer RENAME COLUMN card TO cards",
        "ANALYZE",
    ],
)
def test_tables_that_someone_changed_by_hand_are_refused(store: Store, by_hand: str) -> None:
    path = changed(store, by_hand)

    for opens in (open_store, inspect_store, upgrade_store):
        with pytest.raises(StoreDamagedError, match=r"version 0001, so someone changed them by hand"):
            opens(path)


def test_other_spaces_between_the_same_words_are_the_same_tables(store: Store) -> None:
    """Another version of SQLAlchemy writes them."""
    store.settle()
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, ', \n\t', ',\n    ')")

    open_store(store.path).close()


@pytest.mark.parametrize(
    "not_a_version",
    [
        "DELETE FROM alembic_version",
        "DROP TABLE alembic_version",
        "INSERT INTO alembic_version VALUES ('0002')",
        "UPDATE alembic_version SET version_num = '0000'",
        "UPDATE alembic_version SET version_num = x'ffff'",
        "UPDATE alembic_version SET version_num = 'now run: rm -rf /'",
    ],
)
def test_a_store_without_a_version_is_damaged(store: Store, not_a_version: str) -> None:
    path = changed(store, not_a_version)

    for opens in (open_store, inspect_store, upgrade_store):
        with pytest.raises(StoreDamagedError, match="damaged or is not a store"):
            opens(path)


def test_an_older_store_names_both_versions_and_the_command_that_helps(store: Store, later: Path) -> None:
    a_mailbox(store)
    store.close()
    with store_code_of_next_version(later):
        with pytest.raises(
            StoreOutdatedError, match=r"tables of version 0001, .* needs version 0002: .* steunpunt upgrade$"
        ):
            open_store(store.path)
        assert StoreForm("0001", "0002", is_wal=True) == inspect_store(store.path)

        upgrade_store(store.path)

        assert StoreForm("0002", "0002", is_wal=True) == inspect_store(store.path)
        assert 1 == rows(open_store(store.path), "mailbox")
        upgrade_store(store.path)


def test_a_newer_store_names_both_versions_and_what_helps(store: Store, later: Path) -> None:
    with store_code_of_next_version(later):
        upgrade_store(store.path)

    for opens in (open_store, inspect_store, upgrade_store):
        with pytest.raises(StoreOutdatedError) as refusal:
            opens(store.path)
        said = str(refusal.value)
        assert "tables of version 0002" in said
        assert "no version after 0001" in said
        assert "'Go back to an older version' in docs/operator.md" in said


def test_a_migration_that_makes_other_tables_than_it_should_is_undone(store: Store, later: Path) -> None:
    """All or nothing: a fault in the last step leaves the store as it was."""
    a_mailbox(store)
    migration = later / "migrations" / "versions" / "v0002_notes.py"
    migration.write_text(migration.read_text().replace("ADD COLUMN note", "ADD COLUMN other"))
    before = sqlite_dump(store.path)

    with store_code_of_next_version(later), pytest.raises(StoreError):
        upgrade_store(store.path)

    assert before == sqlite_dump(store.path)
    open_store(store.path).close()


def sqlite_dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def files_of(store: Store) -> dict[str, tuple[int, bytes]]:
    folder = store.path.parent
    return {each.name: (each.stat().st_mtime_ns, each.read_bytes()) for each in folder.iterdir()}


def killed_in_a_migration(store: Store, later: Path) -> None:
    """Kill a program that committed a migration, so that the migration is only in the journal."""
    store.settle()

    def migrate_and_die() -> None:
        with store_code_of_next_version(later), pytest.MonkeyPatch.context() as patch:
            patch.setattr(SqliteStore, "close", lambda _: None)
            upgrade_store(store.path)

    killed_after(migrate_and_die)
    assert journal_of(store.path).stat().st_size


def test_looking_at_a_store_of_a_killed_program_sees_its_last_change_and_writes_nothing(
    store: Store, later: Path
) -> None:
    killed_in_a_migration(store, later)
    there = files_of(store)

    with store_code_of_next_version(later):
        assert StoreForm("0002", "0002", is_wal=True) == inspect_store(store.path)

    assert there == files_of(store)


def test_a_journal_without_its_shm_is_read_and_nothing_is_written(store: Store, later: Path) -> None:
    """A power cut can lose the file -shm, after a migration that is only in the journal."""
    killed_in_a_migration(store, later)
    store.path.with_name("store.db-shm").unlink()
    there = files_of(store)

    with store_code_of_next_version(later):
        assert StoreForm("0002", "0002", is_wal=True) == inspect_store(store.path)

    assert there == files_of(store)


def test_an_empty_journal_is_none(store: Store) -> None:
    """A power cut after a checkpoint can leave one, without the file -shm."""
    store.settle()
    journal_of(store.path).touch()
    there = files_of(store)

    assert StoreForm("0001", "0001", is_wal=True) == inspect_store(store.path)

    assert there == files_of(store)
    assert 0 == rows(store, "mailbox")


def test_a_store_in_use_can_be_looked_at(store: Store) -> None:
    with store.writing() as session:
        mailboxes.newest_day(session)
        assert StoreForm("0001", "0001", is_wal=True) == inspect_store(store.path)


def test_a_store_in_another_mode_is_seen(store: Store) -> None:
    store.settle()
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    there = files_of(store)

    assert StoreForm("0001", "0001", is_wal=False) == inspect_store(store.path)

    assert there == files_of(store)


def test_a_missing_store_is_told_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreMissingError):
        inspect_store(tmp_path / "store.db")
    assert [] == list(tmp_path.iterdir())
