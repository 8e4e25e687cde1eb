"""Verification and decryption of a whole mailbox, before an adviser sees, counts or answers its entries.

Keys, signatures and heads are checked without decryption. Then the verified entries are decrypted.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Final

from sqlalchemy.orm import Session

from crypto.errors import ForgedError, MalformedError, UnreadableError
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import MailboxNotFoundError, UnsoundMailboxError
from protocol.content import Content
from protocol.entry import EntryContent, SignedEntry, open_entry
from protocol.envelope import Author, EntryClass
from protocol.errors import NewerVersionError
from protocol.heads import Heads
from protocol.identifiers import SOURCE_STRAND, Address, Digest
from protocol.pouch.pouch_file import SERVER
from protocol.transcript.check import FaultKind, Transcript
from protocol.transcript.closing import closed_until
from protocol.transcript.thread_state import ThreadState, thread_state
from protocol.transcript.waiting import waiting_since
from protocol.trusted_state import SeenMailbox
from store import peers, sync_findings
from store.mailboxes import StoredMailbox
from store.sync_findings import FindingKind
from stored_mailbox.reading import StoredTranscript, read_stored

WRONG_STATE = "wrong_state"  # the source waits, but the mailbox's row says that the desk has answered
NOT_DELETED = "not_deleted"  # the mailbox is still here, although it had to be deleted on an earlier day
DAMAGED_FILE = "damaged_file"  # found by the check of the whole store, which reads every file
_TWO_WEEKS: Final = timedelta(days=14)  # a mailbox is deleted at night, and a USB stick may take days


@dataclass(frozen=True, slots=True)
class ShownFault:
    """One fault of a mailbox, as the adviser's pages show it.

    `author` and `number` identify the first faulty entry. `author` is None if the fault is not in one entry.
    """

    kind: str
    author: Author | None = None
    number: int = 0
    allows_answers: bool = False  # an adviser may write in a mailbox with this fault


@dataclass(frozen=True, slots=True)
class OpenedEntry:
    """A verified entry of a mailbox, with its decrypted content.

    `content` is None if there is nothing to read. If the content was lost or cannot be read, `fault` is
    "lost", "unreadable" or "newer_version".
    """

    signed: SignedEntry
    content: Content | None = field(repr=False)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A mailbox whose entries are verified, but not decrypted yet.

    `entries` has only verified entries, in thread order. `removed` has the digests of the entries that the
    source removed.
    """

    stored: StoredTranscript = field(repr=False)
    entries: tuple[SignedEntry, ...]
    faults: tuple[ShownFault, ...]
    removed: frozenset[Digest]  # according to the store or to this workstation's memory
    restored: tuple[SignedEntry, ...] = ()  # removed entries that have an encrypted part again

    @property
    def mailbox(self) -> StoredMailbox:
        """Return the mailbox's row in the store. No signature covers the values of the row."""
        return self.stored.mailbox

    @property
    def address(self) -> Address:
        """Return the mailbox's address."""
        return Address(self.stored.mailbox.address)

    @property
    def transcript(self) -> Transcript:
        """Return the result of the check of the mailbox: its verified entries and its faults."""
        return self.stored.transcript

    @property
    def may_answer(self) -> bool:
        """Return True if the mailbox has no fault, or only faults that allow an adviser to write in it."""
        return all(fault.allows_answers for fault in self.faults)

    @property
    def may_lack_withdrawal(self) -> bool:
        """Return True if an entry of the mailbox is damaged at the server.

        The entry has not reached this workstation, and could be the withdrawal of the source's consent.
        """
        return any(fault.kind == name_of_finding(FindingKind.DAMAGED) for fault in self.faults)

    @property
    def is_answered_once(self) -> bool:
        """Return True if the desk ever wrote an encrypted entry, such as a message, in this mailbox."""
        parts = (entry.envelope for entry in self.entries)
        return any(part.is_words and part.author is Author.DESK for part in parts)


