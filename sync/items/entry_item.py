"""Entry in a pouch (sync bundle): pack a stored entry, verify its signature, and store the entry."""

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from crypto.errors import ForgedError, MalformedError
from protocol.content import ATTACHMENTS
from protocol.entry import SignedEntry, has_signed_payload, verify_entry
from protocol.envelope import Author, EntryClass
from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.identifiers import ATTACHMENT_ID_BYTES, Address, StrandId
from protocol.pouch.pouch_items import EntryItem
from protocol.strand import StrandKey
from protocol.transcript.check import read_transcript
from store import attachments, entries, mailboxes, sync_findings
from stored_mailbox.appending import store_entry
from stored_mailbox.reading import has_signed_columns, parse_row
from sync.items.contexts import ApplyContext, VerifyContext


def read_signed(row: entries.StoredEntry, address: Address) -> SignedEntry | None:
    """Parse the stored row of an entry, and return the signed entry, or None if the row is damaged."""
    entry = parse_row(row)
    if entry is None or entry.envelope.address != address or not has_signed_columns(row, entry):
        return None
    return entry


def pack(entry: SignedEntry, files: Sequence[attachments.Attachment]) -> EntryItem:
    """Return the sync item of an entry, which also names the attached files of the entry.

    If the header of the entry was destroyed, the payload and the files are left out.
    """
    if entry.header is None:
        entry, files = SignedEntry(entry.envelope, entry.signature, entry.epoch), ()
    ids = [file.attachment_id for file in files if len(file.attachment_id) == ATTACHMENT_ID_BYTES]
    sealed = (entry.header or b"", entry.payload or b"", tuple(ids[:ATTACHMENTS]))
    item = EntryItem(entry.envelope.to_bytes(), entry.signature, entry.epoch, *sealed)
    vars(item)["signed"] = entry  # it was parsed from the same bytes
    return item


def verify(context: VerifyContext, item: EntryItem) -> None:
    """Check the signature of an entry that arrived by sync.

    Raises:
        MalformedError: the item does not have the form of an entry.
        ForgedError: a signature or a digest is wrong.
        PouchRefusedError: FORK (only on the server): the sender signed another entry with the same number.
    """
    entry = _signed(item)
    part = entry.envelope
    if (
        bool(item.header) != bool(item.payload)
        or part.entry_class is EntryClass.END  # an end arrives as the proof of an ended mailbox
        or ((item.header or item.payload or item.attachment_ids) and not part.is_words)
    ):
        raise MalformedError
    verify_entry(entry, mailbox_verify_key=context.mailbox_key(part.address), strands=context.strands)
    context.entries[entry.digest] = entry if context.keeps_entries else None
    if entry.payload is not None and not has_signed_payload(entry):
        raise ForgedError
    if context.endpoint.is_server and part.strand == context.sender:
        with context.endpoint.store.reading() as session:
            # In that case, the sender's keyring is in use on two computers.
            if _has_rival(session, entry, context.strands):
                raise PouchRefusedError(PouchRefusal.FORK)


def apply(context: ApplyContext, session: Session, item: EntryItem) -> bool:
    """Store a new entry that arrived by sync, or replace a damaged copy of the entry.

    A removal destroys the entries that it names. If a workstation in use signed two entries with one number,
    the second to arrive is not stored.

    Raises:
        StoreFullError: the disk has no room for the entry.
    """
    entry = _signed(item)
    part = entry.envelope
    address, digest = part.address, entry.digest
    if not mailboxes.has(session, address):
        return False  # the mailbox has ended here
    removed = context.removed(session, address)
    if digest in removed and entry.header is not None:  # someone restored it, or the whole server
        context.report(session, address, digest, sync_findings.FindingKind.RESTORED)
        entry = SignedEntry(part, entry.signature)
    ids = item.attachment_ids if entry.header is not None else ()
    arrived = (part.entry_id, True)
    files = [
        each
        for each in dict.fromkeys(ids)
        if (upload := attachments.find_upload(session, address, each)) and upload[::2] == arrived
    ]
    stored = _stored(session, entry)
    if stored is not None:
        is_better = _is_better(context, stored, entry)
        if not (files or is_better):
            return False
        if not is_better:  # only files are missing: keep our header, which the sender may have damaged
            entry = read_signed(stored, address) or entry
        entries.drop_row(session, address, stored.digest)
    elif part.author is Author.DESK and _is_fork(session, entry, context.verified.strands):
        return context.report(session, address, digest, sync_findings.FindingKind.FORK)
    store_entry(session, entry, files)
    removed.update(part.removes)
    context.changed.add(address)
    sync_findings.drop(session, address, digest, sync_findings.FindingKind.DAMAGED)
    return True


def _signed(item: EntryItem) -> SignedEntry:
    known: dict[str, SignedEntry] = vars(item)  # the item is verified, and then applied
    if "signed" not in known:
        parts = (item.envelope, item.signature, item.epoch)
        known["signed"] = SignedEntry.from_stored(*parts, item.header or None, item.payload or None)
    return known["signed"]


def _stored(session: Session, entry: SignedEntry) -> entries.StoredEntry | None:
    """Return this store's row of a received entry, even if the digest in the row is wrong.

    A row with a wrong digest is found by its entry id.
    """
    part = entry.envelope
    found = entries.find_digest(session, part.address, entry.digest)
    if found is not None:
        return found
    rows = entries.find_by_entry_id(session, part.address, part.entry_id)
    return next((row for row in rows if (it := parse_row(row)) and it.digest == entry.digest), None)


def _is_better(context: ApplyContext, stored: entries.StoredEntry, entry: SignedEntry) -> bool:
    """Return True if the stored copy of an entry is damaged, and the received copy is not."""
    here = read_signed(stored, entry.envelope.address)
    if here is None:
        return True
    if entry.header is None:
        return False
    if here.header is None or not has_signed_payload(here):
        return True
    # The header is not signed: only an attempt to decrypt shows whether it is damaged.
    opens = context.endpoint.opens
    return opens is not None and here.header != entry.header and not opens(here) and opens(entry)


def _is_fork(session: Session, entry: SignedEntry, strands: Mapping[StrandId, StrandKey]) -> bool:
    """Return True if the entry's workstation is in use, and signed two entries with the same number."""
    # A thief of a retired workstation's key could send a false entry first, and so keep out the real one.
    return strands[entry.envelope.strand].until is None and _has_rival(session, entry, strands)


def _has_rival(session: Session, entry: SignedEntry, strands: Mapping[StrandId, StrandKey]) -> bool:
    """Return True if this store has another authentic entry of the same writer with the same number."""
    part = entry.envelope
    strand, number = (part.address, int(part.author), part.strand), part.number
    rows = entries.of_strand(session, *strand, number=number, last=number, known=entry.digest)
    found = [other for row in rows if (other := read_signed(row, part.address)) is not None]
    return bool(found and read_transcript(part.address, None, strands, found, has_content=False).authentic)
