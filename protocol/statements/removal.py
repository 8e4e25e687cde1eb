"""Removals and endings: signed tombstones of an entry or a whole mailbox.

See docs/protocol.md, "Removals and endings".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from crypto.errors import ForgedError, MalformedError
from crypto.framing import frame, unframe
from protocol.envelope import Author, Envelope, author_from_bytes, day_from_bytes, day_to_bytes
from protocol.identifiers import Address, Digest, StrandId
from protocol.mailbox_keys import check_mailbox_keys
from protocol.statements.heads import Heads, heads_from_bytes, heads_to_bytes
from protocol.strand import EntryWriter, StrandKey, check_signature, strand_verify_key

_REMOVAL: Final = b"steunpunt/v1/removal"
_REMOVAL_FIELDS: Final = 6  # number of fields before the signature
_ENDED: Final = b"steunpunt/v1/ended"
_ENDED_FIELDS: Final = 4


def sign_removal(entry_digest: Digest, *, address: Address, by: EntryWriter, day: date) -> bytes:
    """Sign a statement that an entry was removed on a day.

    The entry's author or the mailbox's source signs.
    """
    statement = frame(_REMOVAL, address, entry_digest, bytes((by.author,)), by.strand, day_to_bytes(day))
    return statement + frame(by.sign(statement))


def verify_removal(
    raw: bytes,
    *,
    of: Envelope,
    entry_digest: Digest,
    mailbox_verify_key: bytes | None,
    strands: Mapping[StrandId, StrandKey],
) -> date:
    """Check the signed statement that an entry was removed, and return the day of the removal.

    Without a signature, a server could drop an entry and pretend that the entry was removed. The statement
    contains the digest of the entry, so the removal of one entry cannot be used for another entry.

    Raises:
        ForgedError: the signer may not remove the entry, or the statement is for another entry or mailbox.
        MalformedError: the bytes are not a removal.
    """
    fields = unframe(raw)
    if len(fields) != _REMOVAL_FIELDS + 1 or fields[0] != _REMOVAL:
        raise MalformedError
    _, address, digest, author, strand, day, signature = fields
    remover = author_from_bytes(author, strand)
    removed_on = day_from_bytes(day)
    if address != of.address or digest != entry_digest or remover not in (Author.SOURCE, of.author):
        raise ForgedError
    key = strand_verify_key(
        StrandId(strand), removed_on, mailbox_verify_key=mailbox_verify_key, strands=strands
    )
    check_signature(key, frame(*fields[:_REMOVAL_FIELDS]), signature)
    return removed_on


@dataclass(frozen=True, slots=True)
class MailboxEnding:
    """Statement of a source that the mailbox is ended: the heads of all strands, and the day."""

    address: Address
    heads: Heads
    day: date


def sign_ending(address: Address, heads: Heads, *, day: date, by: EntryWriter) -> bytes:
    """Sign, as the source, a statement that the mailbox is ended.

    The statement is kept until the desk has seen it.
    """
    statement = frame(_ENDED, address, heads_to_bytes(heads), day_to_bytes(day))
    return statement + frame(by.sign(statement))


def verify_ending(raw: bytes, *, address: Address, recipient: bytes, verify_key: bytes) -> MailboxEnding:
    """Check the source's signed statement that a mailbox is ended, and return the statement.

    Without a signature, a server could drop a whole mailbox and pretend that its source ended the mailbox.
    The heads in the statement show the desk whether it had seen every entry.

    Raises:
        ForgedError: the source of that mailbox did not sign the statement.
        MalformedError: the bytes are not an ending.
    """
    check_mailbox_keys(address, recipient, verify_key)
    fields = unframe(raw)
    if len(fields) != _ENDED_FIELDS + 1 or fields[0] != _ENDED:
        raise MalformedError
    _, ended_address, framed_heads, day, signature = fields
    statement = MailboxEnding(Address(ended_address), heads_from_bytes(framed_heads), day_from_bytes(day))
    if ended_address != address:
        raise ForgedError
    check_signature(verify_key, frame(*fields[:_ENDED_FIELDS]), signature)
    return statement


def is_ended_by_source(raw: bytes, *, address: Address, recipient: bytes, verify_key: bytes) -> bool:
    """Return True if the source signed the statement about an ended mailbox.

    If the result is False, the statement is a deletion order of the desk.
    """
    try:
        verify_ending(raw, address=address, recipient=recipient, verify_key=verify_key)
    except (ForgedError, MalformedError):
        return False
    return True
