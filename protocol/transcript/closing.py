"""Closing: whether the desk closed a mailbox, and from which day the mailbox may be deleted.

See docs/protocol.md, "Closing and deletion". Envelopes and signatures are enough to decide, so the server
decides without a key, and cannot delete earlier than the desk promised.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

from protocol.entry import SignedEntry
from protocol.identifiers import StrandId
from protocol.strand import StrandKey
from protocol.transcript.check import FaultKind, Transcript

_ALLOW_DELETION: Final = frozenset(
    map(FaultKind, ("side_by_side", "missing", "lost", "restored", "replayed", "dated_back", "retired_fork"))
)


def last_words(transcript: Transcript) -> list[SignedEntry]:
    """Return the newest encrypted entries of a mailbox.

    An entry is one of the newest if no writer of another encrypted entry knew it. The result can have several
    entries.
    """
    words = [digest for digest, entry in transcript.authentic.items() if entry.envelope.is_words]
    return [transcript.authentic[digest] for digest in transcript.knowledge.unknown_to_all(words, words)]


def closed_until(transcript: Transcript) -> date | None:
    """Return the day from which a closed mailbox may be deleted, or None if the mailbox is not closed.

    A mailbox is closed if each of its newest encrypted entries names a day of deletion. The latest of these
    days counts.
    """
    days = [entry.envelope.due for entry in last_words(transcript)]
    closed = [day for day in days if day is not None]
    return max(closed) if closed and len(closed) == len(days) else None


def may_delete(transcript: Transcript, strands: Mapping[StrandId, StrandKey], today: date) -> bool:
    """Return True if the desk closed a mailbox, its day of deletion has come, and the deletion is safe.

    A deletion is safe if all of this is true:

    - every entry is authentic
    - the workstation that closed the mailbox is in use
    - the writer of the closing had seen every message in the store, and knew of every missing entry
    """
    due = closed_until(transcript)
    if due is None or due > today:
        return False
    if any(fault.kind not in _ALLOW_DELETION for fault in transcript.faults):
        return False
    last = last_words(transcript)
    keys = [strands.get(entry.envelope.strand) for entry in last]
    if any(key is None or not key.counts_on(today) for key in keys):
        return False
    unseen = {head.digest for entry in last for head in entry.envelope.unseen}
    if unseen & transcript.authentic.keys():
        return False
    missing = transcript.knowledge.named.keys() - transcript.authentic.keys() - unseen
    return not transcript.knowledge.unknown_to_all(missing, [entry.digest for entry in last])
