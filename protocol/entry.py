"""Entries: encrypt, sign, verify and decrypt one entry of a mailbox (docs/protocol.md, "Entries")."""

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
from protocol.strand import SIGNATURE_BYTES, EntryWriter, StrandKey, check_signature, strand_verify_key


class EntryColumns(TypedDict):
    """Columns of a new entry, by the column names of the store."""

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
    """An entry in the form in which it is stored: envelope, signature, age header and payload.

    `epoch` is the number of the desk key to which `header` encrypts the file key. The signature covers
    neither `epoch` nor `header`, so that the desk can encrypt the file key again to a new desk key. If
    `header` is None, the entry was removed, and `removal` is the signed statement about the removal
    (`protocol.statements.removal`).
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
        """Parse an entry from its columns in the store. Nothing is verified yet.

        Raises:
            MalformedError: the envelope is malformed, or the signature does not have 64 bytes.
        """
        if len(signature) != SIGNATURE_BYTES:
            raise MalformedError
        return cls(Envelope.from_bytes(envelope), signature, epoch, header, payload, removal)

    def to_stored(self) -> EntryColumns:
        """Return the columns with which the store saves a new entry.

        Raises:
            MalformedError: the header or payload is None. An entry that was removed is never stored as new.
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
        """Return the digest that names the entry in a chain: SHA-256 of envelope and signature."""
        return Digest(hashlib.sha256(self.envelope.to_bytes() + self.signature).digest())


def seal_entry(  # noqa: PLR0913  # each is a field of the envelope
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
    """Encrypt content to the desk's current epoch and to the mailbox, and sign the result as a new entry.

    `mailbox_recipient` must have passed `check_mailbox_keys`. `entry_id` is 16 random bytes, drawn when the
    form was shown. Content of the kind SEEN becomes a mark (read receipt).

    Raises:
        TooLongError: the text, a file name or the list of attachments is over its limit.
        MalformedError: a reader would refuse the content.
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


def renumber(  # noqa: PLR0913  # each is a field of the envelope
    entry: SignedEntry, *, by: EntryWriter, number: int, previous: Digest, seen: Sequence[Digest], day: date
) -> SignedEntry:
    """Sign a new entry again with another number.

    Call this function after another entry was stored first with the number of the new entry.

    The ciphertext stays the same. The caller must drop the old signature and never store it.
    """
    envelope = replace(
        entry.envelope, number=number, previous=previous, seen=tuple(sorted(set(seen))), day=day
    )
    return replace(entry, envelope=envelope, signature=by.sign(envelope.to_bytes()))


def verify_entry(
    entry: SignedEntry, *, mailbox_verify_key: bytes | None, strands: Mapping[StrandId, StrandKey]
) -> None:
    """Check the signature of an entry and the digest of its payload, without decrypting the entry.

    `mailbox_verify_key` must have passed `check_mailbox_keys` for the address that the caller asked for. If
    the key is None, no entry is accepted as the source's. This function does not compare the entry's address
    with the address that the caller asked for. For a whole mailbox, call `check_chain`, which also compares
    the addresses.

    Raises:
        ForgedError: the strand is unknown or was not in use on the day of the entry, or the signature or the
            payload is wrong.
    """
    part = entry.envelope
    key = strand_verify_key(part.strand, part.day, mailbox_verify_key=mailbox_verify_key, strands=strands)
    check_signature(key, part.to_bytes(), entry.signature)
    if entry.payload is not None and hashlib.sha256(entry.payload).digest() != part.payload_sha256:
        raise ForgedError


def open_entry(entry: SignedEntry, identities: Sequence[age.AgeIdentity]) -> Content:
    """Decrypt the content of an entry that passed `verify_entry` or `check_chain`.

    Raises:
        UnreadableError: the entry was removed, or no identity can decrypt the entry.
        ForgedError: the payload or the file key differs from what was signed.
        MalformedError: the decrypted bytes are not content. Or the writer signed a mark (read receipt) that
            has a text, or signed a message as a mark: the inbox would then show wrongly whether the mailbox
            waits for an answer.
    """
    if entry.header is None or entry.payload is None:
        raise UnreadableError
    part = entry.envelope
    if hashlib.sha256(entry.payload).digest() != part.payload_sha256:
        raise ForgedError
    reader = age.AgeReader(entry.header, identities, [entry.payload])
    # Check this before the payload is decrypted. `commit_to_key` names the two attacks that this check stops.
    if commit_to_key(reader.file_key, part.address, part.entry_id) != part.commit:
        raise ForgedError
    content = Content.from_bytes(b"".join(reader))
    if part.speaks != (content.kind is not Kind.SEEN):
        raise MalformedError
    return content
