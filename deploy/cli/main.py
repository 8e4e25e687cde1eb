"""Entry point of the `steunpunt` command: the options of all commands, and the list of commands."""

import os
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, NoReturn

import click

from deploy.cli import (
    backup_commands,
    check_commands,
    keys_commands,
    onion_commands,
    pouch_commands,
    report_commands,
    run_commands,
    server_commands,
    setup_commands,
    store_commands,
    workstation_commands,
)
from deploy.cli.terminal import end_step
from deploy.errors import DeployError
from deploy.exit_codes import MEANINGS, SIGNALLED, ExitCode
from deploy.hardening import end_with_parent, harden_process
from deploy.serving.gc_tuning import collect_seldom
from store.errors import StoreBusyError, StoreError, StoreUnreachableError

_OUTPUT_LOST = "The output cannot be written. Make room where the output goes, and run the command again."


class _OneSentenceGroup(click.Group):
    """Group of commands. If a command fails, it prints one sentence without a traceback."""

    def main(self, *args: Any, **settings: Any) -> Any:  # noqa: ANN401  # click's own types
        try:
            return super().main(*args, **settings)
        except OSError:
            if _is_written("\n"):  # the fault is elsewhere
                raise
            click.echo(f"Error: {_OUTPUT_LOST}", err=True)
            sys.exit(ExitCode.FAILED)
        finally:
            _is_written("")

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's own argument
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Of an option that occurs twice, click would use only the last value.
        named = [each.partition("=")[0] for each in takewhile("--".__ne__, args) if each.startswith("--")]
        repeatable = {name for option in _options(self) if option.multiple for name in option.opts}
        for name in {*named} - repeatable:
            if named.count(name) > 1:
                raise click.UsageError(f"{name} occurs twice.", ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  # click's own type
        try:
            return super().invoke(ctx)
        except DeployError as why:
            _refuse(str(why), why.status)
        except StoreError as why:
            sentence = f"{why}."
            is_away = isinstance(why, StoreBusyError | StoreUnreachableError)
            status = ExitCode.BUSY if is_away else ExitCode.STORE
            _refuse(sentence[:1].upper() + sentence[1:], status)
        except (click.Abort, KeyboardInterrupt):
            click.echo(err=True)  # the sentence gets a line of its own, below the question
            _refuse("The command was stopped before its end.", ExitCode.STOPPED)


def _options(command: click.Command) -> Iterator[click.Option]:
    yield from (each for each in command.params if isinstance(each, click.Option))
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        yield from _options(each)


def _is_written(text: str) -> bool:
    """Write to the output. If the output cannot be written, discard what Python would write at its end."""
    try:
        click.echo(text, nl=False)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _refuse(sentence: str, status: ExitCode) -> NoReturn:
    click.echo(f"Error: {sentence}", err=True)
    raise click.exceptions.Exit(status)


_STATUSES = "\b\nExit statuses:\n" + "\n".join(f"  {code:3}  {MEANINGS[code]}" for code in ExitCode)
_STATUSES += f"\n128+n  {SIGNALLED}"


@click.group(cls=_OneSentenceGroup, epilog=_STATUSES, context_settings={"max_content_width": 100})
@click.version_option(None, "--version", package_name="steunpunt-mailbox", message="steunpunt %(version)s")
@click.option(
    "--settings",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("var/config.toml"),
    show_default=True,
    help="The settings file. The desk's files are in the same folder.",
)
@click.option("--parent", type=int, hidden=True, help="End when the process with this id ends.")
@click.pass_context
def main(ctx: click.Context, settings: Path, parent: int | None) -> None:
    """Set up, run, check and sync a Steunpunt Mailbox."""
    collect_seldom()
    harden_process()  # called here, so that no command can forget it: many write a file
    ctx.obj = settings.absolute()
    ctx.call_on_close(end_step)
    if parent is not None:
        end_with_parent(parent)


for _command in (
    setup_commands.setup_command,
    run_commands.run_command,
    check_commands.check_command,
    backup_commands.server_backup_command,
    backup_commands.server_restore_command,
    setup_commands.upgrade_command,
    run_commands.demo_command,
    server_commands.server_group,
    workstation_commands.workstation_group,
    keys_commands.keys_group,
    store_commands.store_group,
    onion_commands.onion_group,
    pouch_commands.pouch_group,
    report_commands.report_group,
):
    main.add_command(_command)


if __name__ == "__main__":
    main()
