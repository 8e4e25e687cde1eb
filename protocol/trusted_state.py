"""Trusted state: newest entries and serials that a workstation remembers, to detect a roll-back of the store.

See docs/protocol.md, "Trusted state". The state is encrypted on the workstation's own disk. The workstation
cannot notice when its own disk is restored to an older copy of the state. The source still can notice this.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Final, Self, TypeVar

from msgspec import Meta

from crypto import age, signed_lines
from crypto.canonical_json import StrictStruct, decode_json, encode_json
from crypto.errors import ForgedError, MalformedError, UnreadableError
from protocol.heads import LARGEST_NUMBER, Head, Heads
from protocol.identifiers import ADDRESS_BYTES, DIGEST_BYTES, STRAND_ID_BYTES, Address, Digest, StrandId
from protocol.keyring import Keyring
from protocol.sealed_record import NAME_BYTES, RecordKind

_VERSION: Final = b"steunpunt-trusted-state/1"

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
RecordName = tuple[RecordKind, bytes]


@dataclass(frozen=True, slots=True)
class TrustedState:
    """Newest versions that a workstation has seen: of mailboxes, of the desk's records and of the letterhead.

    With these, a workstation detects that someone restored an older copy of the store. Each method that
    changes something returns a new object. A letterhead is the desk's signed public statement.
    """

    letterhead_serial: int = 0
    mailboxes: Mapping[Address, Heads] = field(default_factory=dict)  # a strand can have several heads
    ended: frozenset[Address] = frozenset()
    removed: Mapping[Address, frozenset[Digest]] = field(default_factory=dict)
    closed: Mapping[Address, date] = field(default_factory=dict)  # day of deletion, at these heads
    answered: frozenset[Address] = frozenset()  # mailboxes whose source does not wait, at these heads
    records: Mapping[RecordName, int] = field(default_factory=dict)  # newest revision seen

    def advance(
        self,
        address: Address,
        heads: Heads,
        removed: frozenset[Digest] = frozenset(),
        *,
        closed: date | None = None,
        is_answered: bool = False,
    ) -> Self:
        """Remember the newest entries (heads) and removals of one mailbox, after a check found no roll-back.

        `read_transcript` is this check. `removed` has the digests of the removed entries. `closed` is the day
        from which the mailbox may be deleted (`closed_until`). `is_answered` is True if no message of the
        source waits for an answer. Attack: someone who can write to the store restores a removed entry and
        drops its removal, or changes the last two facts. This workstation can then detect the change.

        Raises:
            ForgedError: a remembered head would disappear, or the mailbox has ended.
        """
        newest = {head.strand: head.number for head in heads}  # the largest number comes last
        known = self.mailboxes.get(address, ())
        is_back = any(head not in heads and newest.get(head.strand, 0) <= head.number for head in known)
        if is_back or address in self.ended:
            raise ForgedError
        others = self._without(address)
        removed |= self.removed.get(address, frozenset())
        return replace(
            others,
            mailboxes={**others.mailboxes, address: heads},
            removed={**others.removed, address: removed} if removed else others.removed,
            closed=others.closed if closed is None else {**others.closed, address: closed},
            answered=others.answered | {address} if is_answered else others.answered,
        )

    def end(self, address: Address) -> Self:
        """Remember that the source ended a mailbox, and forget the newest entries of the mailbox.

        The remembered revisions of the desk's records (notes) about the mailbox stay until `forget_records`.
        """
        return replace(self._without(address), ended=self.ended | {address})

    def purged(self, address: Address) -> Self:
        """Remember that a closed mailbox was deleted, and forget the revisions of its records (notes)."""
        return self.end(address).forget_records(address)

    def saw_record(self, kind: RecordKind, name: bytes, revision: int) -> Self:
        """Remember the newest revision of one of the desk's records.

        Raises:
            ForgedError: the revision is older than the remembered one. Someone restored a record that the
                desk has replaced.
        """
        if revision < self.records.get((kind, name), 0):
            raise ForgedError
        return replace(self, records={**self.records, (kind, name): revision})

    def forget_records(self, address: bytes) -> Self:
        """Forget the revision numbers of the records (notes) about a mailbox, which the desk has dropped."""
        left = {name: revision for name, revision in self.records.items() if not name[1].startswith(address)}
        return replace(self, records=left)

    def saw_letterhead(self, serial: int) -> Self:
        """Remember the newest serial of the letterhead (the desk's signed public statement) that was seen.

        Raises:
            ForgedError: the serial is older than the remembered one.
        """
        if serial < self.letterhead_serial:
            raise ForgedError
        return replace(self, letterhead_serial=serial)

    def to_bytes(self) -> bytes:
        """Write the trusted state (what a workstation remembers) as JSON.

        All lists are in ascending order.
        """
        wire = _Wire(
            letterhead_serial=self.letterhead_serial,
            mailboxes=tuple(
                (address, tuple(sorted(heads))) for address, heads in sorted(self.mailboxes.items())
            ),
            ended=tuple(sorted(self.ended)),
            removed=tuple((address, tuple(sorted(all_))) for address, all_ in sorted(self.removed.items())),
            closed=tuple(sorted(self.closed.items())),
            answered=tuple(sorted(self.answered)),
            records=tuple((*name, revision) for name, revision in sorted(self.records.items())),
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
        trusted_state = cls(
            wire.letterhead_serial,
            {Address(address): tuple(Head(*head) for head in heads) for address, heads in wire.mailboxes},
            frozenset(wire.ended),
            {address: frozenset(digests) for address, digests in wire.removed},
            dict(wire.closed),
            frozenset(wire.answered),
            {(kind, name): revision for kind, name, revision in wire.records},
        )
        if trusted_state.to_bytes() != raw:
            raise MalformedError
        return trusted_state

    def _without(self, address: Address) -> Self:
        """Return a copy that has forgotten the entries, removals, closing and answers of a mailbox.

        The copy still has the revisions of the desk's records and the list of ended mailboxes.
        """
        return replace(
            self,
            mailboxes=_others(self.mailboxes, address),
            removed=_others(self.removed, address),
            closed=_others(self.closed, address),
            answered=self.answered - {address},
        )


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


def _others(known: Mapping[_Key, _Value], name: _Key) -> dict[_Key, _Value]:
    return {other: value for other, value in known.items() if other != name}


class _Wire(StrictStruct, frozen=True):
    letterhead_serial: Annotated[int, Meta(ge=0, le=LARGEST_NUMBER)]
    mailboxes: tuple[tuple[_AddressWire, tuple[tuple[_StrandWire, _Number, _DigestWire], ...]], ...]
    ended: tuple[_AddressWire, ...]
    removed: tuple[tuple[_AddressWire, tuple[_DigestWire, ...]], ...]
    closed: tuple[tuple[_AddressWire, date], ...]
    answered: tuple[_AddressWire, ...]
    records: tuple[tuple[RecordKind, Annotated[bytes, Meta(max_length=NAME_BYTES)], _Number], ...]
