"""Lists of the inbox: waiting, answered and closed mailboxes, sorted by deadline, filtered by the adviser."""

import functools
from collections import Counter
from dataclasses import dataclass
from datetime import date
from operator import attrgetter
from typing import Any, Final, NamedTuple

from journalist_app.desk.open_desk import CheckProgress, OpenDesk, WholeCheck
from journalist_app.desk.verification import conversation_of
from journalist_app.inbox.deadlines import Deadline, deadlines_of
from journalist_app.inbox.mailbox_summary import MailboxSummary
from journalist_app.search.search_index import ReadingProgress
from journalist_app.search.text_index import query_words
from journalist_app.services import inbox_rows
from journalist_app.services.closing.ended_mailboxes import list_unacknowledged
from protocol.identifiers import Address
from store import mailboxes, sync_findings
from store.sync_findings import FindingKind
from web.normal_text import name_form

PAGE_ROWS: Final = 25
_TAGS: Final = 200  # options of the filter: a thief's labels must not make each page megabytes long


@dataclass(frozen=True, slots=True)
class InboxFilter:
    """The adviser's choice of mailboxes in the inbox.

    If `query` is set, the other filters have no effect. An empty field matches every mailbox.
    """

    state: str = "waiting"  # "waiting", "answered" or "closed"
    page: int = 1  # from 1
    query: str = ""  # part of a mailbox's label
    theme: str = ""
    tag: str = ""
    step: str = ""
    is_late: bool = False

    @property
    def has_filter(self) -> bool:
        """Return True if the adviser filters the inbox by theme, tag, step or lateness."""
        return bool(self.theme or self.tag or self.step or self.is_late)


@dataclass(frozen=True, slots=True)
class Inbox:
    """One page of the inbox: its rows, and the number of mailboxes in each list."""

    wanted: InboxFilter
    rows: tuple[inbox_rows.InboxRow, ...]
    ended: tuple[inbox_rows.EndedInboxRow, ...]
    unsound: tuple[inbox_rows.UnsoundRow, ...]  # those on this page; `warnings` counts all of them
    warnings: int
    found: int
    waiting: int
    answered: int
    closed: int
    late: dict[str, int]  # number of mailboxes with a missed deadline, by list
    has_more: bool
    progress: CheckProgress
    whole_check: WholeCheck
    reading: ReadingProgress
    tags: tuple[str, ...]
    trusted_state: str


