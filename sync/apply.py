"""Taking in: a pouch is read whole and judged, and then applied, item by item; each may come twice."""

import hashlib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from crypto.errors import CryptoError
from protocol.envelope import Author, Envelope
from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.identifiers import SOURCE_STRAND, Address, AttachmentId, StrandId
from protocol.letterhead import Letterhead
from protocol.pouch.pouch_file import PouchHead, PouchReader, lowest_serial
from protocol.pouch.pouch_items import (
    ChunkItem,
    CountedItem,
    DamagedItem,
    EndedItem,
    EntryItem,
    FileItem,
    Item,
    LetterheadItem,
    MailboxItem,
    OrderItem,
    PublicFileItem,
    RecordItem,
    TallyItem,
)
from protocol.statements.deletion_order import verify_order
from store import (
    attachments,
    deletion_orders,
    entries,
    ledger_tallies,
    letterheads,
    mailboxes,
    outbox,
    peers,
    public_files,
    records,
    sync_findings,
)
from store.errors import (
    AttachmentMissingError,
    EntryExistsError,
    MailboxEndedError,
    QuotaError,
    StoreFullError,
)
from store.outbox import OutboxKind, record_name, split_digests
from store.records import Record
from store.sync_findings import FindingKind
from sync.build import size_of
from sync.endpoint import Endpoint
from sync.errors import BrokenTransferError, NoRoomError, NotPairedError
from sync.verify import NO_ENTRY, Judge, is_source_ending

OpenAgain = Callable[[], Iterable[bytes]]

_TOGETHER = 32  # items in one transaction, and bytes: a source's message waits some milliseconds for its turn
_TOGETHER_BYTES = 1024 * 1024
_SMALL = MailboxItem | EntryItem | CountedItem | OrderItem | RecordItem | TallyItem | DamagedItem
_HALF_HOURS_AHEAD = 2 * 48  # a clock may be a day ahead, as `_require_day` has it


@dataclass(frozen=True, slots=True)
class AppliedPouch:
    """What a pouch was. `is_known`: it was taken in before. `applied` counts items that brought something.

    `was_set_back`: the sender does not know any more of pouches that it had taken in or sent. `were_we`: it
    has taken in what we do not remember, so it is we who were put back. `here`: files that do not end in
    it and are here already, or have no place here.
    """

    head: PouchHead
    is_known: bool
    applied: int = 0
    was_set_back: bool = False
    were_we: bool = False
    here: frozenset[AttachmentId] = frozenset()

    @property
    def partials(self) -> Mapping[AttachmentId, int]:
        """Return the files that the sender has in part, with the number of their chunks."""
        return {AttachmentId(attachment_id): chunks for attachment_id, chunks in self.head.partials}


def apply_pouch(side: Endpoint, open_again: OpenAgain, *, is_direct: bool) -> AppliedPouch:
    """Take a pouch in. `open_again` gives its bytes from the start, each time: it is read twice.

    `is_direct`: it comes straight from its sender, so its day must be ours.

    Raises:
        PouchRefusedError: nothing of it was taken in; `reason` says why.
        UnknownWorkstationError, RevokedWorkstationError, NotPairedError: its sender is nobody to us.
        NoRoomError, BrokenTransferError: what is taken in already stays, and the same pouch may come again.
        StoreError: the store refuses; the same.
    """
    letterhead = side.letterhead()
    pouch = PouchReader(open_again(), side.identities)
    head = pouch.head
    _require_for_us(side, head)
    verify_key = side.verify_key_of(StrandId(head.sender), letterhead)
    _require_day(side, head, is_direct=is_direct)
    with side.store.reading() as session:
        peer = peers.find(session, head.sender)
    if peer is None:
        raise NotPairedError
    # On a line the sender's last pouch but this one was answered: who does not know of it was put back.
    is_behind = head.after > peer.applied_serial
    were_we = head.taken > peer.sent_serial
    if is_behind and not is_direct:
        _read_through(pouch, verify_key)
        if were_we:
            with side.store.writing() as session:
                peers.advance_serial(session, head.sender, head.taken)
        raise PouchRefusedError(PouchRefusal.EARLY)
    deleted_wrongly = _judge(side, letterhead, pouch, verify_key)
    if head.serial <= peer.applied_serial:
        return AppliedPouch(head, is_known=True)
    apply = _Applying(side, head, deleted_wrongly)
    apply.items(PouchReader(open_again(), side.identities).items(verify_key))
    was_set_back = head.taken < peer.acknowledged_serial or head.sent < peer.applied_serial
    with side.store.writing() as session:
        if was_set_back:
            peers.reset_acknowledged(session, head.sender)
            peers.mark_rollback(session, head.sender, side.today())
            outbox.enqueue_all(session, head.sender)
        if were_we:
            peers.advance_serial(session, head.sender, head.taken)
        else:
            outbox.acknowledge_pouch(session, head.sender, head.taken)
        # Who was put back lets the sender hear how little it knows, and is given everything again. A server
        # that is back between two pouches of an answer still knows of the question, so it says: nothing.
        is_back = were_we and side.is_server and not is_behind
        peers.set_has_more(session, head.sender, is_so=head.more or is_behind or is_back)
        if not is_behind:
            peers.mark_applied(session, head.sender, 0 if is_back else head.serial, side.today())
    return AppliedPouch(
        head,
        is_known=False,
        applied=apply.applied,
        was_set_back=was_set_back,
        were_we=were_we,
        here=frozenset(apply.here),
    )


