"""Copies of all rows of a store, in a store that may be in another database.

See docs/store.md, *Copy a store to another database*.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Table, bindparam, case, func, select, update
from sqlalchemy.orm import Session

from store.database.damaged_rows import count_damaged
from store.database.prepared_statements import PreparedChange, PreparedQuery, insert
from store.database.schema import Base, UsageRow
from store.database.table_versions import complete_version
from store.dialect.differing_sql import WIDE_INTEGER, summed
from store.dialect.opened_store import Store
from store.errors import StoreDamagedError, StoreError

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1  # ids
_PAGE_ROWS, _SEALED_PAGE_ROWS = 500, 16  # a page is in memory, and `sealed` has rows of 1 MiB
_DAMAGED = (
    "the store has damaged rows, which another database does not accept: run steunpunt store verify, and "
    "repair the store or restore a backup first"
)
_OTHER_ROWS = (
    "this incomplete copy has other rows than the store: delete the copy, and begin again. The store has "
    "changed since the copy was interrupted, or the copy is of another store"
)
_TOTAL = PreparedQuery(select(func.coalesce(summed(UsageRow.sealed_bytes), 0)), int)
_FIRST = select(func.min(UsageRow.id)).scalar_subquery()
_SET_TOTAL = PreparedChange(
    update(UsageRow).values(
        sealed_bytes=case((UsageRow.id == _FIRST, bindparam("total", type_=WIDE_INTEGER)), else_=0)
    )
)
_Rows = list[tuple[Any, ...]]


class _CopiedTable:
    """Statements that copy one table, in pages of rows. Pages are in the order of the rows' ids."""

    def __init__(self, table: Table) -> None:
        (key,) = table.primary_key
        # A shield is not content: each database has a shield of its own.
        self._has_shield = "shield" in table.columns
        others = [each for each in table.columns if each is not key and each.name != "shield"]
        self._names = [each.name for each in (key, *others)]
        rows = select(key, *others).where(key >= bindparam("first")).order_by(key)
        self._page_rows = _SEALED_PAGE_ROWS if self._has_shield else _PAGE_ROWS
        self._page = PreparedQuery(rows.limit(self._page_rows), _whole_row)
        self._between = PreparedQuery(rows.where(key <= bindparam("last")), _whole_row)
        self._add = PreparedChange(insert(table))
        self.count = PreparedQuery(select(func.count()).select_from(table), int)

    def pages(self, source: Session) -> Iterator[tuple[int, int, _Rows]]:
        """Yield each page: the first id that it can have, the last one, and its rows.

        Together, the pages have every id. So a row that only the copy has is found too.
        """
        last = _LOWEST - 1
        while last < _HIGHEST:
            first = last + 1
            rows = self._page.all(source, first=first)
            last = rows[-1][0] if len(rows) == self._page_rows else _HIGHEST
            yield first, last, rows

    def between(self, copy: Session, first: int, last: int) -> _Rows:
        return self._between.all(copy, first=first, last=last)

    def add(self, copy: Session, rows: _Rows) -> None:
        shield = {"shield": copy.info["store"].shield} if self._has_shield else {}
        for row in rows:
            self._add.run(copy, **dict(zip(self._names, row, strict=True)), **shield)


def _whole_row(*values: Any) -> tuple[Any, ...]:  # noqa: ANN401  # of any column
    return values


_TABLES: Sequence[_CopiedTable] = [
    _CopiedTable(table) for table in Base.metadata.sorted_tables if table is not UsageRow.__table__
]


def refuse_damaged(source: Session) -> None:
    """Check that every value of a store has the type of its column.

    Raises:
        StoreDamagedError: a row is damaged.
    """
    if count_damaged(source):
        raise StoreDamagedError(_DAMAGED)


def copy_rows(source: Session, copy: Store, on_progress: Callable[[int, int], None]) -> int:
    """Copy all rows, compare each row with its copy, and mark the copy as complete. Return how many rows.

    `source` is the only writer of its store. After an interruption, pages that the copy has already are
    compared and not written again. `on_progress` receives the numbers of steps that were done and of all
    steps: each row is copied, and later compared.

    Raises:
        StoreError: the copy has other rows than the store.
    """
    done, rows_in_all = 0, sum(table.count.first(source) or 0 for table in _TABLES)
    for table in _TABLES:
        for first, last, rows in table.pages(source):
            # Without waiting for the disk. The last transaction waits for all.
            with copy.writing(durable=False) as session:
                found = table.between(session, first, last)
                if not found:
                    table.add(session, rows)
                elif found != rows:
                    raise StoreError(_OTHER_ROWS)
            done = _tell(on_progress, done, rows, 2 * rows_in_all)
    # In one transaction: if the database lost an earlier one in a crash, the comparison ends with an error.
    with copy.writing() as session:
        for table in _TABLES:
            for first, last, rows in table.pages(source):
                if table.between(session, first, last) != rows:
                    raise StoreError(_OTHER_ROWS)
                done = _tell(on_progress, done, rows, 2 * rows_in_all)
        _SET_TOTAL.run(session, total=_TOTAL.first(source))
        complete_version(session.info["driver"], copy.tables)
    return rows_in_all


def _tell(on_progress: Callable[[int, int], None], done: int, rows: _Rows, total: int) -> int:
    if rows:  # the last page of a table may be empty
        on_progress(done + len(rows), total)
    return done + len(rows)
