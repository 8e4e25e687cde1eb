"""The check of the whole store verifies everything, continues after locking, and says what it found."""

import itertools
from datetime import date, timedelta

import pytest

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services import inbox_lists
from journalist_app.services.inbox_lists import InboxFilter
from journalist_app.services.whole_desk import unlocking, whole_check
from store.errors import StoreBusyError
from stored_mailbox import whole_store
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, World, a_source
from tests.journalist_app.opening import opens

TOMORROW = TODAY.replace(day=TODAY.day + 1)


def unlocked(world: World) -> OpenDesk:
    return unlocking.unlock_desk(world.config, world.store, PASSPHRASE)


def verified_by(
    desk: OpenDesk, monkeypatch: pytest.MonkeyPatch, *, stop_after: int = 0, today: date = TODAY
) -> list[bytes]:
    """Run the check, stop it after some mailboxes as locking does, and return the mailboxes that it
    verified.
    """
    verified: list[bytes] = []
    real = whole_store.verify_store

    def verify(*asked: object, **more: object) -> object:
        for verdict in real(*asked, **more):  # type: ignore[arg-type]
            verified.append(verdict.address)
            if len(verified) == stop_after:
                desk.stopping.set()
            yield verdict

    with monkeypatch.context() as patch:
        patch.setattr(whole_check, "verify_store", verify)
        whole_check.check_whole_store(desk, today)
    return verified


def test_a_sound_store_is_said_to_be_checked_today(world: World) -> None:
    for _ in range(3):
        a_source(world).writes("vraag", file=("a.txt", b"inhoud"))
    desk = unlocked(world)
    assert desk.whole_check.day is None

    whole_check.check_whole_store(desk, TODAY)

    assert (desk.whole_check.day, desk.whole_check.unsound) == (TODAY, 0)
    assert not desk.whole_check.is_running
    again = unlocked(world)
    whole_check.check_whole_store(again, TODAY)
    assert again.whole_check == desk.whole_check


