"""Runs of gpg. python-gnupg makes the command lines and reads the answers, and our runner runs gpg."""

import io
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import gnupg

from gpg import arguments
from gpg.status import GpgStatus
from programs.errors import ProgramFailedError
from programs.runner import Program, ProgramLimits, run_program
from programs.sandbox import Sandbox

RUN_SECONDS: Final = 10  # gpg takes 20 ms for a text
_SECONDS_PER_BYTE: Final = 1 / 5_000_000  # a slow computer decrypts ten times as fast
_MEMORY_BYTES: Final = 500_000_000
_KEY_LIMITS: Final = ProgramLimits(30, _MEMORY_BYTES, output_bytes=10_000_000, file_bytes=10_000_000)


class Gpg(gnupg.GPG):  # type: ignore[misc]  # has no types
    """Interface to gpg with one GnuPG home. Each run of gpg has limits on time, memory and output.

    The methods that manage keys are those of python-gnupg. Threads may share this object.
    """

    def __init__(self, program: str, home: Path) -> None:
        super().__init__(gpgbinary=program, gnupghome=str(home), options=arguments.BASE_OPTIONS.split())
        self.encoding = "utf-8"
        self._sandbox: tuple[str, ...] = ()

    def use_sandbox(self, sandbox: Sandbox) -> None:
        """Decrypt and encrypt in a sandbox, if gpg can start in a sandbox on this machine.

        In the sandbox, gpg has no network and can change no files. gpg sees only /usr, its home and its
        agent.
        """
        # When gpg ends, the sandbox ends, and with it every process that gpg started.
        find = ("gpgconf", "--homedir", self.gnupghome, "--list-dirs", "socketdir")
        with suppress(OSError, ProgramFailedError):
            sockets = Path(run_program(find, _KEY_LIMITS).decode().strip())
            shown = (self.gpgbinary, self.gnupghome, str(sockets))
            words = sandbox.words(
                *("--perms", "0700", "--dir", str(sockets.parent)),  # otherwise gpg refuses this folder
                *(word for path in shown for word in ("--ro-bind-try", path, path)),
            )
            run_program((*words, self.gpgbinary, "--version"), _KEY_LIMITS)
            self._sandbox = words

    def start(self, *words: str, output_bytes: int) -> Program:
        """Start gpg with a message as input. `words` are gpg's options and its command.

        gpg gets 10 seconds, and one second more for each 5 MB of input. gpg cannot write to files.
        """
        # So the plaintext of a message is only in pipes.
        limits = ProgramLimits(RUN_SECONDS, _MEMORY_BYTES, output_bytes, seconds_per_byte=_SECONDS_PER_BYTE)
        return Program((*self._sandbox, *self.make_args(words, None)), limits)

    def _open_subprocess(self, args: list[str], _passphrase: object = None) -> SimpleNamespace:
        return SimpleNamespace(args=args, stdin=None, returncode=None)

    def _collect_output(self, run: SimpleNamespace, result: Any, **_: object) -> None:  # noqa: ANN401
        self._handle_io(run.args, io.BytesIO(), result)
        run.returncode = result.returncode

    def _handle_io(self, args: list[str], file: io.BytesIO, result: Any, *_: object, **__: object) -> None:  # noqa: ANN401
        result.data, result.stderr = b"", ""
        run = Program(self.make_args(args, None), _KEY_LIMITS)
        with run, suppress(ProgramFailedError):  # then gpg did not report success
            result.data = b"".join(run.output([file.read()]))
        result.returncode = run.code
        for keyword, value in GpgStatus(run.messages).lines:
            result.handle_status(keyword, value)
