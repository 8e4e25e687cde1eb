"""A throw-away cluster of Debian's PostgreSQL, as a user without rights, on a Unix socket.

Each process that runs tests starts its own cluster when a test first needs one. The cluster ends with this
process, also if this process is killed. `fsync` stays on, and costs nothing in memory.
"""

import atexit
import functools
import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from bench.databases.cluster import Cluster, create_cluster
from store.database.engine import ServerPlace, Store, create_roles, create_store, open_store

_MEMORY = Path("/dev/shm")  # noqa: S108  # in memory, if there is room
_ROOM = 2 * 1024**3
_TEMPLATE = "empty_store"
_started: list[tuple["Cluster", int]] = []  # with the id of the process that started it
_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "16MB",
    "max_connections": "100",
    "unix_socket_permissions": "0700",
    "log_min_messages": "panic",
    "wal_recycle": "off",
    "autovacuum": "off",
    "max_wal_size": "64MB",  # a usual journal of 1 GB would fill the memory
}


def start_cluster(settings: Mapping[str, str] = MappingProxyType({})) -> Cluster:
    """Make and start a cluster, perhaps with other settings of the server. The caller stops it."""
    in_memory = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM
    return create_cluster(_MEMORY if in_memory else None, {**_SETTINGS, **settings})


@contextmanager
def a_setting_of_the_server(cluster: Cluster, name: str, value: str) -> Iterator[None]:
    try:
        cluster.run(f"ALTER SYSTEM SET {name} = '{value}'")
        cluster.run("SELECT pg_reload_conf()")
        while cluster.run(f"SHOW {name}") != [(value,)]:
            pass
        yield
    finally:
        cluster.run(f"ALTER SYSTEM RESET {name}")
        cluster.run("SELECT pg_reload_conf()")
        while cluster.run(f"SHOW {name}") == [(value,)]:
            pass


@contextmanager
def frozen(cluster: Cluster) -> Iterator[None]:
    """Stop all processes of a server (SIGSTOP), and let them go on afterwards."""
    server = cluster.process.pid
    stopped = [server, *map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split())]
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            with suppress(ProcessLookupError):  # it was about to end when it was stopped
                os.kill(process, signal.SIGCONT)


@functools.cache
def the_cluster() -> Cluster:
    """Return the cluster of this process, and a template of a database with an empty store in it."""
    cluster = start_cluster()
    _started.append((cluster, os.getpid()))
    place = ServerPlace(cluster.url(cluster.a_database()), cluster.folder / "notes")
    create_store(place).close()
    name = place.url.split("/")[3].partition("?")[0]
    cluster.run(f"ALTER DATABASE {name} RENAME TO {_TEMPLATE}")
    return cluster


def an_empty_store_on_a_server(path: Path) -> Store:
    """Open an empty store in a new database. `path` is that of this machine's notes."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    cluster = the_cluster()
    return open_store(ServerPlace(cluster.url(cluster.a_database(_TEMPLATE)), path))


def opened_as(store: Store, role: str) -> Store:
    """Create the roles of a store's database, and open the store again with one of them, such as "source"."""
    database = database_of(store)
    create_roles(ServerPlace(the_cluster().url(database), store.path))
    return open_store(place_of(store, role), patient=2, of_source=role == "source")


def place_of(store: Store, role: str) -> ServerPlace:
    """Return the place of a store on the cluster, for a role of its database."""
    database = database_of(store)
    return ServerPlace(the_cluster().url(database, f"{database}_{role}"), store.path)


def drop_store(store: Store) -> None:
    """Close a store on the cluster, and delete its database."""
    store.close()
    the_cluster().drop(database_of(store))


def database_of(store: Store) -> str:
    """Return the name of a store's database."""
    url: str = store._url  # type: ignore[attr-defined]  # of a store on a server
    return url.split("/")[3].partition("?")[0]


@atexit.register
def stop_the_cluster() -> None:
    """Stop the cluster that this process started, if any. A forked process leaves that of its parent."""
    while _started and _started[-1][1] == os.getpid():
        _started.pop()[0].stop()
