"""Trusted state: newest entries and serials that a workstation remembers, to detect a roll-back of the store.

See docs/protocol.md, "Trusted state". The state is encrypted on the workstation's own disk. The workstation
cannot notice when its own disk is restored to an older copy of the state. The source still can notice this.
"""

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Final, Self

from msgspec import Meta

from crypto import age, signed_lines
from crypto.canonical_json import StrictStruct, decode_json, encode_json
from crypto.errors import ForgedError, MalformedError, UnreadableError
from protocol.heads import LARGEST_NUMBER, Head, Heads
from protocol.identifiers import ADDRESS_BYTES, DIGEST_BYTES, STRAND_ID_BYTES, Address, Digest, StrandId
from protocol.keyring import Keyring
from protocol.sealed_record import NAME_BYTES, RecordKind

_VERSION: Final = b"steunpunt-trusted-state/1"


@dataclass(frozen=True, slots=True)
class SeenMailbox:
    """State and newest entries (heads) of one mailbox, which a workstation remembers.

    - `removed`: digests of removed entries
    - `closed`: the day from which the mailbox may be deleted, or None
    - `is_answered`: True if no message of the source waits for an answer
    """

    heads: Heads = ()
    removed: frozenset[Digest] = frozenset()
    closed: date | None = None
    is_answered: bool = False


_NOTHING: Final = SeenMailbox()


