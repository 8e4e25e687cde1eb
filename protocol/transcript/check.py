"""Check of a whole mailbox before any entry is shown, answered, synced or deleted.

See docs/protocol.md, "Transcript". The check decrypts nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Final

from crypto.errors import ForgedError
from protocol.entry import SignedEntry, has_signed_payload
from protocol.heads import HEADS_IN_ALL, HEADS_OF_STRAND, UNSEEN_IN_ALL, UNSEEN_OF_STRAND, Head, Heads
from protocol.identifiers import SOURCE_STRAND, Address, Digest, StrandId
from protocol.strand import StrandKey, check_signature, strand_verify_key
from protocol.transcript.knowledge import Knowledge


class FaultKind(StrEnum):
    """Kind of fault that the check of a mailbox can find, such as a missing entry."""

    WRONG_ADDRESS = "wrong_address"  # an entry of another mailbox
    UNKNOWN_STRAND = "unknown_strand"  # the letterhead has no key of this strand for that day
    BAD_SIGNATURE = "bad_signature"
    DATED_BACK = "dated_back"  # a retired workstation wrote this entry after it was retired
    RETIRED_FORK = "retired_fork"  # a retired workstation's strand has two different histories
    BAD_PAYLOAD = "bad_payload"  # the payload differs from the payload that was signed
    REPLAYED = "replayed"  # the mailbox has the same entry twice
    FORK = "fork"  # a workstation's strand has two different histories
    SIDE_BY_SIDE = "side_by_side"  # the source wrote two entries with one number: a row was hidden
    MISSING = "missing"  # another entry names this entry, and the store does not have it
    ROLLED_BACK = "rolled_back"  # this workstation remembers this entry, and the store does not have it
    LOST = "lost"  # the encrypted part is gone, and the source did not remove the entry
    RESTORED = "restored"  # the source removed the entry, and someone restored its encrypted part


# An adviser may write in a mailbox with these faults. Otherwise the operator of the server could block a
# mailbox for good by losing one row, by adding one with the key of a retired workstation, or by hiding a row
# until a sync has restored the row.
ALLOW_ANSWERS: Final = frozenset(
    map(FaultKind, ("side_by_side", "missing", "lost", "dated_back", "retired_fork", "replayed"))
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that the check found in a mailbox, in or about one entry.

    `strand` is the writer of the entry, and `number` the entry's number. `digest` is None if the entry is not
    among the verified entries.
    """

    kind: FaultKind
    strand: StrandId
    number: int
    digest: Digest | None

    @property
    def allows_answers(self) -> bool:
        """Return True if an adviser may write in a mailbox with this fault."""
        return self.kind in ALLOW_ANSWERS


@dataclass(frozen=True, slots=True)
class Transcript:
    """Result of the check of a mailbox: its verified entries in order, and its faults.

    - `entries`: the entries that may be shown, in thread order
    - `authentic`: maps digests to the entries with a valid signature. An entry that a retired workstation
      signed is left out if the entry is perhaps forged
    - `rejected`: entries with a fault. Pages show them only to advisers, with the fault
    - `removed`: maps the digest of each entry that the source removed to the removing entry
    - `heads`: the newest authentic entries of each writer, which a workstation remembers
    """

    entries: tuple[SignedEntry, ...]
    authentic: Mapping[Digest, SignedEntry] = field(repr=False)
    rejected: tuple[SignedEntry, ...]
    faults: tuple[Fault, ...]
    removed: Mapping[Digest, SignedEntry] = field(repr=False)
    heads: Heads
    knowledge: Knowledge = field(repr=False)

    def heads_for(
        self, strand: StrandId, shown: Collection[Digest], remembered: Heads = ()
    ) -> tuple[Heads, Heads]:
        """Return the heads and the unseen entries that a new entry of the writer `strand` must name.

        Heads are the newest entries that the writer wrote or was shown. Unseen entries are known entries of
        other writers that this writer was not shown.

        - `shown`: every entry that the writer was shown, even if it was removed or has no encrypted part
        - `remembered`: heads that the writer verified before
        """
        heads: list[list[Head]] = []
        unseen: list[Head] = []
        named = self.knowledge.named | {digest: head_of(entry) for digest, entry in self.authentic.items()}
        strands = _by_strand(named.values())
        here = {entry.envelope.strand for entry in self.authentic.values()}
        own = (entry.envelope for entry in self.authentic.values() if entry.envelope.strand == strand)
        known_before = {head for part in own for head in part.heads}
        # Someone may have named entries of many strands that never existed, and an envelope has limited room.
        first = (strand, SOURCE_STRAND)
        ranked = sorted({strand, *strands}, key=lambda each: (each not in first, each not in here, each))
        for other in ranked:
            known = strands[other]
            seen = {head.digest for head in known}.intersection(self.authentic if other == strand else shown)
            not_shown = [head for head in known if other != strand and head.digest not in seen]
            room = min(UNSEEN_OF_STRAND, UNSEEN_IN_ALL - len(unseen))
            if len(not_shown) > room:  # claim to have seen nothing, and name the newest as unseen
                newest = self.knowledge.tips([head.digest for head in known])
                seen, not_shown = set(), [named[digest] for digest in sorted(newest)[:room]]
            # Otherwise, someone could hide a row, and the writer would use that entry's number again.
            gone = [
                it for it in remembered if it.strand == other == strand and it.digest not in self.authentic
            ]
            heads.append([*gone, *(named[digest] for digest in self.knowledge.tips(seen))])
            unseen += not_shown
        return _limited(heads, known_before), tuple(sorted(unseen))


