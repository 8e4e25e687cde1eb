"""Faults of a running site's store, sessions or queue. Each function returns a function that repairs."""

import fcntl
import sqlite3
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import update

from source_app.argon2_limiter import Argon2Limiter
from store.database.schema import MailboxRow
from store.quota import Quota
from tests.postgresql_cluster import database_of, the_cluster
from tests.source_app.desks import ADesk

Repair = Callable[[], object]


def locked(a_desk: ADesk) -> Repair:
    a_desk.store._wait_seconds = 0.1
    other = sqlite3.connect(a_desk.config.store_path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return other.close


def missing(a_desk: ADesk) -> Repair:
    path = a_desk.config.store_path
    away = path.with_name("away.db")
    path.rename(away)
    return lambda: away.rename(path)


def read_only(a_desk: ADesk) -> Repair:
    return _pragma(a_desk, "query_only=ON", "query_only=OFF")


def full(a_desk: ADesk) -> Repair:
    a_desk.store.vacuum()  # a store that was upgraded has pages to spare
    return _pragma(a_desk, "max_page_count=1", "max_page_count=1000000")


def _pragma(a_desk: ADesk, broken: str, repaired: str) -> Repair:
    def execute(pragma: str) -> None:
        with a_desk.store._writer.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.execute(f"PRAGMA {pragma}").fetchall()

    execute(broken)
    return lambda: execute(repaired)


def damaged(a_desk: ADesk) -> Repair:
    """Replace the store's file by a file that is not a database."""
    a_desk.store.checkpoint()  # SQLite would remove the journal of the other file
    repair = missing(a_desk)
    a_desk.config.store_path.write_bytes(b"no database " * 1000)
    return repair


def server_gone(a_desk: ADesk) -> Repair:
    """Let the database server end all connections, and refuse new ones."""
    return _on_server(a_desk, "ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true")


def server_read_only(a_desk: ADesk) -> Repair:
    """Let the database server refuse writes, as a server does that only follows another one."""
    return _on_server(a_desk, "SET default_transaction_read_only = on", "RESET default_transaction_read_only")


def server_without_connections(a_desk: ADesk) -> Repair:
    """Let the database server end all connections of the source's site, and have no connection for it."""
    role = f"{database_of(a_desk.store)}_source"

    def limit(connections: int) -> None:
        the_cluster().run(f"ALTER ROLE {role} CONNECTION LIMIT {connections}")
        the_cluster().run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")  # noqa: S608  # ours

    limit(0)
    return lambda: limit(-1)


def _on_server(a_desk: ADesk, broken: str, repaired: str) -> Repair:
    name = database_of(a_desk.store)
    ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608

    def change(setting: str) -> None:
        the_cluster().run(f"ALTER DATABASE {name} {setting}")
        the_cluster().run(ended)

    change(broken)
    return lambda: change(repaired)


def changing(a_desk: ADesk) -> Repair:
    """Let someone else change each mailbox just before each write."""
    whole = a_desk.desk

    def change() -> None:
        with a_desk.store.writing() as writing:
            writing.execute(update(MailboxRow).values(version=MailboxRow.version + 1))

    return _exchange(a_desk, replace(whole, store=a_desk.overtaken(change, 1000).store))


def without_sessions(a_desk: ADesk) -> Repair:
    """Put a folder where the file of the sessions was, so that no one can make the file again."""
    a_desk.desk.sessions.close()
    path = a_desk.config.sessions_path
    away = path.rename(path.with_name("away"))
    path.mkdir()
    return lambda: (path.rmdir(), away.rename(path))


def busy(a_desk: ADesk) -> Repair:
    """Take the slot of the log-ins, and let no one wait for it."""
    folder = a_desk.config.argon2_lock_path
    limiter = Argon2Limiter(folder, at_once=1, waiting=0)
    repair = _exchange(a_desk, replace(a_desk.desk, argon2_limiter=limiter))
    slot = (folder / "slot-0").open("wb")
    fcntl.flock(slot, fcntl.LOCK_EX)
    return lambda: (slot.close(), repair())


def without_room(a_desk: ADesk) -> Repair:
    """Leave the quota no room for a file."""
    return _exchange(a_desk, replace(a_desk.desk, quota=Quota(0, 0, 0)))


def disk_nearly_full(a_desk: ADesk) -> Repair:
    """Reserve the whole disk for text."""
    return _exchange(a_desk, replace(a_desk.desk, quota=Quota(10**12, 10**12, 10**18)))


def _exchange(a_desk: ADesk, desk: object) -> Repair:
    desks, whole = a_desk.app.extensions, a_desk.desk
    desks["desk"] = desk
    return lambda: desks.__setitem__("desk", whole)
