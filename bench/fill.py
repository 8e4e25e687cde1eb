"""Fills a store for measurements: with encrypted mailboxes, or with a million rows of random bytes.

Most rows are inserted with `executemany`, without the store's own functions: we measure the interfaces on a
full store, not how it was filled. No other process may have the store open while it is filled.
"""

import contextlib
import multiprocessing
import os
import random
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Integer

from bench.desk_servers import Desk
from crypto import passphrase
from crypto.passphrase import RootKey
from deploy.settings.database_settings import Role, store_place
from protocol import entry, keyring, mailbox_keys
from protocol.content import Content, Kind
from protocol.heads import Head
from protocol.identifiers import EntryId, StrandId
from protocol.keyring import Keyring
from protocol.letterhead import Letterhead
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import DeskWriter, EntryWriter, SourceWriter
from protocol.transcript.check import head_of
from store import letterheads, mailboxes
from store.database import engine
from store.database.engine import ServerPlace, Store
from store.database.schema import (
    Base,
    Blob,
    Day,
    EntryRow,
    LedgerTallyRow,
    MailboxRow,
    SealedRow,
    Whole,
    new_id,
)
from store.dialect.sqlite_pages import SHIELD
from store.ledger_tallies import tally_digest
from stored_mailbox.appending import recompute_state, store_entry
from stored_mailbox.reading import read_stored

if TYPE_CHECKING:
    import psycopg

_BATCH = 50  # mailboxes that one process seals before it returns
_ROWS = 2000  # inserted by one statement
_TEXT = "What happened on that day, told in so many words. " * 20  # 1 KB

_LONG_CHARS = 3_900  # with the JSON around it: 4 KiB, the first size step
_WORDS = 30_000  # different words that people use, nearly all of them rarely
_FRESH_BYTES = 64
_FILLER = secrets.token_bytes(64 * 1024)

_USAGE = "UPDATE usage SET sealed_bytes = (SELECT coalesce(sum(size), 0) FROM sealed)"

_TYPES: Mapping[type, str] = {Blob: "bytea", Day: "date", Integer: "int8", Whole: "int8"}

_Row = Mapping[str, Any]
_Insert = Callable[[type[Base], Iterable[_Row]], None]
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows of some mailboxes, for each table."""

    mailboxes: list[_Row] = field(default_factory=list)
    entries: list[_Row] = field(default_factory=list)
    sealed: list[_Row] = field(default_factory=list)

    @property
    def tables(self) -> Sequence[tuple[type[Base], Sequence[_Row]]]:
        return ((MailboxRow, self.mailboxes), (EntryRow, self.entries), (SealedRow, self.sealed))


@dataclass(frozen=True, slots=True)
class DeskAuthor:
    """Letterhead and workstation key, with which entries are written for the desk."""

    letterhead: Letterhead
    writer: DeskWriter


def read_letterhead(desk: Desk) -> Letterhead:
    """Return the newest letterhead in the store, unverified: the servers verify it."""
    store = open_store(desk)
    with store.reading() as session:
        latest = letterheads.latest(session)
    store.close()
    if latest is None:
        raise LookupError("the store has no letterhead")
    _, body, _ = latest
    return Letterhead.from_bytes(body)


def open_store(desk: Desk) -> Store:
    """Open the store of a desk: the file, or the database that the settings name."""
    return engine.open_store(_place(desk))


def open_keyring(desk: Desk) -> Keyring:
    """Open the desk's keyring with the desk's passphrase."""
    raw = desk.path("adviser", "keyring_path").read_bytes()
    return keyring.open_keyring(raw, desk.passphrase, str(desk.section("source")["fingerprint"]))


def desk_author(desk: Desk) -> DeskAuthor:
    """Return the letterhead and the workstation's key of a desk whose keyring is on this machine."""
    strand = open_keyring(desk).strand
    return DeskAuthor(read_letterhead(desk), DeskWriter(strand.id, strand.seed))


