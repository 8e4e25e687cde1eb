"""Rules about who waits for whom in a mailbox (docs/protocol.md, "Waiting").

The store and the sync decide by envelopes, without a key. A reader who can decrypt the entries corrects this:
some entries of the desk only confirm that a message arrived, and answer nothing.
"""

from collections.abc import Collection, Iterable
from datetime import date

from msgspec import UNSET

from protocol.content import Content, StepName
from protocol.entry import EntryContent, SignedEntry
from protocol.envelope import Author, Envelope
from protocol.identifiers import Digest
from protocol.transcript.check import Transcript


def non_answers(opened: Iterable[EntryContent]) -> frozenset[Digest]:
    """Return the digests of the desk's entries that answer nothing, such as the step RECEIVED.

    An entry of the desk that was removed or cannot be opened counts as an answer.
    """
    return frozenset(signed.digest for signed, content in opened if content and not _is_answer(content))


def waiting_words(
    transcript: Transcript, no_answers: Collection[Digest] = frozenset()
) -> tuple[SignedEntry, ...]:
    """Return the messages of the source that wait for an answer of the desk, in thread order.

    A message waits until the desk writes an answer whose writer knew the message. `no_answers` is the
    result of `non_answers`: the desk's entries that are not answers.
    """
    words = {entry.digest: entry for entry in transcript.entries if entry.envelope.is_words}
    answers = {digest for digest, entry in words.items() if entry.envelope.author is Author.DESK}
    said = [digest for digest in words if digest not in answers and digest not in transcript.removed]
    unanswered = transcript.knowledge.unknown_to_all(said, answers.difference(no_answers))
    return tuple(words[digest] for digest in unanswered)


def waiting_since(transcript: Transcript, no_answers: Collection[Digest] = frozenset()) -> date | None:
    """Return the day of the source's oldest message that waits for an answer, or None if no message waits."""
    return min((entry.envelope.day for entry in waiting_words(transcript, no_answers)), default=None)


def waiting_since_with(words: Envelope, before: date | None) -> date:
    """Return the day since which a source waits for an answer, if they send a new message.

    `words` is the signed header of the new message. `before` is the day since which an earlier message waits,
    or None.
    """
    return min(before or words.day, words.day)


def _is_answer(content: Content) -> bool:
    if content.closing is not UNSET:
        return not content.closing.automatic
    if content.step is UNSET:
        return True
    if content.step.step in {StepName.IN_CONVERSATION, StepName.ADVICE_GIVEN}:
        return bool(content.text.strip() or content.step.next.strip())
    return content.step.step not in {StepName.RECEIVED, StepName.BEING_READ}