@dataclass(slots=True)
class TrustedState:
    """Newest versions that a workstation has seen: of mailboxes, records, the letterhead and the keyring.

    With these, the workstation detects that someone restored an older copy of the store. Only one
    thread at a time may change the state.
    """

    letterhead_serial: int = 0
    mailboxes: dict[Address, SeenMailbox] = field(default_factory=dict)
    ended: set[Address] = field(default_factory=set)
    records: dict[tuple[RecordKind, bytes], int] = field(default_factory=dict)  # newest revision seen
    keyring_serial: int = 0

    def seen(self, address: Address) -> SeenMailbox:
        """Return what this workstation remembers of a mailbox.

        For an unknown mailbox, the result is empty.
        """
        return self.mailboxes.get(address, _NOTHING)

    def advance(self, address: Address, seen: SeenMailbox) -> None:
        """Remember the newest entries (heads) and removals of one mailbox.

        Call this method only after `read_transcript` found no roll-back. Removals that were remembered
        earlier stay.

        Raises:
            ForgedError: a remembered head would disappear, or the mailbox has ended.
        """
        before = self.seen(address)
        if _lost(before, seen) or address in self.ended:
            raise ForgedError
        self.mailboxes[address] = replace(seen, removed=before.removed | seen.removed)

    def end(self, address: Address) -> None:
        """Remember that the source ended a mailbox, and forget the newest entries of the mailbox.

        The remembered revisions of the desk's records (notes) about the mailbox stay until `forget_records`.
        """
        self.mailboxes.pop(address, None)
        self.ended.add(address)

    def saw_record(self, kind: RecordKind, name: bytes, revision: int) -> None:
        """Remember the newest revision of one of the desk's records.

        Raises:
            ForgedError: the revision is older than the remembered one. Someone restored a record that the
                desk has replaced.
        """
        if revision < self.records.get((kind, name), 0):
            raise ForgedError
        self.records[kind, name] = revision

    def forget_records(self, name: bytes) -> None:
        """Forget the revisions of the records (notes) with this name.

        Call this method when the desk has dropped the records. The name of records about a mailbox is the
        mailbox's address.
        """
        for kind in RecordKind:
            self.records.pop((kind, name), None)

    def saw_letterhead(self, serial: int) -> None:
        """Remember the serial of the newest letterhead (the desk's signed public statement).

        Raises:
            ForgedError: the serial is older than the remembered one.
        """
        if serial < self.letterhead_serial:
            raise ForgedError
        self.letterhead_serial = serial

    def saw_keyring(self, serial: int) -> None:
        """Remember the newest serial of this workstation's keyring (the desk's secret keys).

        Raises:
            ForgedError: the serial is older than the remembered one. Someone put an old keyring back.
        """
        if serial < self.keyring_serial:
            raise ForgedError
        self.keyring_serial = serial

    def merge(self, other: Self) -> None:
        """Add what another process of this workstation remembered.

        The newest heads of each writer stay. If neither process saw all of these heads, the mailbox counts as
        neither closed nor answered. The newest revisions and serials, and all removals and ends of mailboxes,
        stay too.
        """
        self.letterhead_serial = max(self.letterhead_serial, other.letterhead_serial)
        self.keyring_serial = max(self.keyring_serial, other.keyring_serial)
        for address in self.ended | other.ended:
            self.end(address)
        for address in other.mailboxes.keys() - self.ended:
            ours, theirs = self.mailboxes.get(address, _NOTHING), other.seen(address)
            heads = _lost(ours, theirs) | _lost(theirs, ours) | set(ours.heads) & set(theirs.heads)
            base = next((seen for seen in (ours, theirs) if set(seen.heads) == heads), _NOTHING)
            known = replace(base, heads=tuple(sorted(heads)), removed=ours.removed | theirs.removed)
            self.mailboxes[address] = known
        self.records |= {name: max(it, self.records.get(name, 0)) for name, it in other.records.items()}

    def to_bytes(self) -> bytes:
        """Write the trusted state (what a workstation remembers) as JSON.

        All lists are in ascending order.
        """
        known = [(address, self.seen(address)) for address in sorted(self.mailboxes)]
        wire = _Wire(
            letterhead_serial=self.letterhead_serial,
            mailboxes=tuple((address, tuple(sorted(seen.heads))) for address, seen in known),
            ended=tuple(sorted(self.ended)),
            removed=tuple((address, tuple(sorted(seen.removed))) for address, seen in known if seen.removed),
            closed=tuple((address, seen.closed) for address, seen in known if seen.closed),
            answered=tuple(address for address, seen in known if seen.is_answered),
            records=tuple((*name, revision) for name, revision in sorted(self.records.items())),
            keyring_serial=self.keyring_serial,
        )
        return encode_json(wire)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Parse a trusted state (what a workstation remembers).

        Only the exact bytes that `to_bytes` writes are accepted.

        Raises:
            MalformedError: `to_bytes` never writes these bytes.
        """
        wire = decode_json(raw, _Wire)
        removed, closed, answered = dict(wire.removed), dict(wire.closed), set(wire.answered)
        mailboxes = {
            address: SeenMailbox(
                tuple(Head(*head) for head in heads),
                frozenset(removed.get(address, ())),
                closed.get(address),
                address in answered,
            )
            for address, heads in wire.mailboxes
        }
        records = {(kind, name): revision for kind, name, revision in wire.records}
        trusted_state = cls(wire.letterhead_serial, mailboxes, set(wire.ended), records, wire.keyring_serial)
        if trusted_state.to_bytes() != raw:
            raise MalformedError
        return trusted_state


def _lost(before: SeenMailbox, after: SeenMailbox) -> set[Head]:
    """Return those heads of `before` that `after` lacks, if `after` has no later head of the same strand."""
    newest = {head.strand: head.number for head in after.heads}  # the largest number comes last
    return {head for head in before.heads if head not in after.heads and newest.get(head[0], 0) <= head[1]}


def seal_trusted_state(trusted_state: TrustedState, keyring: Keyring) -> bytes:
    """Sign the trusted state, and encrypt it for this workstation only.

    With the trusted state, the workstation detects a roll-back of the store.
    """
    signed = signed_lines.write_signed_lines(_VERSION, trusted_state.to_bytes(), keyring.strand.seed)
    sealed = age.encrypt(signed, [keyring.trusted_state_identity.recipient])
    return sealed.header + sealed.payload


def open_trusted_state(raw: bytes, keyring: Keyring) -> TrustedState:
    """Decrypt and verify the trusted state, which this workstation saved to detect a roll-back.

    Raises:
        UnreadableError: the file is damaged, or this workstation did not write it.
    """
    try:
        signed, _ = age.decrypt(*age.split_file(raw), [keyring.trusted_state_identity])
        body, signature = signed_lines.read_signed_lines(_VERSION, signed)
        signed_lines.check_signed_lines(_VERSION, body, signature, keyring.strand.verify_key)
        return TrustedState.from_bytes(body)
    except (MalformedError, ForgedError) as why:
        raise UnreadableError from why


_AddressWire = Annotated[Address, Meta(min_length=ADDRESS_BYTES, max_length=ADDRESS_BYTES)]
_DigestWire = Annotated[Digest, Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
_StrandWire = Annotated[StrandId, Meta(max_length=STRAND_ID_BYTES)]  # empty for the source's strand
_Number = Annotated[int, Meta(ge=1, le=LARGEST_NUMBER)]


class _Wire(StrictStruct, frozen=True, omit_defaults=True):
    letterhead_serial: Annotated[int, Meta(ge=0, le=LARGEST_NUMBER)]
    mailboxes: tuple[tuple[_AddressWire, tuple[tuple[_StrandWire, _Number, _DigestWire], ...]], ...]
    ended: tuple[_AddressWire, ...]
    removed: tuple[tuple[_AddressWire, tuple[_DigestWire, ...]], ...]
    closed: tuple[tuple[_AddressWire, date], ...]
    answered: tuple[_AddressWire, ...]
    records: tuple[tuple[RecordKind, Annotated[bytes, Meta(max_length=NAME_BYTES)], _Number], ...]
    keyring_serial: Annotated[int, Meta(ge=0, le=LARGEST_NUMBER)] = 0  # older files have none
