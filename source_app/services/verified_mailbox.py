"""Read a mailbox from the store: verify its entries and decrypt those that pass. Writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from crypto.errors import CryptoError
from protocol import chain
from protocol.content import Content
from protocol.entry import SignedEntry, open_entry, verify_entry
from protocol.identifiers import Digest
from protocol.mailbox_keys import MailboxKeys
from protocol.thread_state import EntryContent
from source_app.errors import MailboxGoneError, NotFoundError
from source_app.public_desk import PublicDesk
from source_app.services.append_entry import desk_heads, own_head
from store import entries, mailboxes


@dataclass(frozen=True, slots=True)
class SourceMailbox:
    """Whole mailbox in one snapshot, verified and decrypted, read receipts included."""

    opened: tuple[EntryContent, ...] = field(repr=False)  # in thread order; a removed entry has None
    heads: Sequence[entries.StrandHead]  # as the store names them: not verified
    left_out: bool  # an entry failed a check and is not in `opened`
    own_missing: bool  # an entry of the source, or one that a later entry names, is missing

    @property
    def own_head(self) -> tuple[int, Digest]:
        """Return the number and the digest of the source's newest entry.

        Only code that writes uses this. An impossible head must not prevent the mailbox from being shown.

        Raises:
            StoreDamagedError: the store names an impossible head.
        """
        return own_head(self.heads)

    @property
    def desk_heads(self) -> frozenset[Digest]:
        """Return the digest of the newest entry in each strand of the desk."""
        return desk_heads(self.heads)


def read_mailbox(desk: PublicDesk, keys: MailboxKeys) -> SourceMailbox:
    """Verify a whole mailbox and decrypt the entries that pass. A source never sees an entry that fails.

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
    """Return the content of one entry of this mailbox.

    Raises:
        NotFoundError: the entry does not exist, was removed, or fails a check.
    """
    try:
        return open_entry(find_entry(desk, keys, entry_id), [keys.identity])
    except CryptoError as why:
        raise NotFoundError from why


def find_entry(desk: PublicDesk, keys: MailboxKeys, entry_id: bytes) -> SignedEntry:
    """Return one entry of this mailbox, with its signature verified.

    Raises:
        NotFoundError: this mailbox has no such entry, or it fails a check.
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
    """Parse a row as an entry, without verifying it.

    Raises:
        MalformedError: the row is not an entry.
    """
    return SignedEntry.from_stored(
        envelope=stored.envelope,
        signature=stored.signature,
        epoch=stored.epoch,
        header=stored.header,
        payload=stored.payload,
        removal=stored.removal,
    )
