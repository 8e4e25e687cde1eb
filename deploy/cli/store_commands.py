"""Command group `store`: verify, clean and copy the store, print its letterhead, create a database's roles.

No command of this group needs a secret key.
"""

import json
from calendar import day_name
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli.run_commands import open_sweeper, refuse_unsafe_option, warn_of_states
from deploy.cli.terminal import examples, json_option, show_count, show_rows, show_step, show_verified
from deploy.errors import ConfigError, FaultsFoundError, os_error_as

if TYPE_CHECKING:
    from protocol.letterhead import Letterhead
    from store.database.engine import ServerPlace


@click.group(name="store")
def store_group() -> None:
    """Verify, clean and copy the store of this machine."""


@store_group.command("verify", epilog=examples("store verify", "store verify --json"))
@json_option
@click.pass_obj
def verify_command(settings: Path, *, as_json: bool) -> None:
    """Verify all entries and files in the store.

    The command verifies signatures, order and digests. It also prints the number of damaged rows of each
    table. If there is a fault or a damaged row, the command ends with status 3. No secret key is needed.
    """
    from deploy.noted_days import SOUND, UNSOUND, VERIFIED, note_day
    from deploy.settings.database_settings import Role, store_place
    from deploy.settings.public_settings import load_public_settings
    from protocol.identifiers import mailbox_label
    from stored_mailbox.whole_store import verify_in_processes
    from web.dates import utc_today

    path = load_public_settings(settings).store_path
    place = store_place(settings, path, Role.BACKUP)
    show_step("Counting the damaged rows of the whole store")
    faults = damaged_rows_in(place)
    total = unsound = 0
    for verdict in verify_in_processes(place, verified_letterhead(settings).strand_keys):
        total += verdict.entries
        show_verified(verdict.done, verdict.total)
        if not verdict.is_sound:
            unsound += 1
            faults.append(f"Mailbox {mailbox_label(verdict.address)}: {verdict.describe()}")
    note_day(path, VERIFIED, utc_today(), UNSOUND if faults else SOUND)
    if as_json:
        click.echo(json.dumps({"entries": total, "faults": faults}, indent=1))
    else:
        ended = f"{total} entries verified. Mailboxes that differ from what was signed: {unsound}."
        click.echo("\n".join([*faults, ended]))
    if faults:
        raise FaultsFoundError("The store has faults. Tell the desk. Do not change the store.")


