"""Bubblewrap sandbox for external programs.

A hostile file may take over the program that reads it. In the sandbox, that program has no network, a
read-only /usr, its own /tmp in memory, and an almost empty environment.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from programs.errors import ProgramFailedError
from programs.runner import ProgramLimits, few_variables, run_program

SANDBOX_FOLDER: Final = Path("/tmp")  # noqa: S108  # a tmpfs that only the sandboxed program can see
_ANSWER: Final = b"inside\n"
_QUESTION: Final = ProgramLimits(seconds=10, memory_bytes=1_000_000_000, output_bytes=len(_ANSWER))
_OPTIONS: Final = (
    "--unshare-all --die-with-parent --new-session --clearenv --cap-drop ALL --proc /proc --dev /dev"
    " --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64"
    " --symlink usr/sbin /sbin"
)
_SHOWN: Final = "/etc/alternatives /etc/ld.so.cache /etc/mime.types /etc/fonts /var/cache/fontconfig"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Bubblewrap sandbox, which isolates an external program from this machine.

    Each run starts a new sandbox. `folder_bytes` is the size of the sandbox's /tmp.
    """

    bwrap: Path
    folder_bytes: int

    def is_allowed(self) -> bool:
        """Return True if this machine lets us start a sandbox.

        This method starts a sandbox to learn the answer, because no file of the system shows whether
        sandboxes are allowed.
        """
        try:
            answer = run_program(self.command("/bin/sh", "-c", "echo inside"), _QUESTION)
        except (OSError, ProgramFailedError):
            return False
        return answer == _ANSWER

    def command(self, *words: str) -> tuple[str, ...]:
        """Return the command line that runs a program in a new sandbox.

        `words` are further options of bubblewrap, then the program's name and its arguments.
        """
        variables = few_variables(SANDBOX_FOLDER, f"{SANDBOX_FOLDER}/bin")
        folder = f"--size {self.folder_bytes} --tmpfs {SANDBOX_FOLDER} --chdir {SANDBOX_FOLDER}"
        return (
            *(str(self.bwrap), *_OPTIONS.split(), *folder.split()),
            *(word for path in _SHOWN.split() for word in ("--ro-bind-try", path, path)),
            *(word for pair in variables.items() for word in ("--setenv", *pair)),
            *words,
        )
