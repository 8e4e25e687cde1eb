import hashlib
import os
import re
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
from store import (
    cleanup,
    deletion_orders,
    entries,
    ledger_tallies,
    mailboxes,
    outbox,
    peers,
    public_files,
    records,
)
from store.database.engine import Store, open_store, upgrade_store
from store.database.schema import SCHEMA, SHIELD, Base
from store.deletion_orders import StoredOrder
from store.errors import StoreOutdatedError
from store.mailboxes import EndedMailbox
from store.outbox import What
from store.records import Record
from tests.store.factories import (
    DAY,
    NOW,
    STRAND,
    a_mailbox,
    a_peer,
    an_entry,
    files_of,
    noted,
    rows,
    usage,
)

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
        records.put(session, "casefile", address, 1, b"sealed", travels=True)
        deletion_orders.put(session, address, b"statement", DAY, [b"tally"])
        ledger_tallies.add(session, [b"tally"])
        public_files.publish(session, "report", b"for everybody")
        assert [] == session.execute(text("PRAGMA foreign_key_check")).all()
    assert usage(store) == 7396 * 2 + len(b"sealedstatementtallytally")
    store.close()


def test_a_store_of_the_second_version_keeps_all_it_holds_and_knows_what_of_it_travels(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    ended, mailbox, tally, copied = os.urandom(20), os.urandom(20), os.urandom(64), os.urandom(64)
    sealed = {
        1: b"casefile",
        2: b"draft",
        3: b"unsent",
        4: tally,
        5: copied,
        6: copied,
        7: b"statement",
        8: 9,
    }
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        for tables in ("first_tables.sql", "second_tables.sql"):
            connection.executescript((Path(__file__).parent / tables).read_text("utf-8"))
        for row, header in sealed.items():
            connection.execute("INSERT INTO sealed VALUES (?, 64, ?, ?, NULL)", (row, SHIELD, header))
        connection.execute("UPDATE usage SET bytes = 512")
        for row, kind in ((1, "casefile"), (2, "draft"), (3, "unsent")):
            connection.execute("INSERT INTO record VALUES (?, ?, ?, 7)", (row, kind, mailbox))
        for row in (4, 5, 6, 8):
            connection.execute("INSERT INTO ledger VALUES (?)", (row,))
        day = DAY.isoformat()
        connection.execute(
            "INSERT INTO mailbox VALUES (1, ?, x'01', x'02', ?, 0, NULL, NULL, NULL)", (mailbox, day)
        )
        connection.execute("INSERT INTO purge_order VALUES (7, ?, ?)", (mailbox, day))
        connection.execute("INSERT INTO ended VALUES (1, ?, x'03', x'04', x'05', ?)", (ended, day))
        connection.commit()
    with pytest.raises(StoreOutdatedError):
        open_store(path)
    upgrade_store(path)
    store = open_store(path)
    with store.reading() as session:
        assert [EndedMailbox(ended, b"\3", b"\4", b"\5", DAY, is_counted=False)] == mailboxes.ended_mailboxes(
            session
        )
        for kind in ("casefile", "draft", "unsent"):
            assert Record(kind, mailbox, 7, kind.encode(), base=0) == records.get(session, kind, mailbox)
        for one in (tally, copied):
            assert one == ledger_tallies.get(session, hashlib.sha256(one).digest())
        assert b"" == ledger_tallies.get(
            session, hashlib.sha256(b"9").digest()
        )  # what is no bytes is read as none
        assert 3 == ledger_tallies.count(session)
        order = deletion_orders.of_mailbox(session, mailbox)
        assert [] == session.execute(text("PRAGMA foreign_key_check")).all()
        assert [] == peers.all_peers(session)
    assert StoredOrder(mailbox, b"statement", DAY, ()) == order
    a_peer(store)
    with store.writing() as session:
        outbox.enqueue_all(session, STRAND)
    assert {b"casefile:" + mailbox} == {name for what, _, name in noted(store) if what is What.RECORD}
    assert cleanup.destroy_deleted(store, NOW).rows == 1
    assert copied in files_of(store)
    assert (7, 448) == (rows(store, "sealed"), usage(store))
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
        "import sys; from pathlib import Path; from store import cleanup, entries, mailboxes, sessions;"
        "from store.database import engine;"
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
    assert [
        "record.kind",
        "public_file.name",
        "undelivered.what",
        "finding.kind",
    ] == texts  # words of ours, and no stamp
