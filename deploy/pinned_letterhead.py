"""The letterhead that a source server may use: signed by the pinned desk, and none older than seen before.

What was seen is one line in a file outside the store: a serial, and a digest of the parameters.
"""

import hashlib
import os
from pathlib import Path

from crypto import letterhead
from crypto.errors import LetterheadRefusal, LetterheadRefusedError
from crypto.letterhead import Letterhead
from deploy.errors import LetterheadError
from store import letterheads
from store.engine import Store

_DO_NOT_START = "Do not start this server, and tell the desk"
_SENTENCES = {
    LetterheadRefusal.FORGED: (
        "The letterhead in the store is forged: it is not signed by the desk whose fingerprint stands in the "
        f"settings file. {_DO_NOT_START}."
    ),
    LetterheadRefusal.OLDER: (
        "The letterhead in the store is older than one this server has seen: the store was put back to an "
        f"earlier day. {_DO_NOT_START}."
    ),
    LetterheadRefusal.MALFORMED: f"The letterhead in the store is in no form that we know. {_DO_NOT_START}.",
    LetterheadRefusal.OTHER_PARAMETERS: (
        f"The letterhead in the store changes what may never change. {_DO_NOT_START}."
    ),
}


def open_letterhead(store: Store, fingerprint: str, serial_path: Path) -> Letterhead:
    """Return the store's newest letterhead once it is found true, and remember its serial outside the store.

    Raises:
        LetterheadError: it is missing, forged, or older than the serial remembered; one sentence.
    """
    with store.reading() as session:
        found = letterheads.latest(session)
    if found is None:
        raise LetterheadError("The store holds no letterhead: bring the desk's letterhead to it first.")
    _, body, signature = found
    seen_serial, seen_parameters = _recall(serial_path)
    try:
        true = letterhead.verify(body, signature, fingerprint, at_least_serial=seen_serial)
    except LetterheadRefusedError as refused:
        raise LetterheadError(_SENTENCES[refused.reason]) from refused
    parameters = _parameters(true)
    if seen_parameters not in {None, parameters}:
        raise LetterheadError(_SENTENCES[LetterheadRefusal.OTHER_PARAMETERS])
    if true.serial > seen_serial:
        _remember(serial_path, true.serial, parameters)
    return true


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
