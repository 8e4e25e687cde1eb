"""Files of a yearly report for `steunpunt report make YEAR`, made without the adviser's interface."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

from deploy.atomic_folder import refuse_unwritable
from deploy.desk_for_command import open_desk_for_command
from deploy.errors import DeployError, os_error_as
from deploy.serving import search_processes
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import RecordUnsoundError, ReportRefusedError
from journalist_app.search.search_index import SearchIndex
from journalist_app.services.whole_desk import yearly_report
from journalist_app.services.whole_desk.report_records import ReportYear
from report.disclosure import Audience
from report.errors import PdfToolsMissingError
from store.database.atomic_files import replace_file
from web.dates import utc_today

_SENTENCES: dict[type[Exception], str] = {
    RecordUnsoundError: (
        "The desk's own notes for this report are damaged, missing, or an older version. No file was written."
    ),
    ReportRefusedError: "The counts of deleted mailboxes could not be read. No file was written.",
    PdfToolsMissingError: (
        "This machine cannot make a PDF. No file was written: install libpango-1.0-0 and libpangoft2-1.0-0."
    ),
}


def make_report_files(  # noqa: PLR0913  # the year, the folder, and two ways to print
    settings: Path,
    year: int,
    folder: Path,
    ask_passphrase: Callable[[], str],
    *,
    say: Callable[[str], object],
    on_step: Callable[[str], object],
) -> None:
    """Write the files of a year's report to a folder, and print warnings about the counts.

    `on_step` receives one line before each long step.

    Raises:
        DeployError: no file could be made. The message says what to do.
        StoreError: the store cannot be read.
    """
    made_in = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    refuse_unwritable(made_in / "report")
    with open_desk_for_command(settings, ask_passphrase) as desk:
        desk.index = SearchIndex(search_processes.search_process_starters())
        on_step("Counting the year, which takes a minute when there are many mailboxes")
        try:
            counted = yearly_report.read_report_year(desk, year, utc_today())
            files = _make_files(desk, counted, on_step)
        except tuple(_SENTENCES) as why:
            raise DeployError(_SENTENCES[type(why)]) from why
    _write_files(folder, files)
    _print_findings(counted, folder, say)


def _make_files(desk: OpenDesk, counted: ReportYear, on_step: Callable[[str], object]) -> dict[str, bytes]:
    files = {}
    for audience, language, kind in product(
        Audience, yearly_report.report_languages(desk), yearly_report.FILE_KINDS
    ):
        name = yearly_report.download_name(counted, audience, language, kind)
        on_step(f"Making {name}")
        files[name] = yearly_report.build_report_file(desk, counted, audience, language, kind)
    return files


def _write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write the report's files so that only the user who runs this command can read them.

    The version for the Secretary-General is confidential.
    """
    with os_error_as(f"{folder}: cannot be written"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, body in files.items():
            replace_file(folder / name, [body])


def _print_findings(counted: ReportYear, folder: Path, say: Callable[[str], object]) -> None:
    if counted.published:
        say(f"Published on {counted.published:%Y-%m-%d}. These are the figures of that day.")
    else:
        say("Not published yet: these are drafts. The adviser publishes in the adviser's interface.")
        say("Give a draft to no one: two drafts of one year could be compared to work out a hidden count.")
    if counted.counts.is_empty:
        say("There is nothing in this year.")
    for number, finding in (
        (counted.ended, "ended by their sources and not seen yet; not counted"),
        (len(counted.unread), "not read yet; counted as read"),
        (
            counted.unsound,
            "mailboxes or casefiles that fail verification; only their sound parts are counted",
        ),
        (counted.counts.strange, "counts missing, or not made by this desk; counted as not recorded"),
    ):
        if number:
            say(f"Look at this first: {number} {finding}.")
    say(f"Written to {folder}. The files with -sg- are for the Secretary-General alone.")
