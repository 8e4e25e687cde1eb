"""A mailbox with entries from both sides, for the tests of entries and chains."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from nacl.signing import SigningKey
from protocol.statements import removal
from protocol.statements.heads import Heads

from crypto.passphrase import RootKey
from protocol import chain, entry, mailbox_keys
from protocol.content import Content, Kind
from protocol.entry import SignedEntry
from protocol.identifiers import NO_DIGEST, EntryId, StrandId
from protocol.letterhead import Letterhead
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import DeskWriter, EntryWriter, SourceWriter, StrandKey

DAY = date(2026, 3, 2)
WORKSTATION = DeskWriter(StrandId(b"strand-a"), b"a" * 32)
LAPTOP = DeskWriter(StrandId(b"strand-b"), b"b" * 32)


def a_mailbox(seed: int = 1) -> MailboxKeys:
    return mailbox_keys.derive_mailbox_keys(RootKey(bytes([seed]) * 32))


def the_strands() -> dict[StrandId, StrandKey]:
    return {
        writer.strand: StrandKey(bytes(SigningKey(writer.seed).verify_key), DAY, DAY + timedelta(days=30))
        for writer in (WORKSTATION, LAPTOP)
    }


@dataclass
class Conversation:
    """Appends entries as both apps do. Each entry names what its writer had seen."""

    keys: MailboxKeys
    letterhead: Letterhead
    entries: list[SignedEntry]

    def write(
        self, by: EntryWriter, text: str = "hello", *, day: date = DAY, unseen: Sequence[SignedEntry] = ()
    ) -> SignedEntry:
        heads = chain.chain_heads(known for known in self.entries if known not in unseen)
        number, previous = heads.get(by.strand, (0, NO_DIGEST))
        made = entry.seal_entry(
            Content(kind=Kind.MESSAGE, text=text),
            address=self.keys.address,
            mailbox_recipient=self.keys.recipient,
            letterhead=self.letterhead,
            by=by,
            entry_id=EntryId(len(self.entries).to_bytes(16)),
            number=number + 1,
            previous=previous,
            seen=chain.seen_by(by.author, heads),
            day=day,
        )
        self.entries.append(made)
        return made

    @property
    def source(self) -> SourceWriter:
        return SourceWriter(self.keys)

    def removed(self, which: SignedEntry, by: EntryWriter, *, day: date = DAY) -> SignedEntry:
        statement = removal.sign_removal(which.digest, address=self.keys.address, by=by, day=day)
        return replace(which, header=None, payload=None, removal=statement)

    def check(
        self, entries: Sequence[SignedEntry] | None = None, anchor: Heads | None = None
    ) -> chain.CheckedChain:
        shown = self.entries if entries is None else entries
        return chain.check_chain(self.keys.address, self.keys.verify_key, the_strands(), shown, anchor)
