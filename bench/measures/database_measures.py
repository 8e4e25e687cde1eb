"""Measurements of PostgreSQL beside SQLite: source servers, a million entries, the first sync, the inbox.

Both databases are on the same disk, and both wait for it at each commit. Servers of both run at the same time
and are measured in turn. The workstation of a desk keeps a file, whichever database its server has.
"""

import contextlib
import functools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench import desk_servers, fill, memory, processes
from bench.adviser import Adviser
from bench.bench_setup import BenchSetup
from bench.databases.database_desks import move_to_database, postgresql_on_disk, use_database
from bench.desk_servers import Desk
from bench.measures.full_store_measures import posting_into_many
from bench.measures.source_measures import CLIENTS, one_log_in, one_post, posting_clients
from bench.measures.sync_measures import SyncMachines, first_sync, fresh_endpoint, set_up_machines
from bench.processes import Server
from bench.report import Measurement, at_least, at_most, milliseconds
from bench.source import Source
from bench.timing import interleaved, median, timed, together
from deploy.hardening import TMPFS

if TYPE_CHECKING:
    from bench.databases.cluster import Cluster

_Measure = Callable[[BenchSetup], Iterator[Measurement]]

_POSTGRESQL = Path("/usr/lib/postgresql")
_SERVERS = (1, 2, 4)
_COPY = "first_sync"  # name of a database
_PRAGMAS = ("journal_mode", "synchronous")
_SHOWN = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_recycle")


@dataclass(slots=True)
class PostingLoad:
    """Servers of one database on which eight clients post, and what that costs.

    `programs` are processes that work for the clients: the servers, and the database server.
    """

    servers: Sequence[Server]
    programs: Sequence[int]
    per_second: list[float] = field(default_factory=list)
    seconds: list[list[float]] = field(default_factory=list)  # processor time of each program for one post
    wrong: int = 0

    def run(self, seconds: float) -> None:
        """Let eight clients post for some seconds, each with its own mailbox."""
        clients = posting_clients(self.servers)
        before = self._used()
        load = together(clients, seconds)
        used = [after - earlier for after, earlier in zip(self._used(), before, strict=True)]
        self.per_second.append(load.per_second)
        self.seconds.append([each / load.all for each in used])
        self.wrong += load.wrong

    def _used(self) -> list[float]:
        return [memory.tree_seconds(pid) for pid in self.programs]


def _with_postgresql(measure: _Measure) -> _Measure:
    @functools.wraps(measure)
    def measured(setup: BenchSetup) -> Iterator[Measurement]:
        if _POSTGRESQL.is_dir():
            yield from measure(setup)
        else:
            yield Measurement("PostgreSQL", "not measured: no PostgreSQL here", "", "", "", "")

    return measured


