"""Record (encrypted note of the desk) in a pouch: a workstation merges records, the server stores them.

See docs/protocol.md, "Records" and "Pouch". A pouch is a sync bundle. The server cannot decrypt a record. It
replaces its revision only by a revision whose sender names that revision in `past`.
"""

import hashlib
from contextlib import suppress
from typing import Final

from sqlalchemy.orm import Session

from crypto.errors import MalformedError
from protocol.pouch.pouch_items import RecordItem
from store import outbox, records
from store.outbox import OutboxKind, as_word, record_name
from store.records import Record
from store.sync_findings import NO_MAILBOX, FindingKind
from sync.endpoint import Merger, RecordFaultError
from sync.items.contexts import ApplyContext, BuildContext, VerifyContext

_WAITING: Final = "waiting"  # kind of a received record that this workstation cannot open yet
_WAITING_RECORDS: Final = 1_000  # anyone who can write to the server's store can invent such records
_WAITING_BYTES: Final = 64 * 1024 * 1024
_LOCAL_KINDS: Final = frozenset({"draft", "unsent", _WAITING})


def pack(context: BuildContext, session: Session, row: outbox.OutboxItem) -> RecordItem | None:
    """Return the sync item with the newest revision of a record (encrypted note of the desk).

    The result is None if there is no such record, or if this workstation cannot decrypt the record.
    """
    kind, name = row.record
    record = records.find(session, kind, name)
    if record is None:
        return None
    merger = context.endpoint.merger
    found = ((), record.is_dropped) if merger is None else merger.past(kind, name, record.sealed)
    if found is None:
        return None
    past = (*found[0], row.replaces) if row.replaces else found[0]
    return RecordItem(kind, name, record.revision, past, found[1], record.sealed)


def verify(_context: VerifyContext, item: RecordItem) -> None:
    """Refuse a received draft or unsent text, because these kinds of record never leave their workstation.

    Raises:
        MalformedError: the record is a draft or an unsent text.
    """
    # Otherwise, the adviser would believe that the text was typed on this workstation.
    if item.kind in _LOCAL_KINDS:
        raise MalformedError


def apply(context: ApplyContext, session: Session, item: RecordItem) -> bool:
    """Apply a received revision of a record (encrypted note of the desk).

    Return True if the stored record changed.
    """
    if (merger := context.endpoint.merger) is not None:
        try:
            return _merge(context, session, merger, item)
        except RecordFaultError:
            return _wait(context, session, item)
    stored = records.find(session, item.kind, item.name)
    if stored is not None and stored.sealed == item.sealed:
        return False
    if stored is not None and hashlib.sha256(stored.sealed).digest() not in item.past:
        outbox.enqueue_for(session, context.peer, OutboxKind.RECORD, name=record_name(item.kind, item.name))
        return False
    records.replace(session, Record(item.kind, item.name, item.revision, item.sealed, item.is_dropped))
    return True


def is_waiting(session: Session, row_name: bytes) -> bool:
    """Return True if this workstation has a newer revision of a record that it cannot decrypt yet.

    `row_name` has the form "kind:name". A record is an encrypted note of the desk.
    """
    kind, _, name = row_name.partition(b":")
    return records.find(session, _WAITING, name + b":" + kind) is not None


def finish(context: ApplyContext, session: Session) -> None:
    """Try again to store the received records (encrypted notes) that this workstation could not decrypt.

    The sync calls this function after the last pouch (sync bundle) of a peer. On a server, do nothing.
    """
    if (merger := context.endpoint.merger) is None:
        return
    for row_name, _ in records.revisions(session, _WAITING):
        name, _, kind = row_name.rpartition(b":")
        waiting = records.find(session, _WAITING, row_name)
        sealed = waiting.sealed if waiting else b""
        with suppress(RecordFaultError):  # it waits on
            item = RecordItem(as_word(kind), name, 1, past=(), is_dropped=False, sealed=sealed)
            _merge(context, session, merger, item)
            records.drop(session, _WAITING, row_name)


def _wait(context: ApplyContext, session: Session, item: RecordItem) -> bool:
    """Store a record (encrypted note) that this workstation cannot decrypt yet, to try again later.

    If too many records wait already, report a fault instead.
    """
    number, size = records.count(session, _WAITING)
    if number >= _WAITING_RECORDS or size + len(item.sealed) > _WAITING_BYTES:
        return context.report(session, NO_MAILBOX, b"", FindingKind.WAITING_RECORD)
    # A name that begins with the record's own name, so that the row is dropped with its mailbox.
    waiting = Record(_WAITING, item.name + b":" + item.kind.encode(), 1, item.sealed)
    records.replace(session, waiting, goes_to_peers=False)
    return False


def _merge(context: ApplyContext, session: Session, merger: Merger, item: RecordItem) -> bool:
    """Replace the stored record by a newer received one, or merge the two if both were changed.

    A received record that fails verification changes nothing.

    Raises:
        RecordFaultError: this workstation cannot open the received record yet.
    """
    kind, name, received = item.kind, item.name, item.sealed
    row_name = record_name(kind, name)
    stored = records.find(session, kind, name)
    if stored is not None and stored.sealed == received:
        return False
    try:
        revised = merger.records(kind, name, None if stored is None else stored.sealed, received)
    except RecordFaultError as why:
        if why.finding is None:
            raise
        address = name[: len(NO_MAILBOX)] if len(name) >= len(NO_MAILBOX) else NO_MAILBOX
        is_new = context.report(session, address, b"", why.finding)
        if is_new and why.finding is FindingKind.FORGED_RECORD and stored is not None:
            # The server may replace the damaged record by ours. Our record does not claim to contain it, so
            # that a workstation that can open it merges the two.
            digest = hashlib.sha256(received).digest()
            outbox.enqueue_for(session, context.peer, OutboxKind.RECORD, name=row_name, replaces=digest)
        return is_new
    if revised is not None:
        records.replace(session, revised)
    if revised is None or revised.sealed != received:
        outbox.enqueue_for(session, context.peer, OutboxKind.RECORD, name=row_name)
    else:
        outbox.dequeue(session, context.peer, OutboxKind.RECORD, name=row_name)
    return revised is not None
