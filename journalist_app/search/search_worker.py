"""Search process: decrypts a share of the store, and finds the mailboxes that contain given words.

The search process starts without secrets and receives the decryption keys through a socket. It ends when the
socket closes: when the desk locks, or when the web worker that started it ends. It never writes to a disk.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import msgspec
from msgspec import UNSET

from crypto.age import PQIdentity
from crypto.errors import CryptoError
from journalist_app.files.presealed import PieceKind, PresealedCache, Unsealer
from journalist_app.files.sealing_words import NamedMailbox, named_mailbox
from journalist_app.inbox import mailbox_summary
from journalist_app.inbox.mailbox_summary import MailboxSummary
from journalist_app.search import tally_reader
from journalist_app.search.text_index import TextIndex
from protocol.content import Content
from protocol.entry import SignedEntry, open_entry
from protocol.identifiers import Address
from protocol.letterhead import Letterhead
from store import entries, mailboxes
from store.database.engine import Store, open_store
from store.database.one_by_one import work_on_each
from store.entries import StoredEntry
from store.errors import StoreError
from store.mailboxes import StoredMailbox
from stored_mailbox.reading import check_stored

_AT_ONCE: Final = 40  # mailboxes per transaction; queries are answered between transactions
ENTRIES_PART, NOTES_PART = 0, 1  # the two parts of a mailbox in the text index


class BeginReading(msgspec.Struct, frozen=True, tag=True):
    """First command to a search process: the decryption keys, and the share of the store to read."""

    store: str
    identities: tuple[bytes, ...]  # seeds of the decryption keys, 32 bytes each, newest epoch first
    letterhead: bytes
    share: int
    shares: int

    def __repr__(self) -> str:
        return f"BeginReading(share {self.share} of {self.shares})"


class ReadAgain(msgspec.Struct, frozen=True, tag=True):
    """Command to a search process: read these mailboxes again, because they have new entries or ended."""

    addresses: tuple[bytes, ...]


class IndexNotes(msgspec.Struct, frozen=True, tag=True):
    """Command to a search process: replace the adviser's searchable notes about one mailbox."""

    address: bytes
    text: str

    def __repr__(self) -> str:
        return "IndexNotes()"


class UseLetterhead(msgspec.Struct, frozen=True, tag=True):
    """Command to a search process: verify entries with a newer letterhead, which may name more workstations.

    The letterhead is the desk's signed public statement.
    """

    letterhead: bytes


class FindWords(msgspec.Struct, frozen=True, tag=True):
    """Command to a search process: find the mailboxes that contain all words that `query_words` returned."""

    query: int
    words: tuple[str, ...]

    def __repr__(self) -> str:
        return "FindWords()"


class MailboxesRead(msgspec.Struct, frozen=True, tag=True):
    """Message from a search process to the app, with the summaries of a batch of mailboxes.

    `gone` has the addresses that are no longer in the store. The process has read `done` of its `total`
    mailboxes.
    """

    summaries: tuple[MailboxSummary, ...]
    gone: tuple[bytes, ...]
    done: int
    total: int


class SearchHits(msgspec.Struct, frozen=True, tag=True):
    """Message from a search process to the app, with the mailboxes that match one query."""

    query: int
    addresses: tuple[bytes, ...]


class ReadingFailed(msgspec.Struct, frozen=True, tag=True):
    """Message from a search process to the app: the store could not be read. The process then ends."""


Command = BeginReading | ReadAgain | IndexNotes | UseLetterhead | FindWords
Report = MailboxesRead | SearchHits | ReadingFailed


def share_of(address: bytes, shares: int) -> int:
    """Return the number of the search process that must read this mailbox, counted from 0."""
    # Addresses are digests, so the shares are about equal. Process 0 reads a damaged row without an address.
    return int.from_bytes(address[:1]) * shares // 256


def serve_search(line: Connection) -> None:
    """Serve search commands in this process until the connection closes.

    If the first command asks for tallies, which are anonymous facts, the process sends the tallies and ends.
    """
    try:
        first = msgspec.msgpack.decode(line.recv_bytes(), type=BeginReading | tally_reader.TallyRequest)
        if isinstance(first, tally_reader.TallyRequest):
            tally_reader.serve_tallies(line, first)
        else:
            _SearchWorker(line, first).run()
    except (EOFError, OSError):
        return  # the desk was locked, or the web worker ended
    finally:
        line.close()


