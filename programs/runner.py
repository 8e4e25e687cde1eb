"""Runner of external programs: each run has limits, and is ended with its whole process group.

A hostile input may make a program hang, fork, or fill memory or a disk. No process of its group outlives its
run, the lock of the adviser's site, or our own process. In the sandbox, no process at all outlives its run.
"""

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from programs.errors import ProgramFailedError, ProgramLimitError

IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # working folder of programs that need no files
_PIECE_BYTES: Final = 65536
_MESSAGE_BYTES: Final = 200_000
_LOOK_SECONDS: Final = 0.1  # time between two looks at a program's processes
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

_running: Final[set["Program"]] = set()
_changing: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class ProgramLimits:
    """Limits on one run of an external program."""

    seconds: float  # that we wait, and processor time of each process
    memory_bytes: int  # of each process, and of all processes together
    output_bytes: int
    file_bytes: int = 0  # largest file that a process may write
    processes: int = 8  # the program and all programs that it started
    # more time for each byte of input, but none for output: 1 KB can unpack to gigabytes
    seconds_per_byte: float = 0

    def words(self) -> tuple[str, ...]:
        """Return the words to put before a command, so that the kernel limits each of its processes."""
        sizes = f"--as={self.memory_bytes} --fsize={self.file_bytes} --core=0 --nofile=256"
        longest = self.seconds + self.seconds_per_byte * self.output_bytes  # no more input is expected
        return ("/usr/bin/prlimit", f"--cpu={int(longest) + 1}", *sizes.split())


class Program(AbstractContextManager["Program"]):
    """A running program, which is killed with its whole process group when the `with` block ends.

    `messages` is the program's standard error. `code` is its exit code, or None as long as it runs.
    """

    def __init__(
        self,
        command: Sequence[str],
        limits: ProgramLimits,
        *,
        folder: Path = IN_MEMORY,
        open_files: Sequence[int] = (),
    ) -> None:
        """Start a program in `folder`. The program inherits the file descriptors `open_files`.

        Raises:
            OSError: the program cannot be started.
        """
        self.messages = bytearray()
        self.code: int | None = None
        self._limits = limits
        self._unsent = memoryview(b"")
        self._next_look = time.monotonic() + _LOOK_SECONDS
        # The leader kills the group when our process ends. No other group can get the leader's number before
        # we reap the leader.
        self._leader = run_at_our_end("kill -s KILL 0")
        try:
            self._process = subprocess.Popen(  # noqa: S603  # no word of a command comes from outside
                (*limits.words(), *command),
                bufsize=0,
                cwd=folder,
                env=few_variables(folder, os.defpath),
                pass_fds=open_files,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=self._leader.pid,
            )
        except OSError:
            self._leader.communicate()
            raise
        process = self._process
        self._pipes = cast("list[IO[bytes]]", [process.stdin, process.stdout, process.stderr])
        with _changing:
            _running.add(self)

    def __exit__(self, *_: object) -> None:
        with _changing:
            _running.discard(self)
            self.kill()
        self._leader.communicate()
        with self._process:  # closes the pipes and reaps the process
            pass

    def kill(self) -> None:
        """Kill every process of the group. After this, `output` ends, and the exit code is -9."""
        os.killpg(self._leader.pid, signal.SIGKILL)

    def output(self, pieces: Iterable[bytes] = ()) -> Iterator[bytes]:
        """Write `pieces` to the program, and yield the program's output until its end.

        The time limit counts only the time in which this method waits for the program. If `pieces` raises an
        exception, the caller gets this exception.

        Raises:
            ProgramLimitError: the program took too long, too much memory, or too many processes.
            ProgramFailedError: the program wrote too much.
        """
        left, size, given = self._limits.seconds, 0, filter(None, pieces)
        with selectors.DefaultSelector() as selector:
            for pipe in self._pipes:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_WRITE if pipe.writable() else selectors.EVENT_READ)
            stdin, stdout, stderr = (pipe.fileno() for pipe in self._pipes)
            while selector.get_map().keys() - {stdin}:
                since = time.monotonic()
                ready = selector.select(min(left, _LOOK_SECONDS))
                left -= time.monotonic() - since
                if left <= 0 or self._is_too_large():
                    raise ProgramLimitError
                for key, _ in ready:
                    piece = b"" if key.fd == stdin else os.read(key.fd, _PIECE_BYTES)
                    taken = self._feed(stdin, given) if key.fd == stdin else 0
                    left += taken * self._limits.seconds_per_byte
                    if not (taken or piece):
                        selector.unregister(key.fd)
                        cast("IO[bytes]", key.fileobj).close()
                    size += len(piece) if key.fd == stdout else 0
                    self.messages += piece if key.fd == stderr else b""
                    if size > self._limits.output_bytes or len(self.messages) > _MESSAGE_BYTES:
                        raise ProgramFailedError
                    if piece and key.fd == stdout:
                        yield piece
        try:
            self.code = self._process.wait(left)
        except subprocess.TimeoutExpired:
            raise ProgramLimitError from None

    def _feed(self, stdin: int, given: Iterator[bytes]) -> int:
        """Write a part of the input to the program. Return the number of bytes written.

        The number is 0 if the input has ended, or if the program no longer reads the input.
        """
        piece = self._unsent or memoryview(next(given, b""))
        size = 0
        with suppress(BrokenPipeError):
            size = os.write(stdin, piece)
        self._unsent = piece[size:]
        return size

    def _is_too_large(self) -> bool:
        """Return True if the program has too many processes or too much memory.

        The program is measured at most ten times a second. Between two measurements, the result is False.
        """
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + _LOOK_SECONDS
        sizes = _memory_of_tree(self._process.pid, self._leader.pid)
        return len(sizes) > self._limits.processes or sum(sizes) > self._limits.memory_bytes


