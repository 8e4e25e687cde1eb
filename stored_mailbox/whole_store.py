"""Verification of every mailbox of a store with public keys alone, so that an operator can run it."""

import os
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path

from protocol.heads import Heads
from protocol.identifiers import Address, Digest, StrandId
from protocol.strand import StrandKey
from protocol.transcript.check import ALLOW_ANSWERS
from store import mailboxes
from store.database.engine import ServerPlace, Store, open_store
from store.database.one_by_one import work_on_each
from stored_mailbox.lost_entries import has_signed_files, is_readable
from stored_mailbox.reading import has_signed_columns, read_stored

_UNCHECKED = "could_not_be_verified"
_SHARE = 64  # mailboxes that a process verifies before it takes the next ones


@dataclass(frozen=True, slots=True)
class MailboxVerdict:
    """Result of the verification of one mailbox, and the progress through the store.

    - `done`, `total`: number of mailboxes that were verified so far, and of all mailboxes
    - `faults`: the kinds of fault in the mailbox's entries, or only "could_not_be_verified"
    - `damaged_rows`: number of rows that do not parse, or that differ from what was signed
    - `damaged_files`: entries whose encrypted files differ from what was signed
    - `unreadable`: entries that differ from what was signed, or that a workstation cannot decrypt
    - `entries`: number of all entries
    """

    address: Address
    done: int
    total: int
    faults: tuple[str, ...]
    has_sound_keys: bool = True
    damaged_rows: int = 0
    damaged_files: tuple[Digest, ...] = ()
    unreadable: tuple[Digest, ...] = ()
    entries: int = 0

    @property
    def is_sound(self) -> bool:
        """Return True if the verification found no fault in the mailbox."""
        return self.has_sound_keys and not (self.faults or self.damaged_rows or self.damaged_files)

    @property
    def allows_answers(self) -> bool:
        """Return True if an adviser may write in the mailbox, because its faults, if any, are mild."""
        return ALLOW_ANSWERS.issuperset(self.faults) and replace(self, faults=()).is_sound

    def describe(self) -> str:
        """Return a text for the operator that says which faults the verification found in the mailbox."""
        found = [kind.replace("_", " ") for kind in dict.fromkeys(self.faults)]
        if not self.has_sound_keys:
            found.append("wrong keys")
        if self.damaged_rows:
            found.append(f"damaged rows: {self.damaged_rows}")
        if self.damaged_files:
            found.append(f"damaged files: {len(self.damaged_files)}")
        return ", ".join(found)


def verify_store(
    store: Store,
    strands: Mapping[StrandId, StrandKey],
    *,
    after: bytes = b"",
    remembered: Callable[[Address], Heads] = lambda _address: (),
    opens_file: Callable[[bytes], bool] = lambda _: True,
) -> Iterator[MailboxVerdict]:
    """Verify all mailboxes whose address comes after `after`, in ascending order, and yield each result.

    `remembered` returns the newest entries (heads) that a workstation remembers of a mailbox. `opens_file`
    returns True if a workstation can decrypt the age header of an entry or a file.
    """
    with store.reading() as session:
        addresses = mailboxes.all_addresses(session)
    for place in range(bisect_right(addresses, after), len(addresses)):
        heads = remembered(Address(addresses[place]))
        verdict = _verify(store, strands, addresses, place, heads, opens_file)
        if verdict is not None:
            yield verdict


def verify_in_processes(
    place: Path | ServerPlace, strands: Mapping[StrandId, StrandKey]
) -> Iterator[MailboxVerdict]:
    """Verify all mailboxes of a store, with one process for each processor core that may be used.

    The processes are new programs and not forks, so the caller may have threads.
    """
    with closing(open_store(place)) as store, store.reading() as session:
        addresses = mailboxes.all_addresses(session)
    with ProcessPoolExecutor(
        len(os.sched_getaffinity(0)),
        get_context("spawn"),
        _open_in_process,
        (place, dict(strands), addresses),
    ) as pool:
        verdicts = pool.map(_verify_in_process, range(len(addresses)), chunksize=_SHARE)
        yield from (verdict for verdict in verdicts if verdict is not None)


# The arguments of `_verify`, in each process of `verify_in_processes`.
_opened: list[tuple[Store, Mapping[StrandId, StrandKey], Sequence[bytes]]] = []


def _open_in_process(
    place: Path | ServerPlace, strands: Mapping[StrandId, StrandKey], addresses: Sequence[bytes]
) -> None:
    _opened.append((open_store(place), strands, addresses))
    threading.Thread(target=_end_with, args=(parent_process(),), daemon=True).start()


def _end_with(parent: BaseProcess | None) -> None:
    # If the command is killed, the pool would wait for work forever.
    if parent is not None:
        parent.join()
        os._exit(1)


def _verify_in_process(place: int) -> MailboxVerdict | None:
    return _verify(*_opened[0], place)


def _verify(  # noqa: PLR0913, PLR0917  # as `verify_store`, for one mailbox
    store: Store,
    strands: Mapping[StrandId, StrandKey],
    addresses: Sequence[bytes],
    place: int,
    remembered: Heads = (),
    opens_file: Callable[[bytes], bool] = lambda _: True,
) -> MailboxVerdict | None:
    unchecked = MailboxVerdict(Address(addresses[place]), place + 1, len(addresses), (_UNCHECKED,))

    def verify(address: Address) -> MailboxVerdict | None:
        with store.reading() as session:
            found = read_stored(session, address, strands, remembered=remembered)
        if found is None:  # it was ended since
            return None
        transcript = found.transcript
        parts = {digest: entry.envelope for digest, entry in transcript.authentic.items()}
        with_files = sorted(d for d in parts.keys() - transcript.removed.keys() if parts[d].files_sha256)
        return replace(
            unchecked,
            faults=tuple(fault.kind for fault in transcript.faults),
            has_sound_keys=found.has_sound_keys,
            damaged_rows=len(found.damaged),
            damaged_files=tuple(
                digest for digest in with_files if not has_signed_files(store, parts[digest], opens_file)
            ),
            unreadable=tuple(
                Digest(row.digest)
                for row, entry in found.rows
                if entry is None or not (has_signed_columns(row, entry) and is_readable(entry, opens_file))
            ),
            entries=len(found.rows),
        )

    return next(iter(work_on_each([unchecked.address], verify)[0]), unchecked)
