"""Losses of the desk's own keys, from end to end: each means what docs/adviser.md says."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from crypto.age.recovery_key import draw_identity
from deploy.settings.load_settings import load_config
from deploy.settings.settings_text import EXAMPLE
from journalist_app.config import AdviserConfig
from journalist_app.services.mailbox import read_thread
from journalist_app.services.whole_desk.unlocking import unlock_desk
from protocol.entry import open_entry
from protocol.envelope import EntryClass
from protocol.errors import KeyringRefusedError
from protocol.keyring import open_keyring
from store.database.keyring_backups import list_backups
from tests.deploy.cli.test_keys_commands import _ID, prints_the_sheet
from tests.deploy.person_at_terminal import at_terminal
from tests.deploy.two_machines import PASSPHRASE, Machine, TwoMachineDesk, a_desk, carry
from tests.journalist_app.desk_factories import ASource
from web.dates import utc_today

pytestmark = pytest.mark.slow

_NEW = "vlieger zolder kabouter trommel wortel sneeuw"
_WORDS = "do you still read me?"


@pytest.fixture
def desk(tmp_path: Path) -> TwoMachineDesk:
    made = a_desk(tmp_path)
    made.pair_first()
    return made


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    return tmp_path / "stick"


@pytest.fixture
def sheet(desk: TwoMachineDesk) -> str:
    """Make a recovery sheet, and return its 24 words."""
    with at_terminal(desk.first.settings, "keys", "add", "--sheet", "--holder", "Kluis 3") as person:
        person.answers("Passphrase: ", PASSPHRASE)
        words = prints_the_sheet(person)
        person.ends()
    return words


@pytest.fixture
def source(desk: TwoMachineDesk, stick: Path, sheet: str) -> ASource:  # noqa: ARG001  # the sheet comes first
    """Return a source whose message is on the server and on the workstation."""
    wrote = desk.a_source_writes(_WORDS)
    carry(desk.server, desk.first, stick)
    return wrote


def _config(machine: Machine) -> AdviserConfig:
    return load_config(machine.settings, "adviser", AdviserConfig)


def _backup(machine: Machine) -> Path:
    (backup,) = list_backups(_config(machine).keyring_backups_path)
    return backup.path


def _opens(machine: Machine, secret: str) -> bool:
    return machine.types("keys", "list", passphrase=secret).exit_code == 0


def _reads(machine: Machine, secret: str, source: ASource) -> str:
    """Unlock a workstation's app, and return the last words of a source."""
    with closing(machine.store()) as store:
        desk = unlock_desk(_config(machine), store, secret)
        thread = read_thread.open_thread(desk, source.keys.address, today=utc_today())
        desk.stop()
    return str(thread.entries[-1].text)


def _is_answered(
    desk: TwoMachineDesk, machine: Machine, secret: str, source: ASource, stick: Path, *to: str
) -> None:
    """Answer a source, and check that the source reads the answer on the server."""
    keyring = open_keyring(_config(machine).keyring_path.read_bytes(), secret, desk.keyring.fingerprint)
    world = desk.world(machine, keyring)
    ASource(world, source.keys).is_answered("yes", day=utc_today())
    world.store.close()
    machine.types("pouch", "make", stick, *to, passphrase=secret)
    desk.server.does("pouch", "apply", stick)
    assert ["yes"] == _read_by_source(desk, source)[-1:]


def _read_by_source(desk: TwoMachineDesk, source: ASource) -> list[str]:
    """Return what the source reads on the server: the verified entries, opened with the source's own key."""
    world = desk.world(desk.server)
    stored = ASource(world, source.keys).reads()
    world.store.close()
    words = [each for each in stored.transcript.entries if each.envelope.entry_class is EntryClass.WORDS]
    return [open_entry(each, [source.keys.identity]).text for each in words]


def _manual() -> str:
    text = (EXAMPLE.parent / "docs" / "adviser.md").read_text("utf-8")
    return text.partition("## If something is lost")[2]


def test_a_lost_passphrase_costs_neither_the_desk_nor_its_sources_anything(
    desk: TwoMachineDesk, sheet: str, source: ASource, stick: Path
) -> None:
    assert _WORDS == _reads(desk.first, sheet, source)

    typed = f"{sheet}\n{_NEW}\n{_NEW}"
    desk.first.types("keys", "add", "--holder", "Adviseur", "--typed", passphrase=typed)
    listed = desk.first.types("keys", "list", passphrase=_NEW).output
    lost = next(found for found, kind in _ID.findall(listed) if kind == "passphrase")
    desk.first.types("keys", "remove", lost, passphrase=_NEW)

    assert [False, True, True] == [_opens(desk.first, each) for each in (PASSPHRASE, _NEW, sheet)]
    _is_answered(desk, desk.first, _NEW, source, stick)
    assert "your passphrase" in _manual()


