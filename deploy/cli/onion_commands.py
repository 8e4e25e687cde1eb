"""`steunpunt onion …`: it reads what was typed, calls one function, and prints."""

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.errors import DeployError

if TYPE_CHECKING:
    from deploy.settings.onion_settings import OnionConfig
    from source_app.config import SourceConfig


@click.group()
def onion_group() -> None:
    """Look after the onion services, by which Tor brings sources here."""


@onion_group.command()
@click.pass_obj
def torrc(settings: Path) -> None:
    """Print the lines for Tor's own settings file. It then makes and keeps the key."""
    from deploy.onion.clients import require_client_keys
    from deploy.onion.torrc import torrc_lines

    config, source = _configs(settings)
    if config.sync_socket:
        require_client_keys(config.clients_folder)
    click.echo(torrc_lines(config, source.onion_socket), nl=False)


@onion_group.command()
@click.option("--once", is_flag=True, help="Publish now and end; the services stay until Tor restarts.")
@click.pass_obj
def publish_command(settings: Path, *, once: bool) -> None:
    """Publish the services through Tor's control port, and again whenever Tor has restarted."""
    from deploy.hardening import harden_process
    from deploy.onion import publish_services

    harden_process()
    config, source = _configs(settings)
    if once:
        publish_services.publish_services(config, source.onion_socket, say=click.echo)
        return
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda _signal, _frame: stop.set())
    publish_services.keep_published(config, source.onion_socket, stop, say=click.echo)


@onion_group.command()
@click.pass_obj
def status(settings: Path) -> None:
    """Tell how the services are, as the Tor network sees them, and what to do. Ends with 1 if there is."""
    from deploy.onion.onion_status import check_onion_status

    config, source = _configs(settings)
    found = check_onion_status(config, onion_host=source.onion_host, source_socket=source.onion_socket)
    for finding in found:
        click.echo(finding.is_so)
        if finding.to_do:
            click.echo(f"  Do this: {finding.to_do}")
    if any(finding.to_do for finding in found):
        raise SystemExit(1)


@onion_group.command("admit")
@click.argument("name")
@click.argument("key")
@click.pass_obj
def admit_client_command(settings: Path, name: str, key: str) -> None:
    """Let a workstation in at the door for sync: a name of yours, and the public key that it showed."""
    from deploy.onion import clients

    config, _ = _configs(settings)
    clients.admit_client(config.clients_folder, name, key)
    click.echo(f"{name} may come in. {config.heard_of_it('reload')}")


@onion_group.command()
@click.argument("name")
@click.pass_obj
def dismiss_command(settings: Path, name: str) -> None:
    """Let a workstation in no longer."""
    from deploy.onion import clients

    config, _ = _configs(settings)
    if not clients.dismiss_client(config.clients_folder, name):
        raise DeployError(f"No workstation is called {name}. See who may come in: steunpunt onion status.")
    click.echo(f"{name} may no longer come in. {config.heard_of_it('restart')}")


@onion_group.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--to", "recipients", multiple=True, required=True, help="An age recipient (age1…); may be repeated."
)
@click.pass_obj
def backup(settings: Path, file: Path, recipients: tuple[str, ...]) -> None:
    """Seal the onion keys and the settings to one or more age recipients, in one file."""
    from deploy.hardening import harden_process
    from deploy.onion import onion_backup

    harden_process()
    for line in onion_backup.back_up_onions(settings, file, recipients):
        click.echo(line)


@onion_group.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--identity",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file that age-keygen made (AGE-SECRET-KEY-…).",
)
@click.pass_obj
def restore_command(settings: Path, file: Path, identity: Path) -> None:
    """Put back what `backup` sealed. Nothing that is there already is replaced."""
    from deploy.hardening import harden_process
    from deploy.onion import onion_backup

    harden_process()
    for line in onion_backup.restore_onions(settings, file, identity):
        click.echo(line)


def _configs(settings: Path) -> "tuple[OnionConfig, SourceConfig]":
    from deploy.settings.load_settings import load_config
    from deploy.settings.onion_settings import OnionConfig
    from source_app.config import SourceConfig

    return load_config(settings, "onion", OnionConfig), load_config(settings, "source", SourceConfig)
