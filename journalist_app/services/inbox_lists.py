"""The inbox: its lists, what a search finds in it, and what ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from crypto.errors import (
    ForgedError,
    MalformedError,
)
from journalist_app.desk.open_desk import CheckProgress, OpenDesk
from journalist_app.desk.verification import Conversation, entry_contents, examine, open_all
from journalist_app.inbox.deadlines import Deadline, deadlines_of, first_deadline_day
from journalist_app.inbox.mailbox_summary import MailboxSummary, summarise_mailbox
from journalist_app.search.search_index import ReadingProgress
from journalist_app.services.closing.ended_mailboxes import list_unacknowledged
from protocol.casefile import Casefile
from protocol.identifiers import Address
from protocol.statements.removal import verify_ending
from store import mailboxes, sync_findings
from store.mailboxes import EndedMailbox
from store.sync_findings import FindingKind

PAGE_ROWS: Final = 25


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One mailbox in a list. `since` is the day it waits since, or of its last entry when it was answered.

    `due` is what is due in it, the soonest first; `step` is empty while nothing was written.
    """

    address: str
    label: str
    is_waiting: bool
    is_new: bool
    since: date | None
    days: int
    entries: int
    files: int
    faults: tuple[str, ...]
    step: str
    due: tuple[Deadline, ...]
    theme: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InboxFilter:
    """Which mailboxes to list. `state` is "waiting", "answered" or "closed"; `page` counts from 1.

    `query` is part of a mailbox's label. The filters are empty where everything is wanted.
    """

    state: str = "waiting"
    page: int = 1
    query: str = ""
    theme: str = ""
    tag: str = ""
    step: str = ""
    is_late: bool = False

    @property
    def has_filter(self) -> bool:
        """Say whether anything is left out."""
        return bool(self.theme or self.tag or self.step or self.is_late)


@dataclass(frozen=True, slots=True)
class EndedInboxRow:
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

    wanted: InboxFilter
    rows: tuple[InboxRow, ...]
    ended: tuple[EndedInboxRow, ...]
    unsound: tuple[UnsoundRow, ...]
    found: int
    waiting: int
    answered: int
    closed: int
    late: dict[str, int]  # how many are late in each list
    has_more: bool
    progress: CheckProgress
    reading: ReadingProgress
    tags: tuple[str, ...]
    trusted_state: str


def read_inbox(desk: OpenDesk, wanted: InboxFilter, today: date) -> Inbox:
    """Return one page of a list, or what a search by label finds; every row is verified before it is shown.

    Sorted by what is due, as soon as the store was read. Until then the store's own order has to do, the
    filters leave nothing out, and how far reading is says why.
    """
    words = " ".join(wanted.query.casefold().replace("-", " ").split())
    reading = desk.index.reading
    with desk.store.reading() as session:
        counts = mailboxes.inbox_counts(session)
        come_back = [
            Address(row.address)
            for row in sync_findings.all_findings(session)
            if row.kind is FindingKind.COME_BACK and mailboxes.find(session, row.address) is None
        ]
    ended = list_unacknowledged(desk, today)
    piles = _piles(desk, today) if reading.is_whole else None
    found: list[Address] = []
    first = (wanted.page - 1) * PAGE_ROWS
    if words:
        found = _labelled(desk, words)
        addresses: list[Address] = found[:PAGE_ROWS]
    elif piles is not None:
        addresses = [Address(each.summary.address) for each in piles.listed(desk, wanted)][first:][
            : PAGE_ROWS + 1
        ]
    else:
        addresses = _in_the_stores_order(desk, wanted.state, first)
    with desk.store.reading() as session:
        here = [row for each in addresses[:PAGE_ROWS] if (row := mailboxes.find(session, each)) is not None]
        rows = tuple(_row(desk, examine(desk, session, each), today) for each in here)
    gone = tuple(_ended_row(desk, each) for each in ended)
    if words:
        ended_shown = tuple(row for row in gone if words in row.label.replace("-", " "))
    else:
        ended_shown = gone if wanted.state == "closed" and wanted.page == 1 and not wanted.has_filter else ()
    return Inbox(
        wanted=wanted,
        rows=rows,
        ended=ended_shown,
        unsound=_unsound_rows(desk, gone, come_back),
        found=len(found) + len(ended_shown),
        waiting=counts.waiting if piles is None else len(piles.waiting),
        answered=counts.answered if piles is None else len(piles.answered),
        closed=len(ended) + (0 if piles is None else len(piles.closed)),
        late={} if piles is None else piles.late,
        has_more=not words and len(addresses) > PAGE_ROWS,
        progress=desk.progress,
        reading=reading,
        tags=_tags(desk),
        trusted_state=desk.trusted_state_status.value,
    )


@dataclass(frozen=True, slots=True)
class _Placed:
    summary: MailboxSummary
    due: tuple[Deadline, ...]


@dataclass(slots=True)
class _Piles:
    """Every mailbox by the list it is in, what is due first on top."""

    waiting: list[_Placed]
    answered: list[_Placed]
    closed: list[_Placed]

    @property
    def late(self) -> dict[str, int]:
        return {state: sum(_is_late(each.due) for each in pile) for state, pile in self._by_state.items()}

    @property
    def _by_state(self) -> dict[str, list[_Placed]]:
        return {"waiting": self.waiting, "answered": self.answered, "closed": self.closed}

    def listed(self, desk: OpenDesk, wanted: InboxFilter) -> list[_Placed]:
        return [
            each
            for each in self._by_state[wanted.state]
            if not wanted.has_filter or _is_wanted(desk, each, wanted)
        ]


