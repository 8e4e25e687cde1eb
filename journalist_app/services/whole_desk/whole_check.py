"""Check of the whole store: verifies every entry and file, and continues after locking and unlocking."""

from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from msgspec import structs

from crypto import age, signed_lines
from crypto.canonical_json import StrictStruct, decode_json, encode_json
from crypto.errors import CryptoError
from journalist_app.desk.open_desk import OpenDesk, WholeCheck
from journalist_app.desk.private_files import ExposedError, read_private
from journalist_app.desk.verification import conversation_of, open_with_faults
from protocol.identifiers import Address, Digest
from store import outbox
from store.database.atomic_files import replace_file
from store.errors import StoreError
from store.outbox import OutboxKind
from stored_mailbox.whole_store import verify_store

_VERSION: Final = b"steunpunt-store-check/1"
_SAVED_EVERY: Final = 200  # mailboxes
_PAUSE_SECONDS: Final = 0.002  # after each mailbox, so that pages do not wait for the check
_OLDEST: Final = timedelta(days=1)  # if an interrupted check is older, it begins again


class _State(StrictStruct, frozen=True):
    """State of the check of the whole store, saved so that an interrupted check can continue.

    - `after`: address of the last mailbox that the running check verified, or empty
    - `began`: day on which the running check began, or None
    - `day`: day on which the last finished check began, or None
    """

    after: bytes = b""
    unsound: tuple[bytes, ...] = ()  # mailboxes with a fault, found so far
    damaged_files: tuple[bytes, ...] = ()  # mailboxes with damaged files, found so far
    day: date | None = None
    last_unsound: int = 0
    began: date | None = None


def check_whole_store(desk: OpenDesk, today: date) -> None:
    """Check the whole store, if this was not done today.

    If the desk locks, the check ends early. The next call continues the check, or begins again if the check
    began more than a day ago. The result has the day on which the check began. Only one thread may call this
    function.
    """
    if desk.whole_check.day == today:  # also if the file could not be written
        return
    try:
        state = _read(desk)
        _show(desk, state)
        if state.day == today and not state.after:
            return
        if state.began is None or not timedelta(0) <= today - state.began <= _OLDEST:
            state = structs.replace(state, after=b"", unsound=(), began=today)
        _save(desk, _check(desk, state, today))
    except StoreError:
        _show(desk, _read(desk))


def _check(desk: OpenDesk, state: _State, today: date) -> _State:
    unsound, damaged = dict.fromkeys(state.unsound), dict.fromkeys(state.damaged_files)
    after = state.after
    # The server may have the same damage, and sends each file as a whole: it is asked once in each week.
    asked = state.damaged_files if (state.day or today).isocalendar()[:2] == today.isocalendar()[:2] else ()

    def reached(place: bytes) -> _State:
        return structs.replace(state, after=place, unsound=tuple(unsound), damaged_files=tuple(damaged))

    verdicts = verify_store(
        desk.store,
        desk.letterhead.strand_keys,
        after=after,
        remembered=lambda address: desk.trusted_state.seen(address).heads,
        opens_file=desk.opens_file,
    )
    for verdict in verdicts:
        after = verdict.address
        if verdict.damaged_files:
            damaged[after] = None
            desk.damaged_files.add(verdict.address)
        else:
            damaged.pop(after, None)
            desk.damaged_files.discard(verdict.address)
        already = verdict.damaged_files if after in asked else ()
        if lost := {*verdict.damaged_files, *verdict.unreadable}.difference(already):
            _ask_for(desk, verdict.address, lost)
        if not verdict.is_sound or verdict.unreadable:
            unsound[after] = None
        desk.whole_check = WholeCheck(
            verdict.done, verdict.total, is_running=True, day=state.day, unsound=state.last_unsound
        )
        if verdict.done % _SAVED_EVERY == 0:
            _save(desk, reached(after))
        if desk.stopping.wait(_PAUSE_SECONDS):
            return reached(after)

    def name_faults(address: Address) -> None:
        open_with_faults(desk, conversation_of(desk, address))

    desk.each_mailbox("whole check", map(Address, unsound), name_faults)
    finished = _State(damaged_files=tuple(damaged), day=state.began, last_unsound=len(unsound))
    _show(desk, finished)
    return finished


def _ask_for(desk: OpenDesk, address: Address, digests: set[Digest]) -> None:
    """Let the next sync ask the server for the entries that this workstation cannot read or verify."""
    with desk.store.writing() as session:
        for digest in digests:
            outbox.enqueue(session, OutboxKind.ENTRY, address=address, name=digest)


def _show(desk: OpenDesk, state: _State) -> None:
    desk.damaged_files.update(map(Address, state.damaged_files))
    desk.whole_check = WholeCheck(day=state.day, unsound=state.last_unsound)


def _path(desk: OpenDesk) -> Path:
    return desk.config.trusted_state_path.with_name("store-check.age")


def _read(desk: OpenDesk) -> _State:
    """Return the saved state of the check of the whole store.

    If the file is missing, damaged or not from this workstation, return the state of a new check.
    """
    keyring = desk.keyring
    try:
        raw = read_private(_path(desk))
        signed, _ = age.decrypt(*age.split_file(raw), [keyring.trusted_state_identity])
        body, signature = signed_lines.read_signed_lines(_VERSION, signed)
        signed_lines.check_signed_lines(_VERSION, body, signature, keyring.strand.verify_key)
        return decode_json(body, _State)
    except (OSError, ExposedError, CryptoError):
        return _State()


def _save(desk: OpenDesk, state: _State) -> None:
    keyring = desk.keyring
    signed = signed_lines.write_signed_lines(_VERSION, encode_json(state), keyring.strand.seed)
    sealed = age.encrypt(signed, [keyring.trusted_state_identity.recipient])
    with suppress(OSError):  # the check then begins again after unlocking
        replace_file(_path(desk), [sealed.header, sealed.payload])
