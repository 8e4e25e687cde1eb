"""Attack: someone makes very many mailboxes. Work for each mailbox must not grow with their number."""

from pathlib import Path

import pytest

from journalist_app.services.whole_desk import background_check, unlocking
from protocol.transcript.closing import last_words
from protocol.transcript.ending import proof_to_bytes
from store import mailboxes
from tests.flushes import note_flushes
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


def delete_closed(world: World, count: int) -> None:
    """Let the desk close some mailboxes, and let the server delete them on the same day."""
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    sources = [a_source(world) for _ in range(count)]
    for source in sources:
        source.writes("vraag")
        source.is_closed(due=TODAY)
    background_check.check_store(desk, TODAY)
    for source in sources:
        proof = proof_to_bytes(last_words(source.reads().transcript))
        with world.store.writing() as session:
            mailboxes.purge_mailbox(session, source.keys.address, proof=proof, day=TODAY)


def test_many_deleted_mailboxes_are_forgotten_together(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Attack: each forgotten mailbox writes the newest entries of 100,000 mailboxes to the disk."""
    flushed = note_flushes(monkeypatch)
    saved = []
    for count in (2, 12):
        delete_closed(world, count)
        desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
        flushed.clear()
        background_check.check_store(desk, TODAY)
        saved.append(sum(path.parent == tmp_path for path in flushed))
    assert saved[0] == saved[1] > 0
    assert len(desk.trusted_state.ended) == 14
    with world.store.reading() as session:
        assert [] == mailboxes.ended_mailboxes(session)
