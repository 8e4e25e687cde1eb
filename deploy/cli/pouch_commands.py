"""Command group `pouch`: exchange new items with the other machine as files that a person carries."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli.terminal import EXISTING_FILE, FILE, ask_passphrase, examples, show_step

if TYPE_CHECKING:
    from sync.endpoint import Endpoint


@click.group()
def pouch_group() -> None:
    """Exchange new items as files that a person carries.

    Such a file is a pouch (sync bundle). Use it if there is no connection between the machines.
    """


@pouch_group.command("make", epilog=examples("pouch make pouch", "pouch make pouch --to 'Werkstation 1'"))
@click.argument("file", type=FILE)
@click.option("--to", metavar="NAME", help="On a server with several workstations: the receiving one.")
@click.option(
    "--part-bytes",
    type=click.IntRange(min=1_000_000),
    help="Split the pouch into files of about this size, for a stick that accepts no larger files.",
)
@click.pass_obj
def make_pouch_command(settings: Path, file: Path, to: str | None, part_bytes: int | None) -> None:
    """Make a pouch file for the other machine.

    The pouch (sync bundle) has everything that the other machine does not have yet.

    A workstation makes a pouch for the server. A server makes a pouch for a workstation.
    """
    from deploy.atomic_folder import refuse_unwritable
    from deploy.syncing.manual_exchange import write_pouch_file

    refuse_unwritable(file)
    with _open_endpoint(settings) as endpoint:
        show_step("Making the pouch, which takes minutes if much is new")
        write_pouch_file(endpoint, file, to, part_bytes=part_bytes, say=click.echo)


@pouch_group.command("apply", epilog=examples("pouch apply /media/stick/pouch"))
@click.argument("file", type=EXISTING_FILE)
@click.pass_obj
def apply_pouch_command(settings: Path, file: Path) -> None:
    """Apply a pouch file that the other machine made.

    A workstation applies a pouch of the server. A server applies a pouch of a workstation.
    """
    from deploy.syncing.manual_exchange import apply_pouch_file, refuse_no_pouch

    refuse_no_pouch(file)
    with _open_endpoint(settings) as endpoint:
        show_step("Applying the pouch, which takes minutes if much is new")
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
    from deploy.syncing.manual_exchange import refuse_unpaired
    from journalist_app.services.whole_desk.sync_replica import workstation_endpoint

    with open_desk_for_command(
        settings, ask_passphrase, lambda _config, store: refuse_unpaired(store)
    ) as desk:
        yield workstation_endpoint(desk)
