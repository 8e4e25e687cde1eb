"""Reads and opens a share of the store in a process of its own, and answers which mailboxes hold some words.

The process is started clean, is sent the identities through a socket, and ends when that socket closes: with
the desk, when it locks, or with the worker that started it. Nothing it knows is ever written anywhere.
"""

from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import msgspec
from msgspec import UNSET

from crypto.age import PQIdentity
from crypto.errors import ForgedError, MalformedError, UnreadableError
from journalist_app.files.presealed import opened_by_age
from journalist_app.inbox.mailbox_summary import MailboxSummary, summarise_mailbox
from journalist_app.search import tally_reader
from journalist_app.search.text_index import TextIndex
from protocol import chain
from protocol.content import Content
from protocol.entry import SignedEntry, open_entry
from protocol.identifiers import Address
from protocol.letterhead import Letterhead
from protocol.mailbox_keys import check_mailbox_keys
from store import entries, mailboxes
from store.database.engine import Store, open_store
from store.entries import StoredEntry
from store.errors import StoreError
from store.mailboxes import StoredMailbox

_AT_ONCE: Final = 40  # mailboxes read in one short transaction; between two of them questions are answered
ENTRIES_PART, NOTES_PART = 0, 1  # parts of the shelf


class BeginReading(msgspec.Struct, frozen=True, tag=True):
    """The first message: what to read, and with what. It is the only one that holds secrets."""

    store: str
    identities: tuple[bytes, ...]  # seeds of 32 bytes, newest epoch first
    letterhead: bytes
    share: int
    shares: int

    def __repr__(self) -> str:
        return f"BeginReading(share {self.share} of {self.shares})"


class ReadAgain(msgspec.Struct, frozen=True, tag=True):
    """Something is new in these mailboxes: read them again."""

    addresses: tuple[bytes, ...]


class IndexNotes(msgspec.Struct, frozen=True, tag=True):
    """What the adviser noted about a mailbox, to be found as well; it replaces what was noted before."""

    address: bytes
    text: str

    def __repr__(self) -> str:
        return "IndexNotes()"


class UseLetterhead(msgspec.Struct, frozen=True, tag=True):
    """The desk works with another letterhead: it may name more workstations."""

    letterhead: bytes


class FindWords(msgspec.Struct, frozen=True, tag=True):
    """Which mailboxes hold all of these folded words?"""

    question: int
    words: tuple[str, ...]

    def __repr__(self) -> str:
        return "FindWords()"


class MailboxesRead(msgspec.Struct, frozen=True, tag=True):
    """These were read: a card for each that is there. `done` counts since the beginning."""

    summaries: tuple[MailboxSummary, ...]
    gone: tuple[bytes, ...]
    done: int
    total: int


class SearchHits(msgspec.Struct, frozen=True, tag=True):
    """The answer to one question."""

    question: int
    addresses: tuple[bytes, ...]


class ReadingFailed(msgspec.Struct, frozen=True, tag=True):
    """The store could not be read; the process ends."""


Command = BeginReading | ReadAgain | IndexNotes | UseLetterhead | FindWords
Report = MailboxesRead | SearchHits | ReadingFailed


def share_of(address: bytes, shares: int) -> int:
    """Return whose share a mailbox is. Addresses are digests, so the shares are of one size."""
    return address[0] * shares // 256


def serve_search(line: Connection) -> None:
    """Read the share that the first message names, then answer until the other end hangs up.

    Where the first message names tallies, open those and be done.
    """
    try:
        first = msgspec.msgpack.decode(line.recv_bytes(), type=BeginReading | tally_reader.TallyRequest)
        if isinstance(first, tally_reader.TallyRequest):
            tally_reader.serve_tallies(line, first)
        else:
            _Reader(line, first).work()
    except (EOFError, OSError):
        return  # locked, or the worker is gone: so are we
    finally:
        line.close()


