import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from store import attachments, entries
from store.cleanup import destroy_deleted
from store.database.engine import Store
from store.errors import QuotaError
from store.quota import Quota, free_bytes, recount_bytes
from tests.proofs.damage.damages import VALUES, Damage, write
from tests.store.factories import NOW, a_mailbox, an_entry, an_upload, on_sqlite, usage

WIDE = 10**12


def room_in(store: Store, address: bytes, quota: Quota) -> int:
    with store.reading() as session:
        return free_bytes(session, address, quota)


def test_a_mailbox_has_its_own_limit(store: Store, address: bytes) -> None:
    an_upload(store, address, os.urandom(16), [bytes(300)], header=bytes(100))
    quota = Quota(mailbox_bytes=1000, store_bytes=WIDE, reserve_bytes=0)
    assert (600, 1000) == (room_in(store, address, quota), room_in(store, a_mailbox(store), quota))


def test_the_whole_store_has_a_limit(store: Store, address: bytes) -> None:
    an_upload(store, address, os.urandom(16), [bytes(300)], header=bytes(100))
    quota = Quota(mailbox_bytes=WIDE, store_bytes=500, reserve_bytes=0)
    assert 100 == room_in(store, a_mailbox(store), quota)


@on_sqlite
def test_a_reserve_of_the_disk_stays_free(store: Store, address: bytes) -> None:
    disk = os.statvfs(store.path)
    free = disk.f_bavail * disk.f_frsize
    assert 0 == room_in(store, address, Quota(WIDE, WIDE, reserve_bytes=free * 2))
    assert 0 < room_in(store, address, Quota(WIDE**2, WIDE**2, reserve_bytes=free // 2)) < free


def test_text_goes_through_when_files_are_refused(store: Store, address: bytes) -> None:
    attachment_id = an_upload(store, address, os.urandom(16), [])
    begun = os.urandom(16)
    none = Quota(mailbox_bytes=0, store_bytes=0, reserve_bytes=0)
    with store.writing() as session:
        attachments.begin_upload(
            session,
            address=address,
            entry_id=os.urandom(16),
            attachment_id=begun,
            header=b"header",
            half_hour=NOW,
        )
    with store.writing() as session, pytest.raises(QuotaError):
        attachments.add_chunk(session, address, begun, 0, b"more", is_last=True, quota=none)
    an_entry(store, address)
    assert attachment_id != begun


def test_concurrent_uploads_do_not_exceed_the_limit_together(store: Store, address: bytes) -> None:
    quota = Quota(mailbox_bytes=100_000, store_bytes=WIDE, reserve_bytes=0)

    def upload_until_refused(_: int) -> None:
        attachment_id = os.urandom(16)
        with store.writing() as session:
            attachments.begin_upload(
                session,
                address=address,
                entry_id=os.urandom(16),
                attachment_id=attachment_id,
                header=bytes(10),
                half_hour=NOW,
            )
        for number in range(100):
            with store.writing(durable=False) as session:
                attachments.add_chunk(
                    session, address, attachment_id, number, bytes(3000), is_last=False, quota=quota
                )

    with ThreadPoolExecutor(6) as threads:
        uploads = [threads.submit(upload_until_refused, number) for number in range(6)]
    assert [QuotaError] * 6 == [type(upload.exception()) for upload in uploads]
    assert 97_000 < usage(store) <= 100_000


def test_false_counts_of_bytes_are_corrected_each_night(store: Store, address: bytes) -> None:
    """The operator stops all files with one number."""
    an_entry(store, address)
    an_upload(store, address, os.urandom(16), [bytes(300), bytes(20)], header=bytes(100))
    an_upload(store, a_mailbox(store), os.urandom(16), [bytes(7)], header=bytes(100))
    quotas = Quota(1000_000, WIDE, 0), Quota(WIDE, 1000_000, 0)
    before = [room_in(store, address, quota) for quota in quotas]
    for table in ("usage", "mailbox"):
        with store.writing() as session:
            session.execute(text(f"UPDATE {table} SET sealed_bytes = 4611686018427387904"))  # noqa: S608
    assert [room_in(store, address, quota) for quota in quotas] == [0, 0]

    recount_bytes(store)

    assert [room_in(store, address, quota) for quota in quotas] == before


@pytest.mark.parametrize("number", [2**62, -(2**62)])
@pytest.mark.parametrize("table", ["usage", "mailbox"])
def test_a_false_count_of_bytes_stops_no_text_and_no_deletion(
    store: Store, address: bytes, table: str, number: int
) -> None:
    """The operator writes the largest or smallest number that the column can have."""
    an_entry(store, address)
    with store.writing() as session:
        session.execute(text(f"UPDATE {table} SET sealed_bytes = {number}"))  # noqa: S608

    an_entry(store, address)
    with store.writing() as session:
        entries.destroy(session, address, entries.digests(session, address))
    assert destroy_deleted(store, NOW) == 2
    recount_bytes(store)

    assert room_in(store, address, Quota(10_000, 10_000, 0)) == 10_000


@on_sqlite
@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("table", ["usage", "mailbox"])
def test_a_damaged_count_of_bytes_stops_no_text_and_is_corrected(
    store: Store, address: bytes, table: str, kind: str
) -> None:
    an_entry(store, address)
    before = room_in(store, address, Quota(10_000, WIDE, 0))
    store.close()
    assert write(store.path, Damage(table, "sealed_bytes", kind, table), {"a": address})

    an_entry(store, address)
    an_upload(store, address, os.urandom(16), [bytes(300)], header=bytes(100))
    recount_bytes(store)

    assert room_in(store, address, Quota(10_000, WIDE, 0)) < before - 400


@on_sqlite
def test_a_changed_id_of_the_count_of_bytes_lifts_no_quota(store: Store, address: bytes) -> None:
    """The operator lets files fill the disk with one number."""
    an_upload(store, address, os.urandom(16), [bytes(300)], header=bytes(100))
    before = room_in(store, address, Quota(WIDE, 10_000, 0))
    store.close()
    assert write(store.path, Damage("usage", "id", "number", "usage"), {"a": address})

    recount_bytes(store)

    assert room_in(store, address, Quota(WIDE, 10_000, 0)) == before
