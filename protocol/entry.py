"""One entry of a mailbox: sealing, signing, verifying and opening it (docs/protocol.md, "Entries")."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Self, TypedDict

from crypto import age
from crypto.errors import ForgedError, MalformedError, UnreadableError
from protocol.content import Content, Kind
from protocol.envelope import Envelope, commit_to_key
from protocol.identifiers import Address, Digest, EntryId, StrandId
from protocol.letterhead import Letterhead
from protocol.strand import (
    SIGNATURE_BYTES,
    EntryWriter,
    StrandKey,
    check_signature,
    strand_verify_key,
)


class EntryColumns(TypedDict):
    """The columns of a fresh entry, by the names under which a store takes it."""

    address: Address
    author: int
    strand: StrandId
    number: int
    entry_id: EntryId
    digest: Digest
    envelope: bytes
    signature: bytes
    epoch: int
    day: date
    header: bytes
    payload: bytes
    previous: Digest
    speaks: bool


@dataclass(frozen=True, slots=True)
class SignedEntry:
    """An entry as it is stored.

    `epoch` says for which desk key `header` is wrapped; neither is signed, so that the desk can wrap it anew.
    Where `header` is gone the entry was removed: `removal` says by whom (see `protocol.statements.removal`).
    """

    envelope: Envelope
    signature: bytes
    epoch: int
    header: bytes | None = field(repr=False)
    payload: bytes | None = field(repr=False)
    removal: bytes | None = field(default=None, repr=False)

    @classmethod
    def from_stored(  # noqa: PLR0913  # the columns of a row
        cls,
        *,
        envelope: bytes,
        signature: bytes,
        epoch: int,
        header: bytes | None,
        payload: bytes | None,
        removal: bytes | None,
    ) -> Self:
        """Read an entry back from its columns. Nothing is verified yet.

        Raises:
            MalformedError: the open part is not one, or the signature is not 64 bytes.
        """
        if len(signature) != SIGNATURE_BYTES:
            raise MalformedError
        return cls(Envelope.from_bytes(envelope), signature, epoch, header, payload, removal)

    def to_stored(self) -> EntryColumns:
        """Return the columns of an entry that was just sealed.

        Raises:
            MalformedError: its header or payload is gone: what was removed is never stored anew.
        """
        if self.header is None or self.payload is None:
            raise MalformedError
        part = self.envelope
        return EntryColumns(
            address=part.address,
            author=int(part.author),
            strand=part.strand,
            number=part.number,
            entry_id=part.entry_id,
            digest=self.digest,
            envelope=part.to_bytes(),
            signature=self.signature,
            epoch=self.epoch,
            day=part.day,
            header=self.header,
            payload=self.payload,
            previous=part.previous,
            speaks=part.speaks,
        )

    @property
    def digest(self) -> Digest:
        """Return the entry's name in the chain: SHA-256 of what was signed and the signature."""
        return Digest(hashlib.sha256(self.envelope.to_bytes() + self.signature).digest())


def seal_entry(  # noqa: PLR0913  # each is a field of the open part
    content: Content,
    *,
    address: Address,
    mailbox_recipient: bytes,
    letterhead: Letterhead,
    by: EntryWriter,
    entry_id: EntryId,
    number: int,
    previous: Digest,
    seen: Sequence[Digest],
    day: date,
) -> SignedEntry:
    """Seal content to the desk's current epoch and to the mailbox, and sign it into its place.

    `mailbox_recipient` must have passed `mailbox_keys.certify`. `entry_id` is 16 random bytes, chosen when
    the form was shown. Content of the kind SEEN becomes a mark.

    Raises:
        TooLongError: the text, a file name or the list of attachments is over its limit.
        MalformedError: the content is not one that a reader would accept.
    """
    epoch, desk_recipient = letterhead.current_epoch
    sealed = age.encrypt(content.to_bytes(), [desk_recipient, age.PQRecipient.from_bytes(mailbox_recipient)])
    envelope = Envelope(
        address=address,
        entry_id=entry_id,
        author=by.author,
        strand=by.strand,
        number=number,
        previous=previous,
        seen=tuple(sorted(set(seen))),
        day=day,
        letterhead_serial=letterhead.serial,
        payload_sha256=hashlib.sha256(sealed.payload).digest(),
        commit=commit_to_key(sealed.file_key, address, entry_id),
        speaks=content.kind is not Kind.SEEN,
    )
    return SignedEntry(envelope, by.sign(envelope.to_bytes()), epoch, sealed.header, sealed.payload)


def renumber(  # noqa: PLR0913  # each is a field of the open part
    entry: SignedEntry, *, by: EntryWriter, number: int, previous: Digest, seen: Sequence[Digest], day: date
) -> SignedEntry:
    """Sign a fresh entry into another place, after another entry of the strand was there first.

    What was sealed stays. The signature of the lost place must be dropped, not stored.
    """
    envelope = replace(
        entry.envelope, number=number, previous=previous, seen=tuple(sorted(set(seen))), day=day
    )
    return replace(entry, envelope=envelope, signature=by.sign(envelope.to_bytes()))


def verify_entry(
    entry: SignedEntry, *, mailbox_verify_key: bytes | None, strands: Mapping[StrandId, StrandKey]
) -> None:
    """Check, without opening it, who signed an entry and that its payload is the signed one.

    `mailbox_verify_key` must have passed `mailbox_keys.certify` for the address that the caller asked for;
    with None nothing counts as the source's. The caller compares that address with the entry's: `chain.check`
    does both for a whole mailbox.

    Raises:
        ForgedError: an unknown strand, one used outside its days, a signature or a payload that does not fit.
    """
    part = entry.envelope
    key = strand_verify_key(part.strand, part.day, mailbox_verify_key=mailbox_verify_key, strands=strands)
    check_signature(key, part.to_bytes(), entry.signature)
    if entry.payload is not None and hashlib.sha256(entry.payload).digest() != part.payload_sha256:
        raise ForgedError


def open_entry(entry: SignedEntry, identities: Sequence[age.AgeIdentity]) -> Content:
    """Open the sealed part of an entry that `verify` or `chain.check` has passed.

    Raises:
        UnreadableError: removed, or none of the identities opens it.
        ForgedError: it opens, but the payload or the file key is not the one that was signed.
        MalformedError: its writer sealed something that is no content, or signed a mark that says something,
            or words as a mark: whoever counts who waits for an answer would be led astray.
    """
    if entry.header is None or entry.payload is None:
        raise UnreadableError
    part = entry.envelope
    if hashlib.sha256(entry.payload).digest() != part.payload_sha256:
        raise ForgedError
    reader = age.AgeReader(entry.header, identities, [entry.payload])
    # Before a byte is opened: protocol/envelope.py names the two attacks that this stops.
    if commit_to_key(reader.file_key, part.address, part.entry_id) != part.commit:
        raise ForgedError
    content = Content.from_bytes(b"".join(reader))
    if part.speaks != (content.kind is not Kind.SEEN):
        raise MalformedError
    return content
