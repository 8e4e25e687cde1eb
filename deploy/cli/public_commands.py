"""Commands `fingerprint`, `letterhead` and `poster`: print what the desk publishes about itself."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

if TYPE_CHECKING:
    from protocol.letterhead import Letterhead


@click.command()
@click.option(
    "--qr", type=click.File("wb"), help="Write the fingerprint to this file too, as a QR code in SVG."
)
@click.pass_obj
def fingerprint_command(settings: Path, qr: BinaryIO | None) -> None:
    """Print the desk's fingerprint, which is on the desk's posters.

    If the desk has an OpenPGP key, print the fingerprint of that key too.
    """
    import segno

    from deploy.serving.topology import load_public_settings

    fingerprint = load_public_settings(settings).fingerprint
    click.echo(fingerprint)
    openpgp_fingerprint = _verified_letterhead(settings).openpgp_fingerprint
    if openpgp_fingerprint is not None:
        click.echo("OpenPGP: " + " ".join(re.findall("....", openpgp_fingerprint)))
    if qr is not None:
        segno.make_qr(fingerprint, error="m").save(qr, kind="svg", border=4)


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("poster"),
    show_default=True,
    help="Folder for the four files.",
)
@click.option("--telephone", default="", help="The desk's telephone number, as the poster will show it.")
@click.pass_obj
def poster_command(settings: Path, folder: Path, telephone: str) -> None:
    """Make the poster for partner organisations, in both languages, as PDF and as HTML."""
    from deploy.poster import make_poster
    from deploy.settings.load_settings import load_config
    from source_app.config import SourceConfig

    source = load_config(settings, "source", SourceConfig)
    for path in make_poster.make_posters(source, _verified_letterhead(settings), folder, telephone):
        click.echo(path)


@click.group()
def letterhead_group() -> None:
    """Inspect the letterhead, which is the desk's public statement."""


@letterhead_group.command()
@click.pass_obj
def show_command(settings: Path) -> None:
    """Verify the newest letterhead (the desk's signed public statement) in the store, and print it."""
    click.echo(_verified_letterhead(settings).to_bytes().decode())


def _verified_letterhead(settings: Path) -> "Letterhead":
    from deploy.pinned_letterhead import open_letterhead
    from deploy.serving.topology import load_public_settings
    from store.database.engine import open_store

    config = load_public_settings(settings)
    return open_letterhead(open_store(config.store_path), config.fingerprint, config.letterhead_serial_path)


COMMANDS = (fingerprint_command, letterhead_group, poster_command)
