"""Verification and decryption of a whole mailbox, before an adviser sees, counts or answers its entries.

Keys, signatures and chains are checked without decryption. Then the verified entries are decrypted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy.orm import Session

from crypto.errors import ForgedError, MalformedError, UnreadableError
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import MailboxNotFoundError
from protocol import chain
from protocol.content import Content
from protocol.entry import SignedEntry, open_entry
from protocol.envelope import Author
from protocol.identifiers import SOURCE_STRAND, Address, Digest, StrandId
from protocol.mailbox_keys import checked_verify_key
from protocol.statements.heads import Heads
from protocol.thread_state import EntryContent
from store import entries, mailboxes, sync_findings
from store.entries import StoredEntry
from store.mailboxes import StoredMailbox


@dataclass(frozen=True, slots=True)
class ShownFault:
    """One fault of a mailbox.

    `author` and `number` identify the faulty entry. If the fault is not in one entry, `author` is None and
    `number` is 0.
    """

    kind: str
    author: Author | None = None
    number: int = 0

    @property
    def side(self) -> str:
        """Return the faulty entry's author, "source" or "desk". A fault of the mailbox gives ""."""
        return "" if self.author is None else self.author.name.lower()


@dataclass(frozen=True, slots=True)
class OpenedEntry:
    """A verified entry and its content. `content` is None if the entry was removed or cannot be decrypted.

    `fault` is empty, or "unreadable" for an entry that cannot be decrypted.
    """

    signed: SignedEntry
    content: Content | None = field(repr=False)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A mailbox after verification, not decrypted. `entries` has only verified entries, in thread order.

    `unanswered_since` is the day of the source's oldest message without an answer of the desk, or None. A
    read receipt of the source needs no answer, and a read receipt of the desk is not an answer.
    """

    mailbox: StoredMailbox
    entries: tuple[SignedEntry, ...]
    faults: tuple[ShownFault, ...]
    heads: Heads
    unanswered_since: date | None

    @property
    def address(self) -> Address:
        """Return the mailbox's address."""
        return Address(self.mailbox.address)

    @property
    def source_head(self) -> bytes:
        """Return the digest of the source's newest entry, read receipts included, or empty bytes."""
        head = self.heads.get(SOURCE_STRAND)
        return head[1] if head else b""

    @property
    def source_said(self) -> bytes:
        """Return the digest of the source's newest entry that is not a read receipt, or empty bytes."""
        said = [entry for entry in self.entries if _speaks(entry, Author.SOURCE)]
        return said[-1].digest if said else b""

    @property
    def is_answered_once(self) -> bool:
        """Return True if the desk ever wrote an entry in this mailbox that is not a read receipt."""
        return any(_speaks(entry, Author.DESK) for entry in self.entries)


def conversation_of(desk: OpenDesk, address: Address) -> Conversation:
    """Load the mailbox with this address, verify it, and return its entries and faults.

    Raises:
        MailboxNotFoundError: the store has no mailbox with this address.
    """
    with desk.store.reading() as session:
        mailbox = mailboxes.find(session, address)
        if mailbox is None:
            raise MailboxNotFoundError
        return examine(desk, session, mailbox)


def examine(desk: OpenDesk, session: Session, mailbox: StoredMailbox) -> Conversation:
    """Verify every entry of a mailbox against its keys, its chains and the heads that this workstation saved.

    The function decrypts nothing. The saved heads (newest entries) are in the trusted state. If the mailbox
    has no faults, its heads are saved there. A mailbox with faults goes into `desk.unsound`, for the inbox.
    The faults include the faults that a sync found in the server's copy of the mailbox.
    """
    address = Address(mailbox.address)
    faults: list[ShownFault] = []
    verify_key = checked_verify_key(address, mailbox.recipient, mailbox.verify_key)
    if verify_key is None:
        faults.append(ShownFault("wrong_keys"))
    if address in desk.trusted_state.ended:
        faults.append(ShownFault("come_back"))
    signed = _read(entries.of_mailbox(session, address), faults)
    checked = chain.check_chain(
        address, verify_key, desk.letterhead.strand_keys, signed, desk.trusted_state.mailboxes.get(address)
    )
    faults += [
        ShownFault(fault.kind.value, Author.DESK if fault.strand else Author.SOURCE, fault.number)
        for fault in checked.faults
    ]
    restored = _restored(checked.entries, desk.trusted_state.removed.get(address, frozenset()))
    faults += [
        ShownFault(chain.FaultKind.NOT_REMOVED.value, entry.envelope.author, entry.envelope.number)
        for entry in restored
    ]
    thread = tuple(entry for entry in checked.entries if entry not in restored)
    if not faults and _heads_in_store(session, address) != checked.heads:
        faults.append(ShownFault("wrong_head"))
    unanswered = _unanswered_since(thread, checked.heads)
    at_server = [f"{found.kind.value}_at_server" for found in sync_findings.of_mailbox(session, address)]
    if not faults and unanswered is not None and mailbox.waiting_since is None:
        faults.append(ShownFault("wrong_state"))
    if not faults:  # faults in the server's copy do not make this copy unsound
        removed = frozenset(entry.digest for entry in thread if entry.removal is not None)
        desk.remember(address, checked.heads, removed, is_answered=unanswered is None)
    faults += [ShownFault(kind) for kind in dict.fromkeys(at_server)]
    if faults:
        desk.unsound[address] = tuple(dict.fromkeys(fault.kind for fault in faults))
    else:
        desk.unsound.pop(address, None)
    return Conversation(mailbox, thread, tuple(faults), checked.heads, unanswered)


