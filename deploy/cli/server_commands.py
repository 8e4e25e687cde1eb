"""Command group `server`: what the operator of a server does: set it up, and admit workstations."""

import sys
from pathlib import Path

import click

from deploy.cli.setup_commands import say_whether_new, source_bind_option
from deploy.cli.terminal import EXISTING_FILE, FILE, examples, show_step


@click.group()
def server_group() -> None:
    """Set up the server, and admit workstations. For the operator."""


@server_group.command(
    "setup", epilog=examples("server setup FINGERPRINT --onion --backup-to age1pq1... --card card")
)
@click.argument("fingerprint")
@source_bind_option
@click.option(
    "--sync-bind", default="127.0.0.3:8082", show_default=True, help="Address of the sync endpoint."
)
@click.option("--onion", "has_onion", is_flag=True, help="Let Tor connect sources and workstations.")
@click.option(
    "--backup-to",
    "age_recipients",
    multiple=True,
    help="An age recipient (age1…) who can decrypt the keys in each backup. May be repeated.",
)
@click.option("--card", type=FILE, help="Also write a card file, as steunpunt server card --out does.")
@click.pass_obj
def server_setup_command(  # noqa: PLR0913, PLR0917  # one argument for each option
    settings: Path,
    fingerprint: str,
    source_bind: str,
    sync_bind: str,
    age_recipients: tuple[str, ...],
    card: Path | None,
    *,
    has_onion: bool,
) -> None:
    """Set up this machine as the server of a desk.

    Give the fingerprint of the desk. If this machine is already the server of this desk, nothing changes.
    The server never gets the desk's secret keys.
    """
    from deploy.atomic_folder import refuse_unwritable
    from deploy.pairing.server import server_card, set_up_server, write_card_file

    if card is not None:
        refuse_unwritable(card)
    is_new = set_up_server(
        settings,
        fingerprint,
        source_bind=source_bind,
        sync_bind=sync_bind,
        has_onion=has_onion,
        age_recipients=age_recipients,
    )
    say_whether_new(settings, "server", is_new=is_new)
    if card is not None:
        write_card_file(server_card(settings), card)
    if is_new:
        click.echo(
            "The server starts after it has the desk's letterhead: "
            + (f"bring {card}" if card else "make its card file (steunpunt server card --out FILE), bring it")
            + " to the workstation, and pair there."
        )


@server_group.command("card", epilog=examples("server card --out card"))
@click.option("--out", type=FILE, help="Write a card file: the card, and the desk's newest letterhead.")
@click.pass_obj
def card_command(settings: Path, out: Path | None) -> None:
    """Print the server's card, which has its public keys.

    Workstations recognise the server by its card. The card is not secret.
    """
    from deploy.pairing import server

    card_file = server.server_card(settings)
    if out is None:
        click.echo(str(card_file.card))
        return
    server.write_card_file(card_file, out)
    click.echo(
        f"Bring {out} to the workstation, and run there: steunpunt workstation pair {out.name} --server ..."
    )


@server_group.command("admit", epilog=examples("server admit 'Werkstation 1.pairing'"))
@click.argument("pairing", type=EXISTING_FILE)
@click.pass_obj
def server_admit_command(settings: Path, pairing: Path) -> None:
    """Allow a workstation to sync with this server.

    Give the pairing file that the workstation made.
    """
    from deploy.pairing import server

    server.admit_workstation(settings, pairing, say=click.echo, on_step=show_step)


@server_group.command("dismiss", epilog=examples("server dismiss 'Werkstation 1'"))
@click.argument("name")
@click.pass_obj
def server_dismiss_command(settings: Path, name: str) -> None:
    """Forget a workstation, and remove its onion key.

    Let the desk retire the workstation too. Otherwise it may connect again.
    """
    from deploy.pairing import server

    server.remove_workstation(settings, name, say=click.echo)


@server_group.command("answer", epilog=examples("server answer < pouch > answer"))
@click.pass_obj
def answer_command(settings: Path) -> None:
    """Answer a workstation that connects over SSH.

    The SSH daemon runs this command. It reads a pouch (sync bundle) from standard input, and writes the
    answer to standard output.
    """
    from deploy.serving.serve_sync import answer_one_pouch

    answer_one_pouch(settings, sys.stdin.buffer, sys.stdout.buffer)


@server_group.command("poster", epilog=examples("server poster --telephone '+31 70 000 0000'"))
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("poster"),
    show_default=True,
    help="Folder for the files.",
)
@click.option("--telephone", default="", help="The desk's telephone number, as the poster will show it.")
@click.pass_obj
def poster_command(settings: Path, folder: Path, telephone: str) -> None:
    """Make the poster for partner organisations.

    The command makes a PDF and an SVG file in each language of the site.
    """
    from deploy.cli.store_commands import verified_letterhead
    from deploy.poster import make_poster
    from deploy.settings.load_settings import load_config
    from source_app.config import SourceConfig

    source = load_config(settings, "source", SourceConfig)
    show_step("Making a poster for each language")
    for path in make_poster.make_posters(source, verified_letterhead(settings), folder, telephone):
        click.echo(path)
