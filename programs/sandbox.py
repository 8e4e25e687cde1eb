"""Bubblewrap sandbox for external programs.

A hostile file may take over the program that reads it. In the sandbox, that program has no network, a
read-only /usr, its own /tmp in memory as the only place to write, and an almost empty environment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from programs.errors import NoSandboxError, ProgramFailedError
from programs.runner import Program, ProgramLimits, few_variables

SANDBOX_FOLDER: Final = Path("/tmp")  # noqa: S108  # a tmpfs that only the sandboxed program can see
_FOLDER_BYTES: Final = 600_000_000  # size of the sandbox's /tmp
_OPTIONS: Final = (
    "--unshare-all --die-with-parent --new-session --clearenv --cap-drop ALL --proc /proc --dev /dev"
    " --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64"
    " --symlink usr/sbin /sbin"
)
# Bubblewrap's own / and /dev are in memory too, and have no limit on their size.
_READ_ONLY: Final = "--remount-ro /dev --remount-ro /"
_SHOWN: Final = "/etc/alternatives /etc/ld.so.cache /etc/mime.types /etc/fonts /var/cache/fontconfig"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Bubblewrap sandbox, which isolates an external program from this machine.

    Each run starts a new sandbox.
    """

    bwrap: Path

    def words(self, *options: str) -> tuple[str, ...]:
        """Return the words to put before a command, so that the command runs in a new sandbox.

        `options` are further options of bubblewrap.
        """
        variables = few_variables(SANDBOX_FOLDER, f"{SANDBOX_FOLDER}/bin")
        folder = f"--size {_FOLDER_BYTES} --tmpfs {SANDBOX_FOLDER} --chdir {SANDBOX_FOLDER}"
        return (
            *(str(self.bwrap), *_OPTIONS.split(), *folder.split()),
            *(word for path in _SHOWN.split() for word in ("--ro-bind-try", path, path)),
            *(word for pair in variables.items() for word in ("--setenv", *pair)),
            *(*options, *_READ_ONLY.split()),
        )

    def run(
        self,
        command: Sequence[str],
        limits: ProgramLimits,
        open_files: Sequence[int],
        options: Sequence[str] = (),
    ) -> bytes:
        """Run a command in a new sandbox, and return its output.

        `options` are further options of bubblewrap. The program must write nothing to standard error.

        Raises:
            NoSandboxError: the sandbox did not start.
            ProgramFailedError: the program exceeded a limit, or ended with an exit code other than 0.
        """
        with Program((*self.words(*options), *command), limits, open_files=open_files) as program:
            output = b"".join(program.output())
        if program.code:
            raise (
                NoSandboxError if program.messages else ProgramFailedError
            )  # only bubblewrap writes messages
        return output
