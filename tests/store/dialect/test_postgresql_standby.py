"""A commit counts only if a standby has the commit, and no request waits long for a server that is silent."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from store import entries
from store.database.engine import ServerPlace, Store, create_store
from store.dialect.postgresql import PostgresqlStore, _Driver
from store.errors import StoreUnreachableError
from tests.postgresql_cluster import Cluster, a_setting_of_the_server, frozen, start_cluster, the_cluster
from tests.store.factories import a_mailbox, an_entry, rows

_WAITING = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture
def store(postgresql_store: Store) -> Store:
    return postgresql_store


def impatient(store: Store) -> PostgresqlStore:
    """Open a store as the source's site does, with less patience."""
    assert isinstance(store, PostgresqlStore)
    return PostgresqlStore(ServerPlace(store._url, store.path), wait_seconds=0.1, answer_seconds=0.5)


@contextmanager
def no_standby() -> Iterator[None]:
    """Let the server wait for a standby that does not exist."""
    with a_setting_of_the_server(the_cluster(), "synchronous_standby_names", "missing"):
        yield
        the_cluster().run(f"SELECT pg_terminate_backend(pid) {_WAITING}")


def test_a_commit_that_no_standby_has_is_not_acknowledged(store: Store, address: bytes) -> None:
    """Strict mode: without a standby, PostgreSQL itself would wait forever."""
    with no_standby(), closing(impatient(store)) as site:
        before = time.monotonic()
        with pytest.raises(StoreUnreachableError):
            an_entry(site, address)
        assert time.monotonic() - before < 5
    an_entry(store, address)


def test_a_commit_whose_wait_was_cancelled_is_not_acknowledged(store: Store, address: bytes) -> None:
    """PostgreSQL then only warns, and reports success. `statement_timeout` does the same."""
    told = []

    def write() -> None:
        with pytest.raises(StoreUnreachableError):
            an_entry(store, address)
        told.append(True)

    with no_standby():
        writer = threading.Thread(target=write)
        writer.start()
        while not the_cluster().run(f"SELECT 1 {_WAITING}"):
            time.sleep(0.01)
        the_cluster().run(f"SELECT pg_cancel_backend(pid) {_WAITING}")
        writer.join()
    assert told


def test_a_frozen_server_is_left_and_used_again_when_it_goes_on(tmp_path: Path) -> None:
    cluster = start_cluster()
    try:
        place = ServerPlace(cluster.url(cluster.a_database()), tmp_path / "store.db")
        with closing(create_store(place)) as store, closing(impatient(store)) as site:
            address = a_mailbox(store)
            an_entry(site, address)
            with frozen(cluster):
                before = time.monotonic()
                with pytest.raises(StoreUnreachableError), site.reading() as session:
                    entries.digests(session, address)
                with pytest.raises(StoreUnreachableError):
                    an_entry(site, address)
                assert time.monotonic() - before < 15  # four attempts of at most three seconds to connect
            an_entry(site, address)
            assert 2 == rows(store, "entry")
    finally:
        cluster.stop()


def test_a_program_without_a_limit_leaves_a_frozen_server_and_waits_for_a_slow_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Driver, "silence", 0.3)
    cluster = start_cluster()
    try:
        place = ServerPlace(cluster.url(cluster.a_database()), tmp_path / "store.db")
        with closing(create_store(place)) as store:
            address = a_mailbox(store)
            with store.reading() as session:  # the server answers new connections
                session.info["driver"].execute("SELECT pg_sleep(1)")
            before = time.monotonic()
            with ExitStack() as until_told, pytest.raises(StoreUnreachableError):
                _reads_while_it_freezes(store, address, cluster, until_told)
            assert time.monotonic() - before < 15
            an_entry(store, address)
            assert 1 == rows(store, "entry")
    finally:
        cluster.stop()


def _reads_while_it_freezes(store: Store, address: bytes, cluster: Cluster, until: ExitStack) -> None:
    with store.writing() as session:
        until.enter_context(frozen(cluster))
        entries.digests(session, address)


def test_a_writer_that_loses_its_server_ends_the_connections_of_readers(store: Store) -> None:
    """They may lead to a frozen server that continues, and shows what another server deleted."""

    def server_process(*, writing: bool) -> int:
        with store.writing() if writing else store.reading() as session:
            return int(session.info["driver"].info.backend_pid)

    before = server_process(writing=False)
    the_cluster().run(f"SELECT pg_terminate_backend({server_process(writing=True)})")
    server_process(writing=True)
    assert before != server_process(writing=False)


def test_a_standby_is_no_store(store: Store) -> None:
    """A standby may show what was deleted a moment ago, and can store nothing."""
    database = store._url.split("/")[3].partition("?")[0]  # type: ignore[attr-defined]  # of a store on a server
    store.close()
    the_cluster().run(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    with pytest.raises(StoreUnreachableError), store.reading():
        pass
    the_cluster().run(f"ALTER DATABASE {database} RESET default_transaction_read_only")
    assert 0 == rows(store, "entry")
