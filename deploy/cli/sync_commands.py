"""The commands of two machines: they read what was typed, call one function, and print."""

import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from protocol.keyring import Keyring

_FILE = click.Path(path_type=Path, dir_okay=False)
_EXISTING = click.Path(path_type=Path, dir_okay=False, exists=True)
_SERVER_HELP = 'How the server is reached: onion:ADDRESS.onion, ssh:user@host, unix:/path, or "file" by hand.'


@click.command()
@click.option("--out", type=_FILE, help="Write a card file: the card, and the desk's newest letterhead.")
@click.pass_obj
def card_command(settings: Path, out: Path | None) -> None:
    """On a server: print its card, by which workstations know it. It is no secret."""
    from deploy.pairing import server as admitting

    made = admitting.server_card(settings)
    if out is None:
        click.echo(str(made.card))
        return
    admitting.write_card_file(made, out)
    click.echo(f"Bring {out} to the workstation, and run there: steunpunt pair {out.name} --server ...")


@click.command()
@click.argument("card_file", metavar="CARD", type=_EXISTING)
@click.option("--server", required=True, help=_SERVER_HELP)
@click.option(
    "--keyring", type=_EXISTING, help="A copy of the desk's keyring: set up a new workstation here."
)
@click.option("--name", help="What the new workstation is called; the public can read it in the letterhead.")
@click.option("--fingerprint", help="With --keyring: the desk's fingerprint, as its posters carry it.")
@click.option("--out", type=_FILE, help="Where to write the pairing file. [default: NAME.pairing]")
@click.pass_obj
def pair_command(  # noqa: PLR0913, PLR0917  # one argument for each thing that can be typed
    settings: Path,
    card_file: Path,
    server: str,
    keyring: Path | None,
    name: str | None,
    fingerprint: str | None,
    out: Path | None,
) -> None:
    """On a workstation: know a server by its card file, and write a pairing file for it."""
    from deploy.pairing import workstation as pairing

    found = pairing.read_card_file(card_file)
    asked = pairing.PairingRequest(server, out, click.echo)
    if keyring is None:
        pairing.pair_workstation(settings, found, _passphrase(), asked)
        return
    if not (name and fingerprint):
        raise click.UsageError("--keyring needs --name and --fingerprint.")
    copy = _opened_copy(keyring, _passphrase(), fingerprint)
    pairing.pair_new_workstation(settings, found, copy, name, asked)


@click.command()
@click.argument("pairing", type=_EXISTING, required=False)
@click.option("--remove", metavar="NAME", help="Forget this workstation instead.")
@click.pass_obj
def admit_command(settings: Path, pairing: Path | None, remove: str | None) -> None:
    """On a server: let in the workstation of a pairing file."""
    from deploy.pairing import server as admitting

    if (pairing is None) == (remove is None):
        raise click.UsageError("Name a pairing file, or --remove NAME.")
    if remove is not None:
        admitting.remove_workstation(settings, remove, say=click.echo)
    elif pairing is not None:
        admitting.admit_workstation(settings, pairing, say=click.echo, on_step=_say_step)


@click.command()
@click.argument("name")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    help="When it was stolen: the last day on which what it signed still counts.",
)
@click.pass_obj
def retire_command(settings: Path, name: str, since: datetime | None) -> None:
    """On a workstation: take another one of the desk out of use."""
    from deploy import desk_for_command
    from deploy.syncing import workstation_commands

    day: date | None = None if since is None else since.date()
    with desk_for_command.open_desk_for_command(settings, _passphrase()) as desk:
        workstation_commands.retire_workstation(desk, name, day, say=click.echo)


@click.group(invoke_without_command=True)
@click.pass_context
def sync_command(ctx: click.Context) -> None:
    """On a workstation: exchange everything with the server now."""
    if ctx.invoked_subcommand is not None:
        return
    from deploy import desk_for_command
    from deploy.syncing import workstation_commands

    with desk_for_command.open_desk_for_command(ctx.obj, _passphrase()) as desk:
        workstation_commands.sync_now(desk, say=click.echo, on_left=_say_left)


