import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import store as package
from store.database.engine import Store, upgrade_store
from store.database.schema import SCHEMA, Base
from tests.store.factories import a_mailbox, rows

SCRIPTS = Path(package.__file__).parent / "migrations"


def test_the_migrations_make_the_tables_of_the_schema(store: Store) -> None:
    with store.writing() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert [] == compare_metadata(context, Base.metadata)


def parts_of(statement: str) -> list[str]:
    """Return what a statement makes, and its columns and constraints: the newest may stand last."""
    made, _, inside = statement.partition("(")
    return [
        made.strip(),
        *sorted(part.strip() for part in re.split(r",(?![^(]*\))", inside.rsplit(")", 1)[0])),
    ]


def test_the_migrations_make_every_constraint_of_the_schema(store: Store, tmp_path: Path) -> None:
    made = Store(tmp_path / "models.db")
    sqlite3.connect(made.path).close()
    made.path.touch()
    with made.writing() as session:
        Base.metadata.create_all(session.connection())

    def tables(path: Path) -> dict[str, list[str]]:
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
            return {name: parts_of(sql) for name, sql in found}

    expected = tables(made.path)
    actual = tables(store.path)
    del actual["alembic_version"]
    made.close()
    assert expected == actual


def test_the_version_in_the_code_is_the_newest_migration() -> None:
    settings = Config()
    settings.set_main_option("script_location", str(SCRIPTS))
    assert [SCHEMA] == ScriptDirectory.from_config(settings).get_heads()


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
