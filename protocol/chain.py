"""Chains: the check of a whole mailbox before any entry is shown (docs/protocol.md, "Chains").

Both apps call `check_chain` with the entries in the store and, on a workstation, the heads of its trusted
state. The check decrypts nothing. It returns the entries in thread order, and the faults.
"""

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise

from crypto.errors import ForgedError, MalformedError
from protocol.entry import SignedEntry
from protocol.envelope import Author
from protocol.identifiers import Address, Digest, EntryId, StrandId
from protocol.statements.heads import Heads
from protocol.statements.removal import verify_removal
from protocol.strand import StrandKey, check_signature, strand_verify_key


class FaultKind(StrEnum):
    """Kind of fault in a mailbox."""

    WRONG_ADDRESS = "wrong_address"  # an entry of another mailbox
    UNKNOWN_STRAND = "unknown_strand"  # the letterhead has no key of this strand for that day
    BAD_SIGNATURE = "bad_signature"
    BAD_PAYLOAD = "bad_payload"  # the payload differs from the payload that was signed
    REPLAYED = "replayed"  # the mailbox has the same entry twice
    FORK = "fork"  # a strand has two different histories
    GAP = "gap"  # an entry in the middle of a strand is missing
    SEEN_MISSING = "seen_missing"  # an entry that the other side had seen is missing
    ROLLED_BACK = "rolled_back"  # the newest entry that this workstation remembers is missing
    BAD_REMOVAL = "bad_removal"  # the content is gone without a valid removal
    NOT_REMOVED = "not_removed"  # a removal is signed, but the content can still be decrypted


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in a mailbox.

    If `entry_id` is set, the fault is in that entry, and the entry is rejected. If `entry_id` is None, an
    entry is missing. Then `strand` and `number` are those of the missing entry (GAP, ROLLED_BACK), or of the
    entry that refers to the missing entry (SEEN_MISSING).
    """

    kind: FaultKind
    strand: StrandId
    number: int
    entry_id: EntryId | None


@dataclass(frozen=True, slots=True)
class CheckedChain:
    """Result of the check of a mailbox: entries that may be shown, rejected entries, faults and heads.

    `entries` are in thread order. Only an adviser may see a rejected entry, and the page must then show its
    fault too. `heads` name the newest authentic entry of each strand. The caller remembers them in the
    trusted state.
    """

    entries: tuple[SignedEntry, ...]
    rejected: tuple[SignedEntry, ...]
    faults: tuple[Fault, ...]
    heads: Heads


def check_chain(
    address: Address,
    mailbox_verify_key: bytes | None,
    strands: Mapping[StrandId, StrandKey],
    entries: Sequence[SignedEntry],
    anchor: Heads | None,
) -> CheckedChain:
    """Check every entry of a mailbox, and the chain that the entries form.

    `mailbox_verify_key` must have passed `check_mailbox_keys`. If the key is None, no entry is accepted as
    the source's. `anchor` has the heads that this workstation remembers. `anchor` is None if no heads are
    remembered, as in the source's interface.

    The check detects every change of an entry. The check also detects a missing entry, if `anchor` or another
    entry refers to the missing entry. Each entry refers to the entry before it in its strand, and to the
    entries that its writer had seen. The check cannot detect that the newest entry is missing, as long as the
    other side has not seen that entry.
    """
    authentic: dict[Digest, SignedEntry] = {}
    false_entries: list[tuple[FaultKind, SignedEntry]] = []
    for entry in entries:
        kind = _signature_fault(entry, address, mailbox_verify_key, strands)
        digest = entry.digest  # a hash over the whole envelope: once for each entry
        if kind is None and digest in authentic:
            kind = FaultKind.REPLAYED
        if kind is None:
            authentic[digest] = entry
        else:
            false_entries.append((kind, entry))
    faults, faulty = _chain_faults(authentic, anchor or {})
    for digest, entry in authentic.items():
        kind = _content_fault(digest, entry, mailbox_verify_key, strands)
        if kind is not None:
            faulty.setdefault(digest, kind)
    thread = _in_order(authentic)
    return CheckedChain(
        entries=tuple(authentic[digest] for digest in thread if digest not in faulty),
        rejected=(*(entry for _, entry in false_entries), *(authentic[d] for d in thread if d in faulty)),
        faults=(
            *(_fault(kind, entry) for kind, entry in false_entries),
            *faults,
            *(_fault(kind, authentic[digest]) for digest, kind in faulty.items()),
        ),
        heads=chain_heads(authentic.values()),
    )


def _chain_faults(
    authentic: Mapping[Digest, SignedEntry], anchor: Heads
) -> tuple[list[Fault], dict[Digest, FaultKind]]:
    """Return the faults about missing entries, and the authentic entries that are in a fork, by digest."""
    faults: list[Fault] = []
    in_strands = _by_strand(authentic)
    faulty: dict[Digest, FaultKind] = {}
    for strand, in_strand in in_strands.items():
        faults += _gaps(strand, in_strand)
        faulty |= dict.fromkeys(_forked(in_strand), FaultKind.FORK)
    for strand, (number, digest) in anchor.items():
        if digest not in authentic:
            rivals = [rival for rival, entry in in_strands.get(strand, ()) if entry.envelope.number == number]
            faulty |= dict.fromkeys(rivals, FaultKind.FORK)
            faults.append(Fault(FaultKind.ROLLED_BACK, strand, number, None))
    for entry in authentic.values():
        faults += _unseen(entry, authentic)
    return faults, faulty


def chain_heads(entries: Iterable[SignedEntry]) -> Heads:
    """Return the number and digest of the newest entry of each strand."""
    newest: dict[StrandId, SignedEntry] = {}
    for entry in entries:
        part = entry.envelope
        if part.strand not in newest or newest[part.strand].envelope.number < part.number:
            newest[part.strand] = entry
    return {strand: (entry.envelope.number, entry.digest) for strand, entry in newest.items()}


def seen_by(author: Author, known: Heads) -> tuple[Digest, ...]:
    """Return the digests for the field `seen` of a new entry by this author.

    The digests name the newest entry in each strand of the other side, and are sorted.
    """
    return tuple(sorted(digest for strand, (_, digest) in known.items() if _author_of(strand) is not author))


def sort_entries(entries: Iterable[SignedEntry]) -> tuple[SignedEntry, ...]:
    """Sort the entries of a mailbox in thread order: each entry comes after the entries that it refers to."""
    by_digest = {entry.digest: entry for entry in entries}
    return tuple(by_digest[digest] for digest in _in_order(by_digest))


def _author_of(strand: StrandId) -> Author:
    return Author.DESK if strand else Author.SOURCE


def _fault(kind: FaultKind, entry: SignedEntry) -> Fault:
    return Fault(kind, entry.envelope.strand, entry.envelope.number, entry.envelope.entry_id)


def _signature_fault(
    entry: SignedEntry,
    address: Address,
    mailbox_verify_key: bytes | None,
    strands: Mapping[StrandId, StrandKey],
) -> FaultKind | None:
    part = entry.envelope
    if part.address != address:
        return FaultKind.WRONG_ADDRESS
    try:
        key = strand_verify_key(part.strand, part.day, mailbox_verify_key=mailbox_verify_key, strands=strands)
    except ForgedError:
        return FaultKind.UNKNOWN_STRAND
    try:
        check_signature(key, part.to_bytes(), entry.signature)
    except ForgedError:
        return FaultKind.BAD_SIGNATURE
    return None


def _by_strand(authentic: Mapping[Digest, SignedEntry]) -> dict[StrandId, list[tuple[Digest, SignedEntry]]]:
    in_strands: dict[StrandId, list[tuple[Digest, SignedEntry]]] = defaultdict(list)
    for digest, entry in authentic.items():
        in_strands[entry.envelope.strand].append((digest, entry))
    for in_strand in in_strands.values():
        in_strand.sort(key=lambda item: (item[1].envelope.number, item[0]))
    return in_strands


def _gaps(strand: StrandId, in_strand: Sequence[tuple[Digest, SignedEntry]]) -> Iterator[Fault]:
    """Yield a fault for each gap in the numbers of a strand, with the first missing number.

    A gap gets one fault, however many entries are missing. Otherwise one entry with a very high number would
    cause very many faults.
    """
    numbers = [0, *(entry.envelope.number for _, entry in in_strand)]
    for before, after in pairwise(numbers):
        if after > before + 1:
            yield Fault(FaultKind.GAP, strand, before + 1, None)


def _forked(in_strand: Sequence[tuple[Digest, SignedEntry]]) -> Iterator[Digest]:
    """Yield the entries that share a number, or do not continue from the entry before them.

    All these entries are authentic, so only their writer knows which history is the true one.
    """
    at: dict[int, list[Digest]] = defaultdict(list)
    for digest, entry in in_strand:
        at[entry.envelope.number].append(digest)
    for digest, entry in in_strand:
        before = at.get(entry.envelope.number - 1)
        if len(at[entry.envelope.number]) > 1 or (
            before is not None and entry.envelope.previous not in before
        ):
            yield digest


def _unseen(entry: SignedEntry, authentic: Mapping[Digest, SignedEntry]) -> Iterator[Fault]:
    part = entry.envelope
    for digest in part.seen:
        other = authentic.get(digest)
        if other is None or other.envelope.author is part.author:
            yield Fault(FaultKind.SEEN_MISSING, part.strand, part.number, None)


def _content_fault(
    digest: Digest,
    entry: SignedEntry,
    mailbox_verify_key: bytes | None,
    strands: Mapping[StrandId, StrandKey],
) -> FaultKind | None:
    """Return the fault in the header, payload or removal of an authentic entry, or None if there is no fault.

    A removed entry keeps its envelope and its number, so that a removal makes no gap. The payload of a
    removed entry may still wait for deletion, but its header must be gone.
    """
    if entry.payload is not None and hashlib.sha256(entry.payload).digest() != entry.envelope.payload_sha256:
        return FaultKind.BAD_PAYLOAD
    if entry.removal is None:
        is_whole = entry.header is not None and entry.payload is not None
        return None if is_whole else FaultKind.BAD_REMOVAL
    try:
        verify_removal(
            entry.removal,
            of=entry.envelope,
            entry_digest=digest,
            mailbox_verify_key=mailbox_verify_key,
            strands=strands,
        )
    except (ForgedError, MalformedError):
        return FaultKind.BAD_REMOVAL
    return None if entry.header is None else FaultKind.NOT_REMOVED


def _in_order(authentic: Mapping[Digest, SignedEntry]) -> list[Digest]:
    """Return the digests of the entries in thread order.

    An entry comes after all entries that it refers to. The rest is ordered by day, then source before desk,
    then number, then digest. An entry refers to earlier entries by the digests of signed entries, so
    references cannot form a circle.
    """
    predecessors: dict[Digest, int] = {}
    successors: dict[Digest, list[Digest]] = defaultdict(list)
    ready: list[tuple[date, Author, int, Digest]] = []
    for digest, entry in authentic.items():
        part = entry.envelope
        before = {earlier for earlier in (part.previous, *part.seen) if earlier in authentic}
        predecessors[digest] = len(before)
        for earlier in before:
            successors[earlier].append(digest)
        if not before:
            heapq.heappush(ready, _rank(digest, entry))
    thread: list[Digest] = []
    while ready:
        *_, digest = heapq.heappop(ready)
        thread.append(digest)
        for later in successors[digest]:
            predecessors[later] -= 1
            if not predecessors[later]:
                heapq.heappush(ready, _rank(later, authentic[later]))
    return thread


def _rank(digest: Digest, entry: SignedEntry) -> tuple[date, Author, int, Digest]:
    return entry.envelope.day, entry.envelope.author, entry.envelope.number, digest
