"""Syncing: a first sync of a full server, and one of a single new entry, beside a plain copy of the bytes.

The server is what `steunpunt setup server` made, with its door under gunicorn on a Unix socket; the
workstation is what `steunpunt pair` made. They meet at that socket, and over a Tor network of our own. A copy
of the bytes is as many requests and answers of the same sizes by the same way, to a view that does nothing.
What is measured runs in a process of its own, so that its memory can be looked at.
"""

import contextlib
import itertools
import math
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from bench import fill, memory, processes, world
from bench.plain_door import ASKING_BYTES
from bench.report import Finding, at_most, mebibytes, milliseconds
from bench.stage import Stage
from bench.timing import median
from bench.tor_network import Tor, TorNetwork
from crypto import age
from crypto.age import PQIdentity
from crypto.framing import frame
from crypto.passphrase import RootKey
from deploy.settings.load_settings import load_config
from journalist_app.config import AdviserConfig
from journalist_app.services.desk.sync_replica import workstation_side
from journalist_app.services.desk.unlocking import unlock_desk
from protocol import keyring as keyrings
from protocol import mailbox_keys
from protocol.letterhead import verify_letterhead
from protocol.pouch.pouch_file import PouchReader, ServerKey
from protocol.pouch.pouch_items import EntryItem, Item, MailboxItem, item_to_bytes
from protocol.strand import SIGNATURE_BYTES, DeskWriter, SourceWriter
from store import letterheads, outbox, peers
from store.database.engine import open_store
from store.database.schema import PAGE_BYTES
from sync.carriers import OnionCarrier, UnixCarrier
from sync.endpoint import Endpoint
from sync.errors import ServerRefusedError, SyncRefusedError
from sync.exchange import Carrier, SyncResult, exchange

_COMMAND = (sys.executable, "-m", "deploy.cli.main")
_GROWTH_BYTES = 32 * 1024**2
_BYTES_LIMIT, _TIME_LIMIT = 1.2, 1.5
_ENTRIES_EACH = 10
_SEGMENT_BYTES, _SEGMENT_TAG_BYTES, _PAYLOAD_NONCE_BYTES = 64 * 1024, 16, 16  # of age
_AT_WORK = 3  # pouches that have come: one is taken in, and one waits while the next comes
_POUCH_VERSION = b"steunpunt-pouch/1\n"
_TOR_SECONDS = 120


@dataclass(frozen=True, slots=True)
class _Machines:
    """A server that is full and a workstation that is empty, as they are before any sync."""

    folder: Path
    sockets: Path
    passphrase: str = field(repr=False)
    root: RootKey = field(repr=False)  # of the mailbox in which one entry more is written
    pen: fill.Pen

    @property
    def door(self) -> Path:
        return self.sockets / "door"

    @property
    def plain(self) -> Path:
        return self.sockets / "plain"

    def settings(self, name: str) -> Path:
        return self.folder / name / "config.toml"


@dataclass(frozen=True, slots=True)
class _Carried:
    """One pouch to the server and those back: how many bytes, and how many of them were needed.

    `raw` are open parts, signatures, headers and payloads alone, with the keys of mailboxes.
    """

    sent: int
    brought: int
    needed: int
    raw: int


@dataclass(slots=True)
class _Observed:
    """A way to the server that notes what it carries, and what the two processes weigh meanwhile."""

    carrier: Carrier
    worker: int = 0
    keep: bool = False
    pouches: list[tuple[bytes, list[bytes]]] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    brought: int = 0
    at_begin: tuple[int, int] | None = None

    @contextlib.contextmanager
    def carry(self, pouch: bytes) -> Iterator[Iterator[bytes]]:
        self.sizes.append((len(pouch), 0))
        if self.keep:
            self.pouches.append((pouch, []))
        with self.carrier.carry(pouch) as pouches:
            yield map(self._note, pouches)

    def _note(self, brought: bytes) -> bytes:
        self.brought += 1
        if self.brought == _AT_WORK:
            self.at_begin = self.peaks()
        sent, already = self.sizes[-1]
        self.sizes[-1] = (sent, already + len(brought))
        if self.keep:
            self.pouches[-1][1].append(brought)
        return brought

    def peaks(self) -> tuple[int, int]:
        return memory.peak_bytes(os.getpid()), memory.peak_bytes(self.worker) if self.worker else 0


