"""Commands `sync` and `pouch`, which exchange items with the other machine directly or as files."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli.terminal import EXISTING_FILE, FILE, ask_passphrase, show_items_left

if TYPE_CHECKING:
    from sync.endpoint import Endpoint


@click.group(invoke_without_command=True)
@click.pass_context
def sync_command(ctx: click.Context) -> None:
    """On a workstation: sync with the server now, in both directions."""
    if ctx.invoked_subcommand is not None:
        return
    from deploy.desk_for_command import open_desk_for_command
    from deploy.syncing.at_workstation import sync_now, way_to_server

    with open_desk_for_command(
        ctx.obj, ask_passphrase, check_first=lambda config, _store: way_to_server(config)
    ) as desk:
        sync_now(desk, say=click.echo, on_left=show_items_left)


@sync_command.command()
@click.pass_obj
def answer_command(settings: Path) -> None:
    """On a server: read a pouch (sync bundle) from standard input, and write the answer to standard output.

    The server's SSH daemon runs this command when a workstation connects.
    """
    from deploy.serving.serve_sync import answer_one_pouch

    answer_one_pouch(settings, sys.stdin.buffer, sys.stdout.buffer)


@click.group()
def pouch_group() -> None:
    """Exchange new items with the other machine as pouch files (sync bundles), if there is no connection."""


@pouch_group.command()
@click.argument("file", type=FILE)
@click.option("--to", metavar="NAME", help="On a server with several workstations: the receiving one.")
@click.option(
    "--part-bytes",
    type=click.IntRange(min=1_000_000),
    help="Split the pouch into files of about this size, for a stick that accepts no larger files.",
)
@click.pass_obj
def out_command(settings: Path, file: Path, to: str | None, part_bytes: int | None) -> None:
    """Write a pouch file (sync bundle) with everything that the other machine does not have yet.

    On a workstation, the other machine is the server. On a server, it is a workstation.
    """
    from deploy.atomic_folder import refuse_unwritable
    from deploy.syncing.manual_exchange import write_pouch_file

    refuse_unwritable(file)
    with _open_endpoint(settings) as endpoint:
        write_pouch_file(endpoint, file, to, part_bytes=part_bytes, say=click.echo)


@pouch_group.command()
@click.argument("file", type=EXISTING_FILE)
@click.pass_obj
def in_command(settings: Path, file: Path) -> None:
    """Apply a pouch file (sync bundle) that the other machine made.

    On a workstation, the other machine is the server. On a server, it is a workstation.
    """
    from deploy.syncing.manual_exchange import apply_pouch_file

    with _open_endpoint(settings) as endpoint:
        apply_pouch_file(endpoint, file, say=click.echo)


@contextmanager
def _open_endpoint(settings: Path) -> "Iterator[Endpoint]":
    """Yield this machine's sync endpoint. On a workstation, ask for the passphrase first."""
    from deploy.settings.load_settings import sections_in

    if "sync" in sections_in(settings):
        from deploy.syncing.server_endpoint import open_server_endpoint

        with open_server_endpoint(settings) as endpoint:
            yield endpoint
        return
    from deploy.desk_for_command import open_desk_for_command
    from journalist_app.services.whole_desk.sync_replica import workstation_endpoint

    with open_desk_for_command(settings, ask_passphrase) as desk:
        yield workstation_endpoint(desk)


COMMANDS = (sync_command, pouch_group)
