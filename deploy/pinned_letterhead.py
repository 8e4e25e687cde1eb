"""The letterhead that a source server may use: signed by the pinned desk, and none older than seen before.

What was seen is one line in a file outside the store: a serial, and a digest of the parameters.
"""

import fcntl
import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.errors import LetterheadError
from deploy.quiet_log import OWN_LOGGER
from protocol import letterhead
from protocol.errors import LetterheadRefusal, LetterheadRefusedError
from protocol.letterhead import Letterhead
from store import letterheads
from store.database.engine import Store
from store.errors import StoreError

LOOK_SECONDS = 60.0  # between two looks of a running process: what the desk says holds within a minute
_DO_NOT_START = "Do not start this server, and tell the desk."
_SENTENCES = {
    LetterheadRefusal.FORGED: (
        "The letterhead in the store is forged: it is not signed by the desk whose fingerprint stands in the "
        "settings file."
    ),
    LetterheadRefusal.OLDER: (
        "The letterhead in the store is older than one this server has seen: the store was put back to an "
        "earlier day."
    ),
    LetterheadRefusal.MALFORMED: "The letterhead in the store is in no form that we know.",
    LetterheadRefusal.OTHER_PARAMETERS: "The letterhead in the store changes what may never change.",
}
_BROUGHT = {
    LetterheadRefusal.FORGED: (
        "The letterhead in it is not signed by the desk whose fingerprint stands in the settings file. "
        "Nothing "
        "was changed: compare the fingerprint with the desk's poster."
    ),
    LetterheadRefusal.OLDER: (
        "The letterhead in it is older than one this server has seen. Nothing was changed: pair the "
        "workstation again with a new card file."
    ),
    LetterheadRefusal.MALFORMED: "The letterhead in it is in no form that we know. Nothing was changed.",
    LetterheadRefusal.OTHER_PARAMETERS: (
        "The letterhead in it changes what may never change. Nothing was changed: tell the desk."
    ),
}
_log = logging.getLogger(OWN_LOGGER)


def open_letterhead(store: Store, fingerprint: str, serial_path: Path) -> Letterhead:
    """Return the store's newest letterhead once it is found true, and remember its serial outside the store.

    Raises:
        LetterheadError: it is missing, forged, or older than the serial remembered; what is wrong and what to
            do, for whoever starts a server.
    """
    try:
        return _verified(store, fingerprint, serial_path, None)
    except LetterheadRefusedError as refused:
        raise LetterheadError(f"{_SENTENCES[refused.reason]} {_DO_NOT_START}") from refused


def accept_letterhead(
    body: bytes, signature: bytes, fingerprint: str, serial_path: Path, in_use: Letterhead | None
) -> Letterhead:
    """Return a letterhead that was brought, once it is found as true as one in the store has to be.

    Raises:
        LetterheadError: it is not to be used; what is wrong, for whoever brought it.
    """
    try:
        seen_serial, seen_parameters = _recall(serial_path)
        true = letterhead.verify_letterhead(
            body, signature, fingerprint, at_least_serial=seen_serial, same_parameters_as=in_use
        )
    except LetterheadRefusedError as refused:
        raise LetterheadError(_BROUGHT[refused.reason]) from refused
    if seen_parameters not in {None, _parameters(true)}:
        raise LetterheadError(_BROUGHT[LetterheadRefusal.OTHER_PARAMETERS])
    return true


class LetterheadWatch:
    """Gives the letterhead to use now, and looks for a newer one as long as a process runs.

    One that would not start a server changes nothing in one that runs: it is logged once, and the one in use
    stays. Safe for threads: one of them looks, and the others never wait for it.
    """

    def __init__(
        self,
        store: Store,
        fingerprint: str,
        serial_path: Path,
        in_use: Letterhead,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with the letterhead that `open_letterhead` gave; `clock` counts seconds."""
        self._store = store
        self._fingerprint = fingerprint
        self._serial_path = serial_path
        self._in_use = in_use
        self._clock = clock
        self._looked: float | None = None  # a worker that is started later begins with a look
        self._looking = threading.Lock()
        self._told = ""

    def __call__(self) -> Letterhead:
        """Return the letterhead to use; look into the store first when the last look is a while ago."""
        is_time = self._looked is None or self._clock() - self._looked >= LOOK_SECONDS
        if is_time and self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._looked = self._clock()
                self._looking.release()
        return self._in_use

    def _look(self) -> None:
        try:
            newest = _verified(self._store, self._fingerprint, self._serial_path, self._in_use)
        except LetterheadRefusedError as refused:
            self._tell(_SENTENCES[refused.reason])
        except LetterheadError as why:
            self._tell(str(why))
        except (StoreError, OSError) as why:
            self._tell(f"No newer letterhead could be looked for ({type(why).__name__}).")
        else:
            self._told = ""
            if newest.serial > self._in_use.serial:
                self._in_use = newest
                _log.info("the desk's letterhead number %d is in use", newest.serial)

    def _tell(self, sentence: str) -> None:
        if sentence != self._told:
            _log.error("%s The one in use stays: tell the desk.", sentence)
            self._told = sentence


def _verified(store: Store, fingerprint: str, serial_path: Path, in_use: Letterhead | None) -> Letterhead:
    """Return the store's newest letterhead; one process at a time, so that the memory never goes back.

    Raises:
        LetterheadRefusedError: it is not to be used.
        LetterheadError: it is missing, or what is remembered cannot be read; one sentence.
    """
    with _alone(serial_path):
        # Looked at in here: of two processes the slower one would find its letterhead older than remembered.
        with store.reading() as session:
            found = letterheads.latest(session)
        if found is None:
            raise LetterheadError(
                "The store holds no letterhead: pair the desk's workstation with this server, and run here: "
                "steunpunt admit FILE."
            )
        _, body, signature = found
        seen_serial, seen_parameters = _recall(serial_path)
        at_least = seen_serial if in_use is None else max(seen_serial, in_use.serial)
        true = letterhead.verify_letterhead(
            body, signature, fingerprint, at_least_serial=at_least, same_parameters_as=in_use
        )
        parameters = _parameters(true)
        if seen_parameters not in {None, parameters}:
            raise LetterheadRefusedError(LetterheadRefusal.OTHER_PARAMETERS)
        if true.serial > seen_serial:
            _remember(serial_path, true.serial, parameters)
    return true


@contextmanager
def _alone(serial_path: Path) -> Iterator[None]:
    """Keep the other workers and the sweeper from remembering at the same moment."""
    folder = os.open(serial_path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # given back when it is closed, or when the process ends
        yield
    finally:
        os.close(folder)


def _parameters(true: Letterhead) -> str:
    """Return a digest of what turns a passphrase into keys: with another, every mailbox would seem empty."""
    cost = true.argon2
    return hashlib.sha256(true.site_salt + f"{cost.t} {cost.m_kib} {cost.p}".encode()).hexdigest()


def _recall(path: Path) -> tuple[int, str | None]:
    """Return the last serial seen and the digest of its parameters; 0 and None where none was ever."""
    try:
        serial, parameters = path.read_text("ascii").split()
        return int(serial), parameters
    except FileNotFoundError:
        return 0, None
    except (OSError, ValueError) as why:
        raise LetterheadError(
            f"{path} does not hold the last letterhead's serial: put it right first."
        ) from why


def _remember(path: Path, serial: int, parameters: str) -> None:
    """Write the serial so that a crash leaves the old file or the new one, never half of it."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w", encoding="ascii") as sink:
        sink.write(f"{serial} {parameters}\n")
        sink.flush()
        os.fsync(sink.fileno())
    fresh.replace(path)
