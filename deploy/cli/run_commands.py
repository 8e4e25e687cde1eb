"""Commands `run`, `demo`, `serve` and `sweep`, which start the programs that stay running."""

import os
import threading
from pathlib import Path

import click

from deploy.cli.setup_commands import (
    adviser_bind_option,
    print_passphrase_option,
    set_up_and_show,
    source_bind_option,
    trial_option,
)
from deploy.cli.terminal import show_count, show_step, stop_on_signals
from deploy.serving.gc_tuning import collect_from_here
from deploy.serving.wiped_memory import overwrite_freed_memory

_STOP_SECONDS = 10  # time that a pouch which came early gets to be applied after a signal to stop

refuse_unsafe_option = click.option(
    "--refuse-unsafe",
    is_flag=True,
    help="In an unsafe state of this machine, do not start. Without this option, only warn.",
)


@click.command()
@source_bind_option
@adviser_bind_option
@print_passphrase_option
@trial_option
@refuse_unsafe_option
@click.pass_context
def run_command(  # noqa: PLR0913  # one argument for each option
    ctx: click.Context,
    source_bind: str,
    adviser_bind: str,
    *,
    print_passphrase: bool,
    trial: bool,
    refuse_unsafe: bool,
) -> None:
    """Set up a desk if there are no settings, and start each part that has a section in the settings."""
    from deploy.serving.supervisor import run_together
    from deploy.serving.topology import parts_to_run

    settings: Path = ctx.obj
    set_up_and_show(settings, source_bind, adviser_bind, may_print=print_passphrase or trial, is_trial=trial)
    parts, lines = parts_to_run(settings)
    _look_at_states(ctx, refuses=refuse_unsafe)
    run_together(settings, parts, stop_on_signals(), lambda: click.echo("\n".join(lines)))
    click.echo("Stopped.")


@click.command()
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
    """Make a trial desk with invented mailboxes in every state, and start both interfaces.

    The second time, the command starts the same demo again.
    """
    from deploy.demo.make_demo import make_demo

    ctx.obj = folder.absolute() / "config.toml"
    make_demo(ctx.obj, source_bind=source_bind, adviser_bind=adviser_bind, say=click.echo)
    ctx.invoke(
        run_command,
        source_bind=source_bind,
        adviser_bind=adviser_bind,
        print_passphrase=False,
        trial=True,
        refuse_unsafe=False,
    )


@click.command()
@click.argument("interface", type=click.Choice(["source", "adviser", "sync"]))
@refuse_unsafe_option
@click.pass_context
def serve_command(ctx: click.Context, interface: str, *, refuse_unsafe: bool) -> None:
    """Serve one of the two sites, or the sync endpoint for workstations, until Ctrl-C or SIGTERM."""
    settings: Path = ctx.obj
    if interface == "source":
        overwrite_freed_memory()  # before the imports, which the second start repeats
    _look_at_states(ctx, refuses=refuse_unsafe)
    if interface == "source":
        from deploy.serving import serve_source

        serve_source.serve_source(settings)
    elif interface == "sync":
        from deploy.serving import serve_sync

        serve_sync.serve_sync(settings)
    else:
        from deploy.serving import serve_adviser

        serve_adviser.serve_adviser(settings)


@click.command()
@click.option("--once", is_flag=True, help="Destroy and rewrite now, then end.")
@refuse_unsafe_option
@click.pass_context
def sweep_command(ctx: click.Context, *, once: bool, refuse_unsafe: bool) -> None:
    """Destroy deleted content every 20 seconds, and rewrite the store once a night."""
    from deploy.settings.load_settings import sections_in
    from deploy.sweeping import server_cleanup
    from deploy.syncing.pending_at_server import apply_pending_now, apply_pending_until_stopped

    settings: Path = ctx.obj
    _look_at_states(ctx, refuses=refuse_unsafe)
    sections = sections_in(settings)
    if "source" in sections:
        sweeper: server_cleanup.StoreSweeper = server_cleanup.open_server_cleanup(settings)
    else:
        from deploy.sweeping import replica_cleanup

        sweeper = replica_cleanup.open_replica_cleanup(settings)
    if once:
        rows = server_cleanup.sweep_now(sweeper, on_step=show_step, on_progress=show_count)
        click.echo(f"Destroyed {rows} encrypted parts.")
        if "sync" in sections:
            apply_pending_now(settings)
        return
    collect_from_here()
    stop = stop_on_signals()
    pending = threading.Thread(target=apply_pending_until_stopped, args=(settings, stop), daemon=True)
    if "sync" in sections:
        pending.start()
    server_cleanup.sweep_until_stopped(sweeper, stop)
    if "sync" in sections:
        pending.join(_STOP_SECONDS)
    sweeper.store.settle()


def _look_at_states(ctx: click.Context, *, refuses: bool) -> None:
    """Look for unsafe states before a program starts, unless `steunpunt run` has already done so."""
    if ctx.find_root().params["parent"] is not None:
        return
    from deploy.checking.machine_files import read_machine_settings
    from deploy.checking.unsafe_states import Scene, warn_or_refuse
    from web.dates import utc_today

    scene = Scene(read_machine_settings(ctx.obj), utc_today(), frozenset({os.geteuid()}))
    warn_or_refuse(scene, refuses=refuses, warn=lambda line: click.echo(line, err=True))


COMMANDS = (run_command, demo_command, serve_command, sweep_command)
