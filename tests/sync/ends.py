"""Both ends of a sync: a server's store with real sources, and workstations with their own replicas."""

import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from journalist_app.desk.casefile import Casefile
from journalist_app.services.whole_desk.merge_records import RecordMerger
from protocol import letterhead as letterhead_format
from protocol.identifiers import STRAND_ID_BYTES, StrandId
from protocol.keyring import Keyring, StrandSecret
from protocol.letterhead import Letterhead, Strand
from protocol.pouch.pouch_file import SERVER, ServerKey
from protocol.sealed_record import OpenedRecord, RecordKind, Revision, open_record, seal_record
from store import letterheads, outbox, peers, records
from store.database.engine import Store
from store.quota import Quota
from sync.endpoint import Endpoint
from sync.errors import SyncRefusal, SyncRefusedError
from sync.exchange import SyncResult, answer_pouches, exchange
from tests.journalist_app.desk_factories import TODAY, ASource, World, a_world
from tests.stores import an_empty_store, database, is_on_a_server

HALF_HOUR = 997_000
ROOM = Quota(mailbox_bytes=2**33, store_bytes=2**40, reserve_bytes=0)


@dataclass(slots=True)
class Clock:
    """Clock of a test, which the test moves by days. Half hours follow the day."""

    day: date = TODAY

    def today(self) -> date:
        return self.day

    def half_hour(self) -> int:
        return HALF_HOUR + 48 * (self.day - TODAY).days


@dataclass(slots=True)
class Workstation:
    """Workstation with its keyring, its replica and its endpoint."""

    keyring: Keyring
    replica: Store
    endpoint: Endpoint
    carried: list[bytes] = field(default_factory=list)

    def writes_record(self, name: bytes, said: str = "said") -> bytes:
        """Write the next revision of a casefile whose handover text is `said`, and return its ciphertext."""
        with self.replica.writing() as session:
            before = records.find(session, RecordKind.CASEFILE, name)
            made_from = [] if before is None else [(before.sealed, self._open(name, before.sealed))]
            sealed = self.seals_record(name, said, *made_from)
            revision = 1 if before is None else before.revision + 1
            records.put(session, RecordKind.CASEFILE, name, revision, sealed, goes_to_peers=True)
        return sealed

    def seals_record(self, name: bytes, said: str, *made_from: Revision) -> bytes:
        return seal_record(
            RecordKind.CASEFILE,
            name,
            Casefile(handover=said).to_bytes(),
            *made_from,
            keyring=self.keyring,
            letterhead=self.endpoint.letterhead(),
        )

    def reads_record(self, name: bytes) -> str:
        """Return the handover text of a casefile in the replica."""
        with self.replica.reading() as session:
            found = records.find(session, RecordKind.CASEFILE, name)
        assert found is not None
        return Casefile.from_bytes(self._open(name, found.sealed).body).handover

    def _open(self, name: bytes, sealed: bytes) -> OpenedRecord:
        strands = self.endpoint.letterhead().strand_keys
        return open_record(sealed, RecordKind.CASEFILE, name, self.keyring, strands)


