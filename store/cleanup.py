"""Clean-up: destroys deleted rows throughout the day, and rewrites or copies a store without them."""

import itertools
import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import BindParameter, and_, bindparam, delete, exists, func, select, update

from store.database.deletion_queue import queue_attachment
from store.database.engine import ServerPlace, Store, open_copy, open_store, refuse_use
from store.database.prepared_statements import PlainQuery, PreparedChange
from store.database.row_copies import copy_rows, refuse_damaged
from store.database.schema import CHUNK_BYTES, SEALED_TABLES, AttachmentRow, DeletionQueueRow, SealedRow
from store.database.sealed_rows import count_in_mailbox, count_in_store
from store.database.server_copies import write_copy_of
from store.dialect.differing_sql import summed_of_any
from store.errors import StoreBusyError

PENDING_HALF_HOURS = 48  # a pending upload is deleted after a day: enough for 2 GB at 25 kB/s
# Writers wait some tens of milliseconds for one step. Attack: refused messages with twenty files of one byte
# queued 800 small rows a second. With eight rows in a step, a sweep destroyed 440.
_STEP_ROWS, _STEP_BYTES = 128, 8 * CHUNK_BYTES
_PAUSE_SECONDS = 0.01  # between two steps, so that waiting writers go first
_CHECKPOINT_TRIES = 200

_STALE_UPLOADS = PlainQuery(
    select(AttachmentRow.id, AttachmentRow.address).where(
        AttachmentRow.pending_half_hour < bindparam("before")
    )
)
_QUEUED = PlainQuery(
    select(DeletionQueueRow.id, func.coalesce(func.length(SealedRow.payload), 0)).outerjoin(
        SealedRow, SealedRow.id == DeletionQueueRow.id
    )
)
_IDS: BindParameter[int] = bindparam("ids", expanding=True)
# Without the second condition, one false row in the queue would break a foreign key and stop every clean-up.
_IS_IN_STEP = and_(
    SealedRow.id.in_(_IDS), *(~exists().where(table.id == SealedRow.id) for table in SEALED_TABLES)
)
_FREED = PlainQuery(select(summed_of_any(SealedRow.size)).where(_IS_IN_STEP))
_CLEAR_PAYLOADS = PreparedChange(update(SealedRow).where(_IS_IN_STEP).values(payload=None))
_DELETE_SEALED = PreparedChange(delete(SealedRow).where(_IS_IN_STEP))
_DELETE_QUEUED = PreparedChange(delete(DeletionQueueRow).where(DeletionQueueRow.id.in_(_IDS)))


def destroy_deleted(
    store: Store, now_half_hour: int, *, on_progress: Callable[[int, int], None] = lambda _done, _total: None
) -> int:
    """Destroy the rows that are in the deletion queue now, in short steps, and return their number.

    Uploads that are pending for more than a day are destroyed too. `now_half_hour` counts from 1970 in UTC.
    `on_progress` receives the numbers of destroyed and of queued rows.

    Raises:
        StoreBusyError: a reader used the journal, which can still have destroyed rows. Call again soon.
        StoreFullError: the disk has no room for a journal with a single row.
    """
    with store.writing() as session:
        for row, address in _STALE_UPLOADS.all(session, before=now_half_hour - PENDING_HALF_HOURS):
            count_in_mailbox(session, address, -queue_attachment(session, row))
    # Attack: refused uploads queue rows faster than a sweep destroys them. Rows that arrive during a sweep
    # wait for the next sweep, so that this one ends and destroys every row that was here before it.
    with store.reading() as session:
        queued = _QUEUED.all(session)
    rows = 0
    while rows < len(queued):
        step = _next_step(store, queued[rows : rows + _STEP_ROWS])
        _destroy_step(store, step)
        rows += len(step)
        on_progress(rows, len(queued))
        time.sleep(_PAUSE_SECONDS)
    _empty_journal(store)
    return rows


def copy_store(
    place: Path | ServerPlace,
    copy: Path,
    now_half_hour: int,
    on_bytes: Callable[[int, int], object] = lambda _done, _total: None,
) -> None:
    """Write a copy of a store to a new SQLite file, and flush the copy to the disk.

    The copy has no deleted content, and no uploads that are pending for more than a day. Programs can use the
    store in the meantime. `now_half_hour` counts from 1970 in UTC. For `on_bytes`, see `write_copy`.

    Raises:
        FileExistsError: there is a file at `copy`.
        StoreFullError: the disk of the copy has no room for it.
        StoreError: the store cannot be read.
    """
    open_store(place).close()  # refuses tables of another version
    write_copy_of(place, copy, on_bytes)
    copied = open_store(copy)
    destroy_deleted(copied, now_half_hour)
    copied.settle()
    with copy.open("rb") as file:
        os.fsync(file.fileno())


def copy_to_place(
    place: Path | ServerPlace,
    to: Path | ServerPlace,
    now_half_hour: int,
    on_progress: Callable[[int, int], None],
) -> int:
    """Copy a store to a new place, which may be in another database, and return the number of rows.

    First, the deleted rows of the store are destroyed. No one can write in the store during the copying.
    After an interruption, call this function again. Until the copy is complete, no program opens the copy.
    `now_half_hour` counts from 1970 in UTC. For `on_progress`, see `row_copies.copy_rows`.

    Raises:
        StoreBusyError: a program has the store open.
        StoreDamagedError: the store has damaged rows.
        StoreError: the new place has something else, or has an incomplete copy with other rows.
    """
    refuse_use(place)
    with closing(open_store(place)) as store:
        destroy_deleted(store, now_half_hour)
        with store.writing() as source:  # a writer: others must wait
            refuse_damaged(source)
            with closing(open_copy(to)) as copy:
                rows = copy_rows(source, copy, on_progress)
                copy.settle()
        store.settle()
        return rows


def rewrite_store(store: Store) -> None:
    """Rewrite the store's file in the order of the random row ids, so that no deleted bytes are left in it.

    Writers wait during the rewrite. If the program is killed halfway, the store is unchanged.

    Raises:
        StoreFullError: the disk has less room than `Store.rewrite_bytes` returns.
        StoreBusyError: another writer had the write lock for too long, or a reader kept the journal in use.
    """
    store.vacuum()
    _empty_journal(store)


def _next_step(store: Store, queued: Sequence[tuple[int, int]]) -> list[int]:
    """Return the row ids of the next step: rows of at most 8 MiB together, or one row of any size."""
    if store.has_room_for_cleanup():
        totals = itertools.accumulate(size for _, size in queued)
        count = max(1, sum(total <= _STEP_BYTES for total in totals))
    else:
        store.checkpoint()  # the journal takes no room then, and the next step needs 1 MB of it
        count = 1
    return [row for row, _ in queued[:count]]


def _destroy_step(store: Store, ids: Sequence[int]) -> None:
    with store.writing() as session:
        freed = _FREED.first(session, ids=ids) or 0
        _CLEAR_PAYLOADS.run(session, ids=ids)
        _DELETE_SEALED.run(session, ids=ids)
        _DELETE_QUEUED.run(session, ids=ids)
        count_in_store(session, -max(freed, 0))


def _empty_journal(store: Store) -> None:
    for _ in range(_CHECKPOINT_TRIES):
        if store.checkpoint():
            return
        time.sleep(_PAUSE_SECONDS)
    raise StoreBusyError("a reader keeps the store's journal in use")
