"""Each unsafe state is named at the start: with `--refuse-unsafe` as an error, otherwise as a warning."""

import os
import re
import shutil
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.checking import all_checks, unsafe_states
from deploy.checking.check_results import Level
from deploy.checking.machine_files import read_machine_settings
from deploy.checking.running_programs import RunningProgram
from deploy.checking.unsafe_states import UNSAFE_STATES, Scene, look_at_states, warn_or_refuse
from deploy.clock import clock_days_off
from deploy.errors import UnsafeStateError
from deploy.exit_codes import ExitCode
from deploy.hardening import TMPFS
from deploy.noted_days import REWRITTEN, note_day
from deploy.settings.check_settings import CheckConfig
from deploy.setup import SERIAL, STORE
from store.database.engine import Store
from tests.deploy.checking.machines import levels, set_text
from tests.deploy.two_machines import Machine, TwoMachineDesk
from tests.store.factories import a_mailbox
from web.dates import utc_today

TODAY = utc_today()
YEAR = timedelta(days=365)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to another user")


def _scene(machine: Machine, **values: object) -> Scene:
    usual: dict[str, object] = {"today": TODAY, "users": frozenset({1000})}
    return Scene(read_machine_settings(machine.settings), **(usual | values))  # type: ignore[arg-type]


def _other_store(machine: Machine) -> None:
    shutil.copy(machine.settings.parent / STORE, machine.settings.parent / "other.db")
    (machine.settings.parent / "other.db").chmod(0o600)
    set_text(machine, "adviser", "store_path", "other.db")


def _written_on(days: timedelta) -> Callable[[Machine], None]:
    def write(machine: Machine) -> None:
        store = machine.store()
        a_mailbox(store, day=TODAY + days)
        store.close()
        (machine.settings.parent / "last-rewrite").unlink()

    return write


STATES: dict[str, tuple[Callable[[Machine], object], str]] = {
    "both interfaces on one host": (
        lambda m: set_text(m, "adviser", "bind", "127.0.0.1:8081"),
        "one_address",
    ),
    "one host, as the visitors write it": (
        lambda m: set_text(m, "source", "origin", "http://127.0.0.2:8080"),
        "one_address",
    ),
    "parts with different stores": (_other_store, "different_values"),
    "a store that others can read": (lambda m: (m.settings.parent / STORE).chmod(0o640), "open_files"),
    "settings that others can write": (lambda m: m.settings.chmod(0o622), "open_files"),
    "a folder that others can enter": (lambda m: m.settings.parent.chmod(0o711), "open_files"),
    "a folder that others can replace": (lambda m: m.settings.parents[1].chmod(0o777), "open_files"),
    "a lost serial file": (lambda m: (m.settings.parent / SERIAL).unlink(), "letterhead_serial"),
    "a clock that is a year behind": (_written_on(YEAR), "clock_behind"),
    "a clock that is a year ahead": (_written_on(-YEAR), "clock_ahead"),
}


@pytest.mark.parametrize(("make", "check"), STATES.values(), ids=STATES.keys())
def test_each_unsafe_state_is_refused_once_and_names_what_to_do(
    desk: Machine, make: Callable[[Machine], object], check: str
) -> None:
    make(desk)

    found = [each for each in look_at_states(_scene(desk)) if each.level is not Level.OK]
    with pytest.raises(UnsafeStateError) as refused:
        warn_or_refuse(_scene(desk), refuses=True, warn=pytest.fail)

    assert [(check, Level.FAULT)] == [(each.check, each.level) for each in found]
    assert str(refused.value) == found[0].sentence
    assert found[0].to_do
    assert not re.search(r"[{}]", found[0].sentence)


@pytest.mark.parametrize(("make", "check"), STATES.values(), ids=STATES.keys())
def test_without_the_option_each_unsafe_state_is_one_warning(
    desk: Machine, make: Callable[[Machine], object], check: str
) -> None:
    make(desk)
    warnings: list[str] = []

    warn_or_refuse(_scene(desk), refuses=False, warn=warnings.append)

    assert [line.startswith("Warning: ") for line in warnings] == [True], check


def test_a_safe_machine_has_one_good_finding_for_each_row_and_starts(desk: Machine) -> None:
    found = look_at_states(_scene(desk))

    assert [(row.check, Level.OK) for row in UNSAFE_STATES] == [(each.check, each.level) for each in found]
    warn_or_refuse(_scene(desk), refuses=True, warn=pytest.fail)


