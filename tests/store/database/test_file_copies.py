"""A copy of a store is complete, private and without remnants, and replaces a store in one step."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from store import cleanup, entries
from store.database import file_copies
from store.database.engine import Store, open_store
from store.database.file_copies import put_in_place, refuse_other_rows, refuse_store_in_use, write_copy
from store.dialect import disk_room
from store.errors import StoreBusyError, StoreError, StoreFullError, StoreJournalError
from tests.store.factories import NOW, a_mailbox, an_entry, an_upload, destroy, rows
from tests.stores import killed_after


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


def test_a_copy_has_the_rows_of_one_moment_and_no_free_page(
    store: Store, address: bytes, tmp_path: Path
) -> None:
    kept, swept, queued = (an_entry(store, address, payload=b"canary" * 900) for _ in range(3))
    destroy(store, address, swept)
    cleanup.destroy_deleted(store, NOW)
    destroy(store, address, queued)
    an_upload(store, address, os.urandom(16), half_hour=NOW - 49)
    copy = tmp_path / "copy.db"

    cleanup.copy_store(store.path, copy, NOW)

    assert ["copy.db"] == [path.name for path in tmp_path.glob("copy.db*")]
    assert 0o600 == copy.stat().st_mode & 0o777
    assert 900 == copy.read_bytes().count(b"canary")
    with closing(open_store(copy)) as copied:
        assert (0, 0) == (rows(copied, "deletion_queue"), rows(copied, "attachment"))
        with copied.reading() as session:
            entry = entries.find_digest(session, address, kept)
            assert entry is not None
            assert entry.payload == b"canary" * 900
    assert 1 == rows(store, "attachment")


def test_no_journal_of_the_store_fits_a_copy_even_of_the_same_moment(
    store: Store, address: bytes, tmp_path: Path
) -> None:
    an_entry(store, address)
    store.settle()
    copy = tmp_path / "copy.db"
    cleanup.copy_store(store.path, copy, NOW)
    store.close()
    killed_after(lambda: an_entry(store, address))
    copy.replace(store.path)

    with pytest.raises(StoreJournalError):
        open_store(store.path)


def test_copying_shows_how_many_bytes_are_copied(
    store: Store, address: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_copies, "_STEPS", 1)
    an_entry(store, address)
    shown: list[tuple[int, int]] = []

    write_copy(store.path, tmp_path / "copy.db", lambda *bar: shown.append(bar))

    (total,) = {total for _, total in shown}
    assert len(shown) > 2
    assert sorted(shown) == shown
    assert (total, total) == shown[-1]
    assert total > 4096


def test_a_person_can_stop_the_copying(
    store: Store, address: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_copies, "_STEPS", 1)
    an_entry(store, address)

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_copy(store.path, tmp_path / "copy.db", stop)


def test_a_copy_replaces_no_file(store: Store) -> None:
    with pytest.raises(FileExistsError):
        write_copy(store.path, store.path)
    assert rows(store, "usage")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE sealed SET payload = zeroblob(length(payload))",
        "UPDATE entry SET day = '2020-02-02'",
        "DELETE FROM entry",
        "INSERT INTO deletion_queue VALUES (7)",
        "DELETE FROM alembic_version",
        "DROP TABLE entry",
    ],
)
def test_a_copy_with_other_rows_than_the_store_is_refused(
    store: Store, address: bytes, tmp_path: Path, damage: str
) -> None:
    an_entry(store, address)
    copy = tmp_path / "copy.db"
    write_copy(store.path, copy)
    refuse_other_rows(store.path, copy)
    with closing(sqlite3.connect(copy)) as copied, copied:
        copied.execute(damage)

    with pytest.raises(StoreError):
        refuse_other_rows(store.path, copy)


def test_a_disk_without_room_for_a_copy_is_reported(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        disk_room, "os", SimpleNamespace(statvfs=lambda _: SimpleNamespace(f_bavail=1, f_frsize=4096))
    )

    with pytest.raises(StoreFullError):
        write_copy(store.path, tmp_path / "copy.db")


def test_a_store_in_use_is_told_from_others(store: Store, address: bytes, tmp_path: Path) -> None:
    an_entry(store, address)
    with pytest.raises(StoreBusyError):
        refuse_store_in_use(store.path)

    store.close()
    refuse_store_in_use(store.path)
    refuse_store_in_use(tmp_path / "missing.db")
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"this is not a store" * 1000)
    refuse_store_in_use(damaged)


def test_the_old_store_is_gone_with_its_journal(store: Store) -> None:
    a_mailbox(store)
    copy = store.path.with_name("copy.db")
    cleanup.copy_store(store.path, copy, NOW)
    store.close()
    killed_after(lambda: a_mailbox(store))

    put_in_place(copy, store.path)

    assert [store.path] == list(store.path.parent.iterdir())
    assert 1 == rows(store, "mailbox")


def test_a_crash_before_the_old_journal_is_gone_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_mailbox(store)
    copy = store.path.with_name("copy.db")
    cleanup.copy_store(store.path, copy, NOW)
    whole = copy.read_bytes()
    store.close()
    killed_after(lambda: a_mailbox(store))

    def crash(_: Path) -> Path:
        raise SystemExit

    monkeypatch.setattr(file_copies, "journal_of", crash)
    with pytest.raises(SystemExit):
        put_in_place(copy, store.path)

    with pytest.raises(StoreJournalError):
        open_store(store.path)
    assert whole == store.path.read_bytes()
    with closing(sqlite3.connect(f"file:{store.path}?immutable=1", uri=True)) as raw:
        assert (1,) == raw.execute("SELECT count(*) FROM mailbox").fetchone()