@pytest.mark.parametrize("with_sheet", [False, True])
def test_a_lost_keyring_comes_back_from_its_backup_with_a_passphrase_or_the_sheet(
    desk: TwoMachineDesk, sheet: str, source: ASource, stick: Path, *, with_sheet: bool
) -> None:
    _config(desk.first).keyring_path.unlink()
    secret = sheet if with_sheet else PASSPHRASE

    done = desk.first.types("keys", "recover", passphrase=secret)

    assert 0 == done.exit_code, done.output
    assert _WORDS == _reads(desk.first, secret, source)
    _is_answered(desk, desk.first, secret, source, stick)


def test_a_found_copy_of_the_keyring_opens_with_nothing_that_the_finder_has(
    desk: TwoMachineDesk, source: ASource
) -> None:
    found = _backup(desk.first).read_bytes()
    for guess in ("welkom", draw_identity().to_text(), desk.keyring.fingerprint):
        with pytest.raises(KeyringRefusedError):
            open_keyring(found, guess, desk.keyring.fingerprint)
    assert _WORDS == _reads(desk.first, PASSPHRASE, source)


def test_a_lost_sheet_opens_no_keyring_after_its_removal_but_still_an_older_copy(
    desk: TwoMachineDesk, sheet: str, source: ASource, stick: Path
) -> None:
    older = _backup(desk.first).read_bytes()
    lost = next(found for found, kind in _ID.findall(desk.first.does("keys", "list")) if kind != "passphrase")

    desk.first.does("keys", "remove", lost)

    newest = _backup(desk.first).read_bytes()
    with pytest.raises(KeyringRefusedError):
        open_keyring(newest, sheet, desk.keyring.fingerprint)
    assert not _opens(desk.first, sheet)
    _is_answered(desk, desk.first, PASSPHRASE, source, stick)
    # The manual says so, and says that the keys stay the same.
    assert open_keyring(older, sheet, desk.keyring.fingerprint).desk_key == desk.keyring.desk_key
    assert "an older copy still opens" in _manual()


def test_a_lost_workstation_is_replaced_with_a_copy_of_the_keyring_and_the_sheet(
    desk: TwoMachineDesk, sheet: str, source: ASource, stick: Path
) -> None:
    copy = shutil.copyfile(_backup(desk.first), desk.folder / "copy.age")
    copy.chmod(0o600)
    shutil.rmtree(desk.first.settings.parent)
    again = desk.machine("again")
    words = ["--server", "file", "--fingerprint", desk.keyring.fingerprint, "--name", "Nieuw"]
    words += ["--out", str(desk.folder / "again.pairing")]

    done = again.types("workstation", "rebuild", copy, desk.card(), *words, passphrase=sheet)

    assert 0 == done.exit_code, done.output
    desk.server.does("server", "admit", desk.folder / "again.pairing")
    desk.server.does("pouch", "make", stick, "--to", "Nieuw")
    assert 0 == again.types("pouch", "apply", stick, passphrase=sheet).exit_code
    assert _WORDS == _reads(again, sheet, source)
    _is_answered(desk, again, sheet, source, stick)


def test_who_opened_a_copy_reads_later_messages_too_although_their_sheet_was_removed(
    desk: TwoMachineDesk, sheet: str
) -> None:
    opened = open_keyring(_backup(desk.first).read_bytes(), sheet, desk.keyring.fingerprint)
    removed = next(
        found for found, kind in _ID.findall(desk.first.does("keys", "list")) if kind != "passphrase"
    )
    desk.first.does("keys", "remove", removed)

    later = desk.a_source_writes(_WORDS)

    world = desk.world(desk.server)
    (entry,) = ASource(world, later.keys).reads().transcript.entries
    world.store.close()
    assert _WORDS == open_entry(entry, opened.identities).text
    assert "does not help here" in _manual()


def test_without_any_passphrase_and_sheet_no_one_reads_again_and_the_source_still_can(
    desk: TwoMachineDesk, source: ASource
) -> None:
    for secret in ("vergeten", draw_identity().to_text()):
        assert not _opens(desk.first, secret)
        assert 1 == desk.first.types("keys", "recover", passphrase=secret).exit_code
    assert [_WORDS] == _read_by_source(desk, source)
    assert "No one can ever read the messages again" in _manual()
