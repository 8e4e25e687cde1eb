"""Entry in a pouch: pack a stored entry, verify its signature, and store the entry."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from crypto.errors import MalformedError
from protocol.entry import SignedEntry, verify_entry
from protocol.envelope import Author, EntryClass
from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.identifiers import Address
from protocol.pouch.pouch_items import EntryItem
from store import entries, mailboxes, sync_findings
from store.attachments import Attachment
from store.entries import StoredEntry
from store.sync_findings import FindingKind
from stored_mailbox.appending import store_entry
from stored_mailbox.reading import has_signed_columns, parse_row
from sync.items.contexts import ApplyContext, VerifyContext


def read_signed(row: StoredEntry, address: Address) -> SignedEntry | None:
    """Return the signed entry of a stored row, or None if the row is damaged."""
    entry = parse_row(row)
    if entry is None or entry.envelope.address != address or not has_signed_columns(row, entry):
        return None
    return entry


def pack(entry: SignedEntry, files: Sequence[Attachment]) -> EntryItem:
    """Return the item of an entry, which names the attachments of the entry."""
    return EntryItem(
        entry.envelope.to_bytes(),
        entry.signature,
        entry.epoch,
        entry.header or b"",
        entry.payload or b"",
        tuple(file.attachment_id for file in files) if entry.header is not None else (),
    )


def verify(context: VerifyContext, item: EntryItem) -> None:
    """Check the signature of an entry.

    Raises:
        MalformedError: the item does not have the form of an entry.
        ForgedError: a signature or a digest is wrong.
        PouchRefusedError: FORK, at the server: the server has another entry of this workstation's strand with
            the same number.
    """
    entry = _signed(item)
    part = entry.envelope
    if bool(item.header) != bool(item.payload) or part.entry_class is EntryClass.END:
        raise MalformedError  # an end arrives as the proof of an ended mailbox
    if not part.is_words and (item.header or item.attachment_ids):
        raise MalformedError
    verify_key = context.mailbox_key(part.address)
    verify_entry(entry, mailbox_verify_key=verify_key, strands=context.strands)
    if context.endpoint.is_server and not context.is_own and part.author is Author.DESK:
        with context.endpoint.store.reading() as session:
            if _has_rival(session, entry):
                raise PouchRefusedError(PouchRefusal.FORK)


def apply(context: ApplyContext, session: Session, item: EntryItem) -> bool:
    """Store a new entry, or replace a damaged copy of the entry. A removal destroys what it names.

    If a workstation's strand has another entry with the same number, report this fork to the adviser.

    Raises:
        AttachmentMissingError: an attachment of the entry is not in this store.
        QuotaError: the quota has no room for the entry.
        StoreFullError: the disk has no room for the entry.
    """
    entry = _signed(item)
    part = entry.envelope
    if mailboxes.find(session, part.address) is None:
        return False  # the mailbox has ended here
    context.changed.add(part.address)
    removed = context.removed(session, part.address)
    if entry.digest in removed:
        entry = SignedEntry(part, entry.signature)
    stored = entries.find_digest(session, part.address, entry.digest)
    if stored is not None:
        return _heal(context, session, stored, entry)
    if part.author is Author.DESK and _has_rival(session, entry):
        return context.report(session, part.address, entry.digest, FindingKind.FORK)
    store_entry(session, entry, item.attachment_ids if entry.header is not None else ())
    removed.update(part.removes)
    sync_findings.drop(session, part.address, entry.digest, FindingKind.DAMAGED)
    return True


def _signed(item: EntryItem) -> SignedEntry:
    return SignedEntry.from_stored(
        envelope=item.envelope,
        signature=item.signature,
        epoch=item.epoch,
        header=item.header or None,
        payload=item.payload or None,
    )


def _heal(context: ApplyContext, session: Session, stored: StoredEntry, entry: SignedEntry) -> bool:
    """Replace a stored copy of an entry if the copy is damaged and the received one is sound.

    A workstation can open entries, so it also replaces an age header that does not open by one that opens: no
    signature covers this header.
    """
    ours = read_signed(stored, entry.envelope.address)
    address, digest = entry.envelope.address, entry.digest
    if ours is None or (ours.payload, ours.header) == (None, None) != (entry.payload, entry.header):
        entries.drop_row(session, address, digest)
        store_entry(session, entry)
        return True
    opens = context.endpoint.opens
    if opens is None or entry.header in {None, ours.header} or opens(ours) or not opens(entry):
        return False
    entries.replace_header(session, address, digest, header=entry.header or b"", epoch=entry.epoch)
    return True


def _has_rival(session: Session, entry: SignedEntry) -> bool:
    """Return True if the entry's strand has another entry with the same number in this store."""
    part = entry.envelope
    rows = entries.of_strand(
        session, part.address, int(part.author), part.strand, number=part.number, last=part.number
    )
    return any(row.digest != entry.digest for row in rows)