def conversation_of(desk: OpenDesk, address: Address) -> Conversation:
    """Verify a mailbox without decrypting it, and compare its entries with what this workstation saw before.

    If no entry was rolled back or forged, this workstation remembers the newest entries. The names of all
    faults go into `desk.unsound`.

    Raises:
        MailboxNotFoundError: the store has no mailbox with this address.
    """
    known = desk.trusted_state.seen(address)
    with desk.store.reading() as session:
        stored = read_stored(session, address, desk.letterhead.strand_keys, remembered=known.heads)
        findings = sync_findings.of_mailbox(session, address)
        overdue = due_before(desk, session)
    if stored is None:
        raise MailboxNotFoundError
    transcript = stored.transcript
    removed = known.removed | transcript.removed.keys()
    gone = (entry for digest, entry in transcript.authentic.items() if digest in removed)
    restored = tuple(entry for entry in gone if entry.header is not None)
    faults = [*_faults(stored, known.removed, restored)]
    if address in desk.trusted_state.ended:
        faults.append(ShownFault("come_back"))
    waiting, until = waiting_since(transcript), closed_until(transcript)
    if not faults and waiting is not None and stored.mailbox.waiting_since is None:
        faults.append(ShownFault(WRONG_STATE))
    if all(fault.allows_answers or fault.kind == FaultKind.RESTORED for fault in faults):
        # Only of entries that are here: a source can sign removals of thousands that never existed.
        here = frozenset(transcript.removed.keys() & transcript.authentic.keys())
        seen = SeenMailbox(transcript.heads, here, until, waiting is None)
        desk.remember(address, seen)
    if until is not None and until < overdue:
        faults.append(ShownFault(NOT_DELETED, allows_answers=True))
    if address in desk.damaged_files:
        faults.append(ShownFault(DAMAGED_FILE, allows_answers=True))
    found = dict.fromkeys(finding.kind for finding in findings)
    found.pop(FindingKind.LONG_RECORD, None)  # the page about the sync shows it, and the mailbox is sound
    # Someone who can write to the server's store could otherwise block a mailbox for good.
    faults += [
        ShownFault(name_of_finding(kind), allows_answers=kind is not FindingKind.FORK) for kind in found
    ]
    if faults:
        desk.unsound[address] = tuple(dict.fromkeys(fault.kind for fault in faults))
    else:
        desk.unsound.pop(address, None)
    entries = tuple(
        replace(entry, header=None, payload=None) if entry.digest in removed else entry
        for entry in transcript.entries
    )
    return Conversation(stored, entries, once_for_each_writer(faults), removed, restored)


def due_before(desk: OpenDesk, session: Session) -> date:
    """Return a day: a closed mailbox that had to be deleted before this day should not be here any more.

    With a server, the time after the last sync does not count, because the server may have deleted it since.
    """
    # Attack: the operator keeps a mailbox. A workstation deletes its copy only after the server did.
    server = peers.find(session, SERVER)
    latest = desk.last_check if server is None else server.last_applied_day
    return date.min if latest is None else latest - min(_TWO_WEEKS, latest - date.min)


def name_of_finding(kind: FindingKind) -> str:
    """Return the name that the adviser's pages use for a fault that a sync found."""
    return kind.value if kind is FindingKind.RESTORED else f"{kind.value}_at_server"


def _faults(
    stored: StoredTranscript, remembered: frozenset[Digest], restored: Sequence[SignedEntry]
) -> Iterator[ShownFault]:
    """Yield the faults that the verification found in the keys, rows and entries of a mailbox.

    `remembered` has the digests of the removed entries that this workstation remembers.
    """
    # Attack: someone restores a removed entry in the store, and deletes the signed removal. The trusted
    # state, which is not in the store, has the digests of all removed entries.
    if not stored.has_sound_keys:
        yield ShownFault("wrong_keys")
    for part in stored.damaged:
        yield ShownFault("damaged_row", *((part.author, part.number) if part else ()))
    for fault in stored.transcript.faults:
        is_known = fault.kind in {FaultKind.LOST, FaultKind.RESTORED} and fault.digest in remembered
        # Without sound keys, nothing of the source is verified. That alone says nothing about these entries.
        if not is_known and (stored.has_sound_keys or fault.strand):
            author = Author.DESK if fault.strand else Author.SOURCE
            yield ShownFault(fault.kind.value, author, fault.number, fault.allows_answers)
    for entry in restored:
        if entry.digest in remembered:
            yield ShownFault(FaultKind.RESTORED.value, entry.envelope.author, entry.envelope.number)


def require_answerable(desk: OpenDesk, address: Address) -> tuple[Conversation, tuple[OpenedEntry, ...]]:
    """Verify and decrypt a mailbox in which the desk wants to write. Return the mailbox and its entries.

    Raises:
        MailboxNotFoundError: the store has no such mailbox.
        UnsoundMailboxError: the mailbox has a fault that forbids the desk to write.
    """
    conversation = conversation_of(desk, address)
    if not conversation.may_answer:
        raise UnsoundMailboxError
    return conversation, open_all(desk, conversation)


def open_all(desk: OpenDesk, conversation: Conversation) -> tuple[OpenedEntry, ...]:
    """Decrypt every verified entry of a mailbox.

    An entry that cannot be decrypted has a fault and no content.
    """
    return tuple(_open(desk, signed, conversation.removed) for signed in conversation.entries)


def open_for_counting(desk: OpenDesk, conversation: Conversation) -> tuple[EntryContent, ...]:
    """Decrypt only the desk's entries in a mailbox, to see which of them are answers.

    The source's entries stay encrypted: their content is None in the result.
    """
    return tuple(
        (signed, _open(desk, signed, conversation.removed).content if signed.envelope.strand else None)
        for signed in conversation.entries
    )