def keys_of(desk: Desk, words: str) -> MailboxKeys:
    """Return the keys of the mailbox that a passphrase opens."""
    letterhead = read_letterhead(desk)
    root = passphrase.derive_root_key(words, letterhead.site_salt, letterhead.argon2.params)
    return mailbox_keys.derive_mailbox_keys(root)


def add_replies(desk: Desk, words: str, count: int, author: DeskAuthor | None = None) -> None:
    """Add `count` answers of the desk to the mailbox of a passphrase, through the store's own functions."""
    author, keys = author or desk_author(desk), keys_of(desk, words)
    store = open_store(desk)
    write_entries(store, author, keys, [author.writer] * count)
    store.close()


def fill_mailbox(desk: Desk, words: str, count: int) -> None:
    """Add `count` entries to the mailbox of a passphrase. The source and the desk write in turns."""
    author, keys = desk_author(desk), keys_of(desk, words)
    store = open_store(desk)
    turns: list[EntryWriter] = [SourceWriter(keys), author.writer]
    write_entries(store, author, keys, (turns * count)[:count])
    store.close()


def open_mailbox(store: Store, root: RootKey) -> MailboxKeys:
    """Create the mailbox of a root key, through the store's own functions. Return its keys."""
    keys = mailbox_keys.derive_mailbox_keys(root)
    with store.writing() as session:
        mailboxes.create_mailbox(
            session,
            address=keys.address,
            recipient=keys.recipient,
            verify_key=keys.verify_key,
            opened_day=_today(),
        )
    return keys


def write_entries(
    store: Store, author: DeskAuthor, keys: MailboxKeys, writers: Sequence[EntryWriter]
) -> None:
    """Append an entry of each writer, in this order, through the store's own functions."""
    with store.reading() as session:
        stored = read_stored(session, keys.address, author.letterhead.strand_keys)
    if stored is None:
        raise LookupError("the store has no such mailbox")
    tips = {head.strand: head for head in stored.transcript.heads}
    with store.writing() as session:
        for writer in writers:
            signed = _sealed(author, keys, writer, tips, _today(), _TEXT)
            store_entry(session, signed)
            tips[writer.strand] = head_of(signed)
        recompute_state(session, keys.address)


def short_text() -> str:
    """Return a text of one kilobyte, the same text for every call."""
    return _TEXT


def long_text() -> str:
    """Return four kilobytes of made-up words: a few common ones, and many rare ones, as in real texts."""
    chance = random.Random(secrets.randbits(64))  # noqa: S311  # must be quick, need not be secret
    words: list[str] = []
    size = 0
    while size < _LONG_CHARS:
        rank = int(_WORDS ** chance.random())  # Zipf's law
        words.append(made_up_word(rank))
        size += len(words[-1]) + 1
    return " ".join(words)[:_LONG_CHARS]


def made_up_word(rank: int) -> str:
    """Return the made-up word with this rank, the same word for every call.

    Words with a low rank are short.
    """
    syllables = ("ba", "den", "ge", "li", "mor", "ra", "sin", "te", "vo", "zu")
    return "".join(syllables[int(digit)] for digit in str(rank * 7 + 3))


def add_mailboxes(  # noqa: PLR0913, PLR0917  # how many, how long, and with which text
    desk: Desk,
    count: int,
    shortest: int,
    longest: int,
    text: Callable[[], str] = short_text,
    author: DeskAuthor | None = None,
) -> list[bytes]:
    """Add mailboxes with `shortest` to `longest` entries each, and return their addresses.

    Source and desk write in turns. A server does not have the desk's keyring and needs an `author`.
    """
    author = author or desk_author(desk)
    whole, rest = divmod(count, _BATCH)
    sizes = [_BATCH] * whole + ([rest] if rest else [])
    addresses = []
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(mp_context=context) as pool, _filling(_place(desk)) as insert:
        for batch in pool.map(partial(_sealed_batch, author, shortest, longest, text), sizes):
            for table, rows in batch.tables:
                insert(table, rows)
            addresses += [row["address"] for row in batch.mailboxes]
    return addresses


