"""The server loses an entry or a mailbox that it has acknowledged: the next sync notices this."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from store import entries, sync_findings
from store.sync_findings import FindingKind
from tests.journalist_app.desk_factories import ASource, a_source
from tests.sync.desks import AtDesk, an_adviser, an_answered_source, the_server_cleans_up
from tests.sync.ends import Ends, all_of

_OF_ANSWER = "SELECT id FROM entry WHERE author = 1"


def found_at(adviser: AtDesk) -> list[tuple[bytes, FindingKind]]:
    with adviser.store.reading() as session:
        return [(each.address, each.kind) for each in sync_findings.all_findings(session)]


@pytest.fixture
def adviser(ends: Ends) -> Iterator[AtDesk]:
    made = an_adviser(ends)
    yield made
    made.desk.stop()


@pytest.fixture
def source(ends: Ends, adviser: AtDesk) -> ASource:
    """Return a source whom the desk answered, and who has not read the answer. The server has the answer."""
    return an_answered_source(ends, adviser)


def test_an_answer_that_the_server_acknowledged_and_lost_is_given_back(
    ends: Ends, adviser: AtDesk, source: ASource
) -> None:
    """Attack: an operator deletes an answer before its source reads it. No other entry names the answer."""
    before = all_of(ends.world.store)
    ends.world.execute(f"DELETE FROM sealed WHERE id IN ({_OF_ANSWER})")  # noqa: S608
    ends.world.execute("DELETE FROM entry WHERE author = 1")

    adviser.syncs()

    assert all_of(ends.world.store) == before
    assert found_at(adviser) == [(source.keys.address, FindingKind.DAMAGED)]
    adviser.syncs()
    assert ends.left(ends.world.store, adviser.desk.keyring.strand.id) == 0


def test_lost_answers_that_do_not_fit_in_one_pouch_are_given_back(
    ends: Ends, adviser: AtDesk, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        adviser.answers(source, f"answer {number}")
    adviser.syncs()
    before = all_of(ends.world.store)
    ends.world.execute(f"DELETE FROM sealed WHERE id IN ({_OF_ANSWER})")  # noqa: S608
    ends.world.execute("DELETE FROM entry WHERE author = 1")
    monkeypatch.setattr("sync.build.TARGET_BYTES", 1)

    adviser.syncs()
    adviser.syncs()

    assert all_of(ends.world.store) == before


def test_a_mailbox_that_the_server_lost_is_told(ends: Ends, adviser: AtDesk, source: ASource) -> None:
    """Attack: an operator deletes every row of a mailbox, so that its source can no longer log in."""
    for table in ("mailbox_tally", "entry", "outbox", "mailbox"):
        ends.world.execute(f"DELETE FROM {table}")  # noqa: S608

    adviser.syncs()

    assert found_at(adviser) == [(source.keys.address, FindingKind.DAMAGED)]
    assert all_of(ends.world.store)["mailbox"] == set()  # only the adviser can decide this
    assert [each.text for each in adviser.reads(source).entries] == ["a secret", "an answer"]


def test_a_mailbox_that_ended_is_not_called_lost(ends: Ends, adviser: AtDesk, source: ASource) -> None:
    adviser.closes(source)
    adviser.syncs()
    other = a_source(ends.world)
    other.writes("another question")
    adviser.syncs()
    ends.clock.day += timedelta(days=200)
    the_server_cleans_up(ends)
    other.ends(day=ends.clock.day)

    adviser.syncs()
    adviser.syncs()

    assert found_at(adviser) == []
    with adviser.store.reading() as session:
        assert entries.all_digests(session) == {}


def test_what_a_workstation_still_sends_is_not_called_lost(
    ends: Ends, adviser: AtDesk, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pouch with one item says that there is more, and the entries come in the next ones."""
    monkeypatch.setattr("sync.build.TARGET_BYTES", 1)
    for number in range(3):
        adviser.answers(source, f"answer {number}")

    adviser.syncs()

    assert found_at(adviser) == []
    assert all_of(adviser.store)["entry"] == all_of(ends.world.store)["entry"]
