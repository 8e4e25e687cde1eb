"""A person who types at a real terminal, reads what the program says, and answers."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_SECONDS = 120


@dataclass(slots=True)
class TypingPerson:
    """The terminal of one running command."""

    terminal: int
    program: subprocess.Popen[bytes]
    seen: str = ""
    _read: int = field(default=0)

    def sees(self, pattern: str) -> re.Match[str]:
        """Wait until the terminal shows this, after what was seen before."""
        while True:
            found = re.compile(pattern).search(self.seen, self._read)
            if found is not None:
                self._read = found.end()
                return found
            assert self._more(), f"{pattern} was not shown, but: {self.seen}"

    def types(self, line: str) -> None:
        os.write(self.terminal, f"{line}\n".encode())

    def answers(self, question: str, line: str) -> None:
        self.sees(question)
        self.types(line)

    def talks(self, answers: Mapping[str, Callable[[str], str]]) -> str:
        """Answer each question that the program asks, until the program ends.

        `answers` maps the pattern of a question to a function, which gets everything that was shown. Return
        everything that the terminal showed.
        """
        is_running = True
        while is_running:
            unread = self.seen[self._read :]
            if asked := next((each for each in answers if re.search(f"(?:{each})$", unread)), None):
                self._read = len(self.seen)
                self.types(answers[asked](self.seen))
            is_running = self._more()
        return self.seen

    def interrupts(self) -> None:
        """Press Ctrl-C until the command ends. A press just before the command reads has no effect."""
        while self.program.poll() is None:
            with suppress(OSError):  # the command has ended in the meantime
                os.killpg(os.tcgetpgrp(self.terminal), signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self.program.wait(5)

    def ends(self) -> str:
        """Wait until the command ends well. Return everything that the terminal showed."""
        while self._more():
            pass
        assert 0 == self.program.wait(), self.seen
        return self.seen

    def _more(self) -> bool:
        ready, _, _ = select.select([self.terminal], [], [], _SECONDS)
        piece = b""
        with suppress(OSError):  # the program has closed the terminal
            piece = os.read(self.terminal, 4096) if ready else b""
        self.seen += piece.decode().replace("\r\n", "\n")
        return bool(piece)


@contextmanager
def at_terminal(settings: Path, *words: str | Path) -> Iterator[TypingPerson]:
    """Start a command of `steunpunt` in a terminal of its own. At the end, stop it if it still runs."""
    with typing_to([sys.executable, "-m", "deploy.cli.main", "--settings", settings, *words]) as person:
        yield person


@contextmanager
def typing_to(command: Sequence[str | Path]) -> Iterator[TypingPerson]:
    """Start any command in a terminal of its own. At the end, stop it if it still runs."""
    ours, theirs = pty.openpty()
    program = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command], stdin=theirs, stdout=theirs, stderr=theirs, cwd=_ROOT
    )
    os.close(theirs)
    try:
        yield TypingPerson(ours, program)
    finally:
        os.close(ours)
        program.kill()
        program.wait()
