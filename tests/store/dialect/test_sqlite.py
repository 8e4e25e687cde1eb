import itertools
import logging
import multiprocessing
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import StaticPool, create_engine, text

from store import entries, mailboxes
from store.database.engine import Store, create_store, open_store, upgrade_store
from store.dialect import opened_store
from store.dialect.sqlite import SqliteStore, _driver
from store.dialect.sqlite_errors import translating
from store.errors import (
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreMissingError,
    StoreOutdatedError,
    StoreReadOnlyError,
)
from tests.small_disk import CAN_MOUNT, a_small_disk, make_read_only
from tests.store.factories import DAY, a_mailbox, an_entry, rows


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


def pragma(store: Store, name: str) -> list[object]:
    with store.reading() as reading, store.writing() as writing:
        return [session.execute(text(f"PRAGMA {name}")).scalar_one() for session in (reading, writing)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("journal_mode", "wal"),
        ("secure_delete", 1),
        ("foreign_keys", 1),
        ("temp_store", 2),
        ("page_size", 4096),
        ("auto_vacuum", 0),
    ],
)
def test_every_connection_keeps_the_settings(store: Store, name: str, value: object) -> None:
    assert [value, value] == pragma(store, name)


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_a_durable_commit_waits_for_the_disk(store: Store, durable: bool, level: int) -> None:  # noqa: FBT001
    with store.writing(durable=not durable) as session:
        session.execute(text("PRAGMA synchronous"))
    with store.writing(durable=durable) as session:
        assert level == session.execute(text("PRAGMA synchronous")).scalar_one()


def test_only_its_owner_reads_the_store(store: Store) -> None:
    modes = [path.stat().st_mode & 0o777 for path in (store.path.parent, store.path)]
    assert [0o700, 0o600] == modes
    a_mailbox(store)
    with store.reading() as session:
        session.execute(text("SELECT 1 FROM mailbox"))
        assert {0o600} == {path.stat().st_mode & 0o777 for path in store.path.parent.iterdir()}


def test_a_new_store_replaces_no_file(store: Store) -> None:
    with pytest.raises(StoreError, match="a file exists"):
        create_store(store.path)


def test_a_reader_cannot_write(store: Store, address: bytes) -> None:
    with pytest.raises(StoreReadOnlyError), store.reading() as session:
        session.execute(text("DELETE FROM mailbox"))
    with store.reading() as session:
        assert mailboxes.find(session, address) is not None


def test_a_fault_within_a_transaction_undoes_all_of_it(store: Store) -> None:
    def fail_half_way() -> None:
        with store.writing() as session:
            mailboxes.create_mailbox(
                session, address=os.urandom(20), recipient=b"recipient", verify_key=b"key", opened_day=DAY
            )
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert 0 == rows(store, "mailbox")


def test_a_reader_sees_one_moment(store: Store, address: bytes) -> None:
    with store.reading() as session:
        assert [] == entries.of_mailbox(session, address)
        an_entry(store, address)
        assert [] == entries.of_mailbox(session, address)
    assert 1 == rows(store, "entry")


def test_a_missing_store_is_not_created_again(tmp_path: Path) -> None:
    with pytest.raises(StoreMissingError):
        open_store(tmp_path / "store.db")
    assert not any(tmp_path.iterdir())


def test_a_store_that_vanished_refuses_entries(store: Store, address: bytes) -> None:
    shutil.rmtree(store.path.parent)
    with pytest.raises(StoreMissingError):
        an_entry(store, address)
    with pytest.raises(StoreMissingError), store.reading():
        pass
    assert not store.path.exists()


def test_a_store_restored_from_a_copy_is_the_one_that_is_used(store: Store, address: bytes) -> None:
    store.checkpoint()
    copy = store.path.with_name("copy.db")
    shutil.copy(store.path, copy)
    an_entry(store, address)
    store.close()
    copy.rename(store.path)
    assert 0 == rows(store, "entry")


def test_a_path_that_cannot_be_opened_is_a_missing_store(tmp_path: Path) -> None:
    with pytest.raises(StoreMissingError), SqliteStore(tmp_path).reading() as session:
        session.execute(text("SELECT 1 FROM mailbox"))


@pytest.mark.parametrize("content", [b"not a database" * 500, b"SQLite format 3\0" + bytes(8000)])
def test_a_file_that_is_not_a_store_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(StoreDamagedError):
        open_store(path)


def test_a_damaged_store_is_refused_when_the_damage_is_read(store: Store, address: bytes) -> None:
    an_entry(store, address)
    store.checkpoint()
    store.close()
    size = store.path.stat().st_size
    with store.path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    with pytest.raises(StoreDamagedError), store.reading() as session:
        entries.of_mailbox(session, address)