def _piles(desk: OpenDesk, today: date) -> _Piles:
    """Sort what the index knows. It is only an order: what is shown is verified row by row."""
    piles = _Piles([], [], [])
    for summary in desk.index.summaries():
        if summary.newest is None:
            continue  # nothing was written in it yet
        found = deadlines_of(
            summary, _casefile(desk, Address(summary.address)).reminder, desk.letterhead, today
        )
        pile = piles.answered if summary.waiting is None else piles.waiting
        (piles.closed if summary.is_closed else pile).append(_Placed(summary, found))
    for pile in (piles.waiting, piles.answered, piles.closed):
        pile.sort(
            key=lambda each: (first_deadline_day(each.due), -(each.summary.newest or date.min).toordinal())
        )
    return piles


def _is_wanted(desk: OpenDesk, placed: _Placed, wanted: InboxFilter) -> bool:
    casefile = _casefile(desk, Address(placed.summary.address))
    return (
        (not wanted.theme or casefile.theme == wanted.theme)
        and (not wanted.tag or wanted.tag in casefile.labels)
        and (not wanted.step or placed.summary.step == wanted.step)
        and (not wanted.is_late or _is_late(placed.due))
    )


def _is_late(found: tuple[Deadline, ...]) -> bool:
    return any(each.is_late for each in found)


def _casefile(desk: OpenDesk, address: Address) -> Casefile:
    return desk.casefiles.get(address, (0, Casefile()))[1]


def _tags(desk: OpenDesk) -> tuple[str, ...]:
    return tuple(
        sorted({label for _, casefile in list(desk.casefiles.values()) for label in casefile.labels})
    )


def _labelled(desk: OpenDesk, words: str) -> list[Address]:
    with desk.store.reading() as session:
        return [
            Address(each) for each in mailboxes.all_addresses(session) if _fits(desk, Address(each), words)
        ]


def _in_the_stores_order(desk: OpenDesk, state: str, first: int) -> list[Address]:
    if state == "closed":
        return []
    with desk.store.reading() as session:
        return [Address(row.address) for row in mailboxes.inbox_page(session, state, first, PAGE_ROWS + 1)]


def _fits(desk: OpenDesk, address: Address, words: str) -> bool:
    return words in desk.label(address).replace("-", " ")


def _row(desk: OpenDesk, conversation: Conversation, today: date) -> InboxRow:
    opened = open_all(desk, conversation)
    faults = [fault.kind for fault in conversation.faults] + [each.fault for each in opened if each.fault]
    if faults:
        desk.unsound[conversation.address] = tuple(dict.fromkeys(faults))
    mailbox = conversation.mailbox
    heads = [digest for _, digest in conversation.heads.values()]
    summary = summarise_mailbox(conversation.address, heads, entry_contents(opened))
    waits_since = conversation.unanswered_since or summary.waiting or mailbox.waiting_since
    said = [each for each in opened if each.signed.envelope.speaks]
    last_day = said[-1].signed.envelope.day if said else None
    since = waits_since or last_day
    casefile = _casefile(desk, conversation.address)
    return InboxRow(
        address=conversation.address.hex(),
        label=desk.label(conversation.address),
        is_waiting=waits_since is not None,
        is_new=not conversation.is_answered_once,
        since=since,
        days=max(0, (today - since).days) if since else 0,
        entries=len(said),
        files=sum(len(each.content.attachments) for each in opened if each.content),
        faults=tuple(dict.fromkeys(faults)),
        step=summary.step,
        due=deadlines_of(summary, casefile.reminder, desk.letterhead, today),
        theme=casefile.theme,
        labels=casefile.labels,
    )


def _ended_row(desk: OpenDesk, row: EndedMailbox) -> EndedInboxRow:
    address = Address(row.address)
    try:
        ended = verify_ending(
            row.statement, address=address, recipient=row.recipient, verify_key=row.verify_key
        )
    except (ForgedError, MalformedError):
        return EndedInboxRow(address.hex(), desk.label(address), row.day, is_proved=False)
    return EndedInboxRow(address.hex(), desk.label(address), ended.day, is_proved=True)


def _unsound_rows(
    desk: OpenDesk, closed: tuple[EndedInboxRow, ...], come_back: Sequence[Address]
) -> tuple[UnsoundRow, ...]:
    rows = [
        UnsoundRow(address.hex(), desk.label(address), "gone" not in faults, faults)
        for address, faults in list(desk.unsound.items())
    ]
    # A mailbox that is gone took its casefile along.
    told = {row.address for row in rows} | {row.address for row in closed}
    rows += [
        UnsoundRow(address.hex(), desk.label(address), is_here=True, faults=("bad_casefile",))
        for address in list(desk.unsound_casefiles)
        if address.hex() not in told
    ]
    rows += [
        UnsoundRow(row.address, row.label, is_here=False, faults=("false_ending",))
        for row in closed
        if not row.is_proved
    ]
    rows += [
        UnsoundRow(address.hex(), desk.label(address), is_here=False, faults=("come_back_at_server",))
        for address in come_back
    ]
    return tuple(sorted(rows, key=lambda row: row.label))
