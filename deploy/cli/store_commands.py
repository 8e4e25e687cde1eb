"""Commands `fingerprint`, `letterhead`, `poster` and `store`, which need no secret key.

They print what the desk publishes about itself, and check that the store is as it was signed.
"""

import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli.terminal import show_verified

if TYPE_CHECKING:
    from protocol.letterhead import Letterhead


@click.command()
@click.pass_obj
def fingerprint_command(settings: Path) -> None:
    """Print the desk's fingerprint, which is on the desk's posters.

    If the desk has an OpenPGP key, print the fingerprint of that key too.
    """
    from deploy.settings.public_settings import load_public_settings

    click.echo(load_public_settings(settings).fingerprint)
    if (openpgp_fingerprint := _verified_letterhead(settings).openpgp_fingerprint) is not None:
        click.echo("OpenPGP: " + " ".join(re.findall("....", openpgp_fingerprint)))


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
    """Make the poster for partner organisations, in each language of the site, as PDF and as SVG."""
    from deploy.poster import make_poster
    from deploy.settings.load_settings import load_config
    from source_app.config import SourceConfig

    source = load_config(settings, "source", SourceConfig)
    for path in make_poster.make_posters(source, _verified_letterhead(settings), folder, telephone):
        click.echo(path)


@click.group()
def letterhead_group() -> None:
    """Inspect the letterhead, which is the desk's signed public statement."""


@letterhead_group.command()
@click.pass_obj
def show_command(settings: Path) -> None:
    """Verify the newest letterhead (the desk's signed public statement) in the store, and print it."""
    click.echo(_verified_letterhead(settings).to_bytes().decode())


@click.group(name="store")
def store_group() -> None:
    """Inspect the encrypted store."""


@store_group.command(name="verify")
@click.pass_obj
def verify_command(settings: Path) -> None:
    """Verify the signatures, order and digests of all entries and files in the store.

    Also print the number of damaged rows of each table. If there is a fault or a damaged row, the command
    ends with status 1. No secret key is needed.
    """
    from deploy.noted_days import SOUND, UNSOUND, VERIFIED, note_day
    from deploy.settings.public_settings import load_public_settings
    from protocol.identifiers import mailbox_label
    from stored_mailbox.whole_store import verify_in_processes
    from web.dates import utc_today

    path = load_public_settings(settings).store_path
    click.echo("Counting the damaged rows of the whole store.", err=True)
    is_damaged = show_damaged_rows(path)
    total = unsound = 0
    for verdict in verify_in_processes(path, _verified_letterhead(settings).strand_keys):
        total += verdict.entries
        show_verified(verdict.done, verdict.total)
        if not verdict.is_sound:
            unsound += 1
            click.echo(f"Mailbox {mailbox_label(verdict.address)}: {verdict.describe()}")
    is_sound = not (unsound or is_damaged)
    note_day(path, VERIFIED, utc_today(), SOUND if is_sound else UNSOUND)
    click.echo(f"{total} entries verified. Mailboxes that differ from what was signed: {unsound}.")
    if not is_sound:
        click.echo("Tell the desk which mailboxes and tables these are. Do not change the store.")
        raise click.exceptions.Exit(1)


def show_damaged_rows(path: Path) -> bool:
    """Print the number of damaged rows of each table and mailbox in a store, with advice.

    Return True if there are damaged rows.
    """
    from protocol.identifiers import Address, mailbox_label
    from store.database.damaged_rows import count_damaged
    from store.database.engine import open_store

    with closing(open_store(path)) as store, store.reading() as session:
        damaged = count_damaged(session)
    for (table, address), count in damaged.items():
        mailbox = f", mailbox {mailbox_label(Address(address))}" if address else ""
        click.echo(f"Damaged rows in the table {table}{mailbox}: {count}. Tell the desk, and check the disk.")
    return bool(damaged)


def _verified_letterhead(settings: Path) -> "Letterhead":
    from deploy.pinned_letterhead import open_letterhead
    from deploy.settings.public_settings import load_public_settings
    from store.database.engine import open_store

    config = load_public_settings(settings)
    with closing(open_store(config.store_path)) as store:
        return open_letterhead(store, config.fingerprint, config.letterhead_serial_path)


COMMANDS = (fingerprint_command, letterhead_group, poster_command, store_group)