def entry_contents(opened: Sequence[OpenedEntry]) -> tuple[EntryContent, ...]:
    """Return each signed entry with its content, in the form that functions of `protocol.transcript` need."""
    return tuple((each.signed, each.content) for each in opened)


def open_with_faults(
    desk: OpenDesk, conversation: Conversation
) -> tuple[tuple[OpenedEntry, ...], tuple[ShownFault, ...]]:
    """Decrypt the verified entries of a mailbox, and return them with all faults of the mailbox.

    An entry that cannot be decrypted is a fault too. If there are faults, their names go into `desk.unsound`.
    """
    opened = open_all(desk, conversation)
    faults = once_for_each_writer((*conversation.faults, *_content_faults(opened)))
    if faults:
        desk.unsound[conversation.address] = tuple(dict.fromkeys(fault.kind for fault in faults))
    return opened, faults


def once_for_each_writer(faults: Iterable[ShownFault]) -> tuple[ShownFault, ...]:
    """Keep only the first fault of each kind, separately for the source's entries and the desk's entries.

    Attack: someone refers to thousands of entries that never existed, so that the page is full of warnings.
    """
    first: dict[tuple[object, ...], ShownFault] = {}
    for fault in faults:
        first.setdefault((fault.kind, fault.author, fault.allows_answers), fault)
    return tuple(first.values())


def _content_faults(opened: Sequence[OpenedEntry]) -> Iterator[ShownFault]:
    """Yield a fault for each entry whose content this version of the app cannot read."""
    for each in opened:
        if each.fault and each.fault != FaultKind.LOST:
            part = each.signed.envelope
            yield ShownFault(each.fault, part.author, part.number, each.fault == "unreadable")


def thread_of(conversation: Conversation, opened: Sequence[OpenedEntry]) -> ThreadState:
    """Compute the desk's steps in a mailbox, and the state of each proposal, from the decrypted entries."""
    return thread_state(conversation.address, conversation.transcript, entry_contents(opened))


def heads_shown(
    desk: OpenDesk, conversation: Conversation, opened: Sequence[OpenedEntry], *, is_whole: bool = True
) -> tuple[Heads, Heads]:
    """Return the newest entries that a page shows, and all known entries that it does not show.

    With `is_whole=False`, both results leave out the source's messages and removals that the desk has not
    confirmed yet.
    """
    # A lost or unreadable entry counts as not shown, and a removed entry as shown. With `is_whole=False`, a
    # form is refused until the adviser has opened the page with the entries.
    shown = {each.signed.digest for each in opened if not each.fault} | conversation.removed
    new = set() if is_whole else set(unconfirmed(desk, conversation, opened))
    heads, unseen = conversation.transcript.heads_for(
        desk.keyring.strand.id, shown - new, desk.trusted_state.seen(conversation.address).heads
    )
    return heads, tuple(head for head in unseen if head.digest not in new)


def unconfirmed(
    desk: OpenDesk, conversation: Conversation, opened: Sequence[OpenedEntry], *, by_us: bool = False
) -> list[Digest]:
    """Return the source's readable messages and removals that no entry of the desk has confirmed yet.

    With `by_us=True`, return the removals that no entry of this workstation has confirmed yet. Both results
    leave out entries that the desk cannot confirm now.
    """
    # The desk can confirm nothing if the source has more unreadable entries than a new entry can list.
    knowledge = conversation.transcript.knowledge
    by_desk = [each.signed for each in opened if each.signed.envelope.strand]
    ours = [entry.digest for entry in by_desk if not by_us or entry.envelope.strand == desk.keyring.strand.id]
    possible = knowledge.within(heads_shown(desk, conversation, opened)[0])
    said = [
        each.signed.digest
        for each in opened
        if is_from_source(each.signed, EntryClass.REMOVAL)
        or (not by_us and each.content is not None and is_from_source(each.signed, EntryClass.WORDS))
    ]
    return knowledge.unknown_to_all(possible.intersection(said), ours)


def is_from_source(entry: SignedEntry, *classes: EntryClass) -> bool:
    """Return True if the source wrote this entry, and the entry has one of these classes."""
    return entry.envelope.strand == SOURCE_STRAND and entry.envelope.entry_class in classes


def _open(desk: OpenDesk, signed: SignedEntry, removed: frozenset[Digest]) -> OpenedEntry:
    if not signed.envelope.is_words or signed.digest in removed:
        return OpenedEntry(signed, None)
    if signed.header is None or signed.payload is None:
        return OpenedEntry(signed, None, FaultKind.LOST.value)
    try:
        return OpenedEntry(signed, open_entry(signed, desk.keyring.identities))
    except NewerVersionError:
        return OpenedEntry(signed, None, "newer_version")
    except (UnreadableError, ForgedError, MalformedError):
        return OpenedEntry(signed, None, "unreadable")