def test_a_database_without_our_tables_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE other (id INTEGER)")
    with pytest.raises(StoreDamagedError):
        open_store(path)


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist", "memory", "off"])
def test_a_store_with_another_journal_is_refused_until_it_is_upgraded(store: Store, mode: str) -> None:
    store.close()
    with closing(sqlite3.connect(store.path)) as connection:
        assert (mode,) == connection.execute(f"PRAGMA journal_mode={mode}").fetchone()

    with pytest.raises(StoreOutdatedError, match=r"run: steunpunt upgrade$"):
        open_store(store.path)
    with pytest.raises(StoreOutdatedError), store.reading():
        pass
    upgrade_store(store.path)

    assert ["wal", "wal"] == pragma(open_store(store.path), "journal_mode")


@contextmanager
def a_sqlite_without(pragma_name: str) -> Iterator[None]:
    """Let SQLite ignore a pragma, as a library does that was built without it."""

    def ignore(action: int, name: str | None, *_: object) -> int:
        ignored = action == sqlite3.SQLITE_PRAGMA and name == pragma_name
        return sqlite3.SQLITE_IGNORE if ignored else sqlite3.SQLITE_OK

    def connect(*args: Any, **settings: Any) -> sqlite3.Connection:  # noqa: ANN401  # as the driver's
        connection = sqlite3.Connection(*args, **settings)
        connection.set_authorizer(ignore)
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", connect)
        yield


def test_a_sqlite_that_cannot_overwrite_deleted_content_opens_and_makes_no_store(
    store: Store, tmp_path: Path
) -> None:
    store.close()
    with a_sqlite_without("secure_delete"):
        for opens in (lambda: open_store(store.path), lambda: create_store(tmp_path / "new" / "store.db")):
            with pytest.raises(StoreError, match="secure_delete"):
                opens()
        with pytest.raises(StoreError, match="secure_delete"):
            upgrade_store(store.path)


def test_a_disk_that_allows_no_journal_of_our_kind_is_told(store: Store) -> None:
    store.close()
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("PRAGMA journal_mode=delete")

    with a_sqlite_without("journal_mode"), pytest.raises(StoreOutdatedError):
        upgrade_store(store.path)


def test_a_store_that_another_process_writes_to_is_busy(store: Store, address: bytes) -> None:
    patient = SqliteStore(store.path, wait_seconds=0.05)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusyError):
            an_entry(patient, address)
        assert 0 == rows(patient, "entry")
        other.execute("ROLLBACK")
    an_entry(patient, address)
    patient.close()
    assert 1 == rows(store, "entry")


def test_a_thread_waits_for_its_turn_and_no_longer(store: Store, address: bytes) -> None:
    hasty = SqliteStore(store.path, wait_seconds=0.05)
    with hasty.writing(), ThreadPoolExecutor(1) as thread:
        assert isinstance(thread.submit(an_entry, hasty, address).exception(), StoreBusyError)
        assert isinstance(thread.submit(hasty.checkpoint).exception(), StoreBusyError)
    hasty.close()


