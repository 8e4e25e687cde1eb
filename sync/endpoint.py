"""This end of a sync: its store, who it is, and the keys by which pouches are made and opened."""

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
from sync.errors import NotPairedError, RevokedWorkstationError, UnknownWorkstationError


class Merger(Protocol):
    """What only the desk can do when two workstations changed one thing; it needs the keyring."""

    def records(  # what it is, what both made of it, and its next revision
        self, kind: str, name: bytes, ours: bytes, theirs: bytes, revision: int, /
    ) -> bytes:
        """Return one sealed record, of this revision, that says what both said.

        `ours` and `theirs` are as they lie in a store. Where one of them does not open, the other is it.
        """
        ...

    def letterheads(self, base: bytes, ours: bytes, theirs: bytes, /) -> tuple[int, bytes, bytes]:
        """Return serial, body and signature of a letterhead that says what both said."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end. `name` is `SERVER`, or a workstation's strand; `seed` the Ed25519 seed that signs as it.

    `letterhead` gives the newest one that was found true. `quota` bounds the files that are taken in. A
    server has no `merger`: it opens nothing.
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
        """Say which end this is."""
        return self.name == SERVER

    def recipient(self) -> PQRecipient:
        """Return whom pouches from here are sealed to: the desk, or the server.

        Raises:
            NotPairedError: this workstation does not know the server.
        """
        return self.letterhead().current_epoch[1] if self.is_server else self._card().recipient

    def verify_key_of(self, peer: StrandId, letterhead: Letterhead) -> bytes:
        """Return the key that must have signed a pouch from `peer`.

        Raises:
            NotPairedError: this workstation does not know the server.
            UnknownWorkstationError, RevokedWorkstationError: to the server it is no workstation of the desk.
        """
        return self.workstation(peer, letterhead).verify_key if self.is_server else self._card().verify_key

    def workstation(self, peer: StrandId, letterhead: Letterhead) -> StrandKey:
        """Return the strand of a workstation that may exchange pouches today.

        Raises:
            UnknownWorkstationError: the letterhead names no such strand.
            RevokedWorkstationError: its days are over. Its first day is not asked: clocks differ.
        """
        key = letterhead.strand_keys.get(peer)
        if key is None:
            raise UnknownWorkstationError
        if key.until is not None and key.until < self.today():
            raise RevokedWorkstationError
        return key

    def _card(self) -> ServerCard:
        with self.store.reading() as session:
            known = peers.find(session, SERVER)
        if known is None:
            raise NotPairedError
        return ServerCard.from_text(known.card.decode("ascii"))