def _require_for_us(side: Endpoint, head: PouchHead) -> None:
    if head.desk != side.fingerprint:
        raise PouchRefusedError(PouchRefusal.OTHER_DESK)
    if head.receiver != side.name:
        raise PouchRefusedError(PouchRefusal.NOT_FOR_US)


def _require_day(side: Endpoint, head: PouchHead, *, is_direct: bool) -> None:
    """Refuse a day that cannot be: entries and orders would carry it. A file may have lain for weeks.

    So too serials of pouches to come: noted here, they would leave none for those that really come.
    """
    ahead = (head.day - side.today()).days
    to_come = lowest_serial(side.half_hour() + _HALF_HOURS_AHEAD)
    if ahead > 1 or (is_direct and ahead < -1) or max(head.serial, head.taken) >= to_come:
        raise PouchRefusedError(PouchRefusal.CLOCK)


def _read_through(pouch: PouchReader, verify_key: bytes) -> None:
    for _ in pouch.items(verify_key):
        pass


def _judge(side: Endpoint, letterhead: Letterhead, pouch: PouchReader, verify_key: bytes) -> set[Address]:
    """Read a whole pouch, and refuse it for one item that is not what it says.

    Return the mailboxes that were deleted by an order which was void.
    """
    judge = Judge(side, letterhead)
    for item in pouch.items(verify_key):
        try:
            judge.check(item)
        except CryptoError as why:
            raise PouchRefusedError(PouchRefusal.FORGED) from why
        if isinstance(item, EntryItem) and side.is_server and _is_fork_of_desk(side, item):
            raise PouchRefusedError(PouchRefusal.FORK)
    return judge.deleted_wrongly


def _is_fork_of_desk(side: Endpoint, item: EntryItem) -> bool:
    part = Envelope.from_bytes(item.envelope)
    if part.author is Author.SOURCE:
        return False
    with side.store.reading() as session:
        there = entries.digest_at(session, part.address, int(part.author), part.strand, part.number)
    return there not in {None, _digest(item)}


def _digest(item: EntryItem) -> bytes:
    return hashlib.sha256(item.envelope + item.signature).digest()