@dataclass(frozen=True, slots=True)
class _First:
    """What a first sync was."""

    seconds: float
    copied: float  # the same bytes by the same way
    stored: float  # and put into a table as they came
    received: int
    sizes: Sequence[tuple[int, int]]
    growth: tuple[int, int]
    carried: Sequence[_Carried]  # of the run in which pouches were kept, which is not timed


@dataclass(frozen=True, slots=True)
class _Single:
    """What syncs of one new entry each were, and a copy of the bytes after each."""

    seconds: Sequence[float]
    copied: Sequence[float]
    carried: Sequence[_Carried]


@dataclass(frozen=True, slots=True)
class _Ways:
    """The way to the door and the way to the plain view beside it."""

    name: str
    door: Carrier
    plain: Carrier


def syncing(stage: Stage) -> Iterator[Finding]:
    """Sync over loopback, and over Tor if this is a whole round."""
    mailboxes = 20 if stage.quick else 1000
    with processes.folder_on_disk() as folder, tempfile.TemporaryDirectory(prefix="sync-") as sockets:
        machines = _set_up(folder, Path(sockets), mailboxes)
        with _plain(machines):
            ways = _Ways("loopback", UnixCarrier(machines.door), UnixCarrier(machines.plain))
            yield from _measured(
                machines, ways, mailboxes, firsts=1 if stage.quick else 3, singles=stage.turns(25)
            )
            if stage.quick:
                return
            if shutil.which("tor") is None:
                yield Finding("sync over Tor", "not measured: no tor here", "", "", "", "")
                return
            with TorNetwork() as network, _onions(network, machines) as over_tor:
                yield from _measured(machines, over_tor, mailboxes, firsts=3, singles=15)


# ---- setting up ------------------------------------------------------------------------------------


def _set_up(folder: Path, sockets: Path, mailboxes: int) -> _Machines:
    """Make a server and its workstation with the commands, and fill the server."""
    way = f"unix:{sockets / 'door'}"
    first = world.set_up(folder / "paired")
    fingerprint = str(first.section("source")["fingerprint"])
    server = folder / "filled" / "config.toml"
    _run(server, "setup", "server", fingerprint, "--sync-bind", way)
    _run(server, "card", "--out", folder / "card")
    _run(
        first.settings,
        *("pair", folder / "card", "--server", way, "--out", folder / "pairing"),
        typed=first.passphrase,
    )
    _run(server, "admit", folder / "pairing")
    keyring = first.settings.with_name("keyring.age").read_bytes()
    strand = keyrings.open_keyring(keyring, first.passphrase, fingerprint).strand
    store = open_store(server.with_name("store.db"))
    with store.reading() as session:
        found = letterheads.latest(session)
    if found is None:
        raise LookupError("the server has no letterhead")
    ours = fill.Pen(verify_letterhead(found[1], found[2], fingerprint), DeskWriter(strand.id, strand.seed))
    root = RootKey(os.urandom(32))
    keys = fill.open_mailbox(store, root)
    fill.writes(store, ours, keys, SourceWriter(keys))
    store.close()
    fill.mailboxes(world.Desk(server, ""), mailboxes, _ENTRIES_EACH, _ENTRIES_EACH, ours=ours)
    store = open_store(server.with_name("store.db"))
    with store.writing() as session:
        if peers.find(session, strand.id) is None:
            raise LookupError("the server does not know the workstation")
        outbox.enqueue_all(session, strand.id)
    store.checkpoint()
    store.close()
    return _Machines(folder, sockets, first.passphrase, root, ours)


def _run(settings: Path, *words: str | Path, typed: str = "") -> None:
    done = subprocess.run(
        [*_COMMAND, "--settings", settings, *words],
        input=f"{typed}\n",
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # no terminal: the passphrase is read from what is given here
    )
    if done.returncode:
        raise world.NotSetUpError(done.stderr[-2000:])


@contextlib.contextmanager
def _plain(machines: _Machines) -> Iterator[None]:
    argv = [sys.executable, "-m", "bench.plain_door", f"unix:{machines.plain}"]
    with processes.serving_at(argv, machines.plain):
        yield


