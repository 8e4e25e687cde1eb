"""What the sweeper does all day, and what it does at night."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, select, update

from store.database.deletion_queue import queue_attachment
from store.database.engine import Store
from store.database.prepared_statements import PreparedStatement
from store.database.schema import AttachmentRow, DeletionQueueRow, SealedRow
from store.database.sealed_rows import count_in_mailbox, count_in_store

PENDING_HALF_HOURS = 48  # an upload that nobody adopted after a day: 2 GB over 25 kB/s
_STEP_ROWS = 8  # of at most 1 MiB: a step keeps writers waiting for some tens of milliseconds
_PAUSE_SECONDS = 0.01  # between steps, so that writers who wait come first
_CHECKPOINT_TRIES = 200

_STALE = PreparedStatement(
    select(AttachmentRow.id, AttachmentRow.address).where(
        AttachmentRow.pending_half_hour < bindparam("before")
    )
)


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What one sweep did. When `is_clean` is false a reader was in the way: sweep again soon."""

    rows: int
    is_clean: bool


def destroy_deleted(
    store: Store,
    now_half_hour: int,
    *,
    pending_half_hours: int = PENDING_HALF_HOURS,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> SweepResult:
    """Destroy what was given up, in short steps, and empty the journal.

    `now_half_hour` counts from 1970 in UTC. `on_progress` hears after each step how many rows were destroyed,
    and how many were queued at the start.
    """
    _give_up_pending(store, now_half_hour - pending_half_hours)
    total = _queued(store)
    rows = 0
    while step := _destroy_some(store):
        rows += step
        on_progress(rows, total)
        time.sleep(_PAUSE_SECONDS)
    return SweepResult(rows, _empty_journal(store))


def rewrite_store(store: Store) -> bool:
    """Write the store anew in the order of its random keys; say whether the journal is empty after it.

    Afterwards nothing in the file tells in which order things came, and no remnant of anything deleted is
    left in unused space. Killed half way, the store is as it was. Both apps may run; writers wait.

    Raises:
        StoreFullError: it needs room for two copies of the store.
        StoreBusyError: somebody else writes.
    """
    store.vacuum()
    return _empty_journal(store)


def _give_up_pending(store: Store, before: int) -> None:
    with store.writing() as session:
        for row, address in list(_STALE.all(session, {"before": before})):
            count_in_mailbox(session, address, -queue_attachment(session, row))


def _queued(store: Store) -> int:
    with store.reading() as session:
        return session.scalar(select(func.count()).select_from(DeletionQueueRow)) or 0


def _destroy_some(store: Store) -> int:
    with store.writing() as session:
        ids = session.scalars(select(DeletionQueueRow.id).limit(_STEP_ROWS)).all()
        if not ids:
            return 0
        these = SealedRow.id.in_(ids)
        freed = session.scalar(select(func.sum(SealedRow.size)).where(these)) or 0
        session.connection().execute(update(SealedRow).where(these).values(payload=None))
        session.connection().execute(delete(SealedRow).where(these))
        session.connection().execute(delete(DeletionQueueRow).where(DeletionQueueRow.id.in_(ids)))
        count_in_store(session, -freed)
        return len(ids)


def _empty_journal(store: Store) -> bool:
    for _ in range(_CHECKPOINT_TRIES):
        if store.checkpoint():
            return True
        time.sleep(_PAUSE_SECONDS)
    return False
