"""Entries: encrypt, sign, verify and decrypt one entry of a mailbox (docs/protocol.md, "Envelope")."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Final, Self

from msgspec import UNSET

from crypto import age
from crypto.errors import ForgedError, MalformedError, UnreadableError
from protocol.content import Content, Kind, StepName
from protocol.envelope import Author, EntryClass, Envelope, commit_to_key, digest_of_files
from protocol.heads import Heads
from protocol.identifiers import Address, Digest, EntryId, StrandId
from protocol.letterhead import Letterhead
from protocol.strand import SIGNATURE_BYTES, EntryWriter, StrandKey, check_signature, strand_verify_key

_KINDS: Final = {
    Author.SOURCE: frozenset({Kind.MESSAGE, Kind.ANSWER}),
    Author.DESK: frozenset({Kind.MESSAGE, Kind.STEP, Kind.PROPOSAL, Kind.CLOSING}),
}
NO_EPOCH = 0  # of an entry without an encrypted part


@dataclass(frozen=True)
class SignedEntry:
    """An entry of a mailbox as the store keeps it: envelope, signature, age header and payload.

    The signature covers only the envelope. `header` and `payload` are None if the entry has no encrypted
    part, or if this part was removed or lost.
    """

    envelope: Envelope
    signature: bytes
    epoch: int = NO_EPOCH
    header: bytes | None = field(default=None, repr=False)
    payload: bytes | None = field(default=None, repr=False)

    @classmethod
    def from_stored(
        cls, envelope: bytes, signature: bytes, epoch: int, header: bytes | None, payload: bytes | None
    ) -> Self:
        """Parse an entry from its columns in the store. Nothing is verified yet.

        Raises:
            MalformedError: the envelope is malformed, or the signature does not have 64 bytes.
        """
        if len(signature) != SIGNATURE_BYTES:
            raise MalformedError
        part = Envelope.from_bytes(envelope)
        if not part.is_words:  # whatever an attacker stores beside an entry without an encrypted part
            return cls(part, signature)
        return cls(part, signature, epoch, header, payload)

    @cached_property
    def digest(self) -> Digest:
        """Return the digest that names the entry: SHA-256 of envelope and signature."""
        return Digest(hashlib.sha256(self.envelope.to_bytes() + self.signature).digest())


EntryContent = tuple[SignedEntry, Content | None]  # None: words that were removed, or cannot be opened


def seal_words(  # noqa: PLR0913  # each is a field of the envelope
    content: Content,
    *,
    address: Address,
    mailbox_recipient: age.PQRecipient,
    letterhead: Letterhead,
    by: EntryWriter,
    entry_id: EntryId,
    heads: Heads,
    unseen: Heads,
    day: date,
    due: date | None = None,
) -> SignedEntry:
    """Encrypt a content to the desk and to the mailbox, and sign the result as a new entry.

    `mailbox_recipient` must have passed `check_mailbox_keys`. `heads` and `unseen` come from
    `Transcript.heads_for`. `due` is the day from which the mailbox may be deleted, or None.

    Raises:
        TooLongError: the text, a file name or the list of attachments is over its limit.
        MalformedError: a reader would refuse the content or the envelope.
    """
    epoch, desk_recipient = letterhead.current_epoch
    sealed = age.encrypt(content.to_bytes(), [desk_recipient, mailbox_recipient])
    envelope = Envelope(
        address=address,
        entry_id=entry_id,
        entry_class=EntryClass.WORDS,
        strand=by.strand,
        heads=heads,
        unseen=unseen,
        day=day,
        letterhead_serial=letterhead.serial,
        due=due,
        files_sha256=_files_sha256(content),
        payload_sha256=hashlib.sha256(sealed.payload).digest(),
        commit=commit_to_key(sealed.file_key, address, entry_id),
    )
    return sign_entry(envelope, by=by, epoch=epoch, header=sealed.header, payload=sealed.payload)


def sign_entry(
    envelope: Envelope,
    *,
    by: EntryWriter,
    epoch: int = NO_EPOCH,
    header: bytes | None = None,
    payload: bytes | None = None,
) -> SignedEntry:
    """Sign an envelope (header of an entry) and return the new entry.

    `header` and `payload` are the encrypted part, and `epoch` is the number of the desk's key.

    Raises:
        MalformedError: a reader would refuse the envelope.
    """
    raw = envelope.to_bytes()
    Envelope.from_bytes(raw)
    return SignedEntry(envelope, by.sign(raw), epoch, header, payload)


def sign_again(entry: SignedEntry, *, by: EntryWriter, heads: Heads, unseen: Heads, day: date) -> SignedEntry:
    """Sign a new entry again with other heads, because another entry was stored in the meantime.

    Heads are names of the newest entries. Never store the entry with the earlier signature.
    """
    envelope = replace(entry.envelope, heads=heads, unseen=unseen, day=day)
    return sign_entry(envelope, by=by, epoch=entry.epoch, header=entry.header, payload=entry.payload)


def verify_entry(
    entry: SignedEntry, *, mailbox_verify_key: bytes | None, strands: Mapping[StrandId, StrandKey]
) -> None:
    """Check the signature of an entry with the key that its writer had on the entry's day. Decrypt nothing.

    `mailbox_verify_key` is the source's key after `check_mailbox_keys`, or None to refuse the source's
    entries. The caller must still check the address and the payload.

    Raises:
        ForgedError: the writer is unknown, the key was not in use on that day, or the signature is wrong.
    """
    part = entry.envelope
    key = strand_verify_key(part.strand, part.day, mailbox_verify_key=mailbox_verify_key, strands=strands)
    check_signature(key, part.to_bytes(), entry.signature)


def has_signed_payload(entry: SignedEntry) -> bool:
    """Return True if the entry's encrypted payload has the digest that the signed envelope names."""
    return (
        entry.payload is not None and hashlib.sha256(entry.payload).digest() == entry.envelope.payload_sha256
    )


def open_entry(entry: SignedEntry, identities: Sequence[age.AgeIdentity]) -> Content:
    """Decrypt the content of an entry that passed `verify_entry` or `read_transcript`.

    Raises:
        UnreadableError: the encrypted part is missing, or no identity can decrypt it.
        ForgedError: the payload or the file key differs from what was signed.
        NewerVersionError: a later version of our code wrote the content.
        MalformedError: the decrypted bytes are not content, or the content does not fit the envelope.
    """
    if entry.header is None or entry.payload is None:
        raise UnreadableError
    if not has_signed_payload(entry):
        raise ForgedError
    part = entry.envelope
    reader = age.AgeReader(entry.header, identities, [entry.payload])
    # Check this before the payload is decrypted. `commit_to_key` names the two attacks that this check stops.
    if commit_to_key(reader.file_key, part.address, part.entry_id) != part.commit:
        raise ForgedError
    content = Content.from_bytes(b"".join(reader))
    if not _fits_envelope(content, part):
        raise MalformedError
    return content


def _fits_envelope(content: Content, envelope: Envelope) -> bool:
    """Return True if a decrypted content agrees with the signed envelope of its entry.

    A closing must have a day of deletion (`due`). The step PASSED_ON may have one, and other entries may not.
    """
    if content.kind not in _KINDS[envelope.author] or _files_sha256(content) != envelope.files_sha256:
        return False
    if content.step is not UNSET and content.step.step is StepName.PASSED_ON:
        return True
    # Otherwise, an entry could close a mailbox without saying so, or announce a closing that never comes.
    return (envelope.due is not None) == (content.kind is Kind.CLOSING)


def _files_sha256(content: Content) -> bytes:
    return digest_of_files((note.id, note.payload_sha256) for note in content.attachments)
