"""Unlocking the desk: opens the keyring, and verifies the desk's signed letterhead with the fingerprint."""

import threading
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

from journalist_app.cleaning.safe_copies import SandboxedExaminer
from journalist_app.config import AdviserConfig
from journalist_app.desk.open_desk import CheckProgress, OpenDesk, read_trusted_state
from journalist_app.errors import UnlockRefusal, UnlockRefusedError
from journalist_app.files.gpg_export import open_exporter
from journalist_app.services.desk_keys.keyring_file import back_up, open_keyring_file
from journalist_app.services.mailbox import file_downloads
from journalist_app.services.records import casefiles
from journalist_app.services.whole_desk import background_check, whole_check
from protocol.errors import LetterheadRefusedError
from protocol.letterhead import Letterhead, verify_letterhead
from store import letterheads
from store.database.engine import Store
from store.errors import StoreError

_PAGE_SECONDS: Final = 1  # the page that the adviser waits for comes before the check
_AGAIN_SECONDS: Final = 20


def unlock_desk(config: AdviserConfig, store: Store, passphrase: str) -> OpenDesk:
    """Unlock the desk: open the keyring, and verify the desk's signed public statement.

    `passphrase` may also be the key or the words of a recovery sheet. The function takes up to half a second
    for each passphrase of the keyring.

    Raises:
        UnlockRefusedError: the keyring or the letterhead cannot be used, and nothing was changed.
    """
    keyring = open_keyring_file(config, passphrase)
    trusted_state, memory, file = read_trusted_state(config, keyring)
    if keyring.serial < trusted_state.keyring_serial:
        raise UnlockRefusedError(UnlockRefusal.OLDER)
    letterhead = _read_letterhead(config, store, at_least_serial=trusted_state.letterhead_serial)
    desk = OpenDesk(config, store, keyring, letterhead, trusted_state, memory, file)
    desk.saw_serials()
    back_up(config, keyring)
    exporter = open_exporter(
        config.openpgp_home_path, keyring.openpgp, config.recipients, SandboxedExaminer()
    )
    if exporter is not None:
        desk.openpgp, desk.exporter = exporter.home, exporter
    return desk


def trial_names(config: AdviserConfig, store: Store) -> Mapping[str, str]:
    """Return the name of a trial desk in each language, for the pages of the locked app.

    For a real desk, or if the store cannot be read, the result is empty.
    """
    try:
        letterhead = _read_letterhead(config, store, at_least_serial=0)
    except (UnlockRefusedError, StoreError):
        return {}
    return {str(each): name for each, name in letterhead.desk_name.items()} if letterhead.is_trial else {}


def _read_letterhead(config: AdviserConfig, store: Store, *, at_least_serial: int) -> Letterhead:
    with store.reading() as session:
        published = letterheads.latest(session)
    if published is None:
        raise UnlockRefusedError(UnlockRefusal.LETTERHEAD)
    try:
        return verify_letterhead(*published[1:], config.fingerprint, at_least_serial=at_least_serial)
    except LetterheadRefusedError as why:
        raise UnlockRefusedError(UnlockRefusal.LETTERHEAD) from why


def keep_checking(desk: OpenDesk, today: Callable[[], date]) -> None:
    """Start the search index. Then verify changed mailboxes again and again, until the desk locks.

    A check begins 20 seconds after the last one, or soon after a submitted form. After an unexpected
    exception, the inbox says that the app stopped checking.
    """
    try:
        if not desk.stopping.wait(_PAGE_SECONDS):
            start_indexing(desk)
        while not desk.stopping.is_set():
            desk.check_wanted.clear()
            background_check.check_store(desk, today())
            if desk.check_wanted.wait(_AGAIN_SECONDS):
                desk.stopping.wait(_PAGE_SECONDS)
    finally:
        desk.progress = CheckProgress(0, 0, is_running=False, is_broken=True)


def keep_checking_whole_store(desk: OpenDesk, today: Callable[[], date]) -> None:
    """Check the whole store once each day. The function returns when the desk locks."""
    while not desk.stopping.wait(_AGAIN_SECONDS):
        whole_check.check_whole_store(desk, today())


def keep_comparing(desk: OpenDesk, _today: Callable[[], date]) -> None:
    """Compare new texts and files between mailboxes every 20 seconds, until the desk locks.

    A hostile source can keep this busy for hours, so no check waits for it.
    """
    while not desk.stopping.wait(_AGAIN_SECONDS):
        file_downloads.compare_new_contents(desk)


def start_check_threads(desk: OpenDesk, today: Callable[[], date]) -> None:
    """Start the background threads that check the store while the desk is unlocked.

    `today` returns the present day.
    """
    desk.progress = CheckProgress(0, 0, is_running=True, is_broken=False)
    for work in (keep_checking, keep_checking_whole_store, keep_comparing):
        threading.Thread(target=work, args=(desk, today), name=work.__name__, daemon=True).start()


def start_indexing(desk: OpenDesk) -> None:
    """Start the search processes, and add the desk's decrypted notes about mailboxes to the search index."""
    desk.index.begin(str(desk.store.path), desk.keyring, desk.letterhead)
    for address, (_, casefile) in list(desk.casefiles.items()):
        desk.index.index_notes(address, casefiles.casefile_texts(casefile))
