import os
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from store import attachments, entries, ledger_tallies, mailbox_tallies, mailboxes, outbox, peers, records
from store.database.engine import ServerPlace, Store, open_store
from store.database.schema import Base
from store.outbox import OutboxKind
from store.quota import Quota

DAY = date(2026, 11, 23)
NOW = 997_000  # half hours since 1970
# For tests of what only one database does. All other tests run on both.
on_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("store", ["postgresql"], indirect=True)
WIDE = Quota(mailbox_bytes=10**12, store_bytes=10**12, reserve_bytes=0)


_NEWEST_NUMBER = text(
    "SELECT coalesce(max(number), 0) FROM entry WHERE address = :address AND author = :author"
    " AND strand = :strand"
)


def a_mailbox(store: Store, day: date = DAY) -> bytes:
    address = os.urandom(20)
    with store.writing() as session:
        mailboxes.create_mailbox(
            session, address=address, recipient=os.urandom(1216), verify_key=os.urandom(32), opened_day=day
        )
    return address


def an_entry(
    store: Store,
    address: bytes,
    *,
    author: int = entries.SOURCE,
    strand: bytes = b"",
    number: int | None = None,
    entry_id: bytes | None = None,
    digest: bytes | None = None,
    header: bytes | None = None,
    payload: bytes | None = None,
    attachment_ids: Sequence[bytes] = (),
    day: date = DAY,
    is_words: bool = True,
    due: date | None = None,
    durable: bool = True,
) -> bytes:
    """Append an entry as one of both apps does, and return its digest."""
    digest = digest or os.urandom(32)
    with store.writing(durable=durable) as session:
        mailbox = mailboxes.find(session, address)
        entries.claim(session, address, -1 if mailbox is None else mailbox.version)
        newest = session.execute(_NEWEST_NUMBER, {"address": address, "author": author, "strand": strand})
        add(
            session,
            address,
            author=author,
            strand=strand,
            number=number or newest.scalar_one() + 1,
            entry_id=entry_id or os.urandom(16),
            digest=digest,
            day=day,
            header=(os.urandom(3300) if header is None else header) if is_words else None,
            payload=(os.urandom(4096) if payload is None else payload) if is_words else None,
            attachment_ids=attachment_ids,
        )
        if is_words and author == entries.SOURCE:
            entries.set_state(session, address, waiting_since=day, due=None)
        elif is_words:
            entries.set_state(session, address, waiting_since=None, due=due)
    return digest


def add(session: Session, address: bytes, attachment_ids: Sequence[bytes] = (), **changed: Any) -> None:  # noqa: ANN401  # columns of many types
    """Add an entry without the compare-and-set, as the sync does.

    `changed` has other values for some columns.
    """
    columns: dict[str, Any] = {
        "author": entries.SOURCE,
        "strand": b"",
        "number": 1,
        "entry_id": os.urandom(16),
        "digest": os.urandom(32),
        "envelope": b"open" * 60,
        "signature": os.urandom(64),
        "epoch": 1,
        "day": DAY,
        "header": b"header",
        "payload": b"payload",
    }
    entries.add(session, entries.StoredEntry(address=address, **columns | changed), attachment_ids)


def destroy(store: Store, address: bytes, *digests: bytes) -> int:
    """Destroy the encrypted parts of entries, and return the number of bytes that were freed."""
    with store.writing() as session:
        return entries.destroy(session, address, digests)


def an_upload(
    store: Store,
    address: bytes,
    entry_id: bytes,
    chunks: Sequence[bytes] = (b"a" * 1000, b"b" * 1000),
    *,
    header: bytes = b"header" * 100,
    half_hour: int = NOW,
    durable: bool = True,
) -> bytes:
    """Upload an attachment completely, leave it pending, and return its id."""
    attachment_id = os.urandom(16)
    with store.writing(durable=durable) as session:
        attachments.begin_upload(
            session,
            address=address,
            entry_id=entry_id,
            attachment_id=attachment_id,
            header=header,
            half_hour=half_hour,
        )
    for number, chunk in enumerate(chunks):
        with store.writing(durable=False) as session:
            is_last = number == len(chunks) - 1
            attachments.add_chunk(session, address, attachment_id, number, chunk, is_last=is_last, quota=WIDE)
    return attachment_id


def a_record(
    store: Store,
    name: bytes,
    sealed: bytes = b"sealed",
    *,
    kind: str = "casefile",
    revision: int = 1,
    goes_to_peers: bool = True,
) -> None:
    with store.writing() as session:
        records.put(session, kind, name, revision, sealed, goes_to_peers=goes_to_peers)


def put_tallies(store: Store, address: bytes, tallies: Sequence[bytes] = (b"tally-1", b"tally-2")) -> None:
    with store.writing() as session:
        mailbox_tallies.put(session, address, tallies)


STRAND = b"strand-1"
SERVER = b""


def a_peer(store: Store, name: bytes = STRAND) -> bytes:
    with store.writing() as session:
        peers.add(session, name, b"card")
    return name


def noted(store: Store, peer: bytes = STRAND) -> list[tuple[OutboxKind, bytes, bytes]]:
    """Return the items in a peer's outbox, packed or not: kind, address and name, sorted by kind."""
    query = text("SELECT kind, address, name FROM outbox WHERE peer = :peer")
    with store.reading() as session:
        found = [
            (OutboxKind(what), address, name)
            for what, address, name in session.execute(query, {"peer": peer})
        ]
    kinds = list(OutboxKind)
    return sorted(found, key=lambda row: (kinds.index(row[0]), row[1], row[2]))


def deliver(store: Store, peer: bytes = STRAND) -> int:
    """Pack the outbox of a peer into one pouch, confirm that pouch, and return its serial."""
    with store.writing() as session:
        serial = peers.reserve_serial(session, peer)
        ids = [each.id for what in OutboxKind for each in outbox.of_kind(session, peer, what)]
        outbox.mark_packed(session, ids, serial)
        outbox.acknowledge_pouch(session, peer, serial)
    return serial


def all_tallies(session: Session) -> list[bytes]:
    """Return every tally of the ledger, sorted."""
    ids = ledger_tallies.tally_ids(session)
    return sorted(tally for _, tally in ledger_tallies.tallies_by_id(session, ids))


def rows(store: Store, table: str) -> int:
    with store.reading() as session:
        return session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608  # a constant


def usage(store: Store) -> int:
    with store.reading() as session:
        return session.execute(text("SELECT CAST(sum(sealed_bytes) AS BIGINT) FROM usage")).scalar_one()


def opened_again(store: Store) -> Store:
    """Open a store a second time, as another program does."""
    url = getattr(store, "_url", None)
    return open_store(store.path if url is None else ServerPlace(url, store.path))


def files_of(store: Store) -> bytes:
    """Return the bytes of every file in the folder of a store. On a server, return all values of its rows."""
    if store.sql.name == "postgresql":
        with store.reading() as session:
            found = [session.execute(table.select()).all() for table in Base.metadata.sorted_tables]
        values = (value for rows_ in found for row in rows_ for value in row)
        return b"".join(value if isinstance(value, bytes) else str(value).encode() for value in values)
    return b"".join(path.read_bytes() for path in sorted(store.path.parent.iterdir()))
