"""Verification of the desk's newest letterhead: signed by the pinned desk, not older than one seen before.

The letterhead is the desk's public statement. The settings pin the desk by its fingerprint. The server
remembers the newest letterhead in a file outside the store: its serial, and a digest of its salt and cost.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from deploy.errors import DeployError, LetterheadError
from deploy.quiet_log import OWN_LOGGER
from protocol import letterhead
from protocol.errors import LetterheadRefusal, LetterheadRefusedError
from protocol.letterhead import Letterhead
from store import letterheads
from store.database.atomic_files import folder_lock, replace_file
from store.database.engine import Store
from store.errors import StoreError

LOOK_SECONDS = 60.0  # time between two checks: a running process uses a new letterhead within a minute
_FAULTS = {
    LetterheadRefusal.FORGED: (
        "is forged or damaged: it is not signed by the desk whose fingerprint is in the settings file"
    ),
    LetterheadRefusal.OLDER: "is older than one this server has seen",
    LetterheadRefusal.MALFORMED: "is in a form that this version does not know",
    LetterheadRefusal.OTHER_PARAMETERS: "changes parameters that may never change",
}
# What to do when the letterhead in a pairing file is refused.
_ADVICE = {
    LetterheadRefusal.FORGED: "compare the fingerprint with the desk's poster",
    LetterheadRefusal.OLDER: "pair the workstation again with a new card file",
    LetterheadRefusal.MALFORMED: "check whether both machines have the same version",
    LetterheadRefusal.OTHER_PARAMETERS: "tell the desk",
}
_log = logging.getLogger(OWN_LOGGER)


def open_letterhead(store: Store, fingerprint: str, serial_path: Path) -> Letterhead:
    """Verify the desk's newest signed public statement (letterhead) in the store, and return it.

    Raises:
        LetterheadError: the letterhead is missing, forged, or older than one that was used before.
    """
    # The serial is remembered outside the store, so that a restored older store is detected.
    try:
        return _verify_newest(store, fingerprint, serial_path, None)
    except LetterheadRefusedError as why:
        raise LetterheadError(
            f"{_in_store(why.reason)} Do not start this server, and tell the desk."
        ) from why


def inspect_letterhead(store: Store, fingerprint: str, serial_path: Path) -> Letterhead:
    """Verify and return the desk's newest signed public statement (letterhead), and write no file.

    Raises:
        LetterheadError: the letterhead is missing, forged, or older than one that was used before.
    """
    try:
        return _verify(_newest_in(store), fingerprint, _recall(serial_path), None)
    except LetterheadRefusedError as why:
        raise LetterheadError(_in_store(why.reason)) from why


def refuse_trial(verified: Letterhead, real_use: str) -> None:
    """Check that this is not a trial desk. `real_use` says what only a real desk may do.

    Raises:
        DeployError: this is a trial desk.
    """
    if verified.is_trial:
        raise DeployError(
            f"This is a trial desk, which can never become a real desk: {real_use}. To make a real desk, run "
            "steunpunt setup in another folder."
        )


def accept_letterhead(
    published: tuple[bytes, bytes], fingerprint: str, serial_path: Path, in_use: Letterhead | None
) -> None:
    """Verify a letterhead from a pairing file as strictly as a letterhead in the store.

    A letterhead is the desk's signed public statement. `in_use` is the server's current letterhead, or None
    on a new server.

    Raises:
        LetterheadError: the letterhead must not be used.
    """
    try:
        _verify(published, fingerprint, _recall(serial_path), in_use)
    except LetterheadRefusedError as why:
        raise LetterheadError(
            f"The letterhead in the file {_FAULTS[why.reason]}. Nothing was changed: {_ADVICE[why.reason]}."
        ) from why


def read_copied_letterhead(store: Store, fingerprint: str) -> Letterhead:
    """Verify the signature of the newest letterhead (public statement) in a copy of a store, and return it.

    The letterhead of a copy may be older than one that this server has seen.

    Raises:
        LetterheadError: the letterhead is missing or forged.
    """
    try:
        return _verify(_newest_in(store), fingerprint, (0, None), None)
    except LetterheadRefusedError as why:
        raise LetterheadError(_in_store(why.reason)) from why


def remember_restored(restored: Letterhead, serial_path: Path) -> None:
    """Remember the letterhead (public statement) of a restored store, even if a newer one was seen before.

    Raises:
        LetterheadError: the salt or the cost has changed, so no passphrase would open a mailbox any more.
    """
    with folder_lock(serial_path.parent, is_waiting=True):
        if _recall(serial_path)[1] not in {None, _parameters_digest(restored)}:
            raise LetterheadError(_in_store(LetterheadRefusal.OTHER_PARAMETERS))
        replace_file(serial_path, [serial_line(restored)])


class LetterheadWatch:
    """Provider of the newest valid letterhead, the desk's signed public statement, for a running process.

    Threads may share this object. While one thread checks the store for a newer letterhead, the others do not
    wait.
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
        """Start with the verified letterhead `in_use` (signed public statement).

        `clock` returns seconds since any fixed moment.
        """
        self._store = store
        self._fingerprint = fingerprint
        self._serial_path = serial_path
        self._in_use = in_use
        self._clock = clock
        self._checked_at: float | None = None  # None: check first, as a worker may start later
        self._checking = threading.Lock()
        self._last_logged = ""

    def __call__(self) -> Letterhead:
        """Return the letterhead (signed public statement) that this process must use now.

        First check the store for a newer letterhead, if the last check was `LOOK_SECONDS` ago or more.
        """
        is_due = self._checked_at is None or self._clock() - self._checked_at >= LOOK_SECONDS
        if is_due and self._checking.acquire(blocking=False):
            try:
                self._check_store()
            finally:
                self._checked_at = self._clock()
                self._checking.release()
        return self._in_use

    def _check_store(self) -> None:
        try:
            newest = _verify_newest(self._store, self._fingerprint, self._serial_path, self._in_use)
        except LetterheadRefusedError as why:
            self._log_once(_in_store(why.reason))
        except LetterheadError as why:
            self._log_once(str(why))
        except (StoreError, OSError) as why:
            self._log_once(f"The store could not be checked for a newer letterhead ({type(why).__name__}).")
        else:
            self._last_logged = ""
            if newest.serial > self._in_use.serial:
                self._in_use = newest
                _log.info("the desk's letterhead number %d is in use", newest.serial)

    def _log_once(self, sentence: str) -> None:
        if sentence != self._last_logged:
            _log.error("%s The server keeps using the letterhead that it has: tell the desk.", sentence)
            self._last_logged = sentence


