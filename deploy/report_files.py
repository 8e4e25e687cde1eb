"""`steunpunt report YEAR`: both versions of a yearly report as files, without the adviser's interface."""

import os
from collections.abc import Callable
from itertools import product
from pathlib import Path

from deploy.errors import DeployError
from deploy.hardening import harden_process, refuse_readable_by_others
from deploy.serving import search_processes
from deploy.settings.load_settings import load_config
from journalist_app.config import AdviserConfig
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import (
    LedgerUnreadError,
    RecordUnsoundError,
    UnlockRefusal,
    UnlockRefusedError,
)
from journalist_app.search.search_index import SearchIndex
from journalist_app.services.desk import yearly_report
from journalist_app.services.desk.unlocking import unlock_desk
from journalist_app.services.desk.yearly_report import Year
from report.disclosure import Audience
from report.document import LANGUAGES
from report.errors import PdfToolsMissingError
from store.database.engine import open_store
from web.dates import utc_today

_LOCKED: dict[UnlockRefusal, str] = {
    UnlockRefusal.CLOSED: "The passphrase does not fit, or the keyring is damaged. No file was written.",
    UnlockRefusal.MISSING: "There is no keyring where the settings say. No file was written.",
    UnlockRefusal.EXPOSED: "Others can read the keyring. Call the operator; no file was written.",
    UnlockRefusal.OTHER_DESK: "The keyring is another desk's. No file was written.",
    UnlockRefusal.LETTERHEAD: (
        "The letterhead in the store must not be used. Call the operator; no file was written."
    ),
}
_SENTENCES: dict[type[Exception], str] = {
    RecordUnsoundError: "What the desk kept for this report is damaged, gone, or an older one was put back.",
    LedgerUnreadError: "The counts of deleted mailboxes could not be read. No file was written.",
    PdfToolsMissingError: "This machine cannot make a PDF: install libpango-1.0-0 and libpangoft2-1.0-0.",
}


def make_report_files(  # noqa: PLR0913  # which year, where, and who is told
    settings: Path,
    year: int,
    folder: Path,
    passphrase: str,
    *,
    say: Callable[[str], object],
    on_step: Callable[[str], object],
) -> None:
    """Write a year's twelve files to a folder of their own, and tell what is in them.

    `on_step` is told in a line what comes, for what can take more than a moment.

    Raises:
        DeployError: nothing could be made; the message says what to do.
        StoreError: the store cannot be read.
    """
    harden_process()
    config = load_config(settings, "adviser", AdviserConfig)
    refuse_readable_by_others(config.keyring_path)
    store = open_store(config.store_path)
    try:
        on_step("Opening the keyring")
        desk = unlock_desk(config, store, passphrase)
        desk.index = SearchIndex(search_processes.search_process_starters())
        on_step("Counting the year, which takes a minute when there are many mailboxes")
        found = yearly_report.look_at(desk, year, utc_today())
        files = _files(desk, found, on_step)
    except UnlockRefusedError as why:
        raise DeployError(_LOCKED[why.reason]) from why
    except tuple(_SENTENCES) as why:
        raise DeployError(_SENTENCES[type(why)]) from why
    finally:
        store.close()
    _write(folder, files)
    _tell(found, folder, say)


def _files(desk: OpenDesk, found: Year, on_step: Callable[[str], object]) -> dict[str, bytes]:
    files = {}
    for audience, language, kind in product(Audience, LANGUAGES, yearly_report.KINDS):
        name = yearly_report.saved_name(found, audience, language, kind)
        on_step(f"Making {name}")
        files[name] = yearly_report.file_of(desk, found, audience, language, kind)
    return files


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files for this user alone: the SG's version is confidential."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, body in files.items():
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with open(descriptor, "wb") as file:  # noqa: PTH123  # a descriptor, so that its mode is ours
                file.write(body)
    except OSError as why:
        raise DeployError(f"{folder}: cannot be written ({type(why).__name__}).") from why


def _tell(found: Year, folder: Path, say: Callable[[str], object]) -> None:
    if found.published:
        say(f"Published on {found.published:%Y-%m-%d}; these are its frozen figures.")
    else:
        say("Not published: drafts, of how it would look now. Publishing is done in the adviser's interface.")
        say("Give a draft to nobody: two of one year could be compared, and a hidden count worked out.")
    if found.counts.is_empty:
        say("There is nothing in this year.")
    for number, what in (
        (found.ended, "ended by their sources and not seen yet; not counted"),
        (len(found.unread), "not read yet; counted as read"),
        (found.unsound, "mailboxes or casefiles that fail verification; counted by what is sound"),
        (found.counts.strange, "counts missing, or not made by this desk; counted as not recorded"),
    ):
        if number:
            say(f"Look at this first: {number} {what}.")
    say(f"Written to {folder}. The files with -sg- are for the Secretary-General alone.")
