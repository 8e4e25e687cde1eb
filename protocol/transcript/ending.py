"""Proof that a mailbox was ended or deleted: the few signed envelopes that stay when everything else is gone.

See docs/protocol.md, "End" and "Closing and deletion". A proof has the source's entry that ended the mailbox,
or the last entries of the desk, which closed the mailbox. The proof stays in the store until every active
workstation has seen it.
"""

from collections.abc import Sequence

from crypto.errors import MalformedError
from crypto.framing import frame, unframe
from protocol.entry import SignedEntry
from protocol.envelope import EntryClass
from protocol.heads import HEADS_IN_ALL
from protocol.transcript.check import Transcript


def end_of(transcript: Transcript) -> SignedEntry | None:
    """Return the entry with which the source ended the mailbox, or None if the source did not end it.

    The end is final, even if there are later entries.
    """
    ends = [entry for entry in transcript.entries if entry.envelope.entry_class is EntryClass.END]
    return ends[0] if ends else None


def proof_to_bytes(entries: Sequence[SignedEntry]) -> bytes:
    """Write the proof that a mailbox was ended or deleted: the envelopes and signatures of `entries`.

    These are the source's entry that ended the mailbox, or the result of `last_words`.
    """
    return frame(*(part for entry in entries for part in (entry.envelope.to_bytes(), entry.signature)))


def proof_from_bytes(raw: bytes) -> tuple[SignedEntry, ...]:
    """Parse the proof that a mailbox was ended or deleted, and return its entries, at most 64.

    The entries have only envelopes and signatures. Nothing is verified yet.

    Raises:
        MalformedError: the bytes are not a proof.
    """
    fields = unframe(raw)
    # Without this limit, a hostile source could make each view of the adviser's inbox take minutes.
    if len(fields) not in range(2, 2 * HEADS_IN_ALL + 1, 2):
        raise MalformedError
    entries = tuple(
        SignedEntry.from_stored(envelope, signature, 0, None, None)
        for envelope, signature in zip(fields[::2], fields[1::2], strict=True)
    )
    is_end = [entry.envelope.entry_class for entry in entries] == [EntryClass.END]
    if not (is_end or all(entry.envelope.is_words for entry in entries)):
        raise MalformedError
    return entries


def is_proved(transcript: Transcript) -> bool:
    """Return True if a proof shows that the source ended the mailbox, or that the desk closed the mailbox.

    The entries of the proof must be verified. For a closed mailbox, the caller must still check that the day
    of deletion has come.
    """
    is_forged = any(fault.digest is None for fault in transcript.faults)
    closing = [entry.envelope.due for entry in transcript.entries]
    return not is_forged and (end_of(transcript) is not None or (bool(closing) and None not in closing))
