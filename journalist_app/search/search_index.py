"""Search index of the open desk: the search processes, one per core, and the mailbox summaries.

One core cannot decrypt 50,000 entries while an adviser waits, and Python's threads share one core. So each
core gets a fresh process (`search_worker`), which reads its share of the store and keeps the texts. When the
desk locks, the processes end and the summaries are dropped.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Final

import msgspec

from journalist_app.errors import IndexMissingError
from journalist_app.inbox.mailbox_summary import MailboxSummary, digest_of_rows
from journalist_app.search.search_worker import (
    BeginReading,
    Command,
    FindWords,
    IndexNotes,
    MailboxesRead,
    ReadAgain,
    ReadingFailed,
    Report,
    SearchHits,
    UseLetterhead,
    share_of,
)
from protocol.identifiers import Address
from protocol.keyring import Keyring
from protocol.letterhead import Letterhead

_QUERY_SECONDS: Final = 30  # a query may wait for a batch of mailboxes to be read, but never this long

# Starts a search process. Returns the connection to it, and a function that kills it.
WorkerStarter = Callable[[], tuple[Connection, Callable[[], None]]]


@dataclass(frozen=True, slots=True)
class ReadingProgress:
    """Progress of the search processes that read the store: mailboxes read, and mailboxes in all."""

    done: int
    total: int
    is_whole: bool
    is_broken: bool


@dataclass(slots=True)
class _Worker:
    connection: Connection
    end: Callable[[], None]
    done: int = 0
    total: int = 0
    is_whole: bool = False
    writing: threading.Lock = field(default_factory=threading.Lock)


class SearchIndex:
    """Search over all decrypted texts of the unlocked desk, through several search processes. Thread-safe.

    The index also has a summary of each mailbox.
    """

    def __init__(self, readers: Sequence[WorkerStarter]) -> None:
        """Prepare an index, and start no search process yet.

        Each function in `starters` starts one search process.
        """
        self.starters = tuple(readers)
        self._workers: list[_Worker] = []
        self._changed = threading.Condition()
        self._summaries: dict[bytes, MailboxSummary] = {}
        self._answers: dict[int, list[tuple[bytes, ...]]] = {}
        self._queries = 0
        self._is_broken = False
        self._has_stopped = False

    def begin(self, store_path: str, keyring: Keyring, letterhead: Letterhead) -> None:
        """Start the search processes, which read the store in the background. After `stop`, do nothing."""
        workers: list[_Worker] = []
        for number, start in enumerate(() if self._has_stopped else self.starters):
            connection, end = start()
            worker = _Worker(connection, end)
            first = BeginReading(
                store=store_path,
                identities=tuple(identity.to_bytes() for identity in keyring.identities),
                letterhead=letterhead.to_bytes(),
                share=number,
                shares=len(self.starters),
            )
            self._send(worker, first)  # must be the first command on this connection
            workers.append(worker)
        with self._changed:
            self._workers = workers
            has_stopped = self._has_stopped
        for worker in workers:
            threading.Thread(target=self._listen, args=(worker,), name="index", daemon=True).start()
            if has_stopped:
                worker.end()

    @property
    def reading(self) -> ReadingProgress:
        """Return how many mailboxes the search has read so far, and whether reading ended or failed."""
        with self._changed:
            is_whole = bool(self._workers) and self._is_all_read()
            done, total = sum(each.done for each in self._workers), sum(each.total for each in self._workers)
            return ReadingProgress(done, total, is_whole and not self._is_broken, self._is_broken)

    def summaries(self) -> list[MailboxSummary]:
        """Return the summary of every mailbox that the search processes have read so far."""
        with self._changed:
            return list(self._summaries.values())

    def summary_of(self, address: Address) -> MailboxSummary | None:
        """Return the summary of one mailbox, or None if the search processes have not read the mailbox."""
        with self._changed:
            return self._summaries.get(address)

    def find(self, words: Sequence[str]) -> list[Address]:
        """Ask the search processes for the mailboxes that contain all of these words, newest first.

        The words must come from `query_words`.

        Raises:
            IndexMissingError: a search process ended, or does not answer.
        """
        if not self._workers or not words:
            return []
        with self._changed:
            self._queries += 1
            query = self._queries
            self._answers[query] = []
        try:
            for worker in self._workers:
                self._send(worker, FindWords(query, tuple(words)))
            with self._changed:
                answers = self._answers[query]
                self._changed.wait_for(
                    lambda: self._is_broken or len(answers) == len(self._workers), _QUERY_SECONDS
                )
                if self._is_broken or len(answers) < len(self._workers):
                    raise IndexMissingError
                found = [self._summaries.get(address) for addresses in answers for address in addresses]
        finally:
            with self._changed:
                self._answers.pop(query, None)
        summaries = [summary for summary in found if summary is not None]
        summaries.sort(
            key=lambda summary: (-summary.newest.toordinal() if summary.newest else 0, summary.address)
        )
        return [Address(summary.address) for summary in summaries]

    def read_changed(self, entries: Mapping[bytes, Iterable[bytes]]) -> None:
        """Make the search processes read again each mailbox that has changed or ended.

        `entries` maps the address of each mailbox in the store to the digests of its entries.
        """
        with self._changed:
            known = {address: summary.entries for address, summary in self._summaries.items()}
        stale = {
            address for address, digests in entries.items() if known.get(address) != digest_of_rows(digests)
        } | (known.keys() - entries.keys())
        for number, worker in enumerate(self._workers):
            changed = tuple(sorted(each for each in stale if share_of(each, len(self._workers)) == number))
            if changed:
                self._send(worker, ReadAgain(changed))

    def use_letterhead(self, letterhead: Letterhead) -> None:
        """Send the search processes a newer letterhead, so that they accept entries of new workstations.

        A letterhead is the desk's signed public statement, which lists the workstations and their keys.
        """
        for worker in self._workers:
            self._send(worker, UseLetterhead(letterhead.to_bytes()))

    def index_notes(self, address: Address, text: str) -> None:
        """Replace the searchable text of the adviser's notes about a mailbox."""
        if self._workers:
            self._send(self._workers[share_of(address, len(self._workers))], IndexNotes(address, text))

    def stop(self) -> None:
        """End the search processes and drop the summaries of mailboxes."""
        with self._changed:
            self._has_stopped = True
            self._summaries.clear()
            workers = list(self._workers)
        for worker in workers:
            worker.end()

    def _is_all_read(self) -> bool:
        return len(self._workers) == len(self.starters) and all(worker.is_whole for worker in self._workers)

    def _send(self, worker: _Worker, command: Command) -> None:
        try:
            with worker.writing:
                worker.connection.send_bytes(msgspec.msgpack.encode(command))
        except OSError:
            self._mark_broken()

    def _listen(self, worker: _Worker) -> None:
        """Update the index with each report of a search process, until the process closes its connection."""
        reports = msgspec.msgpack.Decoder(Report)
        try:
            while True:
                self._apply(worker, reports.decode(worker.connection.recv_bytes()))
        except (EOFError, OSError):
            self._mark_broken()
        finally:
            worker.connection.close()
            worker.end()

    def _apply(self, worker: _Worker, report: MailboxesRead | SearchHits | ReadingFailed) -> None:
        with self._changed:
            match report:
                case _ if self._has_stopped:
                    return  # a report from before locking: no summary may return to memory
                case MailboxesRead():
                    for summary in report.summaries:
                        self._summaries[summary.address] = summary
                    for address in report.gone:
                        self._summaries.pop(address, None)
                    if not worker.is_whole:
                        worker.done, worker.total = report.done, report.total
                        worker.is_whole = report.done == report.total
                case SearchHits():
                    self._answers.get(report.query, []).append(report.addresses)
                case _:
                    self._is_broken = True
            self._changed.notify_all()

    def _mark_broken(self) -> None:
        with self._changed:
            self._is_broken = self._is_broken or not self._has_stopped
            self._changed.notify_all()
