"""A journal is used only with the file that it belongs to, and a program that ends leaves none behind."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from store import cleanup, entries
from store.database.engine import Store, open_store
from store.dialect import own_journal
from store.dialect.own_journal import journal_of
from store.dialect.sqlite import SqliteStore
from store.errors import StoreError, StoreJournalError
from tests.store.factories import a_mailbox, an_entry
from tests.stores import an_empty_store, killed_after


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


def copy_file(store: Store, copy: Path) -> None:
    store.settle()
    shutil.copyfile(store.path, copy)


def copy_online(store: Store, copy: Path) -> None:
    with closing(sqlite3.connect(store.path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def copy_of_another_desk(_: Store, copy: Path) -> None:
    other = an_empty_store(copy.parent / "other" / "store.db")
    a_mailbox(other)
    copy_file(other, copy)


@pytest.mark.parametrize("copy_to", [copy_file, copy_online, copy_of_another_desk])
@pytest.mark.parametrize("rewritten", [False, True])
def test_a_backup_under_a_journal_that_was_left_over_is_refused_and_stays_as_it_was(
    store: Store, address: bytes, tmp_path: Path, copy_to: Callable[[Store, Path], None], *, rewritten: bool
) -> None:
    an_entry(store, address)
    backup = tmp_path / "backup.db"
    copy_to(store, backup)
    if rewritten:
        cleanup.rewrite_store(store)  # the same rows in other places, without another transaction
    else:
        an_entry(store, address)
    store.settle()
    killed_after(lambda: an_entry(store, address))
    assert journal_of(store.path).stat().st_size
    shutil.copyfile(backup, store.path)

    for _ in range(2):
        with pytest.raises(StoreJournalError, match="move the files whose names end in -wal and -shm"):
            open_store(store.path)
        with pytest.raises(StoreJournalError), store.writing():  # a program that was still running
            pass
    assert backup.read_bytes() == store.path.read_bytes()

    for name in ("-wal", "-shm"):
        Path(f"{store.path}{name}").rename(tmp_path / name)
    with closing(open_store(store.path)) as restored, restored.reading() as session:
        entries.of_mailbox(session, address)


def half_moved(store: Store, address: bytes) -> None:
    """Leave a journal of which only a part is in the file, because a reader needed the older state."""
    an_entry(store, address)
    with store.reading() as session:
        entries.of_mailbox(session, address)
        an_entry(store, address)
        store.checkpoint()


def begun_again(store: Store, address: bytes) -> None:
    """Leave a journal that SQLite began again, with remains of the earlier one at its end."""
    an_entry(store, address, payload=bytes(500_000))
    with closing(sqlite3.connect(store.path)) as other:
        other.execute("PRAGMA wal_checkpoint(PASSIVE)")
    an_entry(store, address)


@pytest.mark.parametrize(
    "work",
    [
        an_entry,
        half_moved,
        begun_again,
        lambda store, _: store.vacuum(),
        lambda store, _: store.checkpoint(),
        lambda store, address: (store.vacuum(), an_entry(store, address)),
    ],
)
def test_a_program_that_was_killed_leaves_a_journal_that_the_next_one_uses(
    store: Store, address: bytes, work: Callable[[Store, bytes], object]
) -> None:
    an_entry(store, address)
    killed_after(lambda: work(store, address))
    assert journal_of(store.path).exists()

    with closing(open_store(store.path)) as again, again.reading() as session:
        assert entries.of_mailbox(session, address)
        assert "ok" == session.connection().exec_driver_sql("PRAGMA integrity_check").scalar_one()


def test_a_journal_that_was_cut_off_still_belongs_to_its_file(store: Store, address: bytes) -> None:
    killed_after(lambda: an_entry(store, address))
    journal = journal_of(store.path)
    whole = journal.read_bytes()
    for size in (0, 10, 32, 50, 60, 1000, len(whole) - 100):
        journal.write_bytes(whole[:size])
        own_journal.refuse_foreign_journal(store.path)


@pytest.mark.parametrize("torn", [0, 24, 32 + 16, 32 + 24 + 60, 32 + 24 + 4000])
def test_a_first_transaction_that_a_power_cut_tore_is_not_used(
    store: Store, address: bytes, torn: int
) -> None:
    """The sectors of the journal reach the disk in any order, so old numbers can stay in its first page."""
    killed_after(lambda: an_entry(store, address))
    journal = journal_of(store.path)
    raw = bytearray(journal.read_bytes())
    for at in (32 + 24 + 60, 32 + 24 + 68):
        raw[at] ^= 1
    raw[torn + 3] ^= 1
    journal.write_bytes(raw)

    with closing(open_store(store.path)) as again, again.reading() as session:
        assert not entries.of_mailbox(session, address)


def test_a_file_that_is_still_too_short_is_filled_from_its_journal(store: Store, address: bytes) -> None:
    killed_after(lambda: an_entry(store, address, payload=bytes(500_000)))
    first_page = journal_of(store.path).read_bytes()[32 + 24 :][:4096]
    with store.path.open("r+b") as file:
        file.write(first_page)

    with closing(open_store(store.path)) as again, again.reading() as session:
        assert 1 == len(entries.of_mailbox(session, address))


def test_no_program_is_refused_while_others_write(store: Store, address: bytes) -> None:
    """Between the two looks of the check, another program moves the journal into the file."""

    def write() -> None:
        for _ in range(60):
            an_entry(store, address, payload=bytes(300_000), durable=False)

    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(write)
        checks = 0
        while not writing.done():
            own_journal.refuse_foreign_journal(store.path)
            checks += 1
        writing.result()
    assert checks


def test_a_journal_that_never_stands_still_is_in_use(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter(range(1, 100))
    monkeypatch.setattr(own_journal, "_numbers_in", lambda _: ({next(seen)}, 0))
    monkeypatch.setattr(own_journal, "_number_of", lambda _: 0)

    own_journal.refuse_foreign_journal(store.path)


def test_a_change_gives_the_store_another_number_and_a_look_does_not(store: Store) -> None:
    def number() -> object:
        with store.reading() as session:
            return session.connection().exec_driver_sql("PRAGMA user_version").scalar_one()

    a_mailbox(store)
    first = number()
    with store.writing():
        pass
    assert first == number()
    a_mailbox(store)
    assert first != number()


def test_a_store_that_is_settled_has_no_journal(store: Store, address: bytes) -> None:
    an_entry(store, address)
    assert journal_of(store.path).exists()

    store.settle()

    assert ["store.db"] == [path.name for path in store.path.parent.iterdir()]


def test_the_journal_stays_while_another_program_uses_the_store(
    store: Store, address: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.dialect.sqlite._SETTLE_SECONDS", 0)
    other = open_store(store.path)
    an_entry(other, address)

    store.settle()

    assert journal_of(store.path).exists()
    other.settle()
    assert not journal_of(store.path).exists()


def test_a_store_that_cannot_be_settled_hinders_no_stop(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Store) -> bool:
        raise StoreError

    monkeypatch.setattr(SqliteStore, "checkpoint", fail)

    store.settle()


@pytest.mark.parametrize("ending", ["", "raise SystemExit(1)", "raise ValueError"])
def test_a_command_that_forgets_to_close_the_store_leaves_no_journal(store: Store, ending: str) -> None:
    a_mailbox(store)
    store.close()
    code = f"""
from pathlib import Path
from store import mailboxes
from store.database.engine import open_store
store = open_store(Path({str(store.path)!r}))
with store.writing() as session:
    mailboxes.all_addresses(session)
with store.reading() as session:
    mailboxes.all_addresses(session)
{ending}
"""
    subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)

    assert ["store.db"] == [path.name for path in store.path.parent.iterdir()]
