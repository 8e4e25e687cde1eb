"""Reading of a mailbox from the store: parses its rows and checks the entries as a whole (transcript).

No other code parses these rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypedDict, Unpack

from sqlalchemy.orm import Session

from crypto.errors import MalformedError
from protocol.entry import SignedEntry
from protocol.envelope import Envelope
from protocol.heads import Heads
from protocol.identifiers import Address, Digest, StrandId
from protocol.mailbox_keys import checked_verify_key
from protocol.strand import StrandKey
from protocol.transcript.check import Transcript, head_of, read_transcript
from store import entries, mailboxes

_ParsedRow = tuple[entries.StoredEntry, SignedEntry | None]


@dataclass(frozen=True, slots=True)
class StoredTranscript:
    """A mailbox in one snapshot of the store: its row, verified entries (transcript) and damaged rows.

    - `damaged`: the signed envelope of each damaged row, or None for a malformed row
    - `has_sound_keys`: False if the mailbox's keys do not belong to its address. Then no entry of the source
      is accepted
    - `rows`: each row with its parsed entry, or with None if the row is malformed
    """

    mailbox: mailboxes.StoredMailbox
    transcript: Transcript
    damaged: tuple[Envelope | None, ...]
    has_sound_keys: bool = True
    rows: Sequence[_ParsedRow] = field(default=(), repr=False)


class CheckOptions(TypedDict, total=False):
    """Options for the verification of a mailbox's entries. `read_stored` explains them."""

    remembered: Heads
    has_content: bool
    verify_key: bytes | None


def read_stored(
    session: Session, address: Address, strands: Mapping[StrandId, StrandKey], **options: Unpack[CheckOptions]
) -> StoredTranscript | None:
    """Read a mailbox from the store and verify its entries. Return None if there is no such mailbox.

    - `strands`: the public keys of the desk's workstations
    - `has_content`: False if the encrypted parts are not checked
    - `verify_key`: the source's key, which replaces the stored key
    """
    mailbox = mailboxes.find(session, address)
    if mailbox is None:
        return None
    return check_stored(mailbox, entries.of_mailbox(session, address), strands, **options)


def check_stored(  # noqa: PLR0913  # the mailbox, its rows, and how to check them
    mailbox: mailboxes.StoredMailbox,
    rows: Sequence[entries.StoredEntry],
    strands: Mapping[StrandId, StrandKey],
    *,
    remembered: Heads = (),
    has_content: bool = True,
    verify_key: bytes | None = None,
) -> StoredTranscript:
    """Verify a mailbox's entries, whose rows the caller has read. `read_stored` has the same options."""
    address = Address(mailbox.address)
    verify_key = verify_key or checked_verify_key(address, mailbox.recipient, mailbox.verify_key)
    parsed = [(row, parse_row(row)) for row in rows]
    signed, damaged = _divide(parsed)
    transcript = read_transcript(address, verify_key, strands, signed, remembered, has_content=has_content)
    return StoredTranscript(mailbox, transcript, damaged, verify_key is not None, parsed)


def read_heads(session: Session, address: Address, heads: Heads) -> list[SignedEntry]:
    """Return the entries that `heads` names. An entry that is missing or damaged is left out."""
    rows = [entries.find_digest(session, address, head.digest) for head in heads]
    return [entry for row in rows if row and (entry := parse_row(row)) and head_of(entry) in heads]


def parse_rows(rows: Iterable[entries.StoredEntry]) -> tuple[list[SignedEntry], tuple[Envelope | None, ...]]:
    """Parse the rows of a mailbox's entries. Return the entries, and an envelope for each damaged row.

    A row that does not parse is damaged. It has no entry, and None as its envelope. A row whose columns
    differ from its signed envelope is damaged too, but it has an entry and an envelope.
    """
    return _divide((row, parse_row(row)) for row in rows)


def _divide(parsed: Iterable[_ParsedRow]) -> tuple[list[SignedEntry], tuple[Envelope | None, ...]]:
    signed: list[SignedEntry] = []
    damaged: list[Envelope | None] = []  # the columns of a damaged row can be wrong, and are not used
    for row, entry in parsed:
        if entry is not None:
            signed.append(entry)
        if entry is None or not has_signed_columns(row, entry):
            damaged.append(None if entry is None else entry.envelope)
    return signed, tuple(damaged)


def read_envelopes(
    session: Session, address: Address, parsed: Mapping[Digest, SignedEntry | None] = {}
) -> list[tuple[SignedEntry, entries.StoredEnvelope]]:
    """Parse the signed headers (envelopes) of a mailbox's entries, without reading any ciphertext.

    This is faster than `parse_rows`. Malformed rows are left out, and no signature is verified. An entry in
    `parsed` is not parsed again if its row has the same bytes.
    """
    found: list[tuple[SignedEntry, entries.StoredEnvelope]] = []
    for row in entries.envelopes(session, address):
        raw, known = (row.envelope, row.signature), parsed.get(Digest(row.digest))
        with suppress(MalformedError):
            is_same = known is not None and (known.envelope.to_bytes(), known.signature) == raw
            signed = known if known and is_same else SignedEntry.from_stored(*raw, 0, None, None)
            if signed.envelope.address == address:
                found.append((signed, row))
    return found


def parse_row(row: entries.StoredEntry) -> SignedEntry | None:
    """Parse one row as an entry, without verifying the entry. Return None if the row is malformed."""
    with suppress(MalformedError):
        return SignedEntry.from_stored(row.envelope, row.signature, row.epoch, row.header, row.payload)
    return None


def has_signed_columns(row: entries.StoredEntry, entry: SignedEntry) -> bool:
    """Return True if the columns of an entry's row have the values in the entry's signed envelope."""
    part = entry.envelope
    signed = (int(part.author), part.strand, part.number, part.entry_id, entry.digest, part.day)
    return signed == (row.author, row.strand, row.number, row.entry_id, row.digest, row.day)
