"""Decryption of tallies (anonymous counts of deleted mailboxes) for the yearly report, in search processes.

One tally takes a quarter of a millisecond to decrypt, and Python's threads share one core. So 100,000 tallies
are divided over several processes, one for each core.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import msgspec

from crypto.age import PQIdentity
from crypto.errors import ForgedError, MalformedError, UnreadableError
from protocol.identifiers import StrandId
from protocol.ledger import Tally, open_tally
from protocol.letterhead import Letterhead
from protocol.strand import StrandKey
from store import ledger_tallies
from store.database.engine import Store, open_store
from store.errors import StoreError

_AT_ONCE: Final = 500  # rows of the ledger read in one transaction


class TallyRequest(msgspec.Struct, frozen=True, tag=True):
    """Command to a search process to decrypt some anonymous facts about deleted mailboxes.

    The command contains the secret decryption keys.
    """

    store: str
    identities: tuple[bytes, ...]  # seeds of the decryption keys, 32 bytes each, newest epoch first
    letterhead: bytes
    rows: tuple[int, ...]

    def __repr__(self) -> str:
        return f"TallyRequest({len(self.rows)})"


class OpenedTally(msgspec.Struct, frozen=True, array_like=True):
    """One decrypted tally, an anonymous fact about a deleted mailbox, with its row number.

    `tally` is None if the row is damaged or no workstation signed it. `is_retired` is True if a workstation
    that is now retired signed the tally.
    """

    row: int
    tally: Tally | None
    is_retired: bool = False


class TallyBatch(msgspec.Struct, frozen=True, tag=True):
    """Message from a search process to the app, with decrypted facts about deleted mailboxes.

    The last message has `is_last` and no facts.
    """

    opened: tuple[OpenedTally, ...]
    is_last: bool


def read_tallies(
    store: Store, rows: Sequence[int], identities: Sequence[PQIdentity], letterhead: Letterhead
) -> Iterator[tuple[OpenedTally, ...]]:
    """Decrypt the tallies in the rows with these numbers, and yield them in batches.

    A tally is an anonymous fact about a deleted mailbox. A row that no longer exists is left out.
    `letterhead` has the keys to verify the tallies.
    """
    for start in range(0, len(rows), _AT_ONCE):
        with store.reading() as session:
            sealed = ledger_tallies.tallies_by_id(session, rows[start : start + _AT_ONCE])
        yield tuple(_open(row, raw, identities, letterhead) for row, raw in sealed)


def serve_tallies(line: Connection, request: TallyRequest) -> None:
    """Decrypt the requested anonymous facts about deleted mailboxes, and send them in batches.

    The last batch has `is_last` and no facts.
    """
    identities = tuple(PQIdentity(seed) for seed in request.identities)
    letterhead = Letterhead.from_bytes(request.letterhead)
    try:
        with closing(open_store(Path(request.store))) as store:
            for opened in read_tallies(store, request.rows, identities, letterhead):
                line.send_bytes(msgspec.msgpack.encode(TallyBatch(opened, is_last=False)))
    except StoreError:
        return
    line.send_bytes(msgspec.msgpack.encode(TallyBatch((), is_last=True)))


def keys_in_use(letterhead: Letterhead) -> Mapping[StrandId, StrandKey]:
    """Return the public keys of the workstations that are not retired."""
    return {strand: key for strand, key in letterhead.strand_keys.items() if key.until is None}


def _open(row: int, raw: bytes, identities: Sequence[PQIdentity], letterhead: Letterhead) -> OpenedTally:
    with suppress(ForgedError, UnreadableError, MalformedError):
        return OpenedTally(row, open_tally(raw, identities, keys_in_use(letterhead)))
    with suppress(ForgedError, UnreadableError, MalformedError):
        return OpenedTally(row, open_tally(raw, identities, letterhead.strand_keys), is_retired=True)
    return OpenedTally(row, None)
