"""Measurements of sync: of a full server, and of one new entry, each beside a copy of the bytes.

The server is set up by `steunpunt server setup`, and its sync endpoint runs under gunicorn on a Unix socket.
The workstation is set up by `steunpunt workstation pair`. They are connected by that socket, and by our own
Tor network. A copy of the bytes sends requests and answers of the same sizes over the same connection, to a
view that does nothing. Each measured sync runs in its own process, so that the memory of that process can be
measured.
"""

import contextlib
import itertools
import math
import multiprocessing
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bench import desk_servers, fill, memory, processes
from bench.baselines.copy_server import SIZE_BYTES
from bench.bench_setup import BenchSetup
from bench.report import Measurement, at_most, mebibytes, milliseconds
from bench.timing import median
from bench.tor_network import Tor, TorNetwork
from crypto import age
from crypto.age import PQIdentity
from crypto.framing import frame
from crypto.passphrase import RootKey
from deploy.settings.load_settings import load_config
from journalist_app.config import AdviserConfig
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.whole_desk.sync_replica import workstation_endpoint
from journalist_app.services.whole_desk.unlocking import unlock_desk
from protocol import keyring as keyrings
from protocol import mailbox_keys
from protocol.letterhead import verify_letterhead
from protocol.pouch.pouch_file import PouchReader, ServerKey
from protocol.pouch.pouch_items import EntryItem, Item, MailboxItem, item_to_bytes
from protocol.strand import SIGNATURE_BYTES, DeskWriter, SourceWriter
from store import letterheads, outbox, peers
from store.database.engine import open_store
from store.dialect.sqlite_pages import PAGE_BYTES
from sync.carriers import OnionCarrier, UnixCarrier
from sync.endpoint import Endpoint
from sync.errors import ServerRefusedError, SyncRefusedError
from sync.exchange import Carrier, SyncResult, exchange

_COMMAND = (sys.executable, "-m", "deploy.cli.main")
_GROWTH_BYTES = 32 * 1024**2
_BYTES_LIMIT, _TIME_LIMIT = 1.2, 1.5
_ENTRIES_EACH = 10
_SEGMENT_BYTES, _SEGMENT_TAG_BYTES, _PAYLOAD_NONCE_BYTES = 64 * 1024, 16, 16  # of age
_AT_WORK = 3  # pouches received: one is being applied, and one waits while the next arrives
_POUCH_VERSION = b"steunpunt-pouch/1\n"
_TOR_SECONDS = 120
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class SyncMachines:
    """A full server and a paired workstation with an empty store, before any sync."""

    folder: Path
    sockets: Path
    passphrase: str = field(repr=False)
    root: RootKey = field(repr=False)  # of the mailbox to which single entries are added
    author: fill.DeskAuthor

    @property
    def endpoint(self) -> Path:
        """Path of the Unix socket of the sync endpoint."""
        return self.sockets / "endpoint"

    @property
    def copy_server(self) -> Path:
        """Path of the Unix socket of the copy server."""
        return self.sockets / "copy"

    def settings(self, name: str) -> Path:
        """Return the settings of a machine, such as `filled`, the server before any sync."""
        return self.folder / name / "config.toml"


@dataclass(frozen=True, slots=True)
class _Carried:
    """Sizes in bytes of one pouch to the server and the pouches of its answer.

    `unpadded` is their size without padding. `raw` counts only envelopes, signatures, headers and payloads,
    and the keys of mailboxes.
    """

    sent: int
    received: int
    unpadded: int
    raw: int


@dataclass(slots=True)
class _RecordingCarrier:
    """Carrier that records the sizes of pouches, and the peak memory of workstation and server worker."""

    carrier: Carrier
    worker: int = 0
    keep: bool = False
    pouches: list[tuple[bytes, list[bytes]]] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    received: int = 0
    at_start: tuple[int, int] | None = None

    @contextlib.contextmanager
    def carry(self, pouch: bytes) -> Iterator[Iterator[bytes]]:
        self.sizes.append((len(pouch), 0))
        if self.keep:
            self.pouches.append((pouch, []))
        with self.carrier.carry(pouch) as pouches:
            yield map(self._note, pouches)

    def _note(self, received: bytes) -> bytes:
        self.received += 1
        if self.received == _AT_WORK:
            self.at_start = self.peaks()
        sent, already = self.sizes[-1]
        self.sizes[-1] = (sent, already + len(received))
        if self.keep:
            self.pouches[-1][1].append(received)
        return received

    def peaks(self) -> tuple[int, int]:
        return memory.peak_bytes(os.getpid()), memory.peak_bytes(self.worker) if self.worker else 0


