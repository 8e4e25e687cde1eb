"""Deletion orders: the desk's signed instructions to delete a mailbox.

See docs/protocol.md, "Retention and orders".

The server deletes a mailbox only if the desk ordered this, or if its source ended the mailbox. So someone who
runs the server cannot make the software delete a mailbox. The retention period that the desk promised does
not depend on the server's settings.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from crypto.errors import MalformedError
from crypto.framing import frame, unframe
from protocol.entry import SignedEntry
from protocol.envelope import day_from_bytes, day_to_bytes
from protocol.identifiers import ADDRESS_BYTES, DIGEST_BYTES, NO_DIGEST, STRAND_ID_BYTES, Address, StrandId
from protocol.statements.heads import Heads, heads_from_bytes, heads_to_bytes
from protocol.strand import DeskWriter, StrandKey, check_signature, strand_verify_key

LABEL: Final = b"steunpunt/v1/order"
_FIELDS: Final = 7  # number of fields before the signature
_NO_HEAD: Final = (0, NO_DIGEST)


@dataclass(frozen=True, slots=True)
class DeletionOrder:
    """A verified order of the desk to delete a mailbox.

    The order has the mailbox's address and heads, the first day on which to delete the mailbox, and tallies.

    `tallies_sha256` has the SHA-256 digest of every encrypted tally, in ascending order. `strand` is the
    workstation that signed the order on `day`.
    """

    address: Address
    heads: Heads
    due: date
    tallies_sha256: tuple[bytes, ...]
    strand: StrandId
    day: date


def sign_order(  # noqa: PLR0913  # each is a field of the statement
    address: Address, heads: Heads, *, due: date, tallies: Sequence[bytes], by: DeskWriter, day: date
) -> bytes:
    """Sign an order to delete a mailbox from the day `due` on, and to add its tallies to the ledger.

    `heads` are the heads of all strands of the mailbox, from `check_chain`. `tallies` are encrypted. `day` is
    the day of signing.

    Raises:
        MalformedError: `due` is before `day`, or `tallies` contains one tally twice.
    """
    digests = sorted(hashlib.sha256(tally).digest() for tally in tallies)
    if due < day or len(set(digests)) != len(digests):
        raise MalformedError
    statement = frame(
        LABEL,
        address,
        heads_to_bytes(heads),
        day_to_bytes(due),
        b"".join(digests),
        by.strand,
        day_to_bytes(day),
    )
    return statement + frame(by.sign(statement))


def verify_order(raw: bytes, *, strands: Mapping[StrandId, StrandKey]) -> DeletionOrder:
    """Check the signature of a deletion order, and return the order.

    The caller must compare the address and the tallies in the order with those of the mailbox.

    Raises:
        ForgedError: no workstation of the letterhead signed the order, or the workstation was not in use on
            the day of signing.
        MalformedError: the bytes are not an order.
    """
    fields = unframe(raw)
    if len(fields) != _FIELDS + 1 or fields[0] != LABEL:
        raise MalformedError
    _, address, heads, due, digests, strand, day, signature = fields
    if (
        len(address) != ADDRESS_BYTES
        or len(strand) != STRAND_ID_BYTES  # refuse the source's empty strand: only the desk signs orders
        or len(digests) % DIGEST_BYTES
    ):
        raise MalformedError
    tallies = tuple(digests[at : at + DIGEST_BYTES] for at in range(0, len(digests), DIGEST_BYTES))
    ordered = DeletionOrder(
        address=Address(address),
        heads=heads_from_bytes(heads),
        due=day_from_bytes(due),
        tallies_sha256=tallies,
        strand=StrandId(strand),
        day=day_from_bytes(day),
    )
    if ordered.due < ordered.day or list(tallies) != sorted(set(tallies)):
        raise MalformedError
    key = strand_verify_key(ordered.strand, ordered.day, mailbox_verify_key=None, strands=strands)
    check_signature(key, frame(*fields[:_FIELDS]), signature)
    return ordered


def is_order_void(ordered: DeletionOrder, entries: Iterable[SignedEntry]) -> bool:
    """Return True if an order is void, because the mailbox has changed since the order was signed.

    Every later message voids the order. A later message of the source shows that the source still uses the
    mailbox. A later message of the desk means that the desk reopened the mailbox. Without this rule, someone
    who can write to the store could restore an old order, and the server would delete a mailbox that is in
    use. Marks (read receipts) void nothing. An order is also void if an entry is missing that the desk had
    seen, because the desk must look at such a mailbox. `entries` are all entries of the mailbox, tombstones
    included.
    """
    known = tuple(entries)
    present = {entry.digest for entry in known}
    if any(digest not in present for _, digest in ordered.heads.values()):
        return True
    messages = (entry.envelope for entry in known if entry.envelope.speaks)
    return any(message.number > ordered.heads.get(message.strand, _NO_HEAD)[0] for message in messages)
