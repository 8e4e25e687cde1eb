import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from operator import attrgetter
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import store as package
from store import entries, ledger, mailboxes, orders, public_files, records
from store.engine import Store, open_store, upgrade_store
from store.errors import StoreOutdatedError
from store.schema import SCHEMA, SHIELD, Base
from tests.store.factories import DAY, a_mailbox, an_entry, rows, usage

SCRIPTS = Path(package.__file__).parent / "migrations"


def test_the_migrations_make_the_tables_of_the_schema(store: Store) -> None:
    with store.writing() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert [] == compare_metadata(context, Base.metadata)


def test_the_migrations_make_every_constraint_of_the_schema(store: Store, tmp_path: Path) -> None:
    made = Store(tmp_path / "models.db")
    sqlite3.connect(made.path).close()
    made.path.touch()
    with made.writing() as session:
        Base.metadata.create_all(session.connection())

    def tables(path: Path) -> dict[str, list[str]]:
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
            return {name: sorted(line.strip(", \t") for line in sql.splitlines()) for name, sql in found}

    expected = tables(made.path)
    actual = tables(store.path)
    del actual["alembic_version"]
    made.close()
    assert expected == actual


def test_a_store_of_the_first_version_keeps_all_it_holds_and_takes_what_is_new(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    address, entry_id, header, payload = os.urandom(20), os.urandom(16), os.urandom(3300), os.urandom(4096)
    day = DAY.isoformat()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript((Path(__file__).parent / "first_tables.sql").read_text("utf-8"))
        connection.execute(
            "INSERT INTO mailbox VALUES (1, ?, ?, ?, ?, ?, ?, ?, 0)",
            (address, bytes(1216), bytes(32), day, len(header + payload), day, day),
        )
        connection.execute(
            "INSERT INTO sealed VALUES (7, ?, ?, ?, ?)", (len(header + payload), SHIELD, header, payload)
        )
        connection.execute(
            "INSERT INTO entry VALUES (7, ?, 0, x'', 1, ?, ?, x'0a', x'0b', 1, ?, NULL)",
            (address, entry_id, bytes(32), day),
        )
        connection.execute("INSERT INTO head VALUES (3, ?, 0, x'', 1, ?)", (address, bytes(32)))
        connection.execute("UPDATE usage SET bytes = ?", (len(header + payload),))
        connection.commit()
    with pytest.raises(StoreOutdatedError):
        open_store(path)
    upgrade_store(path)
    store = open_store(path)
    with store.reading() as session:
        assert (header, payload) == attrgetter("header", "payload")(entries.of_mailbox(session, address)[0])
        assert DAY == attrgetter("waiting_since")(mailboxes.find(session, address))
    an_entry(store, address)
    with store.writing() as session:
        records.put(session, "casefile", address, 1, b"sealed")
        orders.put(session, address, b"statement", DAY, [b"tally"])
        ledger.add(session, [b"tally"])
        public_files.publish(session, "report", b"for everybody")
        assert [] == session.execute(text("PRAGMA foreign_key_check")).all()
    assert usage(store) == 7396 * 2 + len(b"sealedstatementtallytally")
    store.close()


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
        "import sys; from pathlib import Path; from store import engine, entries, mailboxes, purge, sessions;"
        f"engine.open_store(Path({str(store.path)!r})); sys.exit('alembic' in sys.modules)"
    )
    assert 0 == subprocess.run([sys.executable, "-c", program], check=False).returncode


def test_no_row_counts_up_by_itself() -> None:
    assert {False} == {table.columns[0].autoincrement for table in Base.metadata.tables.values()}


def test_no_table_keeps_a_time() -> None:
    kinds = {str(column.type) for table in Base.metadata.tables.values() for column in table.columns}
    assert {"BIGINT", "INTEGER", "BLOB", "DATE", "BOOLEAN", "VARCHAR"} == kinds
    texts = [
        f"{table}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if str(column.type) == "VARCHAR"
    ]
    assert ["record.kind", "public_file.name"] == texts  # words of ours, and no stamp
