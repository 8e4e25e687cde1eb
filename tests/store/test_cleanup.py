import multiprocessing
import os
import random
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from sqlalchemy import text

from store import attachments, cleanup, entries, mailboxes
from store.database.engine import Store, open_store
from store.database.schema import CHUNK_BYTES, Base
from store.dialect.sqlite_pages import SHIELD
from store.errors import StoreBusyError
from store.quota import recount_bytes
from tests.store.factories import (
    NOW,
    a_mailbox,
    a_record,
    an_entry,
    an_upload,
    destroy,
    files_of,
    on_sqlite,
    opened_again,
    rows,
    usage,
)

CANARY = re.compile(rb"canary[0-9a-f]{16}")


def a_canary() -> bytes:
    return b"canary" + os.urandom(8).hex().encode()


def fill(store: Store, count: int, chance: random.Random) -> dict[tuple[bytes, bytes], bytes]:
    """Append entries of mixed size, one in twenty with a file. Return the canary of each."""
    canaries = {}
    mailboxes_ = [a_mailbox(store) for _ in range(10)]
    for _ in range(count):
        address, entry_id, canary = chance.choice(mailboxes_), os.urandom(16), a_canary()
        ids = []
        if chance.random() < 0.05:
            chunks = [canary * chance.choice([1, 20, 500, 5_000]) for _ in range(2)]
            ids = [an_upload(store, address, entry_id, chunks, header=canary * 150, durable=False)]
        digest = an_entry(
            store,
            address,
            entry_id=entry_id,
            header=canary * chance.choice([1, 20, 150]),
            payload=canary * chance.choice([1, 30, 180, 200, 370, 1000]),
            attachment_ids=ids,
            durable=False,  # thousands of them, and no power is lost in a test
        )
        canaries[address, digest] = canary
    return canaries


@pytest.mark.slow
@on_sqlite
def test_deleted_rows_leave_no_byte_and_other_rows_are_unharmed(store: Store) -> None:
    chance = random.Random(2)  # for sizes
    canaries = fill(store, 3000, chance)
    gone = set(chance.sample(sorted(canaries), 1500))
    for address, digest in gone:
        with store.writing(durable=False) as session:
            entries.destroy(session, address, [digest])
    cleanup.destroy_deleted(store, NOW)
    found = set(CANARY.findall(files_of(store)))
    assert {canaries[entry] for entry in canaries.keys() - gone} == found
    with store.reading() as session:
        for address, digest in canaries.keys() - gone:
            entry = entries.find_digest(session, address, digest)
            assert entry is not None
            sealed_with = set(CANARY.findall((entry.header or b"") + (entry.payload or b"")))
            assert {canaries[address, digest]} == sealed_with
    with store.reading() as session:
        sealed = session.execute(text("SELECT coalesce(sum(size), 0) FROM sealed")).scalar_one()
        in_mailboxes = session.execute(text("SELECT sum(sealed_bytes) FROM mailbox")).scalar_one()
        assert [] == session.execute(text("PRAGMA foreign_key_check")).all()
        assert "ok" == session.execute(text("PRAGMA integrity_check")).scalar_one()
    assert sealed == in_mailboxes == usage(store)


@on_sqlite
def test_the_header_of_an_entry_is_gone_before_its_payload(store: Store, address: bytes) -> None:
    destroy(store, address, an_entry(store, address, header=b"the very header" * 100))
    assert store.checkpoint()
    assert b"the very header" not in files_of(store)


@on_sqlite
def test_no_encrypted_byte_is_in_a_page_that_the_tree_moves(store: Store, address: bytes) -> None:
    for size in (1, 100, 489, 600, 3000, 4040, 4061, 4096, 8000, 12_000):
        an_entry(store, address, header=b"!" * size, payload=b"!" * size)
    assert store.checkpoint()
    raw = store.path.read_bytes()
    pages = [raw[start : start + 4096] for start in range(0, len(raw), 4096)]
    leaves = [page for page in pages if page[0] == 13 and SHIELD[:400] in page]
    assert len(leaves) >= 5
    assert [] == [page for page in leaves if b"!" * 8 in page]


