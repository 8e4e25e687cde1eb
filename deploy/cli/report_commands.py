"""Command group `report`: the files of a yearly report. The command asks for the adviser's passphrase."""

from pathlib import Path

import click

from deploy.cli.terminal import ask_passphrase, examples, show_step


@click.group()
def report_group() -> None:
    """Make the files of a yearly report. For the adviser."""


@report_group.command("make", epilog=examples("report make 2026 --folder report"))
@click.argument("year", type=click.IntRange(2000, 2099))
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the files, which only you can read. [default: report-YEAR]",
)
@click.pass_obj
def make_report_command(settings: Path, year: int, folder: Path | None) -> None:
    """Make the files of a yearly report.

    There are files for the public and for the Secretary-General. The files are drafts if the report is not
    published yet.
    """
    from deploy.report_files import make_report_files

    target = folder or Path(f"report-{year}")
    make_report_files(settings, year, target, ask_passphrase, say=click.echo, on_step=show_step)
