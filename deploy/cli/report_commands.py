"""Commands `openpgp` and `report`, for the adviser. Both commands ask for the adviser's passphrase."""

from pathlib import Path

import click

from deploy.cli.terminal import ask_passphrase, show_step


@click.group()
def openpgp_group() -> None:
    """Manage the desk's OpenPGP key."""


@openpgp_group.command("make")
@click.pass_obj
def make_openpgp_command(settings: Path) -> None:
    """Make the OpenPGP key of a desk that has no such key, and publish it in the desk's signed letterhead.

    A letterhead is the desk's signed public statement.
    """
    from deploy.desk_openpgp_key import make_openpgp_key

    make_openpgp_key(settings, ask_passphrase, say=click.echo)


@click.command()
@click.argument("year", type=click.IntRange(2000, 2099))
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the files, which only you can read. [default: report-YEAR]",
)
@click.pass_obj
def report_command(settings: Path, year: int, folder: Path | None) -> None:
    """Write the files of a yearly report, for the public and for the Secretary-General.

    The files are drafts if the report is not published yet.
    """
    from deploy.report_files import make_report_files

    target = folder or Path(f"report-{year}")
    make_report_files(settings, year, target, ask_passphrase, say=click.echo, on_step=show_step)


COMMANDS = (openpgp_group, report_command)
