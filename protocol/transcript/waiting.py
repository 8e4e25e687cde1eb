"""Who waits for whom in a mailbox (docs/protocol.md, "Waiting").

The store and the sync decide by envelopes, without a key. A reader who can decrypt corrects this by content:
some words of the desk only confirm that a message arrived, and answer nothing.
"""

from collections.abc import Collection
from datetime import date

from protocol.entry import SignedEntry
from protocol.envelope import Author
from protocol.identifiers import Digest
from protocol.transcript.check import Transcript


def waiting_words(
    transcript: Transcript, no_answers: Collection[Digest] = frozenset()
) -> tuple[SignedEntry, ...]:
    """Return the words of the source that wait for an answer of the desk, in thread order.

    Words of the source wait until the writer of words of the desk knew them. `no_answers` has the words of
    the desk that answer nothing: whoever can decrypt them passes their digests. Removed words do not wait.
    """
    answers = [
        entry.digest
        for entry in transcript.entries
        if entry.envelope.is_words and entry.envelope.author is Author.DESK and entry.digest not in no_answers
    ]
    said = {
        entry.digest: entry
        for entry in transcript.entries
        if entry.envelope.is_words
        and entry.envelope.author is Author.SOURCE
        and entry.digest not in transcript.removed
    }
    return tuple(said[digest] for digest in transcript.knowledge.unknown_to_all(said, answers))


def waiting_since(transcript: Transcript, no_answers: Collection[Digest] = frozenset()) -> date | None:
    """Return the day of the oldest words of the source that wait for an answer, or None."""
    return min((entry.envelope.day for entry in waiting_words(transcript, no_answers)), default=None)
