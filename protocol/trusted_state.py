"""Trusted state: heads and serials that a workstation remembers, to detect a roll-back of the store.

See docs/protocol.md, "Anchors", which is the protocol's word for the trusted state. The state is encrypted on
the workstation's own disk. The workstation cannot notice when its own disk is restored to an older copy of
the state. The source still can notice this.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Annotated, Final, Self

from msgspec import UNSET, Meta, UnsetType

from crypto import age, signed_lines
from crypto.canonical_json import StrictStruct, decode_json, encode_json
from crypto.errors import ForgedError, MalformedError, UnreadableError
from protocol.identifiers import ADDRESS_BYTES, DIGEST_BYTES, STRAND_ID_BYTES, Address, Digest, StrandId
from protocol.keyring import Keyring
from protocol.sealed_record import NAME_BYTES, RecordKind
from protocol.statements.heads import Heads

_VERSION: Final = b"steunpunt-anchors/1"

RecordName = tuple[RecordKind, bytes]


@dataclass(frozen=True, slots=True)
class TrustedState:
    """Newest number seen of every strand, record and letterhead.

    With these numbers, a workstation detects that a store was rolled back. Each method that changes a number
    returns a new object.
    """

    letterhead_serial: int = 0
    mailboxes: Mapping[Address, Heads] = field(default_factory=dict)
    ended: frozenset[Address] = frozenset()
    removed: Mapping[Address, frozenset[Digest]] = field(default_factory=dict)
    answered: frozenset[Address] = frozenset()  # mailboxes whose source does not wait, up to the heads
    records: Mapping[RecordName, int] = field(default_factory=dict)  # newest revision seen

    def advance(
        self,
        address: Address,
        heads: Heads,
        removed: frozenset[Digest] = frozenset(),
        *,
        is_answered: bool = False,
    ) -> Self:
        """Remember newer heads and tombstones of one mailbox, after `check_chain` found no fault.

        Heads do not show that a removal was undone, because a removal is not part of the chain. So `removed`
        has the digests of the removed entries. Heads also do not show whether the source still waits, because
        the newest entry may be a mark. `is_answered` is True if the source waits for no answer to the entries
        up to these heads.

        Raises:
            ForgedError: the head of a strand would go back or change, or the mailbox has ended.
        """
        known = self.mailboxes.get(address, {})
        for strand, head in known.items():
            now = heads.get(strand, head)
            if now[0] < head[0] or (now[0] == head[0] and now[1] != head[1]):
                raise ForgedError
        if address in self.ended:
            raise ForgedError
        merged = MappingProxyType({**known, **heads})
        others = self.answered - {address}
        tombstones = self.removed.get(address, frozenset()) | removed
        return replace(
            self,
            mailboxes=MappingProxyType({**self.mailboxes, address: merged}),
            removed=MappingProxyType({**self.removed, address: tombstones}) if tombstones else self.removed,
            answered=others | {address} if is_answered else others,
        )

    def end(self, address: Address) -> Self:
        """Remember that the source ended a mailbox, and forget the heads and tombstones of the mailbox.

        The revisions of the desk's own records about the mailbox stay until the desk drops them (`purged`).
        """
        left = {other: heads for other, heads in self.mailboxes.items() if other != address}
        removed = {other: digests for other, digests in self.removed.items() if other != address}
        return replace(
            self,
            mailboxes=MappingProxyType(left),
            ended=self.ended | {address},
            removed=MappingProxyType(removed),
            answered=self.answered - {address},
        )

    def purged(self, address: Address) -> Self:
        """Remember that a mailbox is gone, and forget the revisions of the desk's own records about it.

        Either the desk ordered the deletion, or the source ended the mailbox and the desk dropped its
        records.
        """
        return self.end(address).forget_records(address)

    def saw_record(self, kind: RecordKind, name: bytes, revision: int) -> Self:
        """Remember the newest revision of one of the desk's records.

        Raises:
            ForgedError: the revision is older than the remembered one. Someone restored a record that the
                desk has replaced.
        """
        if revision < self.records.get((kind, name), 0):
            raise ForgedError
        return replace(self, records=MappingProxyType({**self.records, (kind, name): revision}))

    def forget_records(self, address: bytes) -> Self:
        """Forget the revisions of the records about a mailbox, because the desk dropped these records."""
        left = {name: revision for name, revision in self.records.items() if not name[1].startswith(address)}
        return replace(self, records=MappingProxyType(left))

    def saw_letterhead(self, serial: int) -> Self:
        """Remember the newest serial of the letterhead.

        Raises:
            ForgedError: the serial is older than the remembered one.
        """
        if serial < self.letterhead_serial:
            raise ForgedError
        return replace(self, letterhead_serial=serial)

    def to_bytes(self) -> bytes:
        """Write the trusted state as JSON, with addresses and strands in ascending order."""
        mailboxes = tuple(
            (address, tuple((strand, *head) for strand, head in sorted(heads.items())))
            for address, heads in sorted(self.mailboxes.items())
        )
        wire = _Wire(
            letterhead_serial=self.letterhead_serial,
            mailboxes=mailboxes,
            ended=tuple(sorted(self.ended)),
            removed=tuple((address, tuple(sorted(all_))) for address, all_ in sorted(self.removed.items())),
            answered=tuple(sorted(self.answered)) or UNSET,
            records=tuple((*name, revision) for name, revision in sorted(self.records.items())) or UNSET,
        )
        return encode_json(wire)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Parse a trusted state. Only the exact bytes that `to_bytes` writes are accepted.

        Raises:
            MalformedError: `to_bytes` never writes these bytes.
        """
        wire = decode_json(raw, _Wire)
        mailboxes = {
            Address(address): MappingProxyType(
                {StrandId(strand): (number, Digest(digest)) for strand, number, digest in heads}
            )
            for address, heads in wire.mailboxes
        }
        trusted_state = cls(
            wire.letterhead_serial,
            MappingProxyType(mailboxes),
            frozenset(Address(address) for address in wire.ended),
            MappingProxyType(
                {
                    Address(address): frozenset(Digest(digest) for digest in digests)
                    for address, digests in wire.removed
                }
            ),
            frozenset(map(Address, wire.answered or ())),
            MappingProxyType({(kind, name): revision for kind, name, revision in wire.records or ()}),
        )
        if trusted_state.to_bytes() != raw:
            raise MalformedError
        return trusted_state


