"""Verified mailbox: read a mailbox from the store, verify its entries, and decrypt the valid entries."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from crypto.errors import CryptoError
from protocol import chain
from protocol.content import Content
from protocol.entry import EntryContent, SignedEntry, open_entry, verify_entry
from protocol.identifiers import Digest
from protocol.mailbox_keys import MailboxKeys
from source_app.errors import MailboxGoneError, NotFoundError
from source_app.public_desk import PublicDesk
from source_app.services.append_entry import desk_heads, own_head
from store import entries, mailboxes


@dataclass(frozen=True, slots=True)
class SourceMailbox:
    """All verified and decrypted entries of a mailbox, with read receipts, from one snapshot of the store."""

    opened: tuple[EntryContent, ...] = field(repr=False)  # in thread order; a removed entry has content None
    heads: Sequence[entries.StrandHead]  # from the store, not verified
    left_out: bool  # an entry failed a check and is not in `opened`
    own_missing: bool  # an entry of the source, or one that a later entry names, is missing

    @property
    def own_head(self) -> tuple[int, Digest]:
        """Return the number and the digest of the source's newest entry.

        Only code that appends entries uses this property. A wrong stored number prevents appending, but must
        not prevent showing the mailbox's page.

        Raises:
            StoreDamagedError: the stored number of the newest entry is below 1.
        """
        return own_head(self.heads)

    @property
    def desk_heads(self) -> frozenset[Digest]:
        """Return the unverified digests of the desk's newest entries, one for each workstation."""
        return desk_heads(self.heads)


def read_mailbox(desk: PublicDesk, keys: MailboxKeys) -> SourceMailbox:
    """Read a whole mailbox, verify its entries, and decrypt the valid ones. Invalid entries are left out.

    Raises:
        MailboxGoneError: the mailbox has ended.
    """
    with desk.store.reading() as reading:
        mailbox = mailboxes.find(reading, keys.address)
        stored = entries.of_mailbox(reading, keys.address)
        heads = entries.strand_heads(reading, keys.address)
    if mailbox is None:
        raise MailboxGoneError
    left_out = False
    signed: list[SignedEntry] = []
    for row in stored:
        try:
            signed.append(_from_row(row))
        except CryptoError:
            left_out = True
    checked = chain.check_chain(keys.address, keys.verify_key, desk.letterhead.strand_keys, signed, None)
    opened: list[EntryContent] = []
    for each in checked.entries:
        try:
            content = None if each.removal is not None else open_entry(each, [keys.identity])
        except CryptoError:
            left_out = True
            continue
        opened.append((each, content))
    return SourceMailbox(
        opened=tuple(opened),
        heads=heads,
        left_out=left_out or bool(checked.rejected),
        own_missing=any(fault.entry_id is None for fault in checked.faults),
    )


def read_content(desk: PublicDesk, keys: MailboxKeys, entry_id: bytes) -> Content:
    """Return the decrypted content of one entry of a mailbox.

    Raises:
        NotFoundError: the entry does not exist, was removed, or failed a check.
    """
    try:
        return open_entry(find_entry(desk, keys, entry_id), [keys.identity])
    except CryptoError as why:
        raise NotFoundError from why


def find_entry(desk: PublicDesk, keys: MailboxKeys, entry_id: bytes) -> SignedEntry:
    """Return one entry of a mailbox, after verifying its signature. The chain of entries is not verified.

    Raises:
        NotFoundError: the mailbox has no such entry, or the entry failed a check.
    """
    with desk.store.reading() as reading:
        stored = entries.find(reading, keys.address, entry_id)
    if stored is None:
        raise NotFoundError
    try:
        signed = _from_row(stored)
        verify_entry(signed, mailbox_verify_key=keys.verify_key, strands=desk.letterhead.strand_keys)
    except CryptoError as why:
        raise NotFoundError from why
    if (signed.envelope.address, signed.envelope.entry_id) != (keys.address, entry_id):
        raise NotFoundError
    return signed


def _from_row(stored: entries.StoredEntry) -> SignedEntry:
    """Parse a stored row as an entry, without verifying the entry.

    Raises:
        MalformedError: the row is not a well-formed entry.
    """
    return SignedEntry.from_stored(
        envelope=stored.envelope,
        signature=stored.signature,
        epoch=stored.epoch,
        header=stored.header,
        payload=stored.payload,
        removal=stored.removal,
    )
