"""Measurements of a yearly report from a ledger of many years."""

import multiprocessing
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import partial

from bench import desk_servers, fill, processes
from bench.bench_setup import BenchSetup
from bench.desk_servers import Desk
from bench.report import Measurement, at_most, mebibytes
from journalist_app.desk.casefile import Casefile, tallies_of
from protocol.ledger import ROWS, seal_tallies

_LINES = 100_000
_YEARS = 10
_SECONDS = 10.0
_BYTES = 500 * 1000 * 1000
_BATCH = 250


def reporting(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure a report from a ledger of 100,000 tallies, of which no tally was decrypted before."""
    lines = _LINES // 25 if setup.quick else _LINES
    with processes.folder_on_disk() as folder:
        desk = desk_servers.set_up(folder)
        _fill(desk, lines // ROWS)
        argv = [sys.executable, "-m", "bench.measures.report_once", str(desk.settings), str(_year(0))]
        done = subprocess.run(argv, input=f"{desk.passphrase}\n", capture_output=True, text=True, check=True)
    seconds, memory, read = (float(each) for each in done.stdout.split())
    assert read == lines // ROWS / _YEARS
    what = f"report over {lines:,} ledger lines"
    yield Measurement(
        what, f"{seconds:.1f} s", "", "", f"at most {_SECONDS:.0f} s", at_most(seconds, _SECONDS)
    )
    yield Measurement(
        f"{what}, memory", mebibytes(memory), "", "", f"at most {mebibytes(_BYTES)}", at_most(memory, _BYTES)
    )


def _fill(desk: Desk, mailboxes: int) -> None:
    """Add real tallies of `mailboxes` mailboxes to the ledger, spread evenly over ten years."""
    batches = [range(start, min(start + _BATCH, mailboxes)) for start in range(0, mailboxes, _BATCH)]
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork")) as pool:
        fill.add_tallies(desk, pool.map(partial(_sealed, fill.desk_author(desk)), batches))


def _sealed(author: fill.DeskAuthor, numbers: Sequence[int]) -> list[bytes]:
    sealed: list[bytes] = []
    for number in numbers:
        day = date(_year(number % _YEARS), 5, 6)
        casefile = Casefile(first_message=day, theme="bullying", region="africa")
        seed = secrets.token_bytes(32)
        counted = tallies_of(casefile, author.letterhead, seed=seed, revision=1, closed=day, is_read=True)
        sealed += seal_tallies(counted, author.letterhead, author.writer)
    return sealed


def _year(number: int) -> int:
    return 2015 + number
