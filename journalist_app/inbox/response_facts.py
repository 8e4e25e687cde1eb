"""What a mailbox's verified entries say for the yearly report: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from protocol.content import Content
from protocol.entry import SignedEntry
from protocol.envelope import Author
from protocol.letterhead import Letterhead
from protocol.thread_state import is_answer


@dataclass(frozen=True, slots=True)
class ResponseFacts:
    """When a source wrote first, when the desk first answered, and whether the source came back for it.

    `answer_working_days` counts the desk's working days after the first message up to the answer's day;
    `came_back` is "no_answer" where there is nothing to come back for.
    """

    first_message: date | None
    first_answer: date | None
    answer_working_days: int | None
    came_back: Literal["yes", "no", "no_answer"]


def response_facts(
    opened: Sequence[tuple[SignedEntry, Content | None]], letterhead: Letterhead
) -> ResponseFacts:
    """Derive the facts from verified entries in thread order; None stands for what was removed or unreadable.

    A removed entry still counts: its open part says who wrote it and when. A step that only confirms is no
    answer (`thread_state.is_answer`).
    """
    signed = [entry for entry, _ in opened]
    from_source = [entry for entry in signed if entry.envelope.author is Author.SOURCE]
    answers = [
        entry
        for entry, content in opened
        if entry.envelope.author is Author.DESK and entry.envelope.speaks and is_answer(content)
    ]
    messages = [entry.envelope.day for entry in from_source if entry.envelope.speaks]
    if not messages or not answers:
        return ResponseFacts(min(messages, default=None), None, None, "no_answer")
    first, answered = min(messages), min(entry.envelope.day for entry in answers)
    # An answer is named by what saw it: the newest entry of its strand, which may be a mark after it.
    shown = {entry.digest for entry in signed if entry.envelope.author is Author.DESK}
    before = {
        entry.digest
        for entry in signed
        if entry.envelope.author is Author.DESK
        and not any(
            answer.envelope.strand == entry.envelope.strand
            and answer.envelope.number <= entry.envelope.number
            for answer in answers
        )
    }
    has_seen = any(set(entry.envelope.seen) & (shown - before) for entry in from_source)
    return ResponseFacts(
        first, answered, letterhead.working_days_between(first, answered), "yes" if has_seen else "no"
    )
