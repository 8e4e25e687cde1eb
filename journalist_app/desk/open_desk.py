"""The unlocked desk: keys, trusted state and decrypted texts, in memory from unlocking until locking.

The trusted state has the newest entries and serials that this workstation has seen, to detect a roll-back.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from crypto.age import AgeReader
from crypto.errors import ForgedError, UnreadableError
from gpg.home import GpgHome
from journalist_app.config import ONE_MACHINE, AdviserConfig
from journalist_app.desk.casefile import Casefile
from journalist_app.desk.new_key import NewKey
from journalist_app.desk.private_files import ExposedError, read_private
from journalist_app.desk.shown_files import ShownFiles
from journalist_app.desk.spam_choice import SpamChoice
from journalist_app.errors import AdviserError
from journalist_app.files.gpg_export import Exporter
from journalist_app.files.presealed import PresealedCache, Unsealer
from journalist_app.search.search_index import SearchIndex
from journalist_app.search.tally_reader import OpenedTally
from programs.runner import end_all_programs
from protocol import trusted_state as trusted_state_format
from protocol.entry import SignedEntry
from protocol.identifiers import Address, Digest, EntryId, mailbox_label, sealing_words
from protocol.keyring import Keyring
from protocol.letterhead import Letterhead
from protocol.pouch.pouch_file import SERVER
from protocol.sealed_record import RecordKind
from protocol.trusted_state import SeenMailbox, TrustedState
from store.database.atomic_files import folder_lock, replace_file
from store.database.engine import Store
from store.database.one_by_one import work_on_each
from store.errors import MailboxChangedError, NoSuchMailboxError, RecordMovedError

_EXPECTED = (AdviserError, MailboxChangedError, NoSuchMailboxError, RecordMovedError)
_T = TypeVar("_T")
_DECOMPRESSED_TIMES = 4  # a decrypted file may be up to this many times the upload limit


class TrustedStateStatus(StrEnum):
    """Condition of the trusted state's file, in which this workstation remembers what it saw in the store."""

    SOUND = "sound"
    # A missing or damaged file is replaced only when the adviser asks for it. Until then, the app warns.
    MISSING = "missing"  # there is no file, although a new workstation begins with an empty one
    DAMAGED = "damaged"  # does not open
    UNSAVED = "unsaved"  # the last change could not be written


LOST_STATES: Final = frozenset({TrustedStateStatus.MISSING, TrustedStateStatus.DAMAGED})


@dataclass(frozen=True, slots=True)
class CheckProgress:
    """Progress of the background check, which verifies the mailboxes that changed.

    `done` and `total` count mailboxes.
    """

    done: int
    total: int
    is_running: bool
    is_broken: bool


@dataclass(frozen=True, slots=True)
class WholeCheck:
    """Progress of the check of the whole store, and the age and result of the last finished check.

    `done`, `total` and `unsound` count mailboxes. `day` is the day on which the last finished check
    began, or None before the first check has finished.
    """

    done: int = 0
    total: int = 0
    is_running: bool = False
    day: date | None = None
    unsound: int = 0  # with a fault


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """State of the running sync, or result of the last sync since the desk was unlocked."""

    is_running: bool = False
    left: int = 0  # items to send
    received: int | None = None  # items that arrived
    refusal: str = ""  # key of the sentence that says why the sync stopped, or empty
    arrival: str = ""  # of a pouch from a file: "APPLIED", "DUPLICATE" or "PENDING"
    pending: int = 0  # pouches that wait until an earlier pouch arrives


class PreparedEntry(Protocol):
    """Protocol class for an unsent entry with files, which the adviser previews."""

    @property
    def is_busy(self) -> bool:
        """Return True while the app works on this unsent entry in the background."""

    def give_up(self) -> None:
        """Give up this unsent entry. The clean-up of the store then deletes the entry's uploaded files."""