@dataclass(frozen=True, slots=True)
class _First:
    """Result of the first sync of an empty workstation."""

    seconds: float
    copied: float  # seconds to copy the same bytes over the same connection
    stored: float  # seconds to copy them and insert them into a table
    received: int
    sizes: Sequence[tuple[int, int]]
    growth: tuple[int, int]
    carried: Sequence[_Carried]  # of the run that keeps the pouches, which is not timed


@dataclass(frozen=True, slots=True)
class _Single:
    """Results of syncs of one new entry each, and of a copy of the same bytes after each."""

    seconds: Sequence[float]
    copied: Sequence[float]
    carried: Sequence[_Carried]


@dataclass(frozen=True, slots=True)
class _Ways:
    """Connections to the sync endpoint and to the copy server, both of one kind."""

    name: str
    endpoint: Carrier
    copy_server: Carrier


def syncing(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure syncs over a Unix socket, and in a whole run over Tor too."""
    mailboxes = 20 if setup.quick else 1000
    with processes.folder_on_disk() as folder, tempfile.TemporaryDirectory(prefix="sync-") as sockets:
        machines = set_up_machines(folder, Path(sockets), mailboxes)
        with _serving_copies(machines):
            ways = _Ways("loopback", UnixCarrier(machines.endpoint), UnixCarrier(machines.copy_server))
            yield from _measured(
                machines, ways, mailboxes, firsts=1 if setup.quick else 3, singles=setup.turns(25)
            )
            if setup.quick:
                return
            if shutil.which("tor") is None:
                yield Measurement("sync over Tor", "not measured: no tor here", "", "", "", "")
                return
            with TorNetwork() as network, _onions(network, machines) as over_tor:
                yield from _measured(machines, over_tor, mailboxes, firsts=3, singles=15)


# ---- setting up ------------------------------------------------------------------------------------


def set_up_machines(folder: Path, sockets: Path, mailboxes: int) -> SyncMachines:
    """Set up a server and its workstation with the real commands, and fill the server."""
    address = f"unix:{sockets / 'endpoint'}"
    first = desk_servers.set_up(folder / "paired")
    fingerprint = str(first.section("source")["fingerprint"])
    server = folder / "filled" / "config.toml"
    desk_servers.run_command(server, "server", "setup", fingerprint, "--sync-bind", address)
    desk_servers.run_command(server, "server", "card", "--out", folder / "card")
    desk_servers.run_command(
        first.settings,
        *("workstation", "pair", folder / "card", "--server", address, "--out", folder / "pairing"),
        typed=first.passphrase,
    )
    desk_servers.run_command(server, "server", "admit", folder / "pairing")
    keyring = first.settings.with_name("keyring.age").read_bytes()
    strand = keyrings.open_keyring(keyring, first.passphrase, fingerprint).strand
    store = open_store(server.with_name("store.db"))
    with store.reading() as session:
        found = letterheads.latest(session)
    if found is None:
        raise LookupError("the server has no letterhead")
    author = fill.DeskAuthor(
        verify_letterhead(found[1], found[2], fingerprint), DeskWriter(strand.id, strand.seed)
    )
    root = RootKey(os.urandom(32))
    keys = fill.open_mailbox(store, root)
    fill.write_entries(store, author, keys, [SourceWriter(keys)])
    store.close()
    fill.add_mailboxes(desk_servers.Desk(server, ""), mailboxes, _ENTRIES_EACH, _ENTRIES_EACH, author=author)
    store = open_store(server.with_name("store.db"))
    with store.writing() as session:
        if peers.find(session, strand.id) is None:
            raise LookupError("the server does not know the workstation")
        outbox.enqueue_all(session, strand.id)
    store.checkpoint()
    store.close()
    return SyncMachines(folder, sockets, first.passphrase, root, author)


@contextlib.contextmanager
def _serving_copies(machines: SyncMachines) -> Iterator[None]:
    argv = [sys.executable, "-m", "bench.baselines.copy_server", f"unix:{machines.copy_server}"]
    with processes.serving_at(argv, machines.copy_server):
        yield


@contextlib.contextmanager
def _onions(network: TorNetwork, machines: SyncMachines) -> Iterator[_Ways]:
    """Publish the sync endpoint and the copy server as onion services, and wait until both answer."""
    folder = network.folder / "onions"
    lines = [
        f"HiddenServiceDir {folder}/{path.name}\nHiddenServicePort 80 unix:{path}"
        for path in (machines.endpoint, machines.copy_server)
    ]
    folder.mkdir(mode=0o700)
    service, client = network.add("service", lines), network.add("client", socks=True)
    for tor in (service, client):
        tor.start()
        tor.wait_until_bootstrapped()
    carriers = [
        _onion_carrier(client, folder / path.name) for path in (machines.endpoint, machines.copy_server)
    ]
    with fresh_endpoint(machines):
        for carrier in carriers:
            _wait_for(carrier, client)
    yield _Ways("Tor", *carriers)


def _onion_carrier(client: Tor, folder: Path) -> OnionCarrier:
    if client.socks is None:
        raise LookupError("the client has no SOCKS port")
    return OnionCarrier((folder / "hostname").read_text().strip(), "{}:{}".format(*client.socks))


def _wait_for(carrier: OnionCarrier, client: Tor) -> None:
    deadline = time.monotonic() + _TOR_SECONDS
    while True:
        try:
            list(_copied(carrier, SIZE_BYTES, 0))
        except ServerRefusedError:
            return  # the sync endpoint answered: the request was not a pouch
        except SyncRefusedError:
            if time.monotonic() > deadline:
                raise
            client.forget()
            time.sleep(1)
        else:
            return


@contextlib.contextmanager
def fresh_endpoint(machines: SyncMachines) -> Iterator[int]:
    """Serve the sync endpoint of a fresh copy of the filled server. Yield the process id of its worker."""
    shutil.rmtree(machines.folder / "server", ignore_errors=True)
    shutil.copytree(machines.folder / "filled", machines.folder / "server")
    argv = [*_COMMAND, "--settings", str(machines.settings("server")), "run", "sync"]
    with processes.serving_at(argv, machines.endpoint) as endpoint:
        (worker,) = memory.children(endpoint.pid)
        yield worker


# ---- measuring -------------------------------------------------------------------------------------


def _measured(
    machines: SyncMachines, ways: _Ways, mailboxes: int, *, firsts: int, singles: int
) -> Iterator[Measurement]:
    """Measure first syncs, each from the initial state of both ends, and then syncs of single entries."""
    found: list[_First] = []
    for turn in range(1 + firsts):
        with fresh_endpoint(machines) as worker:
            _fresh_workstation(machines)
            first, single = _in_process(
                _syncs, machines, ways, worker, keep=turn == 0, singles=singles if turn == firsts else 0
            )
            found.append(first)
    name = f"first sync over {ways.name}, {found[0].received} items, {mailboxes} mailboxes"
    yield from _of_bytes(name, found[0].carried)
    timed = found[1:]
    yield from _of_time(
        name, [each.seconds for each in timed], [each.copied for each in timed], "a copy of the bytes"
    )
    seconds, stored = (median([getattr(each, what) for each in timed]) for what in ("seconds", "stored"))
    yield Measurement(
        f"{name}: time beside storing",
        milliseconds(seconds),
        f"{milliseconds(stored)}, a copy that stores rows unverified",
        f"{seconds / stored:.2f}",
        "",
        "",
    )
    for at, who in enumerate(("workstation", "sync endpoint's worker")):
        growth = max(each.growth[at] for each in timed)
        yield Measurement(
            f"{name}: growth of the {who}",
            mebibytes(growth),
            "its memory when the third pouch arrived",
            "",
            "at most 32 MiB",
            at_most(growth, _GROWTH_BYTES),
        )
    name = f"one new entry over {ways.name}"
    yield from _of_bytes(name, single.carried)
    yield from _of_time(name, single.seconds, single.copied, "a copy of the bytes")


def _of_bytes(name: str, carried: Sequence[_Carried]) -> Iterator[Measurement]:
    moved = sum(each.sent + each.received for each in carried)
    for what, size, limit in (
        ("the same without padding", sum(each.unpadded for each in carried), _BYTES_LIMIT),
        ("sealed and signed parts alone", sum(each.raw for each in carried), None),
    ):
        ratio = moved / size
        yield Measurement(
            f"{name}: bytes",
            f"{moved} bytes",
            f"{size} bytes, {what}",
            f"{ratio:.2f}",
            "" if limit is None else f"at most {limit} x",
            "" if limit is None else at_most(ratio, limit),
        )


def _of_time(name: str, ours: Sequence[float], beside: Sequence[float], what: str) -> Iterator[Measurement]:
    ratio = median(ours) / median(beside)
    yield Measurement(
        f"{name}: time",
        milliseconds(median(ours)),
        f"{milliseconds(median(beside))}, {what}",
        f"{ratio:.2f}",
        f"at most {_TIME_LIMIT} x",
        at_most(ratio, _TIME_LIMIT),
    )


def first_sync(machines: SyncMachines) -> float:
    """Sync an empty workstation over the Unix socket, in a process of its own. Return the seconds."""
    _fresh_workstation(machines)
    return _in_process(_one_first_sync, machines)


def _one_first_sync(machines: SyncMachines) -> float:
    with _workstation(machines) as desk:
        seconds, _ = _timed(workstation_endpoint(desk), UnixCarrier(machines.endpoint))
    return seconds


def _fresh_workstation(machines: SyncMachines) -> None:
    shutil.rmtree(machines.folder / "workstation", ignore_errors=True)
    shutil.copytree(machines.folder / "paired", machines.folder / "workstation")


@contextlib.contextmanager
def _workstation(machines: SyncMachines) -> Iterator[OpenDesk]:
    config = load_config(machines.settings("workstation"), "adviser", AdviserConfig)
    store = open_store(config.store_path)
    desk = unlock_desk(config, store, machines.passphrase)
    yield desk
    desk.stop()
    store.close()


def _in_process(measure: Callable[..., _Result], *given: object, **named: object) -> _Result:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return pool.submit(measure, *given, **named).result()


def _syncs(
    machines: SyncMachines, ways: _Ways, worker: int, *, keep: bool, singles: int
) -> tuple[_First, _Single]:
    """Sync an empty workstation, then sync one new entry `singles` times.

    Copy the same bytes after each sync.
    """
    with _workstation(machines) as desk:
        readers = _Readers(desk.keyring.identities, desk.keyring.strand.verify_key, _server_key(machines))
        workstation = workstation_endpoint(desk)
        memory.reset_peak(os.getpid())
        memory.reset_peak(worker)
        carrier = _RecordingCarrier(ways.endpoint, worker, keep)
        seconds, done = _timed(workstation, carrier)
        peaks = carrier.peaks()
        at_start = carrier.at_start or peaks
        growth = (peaks[0] - at_start[0], peaks[1] - at_start[1])
        first = _First(
            seconds,
            0.0 if keep else _copy(ways.copy_server, carrier.sizes),
            0.0 if keep else _copy_and_store(ways.copy_server, carrier.sizes, done.received, machines.folder),
            done.received,
            carrier.sizes,
            growth,
            [readers.carried(*pouches) for pouches in carrier.pouches],
        )
        return first, _singles(machines, ways, workstation, readers, singles)


def _singles(
    machines: SyncMachines, ways: _Ways, workstation: Endpoint, readers: "_Readers", count: int
) -> _Single:
    server = open_store(machines.settings("server").with_name("store.db"))
    keys = mailbox_keys.derive_mailbox_keys(machines.root)
    seconds, copied, carried = [], [], []
    for _ in range(count):
        fill.write_entries(server, machines.author, keys, [SourceWriter(keys)])
        carrier = _RecordingCarrier(ways.endpoint, keep=True)
        taken, done = _timed(workstation, carrier)
        if done.received != 1:
            raise ValueError(f"{done.received} items arrived instead of one")
        seconds.append(taken)
        copied.append(_copy(ways.copy_server, carrier.sizes))
        carried += [readers.carried(*pouches) for pouches in carrier.pouches]
    server.close()
    return _Single(seconds, copied, carried)


def _timed(workstation: Endpoint, carrier: Carrier) -> tuple[float, SyncResult]:
    begun = time.perf_counter()
    done = exchange(workstation, carrier, lambda _left: None)
    return time.perf_counter() - begun, done


def _copy(copy_server: Carrier, sizes: Sequence[tuple[int, int]]) -> float:
    begun = time.perf_counter()
    for sent, received in sizes:
        for _ in _copied(copy_server, sent, received):
            pass
    return time.perf_counter() - begun


def _copy_and_store(copy_server: Carrier, sizes: Sequence[tuple[int, int]], rows: int, folder: Path) -> float:
    """Copy, and insert the bytes into one table: a transaction for each piece, with the store's settings."""
    path = folder / "copy.db"
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"PRAGMA page_size={PAGE_BYTES}")
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text BLOB NOT NULL)")
        each = math.ceil(sum(received for _, received in sizes) / max(1, rows))
        begun = time.perf_counter()
        for came in itertools.chain.from_iterable(_copied(copy_server, *size) for size in sizes):
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "INSERT INTO note (text) VALUES (?)",
                ((came[at : at + each],) for at in range(0, len(came), each)),
            )
            database.execute("COMMIT")
        return time.perf_counter() - begun