def seal_trusted_state(trusted_state: TrustedState, keyring: Keyring) -> bytes:
    """Sign the trusted state as this workstation, and encrypt it as an age file for this workstation only."""
    signed = signed_lines.write_signed_lines(_VERSION, trusted_state.to_bytes(), keyring.strand.seed)
    sealed = age.encrypt(signed, [keyring.trusted_state_identity.recipient])
    return sealed.header + sealed.payload


def open_trusted_state(raw: bytes, keyring: Keyring) -> TrustedState:
    """Decrypt and verify the trusted state that this workstation saved.

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


_AddressWire = Annotated[bytes, Meta(min_length=ADDRESS_BYTES, max_length=ADDRESS_BYTES)]
_DigestWire = Annotated[bytes, Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
_HeadWire = tuple[
    Annotated[bytes, Meta(max_length=STRAND_ID_BYTES)],  # empty for the source's strand
    Annotated[int, Meta(ge=1, le=2**63 - 1)],
    _DigestWire,
]

_RecordWire = tuple[
    RecordKind, Annotated[bytes, Meta(max_length=NAME_BYTES)], Annotated[int, Meta(ge=1, le=2**63 - 1)]
]


class _Wire(StrictStruct, frozen=True):
    letterhead_serial: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    mailboxes: tuple[tuple[_AddressWire, tuple[_HeadWire, ...]], ...]
    ended: tuple[_AddressWire, ...]
    removed: tuple[tuple[_AddressWire, tuple[_DigestWire, ...]], ...]
    answered: tuple[_AddressWire, ...] | UnsetType = (
        UNSET  # not written if empty, so that older files stay valid
    )
    records: tuple[_RecordWire, ...] | UnsetType = UNSET
