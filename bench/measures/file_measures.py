"""Measurements of what happens to files: examining, cleaning and making pictures of ten ordinary files.

Each program runs in the sandbox, as in the adviser's interface, and the files are handled one by one. The
memory is the peak of this process and all programs together. No other program makes the same three things, so
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
from journalist_app.conversion import office_documents, pdf_documents, picture_files
from journalist_app.conversion.converter_run import Converter, memory_file
from journalist_app.files.file_types import HEAD_BYTES, ending_of
from journalist_app.files.metadata import Mat2

_OFFICE = frozenset({".docx", ".odt", ".xlsx", ".ods", ".pptx"})
_PICTURES = frozenset({".jpg", ".png"})


def handling(setup: BenchSetup) -> Iterator[Measurement]:
    """Measure seconds and memory of each step, over all files (a quick run: over three)."""
    with processes.folder_on_disk() as folder:
        files = ordinary_files.make_files(folder)[:: 4 if setup.quick else 1]
        for step, act in (("examine", _examine), ("clean", _clean), ("make pictures of", _picture)):
            with TreeMemory() as memory:
                seconds = {file.name: timed(partial(_with_file, act, file))() for file in files}
            what = f"{step} {len(files)} ordinary files"
            slowest = max(seconds, key=seconds.__getitem__)
            longest = f"longest: {seconds[slowest]:.1f} s, {slowest}"
            yield Measurement(what, f"{sum(seconds.values()):.1f} s", longest, "", "", "")
            yield Measurement(f"{what}, memory", mebibytes(memory.peak), "", "", "", "")


def _with_file(act: Callable[[IO[bytes], str], bool], path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        if not act(file, path.name):
            raise AssertionError(f"{act.__name__}: {path.name}")


def _examine(file: IO[bytes], name: str) -> bool:
    return Mat2().inspect(file, name).can_clean


def _clean(file: IO[bytes], name: str) -> bool:
    return Mat2().clean(file, name) is not None


def _picture(file: IO[bytes], _name: str) -> bool:
    """Make pictures of all pages. A sound has no picture."""
    converter, ending = Converter(), ending_of(file.read(HEAD_BYTES))
    if ending in _PICTURES:
        return bool(picture_files.decode_file(converter, file, ending).pictures)
    if ending in _OFFICE:
        (made,) = office_documents.office_to_pdf(converter, [file])
        with memory_file(made) as pdf:
            return _pages(converter, pdf)
    return _pages(converter, file) if ending == ".pdf" else True


def _pages(converter: Converter, pdf: IO[bytes]) -> bool:
    pages = range(1, pdf_documents.count_pages(converter, pdf) + 1)
    return all(pdf_documents.convert_page(converter, pdf, page).picture.pixels for page in pages)
