"""Endpoint of a sync: one machine's store, its name, and the keys with which it signs and decrypts pouches.

A pouch is a sync bundle.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from crypto.age import PQIdentity, PQRecipient
from crypto.errors import MalformedError
from protocol.entry import SignedEntry
from protocol.identifiers import StrandId
from protocol.letterhead import Letterhead
from protocol.pouch.pouch_file import SERVER, ServerCard, lowest_serial
from protocol.strand import StrandKey
from store import peers
from store.database.engine import Store
from store.quota import Quota
from store.records import Record
from store.sync_findings import FindingKind
from sync.errors import SyncRefusal, SyncRefusedError


class RecordFaultError(Exception):
    """A workstation does not apply a received record (note of the desk), because of the fault `finding`.

    If `finding` is None, the record has no fault, but cannot be decrypted on this workstation yet.
    """

    def __init__(self, finding: FindingKind | None = None) -> None:
        super().__init__(finding)
        self.finding = finding


class Merger(Protocol):
    """Interface of an object that verifies received records and merges the changes of two workstations.

    Only a workstation can do this, because only workstations have the desk's keys.
    """

    def records(self, kind: str, name: bytes, ours: bytes | None, theirs: bytes, /) -> Record | None:
        """Return the record to store after a sync: the received record, or both records merged.

        `ours` is the stored record and `theirs` is the received one, both encrypted. The result is None if
        the stored record already contains the received one.

        Raises:
            RecordFaultError: the received record has a fault, or cannot be decrypted yet.
        """

    def past(self, kind: str, name: bytes, ours: bytes, /) -> tuple[tuple[bytes, ...], bool] | None:
        """Return the digests of the earlier revisions that our record (encrypted note) replaces, and a flag.

        The flag is True if the desk dropped the record. The result is None if this workstation cannot decrypt
        the record.
        """

    def letterheads(self, base: bytes, ours: bytes, theirs: bytes, /) -> tuple[int, bytes, bytes]:
        """Return a letterhead (the desk's public statement) with the changes of two conflicting letterheads.

        The result has the serial, the body and the signature of the merged letterhead. `base` is the
        letterhead from which both were made.
        """


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One machine in a sync, the server or a workstation: its store, its keys and its limits.

    - `name`: `SERVER` or the id of a workstation
    - `seed`: the Ed25519 seed with which this machine signs
    - `letterhead`: returns the newest verified letterhead (the desk's public statement)
    - `quota`: limits the attachments that are applied
    - `merger`: merges two versions of a record; None on the server
    - `opens`: returns True if this workstation can decrypt an entry; None on the server
    - `opens_file`: returns True if this workstation can decrypt an age header; always True on the server
    """

    store: Store
    name: StrandId
    seed: bytes = field(repr=False)
    identities: tuple[PQIdentity, ...] = field(repr=False)
    fingerprint: str
    letterhead: Callable[[], Letterhead]
    quota: Quota
    today: Callable[[], date]
    half_hour: Callable[[], int]
    merger: Merger | None = None
    opens: Callable[[SignedEntry], bool] | None = None
    opens_file: Callable[[bytes], bool] = lambda _: True

    @property
    def is_server(self) -> bool:
        """Return True if this endpoint of the sync is the server, and False if it is a workstation."""
        return self.name == SERVER

    def future_serial(self) -> int:
        """Return the lowest serial that a pouch (sync bundle) can have two days from now.

        This serial and all higher ones count as wrong. A clock may be a day ahead, but not two.
        """
        return lowest_serial(self.half_hour() + 2 * 48)

    def recipient(self) -> PQRecipient:
        """Return the public key to which this endpoint encrypts its pouches (sync bundles).

        The server uses the desk's key, and a workstation uses the server's key.

        Raises:
            SyncRefusedError: NOT_PAIRED: this workstation lacks the server's card, or the card is damaged.
        """
        return self.letterhead().current_epoch[1] if self.is_server else self._card().recipient

    def verify_key_of(self, peer: StrandId, letterhead: Letterhead) -> bytes:
        """Return the public key that verifies pouches (sync bundles) from `peer`, the other machine.

        Raises:
            SyncRefusedError: NOT_PAIRED on a workstation. UNKNOWN_WORKSTATION or REVOKED_WORKSTATION on the
                server.
        """
        return self.workstation(peer, letterhead).verify_key if self.is_server else self._card().verify_key

    def workstation(self, peer: StrandId, letterhead: Letterhead) -> StrandKey:
        """Return the public key of a workstation, if the desk's letterhead allows it to sync today.

        A letterhead is the desk's signed public statement. The workstation's first day of use is not checked.

        Raises:
            SyncRefusedError: UNKNOWN_WORKSTATION or REVOKED_WORKSTATION.
        """
        key = letterhead.strand_keys.get(peer)
        if key is None:
            raise SyncRefusedError(SyncRefusal.UNKNOWN_WORKSTATION)
        # `since` is not checked: a clock that is a day behind would refuse a new workstation.
        if key.until is not None and key.until < self.today():
            raise SyncRefusedError(SyncRefusal.REVOKED_WORKSTATION)
        return key

    def _card(self) -> ServerCard:
        with self.store.reading() as session:
            known = peers.find(session, SERVER)
        try:
            return ServerCard.from_text(known.card.decode("ascii", "replace") if known else "")
        except MalformedError as why:
            raise SyncRefusedError(SyncRefusal.NOT_PAIRED) from why
