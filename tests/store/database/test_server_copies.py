"""A backup of a database is a file with the same rows, as they were at one moment."""

import os
from pathlib import Path

import pytest
from sqlalchemy import text

from store import cleanup
from store.database import server_copies
from store.database.damaged_rows import count_damaged
from store.database.engine import (
    ServerPlace,
    Store,
    create_roles,
    create_store,
    inspect_place,
    open_store,
    refuse_full,
)
from store.database.schema import Base
from store.database.server_copies import refuse_other_rows_of, write_copy_of
from store.errors import StoreBusyError, StoreError, StoreFullError, StoreNotEmptyError
from tests.postgresql_cluster import place_of, the_cluster
from tests.store.factories import NOW, a_mailbox, a_record, an_entry, an_upload, on_postgresql, rows, usage

pytestmark = on_postgresql


@pytest.fixture
def place(store: Store) -> ServerPlace:
    """Return the place of a store for the role `backup`, with content that waits for its destruction."""
    for _ in range(3):
        a_message_with_a_file(store)
    a_record(store, b"name", b"sealed" * 5)
    create_roles(ServerPlace(the_cluster().url(_name(store)), store.path))
    return place_of(store, "backup")


def a_message_with_a_file(store: Store) -> None:
    address, entry_id = a_mailbox(store), os.urandom(16)
    upload = an_upload(store, address, entry_id, [os.urandom(30_000)] * 7)
    an_entry(store, address, entry_id=entry_id, attachment_ids=[upload])


def _name(store: Store) -> str:
    return place_of(store, "").url.split("/")[3].partition("?")[0]


def contents(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of each table, without their shields, and without those of `usage`."""
    found = {}
    with store.reading() as session:
        for table in Base.metadata.sorted_tables:
            columns = [each for each in table.columns if each.name != "shield"]
            query = table.select().with_only_columns(*columns)
            found[table.name] = sorted(tuple(row) for row in session.execute(query))
    del found["usage"]
    return found


def test_a_copy_has_each_row_and_is_a_store(store: Store, place: ServerPlace, tmp_path: Path) -> None:
    shown: list[tuple[int, int]] = []

    cleanup.copy_store(place, tmp_path / "copy", NOW, lambda *pair: shown.append(pair))

    assert ["copy"] == [path.name for path in tmp_path.iterdir() if path.is_file()]
    copy = open_store(tmp_path / "copy")
    assert contents(store) == contents(copy)
    assert usage(store) == usage(copy)
    assert 0o600 == (tmp_path / "copy").stat().st_mode & 0o777
    assert shown[-1][0] == shown[-1][1] > 0
    assert sorted(done for done, _ in shown) == [done for done, _ in shown]
    refuse_other_rows_of(place, tmp_path / "copy")
    copy.close()


def test_a_copy_is_of_one_moment_while_others_write(store: Store, place: ServerPlace, tmp_path: Path) -> None:
    before = contents(store)
    written: list[int] = []

    def write(_done: int, _total: int) -> None:
        if not written:
            a_message_with_a_file(store)
            written.append(rows(store, "entry"))

    write_copy_of(place, tmp_path / "copy", write)

    copy = open_store(tmp_path / "copy")
    assert [4] == written
    assert before == contents(copy)
    with copy.reading() as session:
        assert not count_damaged(session)
    copy.close()


def test_a_copy_that_differs_by_one_byte_is_noticed(place: ServerPlace, tmp_path: Path) -> None:
    write_copy_of(place, tmp_path / "copy")
    copy = open_store(tmp_path / "copy")
    with copy.writing() as session:
        session.execute(text("UPDATE entry SET envelope = x'00' WHERE id = (SELECT max(id) FROM entry)"))
    copy.settle()

    with pytest.raises(StoreError, match="differs from the store"):
        refuse_other_rows_of(place, tmp_path / "copy")


def test_a_disk_without_room_gets_no_copy(
    place: ServerPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_copies, "free_on_disk", lambda _path: 1000)

    with pytest.raises(StoreFullError):
        write_copy_of(place, tmp_path / "copy")


def test_the_role_of_the_source_makes_no_copy_without_the_rows_that_it_cannot_see(
    store: Store, place: ServerPlace, tmp_path: Path
) -> None:
    assert "backup" in place.url

    with pytest.raises(StoreError, match="sees only single mailboxes"):
        write_copy_of(place_of(store, "source"), tmp_path / "copy")


def test_a_database_is_full_when_it_has_a_store(place: ServerPlace) -> None:
    name = the_cluster().a_database()

    refuse_full(ServerPlace(the_cluster().url(name), place.path))
    with pytest.raises(StoreNotEmptyError):
        refuse_full(place)

    the_cluster().drop(name)


def test_both_kinds_of_stores_tell_their_version(place: ServerPlace, tmp_path: Path) -> None:
    create_store(tmp_path / "var" / "file.db").close()

    assert inspect_place(place) == inspect_place(tmp_path / "var" / "file.db")


def test_a_store_is_not_rewritten_while_it_is_copied(
    store: Store, place: ServerPlace, tmp_path: Path
) -> None:
    refused: list[StoreBusyError] = []

    def rewrite(_done: int, _total: int) -> None:
        if not refused:
            with pytest.raises(StoreBusyError) as why:
                store.vacuum()
            refused.append(why.value)

    write_copy_of(place, tmp_path / "copy", rewrite)

    assert "keeps a view of the database open" in str(refused[0])
    store.vacuum()