def _verify_newest(
    store: Store, fingerprint: str, serial_path: Path, in_use: Letterhead | None
) -> Letterhead:
    """Verify the newest letterhead (signed public statement) in the store, and remember its serial number.

    Raises:
        LetterheadRefusedError: the letterhead is forged, malformed or too old, or has another salt or cost.
        LetterheadError: the letterhead is missing, or the remembered serial cannot be read.
    """
    with folder_lock(serial_path.parent, is_waiting=True):
        # Read the store inside the lock. Otherwise the slower of two processes could read an older letterhead
        # than the remembered one, and refuse it.
        newest = _newest_in(store)
        seen = _recall(serial_path)
        verified = _verify(newest, fingerprint, seen, in_use)
        if verified.serial > seen[0]:
            replace_file(serial_path, [serial_line(verified)])
    return verified


def _newest_in(store: Store) -> tuple[bytes, bytes]:
    """Return the body and the signature of the newest letterhead (signed public statement) in the store.

    Raises:
        LetterheadError: the store has no letterhead.
    """
    with store.reading() as session:
        newest = letterheads.latest(session)
    if newest is None:
        raise LetterheadError(
            "The store holds no letterhead: pair the desk's workstation with this server, and run here: "
            "steunpunt server admit FILE."
        )
    return newest[1:]


def serial_line(verified: Letterhead) -> bytes:
    """Return the line with which a server remembers a letterhead, the desk's signed public statement."""
    return f"{verified.serial} {_parameters_digest(verified)}\n".encode("ascii")


def _in_store(reason: LetterheadRefusal) -> str:
    because = ": the store was restored from an older copy" if reason is LetterheadRefusal.OLDER else ""
    return f"The letterhead in the store {_FAULTS[reason]}{because}."


def _parameters_digest(verified: Letterhead) -> str:
    """Return a digest of the salt and the cost with which keys are derived from passphrases.

    With another salt or cost, no passphrase would open its mailbox.
    """
    cost = verified.argon2
    return hashlib.sha256(verified.site_salt + f"{cost.t} {cost.m_kib} {cost.p}".encode()).hexdigest()


def _verify(
    published: tuple[bytes, bytes], fingerprint: str, seen: tuple[int, str | None], in_use: Letterhead | None
) -> Letterhead:
    """Verify a letterhead, and check that it is not older than the known letterheads.

    A letterhead is the desk's signed public statement.

    Raises:
        LetterheadRefusedError: the letterhead is forged, malformed or older, or has another salt or cost.
    """
    # Passphrases are turned into keys with the salt and cost, so these must stay the same.
    seen_serial, seen_parameters = seen
    at_least = max(seen_serial, in_use.serial) if in_use else seen_serial
    verified = letterhead.verify_letterhead(
        *published, fingerprint, at_least_serial=at_least, same_parameters_as=in_use
    )
    if seen_parameters not in {None, _parameters_digest(verified)}:
        raise LetterheadRefusedError(LetterheadRefusal.OTHER_PARAMETERS)
    return verified


def _recall(path: Path) -> tuple[int, str | None]:
    """Return the serial number of the newest letterhead (signed public statement) that this server used.

    Also return a digest of the salt and cost for deriving keys. On a new server, return 0 and None.

    Raises:
        LetterheadError: the file cannot be read, or has a wrong form.
    """
    try:
        serial, parameters = path.read_text("ascii").split()
        return int(serial), parameters
    except FileNotFoundError:
        return 0, None
    except (OSError, ValueError) as why:
        raise LetterheadError(
            f"{path} does not hold the last letterhead's serial: restore it from a backup first."
        ) from why
