"""One mailbox, whatever is in it, stops the sync of no other mailbox."""

import os
import sqlite3
from contextlib import closing

import pytest

from store import attachments, entries
from store.database.engine import Store
from tests.journalist_app.desk_factories import ASource, a_source
from tests.sync.ends import Ends, Workstation, all_of


@pytest.fixture
def workstation(ends: Ends) -> Workstation:
    made = ends.workstation()
    ends.sync(made)
    return made


def file_of(store: Store, source: ASource) -> bytes:
    """Return the id of the only file in a mailbox."""
    with store.reading() as session:
        (row,) = entries.of_mailbox(session, source.keys.address)
        (file,) = attachments.of_entry(session, row.address, row.entry_id)
    return file.attachment_id


# ---- the id of a file is taken -------------------------------------------------------------------------


def test_the_id_of_a_file_in_one_mailbox_stops_no_other_mailbox(ends: Ends, workstation: Workstation) -> None:
    """The operator gives a file the id of a file in another mailbox, which the workstation has."""
    one, other, third = (a_source(ends.world) for _ in range(3))
    one.writes("hello", file=("a", b"the first file"))
    ends.sync(workstation)
    taken = file_of(workstation.replica, one)
    other.writes("hello", file=("b", os.urandom(2_500_000)))
    third.writes("hello")
    ends.world.execute(
        "UPDATE attachment SET attachment_id = :id WHERE address = :a", id=taken, a=other.keys.address
    )

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_two_mailboxes_with_one_id_are_both_carried_on_where_the_line_broke(
    ends: Ends, workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.build.TARGET_BYTES", 1_000_000)
    one, other = a_source(ends.world), a_source(ends.world)
    for source, size in ((one, 2_500_000), (other, 5_500_000)):
        source.writes("hello", file=("a", os.urandom(size)))
    taken = file_of(ends.world.store, one)
    ends.world.execute("UPDATE attachment SET attachment_id = :id", id=taken)

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)


@pytest.mark.parametrize("pending", [1, None], ids=["an upload for another entry", "a row without content"])
def test_what_is_left_under_the_id_of_a_file_makes_room_for_the_file(
    ends: Ends, workstation: Workstation, pending: int | None
) -> None:
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    source.writes("with a file", file=("a", b"the file"))
    (file,) = (row[2] for row in all_of(ends.world.store)["file"])
    with closing(sqlite3.connect(workstation.replica.path)) as connection, connection:
        connection.execute(
            "INSERT INTO attachment VALUES (5, ?, ?, ?, 0, 0, ?, x'')",
            (source.keys.address, os.urandom(16), file, pending),
        )

    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
