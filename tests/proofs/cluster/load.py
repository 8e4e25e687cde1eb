"""Programs that write in a store, read and delete, and note what the store acknowledged."""

import os
import random
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

from store import entries
from store.database.engine import ServerPlace, Store, open_store
from store.errors import StoreError
from tests.store.factories import add

_PAUSE = 0.05  # so that eight writers leave time for the machines of the test


@dataclass(slots=True)
class Notes:
    """Notes of one writer about what the store acknowledged, by digest, and when."""

    address: bytes
    attempted: set[bytes] = field(default_factory=set)
    acknowledged: dict[bytes, bytes] = field(default_factory=dict)  # payloads by digest
    deleting: set[bytes] = field(default_factory=set)  # asked to delete, perhaps without an answer
    deleted: set[bytes] = field(default_factory=set)
    times: list[float] = field(default_factory=list)  # of acknowledged entries
    refused: int = 0
    outdated: list[float] = field(default_factory=list)  # times of reads that did not show all of this


def write_until(url: str, address: bytes, stop: Event, report: Connection) -> None:
    """Write, read and delete in one mailbox until `stop` is set. Then send the notes."""
    notes = Notes(address)
    store: Store | None = None
    while store is None:
        try:
            store = open_store(ServerPlace(url, Path("notes")), patient=2, of_source=True)
        except StoreError:
            time.sleep(_PAUSE)
    with closing(store):
        digest = payload = b""
        while not stop.is_set():
            if not digest:  # otherwise, no one knows whether the last entry is stored
                digest, payload = os.urandom(32), os.urandom(1024)
                notes.attempted.add(digest)
            began = time.monotonic()
            try:
                _post(store, address, digest, payload)
                notes.acknowledged[digest] = payload
                notes.times.append(time.monotonic())
                digest = b""
                _read(store, notes)
                if random.random() < 0.2:
                    _delete(store, notes)
            except StoreError:
                notes.refused += 1
                time.sleep(max(0.0, 0.5 - (time.monotonic() - began)))
            time.sleep(_PAUSE)
    report.send(notes)


def _post(store: Store, address: bytes, digest: bytes, payload: bytes) -> None:
    """Store an entry, unless an earlier attempt stored it, as the site does with the id of a form."""
    with store.writing(mailbox=address) as session:
        if entries.find_digest(session, address, digest) is None:
            add(session, address, digest=digest, entry_id=digest[:16], payload=payload)


def _read(store: Store, notes: Notes) -> None:
    with store.reading(mailbox=notes.address) as session:
        found = entries.of_mailbox(session, notes.address)
    if faults(notes, found):
        notes.outdated.append(time.monotonic())


def _delete(store: Store, notes: Notes) -> None:
    digest = random.choice([*notes.acknowledged.keys() - notes.deleted])
    notes.deleting.add(digest)
    with store.writing(mailbox=notes.address) as session:
        entries.destroy(session, notes.address, (digest,))
    notes.deleted.add(digest)


def faults(notes: Notes, found: Sequence[entries.StoredEntry]) -> list[str]:
    """Compare the entries of a mailbox with what the store acknowledged."""
    digests = [entry.digest for entry in found]
    readable = {entry.digest: entry.payload for entry in found if entry.header is not None}
    told = []
    if missing := notes.acknowledged.keys() - set(digests):
        told.append(f"{len(missing)} acknowledged entries are lost")
    if len(digests) != len(set(digests)):
        told.append(f"{len(digests) - len(set(digests))} entries are stored twice")
    if back := notes.deleted & readable.keys():
        told.append(f"{len(back)} deleted entries are back")
    if unknown := set(digests) - notes.attempted:
        told.append(f"{len(unknown)} entries are unknown")
    kept = notes.acknowledged.keys() - notes.deleting
    if wrong := [digest for digest in kept if readable.get(digest) != notes.acknowledged[digest]]:
        told.append(f"{len(wrong)} entries are not readable")
    return told