@sync_command.command()
@click.pass_obj
def answer_command(settings: Path) -> None:
    """On a server, at its end of an SSH connection: read a pouch, write what answers it."""
    from deploy.serving import serve_sync

    serve_sync.answer_one_pouch(settings, sys.stdin.buffer, sys.stdout.buffer)


@click.group()
def pouch() -> None:
    """Carry what is new as a file, where there is no line."""


@pouch.command()
@click.argument("file", type=_FILE)
@click.option("--to", metavar="NAME", help="On a server with several workstations: for which one.")
@click.option(
    "--part-bytes",
    type=click.IntRange(min=1_000_000),
    help="Split it over files of about so many bytes, for a stick that takes no larger ones.",
)
@click.pass_obj
def out(settings: Path, file: Path, to: str | None, part_bytes: int | None) -> None:
    """Write all that the other side does not have yet to a file."""
    from deploy.syncing import manual_exchange, server_endpoint

    if manual_exchange.is_server_settings(settings):
        with server_endpoint.open_server_endpoint(settings) as side:
            manual_exchange.write_pouch_file(side, file, to, part_bytes=part_bytes, say=click.echo)
        return
    from deploy import desk_for_command
    from journalist_app.services.desk.sync_replica import workstation_side

    with desk_for_command.open_desk_for_command(settings, _passphrase()) as desk:
        manual_exchange.write_pouch_file(
            workstation_side(desk), file, to, part_bytes=part_bytes, say=click.echo
        )


@pouch.command("in")
@click.argument("file", type=_EXISTING)
@click.pass_obj
def in_(settings: Path, file: Path) -> None:
    """Take in a file that the other side made."""
    from deploy.syncing import manual_exchange, server_endpoint

    if manual_exchange.is_server_settings(settings):
        with server_endpoint.open_server_endpoint(settings) as side:
            manual_exchange.apply_pouch_file(side, file, say=click.echo)
        return
    from deploy import desk_for_command
    from journalist_app.services.desk.sync_replica import workstation_side

    with desk_for_command.open_desk_for_command(settings, _passphrase()) as desk:
        manual_exchange.apply_pouch_file(workstation_side(desk), file, say=click.echo)


@click.command()
@click.argument("keyring_backup", type=_EXISTING)
@click.argument("card_file", metavar="CARD", type=_EXISTING)
@click.option("--server", required=True, help=_SERVER_HELP)
@click.option("--fingerprint", required=True, help="The desk's fingerprint, as its posters carry it.")
@click.option("--name", default="", help="What it is called. [default: the lost one's name, and the day]")
@click.option("--out", type=_FILE, help="Where to write the pairing file. [default: NAME.pairing]")
@click.pass_obj
def rebuild_command(  # noqa: PLR0913, PLR0917  # one argument for each thing that can be typed
    settings: Path,
    keyring_backup: Path,
    card_file: Path,
    server: str,
    fingerprint: str,
    name: str,
    out: Path | None,
) -> None:
    """Make a workstation in the place of a lost one, from a copy of its keyring and the server."""
    from deploy.pairing import workstation as pairing
    from deploy.syncing import workstation_commands

    found = pairing.read_card_file(card_file)
    passphrase = _passphrase()
    lost = workstation_commands.LostWorkstation(
        _opened_copy(keyring_backup, passphrase, fingerprint), found, name
    )
    workstation_commands.rebuild_workstation(
        settings, lost, passphrase, pairing.PairingRequest(server, out, click.echo)
    )


def _opened_copy(path: Path, passphrase: str, fingerprint: str) -> "Keyring":
    from deploy.desk_for_command import open_keyring_copy
    from deploy.hardening import harden_process

    harden_process()
    return open_keyring_copy(path, passphrase, fingerprint)


def _passphrase() -> str:
    return str(click.prompt("Passphrase", hide_input=True, err=True))


def _say_left(left: int) -> None:
    click.echo(f"\r{left} things left to go", err=True, nl=left == 0)


def _say_step(what_comes: str) -> None:
    click.echo(what_comes, err=True)


ALL = (card_command, pair_command, admit_command, retire_command, sync_command, pouch, rebuild_command)
