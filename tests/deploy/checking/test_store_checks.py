"""Checks of the store: each fault is named with what to do, and nothing that is unknown looks good."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from crypto.passphrase import Argon2Params
from deploy.checking import store_checks
from deploy.checking.check_results import CheckResult, Level
from deploy.checking.machine_files import read_machine_settings
from deploy.checking.store_checks import check_telephone, make_store_checks
from deploy.exit_codes import ExitCode
from deploy.noted_days import REWRITTEN, UNSOUND, VERIFIED, note_day
from deploy.pinned_letterhead import inspect_letterhead
from deploy.setup import SERIAL, STORE
from protocol import keyring as keyrings
from protocol.keyring import Slot
from tests.deploy.checking.machines import a_safe_machine, levels, set_text
from tests.deploy.two_machines import Machine, TwoMachineDesk
from tests.small_disk import CAN_MOUNT, a_read_only_copy_over, a_small_disk
from tests.stores import an_empty_store
from web.dates import utc_today

TODAY = utc_today()


def _checked(machine: Machine, *, days: int = 0) -> list[CheckResult]:
    return make_store_checks(read_machine_settings(machine.settings), TODAY + timedelta(days=days))


def _only(machine: Machine, check: str) -> CheckResult:
    (result,) = (each for each in _checked(machine) if each.check == check)
    return result


def test_a_good_store_has_a_good_result_for_each_check(desk: Machine) -> None:
    _checked(desk)  # notes the size

    good = _checked(desk, days=1)

    names = ["store", "store_verified", "store_rewritten", "letterhead", "telephone", "disk"]
    assert names == [each.check for each in good]
    assert {each.check for each in good if each.level is not Level.OK} == {"telephone"}  # of the example
    assert desk.fingerprint in good[3].state


def test_a_desk_is_told_in_which_languages_no_source_without_a_poster_can_call(desk: Machine) -> None:
    with closing(desk.store()) as store:
        letterhead = inspect_letterhead(store, desk.fingerprint, desk.settings.parent / SERIAL)

    def checked(**talk: str) -> CheckResult:
        return check_telephone(msgspec.structs.replace(letterhead, talk=talk))

    hours = "Call us between 9:00 and 17:00, or 9.00-17.00 (UTC+1)."
    found = checked(nl="Bel 070 - 123 45 67.", en=hours, ar="0031701234567", fr=hours, ru="+31 (0)70 1234567")
    assert Level.WARNING is found.level
    assert found.state.endswith(" in en, fr.")
    assert Level.OK is checked(nl="Bel 0031701234567, van 9.00 tot 17.00 uur.").level


@pytest.mark.parametrize("fault", ["missing", "damaged", "outdated"])
def test_a_store_that_cannot_be_read_is_a_fault_and_the_other_checks_say_that_they_were_not_made(
    desk: Machine, fault: str
) -> None:
    path = desk.settings.parent / STORE
    if fault == "missing":
        path.unlink()
    elif fault == "damaged":
        path.write_bytes(b"not a store" * 1000)
    else:
        with closing(desk.store()) as store, store.writing() as session:
            session.info["driver"].execute("UPDATE alembic_version SET version_num = 'other'")

    found = _checked(desk)

    assert [Level.FAULT] == levels(found, "store")
    assert [Level.UNKNOWN] == levels(found, "letterhead")
    assert Level.OK not in levels(found, "disk")
    assert all(each.to_do for each in found if each.level is not Level.OK)


def test_a_read_only_store_is_a_fault(made: TwoMachineDesk, desk: Machine) -> None:
    if not CAN_MOUNT:  # root may write every file, and only root may mount a disk
        (desk.settings.parent / STORE).chmod(0o400)
        assert Level.FAULT is _only(desk, "store").level
        return
    with a_small_disk("40m") as folder:
        desk = a_safe_machine(made, folder / "desk")
        with a_read_only_copy_over(desk.settings.parent, folder / "copy"):
            found = _checked(desk)

    assert [Level.FAULT] == levels(found, "store")


def test_a_verification_that_is_too_old_is_a_warning(desk: Machine) -> None:
    note_day(desk.settings.parent / STORE, VERIFIED, TODAY - timedelta(days=36))

    assert Level.WARNING is _only(desk, "store_verified").level
    assert "36 days ago" in _only(desk, "store_verified").state


def test_a_store_that_was_never_verified_is_a_warning(desk: Machine) -> None:
    (desk.settings.parent / VERIFIED).unlink()

    assert "never verified" in _only(desk, "store_verified").state
    assert Level.WARNING is _only(desk, "store_verified").level


def test_the_daily_check_of_the_advisers_interface_counts(desk: Machine) -> None:
    (desk.settings.parent / VERIFIED).unlink()
    (desk.settings.parent / "store-check.age").touch()

    assert Level.OK is _only(desk, "store_verified").level


def test_a_verification_that_found_faults_is_a_fault_until_the_store_is_sound_again(desk: Machine) -> None:
    note_day(desk.settings.parent / STORE, VERIFIED, TODAY, UNSOUND)
    assert Level.FAULT is _only(desk, "store_verified").level

    desk.does("store", "verify")

    assert Level.OK is _only(desk, "store_verified").level


def test_store_verify_notes_what_it_found(desk: Machine) -> None:
    desk.does("store", "verify")
    assert f"{TODAY} sound\n" == (desk.settings.parent / VERIFIED).read_text()
    with closing(desk.store()) as store, store.writing() as session:
        session.info["driver"].execute(
            "INSERT INTO mailbox (id, address, recipient, verify_key, opened_day, sealed_bytes, version) "
            "VALUES (1, zeroblob(20), 'x', 'x', 'x', 0, 0)"
        )

    assert ExitCode.FAULTS_FOUND == desk.types("store", "verify").exit_code

    assert f"{TODAY} unsound\n" == (desk.settings.parent / VERIFIED).read_text()


def test_a_sweeper_that_rewrites_nothing_for_days_is_a_fault(desk: Machine) -> None:
    note_day(desk.settings.parent / STORE, REWRITTEN, TODAY - timedelta(days=3))

    assert Level.FAULT is _only(desk, "store_rewritten").level


def test_a_new_desk_without_a_first_night_is_a_warning(desk: Machine) -> None:
    (desk.settings.parent / REWRITTEN).unlink()

    assert Level.WARNING is _only(desk, "store_rewritten").level


def test_a_letterhead_of_another_desk_is_a_fault(desk: Machine) -> None:
    other = keyrings.create_keyring("other", [Slot.for_passphrase("x", Argon2Params(t=1, m_kib=8, p=1))])
    text = desk.settings.read_text("utf-8").replace(desk.fingerprint, other.fingerprint)
    desk.settings.write_text(text, "utf-8")

    assert "forged" in _only(desk, "letterhead").state
    assert Level.FAULT is _only(desk, "letterhead").level


def test_a_fingerprint_that_is_no_key_is_not_called_fine(desk: Machine) -> None:
    text = desk.settings.read_text("utf-8").replace(desk.fingerprint, "RW" + "A" * 54)
    desk.settings.write_text(text, "utf-8")

    assert Level.UNKNOWN is _only(desk, "letterhead").level


def test_a_letterhead_older_than_one_seen_is_a_fault_and_the_check_writes_no_serial(desk: Machine) -> None:
    (desk.settings.parent / SERIAL).write_text("7 x\n")

    assert "older than one this server has seen" in _only(desk, "letterhead").state
    assert "7 x\n" == (desk.settings.parent / SERIAL).read_text()


def test_a_store_without_a_letterhead_is_a_fault(desk: Machine) -> None:
    (desk.settings.parent / "empty.db").unlink(missing_ok=True)
    an_empty_store(desk.settings.parent / "empty.db").close()
    for section in ("source", "adviser"):
        set_text(desk, section, "store_path", "empty.db")

    assert "holds no letterhead" in _only(desk, "letterhead").state


def test_a_disk_with_less_than_the_reserve_is_a_fault(desk: Machine) -> None:
    text = desk.settings.read_text("utf-8").replace(
        "reserve_bytes = 2_000_000_000", f"reserve_bytes = {10**15}"
    )
    desk.settings.write_text(text, "utf-8")

    assert Level.FAULT is _only(desk, "disk").level
    assert "less than the 1000000.0 GB" in _only(desk, "disk").state


def test_free_pages_inside_the_store_need_no_room_for_the_rewrite(
    desk: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = desk.settings.read_text("utf-8").replace("reserve_bytes = 2_000_000_000", "reserve_bytes = 0")
    desk.settings.write_text(text, "utf-8")
    with closing(desk.store()) as store, store.writing() as session:
        driver = session.info["driver"]
        driver.execute("CREATE TABLE filler (content BLOB)")
        driver.execute("INSERT INTO filler VALUES (zeroblob(20000000))")
        driver.execute("DROP TABLE filler")
    monkeypatch.setattr(store_checks, "free_on_disk", lambda _path: 20_000_000)
    _notes(desk, grown=1)

    assert Level.OK is _only(desk, "disk").level


def test_how_long_the_disk_lasts_is_not_known_on_the_first_day(desk: Machine) -> None:
    assert Level.WARNING is _only(desk, "disk").level
    assert "known after a check on another day" in _only(desk, "disk").state


def _notes(desk: Machine, grown: int) -> Path:
    path = desk.settings.parent / "store-sizes"
    size = (desk.settings.parent / STORE).stat().st_size
    path.write_text(f"{TODAY - timedelta(days=10)} {size - grown}\n")
    return path


def test_a_store_that_grows_too_fast_for_its_disk_is_a_fault(desk: Machine) -> None:
    _notes(desk, grown=10**13)

    assert Level.FAULT is _only(desk, "disk").level
    assert "At the growth of the last 10 days, this lasts 0 days" in _only(desk, "disk").state


def test_a_store_that_hardly_grows_lasts_for_years_and_the_notes_stay_few_and_private(desk: Machine) -> None:
    notes = _notes(desk, grown=1)

    assert Level.OK is _only(desk, "disk").level
    assert "lasts for years" in _only(desk, "disk").state
    for days in range(1, 60):
        _checked(desk, days=days)
    assert 31 == len(notes.read_text().splitlines())
    assert 0o600 == notes.stat().st_mode & 0o777


def test_damaged_notes_of_sizes_begin_again(desk: Machine) -> None:
    _notes(desk, grown=1).write_text("nonsense\n")

    assert Level.WARNING is _only(desk, "disk").level
