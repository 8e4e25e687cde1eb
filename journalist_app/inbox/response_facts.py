"""Response times of a mailbox for the yearly report, computed from its verified entries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from protocol.content import Content
from protocol.entry import SignedEntry
from protocol.envelope import Author
from protocol.letterhead import Letterhead
from protocol.transcript.waiting import non_answers


@dataclass(frozen=True, slots=True)
class ResponseFacts:
    """Days of the first message and the first answer, and whether the source came back to read the answer.

    `answer_working_days` counts the desk's working days after the first message, up to the day of the answer.
    `came_back` is "no_answer" if the desk has not answered. A day is None if there is no such entry.
    """

    first_message: date | None
    first_answer: date | None
    answer_working_days: int | None
    came_back: Literal["yes", "no", "no_answer"]


def response_facts(
    opened: Sequence[tuple[SignedEntry, Content | None]], letterhead: Letterhead
) -> ResponseFacts:
    """Compute the response times of one mailbox from its verified entries, in thread order.

    Content is None for a removed or unreadable entry. A removed entry still counts, because its envelope has
    its author and day. A step that only confirms receipt is not an answer (`thread_state.is_answer`).
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
    # A source's entry names the newest desk entry that the source saw. This may be a read receipt that the
    # desk wrote after the answer.
    by_desk = {entry.digest for entry in signed if entry.envelope.author is Author.DESK}
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
    has_seen = any(set(entry.envelope.seen) & (by_desk - before) for entry in from_source)
    return ResponseFacts(
        first, answered, letterhead.working_days_between(first, answered), "yes" if has_seen else "no"
    )
