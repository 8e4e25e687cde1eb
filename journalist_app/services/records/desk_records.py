"""Reading, verifying and writing of the desk's records (encrypted notes). Older copies are refused."""

from contextlib import suppress
from datetime import date
from functools import partial
from typing import TypeVar

from sqlalchemy.orm import Session

from crypto.canonical_json import decode_json
from crypto.errors import ForgedError, MalformedError, UnreadableError
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import RecordUnsoundError
from protocol.sealed_record import KEPT_HERE, OpenedRecord, RecordKind, open_record, seal_record
from store import mailboxes, records
from store.records import Record

_Shape = TypeVar("_Shape")


def read_record(desk: OpenDesk, kind: RecordKind, name: bytes) -> OpenedRecord | None:
    """Decrypt and verify the desk's record of this kind and name. Return None if it was never written.

    Raises:
        RecordUnsoundError: the record is not signed by this desk, is missing, or is older than a revision
            that this workstation has read.
    """
    with desk.store.reading() as session:
        record = records.find(session, kind, name)
    if record is None:
        if (kind, name) in desk.trusted_state.records:
            raise RecordUnsoundError
        return None
    return verify_record(desk, kind, record)


def read_json(
    desk: OpenDesk, kind: RecordKind, name: bytes, shape: type[_Shape]
) -> tuple[int, _Shape | None]:
    """Decrypt a record of the desk, and return its revision and its JSON content as the class `shape`.

    If there is no such record, return 0 and None.

    Raises:
        RecordUnsoundError: the record fails verification, or its JSON content does not fit the class.
    """
    kept = read_record(desk, kind, name)
    if kept is None:
        return 0, None
    try:
        return kept.revision, decode_json(kept.body, shape)
    except MalformedError as why:
        raise RecordUnsoundError from why


def verify_record(desk: OpenDesk, kind: RecordKind, record: Record) -> OpenedRecord:
    """Decrypt and verify a stored record of the desk, and remember its revision.

    Raises:
        RecordUnsoundError: the record is not signed by this desk, or is older than a revision that this
            workstation has read.
    """
    # The remembered revision reveals that someone has restored an older one in the store.
    found = _open(desk, kind, record)
    # The store's revision column is not signed, and the next revision is numbered after it.
    seen = desk.trusted_state.records.get((kind, record.name), 0)
    if found.revision != record.revision or found.revision < seen:
        raise RecordUnsoundError
    if found.body:
        desk.saw_record(kind, record.name, found.revision)
    else:
        desk.forget_records(record.name)
    return found


def write_record(desk: OpenDesk, kind: RecordKind, name: bytes, revision: int, body: bytes) -> None:
    """Encrypt and store a record, which is a note of the desk.

    `revision` is 1 for a new record. For a changed record, `revision` is one higher than before.

    Raises:
        RecordMovedError: another writer stored this revision first, so this record was not stored.
        RecordUnsoundError: the revision that this record replaces is not signed by this desk.
        TooLongError: the body is longer than a record may be.
    """
    with desk.store.writing() as session:
        put_record(desk, session, kind, name, revision, body)
    desk.saw_record(kind, name, revision)
    desk.save()


def drop_record(desk: OpenDesk, session: Session, kind: RecordKind, name: bytes) -> None:
    """Drop a record of the desk, by writing a revision with an empty body.

    At the next sync, the other workstations drop the record too, unless they have changed it. A missing
    record is ignored.

    Raises:
        RecordUnsoundError: the stored record is not signed by this desk.
    """
    stored = records.find(session, kind, name)
    if stored is not None and _open(desk, kind, stored).body:
        put_record(desk, session, kind, name, stored.revision + 1, b"")
    desk.forget_records(name)


def delete_empty_records(desk: OpenDesk, session: Session, today: date) -> None:
    """Delete the desk's empty records when the other stores have confirmed their arrival.

    The desk drops a record by emptying it. A record that fails verification stays. An empty record
    about an ended mailbox stays as long as the proof that the mailbox ended, because a restored backup of the
    server can have the old notes.
    """
    # Anyone who can write to the store can mark a record as dropped.
    records.delete_dropped(session, desk.stores_to_tell(today), partial(_is_unneeded, desk, session))


def put_record(  # noqa: PLR0913, PLR0917  # the record
    desk: OpenDesk, session: Session, kind: RecordKind, name: bytes, revision: int, body: bytes
) -> bytes:
    """Encrypt and store a record of the desk in the caller's transaction, and return its encrypted bytes.

    An empty body drops the record.

    Raises:
        RecordMovedError, RecordUnsoundError, TooLongError: as for `write_record`.
    """
    before = records.find(session, kind, name)
    made_from = [] if before is None else [(before.sealed, _open(desk, kind, before))]
    sealed = seal_record(kind, name, body, *made_from, keyring=desk.keyring, letterhead=desk.letterhead)
    goes_to_peers = kind not in KEPT_HERE
    records.put(session, kind, name, revision, sealed, goes_to_peers=goes_to_peers, is_dropped=not body)
    return sealed


def _is_unneeded(desk: OpenDesk, session: Session, record: Record) -> bool:
    if mailboxes.find_ended(session, record.name) is not None:
        return False
    with suppress(RecordUnsoundError, ValueError):  # ValueError: no kind of record
        return not verify_record(desk, RecordKind(record.kind), record).body
    return False


def _open(desk: OpenDesk, kind: RecordKind, record: Record) -> OpenedRecord:
    try:
        return open_record(record.sealed, kind, record.name, desk.keyring, desk.letterhead.strand_keys)
    except (UnreadableError, MalformedError, ForgedError) as why:
        raise RecordUnsoundError from why
