"""Verified mailbox: read a mailbox from the store, verify its entries, and decrypt the valid entries."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from crypto.errors import CryptoError
from protocol.content import Content
from protocol.entry import EntryContent, SignedEntry, open_entry
from protocol.envelope import Author
from protocol.errors import NewerVersionError
from protocol.heads import Heads
from protocol.identifiers import SOURCE_STRAND, Digest
from protocol.mailbox_keys import MailboxKeys
from protocol.transcript.check import FaultKind, Transcript
from source_app.errors import NotFoundError
from source_app.public_desk import PublicDesk
from source_app.services.new_entry import is_authentic
from store import entries
from store.errors import NoSuchMailboxError
from store.mailboxes import StoredMailbox
from stored_mailbox.reading import parse_rows, read_stored

_MISSING = frozenset({FaultKind.MISSING, FaultKind.ROLLED_BACK})


class Withheld(StrEnum):
    """Reason why a page shows an entry without its text.

    The templates in `templates/mailbox` have a sentence for each reason.
    """

    REMOVED = "removed"  # the source deleted the words
    RESTORED = "restored"  # the source deleted the words, and someone put the encrypted text back
    LOST = "lost"  # the encrypted text is gone, and the source did not delete the words
    NEWER_VERSION = "newer_version"  # this version of our code cannot show the words
    UNREADABLE = "unreadable"  # the encrypted text failed a check


_REMOVED = frozenset({Withheld.REMOVED, Withheld.RESTORED})


@dataclass(frozen=True, slots=True)
class SourceMailbox:
    """All verified entries of a mailbox, decrypted with the source's keys, from one snapshot of the store."""

    row: StoredMailbox
    transcript: Transcript = field(repr=False)
    # In thread order. If the encrypted part was removed or cannot be decrypted, the content is None.
    opened: tuple[EntryContent, ...] = field(repr=False)
    withheld: Mapping[Digest, Withheld]  # by the entry's digest: why the entry has no content
    left_out: bool  # True if an entry failed a check, so that no page shows the entry
    remembered: Heads  # the newest entries that the session was shown before

    @property
    def shown(self) -> frozenset[Digest]:
        """Return the digests of the entries that the page of the whole conversation shows."""
        hidden = {digest for digest, why in self.withheld.items() if why not in _REMOVED}
        return frozenset(signed.digest for signed, _ in self.opened) - hidden

    @property
    def is_missing_entries(self) -> bool:
        """Return True if the store lacks an entry that this session showed, or that another entry names."""
        return any(fault.kind in _MISSING for fault in self.transcript.faults)

    @property
    def is_damaged(self) -> bool:
        """Return True if the pages perhaps lack an entry, so that no shown message is surely the newest."""
        return self.left_out or self.is_missing_entries

    @property
    def has_deleted_words(self) -> bool:
        """Return True if the source deleted words whose encrypted text, or a copy of it, is here again."""
        # Attack: the operator hides a message while its form is sent again, and the copy is deleted.
        removed, own = self.transcript.removed, self.own_entries()
        gone = {entry.envelope.entry_id for entry in own if entry.digest in removed}
        is_copied = any(entry.envelope.entry_id in gone for entry in own if entry.digest not in removed)
        return is_copied or Withheld.RESTORED in self.withheld.values()

    def own_entries(self) -> list[SignedEntry]:
        """Return all entries that the source wrote, in no particular order."""
        authentic = self.transcript.authentic.values()
        return [entry for entry in authentic if entry.envelope.author is Author.SOURCE]

    def uncovered_words(self, shown: Collection[Digest]) -> list[Digest]:
        """Return the digests in `shown` that the source must still confirm.

        Only encrypted entries of the desk are confirmed. The source confirms one by signing a later entry.
        """
        words = [
            digest
            for digest, entry in self.transcript.authentic.items()
            if entry.envelope.is_words and entry.envelope.author is Author.DESK and digest in shown
        ]
        own = [entry.digest for entry in self.own_entries()]
        return self.transcript.knowledge.unknown_to_all(words, own)

    def heads_for(self, shown: Collection[Digest]) -> tuple[Heads, Heads]:
        """Return two lists of entries that a new entry of the source names: heads and unseen entries.

        Heads are the newest entries that the source wrote or was shown. Unseen entries are the known entries
        that the source was not shown.
        """
        return self.transcript.heads_for(SOURCE_STRAND, shown, self.remembered)


