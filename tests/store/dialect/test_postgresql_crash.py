"""A server that is killed and started again has each acknowledged entry, and the store connects by itself."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from store import entries
from store.database.engine import ServerPlace, create_store
from store.dialect.postgresql_rewrite import rewrite_rows
from store.errors import StoreError, StoreUnreachableError
from tests.postgresql_cluster import Cluster, start_cluster
from tests.store.factories import a_mailbox, an_entry, rows

_CRASHES, _ENTRIES = 2, 20


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Return a cluster of its own, because other tests need theirs."""
    started = start_cluster()
    yield started
    started.stop()


def test_a_server_that_is_killed_loses_nothing_that_was_acknowledged(
    cluster: Cluster, tmp_path: Path
) -> None:
    place = ServerPlace(cluster.url(cluster.a_database()), tmp_path / "store.db")
    acknowledged: list[bytes] = []

    def write_until_it_fails() -> None:
        while True:
            acknowledged.append(an_entry(store, address, number=len(acknowledged) + 1))

    with closing(create_store(place)) as store, ThreadPoolExecutor(1) as thread:
        address = a_mailbox(store)
        for crash in range(1, _CRASHES + 1):
            writing = thread.submit(write_until_it_fails)
            while len(acknowledged) < crash * _ENTRIES and not writing.done():
                time.sleep(0.01)
            cluster.kill()
            assert isinstance(writing.exception(timeout=60), StoreUnreachableError)
            with pytest.raises(StoreUnreachableError):
                an_entry(store, address)
            cluster.start()
        with store.reading() as session:
            stored = entries.digests(session, address)
        an_entry(store, address)
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored)) <= len(acknowledged) + _CRASHES  # perhaps the one that was cut off


def test_a_server_that_is_killed_during_a_rewrite_has_all_rows(cluster: Cluster, tmp_path: Path) -> None:
    """The rewrite empties all tables before it fills them again."""
    place = ServerPlace(cluster.url(cluster.a_database()), tmp_path / "store.db")
    with closing(create_store(place)) as store:
        address = a_mailbox(store)
        digests = {an_entry(store, address) for _ in range(20)}
        other = psycopg.connect(place.url)
        rewrite_rows(other, 30)  # type: ignore[arg-type]  # another driver's execute
        cluster.run("CHECKPOINT")  # all that was written so far is in the files
        cluster.kill()
        other.close()
        cluster.start()
        with store.reading() as session:
            found = entries.of_mailbox(session, address)
        assert digests == {entry.digest for entry in found}
        assert all(entry.payload for entry in found)
        store.vacuum()
        assert 20 == rows(store, "entry") == rows(store, "sealed")


def test_a_server_that_keeps_the_time_of_each_message_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    """Attack: with the number of its transaction, each row then tells when it arrived, to the microsecond."""
    cluster.run("ALTER SYSTEM SET track_commit_timestamp = on")
    cluster.kill()  # the setting counts from the next start
    cluster.start()
    with pytest.raises(StoreError, match="track_commit_timestamp"):
        create_store(ServerPlace(cluster.url(cluster.a_database()), tmp_path / "store.db"))