@_with_postgresql
def beside_each_other(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure a source server on each database: a post, eight clients, a log-in."""
    with processes.folder_on_disk() as folder, postgresql_on_disk() as cluster:
        author = fill.desk_author(setup.servers.desk)
        desk = desk_servers.set_up(folder)
        move_to_database(desk.settings, cluster)
        with desk_servers.serving(desk, "source") as server, desk_servers.sweeping(desk):
            sides = ((setup.servers.desk, setup.servers.source), (desk, server))
            yield _durability(setup.servers.desk, desk, cluster)
            with contextlib.ExitStack() as stack:
                sources = [stack.enter_context(Source(each.host, each.port)) for _, each in sides]
                for source in sources:
                    source.open_mailbox()
                yield _ratio(
                    "post 1 KiB, one client",
                    *interleaved(setup.turns(300), *map(one_post, sources), warm_ups=20),
                )
            log_ins = [one_log_in(desk, server, author) for desk, server in sides]
            yield _ratio("log in, ten replies waiting", *interleaved(setup.turns(15), *log_ins))
            file = PostingLoad([setup.servers.source], [setup.servers.source.process.pid])
            database = PostingLoad([server], [server.process.pid, cluster.process.pid])
            for _ in range(3):
                for side in (file, database):
                    side.run(setup.seconds(6))
            yield from _crowd(file, database)


@_with_postgresql
def several_servers(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure eight clients that post at one, two and four source servers with one database, in turn."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(processes.folder_on_disk())
        cluster = stack.enter_context(postgresql_on_disk())
        desks = [desk_servers.set_up(folder / str(number)) for number in range(max(_SERVERS))]
        database = move_to_database(desks[0].settings, cluster)
        for desk in desks[1:]:
            use_database(desk.settings, cluster, database, database)
        servers = [stack.enter_context(desk_servers.serving(desk, "source")) for desk in desks]
        programs = [*(server.process.pid for server in servers), cluster.process.pid]
        loads = [PostingLoad(servers[:count], programs) for count in _SERVERS]
        for _ in range(3):
            for load in loads:
                load.run(setup.seconds(6))
        for load in loads:
            yield _of_servers(load, loads[0])


@_with_postgresql
def million_in_database(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure posting into a database of a million entries, in turns with one of a thousand."""
    author = fill.desk_author(setup.servers.desk)
    with postgresql_on_disk() as cluster:
        yield from posting_into_many(
            setup, functools.partial(_filled, cluster, author), "PostgreSQL: post 1 KiB"
        )


@_with_postgresql
def first_syncs(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure the first sync of a workstation with a server on each database, and the inbox after it."""
    mailboxes = 20 if setup.quick else 1000
    with (
        processes.folder_on_disk() as folder,
        tempfile.TemporaryDirectory(prefix="sync-") as sockets,
        postgresql_on_disk() as cluster,
    ):
        on_file = set_up_machines(folder / "file", Path(sockets), mailboxes)
        on_database = replace(on_file, folder=folder / "database")
        shutil.copytree(on_file.folder, on_database.folder)
        settings = on_database.settings("filled")
        filled = move_to_database(settings, cluster)
        use_database(settings, cluster, _COPY, filled)
        cluster.run("VACUUM ANALYZE", filled)  # as PostgreSQL itself does within minutes
        file = _FirstSyncs(on_file)
        database = _FirstSyncs(on_database, cluster, filled)
        syncs = interleaved(2 if setup.quick else 3, file.run, database.run)
        name = f"first sync of {mailboxes:,} mailboxes of ten entries"
        yield _ratio(name, *syncs)
        yield _processor_time(f"{name}: processor time of the server", database.used, file.used)
        pages: tuple[list[float], list[float]] = ([], [])
        for _ in range(2):
            for machines, seconds in zip((on_file, on_database), pages, strict=True):
                seconds.extend(_inbox_pages(machines, setup.turns(10)))
        yield _ratio("first page of the inbox, after the first sync", *pages)


@dataclass(slots=True)
class _FirstSyncs:
    """First syncs with a server. With a cluster, the server's store is a copy of the database `filled`.

    `used` has the seconds of processor time of the server and of the database server, for each sync.
    """

    machines: SyncMachines
    cluster: "Cluster | None" = None
    filled: str = ""
    used: list[list[float]] = field(default_factory=list)

    def run(self) -> float:
        if self.cluster:
            self.cluster.drop(_COPY)
            self.cluster.a_database(self.filled, _COPY)
        with fresh_endpoint(self.machines) as worker:
            programs = [worker] + ([self.cluster.process.pid] if self.cluster else [])
            before = [memory.tree_seconds(pid) for pid in programs]
            seconds = first_sync(self.machines)
            used = zip(programs, before, strict=True)
            self.used.append([memory.tree_seconds(pid) - earlier for pid, earlier in used])
        return seconds


@contextlib.contextmanager
def _filled(cluster: "Cluster", author: fill.DeskAuthor, entries: int) -> Iterator[Source]:
    with processes.folder_on_disk() as folder:
        desk = desk_servers.set_up(folder)
        move_to_database(desk.settings, cluster)
        fill.add_random_rows(desk, entries, author=author)
        with desk_servers.serving(desk, "source") as server, Source(server.host, server.port) as source:
            yield source


def _inbox_pages(machines: SyncMachines, turns: int) -> list[float]:
    """Return the seconds of each view of a workstation's inbox, after its store is verified."""
    desk = Desk(machines.settings("workstation"), machines.passphrase)
    with desk_servers.serving(desk, "adviser") as server, Adviser(server.host, server.port) as adviser:
        adviser.unlock(desk.passphrase)
        adviser.wait_until_checked()
        return interleaved(turns, timed(adviser.inbox))[0]


def _durability(file: Desk, database: Desk, cluster: "Cluster") -> Measurement:
    """Return how both stores write, as their own connections say, and check that they share a disk."""
    disks = {folder.stat().st_dev for folder in (file.settings.parent, cluster.folder)}
    if len(disks) > 1 or disks == {Path(TMPFS).stat().st_dev}:
        raise ValueError("the databases are not on one disk")
    return Measurement(
        "how a commit is written, on one disk",
        "PostgreSQL: " + _shown(database, "SHOW", _SHOWN),
        "SQLite: " + _shown(file, "PRAGMA", _PRAGMAS),
        "",
        "",
        "",
    )


def _shown(desk: Desk, verb: str, names: Sequence[str]) -> str:
    store = fill.open_store(desk)
    with store.writing() as session:
        driver = session.info["driver"]
        found = [f"{name} {driver.execute(f'{verb} {name}').fetchone()[0]}" for name in names]
    store.close()
    return ", ".join(found)


def _ratio(what: str, file: Sequence[float], database: Sequence[float]) -> Measurement:
    ours, beside = median(database), median(file)
    return Measurement(
        f"PostgreSQL: {what}",
        milliseconds(ours),
        f"{milliseconds(beside)}, SQLite",
        f"{ours / beside:.2f}",
        "at most 2 x",
        at_most(ours, 2 * beside),
    )


def _crowd(file: PostingLoad, database: PostingLoad) -> Iterator[Measurement]:
    ours, beside = median(database.per_second), median(file.per_second)
    wrong = file.wrong + database.wrong
    yield Measurement(
        f"PostgreSQL: posts a second, each with its page, {CLIENTS} clients",
        f"{ours:.0f}, {wrong} wrong",
        f"{beside:.0f}, SQLite",
        f"{ours / beside:.2f}",
        "at least 0.5 x",
        "missed: wrong answers" if wrong else at_least(ours, beside / 2),
    )
    yield _processor_time("processor time of a post with its page", database.seconds, file.seconds)


def _processor_time(
    what: str, database: Sequence[Sequence[float]], file: Sequence[Sequence[float]]
) -> Measurement:
    """Compare the processor time of programs: the server's, and that of the database server."""
    server, backends = (median(each) for each in zip(*database, strict=True))
    beside = median([seconds for (seconds,) in file])
    return Measurement(
        f"PostgreSQL: {what}",
        f"{milliseconds(server)} + {milliseconds(backends)} of the database server",
        f"{milliseconds(beside)}, SQLite",
        f"{(server + backends) / beside:.2f}",
        "",
        "",
    )


def _of_servers(load: PostingLoad, alone: PostingLoad) -> Measurement:
    ours, beside = median(load.per_second), median(alone.per_second)
    *servers, backends = (median(each) for each in zip(*load.seconds, strict=True))
    cost = f"{milliseconds(sum(servers))} + {milliseconds(backends)} of the database server"
    return Measurement(
        f"PostgreSQL: posts a second, {CLIENTS} clients, source servers: {len(load.servers)}",
        f"{ours:.0f}, {load.wrong} wrong; processor time of a post with its page: {cost}",
        f"{beside:.0f}, one source server",
        f"{ours / beside:.2f}",
        "",
        "",
    )