class _SearchWorker:
    def __init__(self, line: Connection, begin: BeginReading) -> None:
        self._line = line
        self._path = Path(begin.store)
        self._identities = tuple(PQIdentity(seed) for seed in begin.identities)
        self._strands = Letterhead.from_bytes(begin.letterhead).strand_keys
        self._share, self._shares = begin.share, begin.shares
        self._index = TextIndex()
        self._done = self._total = 0
        self._commands = msgspec.msgpack.Decoder(Command)

    def run(self) -> None:
        """Read this process's share of the mailboxes, and answer commands until the connection closes."""
        try:
            with closing(open_store(self._path)) as store:
                self._read_share(store)
                while True:
                    self._execute_next(store)
        except StoreError:
            self._send(ReadingFailed())

    def _read_share(self, store: Store) -> None:
        with store.reading() as session:
            here = map(Address, mailboxes.all_addresses(session))
            addresses = [each for each in here if share_of(each, self._shares) == self._share]
        self._total = len(addresses)
        self._send(MailboxesRead((), (), 0, self._total))
        for batch in _batches(addresses):
            self._done += len(batch)
            self._read(store, batch)
            while self._line.poll():
                self._execute_next(store)

    def _execute_next(self, store: Store) -> None:
        match self._commands.decode(self._line.recv_bytes()):
            case ReadAgain(addresses=addresses):
                for batch in _batches([Address(each) for each in addresses]):
                    self._read(store, batch)
            case IndexNotes(address=address, text=text):
                self._index.put(address, NOTES_PART, [text])
            case UseLetterhead(letterhead=letterhead):
                self._strands = Letterhead.from_bytes(letterhead).strand_keys
            case FindWords(query=query, words=words):
                self._send(SearchHits(query, tuple(self._index.find(words))))
            case _:
                raise EOFError  # a second `BeginReading` is a fault

    def _read(self, store: Store, addresses: Sequence[Address]) -> None:
        with store.reading() as session:
            found = mailboxes.find_all(session, addresses)
            rows = entries.of_mailboxes(session, [mailbox.address for mailbox in found])
        here = {Address(mailbox.address): mailbox for mailbox in found}
        summaries, failed = work_on_each(here, lambda each: self._summary(here[each], rows[each]))
        gone = tuple(address for address in addresses if address not in here)
        for address in (*gone, *failed):
            self._index.drop(address)
        for address in failed:
            digest = mailbox_summary.digest_of_rows(row.digest for row in rows[address])
            summaries.append(MailboxSummary(address, digest, None, "", failed=True))
        self._send(MailboxesRead(tuple(summaries), gone, self._done, self._total))

    def _summary(self, mailbox: StoredMailbox, rows: Sequence[StoredEntry]) -> MailboxSummary:
        """Verify and decrypt one mailbox, make its texts searchable, and return its summary.

        Entries that fail a check are left out.
        """
        address = Address(mailbox.address)
        transcript = check_stored(mailbox, rows, self._strands).transcript
        opened = [(entry, self._content(entry)) for entry in transcript.entries]
        texts = [entry_texts(address, content, self._identities) for _, content in opened if content]
        self._index.put(address, ENTRIES_PART, itertools.chain.from_iterable(texts))
        entries_digest = mailbox_summary.digest_of_rows(row.digest for row in rows)
        return mailbox_summary.summarise_mailbox(address, entries_digest, transcript, opened)

    def _content(self, entry: SignedEntry) -> Content | None:
        with suppress(CryptoError):
            return open_entry(entry, self._identities)
        return None

    def _send(self, report: Report) -> None:
        self._line.send_bytes(msgspec.msgpack.encode(report))


def _batches(addresses: Sequence[Address]) -> Iterator[Sequence[Address]]:
    for start in range(0, len(addresses), _AT_ONCE):
        yield addresses[start : start + _AT_ONCE]


def entry_texts(address: Address, content: Content, identities: Sequence[PQIdentity]) -> Iterator[str]:
    """Yield the searchable texts of one entry, and of the blocks that the source encrypted with age.

    A block is left out if it has the six-word name of another mailbox, but not of this mailbox.
    """
    # Such a block was perhaps copied from that mailbox.
    yield content.text
    for piece in Unsealer(identities, None, PresealedCache(), at_most=0).text(content.text):
        if piece.kind is PieceKind.OPENED and named_mailbox(piece.words, address) is not NamedMailbox.OTHER:
            yield piece.text
    if content.step is not UNSET:
        yield content.step.next
        yield content.step.to
    if content.proposal is not UNSET:
        yield content.proposal.name
    yield from (note.name for note in content.attachments)