def read_mailbox(desk: PublicDesk, keys: MailboxKeys, remembered: Heads = ()) -> SourceMailbox:
    """Read a whole mailbox of a source, verify its entries, and decrypt the valid ones.

    `remembered` has the newest entries (heads) that this session was shown before.

    Raises:
        NoSuchMailboxError: the mailbox has ended.
    """
    strands = desk.letterhead.strand_keys
    with desk.store.reading(mailbox=keys.address) as reading:
        stored = read_stored(
            reading, keys.address, strands, remembered=remembered, verify_key=keys.verify_key
        )
    if stored is None:
        raise NoSuchMailboxError("the mailbox has ended")
    opened: list[EntryContent] = []
    withheld: dict[Digest, Withheld] = {}
    for entry in stored.transcript.entries:
        content = _content_or_reason(entry, keys, stored.transcript)
        if isinstance(content, Withheld):
            withheld[entry.digest] = content
        opened.append((entry, content if isinstance(content, Content) else None))
    return SourceMailbox(
        row=stored.mailbox,
        transcript=stored.transcript,
        opened=tuple(opened),
        withheld=withheld,
        left_out=bool(stored.transcript.rejected)
        or None in stored.damaged
        or Withheld.UNREADABLE in withheld.values(),
        remembered=remembered,
    )


def _content_or_reason(
    entry: SignedEntry, keys: MailboxKeys, transcript: Transcript
) -> Content | Withheld | None:
    if not entry.envelope.is_words:
        return None
    if entry.digest in transcript.removed:
        is_restored = transcript.authentic[entry.digest].header is not None
        return Withheld.RESTORED if is_restored else Withheld.REMOVED
    return _open(entry, keys)


def read_sent_words(
    desk: PublicDesk, keys: MailboxKeys, entry_id: bytes
) -> list[tuple[SignedEntry, Content | Withheld]]:
    """Return the entries of a mailbox that have this id (normally one), each with its decrypted content.

    If several writers used the id, only one writer's entries are returned. The source goes before
    the desk.
    Destroyed entries are left out. If content cannot be shown, a `Withheld` replaces it.

    Raises:
        NotFoundError: the mailbox has no such entry.
    """
    # Normally there is one entry. To find removals, the source's later entries are verified too.
    with desk.store.reading(mailbox=keys.address) as reading:
        found = [
            entry
            for entry in parse_rows(entries.find_by_entry_id(reading, keys.address, entry_id))[0]
            if entry.header is not None
            and entry.envelope.entry_id == entry_id
            and is_authentic(entry, keys, desk.letterhead.strand_keys)
        ]
        if not found:
            raise NotFoundError
        # Attack: someone at the desk uses the id of a message again, so that the source deletes both.
        writer = min(entry.envelope.strand for entry in found)  # the source, if the source wrote one of them
        found = [entry for entry in found if entry.envelope.strand == writer]
        number = min((entry.envelope.number for entry in found if not entry.envelope.strand), default=1)
        own, _ = parse_rows(
            entries.of_strand(reading, keys.address, Author.SOURCE, SOURCE_STRAND, number=number)
        )
    removed = {digest for entry in own if is_authentic(entry, keys) for digest in entry.envelope.removes}
    return [(entry, Withheld.RESTORED if entry.digest in removed else _open(entry, keys)) for entry in found]


def _open(entry: SignedEntry, keys: MailboxKeys) -> Content | Withheld:
    try:
        return open_entry(entry, [keys.identity])
    except NewerVersionError:
        return Withheld.NEWER_VERSION
    except CryptoError:
        return Withheld.LOST if None in (entry.header, entry.payload) else Withheld.UNREADABLE
