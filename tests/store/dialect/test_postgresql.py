import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from alembic.config import Config
from psycopg.pq import Format
from sqlalchemy import StaticPool, create_engine, text
from sqlalchemy.exc import TimeoutError as QueueTimeoutError

from store import cleanup, entries, mailboxes
from store.database.damaged_rows import count_damaged
from store.database.engine import ServerPlace, Store, create_store, open_store, upgrade_store
from store.database.schema import NO_BYTES, NO_DAY, EntryRow, MailboxRow
from store.dialect import opened_store, postgresql
from store.dialect.postgresql import USAGE_ROWS, PostgresqlStore, _driver
from store.dialect.postgresql_errors import translating_postgresql
from store.errors import (
    BrokenConstraintError,
    StoreBusyError,
    StoreConflictError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreMissingError,
    StoreOutdatedError,
    StoreReadOnlyError,
    StoreUnreachableError,
)
from tests.postgresql_cluster import a_setting_of_the_server, the_cluster
from tests.small_disk import CAN_MOUNT, a_small_disk
from tests.store.factories import a_mailbox, add, an_entry, rows, usage


@pytest.fixture
def store(postgresql_store: Store) -> Store:
    return postgresql_store


@pytest.fixture
def database(store: Store) -> str:
    """Return the name of the store's database."""
    with store.reading() as session:
        return str(session.execute(text("SELECT current_database()")).scalar_one())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[ServerPlace]:
    """Return a database without tables."""
    database = the_cluster().a_database()
    yield ServerPlace(the_cluster().url(database), tmp_path / "store.db")
    the_cluster().drop(database)


def hasty(store: Store) -> PostgresqlStore:
    assert isinstance(store, PostgresqlStore)
    return PostgresqlStore(ServerPlace(store._url, store.path), wait_seconds=0.05)


def setting(store: Store, name: str, *, durable: bool) -> object:
    with store.writing(durable=durable) as session:
        return session.execute(text(f"SHOW {name}")).scalar_one()


def test_a_durable_commit_waits_for_the_disk_of_the_server(store: Store) -> None:
    assert ["on", "off"] == [setting(store, "synchronous_commit", durable=each) for each in (True, False)]


def test_a_server_whose_commits_do_not_wait_changes_nothing(store: Store, database: str) -> None:
    """Attack: the operator sets the database to lose its last second."""
    the_cluster().run(f"ALTER DATABASE {database} SET synchronous_commit = off")
    store.close()
    assert "on" == setting(store, "synchronous_commit", durable=True)


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
def test_a_server_that_a_power_cut_harms_is_refused(place: ServerPlace, name: str) -> None:
    with a_setting_of_the_server(the_cluster(), name, "off"), pytest.raises(StoreError, match=name):
        create_store(place)


def test_a_database_of_another_encoding_is_refused(place: ServerPlace) -> None:
    the_cluster().run("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII'")
    with pytest.raises(StoreError, match="UTF8"):
        create_store(ServerPlace(the_cluster().url("ascii"), place.path))
    the_cluster().drop("ascii")


def test_a_new_store_replaces_no_table(store: Store, database: str) -> None:
    with pytest.raises(StoreError, match="has tables"):
        create_store(ServerPlace(the_cluster().url(database), store.path))


def test_upgrading_a_store_of_this_version_changes_nothing(store: Store, database: str) -> None:
    a_mailbox(store)
    upgrade_store(ServerPlace(the_cluster().url(database), store.path))
    assert 1 == rows(store, "mailbox")


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TRIGGER spy AFTER INSERT ON entry EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE RULE lost AS ON INSERT TO entry DO INSTEAD NOTHING",
        "CREATE VIEW copies AS SELECT * FROM entry",
        "ALTER TABLE sync_finding SET UNLOGGED",
        "ALTER TABLE entry DISABLE TRIGGER ALL",
        "ALTER TABLE entry ALTER COLUMN day SET DEFAULT '2026-11-23'",
        "DROP INDEX ix_mailbox_due",
        "ALTER TABLE mailbox DROP CONSTRAINT ck_mailbox_address",
    ],
)
def test_a_store_whose_tables_someone_changed_is_refused(store: Store, database: str, change: str) -> None:
    the_cluster().run(change, database)
    with pytest.raises(StoreDamagedError, match="changed them by hand"):
        open_store(ServerPlace(the_cluster().url(database), store.path))