@store_group.command("sweep", epilog=examples("store sweep"))
@refuse_unsafe_option
@click.pass_context
def sweep_command(ctx: click.Context, *, refuse_unsafe: bool) -> None:
    """Destroy deleted content and rewrite the store now.

    The sweeper does the same each night. If the disk has no room to rewrite the store, the command ends with
    status 5.
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


_EXAMPLE = "store create-roles 'postgresql://postgres@/steunpunt?host=/run/postgresql'"


@store_group.command("create-roles", epilog=examples(_EXAMPLE))
@click.argument("url", metavar="URL")
def create_roles_command(url: str) -> None:
    """Create the users (roles) of a database on a PostgreSQL server.

    Run this command as an administrator of the database server. URL is the address of the database, without a
    password. Each role has only the rights that one kind of program needs. Roles that exist get these rights
    again. The roles have no passwords.
    """
    from deploy.settings.database_url import read_server_place
    from store.database.engine import create_roles

    names = create_roles(read_server_place(url, Path()))
    click.echo("\n".join(["The database has these roles:", *names]))


_DATABASE = "'postgresql://steunpunt_owner@/steunpunt?host=/run/postgresql'"
_FILE_URL = "sqlite:///var/lib/steunpunt/store.db"


@store_group.command(
    "copy", epilog=examples(f"store copy {_FILE_URL} {_DATABASE}", f"store copy {_DATABASE} {_FILE_URL}")
)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy_command(source: str, target: str) -> None:
    """Copy the store to a new file or to an empty database.

    FROM and TO are the addresses of a file (sqlite://) or of a database (postgresql://), without a password.
    First stop all programs that use the store. Each row of the copy is compared with the store. If the
    command was interrupted, run the same command again. No program opens the copy before the copy is
    complete. The old store stays as it is.
    """
    from store.cleanup import copy_to_place
    from web.dates import half_hour_now

    place, to = _read_place(source), _read_place(target)
    show_step("Destroying deleted content, and looking for damaged rows")
    with os_error_as("The store cannot be copied"):
        rows = copy_to_place(place, to, half_hour_now(), show_rows)
    click.echo(
        f"Copied {rows} rows, and compared each with its copy. Start no program before the settings name the "
        "copy. When everything works, delete the old store."
    )


def _read_place(url: str) -> "Path | ServerPlace":
    """Return the place of a store at a URL.

    Raises:
        ConfigError: the URL has another form, or contains a password.
    """
    from deploy.settings.database_url import read_server_place

    if not url.startswith("sqlite:"):
        return read_server_place(url, Path())
    if not url.startswith("sqlite:///"):
        raise ConfigError("The address of a file must be sqlite:///FOLDER/FILE, with three slashes.")
    return Path(url.removeprefix("sqlite://"))


@store_group.command("letterhead", epilog=examples("store letterhead", "store letterhead --json"))
@json_option
@click.pass_obj
def letterhead_command(settings: Path, *, as_json: bool) -> None:
    """Verify the newest letterhead, and print a summary. With --json, print all texts and keys.

    A letterhead is the desk's signed public statement.
    """
    letterhead = verified_letterhead(settings)
    click.echo(letterhead.to_bytes().decode() if as_json else "\n".join(_summary(letterhead)))


def _summary(letterhead: "Letterhead") -> Iterator[str]:
    yield f"Letterhead number {letterhead.serial}, signed on {letterhead.issued}."
    yield from (f"Desk ({code}): {name}" for code, name in letterhead.desk_name.items())
    for each in letterhead.strands:
        last = "" if each.until is None else f" until {each.until}"
        yield f"Workstation: {each.name}, in use since {each.since}{last}"
    yield f"OpenPGP key: {letterhead.openpgp_fingerprint or 'none'}"
    yield f"Working days: {', '.join(day_name[each] for each in letterhead.working_days)}"
    yield from (f"Away: from {each.since} to {each.until}" for each in letterhead.absences)
    if letterhead.closed_days:
        yield f"Closed on: {', '.join(map(str, letterhead.closed_days))}"
    yield (
        f"Promises: an answer within {letterhead.answer_working_days} working days, a confirmation within "
        f"{letterhead.confirm_days} days, an answer in substance within {letterhead.substance_months} months"
    )
    yield (
        f"Deletion: a closed mailbox after {letterhead.deletes_after_days} days, a mailbox without a new "
        f"message after {letterhead.abandoned_months} months"
    )
    yield from (f"Report: {each.title}, published on {each.published}" for each in letterhead.reports)


def damaged_rows_in(place: "Path | ServerPlace") -> list[str]:
    """Return sentences that count the damaged rows of the store at `place`, by table and mailbox."""
    from protocol.identifiers import Address, mailbox_label
    from store.database.damaged_rows import count_damaged
    from store.database.engine import open_store

    with closing(open_store(place)) as store, store.reading() as session:
        damaged = count_damaged(session)
    sentences = []
    for (table, address), count in damaged.items():
        mailbox = f", mailbox {mailbox_label(Address(address))}" if address else ""
        sentences.append(
            f"Damaged rows in the table {table}{mailbox}: {count}. Tell the desk, and check the disk."
        )
    return sentences


def verified_letterhead(settings: Path) -> "Letterhead":
    """Verify the newest letterhead (the desk's public statement) in this machine's store, and return it.

    Raises:
        DeployError: the settings have faults, or the letterhead must not be used.
        StoreError: the store cannot be read.
    """
    from deploy.pinned_letterhead import open_letterhead
    from deploy.settings.database_settings import Role, store_place
    from deploy.settings.public_settings import load_public_settings
    from store.database.engine import open_store

    config = load_public_settings(settings)
    with closing(open_store(store_place(settings, config.store_path, Role.BACKUP))) as store:
        return open_letterhead(store, config.fingerprint, config.letterhead_serial_path)
