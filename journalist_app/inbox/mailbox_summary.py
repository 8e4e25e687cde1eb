"""Summary of a mailbox, computed from its verified entries. The inbox sorts and filters by summaries."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

import msgspec

from journalist_app.inbox.likeness import sketch_of
from protocol.content import StepName
from protocol.entry import EntryContent
from protocol.identifiers import Address, Digest
from protocol.transcript.check import Transcript
from protocol.transcript.thread_state import thread_state
from protocol.transcript.waiting import non_answers, waiting_since

_SUBSTANCE: Final = frozenset({StepName.ADVICE_GIVEN, StepName.PASSED_ON, StepName.CLOSED})


class MailboxSummary(msgspec.Struct, frozen=True, array_like=True):
    """Summary of one mailbox in the search index, without any of its text.

    If `failed` is True, the mailbox could not be read, and only `address` and `entries` are known. Otherwise:

    - `entries` is a digest of its entries in the store (`digest_of_rows`). A new or lost entry changes it.
    - `read` is a digest of the verified entries (`digest_of_entries`), or b"" if one cannot be decrypted.
    - `newest` is the day of the newest entry.
    - `step` is the newest step, the desk's statement of what it has done.
    - `asked` is the day of the source's first message.
    - `waiting` is the day of the source's oldest message without an answer.
    - `promised` is the day on which the source can expect the next step.
    - `is_confirmed` is True if the desk has written an entry.
    - `has_substance` is True if the desk gave advice, passed on a text or closed the mailbox.
    - `presealed` has digests of entries with a text or file that the source perhaps encrypted before sending.
    - `chars` counts the characters of the source's texts.
    - `likeness` is the sketch of these texts (`sketch_of`), to find similar texts.
    - `files` counts the attached files.
    """

    address: bytes
    entries: bytes
    newest: date | None
    step: str
    asked: date | None = None
    is_confirmed: bool = False
    waiting: date | None = None
    promised: date | None = None
    has_substance: bool = False
    is_closed: bool = False
    presealed: tuple[Digest, ...] = ()
    chars: int = 0
    likeness: bytes = b""
    failed: bool = False
    files: int = 0
    read: bytes = b""


def digest_of_rows(digests: Iterable[bytes]) -> bytes:
    """Return one digest (32 bytes) of the digests of all entries that the store has in a mailbox.

    A new or a lost entry changes this digest.
    """
    return hashlib.sha256(b"".join(sorted(digests))).digest()


def digest_of_entries(transcript: Transcript) -> bytes:
    """Return one digest (32 bytes) of a mailbox's verified entries and their age headers.

    If two transcripts have equal digests, the same texts can be decrypted. The headers are included because
    no signature covers them, and a changed header makes a text unreadable.
    """
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
    current = state.current.step if state.current else None
    if state.current is not None and state.current.is_void:
        current = StepName.PROPOSAL_MADE  # the source withdrew in time: the proposal waits again
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
        step=current.value if current else "",
        asked=asked,
        is_confirmed=any(signed.envelope.strand for signed, _ in opened),
        waiting=waiting_since(transcript, non_answers(opened)),
        promised=own_steps[-1].by if own_steps and not is_closed else None,
        has_substance=any(step.step in _SUBSTANCE for step in state.steps),
        is_closed=is_closed,
        presealed=tuple(
            signed.digest
            for signed, content in opened
            if content
            and not signed.envelope.strand
            and (content.attachments or "-----BEGIN " in content.text)
        ),
        chars=sum(map(len, texts)),
        likeness=sketch_of("\n".join(texts)),
        files=sum(len(content.attachments) for _, content in opened if content),
        read=digest_of_entries(transcript) if is_read else b"",
    )