def test_a_writer_waits_for_another_process(store: Store, address: bytes) -> None:
    with closing(sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(an_entry, store, address)
            time.sleep(0.1)
            other.execute("ROLLBACK")
            waiting.result()
    assert 1 == rows(store, "entry")


def test_only_some_threads_wait_long_for_another_process(
    store: Store, address: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: while the store is rewritten, messages that wait occupy all threads of the source's site."""
    monkeypatch.setattr(opened_store, "_HURRY_SECONDS", 0.01)
    here = open_store(store.path, patient=2)
    with (
        closing(sqlite3.connect(store.path, isolation_level=None)) as other,
        ThreadPoolExecutor(6) as threads,
    ):
        other.execute("BEGIN IMMEDIATE")
        writing = [threads.submit(an_entry, here, address) for _ in range(6)]
        refused = list(itertools.islice(as_completed(writing, timeout=20), 4))
        other.execute("ROLLBACK")
    assert [type(each.exception()) for each in refused] == [StoreBusyError] * 4
    assert 2 == rows(store, "entry")
    an_entry(here, address)
    here.close()


@pytest.mark.skipif(not CAN_MOUNT, reason="only root may mount a disk; the page limit below is met by all")
def test_a_full_disk_is_reported_and_harms_nothing() -> None:
    with a_small_disk("3m") as disk:
        store = create_store(disk / "var" / "store.db")
        address = a_mailbox(store)
        kept = []

        def fill() -> None:
            while True:
                kept.append(an_entry(store, address, payload=os.urandom(60_000)))

        with pytest.raises(StoreFullError):
            fill()
        with store.reading() as session:
            assert kept == [entry.digest for entry in entries.of_mailbox(session, address)]
        with pytest.raises(StoreFullError):
            store.vacuum()
        store.close()


@pytest.mark.skipif(not CAN_MOUNT, reason="only root may mount a disk")
def test_a_read_only_disk_is_reported() -> None:
    with a_small_disk("9m") as disk:
        store = create_store(disk / "var" / "store.db")
        address = a_mailbox(store)
        store.close()
        make_read_only(disk)
        with pytest.raises(StoreReadOnlyError):
            an_entry(store, address)
        store.close()


def test_a_file_that_may_grow_no_more_is_full(store: Store, address: bytes) -> None:
    with store.writing() as session:
        session.execute(text("PRAGMA max_page_count=1"))
    with pytest.raises(StoreFullError):
        [an_entry(store, address, payload=os.urandom(60_000)) for _ in range(100)]


def test_an_error_of_the_driver_without_a_code_is_not_hidden(store: Store) -> None:
    with pytest.raises(sqlite3.Error), translating(store.path):
        raise sqlite3.ProgrammingError
    with pytest.raises(sqlite3.InterfaceError), translating(store.path):
        raise sqlite3.InterfaceError


def test_no_refusal_has_a_value_of_a_row(store: Store) -> None:
    said = []
    for statement in ("INSERT INTO deletion_queue VALUES (:value), (:value)", "SELECT :value FROM nowhere"):
        with pytest.raises(Exception, match=r".") as caught, store.writing() as session:
            session.execute(text(statement), {"value": 987_654_321})
        error: BaseException | None = caught.value
        while error is not None:
            said.append(str(error))
            error = error.__cause__
    assert len(said) > 2
    assert "987654321" not in " ".join(said)


def test_no_statement_is_logged(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    address = a_mailbox(store)
    an_entry(store, address)
    assert repr(address) not in caplog.text


def test_a_checkpoint_reports_whether_the_journal_is_empty(store: Store, address: bytes) -> None:
    an_entry(store, address)
    with store.reading() as session:
        entries.of_mailbox(session, address)
        an_entry(store, address)
        assert not store.checkpoint()
    assert store.checkpoint()
    assert 0 == store.path.with_name("store.db-wal").stat().st_size


def test_a_forked_server_writes_and_so_does_its_parent(store: Store, address: bytes) -> None:
    an_entry(store, address)
    other = multiprocessing.get_context("fork").Process(target=an_entry, args=(store, address))
    other.start()
    other.join()
    an_entry(store, address)
    assert (0, 3) == (other.exitcode, rows(store, "entry"))


def test_no_connection_is_carried_into_a_fork(store: Store, address: bytes) -> None:
    an_entry(store, address)

    def open_files() -> None:
        files = [file.readlink() for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
        os._exit(sum(file.parent == store.path.parent for file in files))

    other = multiprocessing.get_context("fork").Process(target=open_files)
    other.start()
    other.join()
    assert 0 == other.exitcode


def test_a_store_that_was_garbage_collected_does_not_hinder_a_fork(store: Store) -> None:
    forgotten = SqliteStore(store.path)
    del forgotten
    other = multiprocessing.get_context("fork").Process(target=int)
    other.start()
    other.join()
    assert 0 == other.exitcode


def test_an_engine_of_another_driver_is_refused() -> None:
    class Other:
        def __getattr__(self, name: str) -> object:
            return lambda *_: None

    engine = create_engine("sqlite://", creator=Other, poolclass=StaticPool, _initialize=False)
    with engine.connect() as connection, pytest.raises(TypeError):
        _driver(connection)


def test_every_refusal_is_a_store_error() -> None:
    kinds = [StoreBusyError, StoreDamagedError, StoreFullError, StoreMissingError, StoreReadOnlyError]
    assert all(issubclass(kind, StoreError) for kind in kinds)


def test_a_value_of_another_type_than_its_column_is_read_as_an_impossible_one(
    store: Store, address: bytes
) -> None:
    """SQLite stores any type in any column. A reader refuses such a value instead of failing on it."""
    an_entry(store, address)
    with closing(sqlite3.connect(store.path)) as other, other:
        other.execute("UPDATE entry SET envelope = 'a text', signature = 1000000000000, day = 'no day'")

    with store.reading() as session:
        (entry,) = entries.of_mailbox(session, address)

    assert (b"", b"", date.min) == (entry.envelope, entry.signature, entry.day)
