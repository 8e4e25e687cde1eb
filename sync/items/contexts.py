"""Contexts: the state that all items share while a pouch (sync bundle) is built, verified or applied."""

from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from protocol.entry import SignedEntry
from protocol.identifiers import Address, Digest, StrandId
from protocol.letterhead import Letterhead
from protocol.mailbox_keys import checked_verify_key
from protocol.pouch.pouch_file import PouchHead
from protocol.pouch.pouch_items import HeldItem
from protocol.strand import StrandKey
from store import mailboxes, sync_findings
from store.sync_findings import FindingKind
from stored_mailbox.reading import read_envelopes
from sync.endpoint import Endpoint

FileKey = tuple[bytes, bytes]  # address and attachment id: two mailboxes may have the same attachment id


@dataclass(slots=True)
class BuildContext:
    """State of one pouch (sync bundle) while it is built for a peer.

    - `chunks_at_peer`: for each attachment, the number of chunks that the peer has after applying this pouch
    - `size`: number of bytes of the items packed so far
    - `size_limit`: None for a pouch of any size
    - `verified`: the packed entries, whose signatures were verified
    - `tells_held`: True to include a workstation's letterhead and a list of some of its entries, or the
      server's list of records
    """

    endpoint: Endpoint
    peer: StrandId
    letterhead: Letterhead
    chunks_at_peer: dict[FileKey, int]
    size_limit: int | None
    tells_held: bool = False
    size: int = 0
    has_more: bool = False
    verified: dict[Digest, SignedEntry | None] = field(default_factory=dict)

    def is_full(self) -> bool:
        """Return True if the pouch (sync bundle) is full.

        In that case, also note that there are more items to pack.
        """
        if self.size_limit is not None and self.size >= self.size_limit:
            self.has_more = True
        return self.has_more


@dataclass(slots=True)
class VerifyContext:
    """Public keys that verify the items of one pouch (sync bundle). Items can add keys for later items.

    - `letterhead`: the newest letterhead (the desk's public statement) so far
    - `sender`: None if the items come from this endpoint's own store
    - `deleted_wrongly`: mailboxes that the peer deleted, although the entries of this store forbid it
    - `entries`: entries whose signatures were verified. Each value is None unless `keeps_entries` is True
    """

    endpoint: Endpoint
    letterhead: Letterhead
    sender: StrandId | None
    strands: dict[StrandId, StrandKey] = field(init=False)
    mailbox_keys: dict[Address, bytes | None] = field(default_factory=dict)
    deleted_wrongly: set[Address] = field(default_factory=set)
    entries: dict[Digest, SignedEntry | None] = field(default_factory=dict)
    keeps_entries: bool = False

    def __post_init__(self) -> None:
        self.strands = dict(self.letterhead.strand_keys)

    def mailbox_key(self, address: Address) -> bytes | None:
        """Return the public key of a mailbox's source, from this pouch (sync bundle) or from this store.

        The result is None if neither has the mailbox, or if the mailbox's row is damaged.
        """
        if address not in self.mailbox_keys:
            with self.endpoint.store.reading() as session:
                mailbox = mailboxes.find(session, address)
            keys = mailbox and checked_verify_key(address, mailbox.recipient, mailbox.verify_key)
            self.mailbox_keys[address] = keys or None
        return self.mailbox_keys[address]


@dataclass(slots=True)
class ApplyContext:
    """State of applying one verified pouch (sync bundle). Each item of the pouch can add to this state.

    - `peer`: sender of the pouch
    - `verified`: keys and facts from the verification of the pouch
    - `peer_was_restored`: True if the sender's store was restored from a backup
    - `unwanted`: attachments that the peer must not continue to send
    - `without_room`: entries (address and entry id) for whose files this store has no room
    - `unwanted_of`: entries (address and entry id) whose attachments are all unwanted
    - `asked`: entries (digests by address) that the peer asked for
    - `lacking`: entries (digests by address) that the peer lacks. They are not verified yet.
    - `held_at_peer`: a list of entries that the workstation has, or None if the pouch does not have it
    - `changed`: mailboxes whose state must be computed again
    - `listed_at_peer`: digest of the workstation's list of records, or None if the pouch does not have it
    """

    endpoint: Endpoint
    head: PouchHead
    peer: StrandId
    verified: VerifyContext
    peer_was_restored: bool = False
    unwanted: set[FileKey] = field(default_factory=set)
    without_room: set[tuple[bytes, bytes]] = field(default_factory=set)
    unwanted_of: set[tuple[bytes, bytes]] = field(default_factory=set)
    asked: dict[Address, set[Digest]] = field(default_factory=dict)
    lacking: dict[Address, set[Digest]] = field(default_factory=dict)
    held_at_peer: HeldItem | None = None
    changed: set[Address] = field(default_factory=set)
    listed_at_peer: bytes | None = None
    _removed: dict[Address, set[Digest]] = field(default_factory=dict)

    def removed(self, session: Session, address: Address) -> set[Digest]:
        """Return the digests of a mailbox's removed entries, as far as this store knows the removals."""
        if address not in self._removed:
            found = read_envelopes(session, address)
            self._removed[address] = {digest for each, _ in found for digest in each.envelope.removes}
        return self._removed[address]

    def report(self, session: Session, address: bytes, digest: bytes, kind: FindingKind) -> bool:
        """Record a fault at the server, so that the adviser sees the fault.

        Return False if the fault was known already, or if this endpoint is the server itself.
        """
        if self.endpoint.is_server:
            return False
        return sync_findings.add(session, address, digest, kind, self.endpoint.today())
