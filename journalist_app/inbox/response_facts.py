"""Response times of a mailbox for the yearly report, computed from its verified entries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from protocol.entry import EntryContent
from protocol.transcript.check import Transcript
from protocol.transcript.waiting import non_answers


@dataclass(frozen=True, slots=True)
class ResponseFacts:
    """Response times of a mailbox: the days of the first message and of the first answer.

    `came_back` is True if the source came back to read the answer, and False if the desk has not answered. A
    day is None if there is no such entry.
    """

    first_message: date | None
    first_answer: date | None
    came_back: bool


def response_facts(transcript: Transcript, opened: Sequence[EntryContent]) -> ResponseFacts:
    """Compute when the desk first answered, and whether the source came back, from a mailbox's entries.

    The entries are verified and in thread order. Content is None for a removed or unreadable entry. A removed
    entry still counts, because its signed header has its author and day. A step that only confirms receipt is
    not an answer (`non_answers`).
    """
    no_answers = non_answers(opened)
    words = [signed for signed, _ in opened if signed.envelope.is_words]
    messages = [signed.envelope.day for signed in words if not signed.envelope.strand]
    answers = {
        signed.digest: signed.envelope.day
        for signed in words
        if signed.envelope.strand and signed.digest not in no_answers
    }
    if not messages or not answers:
        return ResponseFacts(min(messages, default=None), None, came_back=False)
    from_source = [signed.digest for signed, _ in opened if not signed.envelope.strand]
    unread = transcript.knowledge.unknown_to_all(answers, from_source)
    return ResponseFacts(min(messages), min(answers.values()), came_back=len(unread) < len(answers))