@dataclass(slots=True)
class Ends:
    """A server, and the workstations that sync with it."""

    folder: Path
    world: World  # the server's store, and the desk whose letterhead is in it
    key: ServerKey
    clock: Clock
    server: Endpoint
    opened: list[Store] = field(default_factory=list)
    questions: int = 0  # pouches that the workstation sent in the last sync

    def workstation(self, keyring: Keyring | None = None) -> Workstation:
        """Pair a workstation, by default the one that made the desk, with an empty replica."""
        keyring = keyring or self.world.keyring
        replica = an_empty_store(self.folder / f"replica-{len(self.opened)}" / "store.db")
        self.opened.append(replica)
        newest = self.newest_letterhead(self.world.store)
        body, signature = letterhead_format.sign_letterhead(newest, keyring.desk_key)
        with replica.writing() as session:
            letterheads.add(session, newest.serial, body, signature)
            peers.add(session, SERVER, str(self.key.card).encode("ascii"))
            peers.set_shared_letterhead(session, SERVER, newest.serial)
        endpoint = Endpoint(
            store=replica,
            name=keyring.strand.id,
            seed=keyring.strand.seed,
            identities=keyring.identities,
            fingerprint=keyring.fingerprint,
            letterhead=lambda: self.newest_letterhead(replica),
            quota=ROOM,
            today=self.clock.today,
            half_hour=self.clock.half_hour,
            merger=RecordMerger(keyring, lambda: self.newest_letterhead(replica), self.clock.today),
        )
        return Workstation(keyring, replica, endpoint)

    def second_keyring(self, name: str = "Werkstation 2") -> Keyring:
        """Certify another workstation in the server's letterhead, and return its keyring."""
        strand = StrandSecret(StrandId(secrets.token_bytes(STRAND_ID_BYTES)), name, secrets.token_bytes(32))
        keyring = replace(self.world.keyring, strand=strand)
        newest = self.newest_letterhead(self.world.store)
        certified = Strand(id=strand.id, name=name, verify_key=strand.verify_key, since=date(2020, 1, 1))
        self.publish(newest.successor(strands=(*newest.strands, certified)))
        return keyring

    def publish(self, letterhead: Letterhead) -> None:
        """Publish a letterhead of the desk directly in the server's store."""
        body, signature = letterhead_format.sign_letterhead(letterhead, self.world.keyring.desk_key)
        with self.world.store.writing() as session:
            letterheads.add(session, letterhead.serial, body, signature)

    def newest_letterhead(self, store: Store) -> Letterhead:
        with store.reading() as session:
            found = letterheads.latest(session)
        assert found is not None
        return letterhead_format.verify_letterhead(found[1], found[2], self.world.keyring.fingerprint)

    def says_at(self, workstation: Workstation, **changes: object) -> None:
        """Sign a changed letterhead at a workstation, and store it in the workstation's replica."""
        newest = self.newest_letterhead(workstation.replica).successor(**changes)
        body, signature = letterhead_format.sign_letterhead(newest, workstation.keyring.desk_key)
        with workstation.replica.writing() as session:
            letterheads.add(session, newest.serial, body, signature)

    def with_room(self, workstation: Workstation, **limits: int) -> Workstation:
        """Return the same workstation with other limits for files."""
        quota = replace(ROOM, **limits)
        return replace(workstation, endpoint=replace(workstation.endpoint, quota=quota))

    def server_believes(self, serial: int) -> None:
        """Let the server use an older letterhead, as it does when the newest one is forged."""
        with self.world.store.reading() as session:
            found = letterheads.find(session, serial)
        assert found is not None
        known = letterhead_format.verify_letterhead(found[1], found[2], self.world.keyring.fingerprint)
        self.server = replace(self.server, letterhead=lambda: known)

    def retire(self, strand: bytes, until: date) -> None:
        newest = self.newest_letterhead(self.world.store)
        strands = tuple(
            msgspec.structs.replace(each, until=until) if each.id == strand else each
            for each in newest.strands
        )
        self.publish(newest.successor(strands=strands))

    def sync(self, workstation: Workstation, through: Callable[[bytes], bytes] | None = None) -> SyncResult:
        """Sync until both ends have everything. A test can intercept each question with `through`."""
        self.questions = 0
        return exchange(workstation.endpoint, Line(self, through), lambda _left: None)

    def notes_restored_server(self, workstation: Workstation) -> bool:
        """Return whether a workstation noted that the server was restored, and mark this as seen."""
        with workstation.replica.writing() as session:
            known = peers.find(session, SERVER)
            peers.clear_rollback(session, SERVER)
        return known is not None and known.rollback_day is not None

    def left(self, store: Store, peer: bytes) -> int:
        with store.reading() as session:
            return outbox.count(session, peer)


@dataclass(slots=True)
class Line:
    """Connection to a server in this process. The real connections are tested with real servers."""

    ends: Ends
    through: Callable[[bytes], bytes] | None = None

    @contextmanager
    def carry(self, pouch: bytes) -> Iterator[Iterator[bytes]]:
        self.ends.questions += 1
        if self.through is not None:
            yield iter([self.through(pouch)])
        else:
            yield answer_pouches(self.ends.server, pouch)


