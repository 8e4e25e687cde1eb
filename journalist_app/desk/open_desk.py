"""The open desk: what is in memory between unlocking and locking, and nowhere else."""

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Protocol

from crypto.errors import ForgedError, UnreadableError
from gpg.home import GpgHome
from journalist_app.config import AdviserConfig
from journalist_app.desk.private_files import ExposedError, read_private, write_private
from journalist_app.files.export import Exporter
from journalist_app.files.presealed import PresealedCache, Unsealer
from journalist_app.search.search_index import SearchIndex
from journalist_app.search.tally_reader import OpenedTally
from protocol import trusted_state as trusted_state_format
from protocol.casefile import Casefile
from protocol.identifiers import Address, Digest, EntryId, mailbox_label
from protocol.keyring import Keyring
from protocol.letterhead import Letterhead
from protocol.sealed_record import RecordKind
from protocol.statements.heads import Heads
from protocol.trusted_state import TrustedState
from store.database.engine import Store

_LARGER_OPENED = 4  # times: what was compressed and sealed may be so much larger than a file may be


class TrustedStateStatus(StrEnum):
    """How the anchors are."""

    SOUND = "sound"
    MISSING = "missing"  # while the store holds answers of this desk
    DAMAGED = "damaged"  # never replaced without the adviser's word
    UNSAVED = "unsaved"


