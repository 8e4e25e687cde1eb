"""Reading, verifying and writing of sealed records. A record older than one seen before is refused."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from crypto.errors import ForgedError, MalformedError, UnreadableError
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import RecordUnsoundError
from protocol.identifiers import StrandId
from protocol.sealed_record import KEPT_HERE, RecordKind, open_record, seal_record
from store import records
from store.records import Record


@dataclass(frozen=True, slots=True)
class VerifiedRecord:
    """A decrypted and verified record. `workstation` is the name of the workstation that wrote the record."""

    revision: int
    body: bytes = field(repr=False)
    workstation: str


def read_record(desk: OpenDesk, kind: RecordKind, name: bytes) -> VerifiedRecord | None:
    """Decrypt and verify the record with this kind and name. Return None if no such record was ever written.

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


def verify_record(desk: OpenDesk, kind: RecordKind, record: Record) -> VerifiedRecord:
    """Decrypt and verify a stored record, and note its revision in the trusted state.

    With this note, the workstation later detects if someone puts an older revision back in the store.

    Raises:
        RecordUnsoundError: the record is not signed by this desk, or is older than a revision that this
            workstation has read.
    """
    try:
        found = open_record(record.sealed, kind, record.name, desk.keyring, desk.letterhead.strand_keys)
    except (UnreadableError, MalformedError, ForgedError) as why:
        raise RecordUnsoundError from why
    # The store's revision column is not signed, and the next revision is numbered after it.
    if found.revision != record.revision or found.revision < desk.trusted_state.records.get(
        (kind, record.name), 0
    ):
        raise RecordUnsoundError
    desk.saw_record(kind, record.name, found.revision)
    return VerifiedRecord(found.revision, found.body, _workstation(desk, found.strand))


def write_record(  # noqa: PLR0913  # the record, by name
    desk: OpenDesk,
    kind: RecordKind,
    name: bytes,
    revision: int,
    body: bytes,
    *,
    hook: Callable[[Session], None] = lambda _session: None,
) -> None:
    """Encrypt and store a record. `revision` is 1, or one more than the revision that it replaces.

    `hook` runs in the same transaction.

    Raises:
        RecordMovedError: another writer stored this revision first. This record was not stored.
        TooLongError: the body is longer than a record may be.
    """
    sealed = seal_record(kind, name, revision, body, keyring=desk.keyring, letterhead=desk.letterhead)
    with desk.store.writing() as session:
        records.put(session, kind, name, revision, sealed, goes_to_peers=kind not in KEPT_HERE)
        hook(session)
    desk.saw_record(kind, name, revision)
    desk.save()


def _workstation(desk: OpenDesk, strand: StrandId) -> str:
    return next(each.name for each in desk.letterhead.strands if each.id == strand)
