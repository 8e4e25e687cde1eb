"""An order: the desk's signed instruction to delete a mailbox from a day on (docs/protocol.md, "Orders").

The server deletes by such an order and by nothing else, so nobody who runs it can have a mailbox deleted
without the desk, and a retention that the desk promised does not depend on the server's settings.
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
_FIELDS: Final = 7  # before the signature
_NO_HEAD: Final = (0, NO_DIGEST)


@dataclass(frozen=True, slots=True)
class DeletionOrder:
    """What the desk ordered: of which mailbox, as it stood then, from which day, counted by which tallies.

    `tallies_sha256` holds the SHA-256 of every sealed tally, ascending; `day` is the day it was signed on.
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
    """Order that a mailbox be deleted from `due` on, and its sealed tallies put into the ledger.

    `heads` are those of all strands, as the desk found them sound.

    Raises:
        MalformedError: due before it is signed, or a tally twice.
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
    """Check an order and return what it says; the caller compares address and tallies with what it has.

    Raises:
        ForgedError: no workstation of the letterhead signed it, or not on a day on which it may.
        MalformedError: no order that we write.
    """
    fields = unframe(raw)
    if len(fields) != _FIELDS + 1 or fields[0] != LABEL:
        raise MalformedError
    _, address, heads, due, digests, strand, day, signature = fields
    if (
        len(address) != ADDRESS_BYTES
        or len(strand) != STRAND_ID_BYTES  # never the source's: it ends its mailbox, and orders nothing
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
    """Tell whether what lies in the mailbox now is no longer what the order was given for.

    Anything that was said since voids it, by the source, who is still there, or by the desk: were it not so,
    whoever can write to the store could put back an order that the desk took back by reopening the mailbox.
    Marks say nothing, and void nothing. Nor is a mailbox deleted from which something is missing that the
    desk had seen: that is for the desk to look at. `entries` are all of the mailbox, tombstones included.
    """
    known = tuple(entries)
    present = {entry.digest for entry in known}
    if any(digest not in present for _, digest in ordered.heads.values()):
        return True
    said = (entry.envelope for entry in known if entry.envelope.speaks)
    return any(part.number > ordered.heads.get(part.strand, _NO_HEAD)[0] for part in said)
