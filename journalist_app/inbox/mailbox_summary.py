"""Summary of a mailbox, computed from its verified entries. The inbox sorts and filters by summaries."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

import msgspec

from journalist_app.files.sealed_blocks import find_sealed
from journalist_app.inbox.likeness import sketch_of
from protocol.content import StepName
from protocol.entry import EntryContent
from protocol.identifiers import Address, Digest
from protocol.transcript.check import Transcript
from protocol.transcript.thread_state import ThreadStep, thread_state
from protocol.transcript.waiting import non_answers, waiting_since

# "passed_on": the desk made the file for the recipient. "handed_over": the recipient got this file.
SUMMARY_STEPS: Final = (*(step.value for step in StepName), "handed_over")
_SUBSTANCE: Final = frozenset({StepName.ADVICE_GIVEN, StepName.PASSED_ON, StepName.CLOSED})


class MailboxSummary(msgspec.Struct, frozen=True, array_like=True):
    """Summary of one mailbox in the search index, without any of its text.

    If `failed` is True, the mailbox could not be read, and only `address` and `entries` are known.
    """

    address: bytes
    entries: bytes  # `digest_of_rows` of the stored entries; a new or lost entry changes it
    newest: date | None  # day of the newest entry
    step: str  # the desk's newest statement of what it has done: one of SUMMARY_STEPS, or empty
    asked: date | None = None  # day of the source's first message
    is_confirmed: bool = False  # the desk has written an entry
    waiting: date | None = None  # day of the source's oldest message without an answer
    promised: date | None = None  # on which the source can expect the next step
    has_substance: bool = False  # the desk gave advice, passed on a text or closed the mailbox
    is_closed: bool = False
    presealed: tuple[Digest, ...] = ()  # digests of entries that the source perhaps encrypted before sending
    chars: int = 0  # of the source's texts
    likeness: bytes = b""  # `sketch_of` the source's texts, to find similar texts
    failed: bool = False
    files: int = 0  # number of attached files
    read: bytes = b""  # `digest_of_entries`, or b"" if an entry cannot be decrypted


def digest_of_rows(digests: Iterable[bytes]) -> bytes:
    """Return one digest (32 bytes) of the digests of all entries that the store has in a mailbox.

    A new or a lost entry changes this digest.
    """
    return hashlib.sha256(b"".join(sorted(digests))).digest()


def digest_of_entries(transcript: Transcript) -> bytes:
    """Return one digest (32 bytes) of a mailbox's verified entries and their age headers.

    As long as this digest does not change, the texts in the mailbox do not change.
    """
    # No signature covers the headers, and a changed header makes a text unreadable.
    return digest_of_rows(entry.digest + (entry.header or b"") for entry in transcript.entries)


def summarise_mailbox(
    address: Address, entries: bytes, transcript: Transcript, opened: Sequence[EntryContent]
) -> MailboxSummary:
    """Compute the summary of a mailbox, by which the inbox sorts and filters.

    `opened` has the mailbox's entries in thread order. Unreadable entries have content None.
    """
    state = thread_state(address, transcript, opened)
    words = [signed for signed, _ in opened if signed.envelope.is_words and not signed.envelope.strand]
    asked = next((each.envelope.day for each in words if each.digest not in transcript.removed), None)
    own_steps = [step for step in state.steps if not step.is_derived]
    texts = [content.text for signed, content in opened if content and not signed.envelope.strand]
    is_read = all(
        content is not None or not signed.envelope.is_words or signed.digest in transcript.removed
        for signed, content in opened
    )
    is_closed = state.closing is not None  # a later "handed over" step does not reopen the mailbox
    return MailboxSummary(
        address=address,
        entries=entries,
        newest=opened[-1][0].envelope.day if opened else None,
        step=_current_step(state.current),
        asked=asked,
        is_confirmed=any(signed.envelope.strand for signed, _ in opened),
        waiting=waiting_since(transcript, non_answers(opened)),
        promised=own_steps[-1].by if own_steps and not is_closed else None,
        has_substance=any(step.step in _SUBSTANCE for step in state.steps),
        is_closed=is_closed,
        presealed=tuple(
            signed.digest
            for signed, content in opened
            if content and not signed.envelope.strand and (content.attachments or find_sealed(content.text))
        ),
        chars=sum(map(len, texts)),
        likeness=sketch_of("\n".join(texts)),
        files=sum(len(content.attachments) for _, content in opened if content),
        read=digest_of_entries(transcript) if is_read else b"",
    )


def _current_step(current: ThreadStep | None) -> str:
    if current is None:
        return ""
    if current.delivered:
        return "handed_over"
    # If the source withdrew in time, the proposal waits again.
    return StepName.PROPOSAL_MADE.value if current.is_void else current.step.value
