"""Commands `backup` and `restore`, for the store and the keys of a server."""

from pathlib import Path

import click

from deploy.cli.terminal import EXISTING_FILE, show_step, show_verified


@click.command("backup")
@click.pass_obj
def server_backup_command(settings: Path) -> None:
    """Make a backup of this server while its programs run, verify it, and remove old backups.

    If the store has faults, the command ends with status 1.
    """
    from deploy.backup.make_backup import back_up_server
    from deploy.backup.verified_copy import Screen

    if not back_up_server(settings, Screen(click.echo, show_step, show_verified)):
        raise click.exceptions.Exit(1)


@click.command("restore")
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
    from deploy.backup.verified_copy import Screen

    screen = Screen(click.echo, show_step, show_verified)
    restore(settings, backup.absolute(), identity, replace=replace, screen=screen)


COMMANDS = (server_backup_command, server_restore_command)
