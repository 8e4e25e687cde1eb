"""Knowledge: which entries the writer of an entry knew (docs/protocol.md, "Transcript")."""

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from graphlib import TopologicalSorter

from protocol.entry import SignedEntry
from protocol.envelope import Author
from protocol.heads import Head, Heads
from protocol.identifiers import Digest, StrandId


class Knowledge:
    """Index that says, for each entry of a mailbox, which earlier entries its writer knew.

    All entries must be authentic. `retired` maps each retired workstation to its last day.

    - `named`: entries that an entry of the source or of a workstation in use names, even if they are missing
    - `doubted`: entries that an entry of a retired workstation names. They may never have existed
    """

    def __init__(self, entries: Collection[SignedEntry], retired: Mapping[StrandId, date]) -> None:
        self.retired = retired
        self._entries = {entry.digest: entry for entry in entries}
        self.order = tuple(self._entries[digest] for digest in _thread_order(self._entries))
        self.named: dict[Digest, Head] = {}  # every entry that another entry names, also missing ones
        self.doubted: dict[Digest, Head] = {}  # the same of entries of retired workstations
        self._parents: dict[Digest, tuple[Digest, ...]] = {}  # what an entry names of its own strand
        for entry in self.order:
            part = entry.envelope
            named = self.doubted if part.strand in retired else self.named
            named.update((head.digest, head) for head in (*part.heads, *part.unseen))
            self._parents[entry.digest] = tuple(
                head.digest for head in part.heads if head.strand == part.strand
            )

    def all_cover(self, laters: Iterable[Digest], earlier: Digest) -> bool:
        """Return True if each entry in `laters` proves by itself that its writer knew the entry `earlier`.

        Only references in the later entry itself are a proof, and not references in other entries.
        """
        ahead: dict[Heads, set[Digest]] = {}  # by unseen entries: all entries behind which `earlier` is
        for later in laters:
            part = self._entries[later].envelope
            if part.unseen not in ahead:
                unseen = _digests(part.unseen)
                ahead[part.unseen] = reach = {earlier} - unseen
                for digest, parents in self._parents.items():  # in thread order
                    if digest not in unseen and not reach.isdisjoint(parents):
                        reach.add(digest)
            if ahead[part.unseen].isdisjoint(_digests(part.heads)):
                return False
        return True

    def within(self, heads: Iterable[Head]) -> set[Digest]:
        """Return the entries that `heads` names, and all earlier entries of the same writers."""
        return self._visit(_digests(heads), set())

    def tips(self, digests: Collection[Digest]) -> set[Digest]:
        """Return the newest of the given entries, for each writer.

        An entry is left out if another given entry of the same writer names it.
        """
        chosen = set(digests)
        return chosen.difference(*(self._parents.get(digest, ()) for digest in chosen))

    def known_to(self, writers: Iterable[Digest]) -> set[Digest]:
        """Return the digests of all entries that the writers of these entries knew."""
        return self._learn(writers, set(), {})

    def unknown_to_all(self, digests: Iterable[Digest], writers: Iterable[Digest]) -> list[Digest]:
        """Return those entries in `digests` that no writer of an entry in `writers` knew.

        What a writer learned after writing does not count. All entries are given by their digests.
        """
        known = self.known_to(writers)
        return [digest for digest in digests if digest not in known]

    def first_known(self, digests: Iterable[Digest], writers: Iterable[Digest]) -> dict[Digest, Digest]:
        """Return, for each entry A in `digests`, the first entry B in `writers` whose writer knew A.

        If there is no such entry B, the result does not have A. All entries are given by their digests.
        """
        wanted, first = set(digests), dict[Digest, Digest]()
        own: set[Digest] = set()
        visited: dict[Heads, set[Digest]] = {}
        for writer in writers:
            for digest in self._learn([writer], own, visited) & wanted:
                first.setdefault(digest, writer)
        return first

    def _learn(
        self, writers: Iterable[Digest], own: set[Digest], visited: dict[Heads, set[Digest]]
    ) -> set[Digest]:
        """Return the entries that the writers of these entries knew.

        `own` and `visited` record what was searched. A second call with the same two returns only new
        entries.
        """
        known: set[Digest] = set()
        heads: dict[Heads, list[Digest]] = defaultdict(list)
        for digest in self._visit(writers, own) & self._entries.keys():
            part = self._entries[digest].envelope
            known.update(self._parents[digest])
            heads[part.unseen] += [head.digest for head in part.heads if head.strand != part.strand]
        for unseen, others in heads.items():
            known |= self._visit(others, visited.setdefault(unseen, _digests(unseen)))
        return known

    def _visit(self, digests: Iterable[Digest], visited: set[Digest]) -> set[Digest]:
        new: set[Digest] = set()
        todo = list(digests)
        while todo:
            digest = todo.pop()
            if digest not in visited:
                visited.add(digest)
                new.add(digest)
                todo += self._parents.get(digest, ())
        return new


def _digests(heads: Iterable[Head]) -> set[Digest]:
    return {head.digest for head in heads}


def _thread_order(by_digest: Mapping[Digest, SignedEntry]) -> list[Digest]:
    """Return the digests of entries in thread order, the order in which pages show the entries.

    An entry comes after all entries that its heads name. Where the heads leave a choice, the entry with the
    earliest day comes first.
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
