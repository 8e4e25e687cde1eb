"""Measurements of the search index: time and memory to read 10,000 mailboxes, and time of a search.

The index runs as in the adviser's worker: one new process for each core, connected by sockets. Its memory is
the sum of the peaks of these processes and of the process that searches, since the index was started. The
memory that was needed to fill the store and to open the keyring is not counted.
"""

import os
import time
from collections.abc import Iterator

from bench import desk_servers, fill, memory, processes
from bench.bench_setup import BenchSetup
from bench.report import Measurement, at_most, mebibytes, milliseconds
from deploy.serving import search_processes
from journalist_app.search.search_index import SearchIndex

_MAILBOXES = 10_000
_ENTRIES_EACH = 5
_READ_SECONDS = 20.0
_MEMORY_BYTES = 1024**3
_SEARCH_SECONDS = 0.200
_ROUNDS = 5


def searching(setup: BenchSetup) -> Iterator[Measurement]:
    """Read all mailboxes, then search for common and rare words, parts, pairs, and words that are absent."""
    count = _MAILBOXES // 10 if setup.quick else _MAILBOXES
    with processes.folder_on_disk() as folder:
        desk = desk_servers.set_up(folder)
        fill.add_mailboxes(desk, count, _ENTRIES_EACH, _ENTRIES_EACH, fill.long_text)
        index = SearchIndex(search_processes.search_process_starters())
        keyring, letterhead = fill.open_keyring(desk), fill.read_letterhead(desk)
        memory.reset_peak(os.getpid())
        before = set(memory.children(os.getpid()))
        begun = time.monotonic()
        index.begin(str(desk.path("source", "store_path")), keyring, letterhead)
        while not index.reading.is_whole:
            assert not index.reading.is_broken
            time.sleep(0.005)
        seconds = time.monotonic() - begun
        readers = set(memory.children(os.getpid())) - before
        used = sum(memory.processor_seconds(pid) for pid in readers)
        waits = sorted(
            _search_seconds(index, words) for _ in range(setup.turns(_ROUNDS)) for words in _queries()
        )
        used = sum(memory.processor_seconds(pid) for pid in readers) - used
        peak = sum(memory.peak_bytes(pid) for pid in readers)
        peak += memory.peak_bytes(os.getpid())
        index.stop()
    entries = count * _ENTRIES_EACH
    yield Measurement(
        f"read {count:,} mailboxes with {entries:,} entries of 4 KiB for search",
        f"{seconds:.1f} s",
        f"{len(readers)} processes, {os.cpu_count()} cores",
        f"{milliseconds(seconds / entries)} an entry",
        "at most 20 s",
        at_most(seconds, _READ_SECONDS),
    )
    yield Measurement(
        "memory for it, all processes", mebibytes(peak), "", "", "at most 1 GiB", at_most(peak, _MEMORY_BYTES)
    )
    for name, wait in (("median", waits[len(waits) // 2]), ("slowest", waits[-1])):
        yield Measurement(
            f"a search in them, {name} of {len(waits)}",
            milliseconds(wait),
            f"95 of 100 within {milliseconds(waits[len(waits) * 95 // 100])}",
            "",
            "at most 200 ms",
            at_most(wait, _SEARCH_SECONDS),
        )
    yield Measurement("processor time of a search in them", milliseconds(used / len(waits)), "", "", "", "")


def _queries() -> list[list[str]]:
    common, rare = fill.made_up_word(3), fill.made_up_word(29_000)
    return [
        [common],
        [rare],
        [common, rare],
        [rare[1:-1]],
        [rare[:4]],
        ["nowhere"],
        [common, "nowhere"],
        [fill.made_up_word(rank) for rank in (50, 500, 5_000)],
    ]


def _search_seconds(index: SearchIndex, words: list[str]) -> float:
    begun = time.monotonic()
    index.find(words)
    return time.monotonic() - begun
