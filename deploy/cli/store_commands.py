"""Command `store verify`: check that everything in the store is as it was signed, without any secret key."""

from pathlib import Path

import click


@click.group(name="store")
def store_group() -> None:
    """Inspect the encrypted store."""


@store_group.command(name="verify")
@click.pass_obj
def verify_command(settings: Path) -> None:
    """Verify every entry and file in the store: signatures, order, and digests of all encrypted parts.

    No secret key is needed, so the operator of the server can do this. The command ends with status 1 if
    something in the store is not as its writer signed it.
    """
    from deploy.cli.terminal import show_verified
    from deploy.pinned_letterhead import open_letterhead
    from deploy.serving.topology import load_public_settings
    from protocol.identifiers import mailbox_label
    from store.database.engine import open_store
    from stored_mailbox.whole_store import verify_in_processes

    config = load_public_settings(settings)
    store = open_store(config.store_path)
    letterhead = open_letterhead(store, config.fingerprint, config.letterhead_serial_path)
    total = unsound = 0
    for verdict in verify_in_processes(config.store_path, letterhead.strand_keys):
        total += verdict.entries
        show_verified(verdict.done, verdict.total)
        if not verdict.is_sound:
            unsound += 1
            click.echo(f"Mailbox {mailbox_label(verdict.address)}: {verdict.describe()}")
    click.echo(f"{total} entries verified. Mailboxes that differ from what was signed: {unsound}.")
    if unsound:
        click.echo("Tell the desk which mailboxes these are. Do not change the store.")
        raise click.exceptions.Exit(1)


COMMANDS = (store_group,)
