"""Check a whole mailbox before anything of it is shown, counted or built upon."""

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
from protocol.mailbox_keys import check_mailbox_keys
from protocol.statements.heads import Heads
from store import entries, mailboxes, sync_findings
from store.entries import StoredEntry
from store.mailboxes import StoredMailbox


@dataclass(frozen=True, slots=True)
class ShownFault:
    """One thing that fails: its name, and whose entry (None where no entry can be named)."""

    kind: str
    author: Author | None = None
    number: int = 0

    @property
    def side(self) -> str:
        """Return "source", "desk", or nothing."""
        return "" if self.author is None else self.author.name.lower()


@dataclass(frozen=True, slots=True)
class OpenedEntry:
    """A verified entry and what stands in it: None when it was removed, or when `fault` says why."""

    signed: SignedEntry
    content: Content | None = field(repr=False)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A mailbox after every check. `entries` is in thread order and holds verified entries alone.

    `unanswered_since` is the day of the oldest thing the source said that no answer has seen; marks neither
    wait nor answer.
    """

    mailbox: StoredMailbox
    entries: tuple[SignedEntry, ...]
    faults: tuple[ShownFault, ...]
    heads: Heads
    unanswered_since: date | None

    @property
    def address(self) -> Address:
        """Return the mailbox's name in the store."""
        return Address(self.mailbox.address)

    @property
    def source_head(self) -> bytes:
        """Return the digest of the source's newest entry, be it a mark; empty when there is none."""
        head = self.heads.get(SOURCE_STRAND)
        return head[1] if head else b""

    @property
    def source_said(self) -> bytes:
        """Return the digest of the newest thing the source said, marks left out; empty when there is none."""
        said = [entry for entry in self.entries if _speaks(entry, Author.SOURCE)]
        return said[-1].digest if said else b""

    @property
    def is_answered_once(self) -> bool:
        """Say whether the desk ever said something here."""
        return any(_speaks(entry, Author.DESK) for entry in self.entries)


def conversation_of(desk: OpenDesk, address: Address) -> Conversation:
    """Check a mailbox and return it with what was found.

    Raises:
        MailboxMissingError: there is no such mailbox.
    """
    with desk.store.reading() as session:
        mailbox = mailboxes.find(session, address)
        if mailbox is None:
            raise MailboxNotFoundError
        return examine(desk, session, mailbox)


def examine(desk: OpenDesk, session: Session, mailbox: StoredMailbox) -> Conversation:
    """Check every entry of a mailbox against keys, chain and what this workstation remembers.

    Opens nothing. What is sound is remembered, what is not is noted for the inbox, and so is what syncing
    found wrong about it at the server.
    """
    address = Address(mailbox.address)
    faults: list[ShownFault] = []
    verify_key: bytes | None = mailbox.verify_key
    try:
        check_mailbox_keys(address, mailbox.recipient, mailbox.verify_key)
    except (ForgedError, MalformedError):
        verify_key = None
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
    put_back = _put_back(checked.entries, desk.trusted_state.removed.get(address, frozenset()))
    faults += [
        ShownFault(chain.FaultKind.NOT_REMOVED.value, entry.envelope.author, entry.envelope.number)
        for entry in put_back
    ]
    thread = tuple(entry for entry in checked.entries if entry not in put_back)
    if not faults and _heads_in_store(session, address) != checked.heads:
        faults.append(ShownFault("wrong_head"))
    unanswered = _unanswered_since(thread, checked.heads)
    at_server = [f"{found.kind.value}_at_server" for found in sync_findings.of_mailbox(session, address)]
    if not faults and unanswered is not None and mailbox.waiting_since is None:
        faults.append(ShownFault("wrong_state"))
    if not faults:  # what is here is sound, whatever the server holds
        removed = frozenset(entry.digest for entry in thread if entry.removal is not None)
        desk.remember(address, checked.heads, removed, is_answered=unanswered is None)
    faults += [ShownFault(kind) for kind in dict.fromkeys(at_server)]
    if faults:
        desk.unsound[address] = tuple(dict.fromkeys(fault.kind for fault in faults))
    else:
        desk.unsound.pop(address, None)
    return Conversation(mailbox, thread, tuple(faults), checked.heads, unanswered)


def _put_back(thread: Sequence[SignedEntry], removed: frozenset[Digest]) -> list[SignedEntry]:
    """Return what this workstation knows as removed, and stands there again as if it never was.

    Whoever kept a copy can put everything back as it was signed, and take the removal away.
    """
    return [entry for entry in thread if removed and entry.removal is None and entry.digest in removed]


def _heads_in_store(session: Session, address: Address) -> Heads:
    """Return the heads that writers build upon: led astray, a source would sign into a wrong place."""
    return {
        StrandId(head.strand): (head.number, Digest(head.digest))
        for head in entries.strand_heads(session, address)
    }


def open_all(desk: OpenDesk, conversation: Conversation) -> tuple[OpenedEntry, ...]:
    """Open every verified entry; one that does not open is shown as that."""
    return tuple(open_one(desk, signed) for signed in conversation.entries)


def open_one(desk: OpenDesk, signed: SignedEntry) -> OpenedEntry:
    """Open one verified entry, as `open_all` does."""
    if signed.removal is not None:
        return OpenedEntry(signed, None)
    try:
        return OpenedEntry(signed, open_entry(signed, desk.keyring.identities))
    except (UnreadableError, ForgedError, MalformedError):
        return OpenedEntry(signed, None, "unreadable")


def _read(rows: Sequence[StoredEntry], faults: list[ShownFault]) -> list[SignedEntry]:
    """Read rows back; what no writer of ours makes, or stands under another name than its own, is a fault."""
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
        if not _stands_where_it_was_signed(row, entry):
            faults.append(ShownFault("bad_signature", entry.envelope.author, entry.envelope.number))
    return signed


def _stands_where_it_was_signed(row: StoredEntry, entry: SignedEntry) -> bool:
    """Say whether the row's own columns repeat what is signed: the store sorts, finds and counts by them."""
    part = entry.envelope
    signed = (int(part.author), part.strand, part.number, part.entry_id, entry.digest, part.day)
    return signed == (row.author, row.strand, row.number, row.entry_id, row.digest, row.day)


def _speaks(entry: SignedEntry, author: Author) -> bool:
    """Say whether this is something that this side said, and no mark."""
    return entry.envelope.speaks and entry.envelope.author is author


def _unanswered_since(thread: Sequence[SignedEntry], heads: Heads) -> date | None:
    """Return the day of the oldest thing the source said that nothing the desk said has seen.

    A mark of the desk tells the source that somebody read it; it is no answer. A mark of the source asks
    nothing.
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
