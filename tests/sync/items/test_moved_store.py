"""The server's store moves to the other database and back, and no workstation notices."""

import os
from dataclasses import replace
from pathlib import Path

from store import cleanup
from store.database.engine import ServerPlace, open_store
from tests.journalist_app.desk_factories import ASource, a_source
from tests.postgresql_cluster import the_cluster
from tests.sync.ends import HALF_HOUR, Ends, Workstation, all_of


def moves(ends: Ends, to: Path | ServerPlace) -> None:
    """Copy the server's store to another place, and go on there."""
    store = ends.world.store
    place = store.path if store.path.is_file() else ServerPlace(store._url, store.path)  # type: ignore[attr-defined]  # of a server
    store.close()
    cleanup.copy_to_place(place, to, HALF_HOUR, lambda *_: None)
    moved = open_store(to)
    ends.opened.append(moved)
    ends.world.store = moved
    ends.server = replace(ends.server, store=moved, letterhead=lambda: ends.newest_letterhead(moved))


def asserts_that_nothing_is_sent(ends: Ends, workstation: Workstation) -> None:
    again = ends.sync(workstation)

    assert (1, 0, False) == (ends.questions, again.received, ends.notes_restored_server(workstation))
    assert 0 == ends.left(ends.world.store, workstation.keyring.strand.id)
    assert all_of(workstation.replica) == all_of(ends.world.store)


def writes_on_both_sides(source: ASource, workstation: Workstation, word: str) -> None:
    source.writes(word, file=(f"{word}.jpg", os.urandom(2_500_000)))
    workstation.writes_record(b"casefile", word)


def test_workstations_notice_nothing_when_the_store_moves_and_comes_back(ends: Ends, tmp_path: Path) -> None:
    database = the_cluster().a_database()
    workstation, source = ends.workstation(), a_source(ends.world)
    writes_on_both_sides(source, workstation, "before")
    ends.sync(workstation)

    moves(ends, ServerPlace(the_cluster().url(database), tmp_path))
    asserts_that_nothing_is_sent(ends, workstation)
    writes_on_both_sides(source, workstation, "there")
    ends.sync(workstation)
    asserts_that_nothing_is_sent(ends, workstation)

    writes_on_both_sides(source, workstation, "waits for the sync during the move")
    moves(ends, tmp_path / "back.db")
    assert 0 < ends.sync(workstation).received
    asserts_that_nothing_is_sent(ends, workstation)

    the_cluster().drop(database)