class _Reader:
    def __init__(self, line: Connection, begin: BeginReading) -> None:
        self._line = line
        self._path = Path(begin.store)
        self._identities = tuple(PQIdentity(seed) for seed in begin.identities)
        self._strands = Letterhead.from_bytes(begin.letterhead).strand_keys
        self._share, self._shares = begin.share, begin.shares
        self._shelf = TextIndex()
        self._done = self._total = 0
        self._commands = msgspec.msgpack.Decoder(Command)

    def work(self) -> None:
        """Read everything, answering in between; then answer."""
        try:
            store = open_store(self._path)
            try:
                self._read_share(store)
                while True:
                    self._obey(store)
            finally:
                store.close()
        except StoreError:
            self._say(ReadingFailed())

    def _read_share(self, store: Store) -> None:
        with store.reading() as session:
            ours = [
                Address(each)
                for each in mailboxes.all_addresses(session)
                if share_of(each, self._shares) == self._share
            ]
        self._total = len(ours)
        self._say(MailboxesRead((), (), 0, self._total))
        for some in _portions(ours):
            self._done += len(some)
            self._read(store, some)
            while self._line.poll():
                self._obey(store)

    def _obey(self, store: Store) -> None:
        match self._commands.decode(self._line.recv_bytes()):
            case ReadAgain(addresses=addresses):
                for some in _portions([Address(each) for each in addresses]):
                    self._read(store, some)
            case IndexNotes(address=address, text=text):
                self._shelf.put(address, NOTES_PART, [text])
            case UseLetterhead(letterhead=letterhead):
                self._strands = Letterhead.from_bytes(letterhead).strand_keys
            case FindWords(question=question, words=words):
                self._say(SearchHits(question, tuple(self._shelf.find(words))))
            case _:
                raise EOFError  # it is said once; whoever says it again is not ours

    def _read(self, store: Store, addresses: Sequence[Address]) -> None:
        with store.reading() as session:
            here = mailboxes.find_all(session, addresses)
            rows = entries.of_mailboxes(session, [mailbox.address for mailbox in here])
        summaries = tuple(self._card(mailbox, rows[mailbox.address]) for mailbox in here)
        there = {mailbox.address for mailbox in here}
        gone = tuple(address for address in addresses if address not in there)
        for address in gone:
            self._shelf.drop(address)
        self._say(MailboxesRead(summaries, gone, self._done, self._total))

    def _card(self, mailbox: StoredMailbox, rows: Sequence[StoredEntry]) -> MailboxSummary:
        """Verify and open one mailbox, and put its words on the shelf. What fails is left out."""
        address = Address(mailbox.address)
        verify_key: bytes | None = mailbox.verify_key
        try:
            check_mailbox_keys(address, mailbox.recipient, mailbox.verify_key)
        except (ForgedError, MalformedError):
            verify_key = None
        checked = chain.check_chain(address, verify_key, self._strands, list(_signed(rows)), None)
        opened = [(entry, self._content(entry)) for entry in checked.entries]
        self._shelf.put(address, ENTRIES_PART, self._texts(content for _, content in opened if content))
        heads = [digest for _, digest in checked.heads.values()]
        return summarise_mailbox(address, heads, opened)

    def _content(self, entry: SignedEntry) -> Content | None:
        try:
            return open_entry(entry, self._identities)
        except (UnreadableError, ForgedError, MalformedError):
            return None

    def _texts(self, contents: Iterator[Content]) -> Iterator[str]:
        """Yield everything that can be searched for."""
        for content in contents:
            yield from entry_texts(content, self._identities)

    def _say(self, report: Report) -> None:
        self._line.send_bytes(msgspec.msgpack.encode(report))


def _portions(addresses: Sequence[Address]) -> Iterator[Sequence[Address]]:
    for start in range(0, len(addresses), _AT_ONCE):
        yield addresses[start : start + _AT_ONCE]


def _signed(rows: Sequence[StoredEntry]) -> Iterator[SignedEntry]:
    for row in rows:
        try:
            yield SignedEntry.from_stored(
                envelope=row.envelope,
                signature=row.signature,
                epoch=row.epoch,
                header=row.header,
                payload=row.payload,
                removal=row.removal,
            )
        except MalformedError:
            continue  # the page of the mailbox names it


def entry_texts(content: Content, identities: Sequence[PQIdentity]) -> Iterator[str]:
    """Yield the texts of one entry that can be searched for, with those that were sealed in it with age."""
    yield content.text
    yield from opened_by_age(content.text, identities)
    if content.step is not UNSET:
        yield content.step.next
        yield content.step.to
    if content.proposal is not UNSET:
        yield content.proposal.name
    yield from (note.name for note in content.attachments)