@contextlib.contextmanager
def _onions(network: TorNetwork, machines: _Machines) -> Iterator[_Ways]:
    """Publish the door and the plain view, and wait until both can be reached."""
    folder = network.folder / "onions"
    lines = [
        f"HiddenServiceDir {folder}/{path.name}\nHiddenServicePort 80 unix:{path}"
        for path in (machines.door, machines.plain)
    ]
    folder.mkdir(mode=0o700)
    service, client = network.add("service", lines), network.add("client", socks=True)
    for tor in (service, client):
        tor.start()
        tor.wait_until_bootstrapped()
    carriers = [_onion_carrier(client, folder / path.name) for path in (machines.door, machines.plain)]
    with _fresh_door(machines):
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
            list(_asked(carrier, ASKING_BYTES, 0))
        except ServerRefusedError:
            return  # the real door: that was no pouch
        except SyncRefusedError:
            if time.monotonic() > deadline:
                raise
            client.forget()
            time.sleep(1)
        else:
            return


@contextlib.contextmanager
def _fresh_door(machines: _Machines) -> Iterator[int]:
    """Open the door of a server that is as it was filled; give the process id of its worker."""
    shutil.rmtree(machines.folder / "server", ignore_errors=True)
    shutil.copytree(machines.folder / "filled", machines.folder / "server")
    argv = [*_COMMAND, "--settings", str(machines.settings("server")), "serve", "sync"]
    with processes.serving_at(argv, machines.door) as door:
        (worker,) = memory.children(door.pid)
        yield worker


# ---- measuring -------------------------------------------------------------------------------------


def _measured(
    machines: _Machines, ways: _Ways, mailboxes: int, *, firsts: int, singles: int
) -> Iterator[Finding]:
    """Sync first and then singly; each first sync begins with both ends as they were."""
    found: list[_First] = []
    for turn in range(1 + firsts):
        with _fresh_door(machines) as worker:
            shutil.rmtree(machines.folder / "workstation", ignore_errors=True)
            shutil.copytree(machines.folder / "paired", machines.folder / "workstation")
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
    yield Finding(
        f"{name}: time beside storing",
        milliseconds(seconds),
        f"{milliseconds(stored)}, a copy that stores rows unverified",
        f"{seconds / stored:.2f}",
        "",
        "",
    )
    for at, who in enumerate(("workstation", "sync endpoint's worker")):
        growth = max(each.growth[at] for each in timed)
        yield Finding(
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


def _of_bytes(name: str, carried: Sequence[_Carried]) -> Iterator[Finding]:
    moved = sum(each.sent + each.brought for each in carried)
    for what, size, limit in (
        ("the same without padding", sum(each.needed for each in carried), _BYTES_LIMIT),
        ("sealed and signed parts alone", sum(each.raw for each in carried), None),
    ):
        ratio = moved / size
        yield Finding(
            f"{name}: bytes",
            f"{moved} bytes",
            f"{size} bytes, {what}",
            f"{ratio:.2f}",
            "" if limit is None else f"at most {limit} x",
            "" if limit is None else at_most(ratio, limit),
        )


def _of_time(name: str, ours: Sequence[float], beside: Sequence[float], what: str) -> Iterator[Finding]:
    ratio = median(ours) / median(beside)
    yield Finding(
        f"{name}: time",
        milliseconds(median(ours)),
        f"{milliseconds(median(beside))}, {what}",
        f"{ratio:.2f}",
        f"at most {_TIME_LIMIT} x",
        at_most(ratio, _TIME_LIMIT),
    )


def _in_process(
    measure: Callable[..., tuple[_First, _Single]], *given: object, **named: object
) -> tuple[_First, _Single]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return pool.submit(measure, *given, **named).result()


def _syncs(
    machines: _Machines, ways: _Ways, worker: int, *, keep: bool, singles: int
) -> tuple[_First, _Single]:
    """Sync a workstation that knows nothing, and then so often after one new entry; with copies beside."""
    config = load_config(machines.settings("workstation"), "adviser", AdviserConfig)
    store = open_store(config.store_path)
    desk = unlock_desk(config, store, machines.passphrase)
    readers = _Readers(desk.keyring.identities, desk.keyring.strand.verify_key, _server_key(machines))
    side = workstation_side(desk)
    memory.forget_peak(os.getpid())
    memory.forget_peak(worker)
    line = _Observed(ways.door, worker, keep)
    seconds, done = _timed(side, line)
    peaks = line.peaks()
    at_begin = line.at_begin or peaks
    growth = (peaks[0] - at_begin[0], peaks[1] - at_begin[1])
    first = _First(
        seconds,
        0.0 if keep else _copy(ways.plain, line.sizes),
        0.0 if keep else _copy_and_store(ways.plain, line.sizes, done.received, machines.folder),
        done.received,
        line.sizes,
        growth,
        [readers.carried(*both) for both in line.pouches],
    )
    single = _singles(machines, ways, side, readers, singles)
    desk.stop()
    store.close()
    return first, single


def _singles(machines: _Machines, ways: _Ways, side: Endpoint, readers: "_Readers", count: int) -> _Single:
    server = open_store(machines.settings("server").with_name("store.db"))
    keys = mailbox_keys.derive_mailbox_keys(machines.root)
    seconds, copied, carried = [], [], []
    for _ in range(count):
        fill.writes(server, machines.pen, keys, SourceWriter(keys))
        line = _Observed(ways.door, keep=True)
        taken, done = _timed(side, line)
        if done.received != 1:
            raise ValueError(f"{done.received} things came instead of one")
        seconds.append(taken)
        copied.append(_copy(ways.plain, line.sizes))
        carried += [readers.carried(*both) for both in line.pouches]
    server.close()
    return _Single(seconds, copied, carried)


def _timed(side: Endpoint, line: _Observed) -> tuple[float, SyncResult]:
    begun = time.perf_counter()
    done = exchange(side, line, lambda _left: None)
    return time.perf_counter() - begun, done


def _copy(plain: Carrier, sizes: Sequence[tuple[int, int]]) -> float:
    begun = time.perf_counter()
    for sent, brought in sizes:
        for _ in _asked(plain, sent, brought):
            pass
    return time.perf_counter() - begun


def _copy_and_store(plain: Carrier, sizes: Sequence[tuple[int, int]], rows: int, folder: Path) -> float:
    """Copy, and put what comes into one table, a transaction for each piece, with the store's settings."""
    path = folder / "plain.db"
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"PRAGMA page_size={PAGE_BYTES}")
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            database.execute(f"PRAGMA {pragma}")
        database.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text BLOB NOT NULL)")
        each = math.ceil(sum(brought for _, brought in sizes) / max(1, rows))
        begun = time.perf_counter()
        for came in itertools.chain.from_iterable(_asked(plain, *size) for size in sizes):
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "INSERT INTO note (text) VALUES (?)",
                ((came[at : at + each],) for at in range(0, len(came), each)),
            )
            database.execute("COMMIT")
        return time.perf_counter() - begun


