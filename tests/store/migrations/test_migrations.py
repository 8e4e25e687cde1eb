import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

import store as package
from store.database.engine import Store, upgrade_store
from store.database.schema import Base
from store.database.table_versions import VERSIONS, _digest
from store.dialect.sqlite import SqliteStore
from store.dialect.sqlite_connections import connect
from tests.store.factories import a_mailbox, rows


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


SCRIPTS = Path(package.__file__).parent / "migrations"


def test_the_migrations_make_the_tables_of_the_schema(store: Store) -> None:
    with store.writing() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert [] == compare_metadata(context, Base.metadata)


def test_the_migrations_lead_to_the_tables_of_each_version_in_turn(tmp_path: Path) -> None:
    """Fail if the tables change without a new version: stores in use would not get the change."""
    settings = Config()
    settings.set_main_option("script_location", str(SCRIPTS))
    made = {}
    for version in sorted(each.revision for each in ScriptDirectory.from_config(settings).walk_revisions()):
        store = SqliteStore(tmp_path / version)
        store.path.touch()
        connect(store.path, "journal_mode=WAL").close()
        with store.writing() as session:
            settings.attributes["connection"] = session.connection()
            command.upgrade(settings, version)
            made[version] = _digest(session.info["driver"])
        store.close()
    assert made == VERSIONS


def constraints(path: Path) -> set[tuple[str, str]]:
    """Return each constraint of a store's tables, which `compare_metadata` does not look at."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    found = {(name, each) for name, sql in tables for each in re.findall(r"CONSTRAINT (.+?)(?=,? ?\n)", sql)}
    return {(name, each) for name, each in found if name != "alembic_version"}


def test_the_migrations_make_the_constraints_of_the_schema(store: Store, tmp_path: Path) -> None:
    made = create_engine(f"sqlite:///{tmp_path / 'made.db'}")
    Base.metadata.create_all(made)
    made.dispose()
    assert len(Base.metadata.tables) < len(constraints(store.path))
    assert constraints(tmp_path / "made.db") == constraints(store.path)


def test_upgrading_a_store_that_is_at_head_changes_nothing(store: Store) -> None:
    a_mailbox(store)
    upgrade_store(store.path)
    assert 1 == rows(store, "mailbox")


def test_opening_a_store_does_not_load_alembic(store: Store) -> None:
    program = (
        "import sys; from pathlib import Path; from store import cleanup, entries, mailboxes, sessions;"
        "from store.database import engine;"
        f"engine.open_store(Path({str(store.path)!r})); sys.exit('alembic' in sys.modules)"
    )
    assert 0 == subprocess.run([sys.executable, "-c", program], check=False).returncode


def test_no_row_counts_up_by_itself() -> None:
    assert {False} == {table.columns[0].autoincrement for table in Base.metadata.tables.values()}


def test_no_table_keeps_a_time() -> None:
    kinds = {str(column.type) for table in Base.metadata.tables.values() for column in table.columns}
    assert {"INTEGER", "BLOB", "DATE", "BOOLEAN", "VARCHAR"} == kinds
    texts = [
        f"{table}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if str(column.type) == "VARCHAR"
    ]
    assert [
        "record.kind",
        "public_file.name",
        "outbox.kind",
        "sync_finding.kind",
    ] == texts  # our own constants, and no time stamp
