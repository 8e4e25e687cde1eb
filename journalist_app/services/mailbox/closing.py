"""Closing: a last word and a day, after which nothing is left but tallies. And what keeps that promise."""

from contextlib import suppress
from datetime import date
from typing import Final

import msgspec
from sqlalchemy.orm import Session

from crypto.errors import ForgedError, MalformedError
from journalist_app.config import ONE_MACHINE
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import Conversation, conversation_of, open_all
from journalist_app.errors import (
    AdviserError,
    MailboxNotFoundError,
    RecordUnsoundError,
    SendRefusal,
    SendRefusedError,
)
from journalist_app.services.mailbox import count_for_report, order_deletion
from journalist_app.services.mailbox.send_entries import AdviserFormContext, EntrySender
from journalist_app.services.records import casefiles, unsent_forms
from protocol.casefile import Casefile
from protocol.content import TEXT_CHARS, ClosingNote, Content, Kind
from protocol.identifiers import NO_DIGEST, SOURCE_STRAND, Address, Digest, StrandId
from protocol.ledger import seal_tallies, tallies_of
from protocol.statements import removal
from protocol.statements.deletion_order import is_order_void, verify_order
from protocol.statements.heads import Head, Heads
from protocol.thread_state import EntryContent, thread_state
from store import deletion_orders, entries, mailboxes, sync_findings
from store.mailboxes import EndedMailbox
from store.sync_findings import FindingKind
from web.dates import add_months

_NO_HEAD: Final = (0, NO_DIGEST)


def close_mailbox(
    desk: OpenDesk, form_context: AdviserFormContext, last_word: str, *, today: date, half_hour: int
) -> None:
    """Close a mailbox with a last word, and order that it be deleted after the retention.

    Closed a second time from the same form it does nothing.

    Raises:
        TextMissingError, TextOverLimitError: the last word cannot be sent.
        MailboxMissingError, UnsoundMailboxError, SourceWroteError, AnotherTextError: as `Sending` has it.
        RecordUnsoundError: the casefile is not what this desk wrote last, so nothing can be counted by it.
    """
    text = last_word.replace("\r\n", "\n").strip("\n")
    if not text.strip():
        raise SendRefusedError(SendRefusal.TEXT_MISSING)
    if len(text) > TEXT_CHARS:
        raise SendRefusedError(SendRefusal.TEXT_TOO_LONG)
    _close(
        desk,
        form_context,
        text,
        order_deletion.choose_deletion_day(desk, today),
        today=today,
        half_hour=half_hour,
    )


def close_as_spam(desk: OpenDesk, form_context: AdviserFormContext, *, today: date, half_hour: int) -> None:
    """Close a mailbox of nobody who seeks advice: it is deleted soon, and counted as that alone.

    Raises:
        MailboxMissingError, UnsoundMailboxError, SourceWroteError, RecordUnsoundError: as `close` has it.
    """
    was_spam = casefiles.read_casefile(desk, form_context.address).is_spam
    _call_spam(desk, form_context.address, is_spam=True)
    try:
        _close(
            desk,
            form_context,
            "",
            order_deletion.choose_early_deletion_day(desk, today),
            today=today,
            half_hour=half_hour,
        )
    except AdviserError:
        _call_spam(desk, form_context.address, is_spam=was_spam)
        raise


def _call_spam(desk: OpenDesk, address: Address, *, is_spam: bool) -> None:
    casefiles.update_casefile(
        desk, address, lambda casefile: msgspec.structs.replace(casefile, is_spam=is_spam)
    )


def _close(  # noqa: PLR0913  # what is said, upon what, and when
    desk: OpenDesk, form_context: AdviserFormContext, text: str, due: date, *, today: date, half_hour: int
) -> None:
    if _was_closed(desk, form_context):
        return
    # First: should the desk stop between the two, the next check knows that an order is missing.
    casefiles.update_casefile(
        desk, form_context.address, lambda casefile: msgspec.structs.replace(casefile, keep_until=due)
    )
    content = Content(kind=Kind.CLOSING, text=text, closing=ClosingNote(delete_on=due))

    def order_it(session: Session, heads: Heads, opened: tuple[EntryContent, ...]) -> None:
        order_deletion.order_deletion(
            desk, session, form_context.address, heads, opened, due=due, today=today
        )

    with EntrySender(
        desk,
        form_context,
        [(form_context.entry_id, content)],
        today=today,
        half_hour=half_hour,
        alongside=order_it,
    ) as under_way:
        under_way.send()