def test_a_database_without_our_tables_is_refused(place: ServerPlace) -> None:
    with pytest.raises(StoreDamagedError):
        open_store(place)


def test_a_database_or_a_server_that_does_not_exist_is_a_missing_store(tmp_path: Path) -> None:
    with pytest.raises(StoreMissingError):
        open_store(ServerPlace(the_cluster().url("nowhere"), tmp_path))
    with pytest.raises(StoreUnreachableError):
        open_store(ServerPlace(f"postgresql:///postgres?host={tmp_path}", tmp_path))


def test_a_store_after_a_lost_connection_is_usable_at_once(store: Store, address: bytes) -> None:
    """The server restarts: no request after the restart fails."""
    an_entry(store, address)
    with store.reading() as session:
        session.info["driver"].execute("SELECT 1")
    lose = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'steunpunt'"
    the_cluster().run(lose)
    an_entry(store, address)
    the_cluster().run(lose)
    assert 2 == rows(store, "entry")


def test_a_connection_that_is_lost_in_a_transaction_is_told_and_nothing_is_stored(
    store: Store, address: bytes
) -> None:
    def lose() -> None:
        with store.writing() as session:
            entries.set_state(session, address, waiting_since=date(2026, 11, 1), due=None)
            pid = session.info["driver"].info.backend_pid
            the_cluster().run(f"SELECT pg_terminate_backend({pid})")
            mailboxes.find(session, address)

    with pytest.raises(StoreUnreachableError):
        lose()
    with store.reading() as session:
        found = mailboxes.find(session, address)
    assert found is not None
    assert found.waiting_since is None


def test_a_program_that_froze_in_a_transaction_keeps_no_lock(
    store: Store, address: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: a source server stops in the middle of its work, and no other server could write."""

    def freeze(frozen: Store) -> None:
        with frozen.writing() as session:
            entries.set_state(session, address, waiting_since=date(2026, 11, 1), due=None)
            an_entry(store, address)  # waits for the lock of the store
            mailboxes.find(session, address)

    with monkeypatch.context() as patched, closing(hasty(store)) as frozen:
        patched.setitem(postgresql._OPTIONS, "idle_in_transaction_session_timeout", "300ms")
        with pytest.raises(StoreUnreachableError):
            freeze(frozen)
    assert 1 == rows(store, "entry")


def test_no_variable_of_the_environment_leads_to_another_server(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: with PGHOSTADDR, libpq ignores the folder of the Unix socket, and connects without TLS."""
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    store.close()
    assert 0 == rows(store, "entry")


def test_writers_of_two_mailboxes_do_not_wait_for_each_other(store: Store) -> None:
    one, other = a_mailbox(store), a_mailbox(store)
    with store.writing(mailbox=one) as session, ThreadPoolExecutor(1) as thread:
        entries.claim(session, one, version_of(store, one))
        thread.submit(write_in, store, other).result(timeout=30)
    assert 1 == rows(store, "entry")


@pytest.mark.parametrize(("first", "second"), [("one", "one"), ("one", None), (None, "one"), (None, None)])
def test_writers_of_one_mailbox_and_of_the_whole_store_wait_for_each_other(
    store: Store, first: str | None, second: str | None
) -> None:
    address = a_mailbox(store)
    names = {"one": address, None: None}
    with (
        store.writing(mailbox=names[first]),
        closing(hasty(store)) as other,
        pytest.raises(StoreBusyError),
        other.writing(mailbox=names[second]),
    ):
        pass


def test_a_writer_that_waited_sees_what_the_other_wrote(store: Store, address: bytes) -> None:
    has_begun = threading.Event()

    def count() -> int:
        has_begun.set()
        with store.writing(mailbox=address) as session:
            return len(entries.digests(session, address))

    with ThreadPoolExecutor(1) as thread:
        with store.writing(mailbox=address) as session:
            waiting = thread.submit(count)
            has_begun.wait()
            add(session, address)
        assert 1 == waiting.result(timeout=30)


def test_concurrent_writers_count_all_bytes(store: Store) -> None:
    addresses = [a_mailbox(store) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda each: [write_in(store, each, number) for number in range(5)], addresses))
    assert 20 == rows(store, "entry")
    with store.reading() as session:
        counted = [mailboxes.find(session, each) for each in addresses]
    assert usage(store) == sum(each.sealed_bytes for each in counted if each is not None) == 20 * 300
    assert USAGE_ROWS == rows(store, "usage")


