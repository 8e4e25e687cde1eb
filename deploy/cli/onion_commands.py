"""Command group `onion`: publish, inspect and back up the onion services, and admit their clients."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli.terminal import FILE, stop_on_signals
from deploy.errors import DeployError

if TYPE_CHECKING:
    from deploy.settings.onion_settings import OnionConfig
    from source_app.config import SourceConfig


@click.group()
def onion_group() -> None:
    """Manage the onion services, through which Tor connects sources and workstations to this machine."""


@onion_group.command()
@click.pass_obj
def torrc_command(settings: Path) -> None:
    """Print the lines to add to Tor's own settings file.

    With these lines, Tor itself makes and keeps the keys of the onion services.
    """
    from deploy.onion.clients import require_client_keys
    from deploy.onion.torrc import torrc_lines

    config, source = _configs(settings)
    if config.sync_socket:
        require_client_keys(config.clients_folder)
    click.echo(torrc_lines(config, source.onion_socket), nl=False)


@onion_group.command()
@click.option("--once", is_flag=True, help="Publish now and end. The services stay until Tor restarts.")
@click.pass_obj
def publish_command(settings: Path, *, once: bool) -> None:
    """Publish the onion services through Tor's control port, and again after each restart of Tor."""
    from deploy.onion import publish_services

    config, source = _configs(settings)
    if once:
        publish_services.publish_services(config, source.onion_socket, say=click.echo)
    else:
        publish_services.keep_published(config, source.onion_socket, stop_on_signals(), say=click.echo)


@onion_group.command()
@click.pass_obj
def status_command(settings: Path) -> None:
    """Print whether the onion services can be reached in the Tor network.

    The command exits with status 1 if the operator must do something. It then prints what to do.
    """
    from deploy.onion.onion_status import check_onion_status

    config, source = _configs(settings)
    lines = check_onion_status(config, onion_host=source.onion_host, source_socket=source.onion_socket)
    for line in lines:
        click.echo(line.state)
        if line.to_do:
            click.echo(f"  Do this: {line.to_do}")
    if any(line.to_do for line in lines):
        raise SystemExit(1)


@onion_group.command("admit")
@click.argument("name")
@click.argument("key")
@click.pass_obj
def admit_client_command(settings: Path, name: str, key: str) -> None:
    """Allow a workstation to connect to the onion service for sync.

    Choose a name for the workstation, and give the public key that the workstation showed.
    """
    from deploy.onion.clients import admit_client

    config, _ = _configs(settings)
    admit_client(config.clients_folder, name, key)
    click.echo(f"{name} may connect. {config.how_to_apply('reload')}")


@onion_group.command()
@click.argument("name")
@click.pass_obj
def dismiss_command(settings: Path, name: str) -> None:
    """Forbid a workstation to connect to the onion service for sync."""
    from deploy.onion.clients import dismiss_client

    config, _ = _configs(settings)
    if not dismiss_client(config.clients_folder, name):
        raise DeployError(f"No workstation is called {name}. See who may connect: steunpunt onion status.")
    click.echo(f"{name} may no longer connect. {config.how_to_apply('restart')}")


@onion_group.command()
@click.argument("file", type=FILE)
@click.option(
    "--to", "recipients", multiple=True, required=True, help="An age recipient (age1…). May be repeated."
)
@click.pass_obj
def backup_command(settings: Path, file: Path, recipients: tuple[str, ...]) -> None:
    """Encrypt the onion keys and the settings to one or more age recipients, in one file."""
    from deploy.onion.onion_backup import back_up_onions

    click.echo("\n".join(back_up_onions(settings, file, recipients)))


@onion_group.command()
@click.argument("file", type=FILE)
@click.option(
    "--identity", type=FILE, required=True, help="The file that age-keygen made (AGE-SECRET-KEY-…)."
)
@click.pass_obj
def restore_command(settings: Path, file: Path, identity: Path) -> None:
    """Restore the onion keys and the settings from a file that `backup` wrote.

    Existing files are never replaced.
    """
    from deploy.onion.onion_backup import restore_onions

    click.echo("\n".join(restore_onions(settings, file, identity)))


def _configs(settings: Path) -> "tuple[OnionConfig, SourceConfig]":
    from deploy.settings.load_settings import load_config
    from deploy.settings.onion_settings import OnionConfig
    from source_app.config import SourceConfig

    return load_config(settings, "onion", OnionConfig), load_config(settings, "source", SourceConfig)


COMMANDS = (onion_group,)
