"""Commands `run` and `demo`, which start the programs that stay running."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli.setup_commands import adviser_bind_option, say_if_incomplete, source_bind_option
from deploy.cli.terminal import end_step, examples, show_step, stop_on_signals
from deploy.serving.gc_tuning import collect_from_here
from deploy.serving.wiped_memory import overwrite_freed_memory
from store.errors import StoreBusyError, StoreUnreachableError

if TYPE_CHECKING:
    from deploy.sweeping.server_cleanup import StoreSweeper

_STOP_SECONDS = 10  # time that a pouch which came early gets to be applied after a signal to stop

refuse_unsafe_option = click.option(
    "--refuse-unsafe",
    is_flag=True,
    help="In an unsafe state of this machine, do not start. Without this option, only warn.",
)


def _run_source(settings: Path) -> None:
    from deploy.serving.serve_source import serve_source

    serve_source(settings)


def _run_adviser(settings: Path) -> None:
    from deploy.serving.serve_adviser import serve_adviser

    serve_adviser(settings)


def _run_sync(settings: Path) -> None:
    from deploy.serving.serve_sync import serve_sync

    serve_sync(settings)


def _run_sweeper(settings: Path) -> None:
    from deploy.settings.load_settings import sections_in
    from deploy.sweeping.server_cleanup import sweep_until_stopped
    from deploy.syncing.pending_at_server import apply_pending_until_stopped

    sweeper = open_sweeper(settings)
    collect_from_here()
    stop = stop_on_signals()
    pending = threading.Thread(target=apply_pending_until_stopped, args=(settings, stop), daemon=True)
    if is_server := "sync" in sections_in(settings):
        pending.start()
    sweep_until_stopped(sweeper, stop)
    if is_server:
        pending.join(_STOP_SECONDS)
    sweeper.store.settle()


_PROGRAMS: dict[str, Callable[[Path], None]] = {
    "source": _run_source,
    "adviser": _run_adviser,
    "sync": _run_sync,
    "sweeper": _run_sweeper,
}


@click.command("run", epilog=examples("run", "run source --refuse-unsafe"))
@click.argument("program", required=False, type=click.Choice(list(_PROGRAMS)))
@refuse_unsafe_option
@click.pass_context
def run_command(ctx: click.Context, program: str | None, *, refuse_unsafe: bool) -> None:
    """Run the programs of this machine until Ctrl-C or SIGTERM. If you name a program, run only this one.

    source is the interface for sources. adviser is the interface for advisers. sync is the endpoint for
    workstations. sweeper destroys deleted content every 20 seconds, and rewrites the store once a night.
    """
    if program is None:
        _run_together(ctx, refuses=refuse_unsafe)
        return
    if program == "source":
        overwrite_freed_memory()  # before the imports, which the second start repeats
    _run_program(ctx, program, refuses=refuse_unsafe)


def _run_program(ctx: click.Context, program: str, *, refuses: bool) -> None:
    """Run one program. If its database is lost while the program starts, wait for the database again."""
    from deploy.settings.load_settings import sections_in

    settings: Path = ctx.obj
    while True:
        _wait_for_database(settings, program)
        try:
            warn_of_states(ctx, refuses=refuses)
            _PROGRAMS[program](settings)
        except (StoreBusyError, StoreUnreachableError):
            if "database" not in sections_in(settings):
                raise
        else:
            return


def _run_together(ctx: click.Context, *, refuses: bool) -> None:
    from deploy.serving.supervisor import run_together
    from deploy.serving.topology import parts_to_run

    settings: Path = ctx.obj
    parts, lines = parts_to_run(settings)
    _wait_for_database(settings, "sweeper")
    say_if_incomplete(settings)
    warn_of_states(ctx, refuses=refuses)
    run_together(settings, parts, stop_on_signals(), lambda: click.echo("\n".join(lines)))
    click.echo("Stopped.")


@click.command("demo", epilog=examples("demo", "demo --folder practice"))
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="The folder of the demo. No other desk may be in it.",
)
@source_bind_option
@adviser_bind_option
@click.pass_context
def demo_command(ctx: click.Context, folder: Path, source_bind: str, adviser_bind: str) -> None:
    """Make and start a trial desk with invented mailboxes.

    The mailboxes are in every state. If the folder has a demo already, the command starts that demo.
    """
    from deploy.demo.make_demo import make_demo

    ctx.obj = folder.absolute() / "config.toml"
    make_demo(ctx.obj, source_bind=source_bind, adviser_bind=adviser_bind, say=click.echo, on_step=show_step)
    end_step()
    _run_together(ctx, refuses=False)


def _wait_for_database(settings: Path, program: str) -> None:
    from deploy.serving.database_wait import wait_for_database
    from deploy.settings.database_settings import Role

    roles = {"source": Role.SOURCE, "sync": Role.SYNC, "sweeper": Role.OWNER}
    if program in roles:
        wait_for_database(settings, roles[program], say=lambda line: click.echo(line, err=True))


def open_sweeper(settings: Path) -> "StoreSweeper":
    """Open the store of a server or a workstation, and return the task that destroys deleted content.

    Raises:
        ConfigError: the settings have faults.
        StoreError: the store cannot be opened.
    """
    from deploy.settings.load_settings import sections_in

    if "source" in sections_in(settings):
        from deploy.sweeping.server_cleanup import open_server_cleanup

        return open_server_cleanup(settings)
    from deploy.sweeping.replica_cleanup import open_replica_cleanup

    return open_replica_cleanup(settings)


def warn_of_states(ctx: click.Context, *, refuses: bool) -> None:
    """Look for unsafe states before a program starts, unless `steunpunt run` has already done so."""
    if ctx.find_root().params["parent"] is not None:
        return
    from deploy.checking.machine_files import read_machine_settings
    from deploy.checking.unsafe_states import Scene, warn_or_refuse
    from web.dates import utc_today

    scene = Scene(read_machine_settings(ctx.obj), utc_today(), frozenset({os.geteuid()}))
    warn_or_refuse(scene, refuses=refuses, warn=lambda line: click.echo(line, err=True))
