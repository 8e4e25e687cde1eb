"""Recorder: runs a scenario under strace, and reads its operations on the disk from the trace."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.proofs.powercuts import disk_operations as ops
from tests.proofs.powercuts.statements import PREFIX, START

_WRITES = frozenset({"write", "pwrite64", "writev"})
_SYNCS = frozenset({"fsync", "fdatasync"})
_NAMES = frozenset({"open", "openat", "creat", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat"})
_RENAMES = frozenset({"rename", "renameat", "renameat2"})
_LINKS = frozenset({"link", "linkat"})
_SIZES = frozenset({"ftruncate", "truncate", "lseek"})
# The disk model does not know these calls. A recording in which one of them changes the disk fails.
_UNKNOWN = frozenset(
    {"pwritev", "pwritev2", "copy_file_range", "sendfile", "splice", "fallocate", "mmap", "msync"}
    | {"symlink", "symlinkat", "openat2", "sync", "syncfs", "sync_file_range", "io_uring_setup"}
)
_TRACED = sorted(_WRITES | _SYNCS | _NAMES | _RENAMES | _LINKS | _SIZES | _UNKNOWN)
# SQLite's shared index of a journal is memory, and is made again after a power cut.
_NOT_DURABLE = "-shm"

_CALL = re.compile(r"(\d+) +(\w+)\((.*)", re.DOTALL)
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)", re.DOTALL)
_UNFINISHED = " <unfinished ...>"
_FILE = re.compile(r"(\d+|AT_FDCWD)<([^>]*)>(\(deleted\))?")
_BUFFER = re.compile(r'iov_base="([^"]*)"')
_STRING = re.compile(r'"([^"]*)"')


class UnknownOperationError(Exception):
    """The recorded program changed its disk in a way that the disk model does not know."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Recorded run of a scenario: the disk at its start, and everything that was done to this disk since.

    `start` has the content of each file, and None for each folder, by its path below `disk`.
    """

    disk: Path
    start: dict[str, bytes | None]
    operations: list[ops.DiskOperation]


def record(scenario: str, folder: Path, weakness: str = "none") -> Recording:
    """Run a scenario in a new process under strace. Return what the process did to the disk in `folder`.

    The folder `disk` below `folder` is the recorded disk.
    """
    disk, trace = folder / "disk", folder / "trace"
    disk.mkdir(mode=0o700)
    strace = ["strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "1000000000", "-o", str(trace)]
    strace += ["-e", "signal=none", "-e", "trace=" + ",".join(f"?{name}" for name in _TRACED)]
    program = [sys.executable, "-m", "tests.proofs.powercuts.recorded_program"]
    done = subprocess.run(
        [*strace, *program, scenario, str(folder), weakness],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-8000:]
    with trace.open(encoding="ascii") as lines:
        operations = list(_TraceReader(str(disk)).operations(lines))
    trace.unlink()
    start_copy = folder / "start"
    start = {
        str(path.relative_to(start_copy)): path.read_bytes() if path.is_file() else None
        for path in sorted(start_copy.rglob("*"))
        if not path.name.endswith(_NOT_DURABLE)
    }
    return Recording(disk, start, operations)


@dataclass(slots=True)
class _TraceReader:
    """Reader of strace's output, which has one line for each system call.

    `positions` has the place in an open file at which the next `write` writes.
    """

    disk: str
    positions: dict[tuple[str, str], int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    has_started: bool = False
    count: int = 0

    def operations(self, lines: Iterator[str]) -> Iterator[ops.DiskOperation]:
        """Yield the operations on the disk after the scenario's start, in the order in which they ended."""
        unfinished: dict[str, tuple[str, str, int]] = {}
        for line in lines:
            if resumed := _RESUMED.match(line):
                name, begun, started = unfinished.pop(resumed[1])
                arguments = begun + resumed[2]
            elif call := _CALL.match(line):
                name, arguments, started = call[2], call[3].rstrip("\n"), self.count
                if arguments.endswith(_UNFINISHED):
                    unfinished[call[1]] = (name, arguments.removesuffix(_UNFINISHED), started)
                    continue
            else:
                continue
            arguments, _, result = arguments.rstrip("\n").rpartition(" = ")
            if result.startswith(("-", "?")) or not arguments:
                continue  # the call failed, or the process ended
            arguments = arguments.rstrip().removesuffix(")")
            for operation in self._of_call(name, arguments, result, started):
                self.has_started |= isinstance(operation, ops.Statement) and operation.about == START
                if self.has_started:
                    self.count += 1
                    yield operation

    def _of_call(self, name: str, arguments: str, result: str, started: int) -> Iterator[ops.DiskOperation]:
        if name in _WRITES:
            yield from self._of_write(name, arguments, int(result.split(maxsplit=1)[0]))
        elif name in _RENAMES | _LINKS:
            yield from self._of_two_names(name, arguments)
        elif name in _SYNCS:
            if (path := self._open_path(arguments)) is not None:
                yield ops.Sync(path, started)
        elif name in _NAMES:
            yield from self._of_name(name, arguments, result)
        elif name in _SIZES:
            yield from self._of_size(name, arguments, result)
        else:
            self._refuse(name, arguments)

    def _of_write(self, name: str, arguments: str, written: int) -> Iterator[ops.DiskOperation]:
        buffers = (_BUFFER if name == "writev" else _STRING).findall(arguments)
        content = b"".join(map(_plain, buffers))[:written]
        path = self._open_path(arguments)
        if path is None:
            if content.startswith(PREFIX) and arguments.startswith("1<"):
                about, names = json.loads(content.removeprefix(PREFIX))
                yield ops.Statement(about, tuple(names))
            return
        descriptor = _descriptor(arguments)
        if name == "pwrite64":
            offset = int(arguments.rpartition(", ")[2])
        else:
            offset = self.positions.get((descriptor, path), 0)
            self.positions[descriptor, path] = offset + len(content)
        yield ops.Write(path, offset, content)

    def _of_two_names(self, name: str, arguments: str) -> Iterator[ops.DiskOperation]:
        old, new = (self._below(each) for each in self._named_paths(arguments))
        if old is None and new is None:
            return
        if old is None or new is None or Path(old).parent != Path(new).parent:
            raise UnknownOperationError(f"{name} of {old} to {new}, which is in another folder")
        yield ops.Link(old, new) if name in _LINKS else ops.Rename(old, new)

    def _of_name(self, name: str, arguments: str, result: str) -> Iterator[ops.DiskOperation]:
        path = self._below(self._named_paths(arguments)[0])
        if path is None:
            return
        if name.startswith("mkdir"):
            yield ops.MakeFolder(path)
        elif name in {"rmdir", "unlink", "unlinkat"}:
            yield ops.Remove(path)
        else:
            descriptor = _descriptor(result)
            self.positions[descriptor, path] = 0
            if "O_APPEND" in arguments or "O_TMPFILE" in arguments:
                raise UnknownOperationError(f"{path} was opened to append, or as a file without a name")
            if "O_CREAT" in arguments or name == "creat":
                yield ops.MakeFile(path)
            if "O_TRUNC" in arguments or name == "creat":
                yield ops.Resize(path, 0)

    def _of_size(self, name: str, arguments: str, result: str) -> Iterator[ops.DiskOperation]:
        if name == "truncate":
            path = self._below(self._named_paths(arguments)[0])
        else:
            path = self._open_path(arguments)
        if path is None:
            return
        if name == "lseek":
            self.positions[_descriptor(arguments), path] = int(result.split(maxsplit=1)[0])
        else:
            yield ops.Resize(path, int(arguments.rpartition(", ")[2]))

    def _refuse(self, name: str, arguments: str) -> None:
        """Refuse a call of an unknown kind that changes a file on the disk, such as a shared mapping."""
        if name == "mmap" and not ("PROT_WRITE" in arguments and "MAP_SHARED" in arguments):
            return
        paths = [_plain(found[2]).decode() for found in _FILE.finditer(arguments) if found[1] != "AT_FDCWD"]
        paths += self._named_paths(arguments) if '"' in arguments else []
        if self.has_started and (
            name in {"sync", "io_uring_setup"} or any(self._below(path) is not None for path in paths)
        ):
            raise UnknownOperationError(f"{name} of {paths}")

    def _open_path(self, arguments: str) -> str | None:
        """Return the path below the disk of the file whose descriptor is the first argument."""
        found = _FILE.match(arguments)
        if found is None or found[3]:
            return None
        return self._below(_plain(found[2]).decode(errors="replace"))

    def _named_paths(self, arguments: str) -> list[str]:
        """Return the paths that are arguments of a call, made absolute with the folders in the arguments."""
        paths, folder = [], Path("/")
        for found in re.finditer(rf"{_FILE.pattern}|{_STRING.pattern}", arguments):
            if found[4] is None:
                folder = Path(_plain(found[2]).decode(errors="replace"))
            else:
                paths.append(str(folder / _plain(found[4]).decode(errors="replace")))
        return paths

    def _below(self, path: str) -> str | None:
        """Return a path relative to the disk, or None if the path is not on the disk."""
        if not path.startswith(f"{self.disk}/") and path != self.disk:
            return None
        if path.endswith((_NOT_DURABLE, " (deleted)")):
            return None
        return path[len(self.disk) + 1 :]


def _plain(hexadecimal: str) -> bytes:
    r"""Return the bytes of a text such as \x2f\x74, as strace prints each text."""
    if not hexadecimal.startswith("\\x"):
        return hexadecimal.encode()
    return bytes.fromhex(hexadecimal.replace("\\x", ""))


def _descriptor(text: str) -> str:
    return text.partition("<")[0]
