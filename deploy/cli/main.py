"""The `steunpunt` command: it reads what was typed, calls one function, and prints."""

import re
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from deploy.cli import sync_commands
from deploy.cli.onion_commands import onion_group
from deploy.errors import DeployError
from deploy.serving.gc_tuning import collect_from_here, collect_seldom
from store.errors import StoreError

if TYPE_CHECKING:
    from protocol.letterhead import Letterhead

_SETTINGS = Path("var/config.toml")


class _OneSentence(click.Group):
    """End with 1 and one sentence, without a trace, when something must be mended first."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  # click's own type
        try:
            return super().invoke(ctx)
        except DeployError as why:
            raise click.ClickException(str(why)) from why
        except StoreError as why:
            raise click.ClickException(f"{why}.".capitalize()) from why


@click.group(cls=_OneSentence)
@click.option(
    "--settings",
    type=click.Path(path_type=Path, dir_okay=False),
    default=_SETTINGS,
    show_default=True,
    help="The settings file; the desk's files lie beside it.",
)
@click.option("--parent", type=int, hidden=True, help="End when the process with this id ends.")
@click.pass_context
def main(ctx: click.Context, settings: Path, parent: int | None) -> None:
    """Run a Steunpunt Mailbox."""
    collect_seldom()
    ctx.obj = settings.absolute()
    if parent is not None:
        from deploy.hardening import end_with_parent

        end_with_parent(parent)


for _each in (onion_group, *sync_commands.ALL):
    main.add_command(_each)


@main.group(invoke_without_command=True)
@click.option("--source-bind", default="127.0.0.1:8080", show_default=True, help="Where sources come in.")
@click.option(
    "--adviser-bind", default="127.0.0.2:8081", show_default=True, help="Where the adviser comes in."
)
@click.pass_context
def setup_group(ctx: click.Context, source_bind: str, adviser_bind: str) -> None:
    """Make a desk with fresh keys and an empty store, unless there is one."""
    if ctx.invoked_subcommand is None:
        _set_up(ctx.obj, source_bind, adviser_bind)
        click.echo(f"The desk is set up in {ctx.obj.parent}.")


@setup_group.command()
@click.argument("fingerprint")
@click.option("--source-bind", default="127.0.0.1:8080", show_default=True, help="Where sources come in.")
@click.option("--sync-bind", default="127.0.0.3:8082", show_default=True, help="Where workstations come in.")
@click.pass_obj
def server_command(settings: Path, fingerprint: str, source_bind: str, sync_bind: str) -> None:
    """Make a server without any key of the desk, for the desk of this fingerprint, unless there is one."""
    from deploy.hardening import harden_process
    from deploy.pairing.server import set_up_server

    harden_process()
    set_up_server(settings, fingerprint, source_bind=source_bind, sync_bind=sync_bind)
    click.echo(
        f"The server is set up in {settings.parent}. It starts once the desk's letterhead is there: make its "
        "card file (steunpunt card --out FILE), and pair the workstation."
    )


@main.command()
@click.option("--source-bind", default="127.0.0.1:8080", show_default=True, help="For a desk not yet set up.")
@click.option(
    "--adviser-bind", default="127.0.0.2:8081", show_default=True, help="For a desk not yet set up."
)
@click.pass_obj
def run_command(settings: Path, source_bind: str, adviser_bind: str) -> None:
    """Set up what is missing, run what the settings have a section for, and stop it all together."""
    from deploy.serving.supervisor import run_together
    from deploy.serving.topology import parts_to_run

    _set_up(settings, source_bind, adviser_bind)
    parts, lines = parts_to_run(settings)

    def say_ready() -> None:
        for line in lines:
            click.echo(line)

    run_together(settings, parts, say_ready)
    click.echo("Stopped.")


@main.command()
@click.argument("interface", type=click.Choice(["source", "adviser", "sync"]))
@click.pass_obj
def serve_command(settings: Path, interface: str) -> None:
    """Serve one interface, or the door for workstations, until told to stop."""
    if interface == "source":
        from deploy.serving import serve_source

        serve_source.serve_source(settings)
    elif interface == "sync":
        from deploy.serving import serve_sync

        serve_sync.serve_sync(settings)
    else:
        from deploy.serving import serve_adviser

        serve_adviser.serve_adviser(settings)


@main.command()
@click.option("--once", is_flag=True, help="Sweep and tidy now, then end.")
@click.pass_obj
def sweep_command(settings: Path, *, once: bool) -> None:
    """Destroy what was deleted, every 20 seconds, and write the store anew once a night."""
    from deploy.cleanup import server_cleanup
    from deploy.hardening import harden_process
    from deploy.settings.load_settings import sections_in
    from deploy.syncing import pending_at_server

    harden_process()
    sections = sections_in(settings)
    sweeping: server_cleanup.StoreSweeper
    if "source" in sections:
        sweeping = server_cleanup.open_server_cleanup(settings)
    else:
        from deploy.cleanup import replica_cleanup

        sweeping = replica_cleanup.open_replica_cleanup(settings)
    if once:
        swept = server_cleanup.sweep_now(sweeping, on_step=_say_step, on_progress=_say_progress)
        click.echo(f"Destroyed {swept.rows} sealed parts.")
        if "sync" in sections:
            pending_at_server.apply_pending_now(settings)
        return
    collect_from_here()
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda _signal, _frame: stop.set())
    if "sync" in sections:
        beside = (settings, stop)
        threading.Thread(
            target=pending_at_server.apply_pending_until_stopped, args=beside, name="held", daemon=True
        ).start()
    server_cleanup.sweep_until_stopped(sweeping, stop)


@main.command()
@click.pass_obj
def upgrade_command(settings: Path) -> None:
    """Bring the store's tables to this version. Stop both interfaces and the sweeper first."""
    from deploy.hardening import harden_process
    from deploy.serving.topology import load_public_settings
    from store.database.engine import upgrade_store

    harden_process()
    path = load_public_settings(settings).store_path
    _say_step("Bringing the store's tables to this version, which takes minutes when it is large")
    upgrade_store(path)
    click.echo("The store's tables are of this version.")


