"""The server was restored to before the desk's newest letterhead: the newest letterhead stays in force."""

from datetime import timedelta

import pytest

from protocol import letterhead as letterhead_format
from store import letterheads
from tests.journalist_app.desk_factories import a_source
from tests.sync.ends import Ends, Workstation, copy_of, restore
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