@dataclass(frozen=True, slots=True)
class AnsweringCarrier:
    """Connection whose answers a test makes itself."""

    answered: Callable[[bytes], Iterator[bytes]]

    @contextmanager
    def carry(self, pouch: bytes) -> Iterator[Iterator[bytes]]:
        yield self.answered(pouch)


def copy_of(store: Store, to: Path) -> Path:
    """Copy a store as it is at this moment, as an operator's backup does. A database has another database."""
    if is_on_a_server(store):
        to.write_text(database.copy_of(store))
        return to
    with closing(sqlite3.connect(store.path)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)
    return to


def restore(store: Store, copy: Path) -> None:
    """Restore a store from a copy."""
    store.close()
    if is_on_a_server(store):
        database.restore(store, copy.read_text())
        return
    for path in store.path.parent.glob(f"{store.path.name}*"):
        path.unlink()
    shutil.copy(copy, store.path)


@contextmanager
def sync_refused(reason: SyncRefusal) -> Iterator[None]:
    """Require that the block is refused for this reason."""
    with pytest.raises(SyncRefusedError) as caught:
        yield
    assert reason == caught.value.reason


def answer(server: Endpoint, pouch: bytes) -> bytes:
    """Return the first pouch of the server's answer."""
    return next(answer_pouches(server, pouch))


def the_ends(folder: Path) -> Ends:
    """Set up a server with a desk's letterhead, and nothing else in it."""
    world = a_world(folder / "server")
    clock = Clock()
    key = ServerKey.from_bytes(os.urandom(64))
    ends = Ends(folder, world, key, clock, server=None)  # type: ignore[arg-type]  # two lines below
    ends.server = Endpoint(
        store=world.store,
        name=SERVER,
        seed=key.seed,
        identities=(key.identity,),
        fingerprint=world.keyring.fingerprint,
        letterhead=lambda: ends.newest_letterhead(world.store),
        quota=ROOM,
        today=clock.today,
        half_hour=clock.half_hour,
    )
    ends.opened.append(world.store)
    return ends


def at(ends: Ends, workstation: Workstation, source: ASource) -> ASource:
    """Return a source's mailbox in a workstation's replica, so that the desk's entries are appended there."""
    world = ends.world
    here = World(world.config, workstation.keyring, world.letterhead, workstation.replica)
    return ASource(here, source.keys)


_QUESTIONS = {
    "mailbox": "SELECT address, recipient, verify_key, opened_day, waiting_since, due FROM mailbox",
    "entry": "SELECT e.address, author, strand, number, entry_id, digest, envelope, signature, epoch, day,"
    " s.header, s.payload FROM entry e LEFT JOIN sealed s ON s.id = e.id AND s.header IS NOT NULL",
    "file": "SELECT address, entry_id, attachment_id, chunks, is_whole FROM attachment"
    " WHERE pending_half_hour IS NULL",
    "chunk": "SELECT a.attachment_id, c.number, s.payload FROM chunk c JOIN sealed s ON s.id = c.id"
    " JOIN attachment a ON a.id = c.attachment_row WHERE a.pending_half_hour IS NULL",
    "ended": "SELECT address, proof, day FROM ended_mailbox",
    "letterhead": "SELECT max(serial) FROM letterhead",
    "record": "SELECT kind, name, revision, s.header FROM record r JOIN sealed s ON s.id = r.id"
    " WHERE goes_to_peers",
    "tally": "SELECT digest FROM ledger_tally",
    "beside": "SELECT address, s.header FROM mailbox_tally t JOIN sealed s ON s.id = t.id",
    "public": "SELECT name, body FROM public_file",
}


def all_of(store: Store) -> dict[str, set[tuple[object, ...]]]:
    """Return all contents of a store except row ids. They are equal in two stores that are in sync."""
    with store.reading() as session:
        return {
            what: {tuple(row) for row in session.execute(text(question))}
            for what, question in _QUESTIONS.items()
        }


def all_tallies(store: Store) -> list[bytes]:
    """Return the encrypted tallies in a store's ledger."""
    with store.reading() as session:
        found = session.execute(text("SELECT s.header FROM ledger_tally t JOIN sealed s ON s.id = t.id"))
        return [tally for (tally,) in found]
