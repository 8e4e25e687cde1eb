"""Room for files on a small disk: an upload that was refused takes no room for good."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from store import attachments, cleanup
from store.attachments import ChunkWriter
from store.database.engine import Store
from store.dialect import disk_room
from store.errors import QuotaError, StoreFullError, StoreReadOnlyError
from store.quota import Quota
from tests.small_disk import CAN_MOUNT, a_small_disk, make_read_only
from tests.store.factories import NOW, a_mailbox, an_entry, an_upload, destroy, rows
from tests.stores import an_empty_store


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


MIB = 1024 * 1024
RESERVE = 20 * MIB
QUOTA = Quota(mailbox_bytes=10**12, store_bytes=10**12, reserve_bytes=RESERVE)
BYTES = 100 * MIB


class PretendedDisk:
    """Disk of `BYTES` that holds only the files of one folder, as `os.statvfs` reports it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.other_bytes = folder, 0
        monkeypatch.setattr(disk_room, "os", SimpleNamespace(statvfs=self.statvfs))

    def statvfs(self, _: Path) -> SimpleNamespace:
        used = sum(path.stat().st_size for path in self.folder.iterdir()) + self.other_bytes
        return SimpleNamespace(f_bavail=(BYTES - used) // 4096, f_frsize=4096)

    @property
    def free(self) -> int:
        return disk_room.free_on_disk(self.folder)


@pytest.fixture
def disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> PretendedDisk:
    return PretendedDisk(store.path.parent, monkeypatch)


def upload(store: Store, address: bytes, size: int, quota: Quota = QUOTA) -> bool:
    """Upload a file. If the store refuses it, give it up as the source's interface does, and return False."""
    entry_id, attachment_id = os.urandom(16), os.urandom(16)
    with store.writing(durable=False) as session:
        attachments.begin_upload(
            session,
            address=address,
            entry_id=entry_id,
            attachment_id=attachment_id,
            header=bytes(200),
            half_hour=NOW,
        )
    writer = ChunkWriter(store, address, attachment_id, quota)
    try:
        for _ in range(0, size, 500_000):
            writer.add(bytes(500_000))
        writer.finish()
    except QuotaError:
        with store.writing(durable=False) as session:
            attachments.abandon_uploads(session, address, entry_id)
        return False
    an_entry(store, address, entry_id=entry_id, attachment_ids=[attachment_id])
    return True


def test_an_upload_that_was_refused_leaves_room_for_the_next_one(
    store: Store, address: bytes, disk: PretendedDisk
) -> None:
    for number in range(3):
        assert not upload(store, address, 2 * BYTES)
        assert disk.free > RESERVE - 6 * MIB  # a journal, and not more
        cleanup.destroy_deleted(store, NOW)
        assert upload(store, address, 2 * MIB)
        assert number + 1 == rows(store, "attachment")


def test_pages_that_are_free_inside_the_store_take_a_file_even_if_other_programs_fill_the_disk(
    store: Store, address: bytes, disk: PretendedDisk
) -> None:
    assert not upload(store, address, 2 * BYTES)
    cleanup.destroy_deleted(store, NOW)
    size = store.path.stat().st_size
    disk.other_bytes = disk.free - 10 * MIB

    assert upload(store, address, 60 * MIB)
    assert not upload(store, address, 60 * MIB)

    store.checkpoint()
    assert size == store.path.stat().st_size
    disk.other_bytes += disk.free - 2 * MIB  # too little for the journal
    assert not upload(store, address, 1000)


def test_files_leave_room_for_the_clean_up_even_without_a_reserve(
    store: Store, address: bytes, disk: PretendedDisk
) -> None:
    assert not upload(store, address, 2 * BYTES, Quota(10**12, 10**12, reserve_bytes=0))

    assert disk.free > 10 * MIB


def test_what_the_journal_will_move_into_the_file_takes_room_too(
    store: Store, address: bytes, disk: PretendedDisk
) -> None:
    """A reader, such as a backup, can keep all changes in the journal for minutes."""
    with store.reading() as session:
        attachments.find(session, address, b"")
        assert not upload(store, address, 2 * BYTES)
        with store.writing() as writing:
            journal = store.path.with_name("store.db-wal").stat().st_size
            growth = writing.info["driver"].execute("PRAGMA page_count").fetchone()[0] * 4096
        assert disk.free - (growth - store.path.stat().st_size) > RESERVE - 6 * MIB
        assert journal > 20 * MIB


def test_the_clean_up_takes_smaller_steps_if_there_is_less_room(
    store: Store, address: bytes, disk: PretendedDisk
) -> None:
    entry_id = os.urandom(16)
    ids = [an_upload(store, address, entry_id, [bytes(MIB)] * 8) for _ in range(2)]
    destroy(store, address, an_entry(store, address, entry_id=entry_id, attachment_ids=ids))
    store.checkpoint()
    disk.other_bytes = disk.free - 3 * MIB
    journals: list[int] = []

    cleanup.destroy_deleted(
        store,
        NOW,
        on_progress=lambda _done, _all: journals.append(store.path.with_name("store.db-wal").stat().st_size),
    )

    assert len(journals) > 16
    assert max(journals) < 3 * MIB
    assert 0 == rows(store, "deletion_queue")


def test_the_nightly_rewrite_needs_no_room_for_free_pages(
    store: Store, address: bytes, disk: PretendedDisk
) -> None:
    upload(store, address, 2 * BYTES)
    cleanup.destroy_deleted(store, NOW)
    disk.other_bytes = disk.free - 5 * MIB

    cleanup.rewrite_store(store)

    assert store.path.stat().st_size < MIB
    upload(store, address, 5 * MIB)
    disk.other_bytes += disk.free - 9 * MIB
    with pytest.raises(StoreFullError):
        cleanup.rewrite_store(store)


@pytest.fixture
def real() -> Iterator[Store]:
    if not CAN_MOUNT:
        pytest.skip("only root may mount a disk; the pretended disk above is met by all")
    with a_small_disk("64m") as folder, closing(an_empty_store(folder / "var" / "store.db")) as store:
        yield store


def test_a_real_small_disk_takes_the_next_upload(real: Store) -> None:
    address = a_mailbox(real)
    quota = Quota(10**12, 10**12, reserve_bytes=0)
    for _ in range(3):
        assert not upload(real, address, BYTES, quota)
        cleanup.destroy_deleted(real, NOW)
        assert upload(real, address, MIB, quota)
    cleanup.rewrite_store(real)


def test_the_clean_up_works_on_a_real_disk_with_two_megabytes_left(real: Store) -> None:
    """Without the smaller steps, the journal of a step finds no room, at this and at each later clean-up."""
    address = a_mailbox(real)
    assert not upload(real, address, BYTES, Quota(10**12, 10**12, reserve_bytes=0))
    real.checkpoint()
    ballast = real.path.with_name("ballast")
    ballast.write_bytes(bytes(disk_room.free_on_disk(real.path) - 2 * MIB))

    cleanup.destroy_deleted(real, NOW)

    assert 0 == rows(real, "deletion_queue")
    assert not upload(real, address, 20 * MIB, Quota(10**12, 10**12, reserve_bytes=0))
    ballast.unlink()
    assert upload(real, address, 20 * MIB, Quota(10**12, 10**12, reserve_bytes=0))


def test_a_clean_up_on_a_full_disk_is_reported_and_finishes_when_there_is_room(real: Store) -> None:
    address = a_mailbox(real)
    kept = an_upload(real, address, os.urandom(16), [bytes(MIB)] * 3)
    assert not upload(real, address, BYTES, Quota(10**12, 10**12, reserve_bytes=0))
    real.checkpoint()
    ballast = real.path.with_name("ballast")
    ballast.write_bytes(bytes(disk_room.free_on_disk(real.path)))

    with pytest.raises(StoreFullError):
        cleanup.destroy_deleted(real, NOW)

    ballast.unlink()
    cleanup.destroy_deleted(real, NOW)
    assert (0, 1) == (rows(real, "deletion_queue"), rows(real, "attachment"))
    with real.reading() as session:
        assert attachments.find_upload(session, address, kept) is not None


def test_a_clean_up_of_a_read_only_store_is_reported(real: Store) -> None:
    a_mailbox(real)
    real.settle()
    make_read_only(real.path.parent.parent)

    with pytest.raises(StoreReadOnlyError):
        cleanup.destroy_deleted(real, NOW)
