"""Append an entry to the source's chain by compare-and-set of the chain's newest entry, with retry."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy.orm import Session

from protocol.content import Content
from protocol.entry import renumber, seal_entry
from protocol.envelope import Author
from protocol.identifiers import NO_DIGEST, SOURCE_STRAND, AttachmentId, Digest, EntryId
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import SourceWriter
from source_app.errors import DeskWroteError, MailboxFullError
from source_app.public_desk import PublicDesk
from store import entries
from store.entries import StrandEnd
from store.errors import HeadMovedError, NoSuchMailboxError, StoreDamagedError

_TRIES = 20  # attempts, because other tabs of the same mailbox may append at the same time


def append_with_retry(  # noqa: PLR0913  # the content of the entry, and its place
    desk: PublicDesk,
    keys: MailboxKeys,
    content: Content,
    *,
    entry_id: EntryId,
    seen: Sequence[Digest],
    today: date,
    attachment_ids: Sequence[AttachmentId] = (),
    spare_entries: int = 0,
    only_behind: frozenset[Digest] | None = None,
) -> None:
    """Append an entry to the source's chain. If another tab appended an entry first, try the next number.

    `seen` has the digests of the desk's newest entries that the source has seen. `spare_entries` is the
    number of entries by which the limit of a mailbox may be exceeded. If `only_behind` is given, the entry is
    appended only if the desk's newest entries still have exactly the digests in `only_behind`. If they have
    other digests, the desk has written an entry that the source had not seen, and nothing is appended.

    Raises:
        MailboxFullError: the source's entries have reached the limit on their number or on their bytes.
        DeskWroteError: the desk's newest entries have other digests than `only_behind`.
        EntryExistsError: the mailbox already has an entry with this id.
        HeadMovedError: at every attempt, another tab had appended an entry first.
        NoSuchMailboxError: the mailbox has ended.
    """
    writer = SourceWriter(keys)
    with desk.store.reading() as reading:
        head = _source_head(reading, keys)
        is_full = _is_full(reading, desk, keys, head, spare_entries)
        if is_full and entries.find(reading, keys.address, entry_id) is None:
            raise MailboxFullError
    signed = seal_entry(
        content,
        address=keys.address,
        mailbox_recipient=keys.recipient,
        letterhead=desk.letterhead,
        by=writer,
        entry_id=entry_id,
        number=head.number + 1,
        previous=Digest(head.digest),
        seen=seen,
        day=today,
    )
    for _ in range(_TRIES):
        try:
            with desk.store.writing() as writing:
                entries.append(writing, **signed.to_stored(), attachment_ids=attachment_ids)
                # Check after the append, which has locked the store: no one can write between this check and
                # the commit.
                if only_behind is not None and (
                    desk_heads(entries.strand_heads(writing, keys.address)) != only_behind
                ):
                    raise DeskWroteError
        except HeadMovedError:
            with desk.store.reading() as reading:
                head = _source_head(reading, keys)
            signed = renumber(
                signed, by=writer, number=head.number + 1, previous=Digest(head.digest), seen=seen, day=today
            )
        else:
            return
    raise HeadMovedError("other tabs keep writing in this mailbox")


def own_head(heads: Sequence[entries.StrandHead]) -> tuple[int, Digest]:
    """Return the number and the digest of the source's newest entry, or 0 and zeros if there is no entry.

    Raises:
        StoreDamagedError: the store gives the newest entry a number below 1, so no next entry can be signed.
    """
    head = next((head for head in heads if head.author == Author.SOURCE), None)
    if head is None:
        return 0, NO_DIGEST
    if head.number < 1:
        raise StoreDamagedError("the store names an impossible head")
    return head.number, Digest(head.digest)


def desk_heads(heads: Sequence[entries.StrandHead]) -> frozenset[Digest]:
    """Return the digest of the newest entry of each workstation of the desk."""
    return frozenset(Digest(head.digest) for head in heads if head.author == Author.DESK)


def _source_head(reading: Session, keys: MailboxKeys) -> StrandEnd:
    head = entries.strand_end(reading, keys.address, Author.SOURCE, SOURCE_STRAND)
    if head is None:
        raise NoSuchMailboxError("there is no such mailbox")
    return head


def _is_full(reading: Session, desk: PublicDesk, keys: MailboxKeys, head: StrandEnd, spare: int) -> bool:
    limits = desk.limits
    if head.number >= limits.entries + spare:
        return True
    if spare or head.mailbox_bytes < limits.entries_bytes:  # this includes files: no need to count entries
        return False
    return entries.sealed_bytes(reading, keys.address) >= limits.entries_bytes
