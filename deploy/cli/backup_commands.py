"""Commands `backup` and `restore`, for the store and the keys of a server."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli.terminal import (
    EXISTING_FILE,
    examples,
    json_option,
    show_copied,
    show_rows,
    show_step,
    show_verified,
)
from deploy.errors import FaultsFoundError

if TYPE_CHECKING:
    from deploy.backup.verified_copy import Screen


@click.command("backup", epilog=examples("backup", "backup --json"))
@json_option
@click.pass_obj
def server_backup_command(settings: Path, *, as_json: bool) -> None:
    """Make a verified backup of this server while its programs run.

    Also remove old backups. If the store has faults, the command keeps the backup and ends with status 3.
    """
    from deploy.backup.make_backup import back_up_server

    made = back_up_server(settings, _screen(partial(click.echo, err=as_json)))
    if as_json:
        result = {"folder": str(made.folder), "entries": made.entries, "faults": made.faults}
        click.echo(json.dumps(result, indent=1))
    if made.faults:
        raise FaultsFoundError("The backup is kept, but the store has faults: tell the desk.")


@click.command(
    "restore",
    epilog=examples(
        "restore var/backups/backup-2027-01-31 --replace", "restore backup-2027-01-31 --identity backup.key"
    ),
)
@click.argument("backup", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--identity",
    type=EXISTING_FILE,
    help="Restore the settings and keys too. The file that age-keygen made (AGE-SECRET-KEY-…) decrypts them.",
)
@click.option("--replace", is_flag=True, help="Replace the store, and lose what it has since the backup.")
@click.pass_obj
def server_restore_command(settings: Path, backup: Path, identity: Path | None, *, replace: bool) -> None:
    """Verify a backup of a server, and put its store in place. First stop all programs."""
    from deploy.backup.restore_backup import restore

    restore(settings, backup.absolute(), identity, replace=replace, screen=_screen(click.echo))


def _screen(say: Callable[[str], object]) -> "Screen":
    from deploy.backup.verified_copy import Screen

    return Screen(say, show_step, show_copied, show_verified, show_rows)
