"""One run of gpg through python-gnupg.

The input and output are pieces of bytes, so a long message does not fill the memory.
"""

import contextlib
import os
import queue
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import gnupg

from gpg.status import GpgStatus

_PIECE_BYTES: Final = 64 * 1024
_PIECES_AHEAD: Final = 8  # largest number of pieces of output that wait in memory


class GpgProcess(gnupg.GPG):  # type: ignore[misc]  # has no types
    """One run of gpg through python-gnupg, with a minimal environment. `stop` kills gpg."""

    def __init__(self, program: str, home: Path, options: Sequence[str]) -> None:
        self.is_started = threading.Event()
        self._kill: Callable[[], None] = self.is_started.clear  # there is no process to kill yet
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
        super().__init__(gpgbinary=program, gnupghome=str(home), options=list(options), env=environment)
        self.encoding = "utf-8"
        self.buffer_size = _PIECE_BYTES
        self.is_started.clear()  # the constructor started gpg once, to read its version

    def stop(self) -> None:
        """Kill gpg. If gpg has not started yet, kill gpg as soon as it starts.

        The caller must not use the output that gpg wrote so far.
        """
        self.is_started.wait()
        self._kill()

    def stream(
        self, work: Callable[["PieceReader"], object], pieces: Iterable[bytes], status: GpgStatus
    ) -> Iterator[bytes]:
        """Run `work`, a function that starts gpg, in a thread. Yield gpg's output while gpg writes it.

        `pieces` is gpg's input, which `work` reads from a `PieceReader`. If `pieces` raises an exception,
        this method raises the same exception. Before the last piece of output, an empty piece is yielded. At
        that moment gpg has ended and `status` is complete, so the caller can still refuse the last piece.
        """
        output: queue.Queue[bytes | None] = queue.Queue(_PIECES_AHEAD)
        reader = PieceReader(pieces, self.stop)

        def keep(piece: bytes) -> bool:
            if piece:
                output.put(piece)
            return False  # False: python-gnupg does not collect the output in memory

        def run() -> None:
            # Any failure here (such as a broken pipe, when gpg ends before it has read everything) means
            # that gpg did not report success. The caller looks at `status`.
            with contextlib.suppress(Exception):
                work(reader)
            self.is_started.set()
            output.put(None)

        self.result_map = {**gnupg.GPG.result_map, "crypt": lambda _gpg: status}
        self.on_data = keep
        runner = threading.Thread(target=run, name="gpg", daemon=True)
        runner.start()
        last = b""
        has_ended = False
        try:
            for piece in iter(output.get, None):
                if last:
                    yield last
                last = piece
            has_ended = True
            if reader.failure is not None:
                raise reader.failure
            yield b""
            yield last
        finally:
            if not has_ended:
                self.stop()
                deque(iter(output.get, None), maxlen=0)
            runner.join()

    def _open_subprocess(self, args: list[str], passphrase: bool = False) -> "subprocess.Popen[bytes]":  # noqa: FBT001, FBT002  # overrides python-gnupg's method
        process: subprocess.Popen[bytes] = super()._open_subprocess(args, passphrase)
        self._kill = process.kill
        self.is_started.set()
        return process


class PieceReader:
    """File-like reader over pieces of bytes, from which python-gnupg reads gpg's input.

    If getting the next piece raises an exception, the reader kills gpg and sets `failure` to the exception.
    """

    def __init__(self, pieces: Iterable[bytes], stop: Callable[[], None]) -> None:
        self.failure: BaseException | None = None
        self._pieces = iter(pieces)
        self._buffer = bytearray()
        self._stop = stop

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, or fewer bytes at the end of the input."""
        try:
            while len(self._buffer) < size:
                self._buffer += next(self._pieces)
        except StopIteration:
            pass
        except BaseException as why:  # noqa: BLE001  # the thread that iterates over the output raises it
            self.failure = why
            self._stop()
            return b""
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        return piece