def version_of(store: Store, address: bytes) -> int:
    with store.reading() as session:
        mailbox = mailboxes.find(session, address)
    assert mailbox is not None
    return mailbox.version


def write_in(store: Store, address: bytes, number: int = 1) -> None:
    with store.writing(mailbox=address) as session:
        add(session, address, number=number, header=b"h" * 100, payload=b"p" * 200)


def test_values_of_a_query_with_parameters_arrive_in_binary_form(store: Store, address: bytes) -> None:
    """As text, each byte of ciphertext would take two bytes on the wire."""
    write_in(store, address)
    with store.reading() as session:
        driver = session.info["driver"]
        found = driver.execute("SELECT payload FROM sealed WHERE payload <> %(none)s", {"none": b""})
        assert [found.pgresult.fformat(0)] == [Format.BINARY]
        assert found.fetchall() == [(b"p" * 200,)]


def test_a_lock_is_asked_for_again_until_the_time_is_over(
    store: Store, address: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "_LOCK_SECONDS", 0.05)
    with ThreadPoolExecutor(1) as pool:
        with store.writing(mailbox=address):
            other = pool.submit(write_in, store, address)
            with pytest.raises(TimeoutError):
                other.result(timeout=0.5)
        other.result(timeout=20)


def test_days_that_python_does_not_know_are_read_as_damage(store: Store, address: bytes) -> None:
    an_entry(store, address)
    for day in ("infinity", "-infinity", "0044-03-15 BC", "10000-01-01"):
        with store.writing() as session:
            session.execute(text(f"UPDATE entry SET day = '{day}'"))  # noqa: S608  # one of the days above
        with store.reading() as session:
            assert [NO_DAY] == [entry.day for entry in entries.of_mailbox(session, address)]
            assert {("entry", address): 1} == count_damaged(session)


def test_days_of_plain_sql_are_read_as_text(store: Store, address: bytes) -> None:
    an_entry(store, address, day=date(2026, 11, 23))
    with store.reading() as session:
        assert "2026-11-23" == session.execute(text("SELECT day FROM entry")).scalar_one()


def test_a_row_that_refers_to_a_missing_row_is_counted(store: Store, address: bytes, database: str) -> None:
    an_entry(store, address)
    the_cluster().run("SET session_replication_role = replica; DELETE FROM mailbox", database)
    with store.reading() as session:
        assert {("entry", NO_BYTES): 1} == count_damaged(session)


