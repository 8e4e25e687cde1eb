"""Mailbox in a pouch (sync bundle): its public keys, then its entries with their files, then its tallies."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from msgspec.structs import asdict
from sqlalchemy.orm import Session

from protocol.entry import SignedEntry
from protocol.identifiers import Address
from protocol.mailbox_keys import check_mailbox_keys
from protocol.pouch.pouch_items import DamagedItem, Item, MailboxItem
from protocol.transcript.knowledge import Knowledge
from store import attachments, entries, mailboxes
from store.errors import MailboxEndedError
from store.outbox import OutboxItem, OutboxKind, enqueue_for
from store.sync_findings import FindingKind
from stored_mailbox.lost_entries import check_envelopes, has_signed_files, lost_and_given
from sync.items import attachment_items, entry_item, tallies_item
from sync.items.contexts import ApplyContext, BuildContext, VerifyContext
from sync.items.damaged_item import NO_ENTRY

_Items = Iterator[tuple[Item, int | None]]


def pack(context: BuildContext, session: Session, address: Address, rows: Sequence[OutboxItem]) -> _Items:
    """Return an iterator over the sync items of one mailbox, from its rows in the outbox (queue to send).

    The last item of each row is paired with the row's id, and every other item with None. The iterator ends
    early when the pouch (sync bundle) is full.
    """
    mailbox = mailboxes.find(session, address)
    row_ids = {row.name: row.id for row in rows if row.kind is OutboxKind.ENTRY}
    stored = entries.queued_for(session, context.peer, address)
    with_files = {row.entry_id for row in stored}.intersection(attachments.entry_ids(session, address))
    files = {entry_id: attachments.of_entry(session, address, entry_id) for entry_id in with_files}
    present = set(entries.digests(session, address))
    tally_rows = [row.id for row in rows if row.kind is OutboxKind.TALLIES]
    tallies = [(tallies_item.pack(session, address), row_id) for row_id in tally_rows]
    store, strands = context.endpoint.store, context.letterhead.strand_keys

    def items() -> _Items:
        read = {row.digest: entry_item.read_signed(row, address) for row in stored}
        signed = [entry for entry in read.values() if entry is not None]
        for entry in Knowledge(signed, {}).order:
            if context.is_full():
                return
            yield from _pack_entry(
                context, entry, files.get(entry.envelope.entry_id, ()), row_ids[entry.digest]
            )
        if context.has_more:
            return
        yield from tallies
        for digest in (each for each, entry in read.items() if entry is None):
            if context.is_full():
                return
            yield DamagedItem(address, digest), row_ids[digest]
        own = [entry.digest for entry in signed if entry.envelope.strand == context.endpoint.name]
        whole = {entry.digest for entry in signed if _is_whole(entry)}
        named = {head.digest for entry in signed for head in entry.envelope.heads}
        if whole.issuperset([*named, *present]):
            return  # the usual first sync of a mailbox: all entries are in this pouch, and none is lost
        with store.reading() as now:
            checked = check_envelopes(now, address, strands, context.verified)
        lost = [] if checked is None else lost_and_given(store, checked, written=own)[0]
        # With an entry that the peer asked for, nothing is asked: the two would ask each other forever.
        if own or not row_ids.keys().isdisjoint(lost):
            yield from ((DamagedItem(address, digest), None) for digest in lost)

    lost = row_ids.keys() - present if context.endpoint.is_server else set()
    if mailbox is None:
        # If the mailbox has ended in the meantime, its ending is a separate item.
        has_ended = mailboxes.find_ended(session, address) is not None
        return _lost(context, address, {NO_ENTRY} if lost and not has_ended else ())
    keys = MailboxItem(address, mailbox.recipient, mailbox.verify_key, mailbox.opened_day)
    return chain(_behind(keys, items()), _lost(context, address, lost))


def _lost(context: BuildContext, address: Address, digests: Iterable[bytes]) -> _Items:
    """Yield a report of each entry that the workstation has and that this server has lost."""
    for digest in digests:
        if context.is_full():
            return
        yield DamagedItem(address, digest), None


def _behind(keys: MailboxItem, items: _Items) -> _Items:
    """Yield the mailbox's public keys, and then `items`. If `items` is empty, yield nothing."""
    for place, item in enumerate(items):
        if place == 0:  # the peer perhaps does not have the mailbox yet
            yield keys, None
        yield item


def _pack_entry(
    context: BuildContext, entry: SignedEntry, files: Sequence[attachments.Attachment], row_id: int
) -> _Items:
    """Yield the sync items of an entry's attached files, and then the item of the entry itself.

    If the stored entry or its files are damaged, also yield a report of damage.
    """
    part = entry.envelope
    for file in files:
        for item in attachment_items.pack(context, file, part.address):
            yield item, None
    if context.has_more:
        return
    yield entry_item.pack(entry, files), row_id
    store, opens = context.endpoint.store, context.endpoint.opens_file
    has_files = bool(files or part.files_sha256)
    if entry.header is not None and not (
        opens(entry.header) and (not has_files or has_signed_files(store, part, opens))
    ):
        yield DamagedItem(part.address, entry.digest), None


def _is_whole(entry: SignedEntry) -> bool:
    """Return True if an entry names no unseen entries, and still has its encrypted part, if any."""
    return not entry.envelope.unseen and (entry.header is not None or not entry.envelope.is_words)


def verify(context: VerifyContext, item: MailboxItem) -> None:
    """Check that received public keys belong to the mailbox's address, and use them to verify its entries.

    Raises:
        ForgedError: the keys belong to another address.
    """
    check_mailbox_keys(Address(item.address), item.recipient, item.verify_key)
    context.mailbox_keys[Address(item.address)] = item.verify_key


def apply(context: ApplyContext, session: Session, item: MailboxItem) -> bool:
    """Create a mailbox that this store does not have. If the mailbox's keys are damaged here, replace them.

    If the mailbox has ended here, the sender gets the proof, and a workstation tells the adviser.
    """
    try:
        return mailboxes.create_mailbox(session, **asdict(item))
    except MailboxEndedError:
        enqueue_for(session, context.peer, OutboxKind.ENDED, address=item.address)
        return context.report(session, item.address, b"", FindingKind.COME_BACK)
