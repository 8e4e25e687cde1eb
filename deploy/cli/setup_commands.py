"""Commands `setup` and `upgrade`: make a desk, or bring a machine to the version of this program."""

import sys
from pathlib import Path

import click

from deploy.cli.terminal import ask_secret, end_step, examples, show_copied, show_step
from deploy.errors import DeployError

_NOWHERE_TO_SHOW = (
    "No desk was made, because a new desk's passphrase is printed only to a terminal: run this command in a "
    "terminal, or add --print-passphrase, or add --trial for a desk that every page calls a trial."
)
_TRIAL = "This is a trial desk. Every page says so, and it can never become a real desk."
_INCOMPLETE = (
    "The desk in {} is not complete: no recovery sheet opens its keyring. Before you use the desk, run: "
    "steunpunt keys add --sheet --holder SAFE"
)

source_bind_option = click.option(
    "--source-bind",
    default="127.0.0.1:8080",
    show_default=True,
    help="Address of the source's interface, for a new desk or server.",
)
adviser_bind_option = click.option(
    "--adviser-bind",
    default="127.0.0.2:8081",
    show_default=True,
    help="Address of the adviser's interface, for a new desk.",
)
print_passphrase_option = click.option(
    "--print-passphrase",
    is_flag=True,
    help="Print the passphrase of a new desk, even if the output is a file, a pipe or a log.",
)
trial_option = click.option(
    "--trial",
    is_flag=True,
    help="Call a new desk a trial on every page, and print its passphrase, wherever the output goes.",
)


@click.command("setup", epilog=examples("setup", "setup --trial"))
@source_bind_option
@adviser_bind_option
@print_passphrase_option
@trial_option
@click.pass_obj
def setup_command(
    settings: Path, source_bind: str, adviser_bind: str, *, print_passphrase: bool, trial: bool
) -> None:
    """Make a desk with new keys and an empty store.

    If there is a desk already, the command changes nothing.
    """
    from deploy.keys_at_terminal import lacks_sheet
    from deploy.settings.load_settings import load_config
    from deploy.setup import refuse_another_machine
    from journalist_app.config import AdviserConfig

    if settings.exists():
        refuse_another_machine(settings)
    is_new = _set_up_and_show(
        settings, source_bind, adviser_bind, may_print=print_passphrase or trial, is_trial=trial
    )
    if not (is_new and lacks_sheet(settings)):
        say_whether_new(settings, "desk", is_new=is_new)
    if is_new:
        config = load_config(settings, "adviser", AdviserConfig)
        click.echo(f"The desk's fingerprint: {config.fingerprint}")


@click.command("upgrade", epilog=examples("upgrade --dry-run", "--settings demo/config.toml upgrade"))
@click.option("--dry-run", is_flag=True, help="Only show what would be done. Write nothing.")
@click.pass_obj
def upgrade_command(settings: Path, *, dry_run: bool) -> None:
    """Upgrade the settings and the store to this version. First copy both.

    Before you run this command, stop all programs of the mailbox: both interfaces, the sync endpoint and the
    sweeper.
    """
    from deploy.upgrading.upgrade_machine import upgrade_machine

    show_step("Looking at the settings and the store")
    upgrade_machine(settings, is_dry_run=dry_run, say=click.echo, on_copied=show_copied)


def say_whether_new(settings: Path, what: str, *, is_new: bool) -> None:
    """Print whether a desk or a server was set up. `what` is "desk" or "server"."""
    if is_new:
        click.echo(f"The {what} is set up in {settings.parent}.")
    else:
        click.echo(f"Nothing was changed: {settings} exists, so this machine was set up before.")


def _set_up_and_show(
    settings: Path, source_bind: str, adviser_bind: str, *, may_print: bool, is_trial: bool
) -> bool:
    """Make a desk and print its passphrase once. If there is a desk already, return False.

    If `may_print` is False, the passphrase is printed only to a terminal.

    Raises:
        DeployError: the passphrase cannot be shown on a terminal, or the set-up failed.
    """
    # Any other output can end up in a file, so it needs `may_print`.
    from deploy.setup import set_up

    if not (settings.exists() or may_print or sys.stdout.isatty()):
        raise DeployError(_NOWHERE_TO_SHOW)

    shown: list[str] = []

    def show_once(passphrase: str) -> None:
        end_step()
        shown.append(passphrase)
        click.echo(
            "The adviser's passphrase, shown only this once:\n\n"
            f"    {passphrase}\n\n"
            "Write it down. It opens the desk's keys.\n"
        )

    set_up(
        settings,
        source_bind=source_bind,
        adviser_bind=adviser_bind,
        is_trial=is_trial,
        show_passphrase=show_once,
        say=lambda line: click.echo(line, err=True),
        on_step=show_step,
    )
    if shown and is_trial:
        click.echo(f"{_TRIAL} It has no recovery sheet.")
    elif shown and sys.stdin.isatty():
        _make_first_sheet(settings, shown[0])
    if not is_trial:
        say_if_incomplete(settings)
    return bool(shown)


def say_if_incomplete(settings: Path) -> None:
    """Print a warning if this machine has a desk without a recovery sheet."""
    from deploy.keys_at_terminal import lacks_sheet
    from deploy.setup import is_trial_desk

    if lacks_sheet(settings):
        click.echo(_TRIAL if is_trial_desk(settings) else _INCOMPLETE.format(settings.parent))


def _make_first_sheet(settings: Path, passphrase: str) -> None:
    from crypto.passphrase import DUTCH
    from deploy.desk_for_command import open_desk_for_command
    from deploy.keys_at_terminal import Terminal, print_new_sheet

    click.echo("The recovery sheet opens the keyring if the passphrase is lost. Keep the sheet in a safe.")
    safe = click.prompt("Name of the safe or the locked place, for example: safe 3", err=True)
    with open_desk_for_command(settings, lambda: passphrase) as desk:
        print_new_sheet(desk, passphrase, Terminal(click.echo, ask_secret), safe, DUTCH, None)
