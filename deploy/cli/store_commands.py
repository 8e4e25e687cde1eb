"""Command group `store`: verify and clean the store, and print its letterhead. No secret key is needed."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli.run_commands import open_sweeper, refuse_unsafe_option, warn_of_states
from deploy.cli.terminal import show_count, show_step, show_verified

if TYPE_CHECKING:
    from protocol.letterhead import Letterhead


@click.group(name="store")
def store_group() -> None:
    """Verify and clean the store, on a server or on a workstation."""


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
    for verdict in verify_in_processes(path, verified_letterhead(settings).strand_keys):
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


@store_group.command("sweep")
@refuse_unsafe_option
@click.pass_context
def sweep_command(ctx: click.Context, *, refuse_unsafe: bool) -> None:
    """Destroy deleted content and rewrite the store now, as the sweeper does each night.

    If the disk has no room to rewrite the store, the command ends with status 1.
    """
    from deploy.settings.load_settings import sections_in
    from deploy.sweeping.server_cleanup import sweep_now
    from deploy.syncing.pending_at_server import apply_pending_now

    settings: Path = ctx.obj
    warn_of_states(ctx, refuses=refuse_unsafe)
    rows = sweep_now(open_sweeper(settings), on_step=show_step, on_progress=show_count)
    click.echo(f"Destroyed {rows} encrypted parts.")
    if "sync" in sections_in(settings):
        apply_pending_now(settings)


@store_group.command("letterhead")
@click.pass_obj
def letterhead_command(settings: Path) -> None:
    """Verify the newest letterhead in the store, and print it as JSON.

    A letterhead is the desk's signed public statement.
    """
    click.echo(verified_letterhead(settings).to_bytes().decode())


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


def verified_letterhead(settings: Path) -> "Letterhead":
    """Verify the newest letterhead (the desk's public statement) in this machine's store, and return it.

    Raises:
        DeployError: the settings have faults, or the letterhead must not be used.
        StoreError: the store cannot be read.
    """
    from deploy.pinned_letterhead import open_letterhead
    from deploy.settings.public_settings import load_public_settings
    from store.database.engine import open_store

    config = load_public_settings(settings)
    with closing(open_store(config.store_path)) as store:
        return open_letterhead(store, config.fingerprint, config.letterhead_serial_path)


COMMANDS = (store_group,)
