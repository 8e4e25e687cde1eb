"""Rows of the inbox: mailboxes, ended mailboxes, and mailboxes that failed verification."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from journalist_app.desk.casefile import Casefile, PassedOn
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.verification import (
    DAMAGED_FILE,
    NOT_DELETED,
    Conversation,
    entry_contents,
    open_with_faults,
)
from journalist_app.inbox.deadlines import Deadline, deadlines_of
from journalist_app.inbox.mailbox_summary import digest_of_entries, summarise_mailbox
from journalist_app.services.closing.ended_mailboxes import end_by_source
from journalist_app.services.mailbox.count_for_report import count_not_arrived
from protocol.envelope import Envelope
from protocol.identifiers import Address
from protocol.transcript.check import ALLOW_ANSWERS
from store.mailboxes import EndedMailbox

_NOTHING_NOTED: Final = (0, Casefile())
# Anyone can start hundreds of mailboxes with such a fault, which must not hide another fault.
_MILD: Final = frozenset({*ALLOW_ANSWERS, DAMAGED_FILE, NOT_DELETED, "unreadable"})


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One mailbox in a list of the inbox.

    `since` is the day from which the source has been waiting. If the source does not wait, `since` is the day
    of the newest entry.
    """

    address: str
    label: str
    is_waiting: bool
    is_new: bool
    since: date | None
    days: int  # from `since` to today
    entries: int
    files: int
    faults: tuple[str, ...]
    step: str  # the desk's newest statement of what it has done, or empty
    due: tuple[Deadline, ...]  # the earliest first
    theme: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndedInboxRow:
    """One ended mailbox in the inbox.

    `is_proved` is True if the source has signed the ending. `not_arrived` counts the source's entries that
    never reached this workstation. `to_destroy` has the days on which the desk made files that it must
    destroy, because the source took back the agreement by ending the mailbox.
    """

    address: str
    label: str
    day: date
    is_proved: bool
    not_arrived: int = 0
    to_destroy: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class UnsoundRow:
    """One mailbox in the inbox that failed verification.

    `is_here` is False if the mailbox is not in the store. `label` is empty if the faults concern no mailbox.
    """

    address: str
    label: str
    is_here: bool
    faults: tuple[str, ...]


def inbox_row(desk: OpenDesk, conversation: Conversation, today: date) -> InboxRow:
    """Return the row of a verified mailbox in the inbox.

    If the search index has not read the same entries, the mailbox is decrypted. Then its faults go into
    `desk.unsound`.
    """
    # Without the index, mailboxes with thousands of messages would make each page take a minute.
    transcript, faults = conversation.transcript, conversation.faults
    summary = desk.index.summary_of(conversation.address)
    is_known = summary is not None and summary.read == digest_of_entries(transcript)
    if summary is None or not is_known or conversation.removed != transcript.removed.keys():
        opened, faults = open_with_faults(desk, conversation)
        # The rows are not compared with an earlier reading, so their digest is left out.
        summary = summarise_mailbox(conversation.address, b"", transcript, entry_contents(opened))
    waits_since = summary.waiting or (conversation.mailbox.waiting_since if faults else None)
    messages = [entry.envelope for entry in conversation.entries if entry.envelope.is_words]
    since = waits_since or (messages[-1].day if messages else None)
    casefile = known_casefile(desk, conversation.address)
    return InboxRow(
        address=conversation.address.hex(),
        label=desk.label(conversation.address),
        is_waiting=waits_since is not None,
        is_new=not conversation.is_answered_once,
        since=since,
        days=max(0, (today - since).days) if since else 0,
        entries=len(messages),
        files=summary.files,
        faults=tuple(dict.fromkeys(fault.kind for fault in faults)),
        step=summary.step,
        due=deadlines_of(summary, casefile.reminder, desk.letterhead, today),
        theme=casefile.theme,
        labels=casefile.labels,
    )


def ended_row(desk: OpenDesk, row: EndedMailbox) -> EndedInboxRow:
    """Return the inbox's row of an ended mailbox. The row says whether the source has signed the ending."""
    address = Address(row.address)
    end = end_by_source(desk, row)
    if end is None:
        return EndedInboxRow(address.hex(), desk.label(address), row.day, is_proved=False)
    made = desk.casefiles.get(address, _NOTHING_NOTED)[1].passed_on
    to_destroy = tuple(each.made for each in made if _is_taken_back(each, end.envelope))
    not_arrived = count_not_arrived(desk, end)
    day, label = end.envelope.day, desk.label(address)
    return EndedInboxRow(
        address.hex(), label, day, is_proved=True, not_arrived=not_arrived, to_destroy=to_destroy
    )


def _is_taken_back(passed: PassedOn, end: Envelope) -> bool:
    """Return True if the source ended the mailbox before a page had shown that passing on had begun.

    The result is False if the file was handed over, or made without the source's consent.
    """
    if passed.delivered is not None or not passed.with_consent or passed.begun is None:
        return False
    strand, number = passed.begun
    is_unseen = any((head.strand, head.number) == passed.begun for head in end.unseen)
    return is_unseen or not any(head.strand == strand and head.number >= number for head in end.heads)


def unsound_rows(
    desk: OpenDesk, closed: tuple[EndedInboxRow, ...], restored: Sequence[Address]
) -> tuple[UnsoundRow, ...]:
    """Return a row for each mailbox that the inbox must show as faulty.

    Grave faults come first. Rows of the same gravity are sorted by label. `closed` has the rows of ended
    mailboxes, and `restored` has the ended mailboxes that are in the server's store again.
    """
    found = dict(desk.unsound)
    for failed in list(desk.unfinished.values()):
        found |= {address: (*desk.unsound.get(address, ()), "unfinished") for address in failed}
    # Do not list a missing casefile if its mailbox is listed as missing or ended.
    listed = {address.hex() for address in found} | {row.address for row in closed}
    bad_casefiles = [each for each in list(desk.unsound_casefiles) if each.hex() not in listed]
    false_endings = [Address(bytes.fromhex(row.address)) for row in closed if not row.is_proved]
    rows = [unsound_row(desk, each, faults, is_here="gone" not in faults) for each, faults in found.items()]
    rows += [unsound_row(desk, each, ("bad_casefile",), is_here=True) for each in bad_casefiles]
    rows += [unsound_row(desk, each, ("false_ending",), is_here=False) for each in false_endings]
    rows += [unsound_row(desk, each, ("come_back_at_server",), is_here=False) for each in restored]
    return tuple(sorted(rows, key=lambda row: (_MILD.issuperset(row.faults), row.label)))


def unsound_row(desk: OpenDesk, address: Address, faults: tuple[str, ...], *, is_here: bool) -> UnsoundRow:
    """Return a row that shows the faults of one mailbox, for the inbox or the sync page.

    If a fault concerns no mailbox, the address has only zeros, and the row has no label.
    """
    return UnsoundRow(address.hex(), desk.label(address) if any(address) else "", is_here, faults)


def sort_by_label(rows: Iterable[UnsoundRow]) -> tuple[UnsoundRow, ...]:
    """Return rows of mailboxes with faults, sorted by the mailbox's three-word label."""
    return tuple(sorted(rows, key=lambda row: row.label))


def known_casefile(desk: OpenDesk, address: Address) -> Casefile:
    """Return the desk's notes about a mailbox from the last check of the store, or empty notes."""
    return desk.casefiles.get(address, _NOTHING_NOTED)[1]
