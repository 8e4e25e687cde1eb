"""Run of a converter in the sandbox: files in, files out, and the reasons why a file cannot be shown.

The converter gets copies of the files under the names 1, 2, 3 …, so it cannot change the files or see their
names. Our process reads only the sizes of the converter's output, and never looks for a name in the output.
"""

import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from journalist_app.conversion.conversion_limits import SECONDS, limits_of_run
from journalist_app.errors import ConversionRefusal, ConversionRefusedError
from programs.errors import NoSandboxError, ProgramFailedError, ProgramLimitError
from programs.sandbox import SANDBOX_FOLDER, Sandbox

# The script of a converter calls `need` with each program that it runs, and `refuse` with a reason. It writes
# its results as out/1, out/2 …, and may write to `total` how many results the whole file has.
_BEGIN: Final = (
    "set -e; exec 2>/dev/null; /usr/bin/mkdir out; refuse() { echo $1 0; exit 0; };"
    " need() { for each; do [ -x $each ] || refuse missing; done; }; "
)
_END: Final = (
    " total=0; [ ! -e total ] || read -r total <total; sizes=; count=0;"
    " while [ -e out/$((count + 1)) ]; do count=$((count + 1));"
    ' sizes="$sizes $(/usr/bin/stat -c %s out/$count)"; done; echo "ok $total$sizes";'
    " for each in $(/usr/bin/seq $count); do /usr/bin/cat out/$each; done"
)
_HEAD: Final = re.compile(rb"([a-z_]{1,20}) (\d{1,9})((?: \d{1,10})*)\n")


@dataclass(frozen=True, slots=True)
class Converted:
    """Results of one run of a converter.

    `total` is a number that the script counted, such as the pictures in the file. If the script counted
    nothing, `total` is 0.
    """

    results: tuple[bytes, ...] = field(repr=False)
    total: int = 0

    def exactly(self, count: int) -> tuple[bytes, ...]:
        """Check that there are exactly `count` results, and return the results.

        A hijacked converter can return more or fewer.

        Raises:
            ConversionRefusedError: there are more or fewer results than `count`.
        """
        if len(self.results) != count:
            raise ConversionRefusedError(ConversionRefusal.FAILED)
        return self.results


@dataclass(frozen=True, slots=True)
class Converter:
    """Sandbox in which converters run. All runs must end before `until`, on the monotonic clock."""

    bwrap: Path = Path("/usr/bin/bwrap")
    until: float = math.inf

    def run(self, script: str, files: Sequence[IO[bytes]], *words: object) -> Converted:
        """Run the shell script of a converter in a new sandbox, and return its results.

        The script gets `words` as $1, $2 ….

        Raises:
            ConversionRefusedError: a file cannot be converted. `reason` says why.
        """
        options = ["--ro-bind-try", "/etc/libreoffice", "/etc/libreoffice"]
        for number, file in enumerate(files, start=1):
            os.lseek(file.fileno(), 0, os.SEEK_SET)  # the sandbox reads from here
            options += f"--ro-bind-data {file.fileno()} {SANDBOX_FOLDER}/{number}".split()
        command = ("/bin/sh", "-c", _BEGIN + script + _END, "sh", *map(str, words))
        limits = limits_of_run(max(0.0, min(SECONDS, self.until - time.monotonic())))
        try:
            output = Sandbox(self.bwrap).run(command, limits, [file.fileno() for file in files], options)
        except NoSandboxError as why:
            raise ConversionRefusedError(ConversionRefusal.NO_SANDBOX) from why
        except ProgramLimitError as why:
            raise ConversionRefusedError(ConversionRefusal.LIMIT) from why
        except (OSError, ProgramFailedError) as why:
            raise ConversionRefusedError(ConversionRefusal.FAILED) from why
        return _read_results(output)


def _read_results(output: bytes) -> Converted:
    head = _HEAD.match(output)
    if head is None:
        raise ConversionRefusedError(ConversionRefusal.FAILED)
    word, total, sizes = head[1].decode(), int(head[2]), [int(size) for size in head[3].split()]
    if word != "ok":
        known = word in set(ConversionRefusal)
        raise ConversionRefusedError(ConversionRefusal(word) if known else ConversionRefusal.FAILED)
    if sum(sizes) != len(output) - head.end():
        raise ConversionRefusedError(ConversionRefusal.FAILED)
    results, at = [], head.end()
    for size in sizes:
        results.append(output[at : at + size])
        at += size
    return Converted(tuple(results), total)


def require_content(file: IO[bytes]) -> None:
    """Check that a file is not empty.

    Raises:
        ConversionRefusedError: the file has no bytes.
    """
    if not os.pread(file.fileno(), 1, 0):
        raise ConversionRefusedError(ConversionRefusal.EMPTY)


@contextmanager
def memory_file(content: bytes = b"") -> Iterator[IO[bytes]]:
    """Yield an open file with this content. The file is only in memory, and has no path."""
    with open(os.memfd_create("content"), "r+b") as file:  # noqa: PTH123  # a file without a path
        file.write(content)
        file.flush()
        yield file
