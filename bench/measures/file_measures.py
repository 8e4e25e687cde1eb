"""Measurements of what happens to files: examining, cleaning and picturing ten ordinary files.

Each program runs in the sandbox, as in the adviser's interface, and the files are handled one by one. The
memory is the peak of all these programs together. No other program makes the same three things, so
the column of the baseline names the file that took longest.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO

from bench import ordinary_files, processes
from bench.bench_setup import BenchSetup
from bench.memory import TreeMemory
from bench.report import Measurement, mebibytes
from bench.timing import timed
from journalist_app.cleaning.safe_copies import SandboxedExaminer
from journalist_app.conversion.converter_run import Converter
from journalist_app.conversion.file_pages import convert_file


def handling(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure seconds and memory of each step, over all files (a quick run: over three)."""
    with processes.folder_on_disk() as folder:
        files = ordinary_files.make_files(folder)[:: 4 if setup.quick else 1]
        steps = (
            ("examine", _examine),
            ("clean and compare", _clean),
            ("make pictures and sound of", _convert),
        )
        for step, act in steps:
            with TreeMemory() as memory:
                seconds = {file.name: timed(partial(_with_file, act, file))() for file in files}
            what = f"{step} {len(files)} ordinary files"
            slowest = max(seconds, key=seconds.__getitem__)
            longest = f"longest: {seconds[slowest]:.1f} s, {slowest}"
            yield Measurement(what, f"{sum(seconds.values()):.1f} s", longest, "", "", "")
            yield Measurement(f"{what}, memory", mebibytes(memory.peak - memory.before), "", "", "", "")


def _with_file(act: Callable[[IO[bytes], str], bool], path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        if not act(file, path.name):
            raise AssertionError(f"{act.__name__}: {path.name}")


def _examine(file: IO[bytes], name: str) -> bool:
    return SandboxedExaminer().inspect(file, name).is_examined


def _clean(file: IO[bytes], name: str) -> bool:
    return SandboxedExaminer().make_copy(file, name).copy is not None


def _convert(file: IO[bytes], _name: str) -> bool:
    """Convert all pages of a file that the adviser's interface shows."""
    found = convert_file(Converter(), file)
    pages = (found.page(number) for number in range(1, found.count + 1))
    return all(page.picture or page.sound for page in pages)