def _was_closed(desk: OpenDesk, form_context: AdviserFormContext) -> bool:
    """Say whether this very form closed the mailbox before: the random day must not make it another."""
    return any(
        each.signed.envelope.entry_id == form_context.entry_id
        for each in open_all(desk, conversation_of(desk, form_context.address))
    )


# ---- what keeps the promise, whenever the store is checked -----------------------------------------


def maintain_deletions(desk: OpenDesk, today: date) -> None:
    """Put right what orders need, in the background.

    An order that was voided goes, a closing without order gets one, an abandoned mailbox too; what was
    deleted by our own order is known to be so, and evidence goes when its day has come.
    """
    forget_deleted_mailboxes(desk, today)
    with desk.store.reading() as session:
        stored = deletion_orders.all_due(session, date.max)
    for each in stored:
        if desk.stopping.is_set():
            return
        with suppress(RecordUnsoundError):  # noted for the inbox; without a casefile nothing can be counted
            _tend_order(desk, each, today)
    under_order = {Address(each.address) for each in stored}
    _tend_closed(desk, under_order, today)
    _order_abandoned(desk, under_order, today)


def is_deleted_by_order(desk: OpenDesk, row: EndedMailbox, today: date) -> bool:
    """Say whether the line of a mailbox that is gone holds the desk's own order to delete it, rightly used.

    The line itself is not signed. So the order's day must have come by our own clock, and it must not be one
    that this workstation knows to have been voided: by words of the desk, which always drop or renew the
    order, as its marks do; or by words of the source that wait for an answer. What was written here and had
    not got to the server by then voided nothing there, and is no reason.
    """
    try:
        ordered = verify_order(row.statement, strands=desk.letterhead.strand_keys)
    except (ForgedError, MalformedError):
        return False
    if ordered.address != row.address or ordered.due > min(row.day, today):
        return False
    known = desk.trusted_state.mailboxes.get(ordered.address, {})
    later = {strand for strand, head in known.items() if head[0] > ordered.heads.get(strand, _NO_HEAD)[0]}
    if desk.keyring.strand.id in later and _has_crossed(desk, ordered.address):
        later.remove(desk.keyring.strand.id)
    return not later or (later == {SOURCE_STRAND} and ordered.address in desk.trusted_state.answered)


def _has_crossed(desk: OpenDesk, address: Address) -> bool:
    with desk.store.reading() as session:
        return any(found.kind is FindingKind.CROSSED for found in sync_findings.of_mailbox(session, address))


def needs_acknowledging(desk: OpenDesk, row: EndedMailbox, today: date) -> bool:
    """Say whether the adviser has to see the line of a mailbox that is gone, before it is counted.

    One that says it was counted, and that the source did not sign, is shown: somebody made it up.
    """
    is_known = _is_counted(desk, row) and _is_ended_by_source(row)
    return not is_known and not is_deleted_by_order(desk, row, today)


def _is_counted(desk: OpenDesk, row: EndedMailbox) -> bool:
    """Say whether the desk counted a line: another workstation, or we, before the server was put back.

    On one machine the last does not tell: this workstation may have been stopped before it had counted.
    """
    was_ours = row.address in desk.trusted_state.ended and desk.config.server != ONE_MACHINE
    return row.is_counted or was_ours


