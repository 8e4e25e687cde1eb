"""Attack: someone makes very many mailboxes. Work for each mailbox must not grow with their number."""

import pytest

from journalist_app.services.whole_desk import background_check, unlocking
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, World, a_source
from tests.store_work import StoreWork, work_of

_SOME = 30


def first_check(world: World, monkeypatch: pytest.MonkeyPatch) -> StoreWork:
    """Check the whole store as a workstation that remembers nothing."""
    world.config.trusted_state_path.unlink(missing_ok=True)
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    work = work_of(world.store, monkeypatch, lambda: background_check.check_store(desk, TODAY))
    assert desk.progress.done == desk.progress.total > 0
    return work


def some_write(world: World) -> None:
    for _ in range(_SOME):
        a_source(world).writes("vraag")


def some_end(world: World) -> None:
    for _ in range(_SOME):
        source = a_source(world)
        source.writes("vraag")
        source.ends()


def test_the_check_reads_each_mailbox_with_the_same_work_however_many_there_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for _ in range(4):
        some_write(world)
        found.append(first_check(world, monkeypatch))
    first, *_, before, last = found
    assert last.statements - before.statements == found[1].statements - first.statements
    assert last.steps - before.steps < 1.2 * (found[1].steps - first.steps)


def test_ended_mailboxes_are_not_read_again_for_each_other_mailbox(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_write(world)
    alone = first_check(world, monkeypatch)
    some_write(world)
    more = first_check(world, monkeypatch)
    some_end(world)
    beside_ended = first_check(world, monkeypatch)
    some_write(world)
    more_beside_ended = first_check(world, monkeypatch)
    assert more_beside_ended.statements - beside_ended.statements == more.statements - alone.statements
    assert more_beside_ended.steps - beside_ended.steps < 1.2 * (more.steps - alone.steps)
