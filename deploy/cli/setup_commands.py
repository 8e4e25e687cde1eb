"""Commands `setup`, `setup server` and `upgrade`: make a desk or a server, or upgrade its store."""

from pathlib import Path

import click

from deploy.cli.terminal import show_step

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


@click.group(invoke_without_command=True)
@source_bind_option
@adviser_bind_option
@click.pass_context
def setup_group(ctx: click.Context, source_bind: str, adviser_bind: str) -> None:
    """Make a desk with new keys and an empty store, unless there is a desk already."""
    if ctx.invoked_subcommand is None:
        set_up_and_show(ctx.obj, source_bind, adviser_bind)
        click.echo(f"The desk is set up in {ctx.obj.parent}.")


@setup_group.command()
@click.argument("fingerprint")
@source_bind_option
@click.option(
    "--sync-bind", default="127.0.0.3:8082", show_default=True, help="Address of the sync endpoint."
)
@click.pass_obj
def server_command(settings: Path, fingerprint: str, source_bind: str, sync_bind: str) -> None:
    """Set up this machine as the server of the desk with this fingerprint, unless it is a server already.

    The server gets none of the desk's secret keys.
    """
    from deploy.pairing.server import set_up_server

    set_up_server(settings, fingerprint, source_bind=source_bind, sync_bind=sync_bind)
    click.echo(
        f"The server is set up in {settings.parent}. It starts after it has the desk's letterhead: make its "
        "card file (steunpunt card --out FILE), and pair the workstation."
    )


@click.command()
@click.pass_obj
def upgrade_command(settings: Path) -> None:
    """Upgrade the store's tables to this version.

    Before you run this command, stop all running parts: the source's site, the adviser's site and the sweeper
    (clean-up task).
    """
    from deploy.serving.topology import load_public_settings
    from store.database.engine import upgrade_store

    path = load_public_settings(settings).store_path
    show_step("Bringing the store's tables to this version, which takes minutes when it is large")
    upgrade_store(path)
    click.echo("The store's tables are of this version.")


def set_up_and_show(settings: Path, source_bind: str, adviser_bind: str) -> None:
    """Make a desk and print its passphrase once. If there is a desk already, do nothing."""
    from deploy.setup import set_up

    def show_once(passphrase: str) -> None:
        click.echo(
            "The adviser's passphrase, shown only this once:\n\n"
            f"    {passphrase}\n\n"
            "Write it down. It opens the desk's keys, and no one can make a new one.\n"
        )

    set_up(
        settings,
        source_bind=source_bind,
        adviser_bind=adviser_bind,
        show_passphrase=show_once,
        on_step=lambda line: click.echo(line, err=True),
    )


COMMANDS = (setup_group, upgrade_command)
