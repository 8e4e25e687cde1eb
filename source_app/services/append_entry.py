"""How anything a source says gets its place in the mailbox: behind what other tabs wrote. No Flask here."""

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

_TRIES = 20  # to append behind what other tabs of the same mailbox write


def append_own(  # noqa: PLR0913  # what is said, and the place it takes
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
    """Append an entry behind the newest own one; when another tab was faster, sign again behind that one.

    `seen` are the heads of the desk that the writer had before them. `spare_entries` may be written past the
    limit of a mailbox. `only_behind` are the heads of the desk on which the entry rests: where the desk wrote
    meanwhile, nothing is appended.

    Raises:
        MailboxFullError: as many entries, or bytes of them, as a mailbox may hold.
        DeskWroteError: the desk's heads are not those of `only_behind`.
        EntryExistsError: the mailbox holds an entry of this id.
        HeadMovedError: other tabs were faster, again and again.
        MailboxMissingError: it has ended meanwhile.
    """
    writer = SourceWriter(keys)
    with desk.store.reading() as reading:
        place = _place(reading, keys)
        is_full = _is_full(reading, desk, keys, place, spare_entries)
        if is_full and entries.find(reading, keys.address, entry_id) is None:
            raise MailboxFullError
    signed = seal_entry(
        content,
        address=keys.address,
        mailbox_recipient=keys.recipient,
        letterhead=desk.letterhead,
        by=writer,
        entry_id=entry_id,
        number=place.number + 1,
        previous=Digest(place.digest),
        seen=seen,
        day=today,
    )
    for _ in range(_TRIES):
        try:
            with desk.store.writing() as writing:
                entries.append(writing, **signed.to_stored(), attachment_ids=attachment_ids)
                # After the append, which has locked the mailbox: nobody can write between look and commit.
                if only_behind is not None and (
                    desk_heads(entries.strand_heads(writing, keys.address)) != only_behind
                ):
                    raise DeskWroteError
        except HeadMovedError:
            with desk.store.reading() as reading:
                place = _place(reading, keys)
            signed = renumber(
                signed,
                by=writer,
                number=place.number + 1,
                previous=Digest(place.digest),
                seen=seen,
                day=today,
            )
        else:
            return
    raise HeadMovedError("other tabs keep writing in this mailbox")


def own_head(heads: Sequence[entries.StrandHead]) -> tuple[int, Digest]:
    """Return number and digest of the source's newest entry; 0 and zeros before the first.

    Raises:
        StoreDamagedError: a number that no writer of ours gives; no place after it could be signed.
    """
    head = next((head for head in heads if head.author == Author.SOURCE), None)
    if head is None:
        return 0, NO_DIGEST
    if head.number < 1:
        raise StoreDamagedError("the store names an impossible head")
    return head.number, Digest(head.digest)


def desk_heads(heads: Sequence[entries.StrandHead]) -> frozenset[Digest]:
    """Return the digest of the newest entry of every strand of the desk."""
    return frozenset(Digest(head.digest) for head in heads if head.author == Author.DESK)


def _place(reading: Session, keys: MailboxKeys) -> StrandEnd:
    place = entries.strand_end(reading, keys.address, Author.SOURCE, SOURCE_STRAND)
    if place is None:
        raise NoSuchMailboxError("there is no such mailbox")
    return place


def _is_full(reading: Session, desk: PublicDesk, keys: MailboxKeys, place: StrandEnd, spare: int) -> bool:
    limits = desk.limits
    if place.number >= limits.entries + spare:
        return True
    if spare or place.mailbox_bytes < limits.entries_bytes:  # with its files; nothing to add up
        return False
    return entries.sealed_bytes(reading, keys.address) >= limits.entries_bytes
