"""The server was restored to before the desk's newest letterhead: the newest letterhead stays in force."""

import itertools
from datetime import timedelta

import pytest

from protocol import letterhead as letterhead_format
from protocol.content import Content, Kind
from protocol.pouch.pouch_items import LetterheadItem
from protocol.strand import DeskWriter
from store import letterheads
from sync.items import entry_item
from tests.journalist_app.desk_factories import TODAY, a_source
from tests.sync.ends import Ends, Workstation, answer, copy_of, restore
from tests.sync.test_edges import down
from tests.sync.test_exchange import all_of


def publishes(ends: Ends, workstation: Workstation, **changes: object) -> None:
    """Publish a letterhead in a workstation's replica."""
    following = ends.newest_letterhead(workstation.replica).successor(**changes)
    signed = letterhead_format.sign_letterhead(following, workstation.keyring.desk_key)
    with workstation.replica.writing() as session:
        letterheads.add(session, following.serial, *signed)


@pytest.mark.parametrize("also_since", [False, True], ids=["told_before", "and_one_not_told_yet"])
def test_the_workstations_letterhead_replaces_the_restored_one(ends: Ends, *, also_since: bool) -> None:
    workstation = ends.workstation()
    a_source(ends.world).writes("hello")
    ends.sync(workstation)
    yesterday = copy_of(ends.world.store, ends.folder / "yesterday.db")
    ends.clock.day += timedelta(days=1)
    publishes(ends, workstation, answer_working_days=9)
    ends.sync(workstation)
    publishes(ends, workstation, confirm_days=4)
    ends.sync(workstation)
    restore(ends.world.store, yesterday)
    if also_since:
        publishes(ends, workstation, substance_months=2)

    ends.sync(workstation)

    for store in (ends.world.store, workstation.replica):
        newest = ends.newest_letterhead(store)
        assert (newest.answer_working_days, newest.confirm_days) == (9, 4)
        assert newest.substance_months == (2 if also_since else 3)
    assert all_of(workstation.replica)["entry"] == all_of(ends.world.store)["entry"]


def test_an_old_letterhead_at_the_server_is_never_signed_again(ends: Ends) -> None:
    """Attack: the operator shows old letterheads to a new workstation, one after the other."""
    old = ends.workstation()
    for days in (9, 8, 3):
        publishes(ends, old, answer_working_days=days)
        ends.sync(old)
    new = ends.workstation()  # its replica has only the newest one
    ends.sync(new)
    publishes(ends, new, confirm_days=4)
    ends.world.execute("DELETE FROM letterhead WHERE serial > 2")
    ends.sync(new)
    publishes(ends, new, substance_months=2)
    ends.world.execute("DELETE FROM letterhead WHERE serial > 1")
    ends.sync(new)

    newest = ends.newest_letterhead(new.replica)
    assert (newest.answer_working_days, newest.confirm_days, newest.substance_months) == (3, 4, 2)


def test_old_letterheads_in_one_answer_are_never_signed_again(ends: Ends) -> None:
    """Attack: a dishonest server shows old letterheads in rising order, as if the later one were a change."""
    old = ends.workstation()
    for days in (9, 8, 3):
        publishes(ends, old, answer_working_days=days)
        ends.sync(old)
    with ends.world.store.reading() as session:
        stored = [letterheads.find(session, serial) for serial in (1, 2)]
    shown = [LetterheadItem(each[0] - 1, *each) for each in stored if each is not None]
    new = ends.workstation()  # its replica has only the newest one
    ends.sync(new)

    down(ends, new, *shown)

    newest = ends.newest_letterhead(new.replica)
    assert newest.answer_working_days == 3
    ends.sync(new)
    assert ends.newest_letterhead(ends.world.store) == newest


def test_two_changes_of_another_workstation_undo_no_change_of_ours(ends: Ends) -> None:
    """The server gets the second change after it has sent the first one, in the same sync."""
    ours, other = ends.workstation(), ends.workstation(ends.second_keyring())
    for each in (ours, other):
        ends.sync(each)
    publishes(ends, ours, closed_days=(TODAY,), answer_working_days=9)
    publishes(ends, other, confirm_days=4)
    ends.sync(other)
    rounds = itertools.count()

    def publishes_once_more(pouch: bytes) -> bytes:
        if next(rounds) == 1:
            publishes(ends, other, confirm_days=3)
            ends.sync(other)
        return answer(ends.server, pouch)

    ends.sync(ours, publishes_once_more)

    for store in (ends.world.store, ours.replica):
        newest = ends.newest_letterhead(store)
        assert (newest.closed_days, newest.answer_working_days) == ((TODAY,), 9)
        assert newest.confirm_days == 3


def test_an_old_letterhead_behind_a_new_one_ends_no_sync(ends: Ends) -> None:
    """Attack: a dishonest server sends two letterheads, and between them an entry of a newer workstation."""
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    with ends.world.store.reading() as session:
        old = letterheads.latest(session)
    keyring = ends.second_keyring()
    with ends.world.store.reading() as session:
        new = letterheads.latest(session)
    assert old is not None
    assert new is not None
    writer = DeskWriter(keyring.strand.id, keyring.strand.seed)
    entry = source.is_told(Content(kind=Kind.MESSAGE, text="an answer"), by=writer)

    down(ends, workstation, LetterheadItem(1, *new), entry_item.pack(entry, ()), LetterheadItem(0, *old))

    assert ends.newest_letterhead(workstation.replica).serial == new[0]
    assert entry.digest in {row[5] for row in all_of(workstation.replica)["entry"]}