def test_a_sweep_takes_short_steps_and_writers_pass_between(store: Store, address: bytes) -> None:
    entry_id = os.urandom(16)
    ids = [an_upload(store, address, entry_id, [bytes(CHUNK_BYTES)] * 8) for _ in range(4)]
    destroy(store, address, an_entry(store, address, entry_id=entry_id, attachment_ids=ids))
    with ThreadPoolExecutor(1) as thread:
        sweeping = thread.submit(cleanup.destroy_deleted, store, NOW)
        appended = 0
        while not sweeping.done():
            an_entry(store, address)
            appended += 1
    assert sweeping.result() == 37
    assert appended > 1


def test_a_step_of_a_sweep_destroys_many_small_rows_or_eight_large_rows(store: Store, address: bytes) -> None:
    """Attack: refused messages with small files queue rows faster than steps of eight rows destroy them."""
    entry_id, steps = os.urandom(16), [0]
    ids = [an_upload(store, address, entry_id, [bytes(CHUNK_BYTES)] * 8) for _ in range(3)]
    destroy(store, address, an_entry(store, address, entry_id=entry_id, attachment_ids=ids))
    for _ in range(300):
        destroy(store, address, an_entry(store, address, payload=b"small", durable=False))

    assert cleanup.destroy_deleted(store, NOW, on_progress=lambda done, _: steps.append(done)) == 328

    assert 4 <= len(steps[1:]) <= 8


@on_sqlite
def test_a_sweep_ends_and_destroys_what_was_deleted_before_it_although_more_is_deleted(
    store: Store, address: bytes
) -> None:
    """Attack: refused uploads queue rows faster than a sweep destroys them, so that no sweep ever ended."""
    canaries = [a_canary() for _ in range(30)]
    for canary in canaries:
        destroy(store, address, an_entry(store, address, payload=canary * 20))
    steps = []

    def delete_more(done: int, total: int) -> None:
        steps.append((done, total))
        assert done <= total, "the sweep does not end"
        for _ in range(10):
            destroy(store, address, an_entry(store, address, payload=b"later " * 100))

    assert cleanup.destroy_deleted(store, NOW, on_progress=delete_more) == 30

    assert steps[-1] == (30, 30)
    assert not set(canaries) & set(CANARY.findall(files_of(store)))
    assert cleanup.destroy_deleted(store, NOW) == 10 * len(steps)


@on_sqlite
def test_uploads_that_no_entry_adopted_are_swept_and_adopted_ones_are_not(
    store: Store, address: bytes
) -> None:
    entry_id = os.urandom(16)
    adopted = an_upload(store, address, entry_id, half_hour=NOW - 500)
    an_entry(store, address, entry_id=entry_id, attachment_ids=[adopted])
    with store.reading() as session:
        before = mailboxes.find(session, address)
    an_upload(store, address, os.urandom(16), [b"stale canary" * 1000], half_hour=NOW - 49)
    cleanup.destroy_deleted(store, NOW)
    with store.reading() as session:
        assert before == mailboxes.find(session, address)
        assert attachments.find(session, address, adopted) is not None
    assert b"stale canary" not in files_of(store)
    fresh = an_upload(store, address, entry_id, half_hour=NOW - 48)
    cleanup.destroy_deleted(store, NOW)
    assert 2 == rows(store, "attachment")
    an_entry(store, address, entry_id=os.urandom(16))
    assert fresh != adopted


@on_sqlite
def test_a_reader_in_the_way_is_reported(
    store: Store, address: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "_CHECKPOINT_TRIES", 3)
    an_entry(store, address)
    with store.reading() as session:
        entries.of_mailbox(session, address)
        an_entry(store, address)
        with pytest.raises(StoreBusyError):
            cleanup.destroy_deleted(store, NOW)
    cleanup.destroy_deleted(store, NOW)


@on_sqlite
def test_a_rewritten_store_does_not_show_which_row_arrived_first(store: Store) -> None:
    arrived = []
    for _ in range(60):
        address, canary = a_mailbox(store), os.urandom(16)
        an_entry(store, address, header=canary * 200, payload=canary * 600)
        arrived.append(canary)
    with store.reading() as session:
        by_key = session.execute(text("SELECT substr(header, 1, 16) FROM sealed ORDER BY id")).scalars().all()
    cleanup.rewrite_store(store)
    raw = files_of(store)
    on_disk = sorted(arrived, key=raw.find)
    assert by_key == on_disk
    assert 10 < sum(arrived.index(a) < arrived.index(b) for a, b in pairwise(on_disk)) < 50


