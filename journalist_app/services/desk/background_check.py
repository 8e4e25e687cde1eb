"""Background check: verifies every mailbox that changed since this workstation last checked the store."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date

from sqlalchemy.orm import Session

from journalist_app.desk.open_desk import CheckProgress, OpenDesk
from journalist_app.desk.verification import examine
from journalist_app.services.closing import deletion_upkeep, ended_mailboxes
from journalist_app.services.mailbox import count_for_report
from journalist_app.services.records import casefiles
from protocol.identifiers import SOURCE_STRAND, Address, Digest, StrandId
from protocol.statements.heads import Head, Heads
from store import entries, mailboxes, sync_findings
from store.database.damaged_rows import count_damaged
from store.errors import StoreError


def check_store(desk: OpenDesk, today: date) -> None:
    """Compare the store with the heads that this workstation has saved, and verify every changed mailbox.

    The saved heads (newest entries) are in the trusted state, which reveals a roll-back of the store. The
    check updates `desk.progress`, ends early when the desk is locked, and saves the trusted state. Only one
    thread checks at a time. If a check is already running, this function returns at once.
    """
    if not desk.checking.acquire(blocking=False):
        return
    try:
        if desk.last_check != today:
            with desk.store.reading() as session:
                desk.damaged_rows = sum(count_damaged(session).values())
        changed = _changed_mailboxes(desk)
        desk.progress = CheckProgress(0, len(changed), is_running=True, is_broken=False)
        for done, address in enumerate(changed, 1):
            if desk.stopping.is_set():
                return
            _check_mailbox(desk, address)
            desk.progress = CheckProgress(done, len(changed), is_running=True, is_broken=False)
        # Before `load_casefiles`, which would report their casefiles missing.
        ended_mailboxes.forget_deleted_mailboxes(desk, today)
        casefiles.load_casefiles(desk)
        deletion_upkeep.maintain_deletions(desk, today)
        desk.save()
        _update_index(desk)
        desk.last_check = today
        desk.progress = CheckProgress(len(changed), len(changed), is_running=False, is_broken=False)
    except StoreError:
        desk.progress = CheckProgress(
            desk.progress.done, desk.progress.total, is_running=False, is_broken=True
        )
    finally:
        desk.checking.release()


def _update_index(desk: OpenDesk) -> None:
    """Make the search index read the mailboxes that changed since it read the whole store."""
    if not desk.index.reading.is_whole:
        return
    heads: dict[Address, list[bytes]] = defaultdict(list)
    with desk.store.reading() as session:
        for address, _, _, digest in entries.all_heads(session):
            heads[Address(address)].append(digest)
    desk.index.read_changed(heads)


def _changed_mailboxes(desk: OpenDesk) -> list[Address]:
    """Return the mailboxes to verify: changed, missing, with a known fault, or wrongly marked as answered."""
    found: dict[Address, dict[StrandId, Head]] = defaultdict(dict)
    with desk.store.reading() as session:
        for address, strand, number, digest in entries.all_heads(session):
            found[Address(address)][StrandId(strand)] = (number, Digest(digest))
        ended = {Address(row.address) for row in mailboxes.ended_mailboxes(session)}
        hidden = _hidden_mailboxes(desk, session, found)
        at_server = [Address(row.address) for row in sync_findings.all_findings(session)]
    known = desk.trusted_state.mailboxes
    new = [
        address
        for address, heads in found.items()
        if address in desk.trusted_state.ended or dict(known.get(address, {})) != heads
    ]
    gone = [address for address in known if address not in found and address not in ended]
    return list(dict.fromkeys([*new, *gone, *hidden, *at_server, *desk.unsound]))


def _hidden_mailboxes(desk: OpenDesk, session: Session, found: Mapping[Address, Heads]) -> set[Address]:
    """Return the mailboxes that the store marks as answered, although this workstation never saw an answer.

    Attack: someone who can write the store hides a source who still waits, by marking the mailbox as
    answered. The mark is not signed. The heads (newest entries) that this workstation has saved do not show
    either whether a source waits. So this workstation also saves which mailboxes it saw answered.
    """
    resting = {Address(address) for address in entries.addresses_not_waiting(session)}
    written_in = {address for address in resting if SOURCE_STRAND in found.get(address, {})}
    return written_in - desk.trusted_state.answered


def _check_mailbox(desk: OpenDesk, address: Address) -> None:
    with desk.store.reading() as session:
        mailbox = mailboxes.find(session, address)
        conversation = None if mailbox is None else examine(desk, session, mailbox)
        has_ended = any(row.address == address for row in mailboxes.ended_mailboxes(session))
    if conversation is not None:
        count_for_report.save_counts_in_background(desk, conversation)
    elif address in desk.trusted_state.mailboxes and not has_ended:
        desk.unsound[address] = ("gone",)
    else:
        desk.unsound.pop(address, None)
