"""Measurements of both interfaces on a full store, each with its own desk."""

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from bench import desk_servers, fill, processes
from bench.adviser import Adviser
from bench.bench_setup import BenchSetup
from bench.desk_servers import Desk
from bench.measures.source_measures import one_post
from bench.report import Measurement, at_least, at_most, milliseconds
from bench.source import Source
from bench.timing import interleaved, median, timed
from stored_mailbox.whole_store import MailboxVerdict, verify_in_processes

_PAGE_SECONDS = 0.300
_MAILBOXES = 10_000
_ENTRIES = 1_000_000
_FEW_ENTRIES = 1_000
_VERIFIED_MAILBOXES = 2_000
_VERIFIED_EACH_SECOND = 5_000


def reading(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure unlocking an inbox of 10,000 real mailboxes, and reading a thread of 200 entries."""
    count = _MAILBOXES // 10 if setup.quick else _MAILBOXES
    with processes.folder_on_disk() as folder:
        desk = desk_servers.set_up(folder)
        fill.add_mailboxes(desk, count, 2, 3)
        (long_thread,) = fill.add_mailboxes(desk, 1, 200, 200)
        with desk_servers.serving(desk, "adviser") as server, Adviser(server.host, server.port) as adviser:
            cold = timed(lambda: _first_page(adviser, desk))()
            # A warm unlock comes after everything was verified and the trusted state was saved.
            adviser.wait_until_checked()
        with desk_servers.serving(desk, "adviser") as server, Adviser(server.host, server.port) as adviser:
            adviser.unlock(desk.passphrase)
            first = timed(adviser.inbox)()
            (pages, threads) = interleaved(
                setup.turns(10), timed(adviser.inbox), timed(lambda: adviser.thread(long_thread))
            )
    beside = f"{milliseconds(cold)}, cold, with the unlocking itself"
    yield _page(f"inbox of {count:,} mailboxes, first page after a warm unlock", first, beside)
    yield _page("the same page again", median(pages), "")
    yield _page("a thread of 200 entries", median(threads), "")


def verifying(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure the check of a whole store (`steunpunt store verify`), with one process for each core."""
    count = _VERIFIED_MAILBOXES // 10 if setup.quick else _VERIFIED_MAILBOXES
    with processes.folder_on_disk() as folder:
        desk = desk_servers.set_up(folder)
        fill.add_mailboxes(desk, count, 10, 30)
        strands = fill.read_letterhead(desk).strand_keys
        path = desk.path("source", "store_path")
        verdicts: list[MailboxVerdict] = []
        seconds = timed(lambda: verdicts.extend(verify_in_processes(path, strands)))()
    if not all(verdict.is_sound for verdict in verdicts):
        raise RuntimeError("the store that was verified is not sound")
    entries = sum(verdict.entries for verdict in verdicts)
    speed = entries / seconds
    yield Measurement(
        f"verify a store of {entries:,} entries",
        f"{speed:,.0f} entries/s",
        f"{len(os.sched_getaffinity(0))} cores",
        "",
        "at least 5,000 entries/s",
        at_least(speed, _VERIFIED_EACH_SECOND),
    )


def million(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure posting into a store of a million entries, in turns with a store of a thousand entries."""
    yield from posting_into_many(setup, _filled, "post 1 KiB")


def posting_into_many(
    setup: BenchSetup, filled: Callable[[int], AbstractContextManager[Source]], what: str
) -> Iterator[Measurement]:
    """Measure posting into a store of a million entries, in turns with one of a thousand.

    `filled` serves a store with so many entries. `what` names the measurement.
    """
    count = _ENTRIES // 20 if setup.quick else _ENTRIES
    with contextlib.ExitStack() as stack:
        sources = [stack.enter_context(filled(entries)) for entries in (_FEW_ENTRIES, count)]
        for source in sources:
            source.open_mailbox()
        few, many = interleaved(setup.turns(300), *(one_post(source) for source in sources), warm_ups=20)
    ratio = median(many) / median(few)
    yield Measurement(
        f"{what} into {count:,} entries",
        milliseconds(median(many)),
        f"{milliseconds(median(few))} into {_FEW_ENTRIES:,}",
        f"{ratio:.2f}",
        "at most 1.2 x",
        at_most(ratio, 1.2),
    )


@contextlib.contextmanager
def _filled(entries: int) -> Iterator[Source]:
    with processes.folder_on_disk() as folder:
        desk = desk_servers.set_up(folder)
        fill.add_random_rows(desk, entries)
        with desk_servers.serving(desk, "source") as server, Source(server.host, server.port) as source:
            yield source


def _first_page(adviser: Adviser, desk: Desk) -> None:
    adviser.unlock(desk.passphrase)
    adviser.inbox()


def _page(what: str, seconds: float, beside: str) -> Measurement:
    return Measurement(
        what, milliseconds(seconds), beside, "", "at most 300 ms", at_most(seconds, _PAGE_SECONDS)
    )