def test_a_check_that_is_stopped_by_locking_continues_after_unlocking(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        a_source(world).writes("vraag")

    first = verified_by(desk := unlocked(world), monkeypatch, stop_after=2)
    second = verified_by(again := unlocked(world), monkeypatch)

    assert (len(first), len(second)) == (2, 3)
    assert sorted([*first, *second]) == [*first, *second]
    assert (desk.whole_check.day, again.whole_check.day) == (None, TODAY)


def test_a_check_that_ends_a_day_later_is_as_old_as_its_first_mailbox(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        a_source(world).writes("vraag")
    first = verified_by(unlocked(world), monkeypatch, stop_after=2)
    second = verified_by(unlocked(world), monkeypatch, stop_after=1, today=TOMORROW)

    third = verified_by(desk := unlocked(world), monkeypatch, today=TOMORROW)

    assert len({*first, *second, *third}) == 4
    assert len(third) == 1
    assert desk.whole_check.day == TODAY
    assert len(verified_by(desk, monkeypatch, today=TOMORROW)) == 4
    assert desk.whole_check.day == TOMORROW


@pytest.mark.parametrize("days", [-1, 2, 30])
def test_damage_after_an_old_beginning_is_not_shown_as_checked(
    world: World, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """The desk locks before the check of the last mailbox, and then the first mailbox is damaged."""
    sources = sorted((a_source(world) for _ in range(4)), key=lambda each: each.keys.address)
    for source in sources:
        source.writes("vraag")
    first = verified_by(unlocked(world), monkeypatch, stop_after=3)
    assert first == [each.keys.address for each in sources[:3]]
    entries = f"SELECT id FROM entry WHERE address = x'{first[0].hex()}'"  # noqa: S608
    world.execute(f"UPDATE sealed SET payload = zeroblob(9) WHERE id IN ({entries})")  # noqa: S608
    later = TODAY + timedelta(days)

    second = verified_by(desk := unlocked(world), monkeypatch, today=later)

    assert len(second) == 4
    assert (desk.whole_check.day, desk.whole_check.unsound) == (later, 1)
    assert list(desk.unsound) == [first[0]]


def test_a_clock_that_was_ahead_does_not_prevent_the_check(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_source(world).writes("vraag")
    whole_check.check_whole_store(unlocked(world), TODAY + timedelta(365))

    assert len(verified_by(desk := unlocked(world), monkeypatch)) == 1

    assert desk.whole_check.day == TODAY


def test_a_check_that_the_store_interrupts_continues_at_the_last_saved_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        a_source(world).writes("vraag")
    desk = unlocked(world)
    real = whole_store.verify_store

    def verify_three(*asked: object, **more: object) -> object:
        yield from itertools.islice(real(*asked, **more), 3)  # type: ignore[arg-type]
        raise StoreBusyError

    with monkeypatch.context() as patch:
        patch.setattr(whole_check, "_SAVED_EVERY", 2)
        patch.setattr(whole_check, "verify_store", verify_three)
        whole_check.check_whole_store(desk, TODAY)

    assert (desk.whole_check.is_running, desk.whole_check.day) == (False, None)
    assert len(verified_by(desk, monkeypatch)) == 3
    assert desk.whole_check.day == TODAY


def test_a_full_disk_does_not_make_the_check_begin_again_on_the_same_day(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_source(world).writes("vraag")
    desk = unlocked(world)

    def full(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(whole_check, "replace_file", full)
    assert len(verified_by(desk, monkeypatch)) == 1

    assert len(verified_by(desk, monkeypatch)) == 0


def test_the_next_day_everything_is_verified_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a_source(world).writes("vraag")
    desk = unlocked(world)
    assert len(verified_by(desk, monkeypatch)) == 1
    assert len(verified_by(desk, monkeypatch)) == 0

    whole_check.check_whole_store(desk, TOMORROW)

    assert desk.whole_check.day == TOMORROW


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE sealed SET payload = zeroblob(9) WHERE id IN (SELECT id FROM entry)", "bad_payload"),
        ("UPDATE entry SET signature = zeroblob(64)", "bad_signature"),
        ("UPDATE entry SET digest = zeroblob(32)", "damaged_row"),
        ("UPDATE sealed SET payload = zeroblob(9) WHERE id NOT IN (SELECT id FROM entry)", "damaged_file"),
        ("DELETE FROM chunk", "damaged_file"),
        (
            "UPDATE sealed SET header = zeroblob(length(header)) WHERE id IN (SELECT id FROM entry)",
            "unreadable",
        ),
    ],
)
def test_what_heads_do_not_show_is_found_and_named(world: World, statement: str, fault: str) -> None:
    """The damage does not change the newest entries (heads) of a mailbox that was verified before."""
    source, other = a_source(world), a_source(world)
    source.writes("vraag", file=("a.txt", b"inhoud"))
    desk = unlocked(world)
    opens(desk, source.keys.address, today=TODAY)
    other.writes("goed")
    world.execute(statement)

    whole_check.check_whole_store(desk, TODAY)

    assert desk.whole_check.unsound >= 1
    assert fault in desk.unsound[source.keys.address]
    shown = inbox_lists.read_inbox(desk, InboxFilter("waiting"), TODAY)
    assert source.address in [row.address for row in shown.unsound]
    assert shown.whole_check == desk.whole_check


def test_a_damaged_file_is_still_named_after_locking_until_it_is_whole_again(world: World) -> None:
    source = a_source(world)
    source.writes("vraag", file=("a.txt", b"inhoud"))
    desk = unlocked(world)
    world.execute("CREATE TABLE kept AS SELECT * FROM chunk")
    world.execute("DELETE FROM chunk")
    whole_check.check_whole_store(desk, TODAY)

    again = unlocked(world)
    whole_check.check_whole_store(again, TODAY)
    shown = opens(again, source.keys.address, today=TODAY)
    assert [(fault.kind, fault.allows_answers) for fault in shown.faults] == [("damaged_file", True)]

    world.execute("INSERT INTO chunk SELECT * FROM kept")
    whole_check.check_whole_store(again, TOMORROW)
    assert opens(again, source.keys.address, today=TODAY).faults == ()


@pytest.mark.parametrize("how", ["damaged", "of another desk", "readable by others"])
def test_a_saved_place_that_is_not_ours_begins_the_check_again(world: World, how: str) -> None:
    a_source(world).writes("vraag")
    whole_check.check_whole_store(unlocked(world), TODAY)
    path = world.config.trusted_state_path.with_name("store-check.age")
    if how == "damaged":
        path.write_bytes(path.read_bytes()[:-1])
    elif how == "of another desk":
        path.write_bytes(world.config.trusted_state_path.read_bytes())
    else:
        path.chmod(0o644)
    desk = unlocked(world)

    whole_check.check_whole_store(desk, TOMORROW)

    assert desk.whole_check.day == TOMORROW
