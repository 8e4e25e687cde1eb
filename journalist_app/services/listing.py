"""The inbox: its lists, what a search finds in it, and what ended."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from crypto.errors import (
    ForgedError,
    MalformedError,
)
from crypto.names import SOURCE_STRAND, Address
from crypto.removal import verify_ended
from journalist_app.desk import OpenDesk, Progress
from journalist_app.errors import (
    MailboxMissingError,
    UnsoundMailboxError,
)
from journalist_app.services import closing
from journalist_app.verification import Conversation, examine, open_all
from store import mailboxes
from store.mailboxes import Ended, Mailbox

PAGE_ROWS: Final = 25


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One mailbox in a list. `since` is the day it waits since, or of its last entry when it was answered."""

    address: str
    label: str
    is_waiting: bool
    is_new: bool
    since: date | None
    days: int
    entries: int
    files: int
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndedRow:
    """A mailbox that ended; without `is_proved` the source has not signed that."""

    address: str
    label: str
    day: date
    is_proved: bool


@dataclass(frozen=True, slots=True)
class UnsoundRow:
    """A mailbox that fails verification, wherever in the lists it stands."""

    address: str
    label: str
    is_here: bool
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inbox:
    """One page of the inbox."""

    state: str
    page: int
    query: str
    rows: tuple[InboxRow, ...]
    ended: tuple[EndedRow, ...]
    unsound: tuple[UnsoundRow, ...]
    found: int
    waiting: int
    answered: int
    closed: int
    has_more: bool
    progress: Progress
    anchors: str


def inbox(desk: OpenDesk, state: str, page: int, query: str, today: date) -> Inbox:
    """Return one page of a list, or what a search finds; every row is verified before it is shown.

    `state` is "waiting", "answered" or "closed"; `page` counts from 1; `query` is part of a label.
    """
    words = " ".join(query.casefold().replace("-", " ").split())
    with desk.store.reading() as session:
        counts = mailboxes.counts(session)
        ended = [row for row in mailboxes.ended_mailboxes(session) if not closing.is_our_order(desk, row)]
        found: list[Address] = []
        shown: list[Mailbox] = []
        if words:
            found = [
                Address(each) for each in mailboxes.addresses(session) if _fits(desk, Address(each), words)
            ]
            shown = [row for each in found[:PAGE_ROWS] if (row := mailboxes.find(session, each)) is not None]
        elif state != "closed":
            shown = list(mailboxes.page(session, state, (page - 1) * PAGE_ROWS, PAGE_ROWS + 1))
        rows = tuple(_row(desk, examine(desk, session, each), today) for each in shown[:PAGE_ROWS])
    closed = tuple(_ended_row(desk, each) for each in ended)
    if words:
        closed_shown = tuple(row for row in closed if words in row.label.replace("-", " "))
    else:
        closed_shown = closed if state == "closed" else ()
    return Inbox(
        state=state,
        page=page,
        query=query,
        rows=rows,
        ended=closed_shown,
        unsound=_unsound_rows(desk, closed),
        found=len(found) + len(closed_shown),
        waiting=counts.waiting,
        answered=counts.answered,
        closed=len(ended),
        has_more=not words and len(shown) > PAGE_ROWS,
        progress=desk.progress,
        anchors=desk.memory.value,
    )


def _fits(desk: OpenDesk, address: Address, words: str) -> bool:
    return words in desk.label(address).replace("-", " ")


def _row(desk: OpenDesk, conversation: Conversation, today: date) -> InboxRow:
    opened = open_all(desk, conversation)
    faults = [fault.kind for fault in conversation.faults] + [each.fault for each in opened if each.fault]
    if faults:
        desk.unsound[conversation.address] = tuple(dict.fromkeys(faults))
    mailbox = conversation.mailbox
    is_waiting = mailbox.waiting_since is not None or conversation.unanswered_since is not None
    waits_since = conversation.unanswered_since or mailbox.waiting_since
    said = [each for each in opened if each.signed.open_part.speaks]
    last_day = said[-1].signed.open_part.day if said else None
    since = waits_since if is_waiting else last_day
    return InboxRow(
        address=conversation.address.hex(),
        label=desk.label(conversation.address),
        is_waiting=is_waiting,
        is_new=not conversation.is_answered_once,
        since=since,
        days=max(0, (today - since).days) if since else 0,
        entries=len(said),
        files=sum(len(each.content.attachments) for each in opened if each.content),
        faults=tuple(dict.fromkeys(faults)),
    )


def _ended_row(desk: OpenDesk, row: Ended) -> EndedRow:
    address = Address(row.address)
    try:
        ended = verify_ended(
            row.statement, address=address, recipient=row.recipient, verify_key=row.verify_key
        )
    except (ForgedError, MalformedError):
        return EndedRow(address.hex(), desk.label(address), row.day, is_proved=False)
    return EndedRow(address.hex(), desk.label(address), ended.day, is_proved=True)


def _unsound_rows(desk: OpenDesk, closed: tuple[EndedRow, ...]) -> tuple[UnsoundRow, ...]:
    rows = [
        UnsoundRow(address.hex(), desk.label(address), "gone" not in faults, faults)
        for address, faults in list(desk.unsound.items())
    ]
    rows += [
        UnsoundRow(row.address, row.label, is_here=False, faults=("false_ending",))
        for row in closed
        if not row.is_proved
    ]
    return tuple(sorted(rows, key=lambda row: row.label))


def acknowledge(desk: OpenDesk, address: Address, today: date) -> None:
    """Drop the line of a mailbox that its source ended, now that the adviser has seen it, and count it.

    Raises:
        MailboxMissingError: there is no such line.
        UnsoundMailboxError: the source has not signed it: it stays, as evidence.
        RecordUnsoundError: nothing can be counted by its casefile.
    """
    with desk.store.reading() as session:
        row = next((each for each in mailboxes.ended_mailboxes(session) if each.address == address), None)
    if row is None:
        raise MailboxMissingError
    try:
        ended = verify_ended(
            row.statement, address=address, recipient=row.recipient, verify_key=row.verify_key
        )
    except (ForgedError, MalformedError) as why:
        raise UnsoundMailboxError from why
    # Whoever of the desk read or wrote there left an entry.
    closing.acknowledge(
        desk, row, is_read=any(strand != SOURCE_STRAND for strand in ended.heads), today=today
    )
