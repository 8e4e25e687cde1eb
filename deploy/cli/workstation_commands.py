"""Command group `workstation`: connect this workstation with its server, sync, and replace a lost one."""

from datetime import datetime
from pathlib import Path

import click

from deploy.cli.terminal import EXISTING_FILE, FILE, ask_passphrase, examples, show_items_left, show_step

_server_option = click.option(
    "--server",
    required=True,
    help='How to reach the server: onion:ADDRESS.onion, ssh:user@host, unix:/path, or "file" by hand.',
)
_out_option = click.option(
    "--out", type=FILE, help="Where to write the pairing file. [default: NAME.pairing]"
)
_NEW_NAME = "New workstation"  # in checks, before the keyring says the lost one's name
_FINGERPRINT_HELP = "The desk's fingerprint, as its posters show it."


@click.group()
def workstation_group() -> None:
    """Pair, sync and replace workstations. For the adviser."""


@workstation_group.command("pair", epilog=examples("workstation pair card --server onion:ADDRESS.onion"))
@click.argument("card_path", metavar="CARD", type=EXISTING_FILE)
@_server_option
@click.option(
    "--keyring", type=EXISTING_FILE, help="A copy of the desk's keyring: set up a new workstation here."
)
@click.option("--name", help="Name of the new workstation. The public can read it in the letterhead.")
@click.option("--fingerprint", help=f"With --keyring. {_FINGERPRINT_HELP}")
@_out_option
@click.pass_obj
def pair_command(  # noqa: PLR0913, PLR0917  # one argument for each option
    settings: Path,
    card_path: Path,
    server: str,
    keyring: Path | None,
    name: str | None,
    fingerprint: str | None,
    out: Path | None,
) -> None:
    """Pair with a server. The card file has the server's public keys.

    The command writes a pairing file. Take this file to the server, and admit the workstation there.
    """
    from deploy.desk_for_command import open_keyring_copy
    from deploy.pairing import workstation

    request = workstation.PairingRequest(workstation.read_card_file(card_path), server, out, click.echo)
    if keyring is None:
        if name or fingerprint:
            raise click.UsageError("--name and --fingerprint belong to --keyring.")
        workstation.pair_workstation(settings, ask_passphrase, request)
        return
    if not (name and fingerprint):
        raise click.UsageError("--keyring needs --name and --fingerprint.")
    workstation.check_new_workstation(settings, fingerprint, name, request)
    copy = open_keyring_copy(keyring, ask_passphrase, fingerprint)
    workstation.pair_new_workstation(settings, copy, name, request)


@workstation_group.command("sync", epilog=examples("workstation sync"))
@click.pass_obj
def sync_command(settings: Path) -> None:
    """Sync with the server now, in both directions."""
    from deploy.desk_for_command import open_desk_for_command
    from deploy.syncing.at_workstation import sync_now, way_to_server

    with open_desk_for_command(
        settings, ask_passphrase, check_first=lambda config, _store: way_to_server(config)
    ) as desk:
        show_step("Syncing with the server")
        sync_now(desk, say=click.echo, on_left=show_items_left)


@workstation_group.command("retire", epilog=examples("workstation retire 'Werkstation 1' --since 2027-01-31"))
@click.argument("name")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    help="If it was stolen: the last day on which its signatures still count.",
)
@click.pass_obj
def retire_command(settings: Path, name: str, since: datetime | None) -> None:
    """Take another workstation of the desk out of use."""
    from deploy.desk_for_command import open_desk_for_command
    from deploy.syncing.at_workstation import refuse_unknown_workstation, retire_workstation

    with open_desk_for_command(
        settings, ask_passphrase, check_first=lambda _config, store: refuse_unknown_workstation(store, name)
    ) as desk:
        retire_workstation(desk, name, since and since.date(), say=click.echo)


@workstation_group.command(
    "rebuild",
    epilog=examples("workstation rebuild copy.age card --server ssh:user@host --fingerprint FINGERPRINT"),
)
@click.argument("keyring_backup", type=EXISTING_FILE)
@click.argument("card_path", metavar="CARD", type=EXISTING_FILE)
@_server_option
@click.option("--fingerprint", required=True, help=_FINGERPRINT_HELP)
@click.option(
    "--name", default="", help="Name of the new workstation. [default: the lost one's name, and the day]"
)
@_out_option
@click.pass_obj
def rebuild_command(  # noqa: PLR0913, PLR0917  # one argument for each option
    settings: Path,
    keyring_backup: Path,
    card_path: Path,
    server: str,
    fingerprint: str,
    name: str,
    out: Path | None,
) -> None:
    """Set up this machine in place of a lost workstation.

    The keys come from a copy of the lost workstation's keyring, and the mailboxes from the server.
    """
    from deploy.desk_for_command import open_keyring_copy
    from deploy.pairing import workstation
    from deploy.syncing.at_workstation import rebuild_workstation

    request = workstation.PairingRequest(workstation.read_card_file(card_path), server, out, click.echo)
    workstation.check_new_workstation(settings, fingerprint, name or _NEW_NAME, request)
    passphrase = ask_passphrase()
    lost = open_keyring_copy(keyring_backup, lambda: passphrase, fingerprint)
    show_step("Fetching everything from the server, which takes minutes if there is much")
    rebuild_workstation(settings, lost, name, passphrase, request)