def head_of(entry: SignedEntry) -> Head:
    """Return the name of an entry: its strand (id of the writer), its number and its digest."""
    return Head(entry.envelope.strand, entry.envelope.number, entry.digest)


def heads_after(heads: Heads, newer: Sequence[SignedEntry]) -> Heads:
    """Return `heads` with the entries `newer` added, and without the heads that these entries replace.

    Heads are the newest entries that a writer knows.
    """
    own = {head_of(entry) for entry in newer}
    strands = {head.strand for head in own}
    named = {head for entry in newer for head in entry.envelope.heads if head.strand in strands}
    return _limited(_by_strand(sorted((own | set(heads)) - named)).values())  # the source's own first


def read_transcript(  # noqa: PLR0913  # two switches, besides the mailbox
    address: Address,
    mailbox_verify_key: bytes | None,
    strands: Mapping[StrandId, StrandKey],
    entries: Iterable[SignedEntry],
    remembered: Heads = (),
    *,
    has_content: bool = True,
    verified: Container[Digest] = (),
) -> Transcript:
    """Verify every entry of a mailbox, and check that the entries fit each other.

    A missing entry is detected only if `remembered` or another entry names it.

    - `mailbox_verify_key`: the source's key after `check_mailbox_keys`, or None to refuse all
      entries of the source
    - `remembered`: the newest entries (heads) that this workstation remembers
    - `has_content`: False to check only envelopes and signatures, not encrypted parts
    - `verified`: entries whose signatures the caller has verified before, with the same keys
    """
    authentic: dict[Digest, SignedEntry] = {}
    forged: list[tuple[FaultKind, SignedEntry]] = []
    for entry in entries:
        is_known = entry.digest in verified  # a digest names the envelope and the signature
        kind = None if is_known else _signature_fault(entry, address, mailbox_verify_key, strands)
        if kind is None and entry.digest in authentic:
            kind = FaultKind.REPLAYED
        if kind is None:
            authentic[entry.digest] = entry
        else:
            forged.append((kind, entry))
    retired = {strand: key.until for strand, key in strands.items() if key.until}  # anyone may have its key
    knowledge = Knowledge(authentic.values(), retired)
    dropped: list[Head] = []
    for kind, find in ((FaultKind.DATED_BACK, _dated_back), (FaultKind.RETIRED_FORK, _unconfirmed_rivals)):
        found = find(knowledge) if retired else []
        forged += [(kind, authentic.pop(entry.digest)) for entry in found]
        dropped += map(head_of, found)
        knowledge = Knowledge(authentic.values(), retired) if found else knowledge
    ignored = set(remembered).intersection(dropped)
    remembered = tuple(head for head in remembered if head not in ignored)
    order = reversed(knowledge.order)  # of two removals of an entry, the first one counts
    removed = {digest: entry for entry in order for digest in entry.envelope.removes}
    rivals = _rivals(knowledge, remembered)
    rejecting = {digest: FaultKind(kind) for digest, kind in rivals.items() if kind == FaultKind.FORK}
    others = [(kind, authentic[digest]) for digest, kind in rivals.items() if digest not in rejecting]
    if has_content:
        for digest, entry in authentic.items():
            kind = _content_fault(entry, is_removed=digest in removed)
            if kind is FaultKind.BAD_PAYLOAD:
                rejecting.setdefault(digest, kind)
            elif kind is not None:
                others.append((kind, entry))
    shown = (entry for entry in knowledge.order if entry.digest not in rejecting)
    return Transcript(
        entries=tuple(_without_content(entry) if entry.digest in removed else entry for entry in shown),
        authentic=authentic,
        rejected=(*(entry for _, entry in forged), *(authentic[digest] for digest in rejecting)),
        faults=(
            *(Fault(kind, *head_of(entry)[:2], None) for kind, entry in forged),
            *(Fault(kind, *head_of(authentic[digest])) for digest, kind in rejecting.items()),
            *(Fault(kind, *head_of(entry)) for kind, entry in others),
            *_missing(authentic, knowledge, remembered),
        ),
        removed=removed,
        heads=tuple(sorted({*ignored, *(head_of(authentic[tip]) for tip in knowledge.tips(authentic))})),
        knowledge=knowledge,
    )


