"""Read receipts of the source: tell the desk which of the desk's entries a page has shown."""

import secrets
from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import date

from protocol.content import Content, Kind
from protocol.entry import EntryContent, seal_entry
from protocol.envelope import Author
from protocol.identifiers import ENTRY_ID_BYTES, Digest, EntryId, StrandId
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import SourceWriter
from source_app.public_desk import PublicDesk
from source_app.services.verified_mailbox import SourceMailbox, read_mailbox
from store import entries
from store.errors import HeadMovedError

_TRIES = 5  # other tabs may write at the same time; if all attempts fail, the next visit appends the receipt


def append_read_receipt(desk: PublicDesk, keys: MailboxKeys, mailbox: SourceMailbox, *, today: date) -> None:
    """Append a read receipt to a mailbox if the page showed entries of the desk that have no receipt yet.

    Two tabs do not append two receipts for the same entries, because a receipt is appended only if the source
    wrote no entry after this function read the mailbox. Otherwise this function reads the mailbox again.
    Receipts stop when the source has half of the entries that a mailbox may have. The other half is for
    messages.

    Raises:
        MailboxGoneError: the mailbox has ended.
        StoreError: the store could not write the receipt.
    """
    for _ in range(_TRIES):
        seen = unseen_heads(mailbox)
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


def unseen_heads(mailbox: SourceMailbox) -> tuple[Digest, ...]:
    """Return the digests of the desk's entries for a new read receipt, or () if no receipt is needed.

    A receipt has one digest for each workstation of the desk, because each workstation has its own chain of
    entries (strand). The digest means that the source has seen the entry with this digest and all earlier
    entries of the chain.

    The page does not show an entry that failed a check. So if a chain has such an entry, the receipt has the
    digest of the last entry before the first such entry.
    """
    strands: dict[StrandId, list[EntryContent]] = defaultdict(list)
    named: set[Digest] = set()
    for signed, content in mailbox.opened:
        envelope = signed.envelope
        if envelope.author is Author.SOURCE:
            named.update(envelope.seen)
        elif envelope.number == len(strands[envelope.strand]) + 1:
            strands[envelope.strand].append((signed, content))
    heads = tuple(strand[-1][0].digest for strand in strands.values() if strand)
    return heads if any(_has_news(strand, named) for strand in strands.values()) else ()


def _has_news(strand: Sequence[EntryContent], named: AbstractSet[Digest]) -> bool:
    """Return True if one workstation's chain has an entry with text that has no read receipt yet.

    `strand` is this chain of entries. `named` has the digests of the desk's entries for which the source has
    already appended a read receipt.
    """
    for signed, content in reversed(strand):
        if signed.digest in named:
            return False
        if signed.envelope.speaks and content is not None:
            return True
    return False
