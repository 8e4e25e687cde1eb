"""The desk's own keys: no change locks anyone out by accident, and a removed slot opens nothing new."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from crypto.age.recovery_key import draw_identity, identity_words
from crypto.passphrase import generate_passphrase
from journalist_app.desk import open_desk
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import KeysRefusal, KeysRefusedError, UnlockRefusal, UnlockRefusedError
from journalist_app.services.desk_keys import change_slots, keyring_file, new_keys
from journalist_app.services.desk_keys.passphrase_strength import is_strong
from journalist_app.services.whole_desk import background_check
from journalist_app.services.whole_desk.unlocking import unlock_desk
from protocol.identifiers import StrandId
from protocol.keyring import RecoverySlot, seal_keyring
from protocol.sealed_record import RecordKind
from store.database import keyring_backups
from tests.journalist_app.desk_factories import (
    CHEAP,
    PASSPHRASE,
    TODAY,
    World,
    a_source,
    a_world,
    write_keyring,
)
from tests.journalist_app.refusals import refuses

NEW = "een geheel andere zin voor deze bos"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return a_world(tmp_path)


def unlocked(world: World) -> OpenDesk:
    return unlock_desk(world.config, world.store, PASSPHRASE)


def _add(desk: OpenDesk, passphrase: str = NEW, holder: str = "Tweede adviseur") -> None:
    change_slots.add_passphrase(desk, PASSPHRASE, passphrase, holder=holder, today=TODAY, cost=CHEAP)


def _opens(world: World, secret: str) -> bool:
    try:
        unlock_desk(world.config, world.store, secret).stop()
    except UnlockRefusedError as why:
        return why.reason is not UnlockRefusal.CLOSED
    return True


def _status(world: World) -> keyring_backups.BackupStatus:
    return keyring_backups.backup_status(world.config.keyring_backups_path, world.config.keyring_path)


def _backups(world: World) -> list[int]:
    return [each.serial for each in keyring_backups.list_backups(world.config.keyring_backups_path)]


def test_a_second_passphrase_opens_the_keyring_and_its_slot_says_whose(world: World) -> None:
    _add(unlocked(world))

    assert _opens(world, NEW)
    assert _opens(world, PASSPHRASE)
    slot = unlocked(world).keyring.slots[1]
    assert ("Tweede adviseur", TODAY) == (slot.holder, slot.since)
    assert b"Tweede" not in world.config.keyring_path.read_bytes()


@pytest.mark.parametrize("form", ["words", "key"])
def test_a_sheet_opens_the_keyring_where_a_passphrase_is_asked(world: World, form: str) -> None:
    identity = draw_identity()
    change_slots.add_sheet(unlocked(world), PASSPHRASE, identity, holder="Kluis 3", today=TODAY)

    assert _opens(world, identity.to_text() if form == "key" else " ".join(identity_words(identity, "en")))
    assert isinstance(unlocked(world).keyring.slots[1], RecoverySlot)


def test_a_removed_passphrase_opens_no_later_keyring_but_still_an_older_copy(world: World) -> None:
    desk = unlocked(world)
    _add(desk)
    copy = world.config.keyring_path.read_bytes()
    change_slots.remove_slot(desk, PASSPHRASE, change_slots.slot_id(desk.keyring.slots[1]))

    assert not _opens(world, NEW)
    assert _opens(world, PASSPHRASE)
    world.config.keyring_path.write_bytes(copy)
    with refuses(UnlockRefusal.OLDER):
        unlock_desk(world.config, world.store, NEW)


def test_the_last_slot_cannot_be_removed(world: World) -> None:
    desk = unlocked(world)
    with refuses(KeysRefusal.LAST):
        change_slots.remove_slot(desk, PASSPHRASE, change_slots.slot_id(desk.keyring.slots[0]))
    with refuses(KeysRefusal.GONE):
        change_slots.remove_slot(desk, PASSPHRASE, "00000000")
    assert _opens(world, PASSPHRASE)


def test_a_changed_passphrase_replaces_the_old_one_alone(world: World) -> None:
    desk = unlocked(world)
    _add(desk)
    change_slots.change_passphrase(desk, NEW, "weer een andere zin", today=TODAY, cost=CHEAP)

    assert [False, True, True] == [_opens(world, typed) for typed in (NEW, "weer een andere zin", PASSPHRASE)]
    assert ["", "Tweede adviseur"] == [slot.holder for slot in desk.keyring.slots]


def test_a_sheet_has_no_passphrase_to_change(world: World) -> None:
    desk, identity = unlocked(world), draw_identity()
    change_slots.add_sheet(desk, PASSPHRASE, identity, holder="Kluis", today=TODAY)
    with refuses(KeysRefusal.SHEET):
        change_slots.change_passphrase(desk, identity.to_text(), NEW, today=TODAY, cost=CHEAP)


@pytest.mark.parametrize("holder", ["", "   ", "a\nb", "x" * 201, "\u202eomgekeerd"])
def test_a_holder_is_one_visible_line(world: World, holder: str) -> None:
    with refuses(KeysRefusal.HOLDER):
        _add(unlocked(world), holder=holder)
    assert 1 == unlocked(world).keyring.serial


def test_a_wrong_passphrase_changes_nothing(world: World) -> None:
    before = world.config.keyring_path.read_bytes()
    with refuses(KeysRefusal.CLOSED):
        change_slots.add_passphrase(unlocked(world), "fout", NEW, holder="X", today=TODAY, cost=CHEAP)
    assert before == world.config.keyring_path.read_bytes()


def test_a_keyring_has_at_most_sixteen_slots(world: World) -> None:
    desk = unlocked(world)
    slots = [
        desk.keyring.slots[0],
        *(RecoverySlot(recipient=draw_identity().recipient.to_bytes()) for _ in range(15)),
    ]
    write_keyring(world.config.keyring_path, desk.keyring.with_slots(slots))
    with refuses(KeysRefusal.TOO_MANY):
        _add(desk)
    assert 2 == unlocked(world).keyring.serial


def test_a_change_does_not_undo_what_another_process_changed(world: World) -> None:
    first, second = unlocked(world), unlocked(world)
    _add(first)
    _add(second, "nog een zin", "Derde")

    assert ["", "Tweede adviseur", "Derde"] == [slot.holder for slot in second.keyring.slots]
    assert 3 == second.keyring.serial


def test_six_changes_at_once_all_count(world: World) -> None:
    desks = [unlocked(world) for _ in range(6)]
    threads = [
        threading.Thread(target=_add, args=(desk, f"zin {at}", f"Adviseur {at}"))
        for at, desk in enumerate(desks)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    keyring = unlocked(world).keyring
    assert {"", *(f"Adviseur {at}" for at in range(6))} == {slot.holder for slot in keyring.slots}
    assert (7, [7]) == (keyring.serial, _backups(world))


def test_an_old_keyring_that_was_put_back_is_not_changed(world: World) -> None:
    desk, old = unlocked(world), world.config.keyring_path.read_bytes()
    _add(desk)
    world.config.keyring_path.write_bytes(old)
    with refuses(KeysRefusal.OLDER):
        _add(desk)


def test_a_full_disk_leaves_the_old_keyring(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, before = unlocked(world), world.config.keyring_path.read_bytes()

    def full(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(keyring_file, "replace_file", full)
    with refuses(KeysRefusal.UNWRITTEN):
        _add(desk)
    assert before == world.config.keyring_path.read_bytes()
    assert 1 == desk.keyring.serial


# ---- new keys


def test_a_drawn_passphrase_opens_nothing_before_it_was_typed_back(world: World) -> None:
    desk, new = unlocked(world), new_keys.new_passphrase(" Tweede ", "nl", is_drawn=True)
    with refuses(KeysRefusal.NOT_TYPED_BACK):
        new_keys.use_new_key(desk, PASSPHRASE, new, new.drawn[1:], "", TODAY)
    assert not _opens(world, new.drawn)

    new_keys.use_new_key(desk, PASSPHRASE, new, new.drawn.upper(), "", TODAY)

    assert _opens(world, new.drawn)
    assert "Tweede" == desk.keyring.slots[1].holder
    assert new.drawn not in repr(new)


def test_a_sheet_opens_nothing_before_one_of_its_words_was_typed_back(world: World) -> None:
    desk = unlocked(world)
    new = new_keys.draw_sheet(desk, "Kluis 3", "en", TODAY)
    words = new.sheet.seed_words
    with refuses(KeysRefusal.NOT_TYPED_BACK):
        new_keys.use_new_key(desk, PASSPHRASE, new, words[new.asked % 24], "", TODAY)
    assert not _opens(world, " ".join(words))

    new_keys.use_new_key(desk, PASSPHRASE, new, words[new.asked - 1], "", TODAY)

    assert _opens(world, " ".join(words))
    (backup,) = keyring_backups.list_backups(world.config.keyring_backups_path)
    assert backup.path.name == new.sheet.facts.backup


def test_an_adviser_may_choose_a_passphrase_that_is_hard_to_guess(world: World) -> None:
    desk, new = unlocked(world), new_keys.new_passphrase("", "nl", is_drawn=False, is_change=True)
    with refuses(KeysRefusal.WEAK):
        new_keys.use_new_key(desk, PASSPHRASE, new, "welkom", "welkom", TODAY)
    chosen = "vlieger zolder kabouter trommel wortel sneeuw"

    new_keys.use_new_key(desk, PASSPHRASE, new, chosen, chosen, TODAY)

    assert [True, False] == [_opens(world, typed) for typed in (chosen, PASSPHRASE)]


# ---- strength


@pytest.mark.parametrize(
    "typed", ["", "welkom2026", "steunpunt", "hond kat muis", "a" * 400, "qwertyuiop " * 9]
)
def test_an_easy_passphrase_is_refused(typed: str) -> None:
    with refuses(KeysRefusal.WEAK):
        change_slots.require_passphrase(typed, typed)


def test_four_drawn_words_are_too_few_and_seven_enough() -> None:
    drawn = [generate_passphrase(language) for language in ("nl", "en") for _ in range(5)]
    assert [True] * 10 == [is_strong(each) for each in drawn]
    assert [False] * 10 == [is_strong(" ".join(each.split()[:3])) for each in drawn]


def test_a_passphrase_that_is_typed_in_two_ways_is_refused() -> None:
    drawn = generate_passphrase("nl")
    change_slots.require_passphrase(drawn, f"  {drawn.upper()} ")
    with refuses(KeysRefusal.DIFFERENT):
        change_slots.require_passphrase(drawn, drawn[1:])


# ---- backups


def test_after_every_change_the_folder_has_the_newest_keyring_alone(world: World) -> None:
    desk = unlocked(world)
    assert [1] == _backups(world)
    _add(desk)
    assert [2] == _backups(world)
    change_slots.remove_slot(desk, PASSPHRASE, change_slots.slot_id(desk.keyring.slots[1]))
    assert [3] == _backups(world)
    (backup,) = keyring_backups.list_backups(world.config.keyring_backups_path)
    world.config.keyring_path.write_bytes(backup.path.read_bytes())
    assert _opens(world, PASSPHRASE)
    assert not _opens(world, NEW)


def test_a_newer_backup_stays_although_an_old_keyring_was_put_back(world: World) -> None:
    folder, old = world.config.keyring_backups_path, world.config.keyring_path.read_bytes()
    _add(unlocked(world))
    world.config.keyring_path.write_bytes(old)
    world.config.trusted_state_path.unlink()  # so that this computer does not remember the newer keyring
    newer = [(each.serial, each.path.read_bytes()) for each in keyring_backups.list_backups(folder)]

    unlocked(world)

    now = [(each.serial, each.path.read_bytes()) for each in keyring_backups.list_backups(folder)]
    assert [*newer, (1, old)] == now
    assert [2] == [serial for serial, _ in newer]


def test_a_file_with_the_name_of_the_next_backup_does_not_stay_the_newest_backup(world: World) -> None:
    """Attack: someone copies the old backup to the next name, which a removed passphrase opens."""
    desk, folder = unlocked(world), world.config.keyring_backups_path
    _add(desk)
    (old,) = keyring_backups.list_backups(folder)
    planted = folder / keyring_backups.backup_name(world.keyring.strand.id, 3)
    planted.write_bytes(old.path.read_bytes())
    keyring_backups.confirm_copied(keyring_backups.list_backups(folder)[0])

    change_slots.remove_slot(desk, PASSPHRASE, change_slots.slot_id(desk.keyring.slots[1]))

    assert world.config.keyring_path.read_bytes() == planted.read_bytes()
    assert [3] == _backups(world)
    assert not _status(world).is_copied


def test_other_files_and_other_workstations_backups_stay(world: World) -> None:
    folder = world.config.keyring_backups_path
    folder.mkdir()
    kept = ["keyring-0000000000000000-1.age", "keyring-x-1.age", "notes.txt"]
    for name in kept:
        (folder / name).write_bytes(b"kept")
    _add(unlocked(world))
    assert set(kept) < {path.name for path in folder.iterdir()}


def test_a_backup_that_could_not_be_written_is_made_at_the_next_unlocking(world: World) -> None:
    folder = world.config.keyring_backups_path
    folder.write_bytes(b"no folder")
    _add(unlocked(world))
    assert None is _status(world).newest
    folder.unlink()
    unlocked(world)
    assert [2] == _backups(world)


def test_a_missing_disk_is_not_replaced_by_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        keyring_backups.write_backup(tmp_path / "stick" / "keys", StrandId(bytes(8)), 1, b"x")
    assert [] == list(tmp_path.iterdir())


def test_a_disk_that_loses_bytes_does_not_cost_the_older_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring_backups.write_backup(tmp_path, StrandId(bytes(8)), 1, b"one")
    monkeypatch.setattr(keyring_backups, "replace_file", lambda path, _: path.write_bytes(b"cut"))
    with pytest.raises(OSError, match=r"^$"):
        keyring_backups.write_backup(tmp_path, StrandId(bytes(8)), 2, b"two, whole")
    assert ["keyring-0000000000000000-1.age"] == [path.name for path in tmp_path.iterdir()]
    assert b"one" == (tmp_path / "keyring-0000000000000000-1.age").read_bytes()


def test_an_older_backup_that_a_power_cut_left_is_deleted_at_the_next_unlocking(world: World) -> None:
    desk = unlocked(world)
    older = keyring_backups.list_backups(world.config.keyring_backups_path)[0]
    raw = older.path.read_bytes()
    _add(desk)
    older.path.write_bytes(raw)
    unlocked(world)
    assert [2] == _backups(world)


def test_only_the_newest_backup_that_was_confirmed_counts_as_copied(world: World) -> None:
    folder = world.config.keyring_backups_path
    assert None is _status(world).newest
    desk = unlocked(world)
    status = _status(world)
    assert status.newest is not None
    assert not status.is_copied
    keyring_backups.confirm_copied(status.newest)
    assert _status(world).is_copied
    _add(desk)
    assert not _status(world).is_copied

    keyring_backups.confirm_copied(keyring_backups.list_backups(folder)[0])
    (folder / "keyring-0000000000000000-9.age").write_bytes(b"another workstation's")
    same_size = bytes(len(world.config.keyring_path.read_bytes()))
    (folder / "keyring-ffffffffffffffff-9.age").write_bytes(same_size)
    assert _status(world).is_copied


# ---- two processes of one workstation


def test_a_removed_passphrase_opens_no_old_keyring_after_the_app_saved_its_older_memory(world: World) -> None:
    """Attack: someone puts the old keyring back after `steunpunt keys remove` ran beside the unlocked app."""
    app = unlocked(world)
    _add(app)
    old, source = world.config.keyring_path.read_bytes(), a_source(world)
    removed = source.writes("a message that the source removes")
    command = unlocked(world)
    change_slots.remove_slot(command, PASSPHRASE, change_slots.slot_id(command.keyring.slots[1]))
    source.removes(removed)
    background_check.check_store(command, TODAY)
    a_source(world).writes("a message that the app sees")

    background_check.check_store(app, TODAY)

    remembered = open_desk.read_trusted_state(world.config, app.keyring)[0]
    assert (3, 2) == (remembered.keyring_serial, len(remembered.mailboxes))
    world.config.keyring_path.write_bytes(old)
    with pytest.raises(UnlockRefusedError) as refused:
        unlock_desk(world.config, world.store, NEW)
    assert UnlockRefusal.OLDER is refused.value.reason


def test_the_app_changes_no_old_keyring_that_was_put_back_after_another_process_replaced_it(
    world: World,
) -> None:
    app = unlocked(world)
    _add(app)
    old = world.config.keyring_path.read_bytes()
    command = unlocked(world)
    change_slots.remove_slot(command, PASSPHRASE, change_slots.slot_id(command.keyring.slots[1]))
    world.config.keyring_path.write_bytes(old)

    with refuses(KeysRefusal.OLDER):
        change_slots.add_passphrase(app, PASSPHRASE, NEW, holder="Derde", today=TODAY, cost=CHEAP)

    assert old == world.config.keyring_path.read_bytes()


def test_a_removal_that_only_another_process_saw_is_not_forgotten(world: World) -> None:
    source = a_source(world)
    removed = source.writes("a message that the source removes")
    app = unlocked(world)
    background_check.check_store(app, TODAY)
    source.removes(removed)
    background_check.check_store(unlocked(world), TODAY)

    app.remember(a_source(world).keys.address, app.trusted_state.seen(source.keys.address))
    app.save()

    remembered = open_desk.read_trusted_state(world.config, app.keyring)[0]
    assert {removed.digest} == remembered.seen(source.keys.address).removed


def test_a_record_that_was_dropped_before_the_first_save_stays_forgotten(world: World) -> None:
    first = unlocked(world)
    first.saw_record(RecordKind.DRAFT, b"a" * 20, 1)
    first.save()
    second = unlocked(world)
    second.forget_records(b"a" * 20)
    second.save()
    assert {} == open_desk.read_trusted_state(world.config, second.keyring)[0].records


# ---- kill -9

_CHANGER = """
import sys
from pathlib import Path
from store.database import keyring_backups
from protocol.identifiers import StrandId
from store.database.atomic_files import replace_file
old, new = Path(sys.argv[2]).read_bytes(), Path(sys.argv[3]).read_bytes()
print("ready", flush=True)
for turn in range(1, 10**6):
    replace_file(Path(sys.argv[1]), [new if turn % 2 else old])
    keyring_backups.write_backup(Path(sys.argv[1]).parent / "backups", StrandId(bytes(8)), turn, new)
"""


@pytest.mark.slow
def test_killed_at_any_moment_there_is_the_old_or_the_new_keyring_and_a_backup(
    world: World, tmp_path: Path
) -> None:
    old, new = seal_keyring(world.keyring), seal_keyring(world.keyring.with_slots(world.keyring.slots))
    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "old").write_bytes(old)
    (tmp_path / "new").write_bytes(new)
    (place / "keyring.age").write_bytes(old)
    command = [sys.executable, "-c", _CHANGER, place / "keyring.age", tmp_path / "old", tmp_path / "new"]
    for turn in range(15):
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[4]) as process:
            assert process.stdout is not None
            process.stdout.readline()
            threading.Event().wait(turn / 700)
            os.kill(process.pid, signal.SIGKILL)
        assert (place / "keyring.age").read_bytes() in {old, new}
        backups = keyring_backups.list_backups(place / "backups")
        assert [new] * len(backups) == [each.path.read_bytes() for each in backups]


def test_the_refusals_are_of_one_kind() -> None:
    assert KeysRefusal.LAST == KeysRefusedError(KeysRefusal.LAST).reason
