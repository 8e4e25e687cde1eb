"""How the interfaces do on a store that has filled up over the years: worlds of their own."""

import contextlib
from collections.abc import Iterator

from bench import fill, processes, world
from bench.adviser import Adviser
from bench.report import Finding, at_most, milliseconds
from bench.source import Source
from bench.source_measures import one_post
from bench.stage import Stage
from bench.timing import interleaved, median, timed
from bench.world import Desk

_PAGE_SECONDS = 0.300
_MAILBOXES = 10_000
_ENTRIES = 1_000_000
_FEW_ENTRIES = 1_000


def reading(stage: Stage) -> Iterator[Finding]:
    """Unlock an inbox of 10,000 mailboxes, sealed and signed for real, and read a thread of 200 entries."""
    count = _MAILBOXES // 10 if stage.quick else _MAILBOXES
    with processes.folder_on_disk() as folder:
        desk = world.set_up(folder)
        fill.mailboxes(desk, count, 2, 3)
        (long_thread,) = fill.mailboxes(desk, 1, 200, 200)
        with world.serving(desk, "adviser") as server, Adviser(server.host, server.port) as adviser:
            cold = timed(lambda: _first_page(adviser, desk))()
            # Warm: once everything was verified and the anchors are written, a new unlocking begins.
            adviser.wait_until_checked()
        with world.serving(desk, "adviser") as server, Adviser(server.host, server.port) as adviser:
            adviser.unlock(desk.passphrase)
            first = timed(adviser.inbox)()
            (pages, threads) = interleaved(
                stage.turns(10), timed(adviser.inbox), timed(lambda: adviser.thread(long_thread))
            )
    beside = f"{milliseconds(cold)}, cold, with the unlocking itself"
    yield _page(f"inbox of {count:,} mailboxes, first page after a warm unlock", first, beside)
    yield _page("the same page again", median(pages), "")
    yield _page("a thread of 200 entries", median(threads), "")


def million(stage: Stage) -> Iterator[Finding]:
    """Post into a store of a million entries, in turns with posting into one of a thousand."""
    count = _ENTRIES // 20 if stage.quick else _ENTRIES
    with contextlib.ExitStack() as stack:
        sources = [stack.enter_context(_filled(entries)) for entries in (_FEW_ENTRIES, count)]
        for source in sources:
            source.open_mailbox()
        few, many = interleaved(stage.turns(300), *(one_post(source) for source in sources), warm_ups=20)
    ratio = median(many) / median(few)
    yield Finding(
        f"post 1 KiB into {count:,} entries",
        milliseconds(median(many)),
        f"{milliseconds(median(few))} into {_FEW_ENTRIES:,}",
        f"{ratio:.2f}",
        "at most 1.2 x",
        at_most(ratio, 1.2),
    )


@contextlib.contextmanager
def _filled(entries: int) -> Iterator[Source]:
    with processes.folder_on_disk() as folder:
        desk = world.set_up(folder)
        fill.rows(desk, entries)
        with world.serving(desk, "source") as server, Source(server.host, server.port) as source:
            yield source


def _first_page(adviser: Adviser, desk: Desk) -> None:
    adviser.unlock(desk.passphrase)
    adviser.inbox()


def _page(what: str, seconds: float, beside: str) -> Finding:
    return Finding(what, milliseconds(seconds), beside, "", "at most 300 ms", at_most(seconds, _PAGE_SECONDS))