def _signature_fault(
    entry: SignedEntry,
    address: Address,
    mailbox_verify_key: bytes | None,
    strands: Mapping[StrandId, StrandKey],
) -> FaultKind | None:
    part = entry.envelope
    if part.address != address:
        return FaultKind.WRONG_ADDRESS
    kind = FaultKind.UNKNOWN_STRAND
    try:
        key = strand_verify_key(part.strand, part.day, mailbox_verify_key=mailbox_verify_key, strands=strands)
        kind = FaultKind.BAD_SIGNATURE
        check_signature(key, part.to_bytes(), entry.signature)
    except ForgedError:
        return kind
    return None


def _dated_back(knowledge: Knowledge) -> list[SignedEntry]:
    """Return the entries that were certainly written after their workstation was retired.

    Such an entry, or an entry that its writer knew, has a day after the workstation's last day.
    """
    newest: dict[Digest, date] = {}  # of each entry and all entries before it
    for entry in knowledge.order:
        named = (newest[head.digest] for head in entry.envelope.heads if head.digest in newest)
        newest[entry.digest] = max([entry.envelope.day, *named])
    retired, order = knowledge.retired, knowledge.order
    return [it for it in order if newest[it.digest] > retired.get(it.envelope.strand, date.max)]


def _unconfirmed_rivals(knowledge: Knowledge) -> list[SignedEntry]:
    """Return each entry of a retired workstation that has a rival and that no trusted writer knew.

    A rival is another entry of the same writer with the same number. Trusted writers are the source and the
    workstations in use.
    """
    order, retired = knowledge.order, knowledge.retired
    places = Counter(head_of(entry)[:2] for entry in order if entry.envelope.strand in retired)
    rivals = {entry.digest: entry for entry in order if places[head_of(entry)[:2]] > 1}
    witnesses = [entry.digest for entry in order if entry.envelope.strand not in retired] if rivals else []
    return [rivals[digest] for digest in knowledge.unknown_to_all(rivals, witnesses)]


def _rivals(knowledge: Knowledge, remembered: Heads) -> dict[Digest, FaultKind]:
    """Return a dict from the digest of each entry that has a rival to the kind of its fault.

    A rival is another entry of the same writer with the same number. The rival may be missing in the store.
    """
    # Other writers and retired workstations can name an invented entry, so their entries do not count.
    parts = [entry.envelope for entry in knowledge.order if entry.envelope.strand not in knowledge.retired]
    own = (head for part in parts for head in part.heads if head.strand == part.strand)
    named = {head for head in (*remembered, *own) if head.strand != SOURCE_STRAND}
    places = Counter(head[:2] for head in named.union(map(head_of, knowledge.order)))
    kinds = {SOURCE_STRAND: FaultKind.SIDE_BY_SIDE} | dict.fromkeys(knowledge.retired, FaultKind.RETIRED_FORK)
    return {
        entry.digest: kinds.get(entry.envelope.strand, FaultKind.FORK)
        for entry in knowledge.order
        if places[head_of(entry)[:2]] > 1
    }


def _content_fault(entry: SignedEntry, *, is_removed: bool) -> FaultKind | None:
    """Return the fault in the encrypted part of an authentic entry, or None if there is no fault.

    A removed entry must have no header. Its payload may stay until the clean-up.
    """
    if not entry.envelope.is_words:
        return None
    if is_removed:
        return None if entry.header is None else FaultKind.RESTORED
    if entry.header is None or entry.payload is None:
        return FaultKind.LOST
    return None if has_signed_payload(entry) else FaultKind.BAD_PAYLOAD


def _without_content(entry: SignedEntry) -> SignedEntry:
    return replace(entry, header=None, payload=None)


def _missing(authentic: Mapping[Digest, SignedEntry], knowledge: Knowledge, remembered: Heads) -> list[Fault]:
    kinds = dict.fromkeys(sorted({*knowledge.named.values(), *knowledge.doubted.values()}), FaultKind.MISSING)
    kinds.update(dict.fromkeys(remembered, FaultKind.ROLLED_BACK))
    return [Fault(kind, *head) for head, kind in kinds.items() if head.digest not in authentic]


def _by_strand(heads: Iterable[Head]) -> dict[StrandId, list[Head]]:
    strands: dict[StrandId, list[Head]] = defaultdict(list)
    for head in heads:
        strands[head.strand].append(head)
    return strands


def _limited(strands: Iterable[Collection[Head]], known: Container[Head] = ()) -> Heads:
    """Return as many heads (names of entries) as an envelope can contain, sorted.

    If there are too many heads, those in `known` are left out first, and then those of the last writers in
    `strands`.
    """
    # Otherwise the writer would name the same heads again and again, and never the others.
    ranked = (sorted(heads, key=lambda head: (head in known, head.digest)) for heads in strands)
    some = [head for heads in ranked for head in heads[:HEADS_OF_STRAND]]
    return tuple(sorted(sorted(some, key=lambda head: head in known)[:HEADS_IN_ALL]))
