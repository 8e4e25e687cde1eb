"""Damaged rows: rows with a value that our code never writes, or that refer to a row that does not exist.

Such a row does not stop the program. Queries read the wrong value as a constant (see `database.schema`), or
do not find the row.
"""

from collections import Counter
from typing import Any

from sqlalchemy import CheckConstraint, Column, ColumnElement, Table, and_, func, literal, not_, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from store.database.prepared_statements import PlainQuery
from store.database.schema import NO_BYTES, Base, Blob, Day, UsageRow, Word
from store.dialect.differing_sql import is_blob, is_day, is_integer, is_word


def count_damaged(session: Session) -> Counter[tuple[str, bytes]]:
    """Return the number of damaged rows for each pair of a table and a mailbox. Read no ciphertext.

    A pair has the table's name and the mailbox's address. The address is empty if it is unknown, or if the
    row belongs to no mailbox.
    """
    found = Counter[tuple[str, bytes]]()
    for table, query in _COUNTS.items():
        for address, count in query.each(session):
            found[table, address] += count
    found.update((table, NO_BYTES) for table in session.info["store"].broken_references(session))
    return found


def _is_sound(column: Column[object]) -> ColumnElement[bool]:
    kinds: dict[type, type[FunctionElement[Any]]] = {Blob: is_blob, Day: is_day, Word: is_word}
    sound = kinds.get(type(column.type), is_integer)(column)
    return or_(column.is_(None), sound) if column.nullable else sound


def _count_in(table: Table) -> PlainQuery:
    address = table.columns.get("address", literal(NO_BYTES, Blob))
    # `usage` has one row in SQLite, and several in PostgreSQL. A false row changes a quota for a day at most.
    rules = () if table is UsageRow.__table__ else table.constraints
    checks = (each.sqltext for each in rules if isinstance(each, CheckConstraint))
    sound = and_(*map(_is_sound, table.columns), *checks)
    counts = select(address, func.count()).select_from(table).where(not_(sound))
    return PlainQuery(counts.group_by(address))


_COUNTS = {table.name: _count_in(table) for table in Base.metadata.sorted_tables}
