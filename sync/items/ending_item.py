"""End of a mailbox in a pouch (sync bundle): the proof that its source or the desk ended the mailbox."""

from datetime import timedelta
from typing import Final

from msgspec.structs import asdict
from sqlalchemy.orm import Session

from crypto.errors import ForgedError
from protocol.entry import SignedEntry
from protocol.identifiers import Address
from protocol.mailbox_keys import check_mailbox_keys
from protocol.pouch.pouch_file import SERVER
from protocol.pouch.pouch_items import EndedItem
from protocol.transcript.check import Transcript, read_transcript
from protocol.transcript.closing import may_delete
from protocol.transcript.ending import end_of, is_proved, proof_from_bytes
from store import entries, ledger_tallies, mailbox_tallies, mailboxes, outbox, peers, records
from store.sync_findings import FindingKind
from stored_mailbox.reading import parse_rows
from sync.endpoint import Endpoint
from sync.items.contexts import ApplyContext, BuildContext, VerifyContext
from sync.items.damaged_item import NO_ENTRY

_CLOCK_DIFFERENCE: Final = timedelta(days=1)  # the most by which the clocks of two endpoints may differ


def pack(_context: BuildContext, session: Session, row: outbox.OutboxItem) -> EndedItem | None:
    """Return the sync item of an ended mailbox, or None if the store has no proof of its end any more."""
    ended = mailboxes.find_ended(session, row.address)
    if ended is None:
        return None
    return EndedItem(ended.address, ended.recipient, ended.verify_key, ended.proof, ended.day)


def verify(context: VerifyContext, item: EndedItem) -> None:
    """Check the proof that a mailbox was ended by its source or deleted by the desk.

    Raises:
        ForgedError: the proof or the keys are wrong, or the day of the deletion has not come.
        MalformedError: the proof does not have the form of a proof.
    """
    check_mailbox_keys(Address(item.address), item.recipient, item.verify_key)
    transcript = _read(context, item, proof_from_bytes(item.proof))
    if not is_proved(transcript):
        raise ForgedError
    if end_of(transcript) is not None:
        return
    latest = context.endpoint.today() + _CLOCK_DIFFERENCE
    if any(entry.envelope.due is None or entry.envelope.due > latest for entry in transcript.entries):
        raise ForgedError
    if not context.endpoint.is_server and not _is_allowed_here(context, item, transcript):
        context.deleted_wrongly.add(Address(item.address))


def apply(context: ApplyContext, session: Session, item: EndedItem) -> bool:
    """End a mailbox in this store, because a verified proof of its end arrived by sync.

    If the sender deleted the mailbox wrongly, keep the mailbox and report the fault to the adviser.
    """
    address = Address(item.address)
    # `verify` has checked the proof, but no one has signed the day of the deletion.
    parts = [entry.envelope for entry in proof_from_bytes(item.proof)]
    is_by_source = any(not part.strand for part in parts)
    latest = min(item.day, context.endpoint.today() + _CLOCK_DIFFERENCE)
    day = max([latest, *(part.due for part in parts if part.due is not None)])
    is_here = mailboxes.find(session, address) is not None  # also beside a proof, if someone restored it
    if mailboxes.find_ended(session, address) is not None and not is_here:
        return False
    if context.endpoint.is_server and not is_by_source:
        return False  # the server's clean-up deletes closed mailboxes, and checks them itself
    if address in context.verified.deleted_wrongly:
        return context.report(session, address, NO_ENTRY, FindingKind.DAMAGED)
    crossed = [] if is_by_source else _rows_not_sent(context.endpoint, session, address)
    if crossed:
        # The server deleted the mailbox before these entries arrived there. The report names the first entry
        # with words. If there are only receipts, it is about the whole mailbox.
        words = [entry.digest for entry in parse_rows(crossed)[0] if entry.envelope.is_words]
        context.report(session, address, words[0] if words else NO_ENTRY, FindingKind.CROSSED)
    tallies = mailbox_tallies.find(session, address)
    mailboxes.apply_end_from_peer(session, **asdict(item) | {"day": day})
    if not is_by_source:
        records.drop_of_mailbox(session, address)
        # Someone could hide or change these rows at the server when it deletes, and ours may be newer.
        for tally in tallies:
            ledger_tallies.apply_from_peer(session, tally)
            name = ledger_tallies.tally_digest(tally)
            outbox.enqueue_for(session, context.peer, outbox.OutboxKind.TALLY, name=name)
    return True


def _read(context: VerifyContext, item: EndedItem, signed: tuple[SignedEntry, ...]) -> Transcript:
    return read_transcript(Address(item.address), item.verify_key, context.strands, signed, has_content=False)


def _is_allowed_here(context: VerifyContext, item: EndedItem, proof: Transcript) -> bool:
    """Return True if the entries in this store and in the proof together allow the mailbox's deletion.

    Entries that this workstation has not sent to the server do not count.
    """
    # The server deleted the mailbox without knowing the entries that were not sent.
    with context.endpoint.store.reading() as session:
        not_sent = {row.digest for row in _rows_not_sent(context.endpoint, session, item.address)}
        rows = [row for row in entries.of_mailbox(session, item.address) if row.digest not in not_sent]
    signed, damaged = parse_rows(rows)
    by_digest = {entry.digest: entry for entry in signed} | dict(proof.authentic)
    together = _read(context, item, tuple(by_digest.values()))
    latest = context.endpoint.today() + _CLOCK_DIFFERENCE
    return not damaged and may_delete(together, context.strands, latest)


def _rows_not_sent(endpoint: Endpoint, session: Session, address: bytes) -> list[entries.StoredEntry]:
    """Return the entries that this workstation wrote and that perhaps have not reached the server.

    If the server was restored, return nothing, until the adviser has removed the warning.
    """
    # Attack: an operator restores an old store, so that all entries are queued again. An answer that opened a
    # closed mailbox again would then count as never sent, and this workstation would delete the mailbox.
    server = peers.find(session, SERVER)
    if server is not None and server.rollback_day is not None:
        return []
    own = [row for row in entries.of_mailbox(session, address) if row.strand == endpoint.name]
    kind = outbox.OutboxKind.ENTRY
    return [row for row in own if outbox.is_queued(session, kind, address=address, name=row.digest)]