@on_sqlite
def test_two_stores_with_the_same_rows_have_the_same_bytes_after_a_rewrite(store: Store) -> None:
    chance = random.Random(3)  # for sizes
    fill(store, 60, chance)
    cleanup.rewrite_store(store)
    other_path = store.path.with_name("other.db")
    with store.reading() as session:
        session.connection().connection.driver_connection.execute("SELECT 1")
    other_path.write_bytes(store.path.read_bytes())
    other = open_store(other_path)
    with other.writing() as session:  # every row leaves and comes back in another order
        session.execute(text("PRAGMA defer_foreign_keys=ON"))
        for table in Base.metadata.sorted_tables:
            kept = [row._asdict() for row in session.execute(table.select())]
            session.execute(table.delete())
            chance.shuffle(kept)
            if kept:
                session.execute(table.insert(), kept)
    cleanup.rewrite_store(other)
    other.close()
    mine, theirs = store.path.read_bytes(), other_path.read_bytes()
    assert mine[4096:] == theirs[4096:]
    # Change counter, schema cookie, the store's random number and the number before it, the counter's twin.
    counters = (range(24, 28), range(40, 44), range(60, 64), range(68, 72), range(92, 96))
    differing = {place for place in range(4096) if mine[place] != theirs[place]}
    assert differing <= {place for counter in counters for place in counter}


@on_sqlite
def test_a_rewrite_that_is_killed_leaves_the_store_as_it_was(store: Store, address: bytes) -> None:
    digests = [an_entry(store, address, payload=os.urandom(500_000)) for _ in range(40)]
    fork = multiprocessing.get_context("fork")
    for wait in (0.0, 0.02, 0.05, 0.1):
        tidying = fork.Process(target=cleanup.rewrite_store, args=(store,))
        tidying.start()
        time.sleep(wait)
        os.kill(tidying.pid or 0, signal.SIGKILL)
        tidying.join()
        with store.reading() as session:
            assert digests == [entry.digest for entry in entries.of_mailbox(session, address)]
            assert "ok" == session.execute(text("PRAGMA integrity_check")).scalar_one()
    cleanup.rewrite_store(store)


def test_both_apps_run_while_the_store_is_rewritten(store: Store, address: bytes) -> None:
    for _ in range(30):
        an_entry(store, address, payload=os.urandom(500_000))
    other = opened_again(store)
    with ThreadPoolExecutor(1) as thread:
        tidying = thread.submit(cleanup.rewrite_store, other)
        while not tidying.done():
            an_entry(store, address, payload=b"appended")
            with store.reading() as session:
                entries.digests(session, address)
        tidying.result()
    with store.reading() as session:
        numbers = [entry.number for entry in entries.of_mailbox(session, address)]
    other.close()
    assert list(range(1, len(numbers) + 1)) == numbers


def test_a_row_in_the_queue_that_is_still_in_use_stops_no_clean_up(store: Store, address: bytes) -> None:
    a_record(store, b"a record")
    an_upload(store, address, os.urandom(16))
    kept = rows(store, "sealed")
    with store.writing() as session:
        session.execute(text("INSERT INTO deletion_queue (id) SELECT id FROM sealed"))
        session.execute(text("INSERT INTO deletion_queue (id) VALUES (7)"))
    destroy(store, address, an_entry(store, address))
    cleanup.destroy_deleted(store, NOW)
    assert (kept, 0) == (rows(store, "sealed"), rows(store, "deletion_queue"))


@on_sqlite  # in PostgreSQL, the column takes no such number
@pytest.mark.parametrize("size", [2**63 - 1, -(2**63)])
def test_sizes_that_someone_wrote_stop_neither_a_deletion_nor_a_sweep(
    store: Store, address: bytes, size: int
) -> None:
    """Attack: an operator writes the largest number into the column `size`, so that no sum fits."""
    entry_id = os.urandom(16)
    files = [an_upload(store, address, entry_id, [b"one", b"two"]) for _ in range(2)]
    entry = an_entry(store, address, entry_id=entry_id, attachment_ids=files)
    an_entry(store, address)
    an_upload(store, address, os.urandom(16), [b"one", b"two"], half_hour=1)  # given up
    with store.writing() as session:
        session.execute(text("UPDATE sealed SET size = :size"), {"size": size})
        assert 0 < entries.sealed_bytes(session, address) < 100_000

    destroy(store, address, entry)

    assert cleanup.destroy_deleted(store, NOW) == 10
    recount_bytes(store)
    assert 0 < usage(store) < 100_000