def count_ended_mailbox(desk: OpenDesk, ended: removal.MailboxEnding, today: date) -> None:
    """Count a mailbox whose source signed that it is ended, and drop its line and its casefile.

    Evidence of what was passed on stays until the day on which the mailbox would have been deleted.

    Raises:
        RecordUnsoundError: the casefile is not what this desk wrote last, so nothing can be counted by it.
    """
    address = ended.address
    casefile = casefiles.read_casefile(desk, address)
    if casefile.evidence:
        keep_until = casefile.keep_until or order_deletion.choose_deletion_day(desk, today)
        casefiles.update_casefile(
            desk, address, lambda now: msgspec.structs.replace(now, keep_until=keep_until)
        )
    # Whoever of the desk read or wrote there left an entry.
    is_read = any(strand != SOURCE_STRAND for strand in ended.heads)
    known = count_for_report.add_facts_of_ending(desk, casefile, ended)
    counted = tallies_of(known, desk.letterhead, closed=ended.day, is_read=is_read)
    tallies = seal_tallies(counted, desk.letterhead, desk.keyring.desk_writer)
    desk.forget_ended(address)
    desk.save()  # first: were it only dropped from the store, it would look taken away
    with desk.store.writing() as session:
        mailboxes.mark_ending_counted(session, address, tallies=tallies)
        if not casefile.evidence:
            casefiles.drop_casefile(desk, session, address)
    if casefile.evidence:
        casefiles.update_casefile(desk, address, _evidence_alone)
    desk.save()


def _evidence_alone(casefile: Casefile) -> Casefile:
    return Casefile(evidence=casefile.evidence, passed_on=casefile.passed_on, keep_until=casefile.keep_until)


def forget_deleted_mailboxes(desk: OpenDesk, today: date) -> None:
    """Note what was deleted by this desk's own order, with its casefile, and drop the lines about it.

    So too what another workstation has counted, and a line that comes back with a server that was put back.
    """
    with desk.store.reading() as session:
        ended = mailboxes.ended_mailboxes(session)
    for row in ended:
        if is_deleted_by_order(desk, row, today):
            _forget_purged(desk, Address(row.address))
        elif _is_counted(desk, row) and _is_ended_by_source(row):
            with suppress(RecordUnsoundError):  # noted for the inbox; the line waits, as counted
                _forget_counted(desk, Address(row.address))


def _is_ended_by_source(row: EndedMailbox) -> bool:
    return removal.is_ended_by_source(
        row.statement, address=Address(row.address), recipient=row.recipient, verify_key=row.verify_key
    )


def _forget_purged(desk: OpenDesk, address: Address) -> None:
    unsent_forms.drop_unsent_about(desk, address)
    desk.forget_purged(address)
    desk.save()  # first: were the line only dropped from the store, the mailbox would look taken away
    with desk.store.writing() as session:
        mailboxes.mark_ending_counted(session, address)
        sync_findings.drop(session, address, b"", FindingKind.CROSSED)  # marks alone: nobody misses them


def _forget_counted(desk: OpenDesk, address: Address) -> None:
    """Drop a line without counting it again; of the casefile only the evidence stays."""
    casefile = casefiles.read_casefile(desk, address)
    desk.forget_ended(address)
    desk.save()  # as above
    with desk.store.writing() as session:
        mailboxes.mark_ending_counted(session, address)
        if not casefile.evidence:
            casefiles.drop_casefile(desk, session, address)
    if casefile.evidence and casefile != _evidence_alone(casefile):
        casefiles.update_casefile(desk, address, _evidence_alone)
    desk.save()


def _tend_order(desk: OpenDesk, stored: deletion_orders.StoredOrder, today: date) -> None:
    address = Address(stored.address)
    ordered = order_deletion.verify_stored_order(desk, stored)
    if ordered is not None and _heads_of(desk, address) == dict(ordered.heads):
        return
    try:
        conversation = conversation_of(desk, address)
    except MailboxNotFoundError:
        return  # deleted, or ended by its source, since we looked
    if conversation.faults:
        return  # for the adviser to look at; the server does not delete it either
    with desk.store.writing() as session:
        if ordered is None or is_order_void(ordered, conversation.entries):
            deletion_orders.drop(session, address)
        else:
            # Somebody has read something since: it is counted.
            order_deletion.order_deletion(
                desk,
                session,
                address,
                conversation.heads,
                _opened(desk, conversation),
                due=ordered.due,
                today=today,
            )


