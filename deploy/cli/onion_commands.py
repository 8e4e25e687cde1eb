"""Command group `onion`: publish, inspect and back up the onion services, and admit their clients."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli.terminal import EXISTING_FILE, FILE, examples, json_option, show_step, stop_on_signals
from deploy.errors import DeployError, FaultsFoundError

if TYPE_CHECKING:
    from deploy.settings.onion_settings import OnionConfig
    from source_app.config import SourceConfig


@click.group()
def onion_group() -> None:
    """Manage the onion services of this machine.

    Tor connects sources and workstations to this machine through the onion services.
    """


@onion_group.command("setup", epilog=examples("onion setup"))
@click.pass_obj
def set_up_onion_command(settings: Path) -> None:
    """Let Tor publish the onion services, and print their addresses.

    Run this as root on a server with the Debian package. Tor makes and keeps the secret keys. The address for
    sources is written into the settings.
    """
    from deploy.onion.torrc import publish_with_torrc
    from deploy.settings.settings_text import with_key
    from deploy.upgrading.new_settings import replacing_settings

    config, source = _configs(settings)
    lines = _torrc_lines(config, source)
    folders = [config.source_folder, *([config.sync_folder] if config.sync_socket else [])]
    show_step("Waiting until Tor has made the addresses, which may take a minute")
    host, *sync_host = publish_with_torrc(lines, folders)
    text = with_key(settings.read_text("utf-8"), "source", "onion_host", host)
    text = with_key(text, "onion", "sync_host", "".join(sync_host))
    with replacing_settings(settings, text):
        click.echo("\n".join([f"For sources: {host}", *(f"For workstations: {each}" for each in sync_host)]))


@onion_group.command("torrc", epilog=examples("onion torrc > /etc/tor/torrc.d/steunpunt.conf"))
@click.pass_obj
def torrc_command(settings: Path) -> None:
    """Print the lines to add to Tor's own settings file.

    With these lines, Tor itself makes and keeps the keys of the onion services.
    """
    click.echo(_torrc_lines(*_configs(settings)), nl=False)


@onion_group.command("publish", epilog=examples("onion publish"))
@click.option("--once", is_flag=True, help="Publish now and end. The services stay until Tor restarts.")
@click.pass_obj
def publish_command(settings: Path, *, once: bool) -> None:
    """Publish the onion services through Tor's control port.

    After each restart of Tor, the command publishes them again.
    """
    from deploy.onion import publish_services

    config, source = _configs(settings)
    if once:
        publish_services.publish_services(config, config.source_socket(source.onion_socket), say=click.echo)
    else:
        publish_services.keep_published(
            config, config.source_socket(source.onion_socket), stop_on_signals(), say=click.echo
        )


@onion_group.command("status", epilog=examples("onion status", "onion status --json"))
@json_option
@click.pass_obj
def status_command(settings: Path, *, as_json: bool) -> None:
    """Print whether Tor reaches the onion services.

    If the operator must do something, the command prints what to do and ends with status 3.
    """
    from deploy.onion.onion_status import check_onion_status

    config, source = _configs(settings)
    show_step("Looking for the onion services in the Tor network, which may take a minute")
    lines = check_onion_status(
        config, onion_host=source.onion_host, source_socket=config.source_socket(source.onion_socket)
    )
    if as_json:
        click.echo(json.dumps([asdict(line) for line in lines], indent=1))
    else:
        click.echo("\n".join(line.text for line in lines))
    if any(line.to_do for line in lines):
        raise FaultsFoundError("The onion services are not in order. The results say what to do.")


@onion_group.command("admit", epilog=examples("onion admit desk-1 KEY"))
@click.argument("name")
@click.argument("key")
@click.pass_obj
def admit_client_command(settings: Path, name: str, key: str) -> None:
    """Allow a workstation to connect to the onion service for sync.

    Choose a name for the workstation, and give the public key that the workstation showed.
    """
    from deploy.onion.clients import admit_client
    from deploy.onion.torrc import use_changed_clients

    config, _ = _configs(settings)
    admit_client(config.clients_folder, name, key)
    show_step("Telling Tor")
    click.echo(f"{name} may connect. {use_changed_clients(config, 'reload')}")


@onion_group.command("dismiss", epilog=examples("onion dismiss desk-1"))
@click.argument("name")
@click.pass_obj
def dismiss_command(settings: Path, name: str) -> None:
    """Forbid a workstation to connect to the onion service for sync.

    Tor restarts, because a reload would not close an open connection.
    """
    from deploy.onion.clients import dismiss_client
    from deploy.onion.torrc import use_changed_clients

    config, _ = _configs(settings)
    if not dismiss_client(config.clients_folder, name):
        raise DeployError(f"No workstation is called {name}. See who may connect: steunpunt onion status.")
    show_step("Telling Tor")
    click.echo(f"{name} may no longer connect. {use_changed_clients(config, 'restart')}")


@onion_group.command("use-key", epilog=examples("onion use-key steunpunt/var/onion-auth/*.auth_private"))
@click.argument("file", type=EXISTING_FILE)
def use_key_command(file: Path) -> None:
    """Give Tor the key with which a workstation connects.

    Run this as root on the workstation. `steunpunt workstation pair` made the file. The command copies the
    file to the folder that ClientOnionAuthDir in Tor's settings names, and restarts Tor.
    """
    from deploy.onion.workstation_tor import use_client_key

    show_step("Restarting Tor, which may take a minute")
    click.echo(f"Tor connects to the server with the key in {use_client_key(file)}.")


@onion_group.command("backup", epilog=examples("onion backup onion-2027.age --to age1pq1..."))
@click.argument("file", type=FILE)
@click.option(
    "--to", "recipients", multiple=True, required=True, help="An age recipient (age1…). May be repeated."
)
@click.pass_obj
def backup_command(settings: Path, file: Path, recipients: tuple[str, ...]) -> None:
    """Encrypt the onion keys and the settings in one file.

    Only the age recipients that you name can decrypt the file.
    """
    from deploy.onion.onion_backup import back_up_onions

    click.echo("\n".join(back_up_onions(settings, file, recipients)))


@onion_group.command("restore", epilog=examples("onion restore onion-2027.age --identity onion-backup.key"))
@click.argument("file", type=EXISTING_FILE)
@click.option(
    "--identity", type=EXISTING_FILE, required=True, help="The file that age-keygen made (AGE-SECRET-KEY-…)."
)
@click.pass_obj
def restore_command(settings: Path, file: Path, identity: Path) -> None:
    """Restore the onion keys and the settings from a backup.

    Existing files are never replaced.
    """
    from deploy.onion.onion_backup import restore_onions

    click.echo("\n".join(restore_onions(settings, file, identity)))


def _torrc_lines(config: "OnionConfig", source: "SourceConfig") -> str:
    from deploy.onion.clients import require_client_keys
    from deploy.onion.torrc import torrc_lines

    if config.sync_socket:
        require_client_keys(config.clients_folder)
    return torrc_lines(config, config.source_socket(source.onion_socket))


def _configs(settings: Path) -> "tuple[OnionConfig, SourceConfig]":
    from deploy.settings.load_settings import load_config
    from deploy.settings.onion_settings import OnionConfig
    from source_app.config import SourceConfig

    return load_config(settings, "onion", OnionConfig), load_config(settings, "source", SourceConfig)
