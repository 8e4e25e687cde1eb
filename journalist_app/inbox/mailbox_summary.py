"""Summary of a mailbox, computed from its verified entries. The inbox sorts and filters by summaries."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec

from protocol.content import StepName
from protocol.entry import EntryContent
from protocol.envelope import Author
from protocol.identifiers import Address
from protocol.transcript.thread_state import thread_state
from protocol.transcript.waiting import non_answers

_SUBSTANCE: Final = frozenset({StepName.ADVICE_GIVEN, StepName.PASSED_ON, StepName.CLOSED})


class MailboxSummary(msgspec.Struct, frozen=True, array_like=True):
    """Summary of one mailbox in the search index, without any of its text.

    `heads` has the sorted digests of each writer's newest entry, so each new entry changes `heads`. `newest`
    is the day of the newest entry, and `step` the newest step. `asked` is the day of the source's first
    message, `waiting` the day of the source's oldest message without an answer, and `promised` the day that
    the newest step names. `is_confirmed` is True if the desk has written an entry. `has_substance` is True if
    the desk gave advice, passed on or closed.
    """

    address: bytes
    heads: tuple[bytes, ...]
    newest: date | None
    step: str
    asked: date | None = None
    is_confirmed: bool = False
    waiting: date | None = None
    promised: date | None = None
    has_substance: bool = False
    is_closed: bool = False


def summarise_mailbox(
    address: Address, heads: Sequence[bytes], opened: Sequence[EntryContent]
) -> MailboxSummary:
    """Summarise a mailbox. `opened` has its entries in thread order, with content None if not readable."""
    state = thread_state(address, opened)
    asked: date | None = None
    waiting: date | None = None
    is_confirmed = False
    for entry, content in opened:
        part = entry.envelope
        if part.author is Author.DESK:
            is_confirmed = True
            waiting = None if part.speaks and is_answer(content) else waiting
        elif part.speaks and entry.removal is None:
            asked = asked or part.day
            waiting = waiting or part.day
    own_steps = [step for step in state.steps if not step.is_derived]
    current = state.current.step if state.current else None
    if state.current is not None and state.current.is_void:
        current = StepName.PROPOSAL_MADE  # the source withdrew in time: the proposal waits again
    is_closed = state.closing is not None  # a later "handed over" step does not reopen the mailbox
    return MailboxSummary(
        address=address,
        heads=tuple(sorted(heads)),
        newest=opened[-1][0].envelope.day if opened else None,
        step=current.value if current else "",
        asked=asked,
        is_confirmed=is_confirmed,
        waiting=waiting,
        promised=own_steps[-1].by if own_steps and not is_closed else None,
        has_substance=any(step.step in _SUBSTANCE for step in state.steps),
        is_closed=is_closed,
    )
