"""A closed mailbox that the operator does not delete: the adviser is told."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from journalist_app.services.inbox_lists import InboxFilter, read_inbox
from journalist_app.services.whole_desk import background_check
from tests.journalist_app.desk_factories import ASource, a_source
from tests.sync.desks import AtDesk, an_adviser, the_server_cleans_up
from tests.sync.ends import Ends


@pytest.fixture
def adviser(ends: Ends) -> Iterator[AtDesk]:
    made = an_adviser(ends)
    yield made
    made.desk.stop()


@pytest.fixture
def source(ends: Ends, adviser: AtDesk) -> ASource:
    """Return a source whose mailbox was closed, and had to be deleted some months ago."""
    made = a_source(ends.world)
    made.writes("a question")
    adviser.syncs()
    adviser.closes(made)
    adviser.syncs()
    ends.clock.day += timedelta(days=200)
    return made


def told(adviser: AtDesk) -> list[tuple[str, ...]]:
    """Return the warnings of the inbox after a check."""
    background_check.check_store(adviser.desk, adviser.ends.clock.day)
    return [
        row.faults for row in read_inbox(adviser.desk, InboxFilter("waiting"), adviser.ends.clock.day).unsound
    ]


@pytest.mark.parametrize("how", ["UPDATE mailbox SET due = NULL", "DELETE FROM mailbox_tally"])
def test_a_closed_mailbox_that_the_operator_keeps_is_told(
    ends: Ends, adviser: AtDesk, source: ASource, how: str
) -> None:
    """Attack: the server keeps a mailbox, so that each workstation keeps its copy too."""
    ends.world.execute(how)
    the_server_cleans_up(ends)

    adviser.syncs()

    assert told(adviser) == [("not_deleted",)]
    assert adviser.reads(source).may_answer


def test_before_a_sync_no_mailbox_is_called_kept(ends: Ends, adviser: AtDesk, source: ASource) -> None:
    assert told(adviser) == []
    the_server_cleans_up(ends)
    adviser.syncs()
    assert told(adviser) == []
    with adviser.store.reading() as session:
        assert not session.connection().exec_driver_sql("SELECT * FROM mailbox").all()
    assert source.keys.address not in adviser.desk.trusted_state.mailboxes


def test_a_mailbox_whose_day_has_just_come_is_not_called_kept(
    ends: Ends, adviser: AtDesk, source: ASource
) -> None:
    due = adviser.desk.trusted_state.seen(source.keys.address).closed
    assert due is not None
    ends.world.execute("UPDATE mailbox SET due = NULL")
    for days, faults in ((14, []), (15, [("not_deleted",)])):
        ends.clock.day = due + timedelta(days=days)
        adviser.syncs()
        assert told(adviser) == faults


def test_a_damaged_day_of_the_last_sync_does_not_stop_the_check(adviser: AtDesk, source: ASource) -> None:
    with adviser.store.writing() as session:
        session.connection().exec_driver_sql("UPDATE peer SET last_applied_day = 'a text'")

    assert told(adviser) == []
    assert adviser.reads(source).may_answer
