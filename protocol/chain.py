"""The rules that a whole mailbox must keep before anything of it is shown (docs/protocol.md, "Chains").

Both apps call `check` with what lies in the store. It opens nothing and keeps nothing: entries and the
workstation's anchors go in, the thread and its faults come out.
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
    """What is wrong."""

    WRONG_ADDRESS = "wrong_address"  # an entry of another mailbox was put here
    UNKNOWN_STRAND = "unknown_strand"  # no key, or not one for that day, stands in the letterhead
    BAD_SIGNATURE = "bad_signature"
    BAD_PAYLOAD = "bad_payload"  # the sealed part is not the one that was signed
    REPLAYED = "replayed"  # one entry stands here twice
    FORK = "fork"  # two histories of one strand
    GAP = "gap"  # an entry is missing in between
    SEEN_MISSING = "seen_missing"  # an entry that the other side had before them is missing
    ROLLED_BACK = "rolled_back"  # the newest entry that this workstation remembers is missing
    BAD_REMOVAL = "bad_removal"  # the sealed part is gone, and nobody who may has signed for it
    NOT_REMOVED = "not_removed"  # a removal is signed, and the sealed part can still be opened


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a mailbox.

    With an `entry_id` it names that entry, which is rejected. Without, something is missing, and `strand` and
    `number` tell where: of the missing entry (GAP, ROLLED_BACK) or of the one that points at it
    (SEEN_MISSING).
    """

    kind: FaultKind
    strand: StrandId
    number: int
    entry_id: EntryId | None


@dataclass(frozen=True, slots=True)
class CheckedChain:
    """A mailbox after the check.

    `entries` may be shown, in thread order. `rejected` may be shown to an adviser alone, as what it is.
    `heads` are those of all entries that are authentic, for the anchors.
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
    """Check every entry of a mailbox, and all of them together.

    `mailbox_verify_key` must have passed `mailbox_keys.certify`; None if it did not, and then nothing counts
    as the source's. `anchor` is what this workstation remembers of the mailbox; None where nothing is
    remembered, as in the source's interface.

    What this finds: any change, and the loss of anything that either side had seen or built upon. What it
    cannot find: the loss of the newest entry before the other side saw it.
    """
    faults: list[Fault] = []
    authentic: dict[Digest, SignedEntry] = {}
    rejected: list[SignedEntry] = []
    for entry in entries:
        kind = _forgery(entry, address, mailbox_verify_key, strands)
        digest = entry.digest
        if kind is None and digest in authentic:
            kind = FaultKind.REPLAYED
        if kind is None:
            authentic[digest] = entry
        else:
            faults.append(_fault(kind, entry))
            rejected.append(entry)
    in_strands = _by_strand(authentic)
    named: dict[Digest, FaultKind] = {}
    for strand, in_strand in in_strands.items():
        faults += _gaps(strand, in_strand)
        named |= dict.fromkeys(_forked(in_strand), FaultKind.FORK)
    for strand, (number, digest) in (anchor or {}).items():
        if digest not in authentic:
            rivals = [rival for rival, entry in in_strands.get(strand, ()) if entry.envelope.number == number]
            named |= dict.fromkeys(rivals, FaultKind.FORK)
            faults.append(Fault(FaultKind.ROLLED_BACK, strand, number, None))
    for digest, entry in authentic.items():
        faults += _unseen(entry, authentic)
        kind = _sealed_part_fault(digest, entry, mailbox_verify_key, strands)
        if kind is not None:
            named.setdefault(digest, kind)
    faults += [_fault(kind, authentic[digest]) for digest, kind in named.items()]
    thread = _in_order(authentic)
    return CheckedChain(
        entries=tuple(authentic[digest] for digest in thread if digest not in named),
        rejected=(*rejected, *(authentic[digest] for digest in thread if digest in named)),
        faults=tuple(faults),
        heads=chain_heads(authentic.values()),
    )


def chain_heads(entries: Iterable[SignedEntry]) -> Heads:
    """Return number and digest of the newest entry of each strand."""
    newest: dict[StrandId, SignedEntry] = {}
    for entry in entries:
        part = entry.envelope
        if part.strand not in newest or newest[part.strand].envelope.number < part.number:
            newest[part.strand] = entry
    return {strand: (entry.envelope.number, entry.digest) for strand, entry in newest.items()}


def seen_by(author: Author, known: Heads) -> tuple[Digest, ...]:
    """Return what an entry of this author states as seen: the heads of the other side's strands, sorted."""
    return tuple(sorted(digest for strand, (_, digest) in known.items() if _author_of(strand) is not author))


def sort_entries(entries: Iterable[SignedEntry]) -> tuple[SignedEntry, ...]:
    """Return some entries of a mailbox so that each comes after all it points at, as far as that is here."""
    by_digest = {entry.digest: entry for entry in entries}
    return tuple(by_digest[digest] for digest in _in_order(by_digest))


def _author_of(strand: StrandId) -> Author:
    return Author.DESK if strand else Author.SOURCE


def _fault(kind: FaultKind, entry: SignedEntry) -> Fault:
    return Fault(kind, entry.envelope.strand, entry.envelope.number, entry.envelope.entry_id)


def _forgery(
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
        in_strand.sort(key=lambda named: (named[1].envelope.number, named[0]))
    return in_strands


def _gaps(strand: StrandId, in_strand: Sequence[tuple[Digest, SignedEntry]]) -> Iterator[Fault]:
    """Name the first missing number of every gap; a gap can be as wide as a forger likes."""
    numbers = [0, *(entry.envelope.number for _, entry in in_strand)]
    for before, after in pairwise(numbers):
        if after > before + 1:
            yield Fault(FaultKind.GAP, strand, before + 1, None)


def _forked(in_strand: Sequence[tuple[Digest, SignedEntry]]) -> Iterator[Digest]:
    """Name the entries that share a number, or do not follow upon the entry before them.

    All of them are authentic, so nobody but the writer knows which history is the true one.
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


def _sealed_part_fault(
    digest: Digest,
    entry: SignedEntry,
    mailbox_verify_key: bytes | None,
    strands: Mapping[StrandId, StrandKey],
) -> FaultKind | None:
    """Tell what is wrong with header, payload and removal of an authentic entry.

    A removed entry keeps its open part and its place, so that removing makes no gap; its payload may still
    wait to be wiped, its header may not.
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
    """Put entries in thread order: after all that they point at; else by day, source first, number, digest.

    The pointers are digests of what was signed before, so they cannot run in a circle.
    """
    waits_for: dict[Digest, int] = {}
    awaited_by: dict[Digest, list[Digest]] = defaultdict(list)
    ready: list[tuple[date, Author, int, Digest]] = []
    for digest, entry in authentic.items():
        part = entry.envelope
        before = {earlier for earlier in (part.previous, *part.seen) if earlier in authentic}
        waits_for[digest] = len(before)
        for earlier in before:
            awaited_by[earlier].append(digest)
        if not before:
            heapq.heappush(ready, _rank(digest, entry))
    thread: list[Digest] = []
    while ready:
        *_, digest = heapq.heappop(ready)
        thread.append(digest)
        for later in awaited_by[digest]:
            waits_for[later] -= 1
            if not waits_for[later]:
                heapq.heappush(ready, _rank(later, authentic[later]))
    return thread


def _rank(digest: Digest, entry: SignedEntry) -> tuple[date, Author, int, Digest]:
    return entry.envelope.day, entry.envelope.author, entry.envelope.number, digest