@dataclass(slots=True)
class OpenDesk:
    """The unlocked desk, with its keys and everything that was verified or decrypted.

    With the trusted state, this workstation detects a roll-back of the store. Thread-safe.
    """

    config: AdviserConfig
    store: Store
    keyring: Keyring = field(repr=False)
    letterhead: Letterhead
    trusted_state: TrustedState = field(repr=False)
    trusted_state_status: TrustedStateStatus
    # The file of the trusted state as this process read or wrote it last. Other processes write the file too.
    trusted_state_file: bytes = field(default=b"", repr=False)
    unsound: dict[Address, tuple[str, ...]] = field(default_factory=dict)  # the faults of each faulty mailbox
    # Mailboxes in which a step of the desk's work raised an exception, by the name of the step.
    unfinished: dict[str, frozenset[Address]] = field(default_factory=dict)
    progress: CheckProgress = CheckProgress(0, 0, is_running=False, is_broken=False)
    whole_check: WholeCheck = WholeCheck()
    last_check: date | None = None
    # Damaged rows of the store, by table and address, when they were counted on the day of the last check.
    damaged_rows: Mapping[tuple[str, bytes], int] = field(default_factory=dict)
    # Digests of what sources encrypted before sending, by the digest of the entry.
    contents: dict[Digest, frozenset[bytes]] = field(default_factory=dict, repr=False)
    damaged_files: set[Address] = field(default_factory=set)  # mailboxes, found by the whole check
    # Signed ends of mailboxes, by the hash of the row in the store that proves the end.
    ends: dict[int, SignedEntry] = field(default_factory=dict, repr=False)
    # Closed mailboxes whose tallies were checked.
    tallied: dict[Address, tuple[int, date, set[int] | None]] = field(default_factory=dict)
    to_count: set[Address] = field(default_factory=set)  # mailboxes that were opened, for the yearly report
    abandoned_checked: date | None = None  # day on which abandoned mailboxes were looked for
    checking: threading.Lock = field(default_factory=threading.Lock)
    check_wanted: threading.Event = field(default_factory=threading.Event)
    exchange: SyncProgress = SyncProgress()
    syncing: threading.Lock = field(default_factory=threading.Lock)
    sync_wanted: threading.Event = field(default_factory=threading.Event)
    openpgp: GpgHome | None = field(default=None, repr=False)
    presealed_cache: PresealedCache = field(default_factory=PresealedCache, repr=False)
    exporter: Exporter | None = field(default=None, repr=False)
    prepared: dict[EntryId, PreparedEntry] = field(default_factory=dict, repr=False)  # unsent, oldest first
    new_key: NewKey | None = field(default=None, repr=False)  # waits until someone has typed it back
    shown_files: ShownFiles = field(default_factory=ShownFiles, repr=False)
    spam_choice: SpamChoice = field(default_factory=SpamChoice, repr=False)
    stopping: threading.Event = field(default_factory=threading.Event)
    index: SearchIndex = field(default_factory=lambda: SearchIndex(()), repr=False)
    casefiles: dict[Address, tuple[int, Casefile]] = field(default_factory=dict, repr=False)  # with revision
    unsound_casefiles: set[Address] = field(default_factory=set)
    tallies: dict[int, OpenedTally] = field(default_factory=dict, repr=False)  # of the ledger, by row number
    _labels: dict[Address, str] = field(default_factory=dict)
    _named: dict[str, set[Address]] = field(default_factory=dict)  # the mailboxes with a label
    _changing: threading.Lock = field(default_factory=threading.Lock)
    _saving_once: set[int] = field(default_factory=set)  # threads
    _is_changed: bool = False

    @property
    def is_busy(self) -> bool:
        """Return True while the app closes spam, converts a file, or works on an unsent entry."""
        is_working = self.spam_choice.is_busy or self.shown_files.is_busy
        return is_working or any(each.is_busy for each in tuple(self.prepared.values()))

    def label(self, address: Address) -> str:
        """Return the label of a mailbox: three words by which advisers recognise it.

        If another mailbox has the same three words, the label has six more words. The label is cached,
        because the inbox searches 10,000 labels.
        """
        # Attack: someone makes mailboxes until one has the label of another source, and writes in it.
        if not self._labels:
            for known in (*list(self.trusted_state.mailboxes), *self.trusted_state.ended):
                self._name(known)
        words = self._labels.get(address) or self._name(address)
        return words if len(self._named[words]) == 1 else f"{words} ({sealing_words(address)})"

    def _name(self, address: Address) -> str:
        words = mailbox_label(address)
        self._named.setdefault(words, set()).add(address)
        self._labels[address] = words
        return words

    def unsealer(self) -> Unsealer:
        """Return an `Unsealer` for one page.

        It decrypts texts and files that the source encrypted before sending.
        """
        at_most = _DECOMPRESSED_TIMES * self.config.upload_bytes
        return Unsealer(self.keyring.identities, self.openpgp, self.presealed_cache, at_most=at_most)

    def remember(self, address: Address, seen: SeenMailbox) -> None:
        """Remember the newest entries and removals of a verified mailbox, to detect a roll-back.

        Call `save` afterwards to write this to disk.
        """
        self.label(address)  # from now on, no other mailbox has the same label
        known = self.trusted_state.mailboxes.get(address)
        if known is None or known != replace(seen, removed=known.removed | seen.removed):
            self._change(lambda state: state.advance(address, seen))

    def each_mailbox(
        self, step: str, addresses: Iterable[Address], work: Callable[[Address], _T]
    ) -> list[_T]:
        """Do one step of the desk's work on each mailbox, and return the results.

        A mailbox whose work failed has no result. The work ends early when the desk locks.

        Raises:
            WholeStoreError: the store itself fails, for example because its disk is full.
        """
        # After an unexpected failure, the inbox shows the mailbox as unfinished until this step succeeds.
        done, self.unfinished[step] = work_on_each(addresses, work, *_EXPECTED, until=self.stopping.is_set)
        return done

    def opens_file(self, header: bytes) -> bool:
        """Return True if the desk's keys can decrypt an entry or an attached file.

        `header` is the age header of the entry or file.
        """
        try:
            AgeReader(header, self.keyring.identities, ())
        except UnreadableError:
            return False
        return True

    def stores_to_tell(self, today: date) -> Collection[bytes]:
        """Return the ids of the other stores that must have an item before this store may delete the item.

        If this site itself uses the server's store, these are the stores of the other workstations.
        Otherwise, the only one is the server's store.
        """
        # Such an item is the proof that a mailbox ended, or a record that the desk dropped.
        others = self.letterhead.strands_in_use(today) - {self.keyring.strand.id}
        return others if self.config.server == ONE_MACHINE else {SERVER}

    def forget_ended(self, address: Address) -> None:
        """Remember that a mailbox ended and that the adviser has seen this.

        If the mailbox appears in the store again, this workstation then detects that someone restored it.
        """
        self.unsound.pop(address, None)
        known = self.trusted_state
        if address in known.mailboxes or address not in known.ended:
            self._change(lambda state: state.end(address))

    def saw_record(self, kind: RecordKind, name: bytes, revision: int) -> None:
        """Remember the newest revision of one of the desk's records, to detect an older copy later."""
        if self.trusted_state.records.get((kind, name)) != revision:
            self._change(lambda state: state.saw_record(kind, name, revision))

    def forget_records(self, address: bytes) -> None:
        """Forget the revisions of the records about a mailbox, because the desk dropped these records.

        Otherwise this workstation would report the records as missing.
        """
        if any((kind, address) in self.trusted_state.records for kind in RecordKind):
            self._change(lambda state: state.forget_records(address))

    def forget_purged(self, address: Address) -> None:
        """Forget a mailbox that the desk closed, after the mailbox was deleted.

        Otherwise this workstation would report the mailbox as missing.
        """
        self.casefiles.pop(address, None)
        self.unsound_casefiles.discard(address)
        self.forget_ended(address)
        self.forget_records(address)

    def saw_serials(self) -> None:
        """Save the serials of the letterhead and the keyring in use, so that older ones are refused later.

        A letterhead is the desk's signed public statement.
        """
        in_use, known = (self.letterhead.serial, self.keyring.serial), self.trusted_state
        if in_use != (known.letterhead_serial, known.keyring_serial):
            self._change(lambda state: state.saw_letterhead(self.letterhead.serial))
            self._change(lambda state: state.saw_keyring(self.keyring.serial))
            self.save()

    def save(self) -> None:
        """Encrypt the trusted state, and write it to disk if it changed.

        If another process wrote the file in the meantime, its changes are merged first. In a block of
        `saving_once`, this method does nothing.
        """
        is_waiting = threading.get_ident() in self._saving_once
        if is_waiting or not self._is_changed or self.trusted_state_status in LOST_STATES:
            return
        path = self.config.trusted_state_path
        try:
            with folder_lock(path.parent, is_waiting=True), self._changing:
                if not path.exists() or path.read_bytes() != self.trusted_state_file:
                    self.trusted_state.merge(read_trusted_state(self.config, self.keyring)[0])
                sealed = trusted_state_format.seal_trusted_state(self.trusted_state, self.keyring)
                replace_file(path, [sealed])
                self.trusted_state_file, self._is_changed = sealed, False
        except OSError:
            self.trusted_state_status = TrustedStateStatus.UNSAVED
        else:
            self.trusted_state_status = TrustedStateStatus.SOUND

    @contextmanager
    def saving_once(self) -> Iterator[None]:
        """Save this workstation's trusted state once, at the end of a block that changes many mailboxes.

        Changes in other threads are saved immediately. Do not nest these blocks.
        """
        self._saving_once.add(threading.get_ident())
        try:
            yield
        finally:
            self._saving_once.discard(threading.get_ident())
            self.save()

    def replace_lost_trusted_state(self) -> None:
        """Replace the missing or damaged file of the trusted state by the trusted state in memory.

        Call this method only at the adviser's request.
        """
        if self.trusted_state_status in LOST_STATES:
            self.trusted_state_status = TrustedStateStatus.SOUND
        self._is_changed = True
        self.save()

    def stop(self) -> None:
        """Stop background threads, search processes and programs. Delete gpg's folder and converted files."""
        self.stopping.set()
        end_all_programs()
        self.shown_files.close()
        self.check_wanted.set()
        self.sync_wanted.set()
        self.index.stop()
        if self.openpgp is not None:
            self.openpgp.close()

    def _change(self, change: Callable[[TrustedState], None]) -> None:
        with self._changing:
            try:
                change(self.trusted_state)
            except ForgedError:
                return  # another thread already noted newer heads of the same mailbox
            self._is_changed = True


def read_trusted_state(
    config: AdviserConfig, keyring: Keyring
) -> tuple[TrustedState, TrustedStateStatus, bytes]:
    """Return the trusted state, the condition of its file, and the bytes of the file.

    If the file is missing or damaged, the trusted state is empty.
    """
    sealed = b""
    try:
        sealed = read_private(config.trusted_state_path)
        return trusted_state_format.open_trusted_state(sealed, keyring), TrustedStateStatus.SOUND, sealed
    except FileNotFoundError:
        return TrustedState(), TrustedStateStatus.MISSING, sealed
    except (UnreadableError, ExposedError, OSError):
        return TrustedState(), TrustedStateStatus.DAMAGED, sealed
