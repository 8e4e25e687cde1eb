"""Bubblewrap sandbox for external programs, and one run of a program with limits on time, memory and output.

A hostile file may take over the program that reads it. In the sandbox, that program has no network, a
read-only /usr, its own /tmp in memory, and an almost empty environment.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from programs.errors import ProgramFailedError

SANDBOX_FOLDER: Final = Path("/tmp")  # noqa: S108  # a tmpfs that only the sandboxed program can see
_READ_BYTES: Final = 65536
_ANSWER: Final = b"inside\n"
_SHOWN_FILES: Final = (
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/mime.types",
    "/etc/fonts",
    "/var/cache/fontconfig",
)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Bubblewrap sandbox, which isolates an external program from this machine.

    Each run starts a new sandbox. `seconds` is the longest time that `is_allowed` waits. `folder_bytes` is
    the size of the sandbox's /tmp.
    """

    bwrap: Path
    folder_bytes: int
    seconds: float

    def is_allowed(self) -> bool:
        """Return True if this machine lets us start a sandbox.

        This method starts a sandbox to learn the answer, because no file of the system shows whether
        sandboxes are allowed.
        """
        try:
            answer = run_program(
                self.command("/bin/sh", "-c", "echo inside"),
                folder=Path("/"),
                seconds=self.seconds,
                output_bytes=len(_ANSWER),
            )
        except (OSError, ProgramFailedError):
            return False
        return answer == _ANSWER

    def command(self, *words: str) -> tuple[str, ...]:
        """Return the command line that runs a program in a new sandbox.

        `words` are further options of bubblewrap, then the program's name and its arguments.
        """
        return (
            *(str(self.bwrap), "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"),
            *("--cap-drop", "ALL", "--ro-bind", "/usr", "/usr"),
            *(
                word
                for name in ("bin", "lib", "lib64", "sbin")
                for word in ("--symlink", f"usr/{name}", f"/{name}")
            ),
            *(word for path in _SHOWN_FILES for word in ("--ro-bind-try", path, path)),
            *("--proc", "/proc", "--dev", "/dev"),
            *(
                "--size",
                str(self.folder_bytes),
                "--tmpfs",
                str(SANDBOX_FOLDER),
                "--chdir",
                str(SANDBOX_FOLDER),
            ),
            *(word for pair in _environment(SANDBOX_FOLDER).items() for word in ("--setenv", *pair)),
            *words,
        )


def resource_limits(*, memory_bytes: int, file_bytes: int, seconds: float) -> tuple[str, ...]:
    """Return the words to put before a command, so that the kernel limits the resources of the command.

    The kernel ends the program if it exceeds a limit. `memory_bytes` limits its memory, `file_bytes` the
    largest file that it may write, and `seconds` its CPU time.
    """
    return (
        "/usr/bin/prlimit",
        f"--as={memory_bytes}",
        f"--cpu={int(seconds) + 1}",
        f"--fsize={file_bytes}",
        "--core=0",
        "--nofile=256",
    )


def run_program(
    command: Sequence[str], *, folder: Path, seconds: float, output_bytes: int, open_files: Sequence[int] = ()
) -> bytes:
    """Run a program in a folder and return its standard output.

    `seconds` is the longest time to wait, and `output_bytes` the largest allowed output. `open_files` are
    file descriptors that the program inherits. A program that exceeds a limit is killed, together with every
    program that it started.

    Raises:
        OSError: the program cannot be started.
        ProgramFailedError: the program took too long, wrote too much, or ended with an exit code other than
            0.
    """
    until = time.monotonic() + seconds
    with subprocess.Popen(  # noqa: S603  # no word of a command comes from outside
        command,
        cwd=folder,
        env=_environment(folder),
        pass_fds=open_files,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            output = _read(process, until, output_bytes)
            code = process.wait(max(0.0, until - time.monotonic()))
        except (subprocess.TimeoutExpired, ProgramFailedError):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise ProgramFailedError from None
    if code:
        raise ProgramFailedError
    return output


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": f"{folder}/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }


def _read(process: "subprocess.Popen[bytes]", until: float, output_bytes: int) -> bytes:
    output = bytearray()
    pipe = process.stdout.fileno()  # type: ignore[union-attr]  # it was opened with one
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while selector.select(max(0.0, until - time.monotonic())):
            piece = os.read(pipe, _READ_BYTES)
            if not piece:
                return bytes(output)
            output += piece
            if len(output) > output_bytes:
                raise ProgramFailedError
    raise ProgramFailedError