def _leave_evidence(desk: OpenDesk, address: Address, today: date) -> None:
    """Keep of the casefile of a mailbox that is gone no more than the evidence, for its time."""
    if casefiles.has_mailbox(desk, address):
        return  # it has come back, and that is told
    casefile = casefiles.read_casefile(desk, address)
    if casefile.evidence:
        keep_until = casefile.keep_until or order_deletion.choose_deletion_day(desk, today)
        casefiles.update_casefile(
            desk,
            address,
            lambda now: _evidence_alone(msgspec.structs.replace(now, keep_until=keep_until)),
        )
    else:
        with desk.store.writing() as session:
            casefiles.drop_casefile(desk, session, address)


def _tend_closed(desk: OpenDesk, under_order: set[Address], today: date) -> None:
    """Look at what was closed and has no order (any more): reopened, or never given one, or long gone."""
    for address, (_, casefile) in list(desk.casefiles.items()):
        if address in desk.trusted_state.ended and casefile != _evidence_alone(casefile):
            with suppress(RecordUnsoundError):  # another workstation wrote it, and did not know yet
                _leave_evidence(desk, address, today)
            continue
        if casefile.keep_until is None or address in under_order:
            continue
        try:
            conversation = conversation_of(desk, address)
        except MailboxNotFoundError:
            if casefile.keep_until < today:  # evidence of a mailbox that its source ended
                with desk.store.writing() as session:
                    casefiles.drop_casefile(desk, session, address)
            continue
        if not conversation.faults:
            with suppress(RecordUnsoundError):
                _order_anew(desk, conversation, today)


def _order_anew(desk: OpenDesk, conversation: Conversation, today: date) -> None:
    opened = _opened(desk, conversation)
    closed = thread_state(conversation.address, opened).closing
    if closed is None or closed.by is None:
        casefiles.update_casefile(desk, conversation.address, _open_again)
    else:
        with desk.store.writing() as session:
            order_deletion.order_deletion(
                desk,
                session,
                conversation.address,
                conversation.heads,
                opened,
                due=closed.by,
                today=today,
            )


def _open_again(casefile: Casefile) -> Casefile:
    return msgspec.structs.replace(casefile, keep_until=None, is_spam=False)


def _order_abandoned(desk: OpenDesk, under_order: set[Address], today: date) -> None:
    """Order the deletion of mailboxes in which nothing was said for as long as the letterhead allows.

    Once a day: it looks into every old mailbox. One in which nothing was ever written is ended by the server
    itself.
    """
    if desk.last_check == today:
        return
    before = add_months(today, -desk.letterhead.abandoned_months)
    with desk.store.reading() as session:
        old = mailboxes.opened_before(session, before)
    for raw in old:
        if desk.stopping.is_set():
            return
        if Address(raw) not in under_order:
            with suppress(RecordUnsoundError):
                _order_if_abandoned(desk, Address(raw), before, today)


def _order_if_abandoned(desk: OpenDesk, address: Address, before: date, today: date) -> None:
    try:
        conversation = conversation_of(desk, address)
    except MailboxNotFoundError:
        return  # since we looked
    said = [entry.envelope.day for entry in conversation.entries if entry.envelope.speaks]
    if conversation.faults or not said or max(said) >= before:
        return
    opened = _opened(desk, conversation)
    with desk.store.writing() as session:
        order_deletion.order_deletion(
            desk,
            session,
            address,
            conversation.heads,
            opened,
            due=order_deletion.choose_early_deletion_day(desk, today),
            today=today,
        )


def _opened(desk: OpenDesk, conversation: Conversation) -> tuple[EntryContent, ...]:
    return tuple((each.signed, each.content) for each in open_all(desk, conversation))


def _heads_of(desk: OpenDesk, address: Address) -> dict[StrandId, Head]:
    with desk.store.reading() as session:
        return {
            StrandId(head.strand): (head.number, Digest(head.digest))
            for head in entries.strand_heads(session, address)
        }
