"""Entry in a pouch: pack a stored entry, verify its signatures, and store the entry or its removal."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress

from sqlalchemy.orm import Session

from crypto.errors import MalformedError
from protocol.entry import SignedEntry, verify_entry
from protocol.envelope import Author, Envelope
from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.identifiers import SOURCE_STRAND, Address, Digest
from protocol.pouch.pouch_items import EntryItem
from protocol.statements.removal import verify_removal
from store import entries, mailboxes, sync_findings
from store.attachments import Attachment
from store.sync_findings import FindingKind
from sync.items.contexts import ApplyContext, VerifyContext


def read_signed(row: entries.StoredEntry, address: Address) -> SignedEntry | None:
    """Return the signed entry of a stored row, or None if the row is damaged.

    An entry that was removed is returned without its content.
    """
    try:
        entry = SignedEntry.from_stored(
            envelope=row.envelope,
            signature=row.signature,
            epoch=row.epoch,
            header=None if row.removal is not None else row.header,
            payload=None if row.removal is not None else row.payload,
            removal=row.removal,
        )
    except MalformedError:
        return None
    names = (entry.envelope.address, entry.envelope.entry_id)
    return entry if names == (address, row.entry_id) else None


def stored_envelopes(session: Session, address: Address) -> Iterator[tuple[Envelope, Digest]]:
    """Yield the envelope and digest of each entry of a mailbox. Damaged rows are left out."""
    for row in entries.signed_parts(session, address):
        with suppress(MalformedError):
            yield Envelope.from_bytes(row.envelope), _digest(row.envelope, row.signature)


def pack(entry: SignedEntry, files: Sequence[Attachment]) -> EntryItem:
    """Return the item of an entry, which names the attachments of the entry. A removed entry names none."""
    return EntryItem(
        entry.envelope.to_bytes(),
        entry.signature,
        entry.epoch,
        entry.header or b"",
        entry.payload or b"",
        entry.removal or b"",
        tuple(file.attachment_id for file in files) if entry.removal is None else (),
    )


def verify(context: VerifyContext, item: EntryItem) -> None:
    """Check the signature of an entry, and of its removal if the entry was removed.

    Raises:
        MalformedError: the item does not have the form of an entry.
        ForgedError: a signature or a digest is wrong.
        PouchRefusedError: FORK, at the server: the server has another entry of the desk with the same number.
    """
    part = Envelope.from_bytes(item.envelope)
    is_removed = bool(item.removal)
    if is_removed == bool(item.header) or is_removed == bool(item.payload):
        raise MalformedError
    entry = SignedEntry(part, item.signature, item.epoch, item.header or None, item.payload or None)
    verify_key = context.mailbox_key(part.address)
    verify_entry(entry, mailbox_verify_key=verify_key, strands=context.strands)
    if is_removed:
        verify_removal(
            item.removal,
            of=part,
            entry_digest=entry.digest,
            mailbox_verify_key=verify_key,
            strands=context.strands,
        )
    if context.endpoint.is_server and not context.is_own and part.author is not Author.SOURCE:
        with context.endpoint.store.reading() as session:
            stored = entries.digest_at(session, part.address, int(part.author), part.strand, part.number)
        if stored not in {None, entry.digest}:
            raise PouchRefusedError(PouchRefusal.FORK)


def apply(context: ApplyContext, session: Session, item: EntryItem) -> bool:
    """Store a new entry, or the removal of a stored entry.

    If another entry with the same number is stored, report this fork to the adviser.

    Raises:
        AttachmentMissingError: an attachment of the entry is not in this store.
        EntryExistsError: the entry does not fit the entries in this store.
        QuotaError: the quota has no room for the entry.
        StoreFullError: the disk has no room for the entry.
    """
    part = Envelope.from_bytes(item.envelope)
    address, author = part.address, int(part.author)
    if mailboxes.find(session, address) is None:
        return False  # the mailbox has ended here
    digest = _digest(item.envelope, item.signature)
    stored = entries.find(session, address, part.entry_id)
    if stored is not None and stored.digest == digest:
        if not item.removal or stored.removal is not None:
            return False
        entries.remove_entry(session, address, part.entry_id, removal=item.removal)
        return True
    if stored is not None or entries.digest_at(session, address, author, part.strand, part.number):
        return context.report(session, address, part.entry_id, FindingKind.FORK)
    entries.apply_from_peer(
        session,
        address=address,
        author=author,
        strand=part.strand,
        number=part.number,
        entry_id=part.entry_id,
        digest=digest,
        envelope=item.envelope,
        signature=item.signature,
        epoch=item.epoch,
        day=part.day,
        header=item.header or None,
        payload=item.payload or None,
        removal=item.removal or None,
        attachment_ids=item.attachment_ids,
        speaks=part.speaks,
        is_answer=_is_answer(session, part),
    )
    sync_findings.drop(session, address, part.entry_id, FindingKind.DAMAGED)
    return True


def _digest(envelope: bytes, signature: bytes) -> Digest:
    return Digest(hashlib.sha256(envelope + signature).digest())


def _is_answer(session: Session, part: Envelope) -> bool:
    """Return whether an entry of the desk answers all messages of the source that are in this store."""
    if part.author is Author.SOURCE or not part.speaks:
        return False
    heads = {head.strand: head for head in entries.strand_heads(session, part.address)}
    newest = heads.get(SOURCE_STRAND)
    if newest is None or newest.digest in part.seen:
        return True
    spoken, seen = 0, 0
    for other, digest in stored_envelopes(session, part.address):
        if other.author is Author.SOURCE:
            spoken = max(spoken, other.number if other.speaks else 0)
            seen = max(seen, other.number if digest in part.seen else 0)
    return spoken <= seen
