"""Command group `keys`: who can open the desk's keyring, its backups and recovery, and the public keys."""

import functools
import re
import sys
from pathlib import Path

import click

from crypto.passphrase import DUTCH, LANGUAGES, Language
from deploy.cli.setup_commands import print_passphrase_option
from deploy.cli.store_commands import verified_letterhead
from deploy.cli.terminal import EXISTING_FILE, ask_passphrase, ask_secret, examples, show_step
from deploy.errors import DeployError

_typed_option = click.option("--typed", is_flag=True, help="Choose the passphrase yourself.")
_NOWHERE_TO_SHOW = (
    "Nothing was changed, because a new passphrase is printed only to a terminal: run this command in a "
    "terminal, or add --print-passphrase, or add --typed."
)


@click.group()
def keys_group() -> None:
    """Manage what opens the desk's keyring. For the adviser."""


@keys_group.command("list", epilog=examples("keys list"))
@click.pass_obj
def list_keys_command(settings: Path) -> None:
    """Print who can open the keyring, and since when.

    Also print whether the newest backup of the keyring was copied.
    """
    from deploy.desk_for_command import open_desk_for_command
    from deploy.keys_at_terminal import list_keys

    with open_desk_for_command(settings, ask_passphrase) as desk:
        list_keys(desk, say=click.echo)


@keys_group.command(
    "add", epilog=examples("keys add --holder Colleague", "keys add --sheet --holder 'Safe 3'")
)
@click.option(
    "--holder", required=True, help="Who gets the passphrase, or the safe in which the sheet belongs."
)
@click.option("--sheet", is_flag=True, help="Make a recovery sheet instead of a passphrase.")
@click.option(
    "--language", type=click.Choice(LANGUAGES), default=DUTCH, show_default=True, help="With --sheet."
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="With --sheet: where to write the files to print, for example a USB stick. [default: in memory]",
)
@_typed_option
@print_passphrase_option
@click.pass_obj
def add_key_command(  # noqa: PLR0913  # one argument for each option
    settings: Path,
    *,
    holder: str,
    sheet: bool,
    language: Language,
    folder: Path | None,
    typed: bool,
    print_passphrase: bool,
) -> None:
    """Add a passphrase for a colleague, or a recovery sheet.

    To confirm, type the new passphrase, or a word of the printed sheet.
    """
    from deploy import keys_at_terminal
    from deploy.desk_for_command import open_desk_for_command

    _require_terminal(may_print=sheet or typed or print_passphrase)
    terminal = keys_at_terminal.Terminal(click.echo, ask_secret)
    secret = functools.cache(ask_passphrase)
    with open_desk_for_command(
        settings, secret, lambda config, _store: keys_at_terminal.check_new_key(config, holder, folder)
    ) as desk:
        if sheet:
            keys_at_terminal.print_new_sheet(desk, secret(), terminal, holder, language, folder)
        else:
            keys_at_terminal.ask_new_passphrase(desk, secret(), terminal, holder, is_typed=typed)


@keys_group.command("remove", epilog=examples("keys remove 01234567"))
@click.argument("key_id", metavar="ID")
@click.pass_obj
def remove_key_command(settings: Path, key_id: str) -> None:
    """Remove a passphrase or a recovery sheet. `steunpunt keys list` prints the ids."""
    from deploy.desk_for_command import open_desk_for_command
    from deploy.keys_at_terminal import drop_key, refuse_no_id

    secret = functools.cache(ask_passphrase)
    with open_desk_for_command(settings, secret, lambda _config, _store: refuse_no_id(key_id)) as desk:
        drop_key(desk, secret(), key_id, say=click.echo)


@keys_group.command("change-passphrase", epilog=examples("keys change-passphrase"))
@_typed_option
@print_passphrase_option
@click.pass_obj
def change_passphrase_command(settings: Path, *, typed: bool, print_passphrase: bool) -> None:
    """Replace your passphrase by a new one."""
    from deploy import keys_at_terminal
    from deploy.desk_for_command import open_desk_for_command

    _require_terminal(may_print=typed or print_passphrase)
    secret = functools.cache(ask_passphrase)
    with open_desk_for_command(settings, secret) as desk:
        terminal = keys_at_terminal.Terminal(click.echo, ask_secret)
        keys_at_terminal.ask_new_passphrase(desk, secret(), terminal, None, is_typed=typed)


@keys_group.command("confirm-copy", epilog=examples("keys confirm-copy /media/stick/keyring-backup.age"))
@click.argument("copy", type=EXISTING_FILE)
@click.pass_obj
def confirm_copy_command(settings: Path, copy: Path) -> None:
    """Confirm a copy of the keyring's newest backup.

    After that, the workstation no longer asks you to copy this backup.
    """
    from deploy.keys_at_terminal import compare_copy
    from deploy.settings.load_settings import load_config
    from journalist_app.config import AdviserConfig

    compare_copy(load_config(settings, "adviser", AdviserConfig), copy, say=click.echo)


@keys_group.command("copy-backup", epilog=examples("keys copy-backup /media/stick"))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.pass_obj
def copy_backup_command(settings: Path, folder: Path) -> None:
    """Copy the keyring's newest backup, and confirm the copy.

    Give a folder on another disk, such as a USB stick.
    """
    from deploy.keys_at_terminal import copy_backup
    from deploy.settings.load_settings import load_config
    from journalist_app.config import AdviserConfig

    copy_backup(load_config(settings, "adviser", AdviserConfig), folder, say=click.echo)


@keys_group.command("recover", epilog=examples("keys recover", "keys recover --from copy.age"))
@click.option(
    "--from", "copy", type=EXISTING_FILE, help="A copy of the keyring. [default: the newest backup]"
)
@click.pass_obj
def recover_command(settings: Path, copy: Path | None) -> None:
    """Replace the keyring by its newest backup. A passphrase or a recovery sheet opens the backup."""
    from deploy.recover_keyring import choose_backups, recover_keyring
    from deploy.settings.load_settings import load_config
    from journalist_app.config import AdviserConfig

    config = load_config(settings, "adviser", AdviserConfig)
    backups = choose_backups(config, copy)
    secret = ask_secret("Passphrase, or the words or the key of the sheet")
    show_step("Opening the backups")
    recover_keyring(config, backups, secret, say=click.echo)


@keys_group.command("fingerprint", epilog=examples("keys fingerprint"))
@click.pass_obj
def fingerprint_command(settings: Path) -> None:
    """Print the fingerprint that is on the desk's posters.

    If the desk has an OpenPGP key, print the fingerprint of that key too.
    """
    from deploy.settings.public_settings import load_public_settings

    click.echo(load_public_settings(settings).fingerprint)
    if (openpgp_fingerprint := verified_letterhead(settings).openpgp_fingerprint) is not None:
        click.echo("OpenPGP: " + " ".join(re.findall("....", openpgp_fingerprint)))


@keys_group.command("make-openpgp", epilog=examples("keys make-openpgp"))
@click.pass_obj
def make_openpgp_command(settings: Path) -> None:
    """Make and publish an OpenPGP key of the desk.

    If the desk has an OpenPGP key already, no other key is made. The key is published in the letterhead, the
    desk's signed public statement.
    """
    from deploy.desk_openpgp_key import make_openpgp_key

    make_openpgp_key(settings, ask_passphrase, say=click.echo)


def _require_terminal(*, may_print: bool) -> None:
    if not (may_print or sys.stdout.isatty()):
        raise DeployError(_NOWHERE_TO_SHOW)