def read_inbox(desk: OpenDesk, wanted: InboxFilter, today: date) -> Inbox:
    """Return one page of the inbox: a list of mailboxes, or the result of a search by label.

    The mailbox of every row is verified. Until the search index has read the store, the rows are not sorted
    and not filtered.
    """
    words = " ".join(query_words(wanted.query)) or wanted.query
    reading = desk.index.reading
    with desk.store.reading() as session:
        counts = mailboxes.inbox_counts(session)
        restored = [
            Address(row.address)
            for row in sync_findings.all_findings(session)
            if row.kind is FindingKind.COME_BACK and mailboxes.find(session, row.address) is None
        ]
    ended = list_unacknowledged(desk, today)
    lists = _sort_lists(desk, today) if reading.is_whole else {}
    found: list[Address] = []
    first = (wanted.page - 1) * PAGE_ROWS
    if words:
        found = _find_by_label(desk, words)
        addresses: list[Address] = found[:PAGE_ROWS]
    elif lists:
        matching = lists[wanted.state]
        if wanted.has_filter:
            matching = [each for each in matching if _matches(desk, each, wanted)]
        addresses = [Address(each.summary.address) for each in matching[first : first + PAGE_ROWS + 1]]
    else:
        addresses = _in_store_order(desk, wanted.state, first)
    shown, inbox_row = addresses[:PAGE_ROWS], inbox_rows.inbox_row
    rows = desk.each_mailbox("inbox", shown, lambda each: inbox_row(desk, conversation_of(desk, each), today))
    rows_of = {Address(row.address): row for row in ended}
    gone = tuple(desk.each_mailbox("gone", rows_of, lambda each: inbox_rows.ended_row(desk, rows_of[each])))
    if words:
        ended_shown = tuple(row for row in gone if _fits(row.label, words))
    else:
        ended_shown = gone if wanted.state == "closed" and wanted.page == 1 and not wanted.has_filter else ()
        ended_shown = ended_shown or tuple(row for row in gone if row.to_destroy)  # on every list
    unsound = inbox_rows.unsound_rows(desk, gone, restored)
    first_unsound = min(first, max(len(unsound) - 1, 0) // PAGE_ROWS * PAGE_ROWS)
    return Inbox(
        wanted=wanted,
        rows=tuple(rows),
        ended=ended_shown[:PAGE_ROWS],
        unsound=unsound[first_unsound : first_unsound + PAGE_ROWS],
        warnings=len(unsound),
        found=len(found) + len(ended_shown),
        waiting=len(lists["waiting"]) if lists else counts.waiting,
        answered=len(lists["answered"]) if lists else counts.answered,
        closed=len(ended) + len(lists.get("closed", ())),
        late={state: sum(_is_late(each.due) for each in one_list) for state, one_list in lists.items()},
        has_more=not words and max(len(addresses), len(unsound) - first) > PAGE_ROWS,
        progress=desk.progress,
        whole_check=desk.whole_check,
        reading=reading,
        tags=_tags(desk),
        trusted_state=desk.trusted_state_status.value,
    )


class _ListedMailbox(NamedTuple):
    summary: MailboxSummary
    due: tuple[Deadline, ...]


def _sort_lists(desk: OpenDesk, today: date) -> dict[str, list[_ListedMailbox]]:
    """Divide the mailboxes in the search index into the inbox's three lists, each sorted by deadline.

    The index decides only the order. The caller must verify every row that it shows.
    """

    @functools.cache
    def deadlines(facts: tuple[Any, ...], reminder: date | None) -> tuple[Deadline, ...]:
        return deadlines_of(MailboxSummary(b"", b"", None, "", *facts), reminder, desk.letterhead, today)

    # Only the facts that `deadlines_of` reads, in the order of the summary's fields.
    facts_of = attrgetter("asked", "is_confirmed", "waiting", "promised", "has_substance", "is_closed")
    lists: dict[str, list[_ListedMailbox]] = {"waiting": [], "answered": [], "closed": []}
    for summary in desk.index.summaries():
        if summary.newest is None and not summary.failed:
            continue  # nothing was written in this mailbox
        reminder = inbox_rows.known_casefile(desk, Address(summary.address)).reminder
        found = deadlines(facts_of(summary), reminder)
        is_answered = summary.waiting is None and not summary.failed
        state = "closed" if summary.is_closed else "answered" if is_answered else "waiting"
        lists[state].append(_ListedMailbox(summary, found))
    for one_list in lists.values():
        one_list.sort(
            key=lambda each: (
                each.due[0].day if each.due else date.max,
                -(each.summary.newest or date.min).toordinal(),
            )
        )
    return lists


def _matches(desk: OpenDesk, listed: _ListedMailbox, wanted: InboxFilter) -> bool:
    casefile = inbox_rows.known_casefile(desk, Address(listed.summary.address))
    return (
        (not wanted.theme or casefile.theme == wanted.theme)
        and (not wanted.tag or name_form(wanted.tag) in map(name_form, casefile.labels))
        and (not wanted.step or listed.summary.step == wanted.step)
        and (not wanted.is_late or _is_late(listed.due))
    )


def _is_late(found: tuple[Deadline, ...]) -> bool:
    return bool(found) and found[0].is_late  # the soonest comes first


def _tags(desk: OpenDesk) -> tuple[str, ...]:
    """Return the labels of the mailboxes in the store, each in the spelling that is used most.

    If there are too many labels, return only the labels that are used most.
    """
    # Attack: the thief of a retired workstation's key signs casefiles of mailboxes that do not exist.
    here = (inbox_rows.known_casefile(desk, Address(each.address)) for each in desk.index.summaries())
    used = Counter(label for casefile in here for label in casefile.labels).most_common(_TAGS)
    return tuple(sorted({name_form(label): label for label, _ in reversed(used)}.values()))


def _find_by_label(desk: OpenDesk, words: str) -> list[Address]:
    with desk.store.reading() as session:
        addresses = map(Address, mailboxes.all_addresses(session))
        return [each for each in addresses if _fits(desk.label(each), words)]


def _in_store_order(desk: OpenDesk, state: str, first: int) -> list[Address]:
    if state == "closed":
        return []
    with desk.store.reading() as session:
        return [Address(row.address) for row in mailboxes.inbox_page(session, state, first, PAGE_ROWS + 1)]


def _fits(label: str, words: str) -> bool:
    return words in label.replace("-", " ")