def _asked(plain: Carrier, sent: int, brought: int) -> Iterator[bytes]:
    with plain.carry(brought.to_bytes(ASKING_BYTES) + bytes(sent - ASKING_BYTES)) as pieces:
        yield from pieces


# ---- what was needed -------------------------------------------------------------------------------


def _server_key(machines: _Machines) -> ServerKey:
    return ServerKey.from_bytes(machines.settings("server").with_name("server.key").read_bytes())


@dataclass(frozen=True, slots=True)
class _Readers:
    """Who can open the pouches of both directions, to see what is in them beside padding."""

    desk: tuple[PQIdentity, ...]
    strand_key: bytes
    server: ServerKey

    def carried(self, sent: bytes, brought: Sequence[bytes]) -> _Carried:
        needed, raw = _needed(sent, (self.server.identity,), self.strand_key)
        for pouch in brought:
            theirs, theirs_raw = _needed(pouch, self.desk, self.server.card.verify_key)
            needed, raw = needed + theirs, raw + theirs_raw
        return _Carried(len(sent), sum(map(len, brought)), needed, raw)


def _needed(raw: bytes, identities: tuple[PQIdentity, ...], verify_key: bytes) -> tuple[int, int]:
    """Return how long a pouch is without its padding, and how much of it is sealed and signed parts."""
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
            return sum(map(len, (item.envelope, item.signature, item.header, item.payload, item.removal)))
        case MailboxItem():
            return sum(map(len, (item.address, item.recipient, item.verify_key)))
        case _:
            return len(item_to_bytes(item))
