"""Command `check`, which looks for everything that can be wrong with this machine."""

from functools import partial
from pathlib import Path

import click

from deploy.cli.terminal import examples, json_option, show_step, stop_on_signals
from deploy.errors import FaultsFoundError


@click.command("check", epilog=examples("check", "check --json", "check --watch"))
@json_option
@click.option("--watch", is_flag=True, help="Check every hour, and answer on the health socket.")
@click.option("--rehearsed", is_flag=True, help="First note that you restored a backup elsewhere today.")
@click.option("--failed", metavar="PROGRAM", help="Only call failure_command, because this program failed.")
@click.pass_obj
def check_command(settings: Path, *, as_json: bool, watch: bool, rehearsed: bool, failed: str | None) -> None:
    """Check this machine. Print one line for each result, with advice.

    If there is a fault, or if a check could not be made, the command ends with status 3.
    """
    from deploy.checking.all_checks import check_machine, is_in_order, results_as_json
    from deploy.checking.machine_files import read_machine_settings
    from deploy.checking.watch import call_on_failure, watch_until_stopped
    from deploy.noted_days import REHEARSED, note_day
    from deploy.settings.check_settings import load_check_config
    from web.dates import utc_today

    config = load_check_config(settings)
    if failed is not None:
        click.echo(f"fault: {failed} failed.")
        call_on_failure(config, say=partial(click.echo, err=True))
        return
    if rehearsed:
        note_day(read_machine_settings(settings).store_path, REHEARSED, utc_today())
    if watch:
        watch_until_stopped(
            lambda: check_machine(settings, config, utc_today()), config, stop_on_signals(), say=click.echo
        )
        return
    show_step("Making all checks, which may take minutes")
    results = check_machine(settings, config, utc_today())
    click.echo(results_as_json(results, utc_today()) if as_json else "\n".join(each.line for each in results))
    if not is_in_order(results):
        raise FaultsFoundError("This machine is not in order. The results say what to do.")
