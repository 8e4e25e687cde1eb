"""PostgreSQL beside SQLite in `bench/`: databases that are filled are sound, and the measures run."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from bench import desk_servers, fill
from bench.bench_setup import BenchSetup
from bench.databases.cluster import Cluster
from bench.databases.database_desks import move_to_database, postgresql_on_disk
from bench.measures import database_measures, source_measures
from bench.run import new_setup
from stored_mailbox.whole_store import verify_store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with postgresql_on_disk() as started:
        yield started


def test_a_database_is_filled_with_sound_mailboxes(cluster: Cluster, tmp_path: Path) -> None:
    desk = desk_servers.set_up(tmp_path)
    author, strands = fill.desk_author(desk), fill.read_letterhead(desk).strand_keys
    move_to_database(desk.settings, cluster)

    addresses = fill.add_mailboxes(desk, 3, 2, 4, author=author)
    store = fill.open_store(desk)
    verdicts = list(verify_store(store, strands))
    with store.reading() as session:
        counted = session.execute(text("SELECT sum(sealed_bytes) FROM usage")).scalar_one()
        stored = session.execute(
            text("SELECT sum(length(header) + length(payload)) FROM sealed")
        ).scalar_one()
    store.close()

    assert sorted(addresses) == [each.address for each in verdicts]
    assert all(each.is_sound and 2 <= each.entries <= 4 for each in verdicts)
    assert counted == stored > 0


def test_a_database_is_filled_with_random_rows(cluster: Cluster, tmp_path: Path) -> None:
    desk = desk_servers.set_up(tmp_path)
    author = fill.desk_author(desk)
    move_to_database(desk.settings, cluster)

    fill.add_random_rows(desk, 50, author=author)
    store = fill.open_store(desk)
    with store.reading() as session:
        rows = session.execute(
            text(
                "SELECT count(*), count(DISTINCT entry.id), count(DISTINCT address), sum(length(shield))"
                " FROM entry JOIN sealed ON sealed.id = entry.id"
            )
        ).one()
    store.close()

    assert (50, 50, 5, 0) == tuple(rows)


def test_both_databases_are_measured_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two clients post for three seconds, so the figures say nothing."""
    monkeypatch.setattr(BenchSetup, "turns", lambda _self, _whole: 2)
    monkeypatch.setattr(BenchSetup, "seconds", lambda _self, _whole: 3.0)
    monkeypatch.setattr(source_measures, "CLIENTS", 2)
    with new_setup(quick=True) as setup:
        durability, *rows = database_measures.beside_each_other(setup)

    assert "fsync on, synchronous_commit on, full_page_writes on" in durability.measured
    assert "synchronous 2" in durability.baseline  # FULL
    assert 4 == len(rows)
    assert all(
        re.match(r"[1-9]", row.measured) and re.match(r"[1-9].*, SQLite", row.baseline) for row in rows
    )
    assert all(float(row.ratio) > 0 for row in rows)
    assert any("0 wrong" in row.measured for row in rows)