def test_the_clock_of_the_database_replaces_a_wrong_clock_from_the_first_connection_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = datetime(2000, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(opened_store, "datetime", SimpleNamespace(now=lambda _: wrong))
    with closing(hasty(store)) as here:
        before = here.now()
        rows(here, "entry")
        assert wrong == before
        assert abs(datetime.now(UTC) - here.now()) < timedelta(seconds=5)


def test_a_store_at_the_end_of_a_program_has_no_connection(store: Store) -> None:
    a_mailbox(store)
    store.settle()
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'steunpunt'"
    # The server's process ends a moment after its connection.
    assert any(the_cluster().run(count) == [(0,)] or time.sleep(0.05) for _ in range(100))


def test_a_forked_server_writes_and_so_does_its_parent(store: Store, address: bytes) -> None:
    an_entry(store, address)
    other = multiprocessing.get_context("fork").Process(target=an_entry, args=(store, address))
    other.start()
    other.join()
    an_entry(store, address)
    assert (0, 3) == (other.exitcode, rows(store, "entry"))


def test_a_reader_cannot_write(store: Store) -> None:
    a_mailbox(store)
    with pytest.raises(StoreReadOnlyError), store.reading() as session:
        session.execute(text("DELETE FROM mailbox"))
    assert 1 == rows(store, "mailbox")


def test_a_rewritten_store_does_not_show_which_row_arrived_first(store: Store) -> None:
    for _ in range(40):
        an_entry(store, a_mailbox(store))
    cleanup.rewrite_store(store)
    assert store.rewrite_bytes() > 0
    with store.reading() as session:
        for table in (MailboxRow, EntryRow):
            on_disk = session.execute(text(f"SELECT id FROM {table.__tablename__} ORDER BY ctid"))  # noqa: S608
            ids = on_disk.scalars().all()
            assert 40 == len(ids)
            assert sorted(ids) == ids


def test_no_refusal_has_a_value_of_a_row(store: Store) -> None:
    said = []
    for statement in ("INSERT INTO deletion_queue VALUES (:value), (:value)", "SELECT :value FROM nowhere"):
        with pytest.raises(StoreError) as caught, store.writing() as session:
            session.execute(text(statement), {"value": 987_654_321})
        said.append(str(caught.value))
        assert caught.value.__suppress_context__
        assert caught.value.__cause__ is None
    assert "987654321" not in " ".join(said)


def test_a_broken_constraint_is_told_without_the_row(store: Store, address: bytes) -> None:
    with pytest.raises(BrokenConstraintError) as caught:
        an_entry(store, address, digest=None, strand=None)  # type: ignore[arg-type]  # NULL
    assert caught.value.__suppress_context__


def error_with(sqlstate: str | None, kind: type[psycopg.Error] = psycopg.Error) -> psycopg.Error:
    error = kind("a value of a row")
    error.sqlstate = sqlstate
    return error


@pytest.mark.parametrize(
    ("why", "told"),
    [
        (error_with("53100"), StoreFullError),
        (error_with("53300"), StoreBusyError),
        (error_with("40P01"), StoreConflictError),
        (error_with("57P01"), StoreUnreachableError),
        (error_with("42P01"), StoreOutdatedError),
        (error_with("42501"), StoreReadOnlyError),
        (error_with("XX001"), StoreDamagedError),
        (error_with("0A000"), StoreError),
        (error_with(None, psycopg.OperationalError), StoreUnreachableError),
        (error_with(None, psycopg.DataError), StoreDamagedError),
        (QueueTimeoutError(), StoreBusyError),
    ],
)
def test_each_error_is_told_as_one_of_the_store(why: Exception, told: type[StoreError]) -> None:
    with pytest.raises(StoreError) as caught, translating_postgresql():
        raise why
    assert told is type(caught.value)
    assert "row" not in str(caught.value)


def test_an_engine_of_another_driver_is_refused() -> None:
    class Other:
        def __getattr__(self, name: str) -> object:
            return lambda *_: None

    engine = create_engine("sqlite://", creator=Other, poolclass=StaticPool, _initialize=False)
    with engine.connect() as connection, pytest.raises(TypeError):
        _driver(connection)


def test_a_migration_that_is_interrupted_leaves_the_old_tables(
    store: Store, address: bytes, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program is killed, or the server restarts, after the first statements of a migration."""

    def half(settings: Config, _: str) -> None:
        connection = settings.attributes["connection"]
        connection.exec_driver_sql("ALTER TABLE entry ADD COLUMN note text")
        connection.exec_driver_sql("UPDATE entry SET note = 'a note'")
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        the_cluster().run(f"SELECT pg_terminate_backend({pid})")
        connection.exec_driver_sql("ALTER TABLE entry DROP COLUMN day")

    an_entry(store, address)
    place = ServerPlace(the_cluster().url(database), store.path)
    with monkeypatch.context() as patch:
        patch.setattr("alembic.command.upgrade", half)
        with pytest.raises(StoreUnreachableError):
            upgrade_store(place)
    open_store(place).close()
    upgrade_store(place)
    assert 1 == rows(store, "entry")


def fill_pages_that_are_left(store: Store, address: bytes) -> None:
    for _ in range(200):
        an_entry(store, address, payload=os.urandom(20_000))


@pytest.mark.skipif(not CAN_MOUNT, reason="only root may mount a small disk")
def test_a_full_disk_of_the_server_stores_nothing_half_and_is_usable_with_room_again(
    store: Store, address: bytes, database: str
) -> None:
    cluster = the_cluster()
    with a_small_disk("40m") as disk:
        store.close()
        shutil.chown(disk, "nobody")
        cluster.run(f"CREATE TABLESPACE small LOCATION '{disk}'")
        cluster.run(f"ALTER DATABASE {database} SET TABLESPACE small")
        filler = disk / "filler"
        filler.write_bytes(bytes(shutil.disk_usage(disk).free))
        with pytest.raises(StoreFullError):
            fill_pages_that_are_left(store, address)
        stored = rows(store, "entry")
        assert stored == rows(store, "sealed") < 200
        filler.unlink()
        an_entry(store, address)
        assert stored + 1 == rows(store, "entry")
        store.close()
        cluster.run("CHECKPOINT")
        cluster.run(f"ALTER DATABASE {database} SET TABLESPACE pg_default")
        cluster.run("DROP TABLESPACE small")
