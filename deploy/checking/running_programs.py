"""Programs of the mailbox that run on this machine, as the kernel shows them in /proc."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_COMMANDS = ("steunpunt", "deploy.cli.main")
_LASTING = (
    ("run",),
    ("check", "--watch"),
    ("onion", "publish"),
)  # commands that run until someone stops them
_OPTIONS = ("--settings", "--parent")  # each has a value


@dataclass(frozen=True, slots=True)
class RunningProgram:
    """Process of the mailbox: its user, and the words of its command.

    `core_bytes` is the largest size of the process's core dump. With "0", a crash leaves no core dump.
    """

    user: int
    words: tuple[str, ...]
    core_bytes: str

    def is_part(self, *words: str) -> bool:
        """Return True if the command begins with these words, such as `run source`."""
        return self.words[: len(words)] == words

    @property
    def is_lasting(self) -> bool:
        """Return True if the command runs until someone stops it."""
        return any(self.is_part(*words) for words in _LASTING)


def running_programs(settings: Path, proc: Path = _PROC) -> list[RunningProgram]:
    """Return the mailbox's programs that run with this settings file, if this user can see them."""
    return list(_programs(settings, proc))


def _programs(settings: Path, proc: Path) -> Iterator[RunningProgram]:
    for folder in proc.glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text("utf-8", "replace").split("\0")[:-1]
            status = (folder / "status").read_text("utf-8", "replace")
            limits = (folder / "limits").read_text("utf-8", "replace")
        except OSError:  # the process has just ended
            continue
        words = _words(command, settings, folder)
        if words and (words[0] != "check" or "--watch" in words):  # not the command that looks
            yield RunningProgram(
                user=int(_value(status, "Uid:")), words=words, core_bytes=_value(limits, "Max core file size")
            )


def _words(command: Sequence[str], settings: Path, process: Path) -> tuple[str, ...]:
    """Return the words of a command after `steunpunt` and its options.

    Return no words for another program, or for another desk's program. `process` is the folder of the process
    in /proc.
    """
    # Other programs, such as `su - steunpunt`, name our user or folder.
    if not (command and Path(command[0]).name.startswith("python")):
        return ()
    start = next((at for at, word in enumerate(command) if Path(word).name in _COMMANDS), len(command))
    words, place = list(command[start + 1 :]), Path("var/config.toml")
    while words and words[0] in _OPTIONS:
        place = Path(*words[1:2]) if words[0] == "--settings" else place
        words = words[2:]
    with suppress(OSError):  # only root may read this folder of a hardened process
        place = (process / "cwd").readlink() / place
    return () if place.is_absolute() and place.resolve() != settings.resolve() else tuple(words)


def _value(text: str, name: str) -> str:
    """Find the line of `text` that begins with `name`. Return the first word after the name, or "0"."""
    line = next((line for line in text.splitlines() if line.startswith(name)), name + " 0")
    return line.removeprefix(name).split()[0]
