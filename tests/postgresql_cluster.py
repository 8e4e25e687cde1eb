"""A throw-away cluster of Debian's PostgreSQL, as a user without rights, on a Unix socket.

Each process that runs tests starts its own cluster when a test first needs one. The cluster ends with this
process, also if this process is killed. `fsync` stays on, and costs nothing in memory.
"""

import atexit
import functools
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from store.database.engine import ServerPlace, Store, create_roles, create_store, open_store

_MEMORY = Path("/dev/shm")  # noqa: S108  # in memory, if there is room
_ROOM = 2 * 1024**3
_NUMBERS = itertools.count()
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


@dataclass
class Cluster:
    """A running cluster. `folder` has its socket and its files."""

    folder: Path
    command: list[str | Path]
    process: subprocess.Popen[bytes] = field(init=False, repr=False)

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        self._launch()
        deadline = time.monotonic() + 60
        while True:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
                if self.process.poll() is not None:  # a process of the killed server still had its memory
                    self._launch()
            else:
                return

    def _launch(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stderr=log)

    def kill(self) -> None:
        """End the server as a crash does, with all its processes."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self.process.kill()
        self.process.wait()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)

    def url(self, database: str, user: str = "steunpunt") -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def run(
        self, statement: str, database: str = "postgres", user: str = "steunpunt"
    ) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database, user), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]  # a test's words
            return cursor.fetchall() if cursor.description else []

    def a_database(self, template: str = "template0") -> str:
        name = f"store_{next(_NUMBERS)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    def drop(self, database: str) -> None:
        self.run(f"DROP DATABASE {database} WITH (FORCE)")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGQUIT)  # at once: nothing of this cluster is needed again
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_cluster() -> Cluster:
    """Make and start a cluster. The caller stops it."""
    found = list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    assert found, "install Debian's postgresql: deploy/system-packages.sh test"
    programs = max(found, key=lambda path: int(path.parts[-3])).parent
    in_memory = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=_MEMORY if in_memory else None))
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = pwd.getpwuid(65534)  # Debian's user for programs without rights
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    data = folder / "data"
    make = [programs / "initdb", "-D", data, "-U", "steunpunt", "--auth=trust", "--encoding=UTF8"]
    subprocess.run(
        [*as_user, *make, "--locale=C", "--no-sync", "--no-instructions"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with (data / "postgresql.conf").open("a") as file:  # not as options: ALTER SYSTEM could not change those
        file.writelines(f"{name} = '{value}'\n" for name, value in _SETTINGS.items())
    command = [*as_user, "setpriv", "--pdeathsig", "QUIT", programs / "postgres", "-D", data, "-k", folder]
    cluster = Cluster(folder, command)
    cluster.start()
    return cluster


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
