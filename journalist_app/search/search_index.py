"""What may be searched and sorted while the desk is open: words in processes of their own, cards here.

Opening 50,000 entries takes more than one core can do in the time an adviser waits, and Python's threads
share one. So each core gets a process (`reader.py`) that is started clean, reads its share and keeps its
words. All of it is gone when the desk locks.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Final

import msgspec

from journalist_app.errors import IndexMissingError
from journalist_app.inbox.mailbox_summary import MailboxSummary
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

_PATIENCE_SECONDS: Final = 30  # a question waits for the reading of a few mailboxes; this long is a fault

# Starts a reader and returns the line to it and what ends it at once.
WorkerStarter = Callable[[], tuple[Connection, Callable[[], None]]]


@dataclass(frozen=True, slots=True)
class ReadingProgress:
    """How far reading the store is, in mailboxes."""

    done: int
    total: int
    is_whole: bool
    is_broken: bool


@dataclass(slots=True)
class _Share:
    """One reader, as seen from here."""

    line: Connection
    end: Callable[[], None]
    done: int = 0
    total: int = 0
    is_whole: bool = False
    writing: threading.Lock = field(default_factory=threading.Lock)


class SearchIndex:
    """The open desk's index. Safe for threads."""

    def __init__(self, readers: Sequence[WorkerStarter]) -> None:
        """Take what starts each reader; `begin` starts them."""
        self._starters = tuple(readers)
        self._shares: list[_Share] = []
        self._changed = threading.Condition()
        self._cards: dict[bytes, MailboxSummary] = {}
        self._answers: dict[int, list[tuple[bytes, ...]]] = {}
        self._questions = 0
        self._is_broken = False
        self._has_stopped = False

    def begin(self, store_path: str, keyring: Keyring, letterhead: Letterhead) -> None:
        """Start the readers and have each read its share. Returns at once; once stopped it starts none."""
        shares: list[_Share] = []
        for number, start in enumerate(() if self._has_stopped else self._starters):
            line, end = start()
            share = _Share(line, end)
            first = BeginReading(
                store=store_path,
                identities=tuple(identity.to_bytes() for identity in keyring.identities),
                letterhead=letterhead.to_bytes(),
                share=number,
                shares=len(self._starters),
            )
            self._tell(share, first)  # before anybody else can tell it anything
            shares.append(share)
        with self._changed:
            self._shares = shares
            has_stopped = self._has_stopped
        for share in shares:
            threading.Thread(target=self._listen, args=(share,), name="index", daemon=True).start()
            if has_stopped:
                share.end()

    @property
    def starters(self) -> tuple[WorkerStarter, ...]:
        """Return what starts a process, once for each core that may be used."""
        return self._starters

    @property
    def reading(self) -> ReadingProgress:
        """Return how far it is."""
        with self._changed:
            is_whole = bool(self._shares) and self._have_all_read()
            done, total = sum(each.done for each in self._shares), sum(each.total for each in self._shares)
            return ReadingProgress(done, total, is_whole and not self._is_broken, self._is_broken)

    def summaries(self) -> list[MailboxSummary]:
        """Return the card of every mailbox that was read so far."""
        with self._changed:
            return list(self._cards.values())

    def find(self, words: Sequence[str]) -> list[Address]:
        """Return the mailboxes that hold all of these folded words, the newest first.

        Raises:
            IndexMissingError: a reader is gone, or does not answer.
        """
        if not self._shares or not words:
            return []
        with self._changed:
            self._questions += 1
            question = self._questions
            self._answers[question] = []
        try:
            for share in self._shares:
                self._tell(share, FindWords(question, tuple(words)))
            with self._changed:
                answers = self._answers[question]
                self._changed.wait_for(
                    lambda: self._is_broken or len(answers) == len(self._shares), _PATIENCE_SECONDS
                )
                if self._is_broken or len(answers) < len(self._shares):
                    raise IndexMissingError
                summaries = [
                    summary for each in answers for address in each if (summary := self._cards.get(address))
                ]
        finally:
            with self._changed:
                self._answers.pop(question, None)
        summaries.sort(
            key=lambda summary: (-summary.newest.toordinal() if summary.newest else 0, summary.address)
        )
        return [Address(summary.address) for summary in summaries]

    def read_changed(self, heads: Mapping[Address, Iterable[bytes]]) -> None:
        """Have the readers read what changed: `heads` are the digests of all heads, by mailbox."""
        with self._changed:
            stale = {
                address for address, now in heads.items() if not self._has(address, tuple(sorted(now)))
            } | {Address(address) for address in self._cards if address not in heads}
        for number, share in enumerate(self._shares):
            ours = tuple(sorted(each for each in stale if share_of(each, len(self._shares)) == number))
            if ours:
                self._tell(share, ReadAgain(ours))

    def use_letterhead(self, letterhead: Letterhead) -> None:
        """Have the readers know the workstations of a newer letterhead."""
        for share in self._shares:
            self._tell(share, UseLetterhead(letterhead.to_bytes()))

    def index_notes(self, address: Address, text: str) -> None:
        """Let what the adviser noted about a mailbox be found."""
        if self._shares:
            self._tell(self._shares[share_of(address, len(self._shares))], IndexNotes(address, text))

    def wait_until_whole(self, seconds: float) -> ReadingProgress:
        """Wait until everything was read, it broke, or the time is over; return how far it is."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_broken or self._have_all_read(), seconds)
        return self.reading

    def stop(self) -> None:
        """Hang up and end the readers."""
        with self._changed:
            self._has_stopped = True
            self._cards.clear()
            shares = list(self._shares)
        for share in shares:
            share.end()

    def _have_all_read(self) -> bool:
        return len(self._shares) == len(self._starters) and all(share.is_whole for share in self._shares)

    def _has(self, address: Address, heads: tuple[bytes, ...]) -> bool:
        summary = self._cards.get(address)
        return summary is not None and summary.heads == heads

    def _tell(self, share: _Share, command: Command) -> None:
        try:
            with share.writing:
                share.line.send_bytes(msgspec.msgpack.encode(command))
        except OSError:
            self._break()

    def _listen(self, share: _Share) -> None:
        """Take in what a reader says until one of us hangs up."""
        reports = msgspec.msgpack.Decoder(Report)
        try:
            while True:
                self._take(share, reports.decode(share.line.recv_bytes()))
        except (EOFError, OSError):
            self._break()
        finally:
            share.line.close()
            share.end()

    def _take(self, share: _Share, report: MailboxesRead | SearchHits | ReadingFailed) -> None:
        with self._changed:
            match report:
                case _ if self._has_stopped:
                    return  # said before it was ended: nothing may come back after locking
                case MailboxesRead():
                    for summary in report.summaries:
                        self._cards[summary.address] = summary
                    for address in report.gone:
                        self._cards.pop(address, None)
                    if not share.is_whole:
                        share.done, share.total = report.done, report.total
                        share.is_whole = report.done == report.total
                case SearchHits():
                    self._answers.get(report.question, []).append(report.addresses)
                case _:
                    self._is_broken = True
            self._changed.notify_all()

    def _break(self) -> None:
        with self._changed:
            self._is_broken = self._is_broken or not self._has_stopped
            self._changed.notify_all()
