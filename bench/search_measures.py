"""What it takes to read 10,000 mailboxes for search, in the processes that the adviser's interface starts.

The index is run as the worker runs it: one clean process per core, over sockets. Its memory is that of those
processes together with the one that asks, as the kernel counted their peaks since it asked: what it took to
fill a store, and to open a keyring, is not of the index.
"""

import os
import time
from collections.abc import Iterator

from bench import fill, memory, processes, world
from bench.report import Finding, at_most, mebibytes, milliseconds
from bench.stage import Stage
from deploy.serving import search_processes
from journalist_app.search.search_index import SearchIndex

_MAILBOXES = 10_000
_ENTRIES_EACH = 5
_READ_SECONDS = 20.0
_MEMORY_BYTES = 1024**3
_ANSWER_SECONDS = 0.200
_PATIENCE_SECONDS = 600
_ROUNDS = 5


def searching(stage: Stage) -> Iterator[Finding]:
    """Read everything, then ask for common and rare words, parts of words, pairs, and what is nowhere."""
    count = _MAILBOXES // 10 if stage.quick else _MAILBOXES
    with processes.folder_on_disk() as folder:
        desk = world.set_up(folder)
        fill.mailboxes(desk, count, _ENTRIES_EACH, _ENTRIES_EACH, fill.long_text)
        index = SearchIndex(search_processes.search_process_starters())
        keyring, letterhead = fill.open_keyring(desk), fill.letterhead(desk)
        memory.forget_peak(os.getpid())
        before = set(memory.children(os.getpid()))
        begun = time.monotonic()
        index.begin(str(desk.path("source", "store_path")), keyring, letterhead)
        reading = index.wait_until_whole(_PATIENCE_SECONDS)
        seconds = time.monotonic() - begun
        assert reading.is_whole
        waits = sorted(_ask(index, words) for _ in range(stage.turns(_ROUNDS)) for words in _questions())
        readers = set(memory.children(os.getpid())) - before
        peak = sum(memory.peak_bytes(pid) for pid in readers)
        peak += memory.peak_bytes(os.getpid())
        index.stop()
    entries = count * _ENTRIES_EACH
    yield Finding(
        f"read {count:,} mailboxes with {entries:,} entries of 4 KiB for search",
        f"{seconds:.1f} s",
        f"{len(readers)} processes, {os.cpu_count()} cores",
        f"{milliseconds(seconds / entries)} an entry",
        "at most 20 s",
        at_most(seconds, _READ_SECONDS),
    )
    yield Finding(
        "memory for it, all processes", mebibytes(peak), "", "", "at most 1 GiB", at_most(peak, _MEMORY_BYTES)
    )
    for name, wait in (("median", waits[len(waits) // 2]), ("slowest", waits[-1])):
        yield Finding(
            f"a search in them, {name} of {len(waits)}",
            milliseconds(wait),
            f"95 of 100 within {milliseconds(waits[len(waits) * 95 // 100])}",
            "",
            "at most 200 ms",
            at_most(wait, _ANSWER_SECONDS),
        )


def _questions() -> list[list[str]]:
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


def _ask(index: SearchIndex, words: list[str]) -> float:
    begun = time.monotonic()
    index.find(words)
    return time.monotonic() - begun
