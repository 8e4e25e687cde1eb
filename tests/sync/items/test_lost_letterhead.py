"""A letterhead whose row in the outbox was deleted, or that was published while a workstation was hidden."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta

import pytest

from protocol.keyring import Keyring
from store import records
from store.records import Record
from sync import build
from tests.journalist_app.desk_factories import TODAY, a_source
from tests.sync.desks import AtDesk, an_adviser
from tests.sync.ends import Ends, Workstation
from tests.sync.test_hidden_rows import hidden


def deleted(
    ends: Ends, workstation: AtDesk | Workstation, publish: Callable[[], Keyring | None]
) -> Keyring | None:
    """Publish a letterhead, and delete the row of the outbox that names it for this workstation."""
    made = publish()
    name = bytes(workstation.endpoint.name)
    ends.world.execute("DELETE FROM outbox WHERE kind = 'letterhead' AND peer = :name", name=name)
    return made


def unseen(
    ends: Ends, workstation: AtDesk | Workstation, publish: Callable[[], Keyring | None]
) -> Keyring | None:
    """Publish a letterhead while the server's store does not know this workstation."""
    with hidden(ends.world.store, "peer", f"name = x'{workstation.endpoint.name.hex()}'"):
        return publish()


@pytest.mark.parametrize("attack", [deleted, unseen])
@pytest.mark.parametrize("target_bytes", [build.TARGET_BYTES, 1])
def test_a_workstation_reads_the_answers_of_one_whose_letterhead_was_hidden(
    ends: Ends, attack: Callable[..., Keyring], target_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workstation refused each pouch with an answer that it could not verify, for all mailboxes."""
    first, second = an_adviser(ends), an_adviser(ends, ends.second_keyring())
    source, other = a_source(ends.world), a_source(ends.world)
    source.writes("a question")
    other.writes("another question")
    for _ in range(2):
        first.syncs()
        second.syncs()
    third = an_adviser(ends, attack(ends, second, lambda: ends.second_keyring("Werkstation 3")))
    third.syncs()
    third.answers(source, "an answer")
    third.syncs()
    second.answers(
        other, "one answer"
    )  # with small pouches, the second workstation has more than one to send
    second.answers(other, "another answer")
    monkeypatch.setattr(build, "TARGET_BYTES", target_bytes)

    second.syncs()

    assert "an answer" in second.sees(source)


@pytest.mark.parametrize("attack", [deleted, unseen])
def test_a_workstation_learns_that_another_one_was_retired(ends: Ends, attack: Callable[..., None]) -> None:
    """Attack: the thief of a retired workstation's key, together with the operator, replaces a casefile."""
    thief, workstation = ends.workstation(), ends.workstation(ends.second_keyring())
    source = a_source(ends.world)
    source.writes("a question")
    name = bytes(source.keys.address)
    for _ in range(2):
        ends.sync(thief)
        ends.sync(workstation)
    workstation.writes_record(name, "important notes")
    ends.sync(workstation)
    attack(ends, workstation, lambda: ends.retire(thief.keyring.strand.id, TODAY - timedelta(days=1)))
    with ends.world.store.reading() as session:
        found = records.find(session, "casefile", name)
    assert found is not None
    sealed = thief.seals_record(
        name, "words of the thief", (found.sealed, workstation._open(name, found.sealed))
    )
    with ends.world.store.writing() as session:
        records.replace(session, Record("casefile", name, found.revision + 1, sealed))

    ends.sync(workstation)

    newest = ends.newest_letterhead(ends.world.store)
    assert ends.newest_letterhead(workstation.replica).serial == newest.serial
    assert "important notes" in workstation.reads_record(name)


def test_an_older_letterhead_of_the_server_is_not_sent(ends: Ends) -> None:
    workstation = ends.workstation()
    ends.sync(workstation)
    ends.says_at(workstation)
    with hidden(workstation.replica, "outbox", "kind = 'letterhead'"), nullcontext():
        ends.sync(workstation)
        assert ends.left(ends.world.store, workstation.endpoint.name) == 0