def _restored(thread: Sequence[SignedEntry], removed: frozenset[Digest]) -> list[SignedEntry]:
    """Return the entries that were removed earlier, and that someone has restored in the store.

    Attack: someone keeps a copy of a signed entry, waits until the entry is removed, restores the copy in the
    store and deletes the signed removal. The restored entry is detected because the trusted state, which is
    not in the store, has the digests of all removed entries.
    """
    return [entry for entry in thread if removed and entry.removal is None and entry.digest in removed]


def _heads_in_store(session: Session, address: Address) -> Heads:
    """Return the heads (newest entries) that the store's own table names, to compare them with the entries.

    The source's site signs the next entry after the head in this table. After a wrong head, the source would
    sign a broken chain.
    """
    return {
        StrandId(head.strand): (head.number, Digest(head.digest))
        for head in entries.strand_heads(session, address)
    }


def open_all(desk: OpenDesk, conversation: Conversation) -> tuple[OpenedEntry, ...]:
    """Decrypt every verified entry. An entry that cannot be decrypted has a fault and no content."""
    return tuple(open_one(desk, signed) for signed in conversation.entries)


def entry_contents(opened: Sequence[OpenedEntry]) -> tuple[EntryContent, ...]:
    """Return signed entries with their contents, as `protocol.thread_state` reads them."""
    return tuple((each.signed, each.content) for each in opened)


def open_one(desk: OpenDesk, signed: SignedEntry) -> OpenedEntry:
    """Decrypt one verified entry. If it cannot be decrypted, the result has a fault and no content."""
    if signed.removal is not None:
        return OpenedEntry(signed, None)
    try:
        return OpenedEntry(signed, open_entry(signed, desk.keyring.identities))
    except (UnreadableError, ForgedError, MalformedError):
        return OpenedEntry(signed, None, "unreadable")


def _read(rows: Sequence[StoredEntry], faults: list[ShownFault]) -> list[SignedEntry]:
    """Parse the entries in rows of the store. Add a fault for each malformed row.

    A row whose columns differ from the signed entry in the same row also gets a fault.
    """
    signed = []
    for row in rows:
        try:
            entry = SignedEntry.from_stored(
                envelope=row.envelope,
                signature=row.signature,
                epoch=row.epoch,
                header=row.header,
                payload=row.payload,
                removal=row.removal,
            )
        except MalformedError:
            author = Author(row.author) if row.author in set(Author) else None
            faults.append(ShownFault("bad_signature", author, row.number))
            continue
        signed.append(entry)
        if not _has_signed_columns(row, entry):
            faults.append(ShownFault("bad_signature", entry.envelope.author, entry.envelope.number))
    return signed


def _has_signed_columns(row: StoredEntry, entry: SignedEntry) -> bool:
    """Return True if a row's columns equal the signed values in its entry.

    The store sorts and counts entries by these columns, which are not signed themselves.
    """
    part = entry.envelope
    signed = (int(part.author), part.strand, part.number, part.entry_id, entry.digest, part.day)
    return signed == (row.author, row.strand, row.number, row.entry_id, row.digest, row.day)


def _speaks(entry: SignedEntry, author: Author) -> bool:
    """Return True if this author wrote the entry and the entry is not a read receipt."""
    return entry.envelope.speaks and entry.envelope.author is author


def _unanswered_since(thread: Sequence[SignedEntry], heads: Heads) -> date | None:
    """Return the day of the source's oldest message without an answer of the desk, or None.

    A read receipt of the desk is not an answer. A read receipt of the source needs no answer.
    """
    source = [entry for entry in thread if entry.envelope.author is Author.SOURCE]
    answers = [entry.envelope for entry in thread if _speaks(entry, Author.DESK)]
    seen = {digest for answer in answers for digest in answer.seen}
    if heads.get(SOURCE_STRAND, (0, b""))[1] in seen:
        return None
    left: list[SignedEntry] = []
    for entry in reversed(source):
        if entry.digest in seen:
            break
        if entry.envelope.speaks and entry.removal is None:
            left.append(entry)
    return left[-1].envelope.day if left else None