@main.command()
@click.option("--qr", type=click.File("wb"), help="Write it to this file too, as a QR code in SVG.")
@click.pass_obj
def fingerprint_command(settings: Path, qr: BinaryIO | None) -> None:
    """Print what posters carry: the desk's fingerprint, and that of its OpenPGP key if it has one."""
    import segno

    from deploy.serving.topology import load_public_settings

    desk = load_public_settings(settings).fingerprint
    click.echo(desk)
    sealing = _true_letterhead(settings).openpgp_fingerprint
    if sealing is not None:
        click.echo("OpenPGP: " + " ".join(re.findall("....", sealing)))
    if qr is not None:
        segno.make_qr(desk, error="m").save(qr, kind="svg", border=4)


@main.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("poster"),
    show_default=True,
    help="Where to put the four files.",
)
@click.option("--telephone", default="", help="The desk's telephone number, as it is to stand on the poster.")
@click.pass_obj
def poster_command(settings: Path, folder: Path, telephone: str) -> None:
    """Make the poster for partner organisations, in both languages, as PDF and as SVG."""
    from deploy.poster import make_poster
    from deploy.settings.load_settings import load_config
    from source_app.config import SourceConfig

    source = load_config(settings, "source", SourceConfig)
    for path in make_poster.make_posters(source, _true_letterhead(settings), folder, telephone):
        click.echo(path)


@main.group()
def openpgp_group() -> None:
    """Look after the desk's OpenPGP key."""


@openpgp_group.command("make")
@click.pass_obj
def make_openpgp_command(settings: Path) -> None:
    """Make the OpenPGP key of a desk that has none, and publish it in the letterhead."""
    from deploy import desk_openpgp_key as making

    passphrase = click.prompt("Passphrase", hide_input=True, err=True)
    making.make_openpgp_key(settings, passphrase, say=click.echo)


@main.command()
@click.argument("year", type=click.IntRange(2000, 2099))
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to put the files; for you alone. [default: report-YEAR]",
)
@click.pass_obj
def report_command(settings: Path, year: int, folder: Path | None) -> None:
    """Make both versions of a yearly report: counted now, or as it was published."""
    from deploy import report_files as making

    passphrase = click.prompt("Passphrase", hide_input=True, err=True)
    making.make_report_files(
        settings, year, folder or Path(f"report-{year}"), passphrase, say=click.echo, on_step=_say_step
    )


@main.group()
def letterhead_group() -> None:
    """Look at what the desk tells the public."""


@letterhead_group.command()
@click.pass_obj
def show_command(settings: Path) -> None:
    """Print the letterhead in the store, once it is found true."""
    click.echo(_true_letterhead(settings).to_bytes().decode())


def _true_letterhead(settings: Path) -> "Letterhead":
    from deploy.pinned_letterhead import open_letterhead
    from deploy.serving.topology import load_public_settings
    from store.database.engine import open_store

    config = load_public_settings(settings)
    return open_letterhead(open_store(config.store_path), config.fingerprint, config.letterhead_serial_path)


def _set_up(settings: Path, source_bind: str, adviser_bind: str) -> None:
    from deploy.hardening import harden_process
    from deploy.setup import set_up

    harden_process()

    def show_once(passphrase: str) -> None:
        click.echo(
            "The adviser's passphrase, shown this once:\n\n"
            f"    {passphrase}\n\n"
            "Write it down. It opens the desk's keys, and nobody can make a new one.\n"
        )

    set_up(
        settings,
        source_bind=source_bind,
        adviser_bind=adviser_bind,
        show_passphrase=show_once,
        on_step=lambda line: click.echo(line, err=True),
    )


def _say_step(what_comes: str) -> None:
    click.echo(f"{what_comes} ...", err=True)


def _say_progress(done: int, total: int) -> None:
    click.echo(f"\r{done} of {total} sealed parts", err=True, nl=done >= total)


if __name__ == "__main__":
    main()
