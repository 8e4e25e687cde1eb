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


def test_a_new_store_has_the_tables_that_were_recorded_for_this_version(store: Store) -> None:
    """Fail if the schema changes without a new version: stores in use would not get the change."""
    with closing(sqlite3.connect(store.path)) as connection:
        made = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql != '' ORDER BY name")
        tables = "".join(f"{sql};\n" for name, sql in made if name != "alembic_version")
    assert Path(__file__).with_name(f"tables_{SCHEMA}.sql").read_text("utf-8") == tables


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
