"""Entry point of the `steunpunt` command: the options of all commands, and the list of commands."""

from pathlib import Path
from typing import Any

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
from deploy.errors import DeployError
from deploy.hardening import end_with_parent, harden_process
from deploy.serving.gc_tuning import collect_seldom
from store.errors import StoreError


class _OneSentenceGroup(click.Group):
    """Group of commands. A command that fails prints one sentence, and exits with status 1."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  # click's own type
        try:
            return super().invoke(ctx)
        except DeployError as why:
            raise click.ClickException(str(why)) from why
        except StoreError as why:
            sentence = f"{why}."
            raise click.ClickException(sentence[:1].upper() + sentence[1:]) from why


@click.group(cls=_OneSentenceGroup)
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
    harden_process()  # called here, so that no command can forget it: even `fingerprint` can write a file
    ctx.obj = settings.absolute()
    if parent is not None:
        end_with_parent(parent)


for _module in (
    setup_commands,
    run_commands,
    check_commands,
    backup_commands,
    server_commands,
    workstation_commands,
    keys_commands,
    store_commands,
    onion_commands,
    pouch_commands,
    report_commands,
):
    for _command in _module.COMMANDS:
        main.add_command(_command)


if __name__ == "__main__":
    main()
