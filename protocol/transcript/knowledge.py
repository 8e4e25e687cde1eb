"""Knowledge: which entries the writer of an entry knew (docs/protocol.md, "Transcript")."""

import heapq
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from graphlib import TopologicalSorter

from protocol.entry import SignedEntry
from protocol.envelope import Author
from protocol.heads import Head
from protocol.identifiers import Digest


class Knowledge:
    """Index that says, for each entry of a mailbox, which earlier entries its writer knew.

    All entries must be authentic. A strand is the list of all entries of one writer. An entry covers the
    entries that its heads name, and everything behind these heads in their strands. It covers neither an
    entry that it lists as unseen, nor anything that is behind such an entry only. A writer knew everything
    that their new entry and their own earlier entries cover. What an entry of another writer covers is not
    passed on.

    Missing entries count too, because other entries name them. A set of entries is stored as a whole number
    with one bit for each entry, so that a mailbox of thousands of entries takes milliseconds.
    """

    def __init__(self, entries: Collection[SignedEntry]) -> None:
        by_digest = {entry.digest: entry for entry in entries}
        self.order = tuple(by_digest[digest] for digest in _thread_order(by_digest))
        self.named: dict[Digest, Head] = {}  # every entry that another entry names, also missing ones
        self._bits: dict[Digest, int] = {}
        self._parents: dict[Digest, tuple[Digest, ...]] = {}  # what an entry names of its own strand
        self._behind: dict[Digest, int] = {}
        self._covered: dict[Digest, int] = {}
        self._known: dict[Digest, int] = {}
        for entry in self.order:
            self._add(entry)

    def knew(self, later: Digest, earlier: Digest) -> bool:
        """Return True if the writer of the entry `later` knew the entry `earlier`."""
        return bool(self._known[later] & self._bit(earlier))

    def covers(self, later: Digest, earlier: Digest) -> bool:
        """Return True if the heads of the entry `later` cover the entry `earlier`.

        The heads are the newest entries that the writer knew. Unlike `knew`, this method leaves out what
        earlier entries of the same writer cover.
        """
        return bool(self._covered[later] & self._bit(earlier))

    def within(self, heads: Iterable[Head]) -> frozenset[Digest]:
        """Return the entries that `heads` names, and all earlier entries of the same writers."""
        reach = 0
        for head in heads:
            reach |= self._bit(head.digest) | self._behind.get(head.digest, 0)
        return frozenset(digest for digest, bit in self._bits.items() if reach & bit)

    def tips(self, digests: Collection[Digest]) -> set[Digest]:
        """Return the newest of the given entries: no other given entry of the same writer names them.

        Two of the entries may be connected only through entries that are not in `digests`. Then both are in
        the result. A new entry that names both lists the entries in between as unseen.
        """
        chosen = set(digests)
        return chosen.difference(*(self._parents.get(digest, ()) for digest in chosen))

    def unknown_to_all(self, digests: Iterable[Digest], writers: Iterable[Digest]) -> list[Digest]:
        """Return the entries in `digests` that no writer of an entry in `writers` knew."""
        known = 0
        for writer in writers:
            known |= self._known[writer]
        return [digest for digest in digests if not known & self._bit(digest)]

    def _add(self, entry: SignedEntry) -> None:
        part = entry.envelope
        own = tuple(head.digest for head in part.heads if head.strand == part.strand)
        self.named.update((head.digest, head) for head in (*part.heads, *part.unseen))
        unseen = sum(self._bit(head.digest) for head in part.unseen)  # no entry is listed twice
        covered = self._reach((head.digest for head in part.heads), unseen)
        known = covered
        for digest in own:
            known |= self._known.get(digest, 0)
        self._parents[entry.digest] = own
        self._behind[entry.digest] = self._reach(own, 0)
        self._covered[entry.digest] = covered
        self._known[entry.digest] = known

    def _reach(self, heads: Iterable[Digest], unseen: int) -> int:
        """Return the entries that `heads` names, and all entries behind them, but stop at unseen entries.

        An unseen entry is one that the writer was not shown. The result is a whole number with one bit for
        each entry.
        """
        todo = list(heads)
        reach = 0
        while todo:
            digest = todo.pop()
            bit, behind = self._bit(digest), self._behind.get(digest, 0)
            if (reach | unseen) & bit:
                continue
            if behind & unseen:
                reach |= bit
                todo += self._parents[digest]
            else:
                reach |= bit | behind
        return reach

    def _bit(self, digest: Digest) -> int:
        return self._bits.setdefault(digest, 1 << len(self._bits))


def _thread_order(by_digest: Mapping[Digest, SignedEntry]) -> list[Digest]:
    """Return the digests of entries in thread order, the order in which pages show the entries.

    An entry comes after all entries that its heads name. The rest is ordered by day, then source before desk,
    then number, then digest. An entry names earlier entries by the digests of signed entries, so names cannot
    form a circle.
    """
    graph = TopologicalSorter(
        {
            digest: [head.digest for head in entry.envelope.heads if head.digest in by_digest]
            for digest, entry in by_digest.items()
        }
    )
    graph.prepare()
    ready: list[tuple[date, Author, int, Digest]] = []
    thread: list[Digest] = []
    while graph.is_active():
        for digest in graph.get_ready():
            part = by_digest[digest].envelope
            heapq.heappush(ready, (part.day, part.author, part.number, digest))
        *_, digest = heapq.heappop(ready)
        thread.append(digest)
        graph.done(digest)
    return thread