def test_the_days_in_the_store_are_read_once_for_both_directions_of_the_clock(
    desk: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store can have 100,000 mailboxes, and each program looks at the table when it starts."""
    reads: list[Store] = []
    monkeypatch.setattr(
        unsafe_states,
        "clock_days_off",
        lambda store, today: reads.append(store) or clock_days_off(store, today),
    )

    look_at_states(_scene(desk))

    assert 1 == len(reads)


def test_a_server_that_has_no_letterhead_yet_is_not_in_an_unsafe_state(
    made: TwoMachineDesk, tmp_path: Path
) -> None:
    server = made.copied(tmp_path / "desk").server

    assert {Level.OK} == {each.level for each in look_at_states(_scene(server))}


@needs_root
@pytest.mark.parametrize(("user", "name"), [(1, "daemon"), (61234, "61234")])
def test_a_file_of_another_user_is_refused(desk: Machine, user: int, name: str) -> None:
    os.chown(desk.settings.parent / STORE, user, user)

    with pytest.raises(UnsafeStateError, match=f"belongs to the user {name},.*chown root "):
        warn_or_refuse(_scene(desk), refuses=True, warn=pytest.fail)


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    ("words", "level"),
    [
        (("run", "sweeper"), Level.FAULT),
        (("check", "--watch"), Level.FAULT),
        (("onion", "publish"), Level.FAULT),
        (("backup",), Level.OK),
        (("onion", "status"), Level.OK),
    ],
)
def test_a_short_command_of_root_is_no_program_that_runs_as_root(
    desk: Machine, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], level: Level
) -> None:
    """The manual says: as root, run `steunpunt backup` if Tor keeps the onion keys."""
    root = [RunningProgram(0, words, "0")]
    monkeypatch.setattr(all_checks, "running_programs", lambda _: root)

    results = all_checks.check_machine(desk.settings, CheckConfig(), utc_today())

    assert [level] == levels(results, "root")


def test_a_unit_that_runs_as_root_is_refused(desk: Machine) -> None:
    with pytest.raises(UnsafeStateError, match="runs as root"):
        warn_or_refuse(_scene(desk, users=frozenset({0})), refuses=True, warn=pytest.fail)


def test_a_missing_folder_in_memory_is_a_warning_while_the_interface_runs(desk: Machine) -> None:
    folder = Path(TMPFS) / "steunpunt-that-is-not-there"
    set_text(desk, "source", "sessions_path", f"{folder}/sessions.db")
    warnings: list[str] = []

    warn_or_refuse(_scene(desk, is_serving=True), refuses=True, warn=warnings.append)

    assert 1 == len(warnings)
    assert f"The folder {folder} disappeared" in warnings[0]


def test_a_recipients_key_may_be_read_but_not_changed_by_others(desk: Machine) -> None:
    key = desk.settings.parent / "sg.asc"
    key.write_text("a public key")
    key.chmod(0o644)
    row = '{ role = "sg", name = "SG", fingerprint = "' + "A" * 40 + '", key_path = "sg.asc" }'
    text = desk.settings.read_text("utf-8").replace("recipients = []", f"recipients = [{row}]")
    desk.settings.write_text(text, "utf-8")
    warn_or_refuse(_scene(desk), refuses=True, warn=pytest.fail)

    key.chmod(0o664)

    with pytest.raises(UnsafeStateError, match=r"chmod go-w .*sg\.asc"):
        warn_or_refuse(_scene(desk), refuses=True, warn=pytest.fail)


def test_a_folder_for_backups_on_another_disk_may_be_read_but_not_changed_by_others(
    desk: Machine, tmp_path: Path
) -> None:
    """Attack: another user puts a false backup of the keyring in the folder."""
    stick = tmp_path / "stick" / "keyring-backups"
    stick.mkdir(0o755, parents=True)
    set_text(desk, "adviser", "keyring_backups_path", str(stick))
    warn_or_refuse(_scene(desk), refuses=True, warn=pytest.fail)

    stick.chmod(0o775)

    with pytest.raises(UnsafeStateError, match=r"chmod go-w .*keyring-backups"):
        warn_or_refuse(_scene(desk), refuses=True, warn=pytest.fail)


def test_a_state_that_cannot_be_looked_at_is_never_silently_good(desk: Machine) -> None:
    """The store is another program's file, so neither the clock nor the serial can be compared with it."""
    (desk.settings.parent / STORE).write_bytes(b"not a store" * 1000)

    found = {each.check: each for each in look_at_states(_scene(desk))}

    assert Level.UNKNOWN is found["clock_ahead"].level
    assert "clock ahead could not be made (StoreDamagedError)" in found["clock_ahead"].state
    assert found["clock_ahead"].to_do


def test_a_store_that_cannot_be_opened_is_refused_by_the_program_itself_in_one_sentence(
    desk: Machine,
) -> None:
    (desk.settings.parent / STORE).unlink()

    told = desk.types("store", "sweep")

    assert ExitCode.STORE == told.exit_code
    assert 1 == told.stderr.count("Error: ")
    assert "could not be made" not in told.stderr


def test_a_unit_refuses_on_the_command_line_and_a_trial_only_warns(desk: Machine) -> None:
    (desk.settings.parent / STORE).chmod(0o644)

    refused = desk.types("store", "sweep", "--refuse-unsafe")
    warned = desk.types("store", "sweep")

    assert (ExitCode.UNSAFE, 0) == (refused.exit_code, warned.exit_code)
    assert 1 == refused.stderr.count("Other users can read or change")
    assert "Error: Other users can read or change" in refused.stderr
    assert 1 == warned.stderr.count("Warning: Other users can read or change")
    assert stat.S_IMODE((desk.settings.parent / STORE).stat().st_mode) == 0o644  # nothing was changed


def test_the_clean_up_notes_that_the_machine_ran_today(desk: Machine) -> None:
    (desk.settings.parent / "last-rewrite").unlink()

    desk.does("store", "sweep")

    assert f"{TODAY} sound\n" == (desk.settings.parent / "last-rewrite").read_text()


def test_a_quiet_desk_whose_clean_up_ran_last_night_has_a_right_clock(desk: Machine) -> None:
    _written_on(-YEAR)(desk)
    note_day(desk.settings.parent / STORE, REWRITTEN, TODAY - timedelta(days=1))

    warn_or_refuse(_scene(desk), refuses=True, warn=pytest.fail)
