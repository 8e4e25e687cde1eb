"""The check of a whole store without keys detects every change of an entry or file, and names the mailbox."""

import os
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy.orm import Session

from protocol.heads import Head
from protocol.identifiers import Address
from protocol.transcript.check import FaultKind, head_of
from store import cleanup
from stored_mailbox import whole_store
from stored_mailbox.whole_store import MailboxVerdict, verify_in_processes, verify_store
from tests.journalist_app.desk_factories import ASource, World, a_source, a_world

NOW = 997_000  # half hours since 1970


@pytest.fixture
def world(tmp_path: Path) -> World:
    return a_world(tmp_path)


@pytest.fixture
def source(world: World) -> ASource:
    """Return a mailbox with a file of two chunks, an answer and a removal. A second mailbox is sound."""
    a_source(world).writes("another mailbox")
    source = a_source(world)
    source.writes("hello", file=("a.pdf", os.urandom(1_500_000)))
    source.is_answered("an answer")
    source.looks()
    source.removes(source.writes("removed", file=("b.pdf", b"removed too")))
    source.is_looked_at()
    return source


def verdicts(world: World) -> dict[Address, MailboxVerdict]:
    return {each.address: each for each in verify_store(world.store, world.letterhead.strand_keys)}


def unsound(world: World, source: ASource) -> MailboxVerdict:
    """Return the verdict about the one mailbox that is not sound."""
    (found,) = [each for each in verdicts(world).values() if not each.is_sound]
    assert found.address == source.keys.address
    return found


def test_a_store_in_which_everything_is_as_it_was_signed_is_sound(world: World, source: ASource) -> None:
    found = verdicts(world)
    assert len(found) == 2
    assert all(each.is_sound for each in found.values())
    assert found[source.keys.address].entries == 6
    cleanup.destroy_deleted(world.store, NOW)
    assert all(each.is_sound for each in verdicts(world).values())


_HERE = "address = :address"
_OF_DESK = "address = :address AND author = 1 AND number = 1"
_SEALED_OF_DESK = "id IN (SELECT id FROM entry WHERE address = :address AND author = 1 AND number = 1)"


@pytest.mark.parametrize(
    ("change", "where", "words"),
    [
        ("UPDATE entry SET signature = zeroblob(64)", _OF_DESK, "bad signature, missing, damaged rows: 1"),
        ("UPDATE entry SET envelope = x'00'", _OF_DESK, "missing, damaged rows: 1"),
        ("UPDATE entry SET number = 9", _OF_DESK, "damaged rows: 1"),
        ("UPDATE entry SET day = 'x'", _OF_DESK, "damaged rows: 1"),
        ("DELETE FROM entry", _OF_DESK, "missing"),
        ("UPDATE mailbox SET verify_key = zeroblob(32)", _HERE, "unknown strand, missing, wrong keys"),
        ("DELETE FROM attachment", _HERE, "damaged files: 1"),
        ("DELETE FROM chunk", "number = 1", "damaged files: 1"),
        ("UPDATE sealed SET payload = zeroblob(9)", "id IN (SELECT id FROM chunk)", "damaged files: 1"),
        ("UPDATE sealed SET payload = zeroblob(9)", _SEALED_OF_DESK, "bad payload"),
        ("UPDATE sealed SET header = NULL", _SEALED_OF_DESK, "lost"),
        ("DELETE FROM sealed", _SEALED_OF_DESK, "lost"),
        (
            "UPDATE sealed SET header = x'00'",
            "id IN (SELECT id FROM entry WHERE address = :address)",
            "restored",
        ),
    ],
)
def test_every_change_is_detected_without_a_key(
    world: World, source: ASource, change: str, where: str, words: str
) -> None:
    world.execute(f"{change} WHERE {where}", address=source.keys.address)

    found = unsound(world, source)
    assert found.describe() == words
    assert found.allows_answers is (words in {"missing", "lost"})


def test_an_interrupted_check_continues_where_it_was(world: World, source: ASource) -> None:
    assert source.reads()
    strands = world.letterhead.strand_keys
    first, second = verify_store(world.store, strands)
    assert [(each.done, each.total) for each in (first, second)] == [(1, 2), (2, 2)]
    assert list(verify_store(world.store, strands, after=first.address)) == [second]
    assert list(verify_store(world.store, strands, after=second.address)) == []


def test_a_workstation_also_misses_what_it_remembers(world: World, source: ASource) -> None:
    newest = source.writes("the newest entry, which no other entry names")
    world.execute("DELETE FROM entry WHERE digest = :digest", digest=newest.digest)
    assert all(each.is_sound for each in verdicts(world).values())

    def remembered(address: Address) -> tuple[Head, ...]:
        return (head_of(newest),) if address == source.keys.address else ()

    found = verify_store(world.store, world.letterhead.strand_keys, remembered=remembered)
    assert [each.faults for each in found if not each.is_sound] == [(FaultKind.ROLLED_BACK,)]


def test_a_mailbox_that_ends_during_the_check_has_no_verdict(world: World, source: ASource) -> None:
    third = a_source(world)
    found = verify_store(world.store, world.letterhead.strand_keys)
    first = next(found)
    ended = next(each for each in (source, third) if each.keys.address != first.address)

    ended.ends()

    (last,) = found
    assert ended.keys.address not in {first.address, last.address}


@pytest.mark.parametrize(
    "executor", [ThreadPoolExecutor, pytest.param(ProcessPoolExecutor, marks=pytest.mark.slow)]
)
def test_several_processes_find_what_one_finds(
    world: World, source: ASource, monkeypatch: pytest.MonkeyPatch, executor: type[Executor]
) -> None:
    """With threads for processes, this test is fast, and coverage sees what they do."""
    world.execute(f"DELETE FROM entry WHERE {_OF_DESK}", address=source.keys.address)  # noqa: S608
    for _ in range(4):
        a_source(world).writes("and more")
    monkeypatch.setattr(whole_store, "_SHARE", 2)
    monkeypatch.setattr(whole_store, "_opened", [])
    monkeypatch.setattr(whole_store, "ProcessPoolExecutor", executor)

    found = list(verify_in_processes(world.store.path, world.letterhead.strand_keys))

    assert found == list(verify_store(world.store, world.letterhead.strand_keys))
    for store, *_ in whole_store._opened:
        store.close()


def test_a_process_of_the_verification_ends_with_a_command_that_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[object] = []
    monkeypatch.setattr("os._exit", done.append)

    whole_store._end_with(SimpleNamespace(join=lambda: done.append("waited")))  # type: ignore[arg-type]

    assert ["waited", 1] == done


def test_a_mailbox_whose_verification_fails_unexpectedly_stops_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, hit, last = (a_source(world) for _ in range(3))
    real = whole_store.read_stored

    def faulty(session: Session, address: Address, *args: object, **options: object) -> object:
        if address == hit.keys.address:
            raise ZeroDivisionError
        return real(session, address, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(whole_store, "read_stored", faulty)
    found = verdicts(world)

    assert {address for address, verdict in found.items() if verdict.is_sound} == {
        first.keys.address,
        last.keys.address,
    }
    assert found[hit.keys.address].describe() == "could not be verified"
