"""A database is swept by one server at a time, and is rewritten within half an hour after a deletion."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.sweeping import server_cleanup
from deploy.sweeping.server_cleanup import StoreSweeper, sweep_now
from store.database.engine import Store
from store.errors import StoreBusyError
from tests.store.factories import a_mailbox, an_entry, destroy, opened_again
from tests.stores import an_empty_store

NOON = datetime(2026, 11, 30, 12, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path, _on_database: None) -> Iterator[Store]:
    made = an_empty_store(tmp_path / "var" / "store.db")
    yield made
    made.close()


def deletes(store: Store) -> None:
    address = a_mailbox(store)
    destroy(store, address, an_entry(store, address))


def file_of(store: Store) -> object:
    """Return the number of the file with the ciphertext, which changes with each rewrite."""
    with store.reading() as session:
        return session.info["driver"].execute("SELECT pg_relation_filenode('sealed')").fetchall()


@pytest.mark.databases("postgresql")
def test_deleted_content_leaves_the_files_of_a_database_within_half_an_hour(store: Store) -> None:
    sweeper, seen = StoreSweeper(store), [file_of(store)]

    for minutes in (0, 20, 30):  # half hours begin at 12:00 and 12:30
        deletes(store)
        now = NOON + timedelta(minutes=minutes)
        assert 1 == sweeper.sweep_once(now)
        sweeper.rewrite_soon(now)
        seen.append(file_of(store))
    sweeper.rewrite_soon(NOON + timedelta(hours=1))

    assert seen[0] != seen[1] == seen[2] != seen[3] == file_of(store)


@pytest.mark.databases("postgresql")
def test_a_database_whose_rewrite_takes_long_is_rewritten_only_at_night(store: Store) -> None:
    sweeper, before = StoreSweeper(store), file_of(store)
    sweeper._rewrite_seconds = 11.0
    deletes(store)
    sweeper.sweep_once(NOON)

    sweeper.rewrite_soon(NOON)

    assert before == file_of(store)
    sweeper.tidy()
    assert before != file_of(store)


@pytest.mark.databases("sqlite")
def test_a_file_is_rewritten_only_at_night(store: Store) -> None:
    sweeper, before = StoreSweeper(store), store.path.read_bytes()
    deletes(store)
    sweeper.sweep_once(NOON)
    swept = store.path.read_bytes()

    sweeper.rewrite_soon(NOON)

    assert before != swept == store.path.read_bytes()


@pytest.mark.databases("postgresql")
def test_one_server_sweeps_a_database_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_cleanup, "_WAIT_SECONDS", 0.2)
    other = opened_again(store)
    with store.sweeping() as is_alone, other.sweeping() as is_alone_too:
        assert (True, False) == (is_alone, is_alone_too)
        with pytest.raises(StoreBusyError, match="a sweeper works in the store"):
            sweep_now(StoreSweeper(other), lambda _: None, lambda _done, _total: None)

    with other.sweeping() as is_alone:
        assert is_alone
    other.close()


@pytest.mark.databases("postgresql")
def test_the_command_waits_until_the_sweeper_is_ready(store: Store) -> None:
    other, is_swept = opened_again(store), threading.Event()

    def sweep() -> None:
        sweep_now(StoreSweeper(other), lambda _: None, lambda _done, _total: None)
        is_swept.set()

    command = threading.Thread(target=sweep)
    with store.sweeping():
        command.start()
        assert not is_swept.wait(0.5)
    command.join()
    assert is_swept.is_set()
    other.close()


@pytest.mark.databases("sqlite")
def test_the_sweeper_of_a_file_never_waits_for_another(store: Store) -> None:
    with store.sweeping() as first, store.sweeping() as second:
        assert first
        assert second
