"""One end of a sync: its store, its name, and the keys that sign and open pouches."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from crypto.age import PQIdentity, PQRecipient
from protocol.identifiers import StrandId
from protocol.letterhead import Letterhead
from protocol.pouch.pouch_file import SERVER, ServerCard
from protocol.strand import StrandKey
from store import peers
from store.database.engine import Store
from store.quota import Quota
from sync.errors import SyncRefusal, SyncRefusedError


class Merger(Protocol):
    """Merge of concurrent changes by two workstations. It needs the keyring, so only the desk can do it."""

    def records(self, kind: str, name: bytes, ours: bytes, theirs: bytes, revision: int, /) -> bytes:
        """Return one sealed record with this revision that contains both changes.

        `ours` and `theirs` are sealed, as stored. If one of them cannot be opened, the other is the result.
        """
        ...

    def letterheads(self, base: bytes, ours: bytes, theirs: bytes, /) -> tuple[int, bytes, bytes]:
        """Return serial, body and signature of a letterhead that contains both changes."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a sync. `name` is `SERVER` or a workstation's strand, and `seed` its Ed25519 signing seed.

    `letterhead` returns the newest letterhead that was verified. `quota` limits the files that are applied.
    The server has no `merger`, because it cannot decrypt anything.
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

    @property
    def is_server(self) -> bool:
        """Return whether this endpoint is the server."""
        return self.name == SERVER

    def recipient(self) -> PQRecipient:
        """Return the recipient to whom this endpoint seals its pouches: the desk, or the server.

        Raises:
            SyncRefusedError: NOT_PAIRED.
        """
        return self.letterhead().current_epoch[1] if self.is_server else self._card().recipient

    def verify_key_of(self, peer: StrandId, letterhead: Letterhead) -> bytes:
        """Return the key that must have signed a pouch from `peer`.

        Raises:
            SyncRefusedError: NOT_PAIRED, or at the server UNKNOWN_WORKSTATION or REVOKED_WORKSTATION.
        """
        return self.workstation(peer, letterhead).verify_key if self.is_server else self._card().verify_key

    def workstation(self, peer: StrandId, letterhead: Letterhead) -> StrandKey:
        """Return the strand of a workstation that may exchange pouches today.

        The first day of the strand does not matter, because clocks differ.

        Raises:
            SyncRefusedError: UNKNOWN_WORKSTATION or REVOKED_WORKSTATION.
        """
        key = letterhead.strand_keys.get(peer)
        if key is None:
            raise SyncRefusedError(SyncRefusal.UNKNOWN_WORKSTATION)
        if key.until is not None and key.until < self.today():
            raise SyncRefusedError(SyncRefusal.REVOKED_WORKSTATION)
        return key

    def _card(self) -> ServerCard:
        with self.store.reading() as session:
            known = peers.find(session, SERVER)
        if known is None:
            raise SyncRefusedError(SyncRefusal.NOT_PAIRED)
        return ServerCard.from_text(known.card.decode("ascii"))
