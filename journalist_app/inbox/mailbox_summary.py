"""One line about a mailbox, out of its verified entries: what the inbox sorts and filters by. Pure."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec

from protocol.content import StepName
from protocol.envelope import Author
from protocol.identifiers import Address
from protocol.thread_state import EntryContent, is_answer, thread_state

_SUBSTANCE: Final = frozenset({StepName.ADVICE_GIVEN, StepName.PASSED_ON, StepName.CLOSED})


class MailboxSummary(msgspec.Struct, frozen=True, array_like=True):
    """What the index keeps of one mailbox beside its words. It holds no text.

    `heads` are the digests of the strands' newest entries, sorted: another set means that something is new.
    `asked` is the day of the source's first words, `confirmed` that of the desk's first entry of any kind,
    `waiting` the day of the oldest words of the source that no answer of the desk followed, `promised` the
    working day that the newest step names.
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
    """Sum a mailbox up. `opened` is in thread order; None stands for what was removed or does not open."""
    stands = thread_state(address, opened)
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
    said = [step for step in stands.steps if not step.is_derived]
    current = stands.current.step if stands.current else None
    if stands.current is not None and stands.current.is_void:
        current = StepName.PROPOSAL_MADE  # it is not being passed on: the proposal lies there as before
    is_closed = stands.closing is not None  # also where it was said since that something was handed over
    return MailboxSummary(
        address=address,
        heads=tuple(sorted(heads)),
        newest=opened[-1][0].envelope.day if opened else None,
        step=current.value if current else "",
        asked=asked,
        is_confirmed=is_confirmed,
        waiting=waiting,
        promised=said[-1].by if said and not is_closed else None,
        has_substance=any(step.step in _SUBSTANCE for step in stands.steps),
        is_closed=is_closed,
    )