def add_tallies(desk: Desk, batches: Iterable[Sequence[bytes]]) -> None:
    """Add sealed tallies to the ledger."""
    with _filling(_place(desk)) as insert:
        for batch in batches:
            sealed = [
                {"id": new_id(), "size": len(tally), "shield": SHIELD, "header": tally, "payload": None}
                for tally in batch
            ]
            insert(SealedRow, sealed)
            places = zip(sealed, batch, strict=True)
            insert(
                LedgerTallyRow, [{"id": row["id"], "digest": tally_digest(tally)} for row, tally in places]
            )


def add_random_rows(desk: Desk, count: int, entries_each: int = 10, author: DeskAuthor | None = None) -> None:
    """Add `count` entries of random bytes with the sizes of real ones, `entries_each` in each mailbox."""
    example = _sealed_batch(author or desk_author(desk), 1, 1, short_text, 1)
    addresses = [secrets.token_bytes(20) for _ in range(max(1, count // entries_each))]
    with _filling(_place(desk)) as insert:
        for some in _slices(addresses):
            insert(MailboxRow, [_random_row(example.mailboxes[0], address=each) for each in some])
        places = [(address, number + 1) for number in range(entries_each) for address in addresses][:count]
        ids = sorted(new_id() for _ in places)  # in the order of the table, so that each page is written once
        secrets.SystemRandom().shuffle(places)  # a mailbox's entries are far apart, as in a real store
        for part in _slices(list(zip(ids, places, strict=True))):
            open_rows = [
                _random_row(example.entries[0], id=row, address=address, number=number)
                for row, (address, number) in part
            ]
            insert(EntryRow, open_rows)
            insert(SealedRow, [_random_row(example.sealed[0], id=row) for row, _ in part])


def _sealed_batch(
    author: DeskAuthor, shortest: int, longest: int, text: Callable[[], str], count: int
) -> _Batch:
    batch = _Batch()
    for _ in range(count):
        _fill_mailbox(batch, author, shortest + secrets.randbelow(longest - shortest + 1), text)
    return batch


def _fill_mailbox(batch: _Batch, author: DeskAuthor, lines: int, text: Callable[[], str]) -> None:
    keys = mailbox_keys.derive_mailbox_keys(RootKey(secrets.token_bytes(32)))
    first_day = _today() - timedelta(days=secrets.randbelow(200))
    tips: dict[StrandId, Head] = {}
    size, since, day = 0, None, first_day
    writer: EntryWriter = SourceWriter(keys)
    for line in range(lines):
        writer = SourceWriter(keys) if line % 2 == 0 else author.writer
        day = first_day if line == 0 else _today()  # the desk's key is valid from the day it was set up
        signed = _sealed(author, keys, writer, tips, day, text())
        row, sealed = _rows_of(signed)
        batch.entries.append(row)
        batch.sealed.append(sealed)
        tips[writer.strand] = head_of(signed)
        size += sealed["size"]
        since = (since or day) if line % 2 == 0 else None
    batch.mailboxes.append(
        {
            "id": new_id(),
            "address": keys.address,
            "recipient": keys.recipient,
            "verify_key": keys.verify_key,
            "opened_day": first_day.isoformat(),
            "sealed_bytes": size,
            "version": lines,
            "waiting_since": since and since.isoformat(),
            "last_day": day.isoformat(),
        }
    )


def _sealed(  # noqa: PLR0913, PLR0917  # the author, the mailbox and the entry
    author: DeskAuthor,
    keys: MailboxKeys,
    writer: EntryWriter,
    tips: Mapping[StrandId, Head],
    day: date,
    text: str,
) -> entry.SignedEntry:
    """Encrypt and sign a message whose writer knows the newest entry of each writer."""
    return entry.seal_words(
        Content(kind=Kind.MESSAGE, text=text),
        address=keys.address,
        mailbox_recipient=keys.identity.recipient,
        letterhead=author.letterhead,
        by=writer,
        entry_id=EntryId(secrets.token_bytes(16)),
        heads=tuple(sorted(tips.values())),
        unseen=(),
        day=day,
    )


def _rows_of(signed: entry.SignedEntry) -> tuple[_Row, _Row]:
    if signed.header is None or signed.payload is None:
        raise ValueError("an entry without an encrypted part")
    part, row = signed.envelope, new_id()
    return {
        "id": row,
        "address": part.address,
        "author": int(part.author),
        "strand": part.strand,
        "number": part.number,
        "entry_id": part.entry_id,
        "digest": signed.digest,
        "envelope": part.to_bytes(),
        "signature": signed.signature,
        "epoch": signed.epoch,
        "day": part.day.isoformat(),
    }, {
        "id": row,
        "size": len(signed.header) + len(signed.payload),
        "shield": SHIELD,
        "header": signed.header,
        "payload": signed.payload,
    }


def _random_row(row: _Row, **own: object) -> _Row:
    """Return a row with random bytes of the same sizes, and the columns of `own` as given."""
    kept = {"strand", "shield"}
    fresh = {
        name: _random_bytes(len(value)) if isinstance(value, bytes) and name not in kept else value
        for name, value in row.items()
    }
    return {**fresh, "id": new_id(), **own}


def _random_bytes(size: int) -> bytes:
    """Return random bytes.

    Only the first 64 differ each time, because random bytes for a million rows take too long.
    """
    return os.urandom(size) if size <= _FRESH_BYTES else os.urandom(_FRESH_BYTES) + _FILLER[_FRESH_BYTES:size]


def _filling(place: Path | ServerPlace) -> contextlib.AbstractContextManager[_Insert]:
    return _filling_database(place.url) if isinstance(place, ServerPlace) else _filling_file(place)


@contextlib.contextmanager
def _filling_database(url: str) -> Iterator[_Insert]:
    """Copy rows to a database. Afterwards, update its usage and its statistics, and write all to the disk."""
    import psycopg  # noqa: PLC0415  # needs libpq

    with psycopg.connect(url, autocommit=True) as database:
        with database.transaction():
            yield partial(_copy, database)
            database.execute(_USAGE + " WHERE id = 1")
        database.execute("VACUUM ANALYZE")  # as PostgreSQL itself does within minutes
        database.execute("CHECKPOINT")


def _copy(database: "psycopg.Connection[Any]", table: type[Base], rows: Iterable[_Row]) -> None:
    rows = list(rows)
    if rows:
        names = list(rows[0])
        types = [_TYPES[type(table.__table__.columns[name].type)] for name in names]
        into = f"COPY {table.__tablename__} ({', '.join(names)}) FROM STDIN WITH (FORMAT BINARY)"
        with database.cursor() as cursor, cursor.copy(into) as copied:
            copied.set_types(types)
            for row in rows:
                copied.write_row([_in_database(name, row[name]) for name in names])


def _in_database(name: str, value: object) -> object:
    """Return the value of a column as PostgreSQL stores it: without a shield, and with days."""
    if name == "shield":
        return b""
    return date.fromisoformat(value) if isinstance(value, str) else value


@contextlib.contextmanager
def _filling_file(path: Path) -> Iterator[_Insert]:
    """Open the store without a journal. Afterwards, update its usage and restore its journal mode."""
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("BEGIN EXCLUSIVE")
    yield partial(_insert, database)
    database.execute(_USAGE)
    database.execute("COMMIT")
    database.execute("PRAGMA journal_mode=WAL")
    database.close()
    with path.open("rb+") as written:
        os.fsync(written.fileno())  # the disk has written everything before we measure


def _insert(database: sqlite3.Connection, table: type[Base], rows: Iterable[_Row]) -> None:
    rows = list(rows)
    if rows:
        names = list(rows[0])
        columns, marks = ", ".join(names), ", ".join(f":{name}" for name in names)
        into = f"INSERT INTO {table.__tablename__} ({columns}) VALUES ({marks})"  # noqa: S608  # our names
        database.executemany(into, rows)


def _slices(whole: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(whole), _ROWS):
        yield whole[start : start + _ROWS]


def _place(desk: Desk) -> Path | ServerPlace:
    return store_place(desk.settings, desk.path("source", "store_path"), Role.OWNER)


def _today() -> date:
    return datetime.now(UTC).date()