def _copied(copy_server: Carrier, sent: int, received: int) -> Iterator[bytes]:
    with copy_server.carry(received.to_bytes(SIZE_BYTES) + bytes(sent - SIZE_BYTES)) as pieces:
        yield from pieces


# ---- sizes without padding -------------------------------------------------------------------------


def _server_key(machines: SyncMachines) -> ServerKey:
    return ServerKey.from_bytes(machines.settings("server").with_name("server.key").read_bytes())


@dataclass(frozen=True, slots=True)
class _Readers:
    """Keys that decrypt the pouches of both directions, to measure their contents without padding."""

    desk: tuple[PQIdentity, ...]
    strand_key: bytes
    server: ServerKey

    def carried(self, sent: bytes, received: Sequence[bytes]) -> _Carried:
        unpadded, raw = _unpadded_size(sent, (self.server.identity,), self.strand_key)
        for pouch in received:
            more, more_raw = _unpadded_size(pouch, self.desk, self.server.card.verify_key)
            unpadded, raw = unpadded + more, raw + more_raw
        return _Carried(len(sent), sum(map(len, received)), unpadded, raw)


def _unpadded_size(raw: bytes, identities: tuple[PQIdentity, ...], verify_key: bytes) -> tuple[int, int]:
    """Return the size of a pouch without its padding, and the size of its encrypted and signed parts."""
    header, _ = age.split_stream([raw])
    pouch = PouchReader([raw], identities)
    items = list(pouch.items(verify_key))
    framed = [pouch.head.to_bytes(), *map(item_to_bytes, items), b"", bytes(SIGNATURE_BYTES)]
    plain = len(_POUCH_VERSION) + len(frame(*framed))
    sealed = plain + _PAYLOAD_NONCE_BYTES + _SEGMENT_TAG_BYTES * math.ceil(plain / _SEGMENT_BYTES)
    return len(header) + sealed, sum(map(_raw_bytes, items))


def _raw_bytes(item: Item) -> int:
    match item:
        case EntryItem():
            return sum(map(len, (item.envelope, item.signature, item.header, item.payload)))
        case MailboxItem():
            return sum(map(len, (item.address, item.recipient, item.verify_key)))
        case _:
            return len(item_to_bytes(item))
