"""Mailbox in a pouch (sync bundle): its public keys, then its entries with their files, then its tallies."""

from collections.abc import Iterator, Sequence

from msgspec.structs import asdict
from sqlalchemy.orm import Session

from protocol.entry import SignedEntry
from protocol.envelope import Author
from protocol.identifiers import Address
from protocol.mailbox_keys import check_mailbox_keys
from protocol.pouch.pouch_items import DamagedItem, Item, MailboxItem
from protocol.transcript.knowledge import Knowledge
from store import attachments, entries, mailboxes
from store.errors import MailboxEndedError
from store.outbox import OutboxItem, OutboxKind
from store.sync_findings import FindingKind
from stored_mailbox.reading import lost_entries
from sync.items import attachment_items, entry_item, tallies_item
from sync.items.contexts import ApplyContext, BuildContext, VerifyContext


def pack(
    context: BuildContext, session: Session, address: Address, rows: Sequence[OutboxItem]
) -> Iterator[tuple[Item, int | None]]:
    """Return an iterator over the sync items of one mailbox, from its rows in the outbox.

    Each item comes with the id of the outbox row that is complete after this item, or with None. The iterator
    reads attachments outside `session`. It ends early when the pouch (sync bundle) is full. The public keys
    come with every entry of the source, because the peer may not have the mailbox yet. Some items ask the
    peer for entries: those that this store has lost, and those that its own new entries list as unseen.
    """
    mailbox = mailboxes.find(session, address)
    row_ids = {row.name: row.id for row in rows if row.kind is OutboxKind.ENTRY}
    stored = [found for name in row_ids if (found := entries.find_digest(session, address, name)) is not None]
    files = {row.entry_id: attachments.of_entry(session, address, row.entry_id) for row in stored}
    tally_rows = [row.id for row in rows if row.kind is OutboxKind.TALLIES]
    tallies = [(tallies_item.pack(session, address), row_id) for row_id in tally_rows]
    lost = set(lost_entries(session, address))

    def items() -> Iterator[tuple[Item, int | None]]:
        if mailbox is None:
            return  # the mailbox has ended in the meantime, and its ending is a separate item
        if any(row.author == Author.SOURCE for row in stored):
            yield MailboxItem(address, mailbox.recipient, mailbox.verify_key, mailbox.opened_day), None
        signed: list[SignedEntry] = []
        for row in stored:
            entry = entry_item.read_signed(row, address)
            if entry is None:
                yield DamagedItem(address, row.digest), row_ids[row.digest]
            else:
                signed.append(entry)
                is_own = entry.envelope.strand == context.endpoint.name
                lost.update(head.digest for head in entry.envelope.unseen if is_own)
        yield from ((DamagedItem(address, digest), None) for digest in sorted(lost))
        for entry in Knowledge(signed).order:
            if context.is_full():
                return
            yield from _pack_entry(context, entry, files[entry.envelope.entry_id], row_ids[entry.digest])
        if not context.has_more:
            yield from tallies

    return items()


def _pack_entry(
    context: BuildContext, entry: SignedEntry, files: Sequence[attachments.Attachment], row_id: int
) -> Iterator[tuple[Item, int | None]]:
    """Yield the sync items of an entry's attached files, and then the item of the entry itself.

    If a file is damaged, yield a report of damage instead of the entry.
    """
    for file in files:
        for item in attachment_items.pack(context, file, entry.envelope.address):
            if isinstance(item, DamagedItem):
                yield item, row_id
                return
            yield item, None
    if not context.has_more:
        yield entry_item.pack(entry, files), row_id


def verify(context: VerifyContext, item: MailboxItem) -> None:
    """Check that received public keys belong to the mailbox's address, and use them to verify its entries.

    Raises:
        ForgedError: the keys belong to another address.
    """
    check_mailbox_keys(Address(item.address), item.recipient, item.verify_key)
    context.mailbox_keys[Address(item.address)] = item.verify_key


def apply(context: ApplyContext, session: Session, item: MailboxItem) -> bool:
    """Create a mailbox that this store does not have.

    If the mailbox's keys are damaged here, write them again. If the mailbox has ended in this store but the
    server still has the mailbox, report this fault to the adviser.
    """
    try:
        return mailboxes.create_mailbox(session, **asdict(item))
    except MailboxEndedError:
        return context.report(session, item.address, b"", FindingKind.COME_BACK)
