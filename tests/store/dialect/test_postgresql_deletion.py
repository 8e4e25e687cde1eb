"""After the nightly rewrite, no file of the server has deleted content or tells the order of arrival."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL
from sqlalchemy import text

from store import cleanup, mailboxes
from store.database.engine import ServerPlace, Store, open_store
from store.database.schema import Base
from store.dialect.postgresql import _LOCK_STORE, PostgresqlStore
from store.dialect.postgresql_rewrite import rewrite_rows
from store.errors import StoreBusyError, StoreError, StoreReadOnlyError
from tests.postgresql_cluster import a_setting_of_the_server, database_of, opened_as, place_of, the_cluster
from tests.store.factories import (
    DAY,
    NOW,
    a_mailbox,
    a_peer,
    a_record,
    add,
    an_entry,
    an_upload,
    destroy,
    put_tallies,
    rows,
    usage,
)


@pytest.fixture
def store(postgresql_store: Store) -> Iterator[Store]:
    """Return a store as the role of its owner sees it."""
    with closing(opened_as(postgresql_store, "owner")) as store:
        yield store


def hasty(store: Store) -> PostgresqlStore:
    assert isinstance(store, PostgresqlStore)
    return PostgresqlStore(ServerPlace(store._url, store.path), wait_seconds=0.05)


def administrator(store: Store) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(the_cluster().url(database_of(store)))


def canaries(name: str) -> list[bytes]:
    """Return distinct contents for a header, a payload, a digest, an envelope and a chunk."""
    return [f"canary-{name}-{part}-".encode() + os.urandom(20) for part in range(5)]


def places_of(contents: list[bytes]) -> set[str]:
    """Return the folders of the server, such as "pg_wal", that have a file with one of these contents."""
    found = set()
    for file in (the_cluster().folder / "data").rglob("*"):
        if file.is_file():
            raw = file.read_bytes()
            if any(content in raw for content in contents):
                found.add(file.relative_to(the_cluster().folder / "data").parts[0])
    return found


def a_written_mailbox(store: Store, contents: list[bytes]) -> tuple[bytes, bytes]:
    header, payload, digest, envelope, chunk = contents
    address, entry_id = a_mailbox(store), os.urandom(16)
    upload = an_upload(store, address, entry_id, [chunk * 2000, chunk], header=header)
    an_entry(
        store,
        address,
        entry_id=entry_id,
        header=header,
        payload=payload * 2000,
        digest=digest,
        attachment_ids=[upload],
    )
    with store.writing() as session:
        session.execute(
            text("UPDATE entry SET envelope = :it WHERE digest = :digest"), {"it": envelope, "digest": digest}
        )
    return address, digest


def test_deleted_content_is_in_no_file_of_the_server(store: Store) -> None:
    """Attack: a thief reads the tables, the indexes, the statistics and the journal of the server."""
    gone, kept = canaries("gone"), canaries("kept")
    ended = [a_written_mailbox(store, [b"%d" % number + each for each in gone])[0] for number in range(30)]
    for number in range(30):
        a_written_mailbox(store, [b"%d" % number + each for each in kept])
    the_cluster().run("ANALYZE", database_of(store))  # as the server itself does from time to time
    old = file_of_statistics(store)
    for address in ended:
        with store.writing() as session:
            mailboxes.end_for_good(session, address, proof=b"proof", day=DAY)
    the_cluster().run("CHECKPOINT")
    # The journal is not asserted: at a checkpoint, the server may remove the file that had the content.
    assert {"base"} == places_of(gone) - {"pg_wal"}
    assert gone[2].hex() in statistics_of(store)

    cleanup.destroy_deleted(store, NOW)
    cleanup.rewrite_store(store)

    assert set() == places_of(gone)
    assert gone[2].hex() not in statistics_of(store)
    assert kept[2].hex() in statistics_of(store)
    assert not old.exists()  # the values in this file are compressed
    assert "base" in places_of(kept)
    assert 30 == rows(store, "entry")


def test_the_statistics_of_a_table_without_rows_keep_no_value(store: Store) -> None:
    """Attack: all mailboxes are deleted, and PostgreSQL keeps the samples of tables without rows."""
    addresses = [a_written_mailbox(store, canaries("gone"))[0] for _ in range(30)]
    the_cluster().run("ANALYZE", database_of(store))
    old = statistics_of(store)
    assert any(address.hex() in old for address in addresses)
    for address in addresses:
        with store.writing() as session:
            mailboxes.end_for_good(session, address, proof=b"proof", day=DAY)
    the_cluster().run("DELETE FROM ended_mailbox", database_of(store))

    cleanup.destroy_deleted(store, NOW)
    cleanup.rewrite_store(store)

    new = statistics_of(store)
    assert [] == [address for address in addresses if address.hex() in new]


def test_a_snapshot_that_keeps_old_statistics_is_told(store: Store) -> None:
    """Attack: a session of the operator reads none of our tables, and keeps the samples of deleted rows."""
    an_entry(store, a_mailbox(store))
    the_cluster().run("ANALYZE", database_of(store))
    with administrator(store) as other, closing(hasty(store)) as impatient:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        with pytest.raises(StoreBusyError, match="keeps a view"):
            cleanup.rewrite_store(impatient)
        assert 1 == rows(store, "entry")
    cleanup.rewrite_store(store)


def test_a_server_that_keeps_some_files_of_its_journal_gives_them_up(store: Store) -> None:
    """Patroni does not let a server keep less than one file of the journal (`wal_keep_size`)."""
    gone = canaries("gone")
    with a_setting_of_the_server(the_cluster(), "wal_keep_size", "32MB"):
        address, _ = a_written_mailbox(store, gone)
        assert "pg_wal" in places_of(gone)
        with store.writing() as session:
            mailboxes.end_for_good(session, address, proof=b"proof", day=DAY)
        cleanup.destroy_deleted(store, NOW)
        with closing(hasty(store)) as owner:
            cleanup.rewrite_store(owner)
    assert set() == places_of(gone)


def statistics_of(store: Store) -> str:
    """Return the samples of values that PostgreSQL keeps for the planner of queries."""
    return str(
        the_cluster().run("SELECT histogram_bounds, most_common_vals FROM pg_stats", database_of(store))
    )


def file_of_statistics(store: Store) -> Path:
    ((path,),) = the_cluster().run("SELECT pg_relation_filepath('pg_statistic')", database_of(store))
    return the_cluster().folder / "data" / str(path)


def test_a_rewrite_loses_nothing(store: Store) -> None:
    """Every table has the same rows after the rewrite."""
    peer = a_peer(store)
    for number in range(5):
        address, digest = a_written_mailbox(store, canaries("kept"))
        put_tallies(store, address)
        a_record(store, b"name-%d" % number)
    destroy(store, address, digest)
    with store.writing() as session:
        mailboxes.end_for_good(session, address, proof=b"proof", day=DAY)
    before, counted = contents(store), usage(store)
    assert peer
    cleanup.rewrite_store(store)
    assert before == contents(store)
    assert counted == usage(store)
    assert {"sealed", "chunk", "outbox", "record", "ended_mailbox"} <= {
        t for t, found in before.items() if found
    }
    open_store(place_of(store, "owner")).close()  # the tables themselves are those of this version


def contents(store: Store) -> dict[str, list[object]]:
    with store.reading() as session:
        return {
            table.name: list(session.execute(table.select().order_by(table.c[0])).all())
            for table in Base.metadata.sorted_tables
        }


def test_nothing_that_the_server_stores_tells_the_order_of_arrival(store: Store) -> None:
    """Attack: rows have the numbers of their transactions. Long values have growing numbers too."""
    for _ in range(20):
        a_written_mailbox(store, canaries("kept"))
    assert len(arrivals(store, "entry")) > 1
    cleanup.rewrite_store(store)
    for table in ("mailbox", "entry", "attachment", "chunk", "sealed"):
        assert 1 == len(arrivals(store, table)), table
        with administrator(store) as connection:
            ids = run(connection, "SELECT id FROM {} ORDER BY ctid", table)
        assert sorted(ids) == ids, table
    assert 20 * 2 == len(values := long_values(store))
    assert sorted(values) == values


def run(connection: psycopg.Connection[tuple[object, ...]], pattern: str, table: str) -> list[object]:
    return [row for (row,) in connection.execute(SQL(pattern).format(SQL(table))).fetchall()]  # type: ignore[arg-type]


def arrivals(store: Store, table: str) -> set[object]:
    with administrator(store) as connection:
        return set(run(connection, "SELECT xmin FROM {}", table))


def long_values(store: Store) -> list[object]:
    """Return the numbers of the long values (TOAST), in the order of the ids of their rows."""
    with administrator(store) as connection:
        (table,) = run(
            connection, "SELECT reltoastrelid::regclass::text FROM pg_class WHERE relname = '{}'", "sealed"
        )
        return run(
            connection, "SELECT chunk_id::bigint FROM {} WHERE chunk_seq = 0 ORDER BY ctid", str(table)
        )


def test_a_reader_that_waits_for_a_rewrite_sees_all_rows(store: Store) -> None:
    """Fault: to a snapshot from before, a table that was emptied and filled again has no rows."""
    address = a_mailbox(store)
    an_entry(store, address)
    with administrator(store) as rewriting, ThreadPoolExecutor(1) as thread:
        tables = ", ".join(Base.metadata.tables)
        rewriting.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")  # type: ignore[call-overload]
        reader = thread.submit(rows, store, "entry")
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL"
        while rewriting.execute(waits).fetchone() == (0,):  # type: ignore[call-overload]
            pass
        rewrite_rows(rewriting, 30)
        rewriting.commit()
        assert 1 == reader.result(timeout=30)


def test_a_program_that_keeps_an_old_view_open_is_told_and_stops_nothing(store: Store) -> None:
    """An open snapshot would keep everything that is deleted after it began."""
    address = a_mailbox(store)
    with administrator(store) as other, closing(hasty(store)) as impatient:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM entry")
        with pytest.raises(StoreBusyError, match="keeps a view"):
            cleanup.rewrite_store(impatient)
        an_entry(store, address)
    cleanup.rewrite_store(store)
    assert 1 == rows(store, "entry")


@pytest.mark.parametrize("role", ["sync", "backup"])
def test_another_user_than_the_owner_cannot_rewrite_the_store(store: Store, role: str) -> None:
    with closing(opened_as(store, role)) as other, pytest.raises(StoreReadOnlyError):
        cleanup.rewrite_store(other)


def test_an_owner_of_the_tables_who_cannot_clear_the_statistics_is_told(store: Store) -> None:
    """For a user who does not own the database, VACUUM only warns."""
    the_cluster().run(f"ALTER DATABASE {database_of(store)} OWNER TO steunpunt")
    the_cluster().run(f"GRANT ALL ON DATABASE {database_of(store)} TO PUBLIC")
    with pytest.raises(StoreError, match="_owner"):
        cleanup.rewrite_store(store)


def test_a_server_that_keeps_its_old_journal_is_told(store: Store) -> None:
    """A replica that is gone, or an archive that is full, keeps the journal and what was deleted."""
    a_mailbox(store)
    the_cluster().run("SELECT pg_create_physical_replication_slot('gone', true)")
    try:
        with closing(hasty(store)) as impatient, pytest.raises(StoreBusyError, match="old journal"):
            cleanup.rewrite_store(impatient)
    finally:
        the_cluster().run("SELECT pg_drop_replication_slot('gone')")
    cleanup.rewrite_store(store)


@pytest.mark.parametrize(
    ("name", "value"), [("wal_recycle", "on"), ("log_min_messages", "error"), ("log_min_messages", "log")]
)
def test_a_server_that_keeps_what_was_deleted_is_refused(store: Store, name: str, value: str) -> None:
    the_cluster().run(f"ALTER DATABASE {database_of(store)} RESET log_min_messages")
    with a_setting_of_the_server(the_cluster(), name, value), pytest.raises(StoreError, match=name):
        open_store(place_of(store, "owner"))


def test_no_value_of_a_row_gets_into_the_log_of_the_server(store: Store) -> None:
    """Attack: the operator logs everything, and errors quote the values of rows."""
    logged = [logged_with(store, {"log_min_messages": level}) for level in ("debug5", "fatal")]
    assert [True, False] == [b"canary" in each for each in logged]


def logged_with(store: Store, of_database: dict[str, str]) -> bytes:
    """Write a canary in all ways that can fail. Return what the server wrote into its log in the meantime."""
    cluster, database = the_cluster(), database_of(store)
    for name, value in of_database.items():
        cluster.run(f"ALTER DATABASE {database} SET {name} = {value}")
    log = cluster.folder / "log"
    before = log.stat().st_size
    everything = {
        "log_statement": "all",
        "log_min_duration_statement": "0",
        "log_parameter_max_length": "-1",
        "log_parameter_max_length_on_error": "-1",
        "log_error_verbosity": "verbose",
        "log_min_error_statement": "debug5",
        "log_lock_waits": "on",
    }
    for name, value in everything.items():
        cluster.run(f"ALTER SYSTEM SET {name} = '{value}'")
    cluster.run("SELECT pg_reload_conf()")
    try:
        with psycopg.connect(place_of(store, "owner").url, autocommit=True) as connection:
            for statement in (
                "SELECT 'canary'::date",
                "SELECT 'canary'::bytea FROM nowhere",
                "INSERT INTO usage VALUES (99, 1) -- canary",
                "INSERT INTO public_file VALUES (7, 'canary', ''), (7, 'canary', '')",
            ):
                with pytest.raises(psycopg.Error):
                    connection.execute(statement)
            with pytest.raises(psycopg.Error):
                connection.execute("INSERT INTO public_file VALUES (7, %s, '')", ["canary\0"])
            with pytest.raises(psycopg.Error):
                connection.execute("INSERT INTO peer VALUES (7, %s)", [b"canary"])
        return log.read_bytes()[before:]
    finally:
        cluster.run("ALTER SYSTEM RESET ALL")
        cluster.run("SELECT pg_reload_conf()")


def test_a_connection_that_is_ended_in_a_statement_logs_no_value(store: Store) -> None:
    """Attack: PostgreSQL quotes the parameters of a statement whose connection someone ends."""
    address, log = a_mailbox(store), the_cluster().folder / "log"
    before = log.stat().st_size
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

    def write() -> None:
        with store.writing(mailbox=address) as session:
            add(session, address)

    with (
        a_setting_of_the_server(the_cluster(), "log_parameter_max_length_on_error", "-1"),
        ThreadPoolExecutor(1) as thread,
    ):
        with administrator(store) as other:
            other.execute(_LOCK_STORE, {"address": ""})
            waiting = thread.submit(write)
            while not the_cluster().run(end):
                pass
        waiting.result(timeout=30)

    logged = log.read_bytes()[before:]
    assert b"pg_advisory_xact_lock" in logged
    assert address.hex().encode() not in logged
