"""Nightly rewrite of a store on a PostgreSQL server: no file of the server keeps deleted content after it.

`CLUSTER` and `VACUUM FULL` would not be enough. They keep the number of the transaction in which each row
arrived (`xmin`), and the growing numbers of long values. Both tell the order of arrival.
"""

import re
import time
from graphlib import TopologicalSorter
from typing import Final, Protocol

from psycopg.sql import SQL, Identifier

from store.dialect.opened_store import Driver
from store.dialect.postgresql_roles import ALL_TABLES
from store.errors import StoreBusyError, StoreError

_TABLES: Final = f"{ALL_TABLES} AND relname <> 'alembic_version'"
_PARENTS = (
    "SELECT confrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND conrelid = {}::regclass"
)
# While the rewrite waits for a lock, all readers wait behind it. So no attempt waits for long.
ATTEMPTS: Final = 15
# Values of a row that says nothing. They keep the constraints of all tables.
_NO_VALUES = """
SELECT string_agg(quote_literal(CASE format_type(atttypid, NULL) WHEN 'date' THEN 'epoch' WHEN 'bytea'
    THEN repeat('0', CASE attname WHEN 'address' THEN 20 ELSE 8 END) ELSE '1' END), ', ' ORDER BY attnum)
FROM pg_attribute WHERE attrelid = {}::regclass AND attnum > 0 AND NOT attisdropped
"""
_IS_IN_JOURNAL = """
SELECT count(*) > 0 FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{{24}}$' AND substr(name, 9) <= '{}'
"""
_NOT_OWNER = (
    "only the owner of the database can remove deleted content: use the role whose name ends in _owner"
)
IN_USE: Final = "another program keeps a view of the database open, so the store could not be rewritten"
_KEEPS_JOURNAL = (
    "the database server keeps its old journal, which has deleted content: see wal_keep_size, replication "
    "slots and the archive"
)


class Noting(Driver, Protocol):
    """Connection that remembers what the server notes."""

    detail: str  # of the last note that had details


def rewrite_rows(driver: Driver, seconds: float) -> None:
    """Write all rows again in the order of their random ids. The caller is the only writer, and commits.

    All rows then seem to have arrived in this one transaction. This is one of the attempts that may take
    `seconds` together.
    """
    parents = {}
    for (table,) in driver.execute(_TABLES).fetchall():
        found = driver.execute(SQL(_PARENTS).format(table).as_string(None)).fetchall()
        parents[table] = {parent for (parent,) in found}
    tables = list(TopologicalSorter(parents).static_order())
    driver.execute(f"SET LOCAL lock_timeout = {max(1, int(seconds * 1000 / ATTEMPTS))}")
    # Our readers lock `usage` first. So no reader keeps another table that the rewrite needs.
    driver.execute("LOCK TABLE usage IN ACCESS EXCLUSIVE MODE")
    _run(driver, "LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", tables)
    for table in tables:
        # With the same storage, so that no value comes back compressed.
        _run(
            driver, "CREATE TEMP TABLE {} (LIKE {} INCLUDING STORAGE) ON COMMIT DROP", [_copy(table)], [table]
        )
        _run(driver, "INSERT INTO {} SELECT * FROM {}", [_copy(table)], [table])
    _run(driver, "TRUNCATE {}", tables)
    # ANALYZE leaves a table without rows its old statistics. Those of one row take their place.
    for table in tables:
        ((values,),) = driver.execute(SQL(_NO_VALUES).format(table).as_string(None)).fetchall()
        _run(driver, f"INSERT INTO {{}} VALUES ({values})", [table])  # noqa: S608  # our constants
    _run(driver, "ANALYZE {}", tables)
    _run(driver, "TRUNCATE {}", tables)
    for table in tables:
        _run(driver, "INSERT INTO {} SELECT * FROM {} ORDER BY 1", [table], [_copy(table)])


def forget_values(driver: Noting, seconds: float) -> None:
    """Replace the statistics of the query planner, which contain values of deleted rows.

    Programs that began to read before get `seconds` to end.

    Raises:
        StoreBusyError: another program has a snapshot in which the old statistics still exist.
        StoreError: the user does not own the database, so PostgreSQL left the old statistics in their file.
    """
    _run(driver, "ANALYZE {}", [table for (table,) in driver.execute(_TABLES).fetchall()])
    for _ in range(ATTEMPTS):
        driver.detail = ""
        driver.execute("VACUUM (FULL, VERBOSE) pg_statistic")
        # In every language, the first number is that of the old rows that PostgreSQL had to copy.
        found = re.search("[0-9]+", driver.detail)
        if found is None:  # for another user, PostgreSQL only warns
            raise StoreError(_NOT_OWNER)
        if found[0] == "0":
            return
        time.sleep(seconds / ATTEMPTS)
    raise StoreBusyError(IN_USE)


def remove_journal(driver: Driver, seconds: float) -> None:
    """Remove the files of the journal (WAL) that were written until now. Replicas get `seconds` to read them.

    A server keeps the files before the newest one (`wal_keep_size`; under Patroni at least one). So each
    attempt begins a new file.

    Raises:
        StoreBusyError: the server still keeps these files.
    """
    (last,) = driver.execute("SELECT substr(pg_walfile_name(pg_switch_wal()), 9)").fetchone()
    for _ in range(ATTEMPTS):
        driver.execute("CHECKPOINT")
        if driver.execute(_IS_IN_JOURNAL.format(last)).fetchone() == (False,):
            return
        time.sleep(seconds / ATTEMPTS)
        driver.execute("SELECT pg_switch_wal()")
    raise StoreBusyError(_KEEPS_JOURNAL)


def _copy(table: str) -> str:
    return f"copy_of_{table}"


def _run(driver: Driver, pattern: str, *names: list[str]) -> None:
    lists = (SQL(", ").join(map(Identifier, each)) for each in names)
    driver.execute(SQL(pattern).format(*lists).as_string(None))
