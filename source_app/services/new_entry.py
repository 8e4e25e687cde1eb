"""New entry of the source: its place after the entries that a page showed, its signature and its limits.

A new message reads and verifies only what the source wrote since that page, and its receipt only what the
desk wrote since. So both take as long in a mailbox of 2,000 entries as in a new one. The page had verified
the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy.orm import Session

from crypto.errors import CryptoError
from protocol.content import Content
from protocol.entry import SignedEntry, seal_words, sign_entry, verify_entry
from protocol.envelope import Author, EntryClass, Envelope
from protocol.heads import Head, Heads, next_number
from protocol.identifiers import SOURCE_STRAND, AttachmentId, Digest, EntryId, StrandId
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import SourceWriter, StrandKey
from protocol.transcript.check import head_of, heads_after
from source_app.public_desk import PublicDesk
from store import entries, mailboxes
from store.errors import NoSuchMailboxError
from store.mailboxes import StoredMailbox
from stored_mailbox.appending import NewEntry, PreparedAppend
from stored_mailbox.entry_form import FormContext
from stored_mailbox.reading import parse_rows, read_heads


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """New entry of the source before its signature: all fields that the source signs, except the content.

    `row` is the mailbox's row in the store. If the same form was sent before, `sent` has the entries
    that the form added.
    """

    desk: PublicDesk
    keys: MailboxKeys
    row: StoredMailbox
    entry_id: EntryId
    heads: Heads
    unseen: Heads
    day: date
    sent: tuple[SignedEntry, ...] = field(default=(), repr=False)

    def seal(self, content: Content) -> SignedEntry:
        """Encrypt a content such as a message, and sign the result as the source's new entry."""
        return seal_words(
            content,
            address=self.keys.address,
            mailbox_recipient=self.keys.identity.recipient,
            letterhead=self.desk.letterhead,
            by=SourceWriter(self.keys),
            entry_id=self.entry_id,
            heads=self.heads,
            unseen=self.unseen,
            day=self.day,
        )

    def sign(self, entry_class: EntryClass, removes: tuple[Digest, ...] = ()) -> SignedEntry:
        """Sign a new entry without an encrypted part: a read receipt, a removal, or the mailbox's end."""
        envelope = Envelope(
            address=self.keys.address,
            entry_id=self.entry_id,
            entry_class=entry_class,
            strand=SOURCE_STRAND,
            heads=self.heads,
            unseen=self.unseen,
            day=self.day,
            letterhead_serial=self.desk.letterhead.serial,
            removes=removes,
        )
        return sign_entry(envelope, by=SourceWriter(self.keys))

    def append(self, signed: SignedEntry, attachment_ids: Sequence[AttachmentId] = ()) -> PreparedAppend:
        """Return the signed entry in the form that `append_entries` needs."""
        return PreparedAppend(self.row, [NewEntry(signed, attachment_ids)])

    def find_newest(self) -> SignedEntry | None:
        """Return the newest entry of the source, with its encrypted part.

        Return None if the source has seen an entry of the desk since then, or if the mailbox is closed.
        """
        newest = max((head for head in self.heads if head.strand == SOURCE_STRAND), default=None)
        if newest is None or self.row.due is not None:
            return None
        with self.desk.store.reading(mailbox=self.keys.address) as reading:
            found = read_heads(reading, self.keys.address, (newest,))
        named = {head.strand: head.number for entry in found for head in entry.envelope.heads}
        of_desk = (head for head in self.heads if head.strand != SOURCE_STRAND)
        has_seen_more = any(head.number > named.get(head.strand, 0) for head in of_desk)
        return None if has_seen_more or not found else found[0]

    def has_room(self, *, spare: int = 0) -> bool:
        """Return True if the mailbox has room for another entry of the source.

        There is a limit on the number of entries, and one on their bytes. If `spare` is not 0, this number of
        extra entries is allowed, and the bytes have no limit.
        """
        limits = self.desk.limits
        if next_number(self.heads, SOURCE_STRAND) > limits.entries + spare:
            return False
        if spare or self.row.sealed_bytes < limits.entries_bytes:  # includes files: no need to count entries
            return True
        with self.desk.store.reading(mailbox=self.keys.address) as reading:
            return entries.sealed_bytes(reading, self.keys.address) < limits.entries_bytes


def draft_entry(
    desk: PublicDesk,
    keys: MailboxKeys,
    form_context: FormContext,
    today: date,
    verified: tuple[StoredMailbox, Sequence[SignedEntry]] | None = None,
) -> EntryDraft:
    """Prepare the entry that a form adds to the mailbox.

    If the caller has verified the whole mailbox, `verified` has the mailbox's row and the source's entries.

    Raises:
        NoSuchMailboxError: the mailbox has ended.
    """
    # The entry names all entries of the source, and those entries of the desk that the form's page showed.
    entry_id = form_context.entry_id
    row, newer = verified or _read_newer(desk, keys, form_context.heads)
    sent = tuple(entry for entry in newer if entry.envelope.entry_id == entry_id)
    heads = heads_after(form_context.heads, newer)
    return EntryDraft(desk, keys, row, entry_id, heads, form_context.unseen, today, sent)


def is_authentic(
    entry: SignedEntry, keys: MailboxKeys, strands: Mapping[StrandId, StrandKey] | None = None
) -> bool:
    """Return True if an entry belongs to this mailbox and its signature is valid.

    The signer must be the source, or a workstation whose key is in `strands`.
    """
    try:
        verify_entry(entry, mailbox_verify_key=keys.verify_key, strands=strands or {})
    except CryptoError:
        return False
    return entry.envelope.address == keys.address


def has_news(desk: PublicDesk, keys: MailboxKeys, shown: tuple[Heads, Heads]) -> bool:
    """Return True if the desk has written something that is newer than the entries in `shown`.

    `shown` has the heads and the unseen entries of the newest page of the whole conversation.
    """
    heads, unseen = shown
    strands = desk.letterhead.strand_keys
    with desk.store.reading(mailbox=keys.address) as session:
        newer = [entry for strand in strands for entry in _newer(session, keys, heads, strand, strands)]
    return any(entry.envelope.is_words and head_of(entry) not in unseen for entry in newer)


def _read_newer(
    desk: PublicDesk, keys: MailboxKeys, heads: Heads
) -> tuple[StoredMailbox, Sequence[SignedEntry]]:
    """Read the mailbox's row, and the source's entries that are newer than the entries in `heads`."""
    with desk.store.reading(mailbox=keys.address) as session:
        row = mailboxes.find(session, keys.address)
        newer = _newer(session, keys, heads)
    if row is None:
        raise NoSuchMailboxError("the mailbox has ended")
    return row, newer


def _newer(
    session: Session,
    keys: MailboxKeys,
    heads: Heads,
    strand: StrandId = SOURCE_STRAND,
    strands: Mapping[StrandId, StrandKey] = {},
) -> list[SignedEntry]:
    """Return the authentic entries of one writer that are newer than the entries in `heads`."""
    # Of the heads that this writer wrote, the oldest counts.
    of_writer = (head for head in heads if head.strand == strand)
    _, number, known = min(of_writer, default=Head(strand, 1, Digest(b"")))
    author = Author.DESK if strand else Author.SOURCE
    rows = entries.of_strand(session, keys.address, author, strand, number=number, known=known)
    signed, _ = parse_rows(rows)
    return [each for each in signed if each.envelope.number >= number and is_authentic(each, keys, strands)]
