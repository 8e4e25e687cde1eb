"""Measurement of the time that prepared statements save, for ADR 22.

Run: `python -m tests.store.database.measure_statements`.

Each action runs with the prepared statements of the store, and again with the same statements executed by
SQLAlchemy. The two take turns. Numbers are processor time, so that a busy machine matters less.
"""

import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import BindParameter, Delete, Insert, Update
from sqlalchemy.orm import Session
from sqlalchemy.sql.visitors import cloned_traverse

from store import entries, mailboxes, outbox
from store.database.prepared_statements import PreparedChange, PreparedQuery
from tests.journalist_app.desk_factories import a_source
from tests.source_app.desks import make_desk
from tests.store.factories import STRAND, a_mailbox, a_peer, an_entry, an_upload
from tests.stores import an_empty_store
from tests.sync.ends import the_ends

_MIB = 1024 * 1024
_ROUNDS = 9
_PREPARED = PreparedChange.run, PreparedQuery.each


@cache
def _renamed(statement: PreparedChange) -> Update | Delete:
    """Return an UPDATE or DELETE whose parameters begin with `b_`: SQLAlchemy allows no column names."""

    def rename(parameter: BindParameter[Any]) -> None:
        if not parameter.unique:
            parameter.key = f"b_{parameter.key}"

    changed: Update | Delete = cloned_traverse(statement._statement, {}, {"bindparam": rename})
    return changed


def _run(statement: PreparedChange, session: Session, **values: object) -> int:
    connection = session.connection()
    if isinstance(statement._statement, Insert):
        return connection.execute(statement._statement, values).rowcount
    given = {f"b_{name}": value for name, value in values.items()}
    return connection.execute(_renamed(statement), given).rowcount


def _each(statement: PreparedQuery[Any], session: Session, **values: object) -> Iterator[Any]:
    for row in session.connection().execute(statement._statement, values):
        yield statement._row(*row)


def _use(*, sqlalchemy: bool) -> None:
    PreparedChange.run, PreparedQuery.each = (_run, _each) if sqlalchemy else _PREPARED


def _compare(name: str, act: Callable[[], object], *, times: int, before: Callable[[], object] = int) -> None:
    """Print the median processor time of an action with each of the two ways."""
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for at in range(_ROUNDS + 1):
        for sqlalchemy in (False, True) if at % 2 else (True, False):
            before()
            _use(sqlalchemy=sqlalchemy)
            started = time.process_time()
            for _ in range(times):
                act()
            if at:  # the first round compiles the statements
                seconds[sqlalchemy].append((time.process_time() - started) / times)
            _use(sqlalchemy=False)
    prepared, executed = (statistics.median(seconds[way]) * 1000 for way in (False, True))
    sys.stdout.write(f"| {name} | {prepared:.2f} | {executed:.2f} | {executed / prepared - 1:+.0%} |\n")


def _measure_store(folder: Path) -> None:
    store = an_empty_store(folder / "store.db")
    address = a_mailbox(store)

    def find_mailbox() -> None:
        with store.reading() as session:
            mailboxes.find(session, address)

    def enqueue_everything() -> None:
        with store.writing() as session:
            outbox.enqueue_all(session, STRAND)

    _compare("find a mailbox", find_mailbox, times=200)
    _compare("append an entry", lambda: an_entry(store, address, durable=False), times=50)
    a_peer(store)
    _compare("append an entry, with one peer", lambda: an_entry(store, address, durable=False), times=50)
    with store.reading() as session:
        count = len(entries.of_mailbox(session, address))
    _compare(f"queue {count} entries for a new peer", enqueue_everything, times=1)
    chunks = [os.urandom(_MIB)] * 8
    _compare(
        "upload 8 MiB", lambda: an_upload(store, address, os.urandom(16), chunks, durable=False), times=2
    )
    store.close()


def _measure_source_site(folder: Path) -> None:
    desk = make_desk(folder)
    browser = desk.browser()
    browser.start()
    keys = desk.keys_of(browser)
    for number in range(10):
        browser.write(f"question {number}")
        desk.answer(keys, "an answer")
    _compare("source: page with 20 entries", lambda: browser.get("/en/mailbox"), times=3)
    _compare("source: page to write on", lambda: browser.get("/en/mailbox/write"), times=10)
    _compare(
        "source: page to write on, and post",
        lambda: browser.write(f"{secrets.token_hex(8)} message " * 20),
        times=3,
    )
    desk.store.close()


def _measure_sync(folder: Path) -> None:
    (folder / "server").mkdir()
    ends = the_ends(folder)
    workstation = ends.workstation()
    sources = [a_source(ends.world) for _ in range(5)]

    def write() -> None:
        for source in sources * 20:
            source.writes("words")

    _compare("sync 100 entries, both ends", lambda: ends.sync(workstation), times=1, before=write)
    for store in ends.opened:
        store.close()


if __name__ == "__main__":
    sys.stdout.write("| action | prepared, ms | SQLAlchemy, ms | difference |\n| --- | --- | --- | --- |\n")
    for measure in (_measure_store, _measure_source_site, _measure_sync):
        with tempfile.TemporaryDirectory() as made:
            measure(Path(made))
