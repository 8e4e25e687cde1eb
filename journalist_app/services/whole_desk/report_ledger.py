"""Decryption of tallies (anonymous counts of deleted mailboxes) for the yearly report.

If there are many tallies, several processes decrypt them in parallel.
"""

from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from typing import Final

import msgspec

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import ReportRefusal, ReportRefusedError
from journalist_app.search import tally_reader
from journalist_app.search.tally_reader import OpenedTally
from protocol.ledger import Tally
from store import ledger_tallies as ledger

_PARALLEL_TALLIES: Final = 2000  # fewer take half a second: not worth starting processes
_BATCH_SECONDS: Final = 60  # limit of waiting for the next batch of some hundred tallies


def read_ledger(desk: OpenDesk) -> tuple[tuple[Tally, ...], tuple[Tally, ...]]:
    """Decrypt the ledger, and return the tallies of workstations in use and those of retired workstations.

    A tally is one anonymous fact about a deleted mailbox. A tally that no workstation of this desk signed is
    left out.

    Raises:
        ReportRefusedError: a process that decrypts tallies ended or did not answer.
    """
    with desk.store.reading() as session:
        here = ledger.tally_ids(session)
    new = [row for row in here if row not in desk.tallies]
    starters = desk.index.starters
    if len(new) < _PARALLEL_TALLIES or not starters:
        for opened in tally_reader.read_tallies(desk.store, new, desk.keyring.identities, desk.letterhead):
            _remember(desk, opened)
    else:
        _decrypt_in_processes(desk, new)
    known = [desk.tallies[row] for row in here if row in desk.tallies]
    tallies = [(each.tally, each.is_retired) for each in known if each.tally is not None]
    in_use = tuple(tally for tally, is_retired in tallies if not is_retired)
    return in_use, tuple(tally for tally, is_retired in tallies if is_retired)


def _decrypt_in_processes(desk: OpenDesk, rows: Sequence[int]) -> None:
    started = [start() for start in desk.index.starters]
    try:
        for number, (connection, _) in enumerate(started):
            wanted = tally_reader.TallyRequest(
                store=str(desk.store.path),
                identities=tuple(identity.to_bytes() for identity in desk.keyring.identities),
                letterhead=desk.letterhead.to_bytes(),
                rows=tuple(rows[number :: len(started)]),
            )
            connection.send_bytes(msgspec.msgpack.encode(wanted))
        batches = msgspec.msgpack.Decoder(tally_reader.TallyBatch)
        reading = [connection for connection, _ in started]
        while reading:
            ready = wait(reading, _BATCH_SECONDS)
            if not ready:
                raise ReportRefusedError(ReportRefusal.LEDGER)
            for connection in (each for each in ready if isinstance(each, Connection)):
                batch = batches.decode(connection.recv_bytes())
                _remember(desk, batch.opened)
                if batch.is_last:
                    reading.remove(connection)
    except (EOFError, OSError) as why:
        raise ReportRefusedError(ReportRefusal.LEDGER) from why
    finally:
        for connection, end in started:
            connection.close()
            end()


def _remember(desk: OpenDesk, opened: Sequence[OpenedTally]) -> None:
    desk.tallies.update({each.row: each for each in opened})
