"""The mark that a source leaves by reading: the desk learns that its answer arrived. No Flask here."""

import secrets
from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import date

from protocol.content import Content, Kind
from protocol.entry import seal_entry
from protocol.envelope import Author
from protocol.identifiers import ENTRY_ID_BYTES, Digest, EntryId, StrandId
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import SourceWriter
from protocol.thread_state import EntryContent
from source_app.public_desk import PublicDesk
from source_app.services.reading import SourceMailbox, read_mailbox
from store import entries
from store.errors import HeadMovedError

_TRIES = 5  # against other tabs; the next reading marks what this one could not


def mark_seen(desk: PublicDesk, keys: MailboxKeys, mailbox: SourceMailbox, *, today: date) -> None:
    """Append a mark for what is new of the desk in a mailbox that was shown; nothing where nothing is.

    One mark for each newest entry of the desk, however often and in however many tabs it is read: a mark is
    appended only right behind the source's entry that was the newest when the mailbox was read. Marks stop at
    half of the entries that a mailbox may hold: the other half is for words.

    Raises:
        MailboxGoneError: it has ended meanwhile.
        StoreError: the store took nothing.
    """
    for _ in range(_TRIES):
        seen = unseen(mailbox)
        number, previous = mailbox.own_head
        if not seen or number >= desk.limits.entries // 2:
            return
        signed = seal_entry(
            Content(kind=Kind.SEEN, text=""),
            address=keys.address,
            mailbox_recipient=keys.recipient,
            letterhead=desk.letterhead,
            by=SourceWriter(keys),
            entry_id=EntryId(secrets.token_bytes(ENTRY_ID_BYTES)),
            number=number + 1,
            previous=previous,
            seen=seen,
            day=today,
        )
        try:
            with desk.store.writing() as writing:
                entries.append(writing, **signed.to_stored())
        except HeadMovedError:
            mailbox = read_mailbox(desk, keys)
        else:
            return


def unseen(mailbox: SourceMailbox) -> tuple[Digest, ...]:
    """Return the desk's heads that a mark would name; none where the source has stated all of them before.

    In each strand they go no further than the first entry that failed its checks: who states a head as seen
    states what comes before it, and nobody was shown that.
    """
    in_strands: dict[StrandId, list[EntryContent]] = defaultdict(list)
    stated: set[Digest] = set()
    for signed, content in mailbox.opened:
        part = signed.envelope
        if part.author is Author.SOURCE:
            stated.update(part.seen)
        elif part.number == len(in_strands[part.strand]) + 1:
            in_strands[part.strand].append((signed, content))
    heads = tuple(strand[-1][0].digest for strand in in_strands.values() if strand)
    return heads if any(_has_news(strand, stated) for strand in in_strands.values()) else ()


def _has_news(strand: Sequence[EntryContent], stated: AbstractSet[Digest]) -> bool:
    """Say whether a word of the desk stands behind everything in its strand that the source has stated."""
    for signed, content in reversed(strand):
        if signed.digest in stated:
            return False
        if signed.envelope.speaks and content is not None:
            return True
    return False
