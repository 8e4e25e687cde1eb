"""Background check: verifies every mailbox that changed since this workstation last checked the store."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from sqlalchemy.orm import Session

from journalist_app.desk.open_desk import CheckProgress, OpenDesk
from journalist_app.desk.verification import WRONG_STATE, Conversation, conversation_of, due_before
from journalist_app.errors import MailboxNotFoundError
from journalist_app.services.closing import deletion_upkeep, ended_mailboxes
from journalist_app.services.mailbox import count_for_report
from journalist_app.services.records import casefiles, desk_records
from journalist_app.services.whole_desk.sync_status import is_paired
from protocol.heads import Heads
from protocol.identifiers import SOURCE_STRAND, Address
from store import entries, mailboxes, sync_findings
from store.database.damaged_rows import count_damaged
from store.errors import StoreError
from store.sync_findings import FindingKind
from stored_mailbox.appending import recompute_state


def check_store(desk: OpenDesk, today: date) -> None:
    """Verify every mailbox that changed since this workstation last checked the store.

    The check ends early when the desk is locked. Only one thread checks at a time.
    """
    with desk.checking:
        _check_store(desk, today)


def _check_store(desk: OpenDesk, today: date) -> None:
    try:
        if desk.last_check != today:
            with desk.store.reading() as session:
                desk.damaged_rows = count_damaged(session)
        changed = _changed_mailboxes(desk)
        if changed:
            desk.progress = CheckProgress(0, len(changed), is_running=True, is_broken=False)
        desk.each_mailbox("check", changed, lambda each: _check_mailbox(desk, each, today))
        if desk.stopping.is_set():
            return
        # Before `load_casefiles`, which would report their casefiles missing.
        ended_mailboxes.forget_deleted_mailboxes(desk, today)
        casefiles.load_casefiles(desk)
        deletion_upkeep.maintain_deletions(desk, today)
        with desk.store.writing() as session:
            desk_records.delete_empty_records(desk, session, today)
        desk.save()
        _update_index(desk)
        desk.last_check = today
        desk.progress = CheckProgress(len(changed), len(changed), is_running=False, is_broken=False)
    except StoreError:
        desk.progress = replace(desk.progress, is_running=False, is_broken=True)


def _update_index(desk: OpenDesk) -> None:
    if not desk.index.reading.is_whole:
        return
    with desk.store.reading() as session:
        digests = entries.all_digests(session)
        addresses = mailboxes.all_addresses(session)
    desk.index.read_changed({address: digests.get(address, ()) for address in addresses})


def _changed_mailboxes(desk: OpenDesk) -> list[Address]:
    """Return the mailboxes that must be verified now, such as changed, missing or faulty mailboxes."""
    with desk.store.reading() as session:
        found = {Address(address): digests for address, digests in entries.all_digests(session).items()}
        here = {
            *mailboxes.all_addresses(session),
            *(row.address for row in mailboxes.ended_mailboxes(session)),
        }
        hidden = _hidden_mailboxes(desk, session)
        at_server = [Address(row.address) for row in sync_findings.all_findings(session)]
        before = due_before(desk, session)
    known = desk.trusted_state
    new = [
        address
        for address, digests in found.items()
        if address in known.ended or not _has_only(digests, known.seen(address).heads)
    ]
    gone = {*list(known.mailboxes)} - here
    overdue = [each for each, seen in list(known.mailboxes.items()) if seen.closed and seen.closed < before]
    unfinished = desk.unfinished.get("check", ())
    return list(
        dict.fromkeys(
            [*new, *gone, *hidden, *overdue, *at_server, *desk.to_count, *desk.unsound, *unfinished]
        )
    )


def _has_only(digests: Sequence[bytes], known: Heads) -> bool:
    """Return True if a mailbox seems to have exactly the entries that this workstation remembers.

    `known` has the newest entry of each writer.
    """
    # Each writer's entries are numbered from 1, so the numbers of the newest add up to the number of entries.
    newest = {head.strand: head.number for head in known}  # the largest number comes last
    return len(digests) == sum(newest.values()) and {head.digest for head in known} <= set(digests)


def _hidden_mailboxes(desk: OpenDesk, session: Session) -> set[Address]:
    """Return the mailboxes that the store marks as answered, but that this workstation never saw answered."""
    # Attack: someone who can write to the store hides a waiting source. The mark "answered" is not signed.
    resting = {Address(address) for address in entries.addresses_not_waiting(session)}
    known = {address: desk.trusted_state.seen(address) for address in resting}
    return {
        address
        for address, seen in known.items()
        if not seen.is_answered and any(head.strand == SOURCE_STRAND for head in seen.heads)
    }


def _check_mailbox(desk: OpenDesk, address: Address, today: date) -> None:
    desk.progress = replace(desk.progress, done=desk.progress.done + 1)
    try:
        conversation = conversation_of(desk, address)
    except MailboxNotFoundError:
        with desk.store.reading() as session:
            has_ended = mailboxes.find_ended(session, address) is not None
        desk.unsound.pop(address, None)
        if address in desk.trusted_state.mailboxes and not has_ended:
            desk.unsound[address] = ("gone",)
        desk.to_count.discard(address)
        return
    if WRONG_STATE in desk.unsound.get(address, ()) and is_paired(desk):
        _repair_state(desk, address)
    _destroy_restored(desk, conversation, today)
    count_for_report.save_counts_in_background(desk, conversation)


def _repair_state(desk: OpenDesk, address: Address) -> None:
    """Compute again whether a mailbox waits for an answer. Its row can be wrong after a power cut."""
    with desk.store.writing() as session:
        recompute_state(session, address)
    conversation_of(desk, address)


def _destroy_restored(desk: OpenDesk, conversation: Conversation, today: date) -> None:
    """Destroy entries that the source had removed and someone restored. Report this to the adviser."""
    if not conversation.restored:
        return
    address = conversation.address
    digests = [entry.digest for entry in conversation.restored]
    with desk.store.writing() as session:
        entries.destroy(session, address, digests)
        for digest in digests:
            sync_findings.add(session, address, digest, FindingKind.RESTORED, today)
    conversation_of(desk, address)