class _Applying:
    """Applies the items of one judged pouch. What is here already is left as it is."""

    def __init__(self, side: Endpoint, head: PouchHead, deleted_wrongly: Container[Address]) -> None:
        self.applied = 0
        self._side = side
        self._head = head
        self._peer = StrandId(head.sender)
        self._deleted_wrongly = deleted_wrongly
        self._how: dict[type[Item], Callable[[Session, Any], bool]] = {
            LetterheadItem: self._letterhead,
            MailboxItem: self._mailbox,
            FileItem: self._file,
            ChunkItem: self._chunk,
            EntryItem: self._entry,
            EndedItem: self._ended,
            CountedItem: self._counted,
            OrderItem: self._order,
            RecordItem: self._record,
            TallyItem: self._tally,
            PublicFileItem: self._public_file,
            DamagedItem: self._damaged,
        }
        # Files of entries that are here, or of mailboxes that are not, as long as their end has not come.
        self.here: set[AttachmentId] = set()

    def items(self, items: Iterable[Item]) -> None:
        """Apply items in their order, small ones several in one transaction."""
        waiting: list[Item] = []
        size = 0
        for item in items:
            if not isinstance(item, _SMALL):
                if waiting:
                    self._together(waiting)
                self._together([item])
                waiting, size = [], 0
                continue
            waiting.append(item)
            size += size_of(item)
            if len(waiting) == _TOGETHER or size >= _TOGETHER_BYTES:
                self._together(waiting)
                waiting, size = [], 0
        if waiting:
            self._together(waiting)

    def _together(self, items: Sequence[Item]) -> None:
        """Apply some items in one transaction; if one of them does not fit, what stands before it stays.

        None is durable yet: the commit that notes the pouch as taken in makes all of it so at once. What is
        lost before that was not acknowledged, and comes again.
        """
        try:
            with self._side.store.writing(durable=False) as session:
                outbox.exclude_peer(session, self._peer)
                applied = sum([self._how[type(item)](session, item) for item in items])
        except (QuotaError, StoreFullError, AttachmentMissingError, EntryExistsError) as why:
            if len(items) == 1:
                no_room = isinstance(why, QuotaError | StoreFullError)
                raise (NoRoomError if no_room else BrokenTransferError) from why
            for item in items:
                self._together([item])
        else:
            self.applied += applied

    def _letterhead(self, session: Session, item: LetterheadItem) -> bool:
        ours = letterheads.latest(session)
        if ours is not None and ours[1] == item.body:
            peers.set_shared_letterhead(session, self._peer, item.serial)
            return False
        known = peers.find(session, self._peer)
        shared = known.letterhead_serial if known else 0
        if self._side.merger is None:
            # Built upon an older one than ours: its sender merges. Upon a newer one: we were put back.
            if ours is not None and item.base < ours[0]:
                outbox.enqueue_for(session, self._peer, OutboxKind.LETTERHEAD)
                return False
        elif ours is not None and self._is_behind(session, item, shared):
            # The server was put back. To merge the two would sign anew what the desk no longer says.
            letterheads.add(session, item.serial, item.body, item.signature)
            outbox.enqueue_for(session, self._peer, OutboxKind.LETTERHEAD)
            peers.set_shared_letterhead(session, self._peer, item.serial)
            return False
        elif ours is not None and outbox.is_queued(session, OutboxKind.LETTERHEAD):
            base = letterheads.find(session, shared)
            merged = self._side.merger.letterheads(base[1] if base else item.body, ours[1], item.body)
            letterheads.add(session, *merged)
            outbox.enqueue_for(session, self._peer, OutboxKind.LETTERHEAD)
            peers.set_shared_letterhead(session, self._peer, item.serial)
            return True
        elif ours is not None and item.serial <= ours[0]:
            return False
        letterheads.add(session, item.serial, item.body, item.signature)
        peers.set_shared_letterhead(session, self._peer, item.serial)
        return True

    def _is_behind(self, session: Session, item: LetterheadItem, shared: int) -> bool:
        """Say whether a letterhead is one that we have had, or older than what both sides had."""
        had = letterheads.find(session, item.serial)
        return item.serial < shared or (had is not None and had[1] == item.body)

    # ---- a mailbox ---------------------------------------------------------------------------------------

    def _mailbox(self, session: Session, item: MailboxItem) -> bool:
        try:
            return mailboxes.create_mailbox(
                session,
                address=item.address,
                recipient=item.recipient,
                verify_key=item.verify_key,
                day=item.opened_day,
            )
        except MailboxEndedError:
            return self._find(session, item.address, b"", FindingKind.COME_BACK)

    def _file(self, session: Session, item: FileItem) -> bool:
        is_here = (
            entries.find(session, item.address, item.entry_id) is not None
            or mailboxes.find(session, item.address) is None
        )
        if is_here:
            self.here.add(AttachmentId(item.attachment_id))
            return False
        if attachments.find_upload(session, item.attachment_id) is not None:
            return False
        attachments.begin_upload(
            session,
            address=item.address,
            entry_id=item.entry_id,
            attachment_id=item.attachment_id,
            header=item.header,
            half_hour=self._side.half_hour(),
            peer=self._peer,
        )
        return True

    def _chunk(self, session: Session, item: ChunkItem) -> bool:
        if item.attachment_id in self.here:
            if item.is_last:
                self.here.discard(AttachmentId(item.attachment_id))
            return False
        pending = attachments.find_upload(session, item.attachment_id)
        if pending is None:
            raise BrokenTransferError
        _, _, chunks, _ = pending
        if item.number < chunks:
            return False
        attachments.add_chunk(
            session, item.attachment_id, item.number, item.ciphertext, quota=self._side.quota
        )
        if item.is_last:
            attachments.finish_upload(session, item.attachment_id)
        return True

    def _entry(self, session: Session, item: EntryItem) -> bool:
        part = Envelope.from_bytes(item.envelope)
        address, author = part.address, int(part.author)
        if mailboxes.find(session, address) is None:
            return False  # it ended here
        digest = _digest(item)
        there = entries.find(session, address, part.entry_id)
        if there is not None and there.digest == digest:
            if not item.removal or there.removal is not None:
                return False
            entries.remove_entry(session, address, part.entry_id, removal=item.removal)
            return True
        if there is not None or entries.digest_at(session, address, author, part.strand, part.number):
            return self._find(session, address, part.entry_id, FindingKind.FORK)
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

    def _ended(self, session: Session, item: EndedItem) -> bool:
        if mailboxes.find_ended(session, item.address) is not None:
            return False
        is_order = not is_source_ending(item)
        if self._side.is_server and is_order:
            return False  # who carries out orders is the sweeper, and it looks for itself
        if item.address in self._deleted_wrongly:
            return self._find(session, item.address, NO_ENTRY, FindingKind.DAMAGED)
        if is_order:
            self._find_crossed(session, item)
        mailboxes.apply_end_from_peer(
            session,
            address=item.address,
            recipient=item.recipient,
            verify_key=item.verify_key,
            statement=item.statement,
            day=item.day,
        )
        if is_order:
            records.drop_of_mailbox(session, item.address)
        return True

    def _find_crossed(self, session: Session, item: EndedItem) -> None:
        """Note that all that we wrote since the order was made had not got to the server when it was used.

        Had any of it got there, the order was void or made anew: then this is for the desk to look at. Of
        entries that say something the first one is named; marks alone are noted for the whole mailbox.
        """
        ordered = verify_order(item.statement, strands=self._side.letterhead().strand_keys)
        number, _ = ordered.heads.get(self._side.name, (0, b""))
        parts = [Envelope.from_bytes(row.envelope) for row in entries.signed_parts(session, item.address)]
        since = [part for part in parts if part.strand == self._side.name and part.number > number]
        is_told = [
            not outbox.is_queued(session, OutboxKind.ENTRY, address=item.address, name=part.entry_id)
            for part in since
        ]
        if since and not any(is_told):
            said = [part.entry_id for part in since if part.speaks]
            self._find(session, item.address, said[0] if said else b"", FindingKind.CROSSED)

    def _counted(self, session: Session, item: CountedItem) -> bool:
        if self._side.is_server:
            line = mailboxes.find_ended(session, item.address)
            if line is None or line.is_counted:
                return False  # another workstation was first: its tallies count, and ours are taken back
            mailboxes.mark_ending_counted(session, item.address, tallies=item.tallies)
            return True
        # Both: the line may be here anew, since we have counted it.
        is_marked = mailboxes.mark_counted(session, item.address)
        counted = outbox.dequeue(session, self._peer, OutboxKind.ACKNOWLEDGED, address=item.address)
        ledger_tallies.drop_digests(session, split_digests(counted))
        return is_marked or bool(counted)

    def _order(self, session: Session, item: OrderItem) -> bool:
        there = deletion_orders.find(session, item.address)
        if (
            mailboxes.find(session, item.address) is None
            or (there.statement if there else b"") == item.statement
        ):
            return False
        if item.statement:
            deletion_orders.put(session, item.address, item.statement, item.due, item.tallies)
        else:
            deletion_orders.drop(session, item.address)
        return True

    # ---- what the desk keeps -----------------------------------------------------------------------------

    def _record(self, session: Session, item: RecordItem) -> bool:
        there = records.find(session, item.kind, item.name)
        row = record_name(item.kind, item.name)
        if there is not None and there.sealed == item.sealed:
            records.mark_shared(session, item.kind, item.name)
            return False
        if self._side.merger is None:
            return self._record_at_server(session, item, there, row)
        is_ours = outbox.is_queued(session, OutboxKind.RECORD, name=row)
        if item.revision == 0 or (there is None and is_ours):
            return False
        if there is not None and is_ours:
            revision = max(there.revision, item.revision) + 1
            merged = self._side.merger.records(item.kind, item.name, there.sealed, item.sealed, revision)
            records.apply_from_peer(session, item.kind, item.name, revision, merged, base=item.revision)
            outbox.enqueue_for(session, self._peer, OutboxKind.RECORD, name=row)
            return True
        if there is not None and item.revision <= there.revision:
            return False
        records.apply_from_peer(session, item.kind, item.name, item.revision, item.sealed, base=item.revision)
        return True

    def _record_at_server(self, session: Session, item: RecordItem, there: Record | None, row: bytes) -> bool:
        if item.revision == 0:
            if outbox.peer_lacks(session, self._peer, OutboxKind.RECORD, row, taken=self._head.taken):
                return False  # what it dropped is not the newest: another workstation's stays
            records.drop(session, item.kind, item.name)
            return there is not None
        if there is not None and there.revision != item.base:
            outbox.enqueue_for(session, self._peer, OutboxKind.RECORD, name=row)
            return False
        records.apply_from_peer(session, item.kind, item.name, item.revision, item.sealed, base=item.revision)
        return True

    def _public_file(self, session: Session, item: PublicFileItem) -> bool:
        there = public_files.find(session, item.name)
        if there == item.body:
            return False
        if (
            there is not None
            and self._is_named(item.name, there)
            and not self._is_named(item.name, item.body)
        ):
            outbox.enqueue_for(session, self._peer, OutboxKind.PUBLIC_FILE, name=item.name.encode())
            return False  # another workstation published it first
        public_files.put(session, item.name, item.body)
        return True

    def _is_named(self, name: str, body: bytes) -> bool:
        """Say whether this is the file that the letterhead in use names."""
        named = {report.title: report.sha256 for report in self._side.letterhead().reports}
        return named.get(name) == hashlib.sha256(body).digest()

    def _tally(self, session: Session, item: TallyItem) -> bool:
        return ledger_tallies.apply_from_peer(session, item.sealed)

    def _damaged(self, session: Session, item: DamagedItem) -> bool:
        return self._find(session, item.address, item.entry_id, FindingKind.DAMAGED)

    def _find(self, session: Session, address: bytes, entry_id: bytes, kind: FindingKind) -> bool:
        """Note something for the adviser to see; a server has nobody to show it to."""
        if self._side.is_server:
            return False
        return sync_findings.add(session, address, entry_id, kind, self._side.today())


def _is_answer(session: Session, part: Envelope) -> bool:
    """Say whether an entry of the desk answers all that the source had said, as far as is known here."""
    if part.author is Author.SOURCE or not part.speaks:
        return False
    heads = {head.strand: head for head in entries.strand_heads(session, part.address)}
    newest = heads.get(SOURCE_STRAND)
    if newest is None or newest.digest in part.seen:
        return True
    said, seen = 0, 0
    for row in entries.signed_parts(session, part.address):
        other = Envelope.from_bytes(row.envelope)
        if other.author is Author.SOURCE:
            said = max(said, other.number if other.speaks else 0)
            is_seen = hashlib.sha256(row.envelope + row.signature).digest() in part.seen
            seen = max(seen, other.number if is_seen else 0)
    return said <= seen
