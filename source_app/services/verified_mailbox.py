"""Verified mailbox: read a mailbox from the store, verify its entries, and decrypt the valid entries."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field

from crypto.errors import CryptoError
from protocol.content import Content
from protocol.entry import EntryContent, SignedEntry, open_entry
from protocol.envelope import Author
from protocol.errors import NewerVersionError
from protocol.heads import Heads
from protocol.identifiers import SOURCE_STRAND, Digest
from protocol.mailbox_keys import MailboxKeys
from protocol.transcript.check import FaultKind, Transcript
from source_app.errors import MailboxGoneError, NotFoundError
from source_app.public_desk import PublicDesk
from source_app.services.own_entries import is_authentic
from store import entries
from store.mailboxes import StoredMailbox
from stored_mailbox.reading import parse_rows, read_stored

_MISSING = frozenset({FaultKind.MISSING, FaultKind.ROLLED_BACK})


@dataclass(frozen=True, slots=True)
class SourceMailbox:
    """All verified entries of a mailbox, decrypted, from one snapshot of the store.

    - `opened`: the entries in thread order. Words that were removed or cannot be decrypted have content None
    - `shown`: digests of the entries that count as shown if a page shows the whole conversation
    - `newer_version`: digests of words that a newer version of our code wrote
    - `remembered`: the heads that the session was shown before
    """

    row: StoredMailbox
    transcript: Transcript = field(repr=False)
    opened: tuple[EntryContent, ...] = field(repr=False)
    shown: frozenset[Digest] = field(repr=False)
    newer_version: frozenset[Digest]
    remembered: Heads
    is_damaged: bool  # a row does not parse

    @property
    def left_out(self) -> bool:
        """Return True if an entry failed a check, so that no page shows it."""
        return self.is_damaged or bool(self.transcript.rejected)

    @property
    def is_missing_entries(self) -> bool:
        """Return True if the session was shown, or an entry names, an entry that is not in the store."""
        return any(fault.kind in _MISSING for fault in self.transcript.faults)

    def digests_of(self, kind: FaultKind) -> frozenset[Digest | None]:
        """Return the digests of the entries with a fault of this kind."""
        return frozenset(fault.digest for fault in self.transcript.faults if fault.kind is kind)

    def own_entries(self) -> list[SignedEntry]:
        """Return the source's own entries, in no order."""
        authentic = self.transcript.authentic.values()
        return [entry for entry in authentic if entry.envelope.author is Author.SOURCE]

    def uncovered_words(self, shown: Collection[Digest]) -> list[Digest]:
        """Return those words of the desk among `shown` that no entry of the source covers."""
        words = [
            digest
            for digest, entry in self.transcript.authentic.items()
            if entry.envelope.is_words and entry.envelope.author is Author.DESK and digest in shown
        ]
        own = [entry.digest for entry in self.own_entries()]
        return self.transcript.knowledge.unknown_to_all(words, own)

    def heads_for(self, shown: Collection[Digest]) -> tuple[Heads, Heads]:
        """Return heads and unseen entries for a new entry of a source who was shown these entries."""
        return self.transcript.heads_for(SOURCE_STRAND, shown, self.remembered)


def read_mailbox(desk: PublicDesk, keys: MailboxKeys, remembered: Heads = ()) -> SourceMailbox:
    """Read a whole mailbox, verify its entries, and decrypt the valid ones.

    `remembered` has the heads that this session was shown before.

    Raises:
        MailboxGoneError: the mailbox has ended.
    """
    strands = desk.letterhead.strand_keys
    with desk.store.reading() as reading:
        stored = read_stored(
            reading, keys.address, strands, remembered=remembered, verify_key=keys.verify_key
        )
    if stored is None:
        raise MailboxGoneError
    removed = stored.transcript.removed
    opened: list[EntryContent] = []
    shown: set[Digest] = set()
    newer_version: set[Digest] = set()
    for entry in stored.transcript.entries:
        content: Content | None = None
        if entry.envelope.is_words and entry.digest not in removed:
            try:
                content = open_entry(entry, [keys.identity])
            except NewerVersionError:
                newer_version.add(entry.digest)
            except CryptoError:
                pass
        opened.append((entry, content))
        if content is not None or not entry.envelope.is_words or entry.digest in removed:
            shown.add(entry.digest)
    return SourceMailbox(
        row=stored.mailbox,
        transcript=stored.transcript,
        opened=tuple(opened),
        shown=frozenset(shown),
        newer_version=frozenset(newer_version),
        remembered=remembered,
        is_damaged=bool(stored.damaged),
    )


def read_words(desk: PublicDesk, keys: MailboxKeys, entry_id: bytes) -> list[EntryContent]:
    """Return the words of a mailbox with this entry id, decrypted: normally one entry, sorted by digest.

    Words whose header was destroyed are left out. Words that were removed and restored, or that cannot be
    decrypted, have content None. Only these words and the source's later entries are verified.

    Raises:
        NotFoundError: the mailbox has no such words.
    """
    with desk.store.reading() as reading:
        found = [
            entry
            for entry in parse_rows(entries.find_all(reading, keys.address, entry_id))[0]
            if entry.header is not None
            and entry.envelope.entry_id == entry_id
            and is_authentic(entry, keys, desk.letterhead.strand_keys)
        ]
        if not found:
            raise NotFoundError
        number = min((entry.envelope.number for entry in found if not entry.envelope.strand), default=1)
        own, _ = parse_rows(
            entries.of_strand(reading, keys.address, Author.SOURCE, SOURCE_STRAND, number=number)
        )
    removed = {digest for entry in own if is_authentic(entry, keys) for digest in entry.envelope.removes}
    return [(entry, None if entry.digest in removed else _open(entry, keys)) for entry in found]


def _open(entry: SignedEntry, keys: MailboxKeys) -> Content | None:
    with suppress(CryptoError):
        return open_entry(entry, [keys.identity])
    return None
