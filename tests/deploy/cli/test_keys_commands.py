"""The commands about the desk's own keys, as people type them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.settings.load_settings import load_config
from journalist_app.config import AdviserConfig
from protocol.keyring import RecoverySlot, open_keyring
from store.database.keyring_backups import list_backups
from tests.deploy.person_at_terminal import TypingPerson, at_terminal
from tests.deploy.two_machines import PASSPHRASE, Machine, TwoMachineDesk, a_desk

pytestmark = pytest.mark.slow

_DRAWN = r"\n    ([a-z]+(?: [a-z]+){6,7})\n"
_ID = re.compile(r"(?m)^([0-9a-f]{8})  (passphrase|recovery sheet) ")


@pytest.fixture
def desk(tmp_path: Path) -> TwoMachineDesk:
    return a_desk(tmp_path)


@pytest.fixture
def machine(desk: TwoMachineDesk) -> Machine:
    return desk.first


def _config(machine: Machine) -> AdviserConfig:
    return load_config(machine.settings, "adviser", AdviserConfig)


def _opens(machine: Machine, secret: str) -> bool:
    return machine.types("keys", "list", passphrase=secret).exit_code == 0


_SHEET_IS_AT = re.compile(r"Print this sheet now, once: (\S+)")


def prints_the_sheet(person: TypingPerson) -> str:
    """Read the printed sheet and type the word that the program asks for. Return the 24 words."""
    text = Path(person.sees(_SHEET_IS_AT.pattern)[1]).with_suffix(".txt").read_text("utf-8")
    words = re.findall(r"(?m)^ ?\d+\. ([a-z]+)$", text)
    number = int(person.sees(r"Word (\d+) on the printed sheet: ")[1])
    person.types("fout")
    person.sees(r"That is not what was shown")
    person.answers("Word", words[number - 1])
    return " ".join(words)


def test_a_colleague_gets_a_drawn_passphrase_that_counts_only_once_it_was_typed_back(
    machine: Machine,
) -> None:
    with at_terminal(machine.settings, "keys", "add", "--holder", "Tweede adviseur") as person:
        person.answers("Passphrase: ", PASSPHRASE)
        drawn = person.sees(_DRAWN)[1]
        person.sees("Type the new passphrase: ")
        assert not _opens(machine, drawn)
        person.types(drawn)
        said = person.ends()

    assert 1 == said.count(drawn)  # what a person types is not shown
    assert PASSPHRASE not in said
    listed = machine.types("keys", "list", passphrase=drawn).output
    assert ["passphrase", "passphrase"] == [kind for _, kind in _ID.findall(listed)]
    assert "Tweede adviseur" in listed


def test_a_passphrase_is_changed_and_the_old_one_no_longer_opens(machine: Machine) -> None:
    with at_terminal(machine.settings, "keys", "change-passphrase") as person:
        person.answers("Passphrase: ", PASSPHRASE)
        drawn = person.sees(_DRAWN)[1]
        person.answers("Type the new passphrase: ", drawn)
        person.ends()

    assert [False, True] == [_opens(machine, typed) for typed in (PASSPHRASE, drawn)]


def test_a_typed_passphrase_is_judged(machine: Machine) -> None:
    for typed, exits in (("welkom2026", 1), ("vlieger zolder kabouter trommel wortel sneeuw", 0)):
        done = machine.types(
            "keys", "add", "--holder", "X", "--typed", passphrase=f"{PASSPHRASE}\n{typed}\n{typed}"
        )
        assert exits == done.exit_code, done.output
        assert bool(exits) == ("easy to guess" in done.output)
        assert (not exits) == _opens(machine, typed)


def test_a_new_passphrase_is_not_printed_into_a_pipe(machine: Machine) -> None:
    for words in (("add", "--holder", "X"), ("change-passphrase",)):
        assert "printed only to a terminal" in machine.is_told("keys", *words)


def test_a_sheet_counts_only_once_a_word_was_typed_back_and_its_files_go(machine: Machine) -> None:
    with at_terminal(machine.settings, "keys", "add", "--sheet", "--holder", "Kluis 3") as person:
        person.answers("Passphrase: ", PASSPHRASE)
        words = prints_the_sheet(person)
        said = person.ends()

    assert not Path(_SHEET_IS_AT.search(said)[1]).parent.exists()
    assert words.split()[3] not in said.replace("Kluis 3", "").split()
    assert _opens(machine, words)
    keyring = open_keyring(_config(machine).keyring_path.read_bytes(), words, machine.fingerprint)
    assert [("RecoverySlot", "Kluis 3")] == [
        (type(slot).__name__, slot.holder) for slot in keyring.slots if isinstance(slot, RecoverySlot)
    ]


def test_a_sheet_that_was_not_finished_leaves_no_file_and_no_slot(machine: Machine) -> None:
    with at_terminal(machine.settings, "keys", "add", "--sheet", "--holder", "Kluis 3") as person:
        person.answers("Passphrase: ", PASSPHRASE)
        sheet = Path(person.sees(_SHEET_IS_AT.pattern)[1])
        person.sees("Word")
        assert sheet.exists()
        person.interrupts()
        person.sees("Error: The command was stopped")
        person.program.wait()

    assert not sheet.parent.exists()
    assert 1 == len(_ID.findall(machine.does("keys", "list")))


def test_other_files_in_the_folder_for_the_sheet_stay(machine: Machine, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "recovery-sheet.txt").write_text("of another desk")
    words = ("keys", "add", "--sheet", "--holder", "Kluis 3", "--folder", stick, "--language", "en")
    with at_terminal(machine.settings, *words) as person:
        person.answers("Passphrase: ", PASSPHRASE)
        opens = prints_the_sheet(person)
        person.ends()

    assert _opens(machine, opens)
    assert ["recovery-sheet.txt"] == [path.name for path in stick.iterdir()]


def test_a_sheet_is_not_written_beside_the_keyring(machine: Machine) -> None:
    words = ["keys", "add", "--sheet", "--holder", "Kluis", "--folder", machine.settings.parent]
    assert "next to the keyring" in machine.is_told(*words)


def test_the_last_key_stays_and_others_can_be_removed(machine: Machine) -> None:
    (first,) = (found for found, _ in _ID.findall(machine.does("keys", "list")))
    assert "last one" in machine.is_told("keys", "remove", first)
    typed = "vlieger zolder kabouter trommel wortel sneeuw"
    machine.types("keys", "add", "--holder", "X", "--typed", passphrase=f"{PASSPHRASE}\n{typed}\n{typed}")
    done = machine.types("keys", "remove", first, passphrase=typed)
    assert "still opens older copies" in done.output
    assert [False, True] == [_opens(machine, each) for each in (PASSPHRASE, typed)]
    assert "nothing with this id" in machine.types("keys", "remove", first, passphrase=typed).output


def test_only_a_copy_in_another_place_with_the_same_bytes_is_confirmed(
    machine: Machine, tmp_path: Path
) -> None:
    assert "not confirmed as copied" in machine.does("keys", "list")
    (backup,) = list_backups(_config(machine).keyring_backups_path)
    copy = tmp_path / "stick.age"
    copy.write_bytes(b"cut off")
    assert "is not the newest backup" in machine.is_told("keys", "confirm-copy", copy)
    assert "is the backup itself" in machine.is_told("keys", "confirm-copy", backup.path)
    copy.write_bytes(backup.path.read_bytes())
    machine.does("keys", "confirm-copy", copy)
    assert "not confirmed" not in machine.does("keys", "list")


def test_the_newest_backup_is_copied_to_a_stick_and_confirmed_in_one_command(
    machine: Machine, tmp_path: Path
) -> None:
    assert "not confirmed as copied" in machine.does("keys", "list")
    (backup,) = list_backups(_config(machine).keyring_backups_path)
    stick = tmp_path / "stick"
    stick.mkdir()

    assert "folder of the backup itself" in machine.is_told("keys", "copy-backup", backup.path.parent)
    assert "not confirmed" in machine.does("keys", "list")
    machine.does("keys", "copy-backup", stick)

    (copy,) = stick.iterdir()
    assert (backup.path.name, backup.path.read_bytes()) == (copy.name, copy.read_bytes())
    assert "not confirmed" not in machine.does("keys", "list")


def test_the_older_copies_on_a_stick_are_named(machine: Machine, tmp_path: Path) -> None:
    """Attack: the finder of an old stick opens the copy on it with a passphrase that was removed."""
    stick = tmp_path / "stick"
    stick.mkdir()
    machine.does("keys", "list")  # writes the first backup
    assert "Destroy" not in machine.does("keys", "copy-backup", stick)
    (older,) = stick.iterdir()
    (stick / "keyring-0123456789abcdef-1.age").write_bytes(b"of another workstation")
    typed = "vlieger zolder kabouter trommel wortel sneeuw"
    added = machine.types(
        "keys", "add", "--holder", "X", "--typed", passphrase=f"{PASSPHRASE}\n{typed}\n{typed}"
    )
    assert "keys copy-backup FOLDER" in added.output

    said = machine.does("keys", "copy-backup", stick)

    assert [older.name] == re.findall(r"Destroy the older copy \S+/(\S+):", said)


def test_a_desk_without_a_backup_of_its_keyring_copies_nothing(machine: Machine, tmp_path: Path) -> None:
    for backup in list_backups(_config(machine).keyring_backups_path):
        backup.path.unlink()
    before = list(tmp_path.iterdir())

    assert "has no backup" in machine.is_told("keys", "copy-backup", tmp_path)

    assert before == list(tmp_path.iterdir())


@pytest.fixture
def lost(machine: Machine) -> Iterator[Machine]:
    """Return a workstation that has lost its keyring. Its folder of backups is whole."""
    machine.does("keys", "list")
    _config(machine).keyring_path.unlink()
    return machine


def test_the_newest_backup_recovers_a_lost_keyring(lost: Machine) -> None:
    assert not _opens(lost, PASSPHRASE)
    assert "does not fit" in lost.types("keys", "recover", passphrase="fout").output
    lost.does("keys", "recover")
    assert _opens(lost, PASSPHRASE)
    assert 0o600 == _config(lost).keyring_path.stat().st_mode & 0o777


def test_a_damaged_keyring_is_kept_beside_the_recovered_one(machine: Machine) -> None:
    machine.does("keys", "list")
    path = _config(machine).keyring_path
    path.write_bytes(path.read_bytes()[:-1])
    damaged = path.read_bytes()

    assert "set-aside" in machine.does("keys", "recover")

    assert _opens(machine, PASSPHRASE)
    assert damaged == path.with_name("keyring.age.set-aside").read_bytes()


def test_a_keyring_that_is_whole_is_not_recovered(machine: Machine) -> None:
    machine.does("keys", "list")
    before = _config(machine).keyring_path.read_bytes()
    assert "Nothing was changed" in machine.is_told("keys", "recover")
    assert before == _config(machine).keyring_path.read_bytes()


def test_an_old_copy_can_be_recovered_from_and_its_age_is_said(machine: Machine, tmp_path: Path) -> None:
    copy = tmp_path / "old.age"
    copy.write_bytes(_config(machine).keyring_path.read_bytes())
    copy.chmod(0o600)
    typed = "vlieger zolder kabouter trommel wortel sneeuw"
    machine.types("keys", "add", "--holder", "X", "--typed", passphrase=f"{PASSPHRASE}\n{typed}\n{typed}")
    _config(machine).keyring_path.write_bytes(copy.read_bytes())
    assert "used a newer keyring" in machine.is_told("keys", "list")
    for backup in list_backups(_config(machine).keyring_backups_path):
        backup.path.unlink()

    assert "has no backup" in machine.is_told("keys", "recover")
    assert "serial 1, and this machine has used serial 2" in machine.does("keys", "recover", "--from", copy)

    assert [True, False] == [_opens(machine, each) for each in (PASSPHRASE, typed)]


def test_another_workstations_keyring_is_not_used_here(desk: TwoMachineDesk, tmp_path: Path) -> None:
    desk.pair_first()
    desk.first.does("keys", "list")
    desk.server.does("server", "card", "--out", tmp_path / "card")
    second = desk.second()
    second.does("keys", "list")
    (theirs,) = list_backups(_config(second).keyring_backups_path)
    assert "another workstation's" in desk.first.is_told("keys", "recover", "--from", theirs.path)
    assert _opens(desk.first, PASSPHRASE)


def test_a_shared_folder_of_backups_does_not_guess_whose_to_use(lost: Machine) -> None:
    folder = _config(lost).keyring_backups_path
    (folder / f"keyring-{'0' * 16}-9.age").write_bytes(b"another's")
    assert "several workstations" in lost.is_told("keys", "recover")