def run_program(
    command: Sequence[str],
    limits: ProgramLimits,
    *,
    pieces: Iterable[bytes] = (),
    folder: Path = IN_MEMORY,
    open_files: Sequence[int] = (),
) -> bytes:
    """Run a program, write `pieces` to it, and return its output.

    Raises:
        OSError: the program cannot be started.
        ProgramLimitError: the program took too long, too much memory, or too many processes.
        ProgramFailedError: the program wrote too much, or ended with an exit code other than 0.
    """
    with Program(command, limits, folder=folder, open_files=open_files) as program:
        output = b"".join(program.output(pieces))
    if program.code:
        raise ProgramFailedError
    return output


def end_all_programs() -> None:
    """Kill all programs that this process has started with `Program`, each with its whole group."""
    with _changing:
        for program in _running:
            program.kill()


def run_at_our_end(script: str, *words: str, first: str = ":") -> "subprocess.Popen[bytes]":
    """Start a shell that runs `first` now, and `script` when our process ends or is killed.

    If the caller closes the shell's standard input, `script` runs earlier.
    """
    return subprocess.Popen(  # noqa: S603  # no word of a script comes from outside
        ("/bin/sh", "-c", f"trap '' HUP INT TERM; {first}; read -r _; {script}", "guard", *words),
        cwd=IN_MEMORY,
        env=few_variables(IN_MEMORY, os.defpath),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )


def few_variables(folder: Path, path: str) -> dict[str, str]:
    """Return the few environment variables that a program gets.

    `folder` is the program's home, also for temporary files.
    """
    return {"PATH": path, "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8", "TZ": "UTC"}


def _memory_of_tree(program: int, group: int) -> list[int]:
    """Return the memory size, in bytes, of each process of a running program.

    These are the program, its child processes (and theirs), and its process group without the leading shell.
    """
    sizes: dict[int, int] = {}
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda folder: int(folder.name)):
        with suppress(OSError):  # this process has ended
            # Source: proc(5). After the name: state, parent, group, and as the 22nd value, pages in memory.
            _, parent, its_group, *rest = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            number = int(folder.name)
            if number == program or int(parent) in sizes or (int(its_group) == group and number != group):
                sizes[number] = int(rest[18]) * _PAGE_BYTES
    return list(sizes.values())