@dataclass(frozen=True, slots=True)
class CheckProgress:
    """How far checking the store is, in mailboxes that have something new."""

    done: int
    total: int
    is_running: bool
    is_broken: bool


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How the sync under way is, or how the last one of this session went. `left` is still to go out.

    `received` counts what it brought. `refusal` names the sentence about what stopped it; empty: nothing did.
    `arrival` says what became of a pouch that came as a file: "APPLIED", "DUPLICATE" or "PENDING"; `held`
    counts those that came too early.
    """

    is_running: bool = False
    left: int = 0
    received: int | None = None
    refusal: str = ""
    arrival: str = ""
    held: int = 0


class PreparedEntry(Protocol):
    """Entry that the adviser is looking at and has not sent, with its pending files."""

    def give_up(self) -> None:
        """Leave its pending files to be swept."""


@dataclass(slots=True)
class OpenDesk:
    """The keys, what was verified with them, and how the memory of earlier sessions is. Safe for threads.

    `unsound` names every mailbox in which something is known to fail, with its faults' names.
    """

    config: AdviserConfig
    store: Store
    keyring: Keyring = field(repr=False)
    letterhead: Letterhead
    trusted_state: TrustedState = field(repr=False)
    trusted_state_status: TrustedStateStatus
    unsound: dict[Address, tuple[str, ...]] = field(default_factory=dict)
    progress: CheckProgress = CheckProgress(0, 0, is_running=False, is_broken=False)
    last_check: date | None = None
    checking: threading.Lock = field(default_factory=threading.Lock)
    exchange: SyncProgress = SyncProgress()
    syncing: threading.Lock = field(default_factory=threading.Lock)
    sync_wanted: threading.Event = field(default_factory=threading.Event)
    openpgp: GpgHome | None = field(default=None, repr=False)
    presealed_cache: PresealedCache = field(default_factory=PresealedCache, repr=False)
    exporter: Exporter | None = field(default=None, repr=False)
    prepared: dict[EntryId, PreparedEntry] = field(default_factory=dict, repr=False)  # oldest first
    stopping: threading.Event = field(default_factory=threading.Event)
    first_page: threading.Event = field(default_factory=threading.Event)  # the adviser has it
    index: SearchIndex = field(default_factory=lambda: SearchIndex(()), repr=False)
    casefiles: dict[Address, tuple[int, Casefile]] = field(default_factory=dict, repr=False)  # by revision
    unsound_casefiles: set[Address] = field(default_factory=set)
    tallies: dict[int, OpenedTally] = field(default_factory=dict, repr=False)  # of the ledger, by row
    _labels: dict[Address, str] = field(default_factory=dict)
    _remembering: threading.Lock = field(default_factory=threading.Lock)
    _is_changed: bool = False

    def label(self, address: Address) -> str:
        """Return a mailbox's three words; ten thousand of them are searched, so they are kept."""
        known = self._labels.get(address)
        if known is None:
            known = self._labels[address] = mailbox_label(address)
        return known

    def unsealer(self) -> Unsealer:
        """Return what opens, for one page, what sources sealed before sending."""
        at_most = _LARGER_OPENED * self.config.upload_bytes
        return Unsealer(self.keyring.identities, self.openpgp, self.presealed_cache, at_most=at_most)

    def remember(
        self,
        address: Address,
        heads: Heads,
        removed: frozenset[Digest] = frozenset(),
        *,
        is_answered: bool = False,
    ) -> None:
        """Note how far a mailbox was found sound, and what was removed. `save` writes it down.

        `is_answered` says that, at these heads, nothing the source said waits for an answer. To leave it out
        is safe: the next check then looks again.
        """
        known = self.trusted_state
        is_known = removed <= known.removed.get(address, frozenset())
        is_known = is_known and is_answered == (address in known.answered)
        if is_known and dict(known.mailboxes.get(address, {})) == dict(heads):
            return
        self._change(
            lambda trusted_state: trusted_state.advance(address, heads, removed, is_answered=is_answered)
        )

    def forget_ended(self, address: Address) -> None:
        """Note that the adviser saw a mailbox end."""
        self.unsound.pop(address, None)
        self._change(lambda trusted_state: trusted_state.end(address))

    def saw_record(self, kind: RecordKind, name: bytes, revision: int) -> None:
        """Note how new one of the desk's own records is. `save` writes it down."""
        if self.trusted_state.records.get((kind, name)) != revision:
            self._change(lambda trusted_state: trusted_state.saw_record(kind, name, revision))

    def forget_records(self, address: Address) -> None:
        """Note that the desk itself dropped what it kept about a mailbox."""
        names = [known for known in self.trusted_state.records if known[1].startswith(address)]
        for kind, name in names:
            self._change(functools.partial(TrustedState.forget_record, kind=kind, name=name))

    def forget_purged(self, address: Address) -> None:
        """Note that the desk's own order deleted a mailbox, and what the desk kept about it too."""
        self.unsound.pop(address, None)
        self.casefiles.pop(address, None)
        self.unsound_casefiles.discard(address)
        self._change(lambda trusted_state: trusted_state.purged(address))

    def saw_letterhead(self) -> None:
        """Note the serial of the letterhead in use, and write it down at once: an older one is refused."""
        if self.letterhead.serial != self.trusted_state.letterhead_serial:
            self._change(lambda trusted_state: trusted_state.saw_letterhead(self.letterhead.serial))
            self.save()

    def save(self) -> None:
        """Seal the anchors and put them in the place of the old ones, if they changed."""
        with self._remembering:
            if self._is_changed and self.trusted_state_status is not TrustedStateStatus.DAMAGED:
                try:
                    write_private(
                        self.config.trusted_state_path,
                        trusted_state_format.seal_trusted_state(self.trusted_state, self.keyring),
                    )
                except OSError:
                    self.trusted_state_status = TrustedStateStatus.UNSAVED
                else:
                    self._is_changed = False
                    if self.trusted_state_status is TrustedStateStatus.UNSAVED:
                        self.trusted_state_status = TrustedStateStatus.SOUND

    def replace_damaged_trusted_state(self) -> None:
        """Give up anchors that do not open: the adviser has said so."""
        if self.trusted_state_status is TrustedStateStatus.DAMAGED:
            self.trusted_state_status = TrustedStateStatus.SOUND
        self._is_changed = True
        self.save()

    def stop(self) -> None:
        """Have what runs in the background end soon, and gpg's home, with the desk's key in it, at once."""
        self.stopping.set()
        self.first_page.set()
        self.sync_wanted.set()
        self.index.stop()
        if self.openpgp is not None:
            self.openpgp.close()

    def _change(self, change: Callable[[TrustedState], TrustedState]) -> None:
        with self._remembering:
            try:
                self.trusted_state = change(self.trusted_state)
            except ForgedError:
                return  # an older look at the same mailbox, by another thread: the newer one stands
            self._is_changed = True


def read_trusted_state(config: AdviserConfig, keyring: Keyring) -> tuple[TrustedState, TrustedStateStatus]:
    """Read what this workstation remembers; where there is nothing, say so and start with nothing."""
    try:
        return trusted_state_format.open_trusted_state(
            read_private(config.trusted_state_path), keyring
        ), TrustedStateStatus.SOUND
    except FileNotFoundError:
        return TrustedState(), TrustedStateStatus.MISSING
    except (UnreadableError, ExposedError, OSError):
        return TrustedState(), TrustedStateStatus.DAMAGED
