"""Every sync ends, even with files that are there already or broken at the sender."""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

import sync.exchange as exchange_module
from protocol.pouch.pouch_file import SERVER
from store import outbox, sync_findings
from store.sync_findings import FindingKind
from sync.build import build_pouch_files
from sync.errors import SyncRefusal
from tests.journalist_app.desk_factories import a_source
from tests.sync.ends import Ends, Workstation, answer, at, sync_refused
from tests.sync.test_exchange import all_of
from tests.sync.test_faults import to_come, to_workstation

ROUNDS = 40  # more than any of these needs


def in_some_rounds(ends: Ends, workstation: Workstation) -> None:
    """Sync, and fail if the exchange would never end."""
    rounds = 0

    def counted(pouch: bytes) -> bytes:
        nonlocal rounds
        rounds += 1
        assert rounds < ROUNDS, "it does not end"
        return answer(ends.server, pouch)

    ends.sync(workstation, through=counted)


def test_a_large_file_that_both_have_is_not_sent_forever(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restored store is sent everything again, in pouches that are smaller than the file."""
    monkeypatch.setattr("sync.build.TARGET_BYTES", 1_500_000)
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("one", file=("a.pdf", os.urandom(4_500_000)))
    source.writes("two", file=("b.pdf", os.urandom(3_500_000)))
    ends.sync(workstation)
    ends.sync(workstation)
    with ends.world.store.writing() as session:
        outbox.enqueue_all(session, workstation.keyring.strand.id)
    with workstation.replica.writing() as session:
        outbox.enqueue_all(session, SERVER)

    in_some_rounds(ends, workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert ends.left(workstation.replica, SERVER) == 0
    ends.sync(workstation)
    assert ends.left(ends.world.store, workstation.keyring.strand.id) == 0


def test_a_file_with_a_missing_chunk_is_reported_and_the_rest_arrives(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator deletes a chunk of a file at the server, to stop the desk from syncing."""
    monkeypatch.setattr("sync.build.TARGET_BYTES", 1_500_000)
    workstation = ends.workstation()
    source = a_source(ends.world)
    broken = source.writes("with a file", file=("a.pdf", os.urandom(4_500_000)))
    others = [a_source(ends.world).writes("and another") for _ in range(3)]
    ends.world.execute("DELETE FROM chunk WHERE number = 2")

    in_some_rounds(ends, workstation)

    held = {row[5] for row in all_of(workstation.replica)["entry"]}
    assert {each.digest for each in (broken, *others)} == held
    with workstation.replica.reading() as session:
        (found,) = sync_findings.all_findings(session)
    assert (found.kind, found.digest) == (FindingKind.DAMAGED, broken.digest)
    ends.sync(workstation)
    assert ends.left(ends.world.store, workstation.keyring.strand.id) == 0


def test_pouch_files_end_despite_a_file_with_a_missing_chunk(ends: Ends) -> None:
    workstation = ends.workstation()
    ends.sync(workstation)
    a_source(ends.world).writes("with a file", file=("a.pdf", os.urandom(4_500_000)))
    ends.world.execute("DELETE FROM chunk WHERE number = 2")

    for number, pieces in enumerate(
        build_pouch_files(ends.server, workstation.keyring.strand.id, 1_500_000), 1
    ):
        list(pieces)
        assert number < ROUNDS


def test_a_server_that_repeats_one_answer_counts_as_unreachable(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    at(ends, workstation, source).is_answered("an answer")
    first: list[bytes] = []

    def the_same(pouch: bytes) -> bytes:
        first.append(first[0] if first else answer(ends.server, pouch))
        return first[0]

    def one_back(_: bytes) -> bytes:
        return first[0]

    ends.sync(workstation, the_same)
    at(ends, workstation, source).is_answered("another answer")
    with sync_refused(SyncRefusal.UNREACHABLE):
        ends.sync(workstation, one_back)

    ends.sync(workstation)
    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_a_server_that_always_has_more_counts_as_unreachable(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange_module, "_IDLE_MAX", 5)
    workstation = ends.workstation()
    ends.sync(workstation)
    serials = itertools.count(to_come(ends))

    def more(_: bytes) -> bytes:
        return to_workstation(ends, workstation, serial=next(serials), more=True)

    with sync_refused(SyncRefusal.UNREACHABLE):
        ends.sync(workstation, more)


def test_two_who_sync_at_once_take_turns(ends: Ends) -> None:
    """For example the interface and the command, or a new question after a lost connection."""
    workstation = ends.workstation()
    for _ in range(5):
        a_source(ends.world).writes("hello")
    running: list[int] = []
    together: list[int] = []

    def looks(pouch: bytes) -> bytes:
        running.append(1)
        together.append(len(running))
        brought = answer(ends.server, pouch)
        running.pop()
        return brought

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ends.sync(workstation, looks), range(4)))

    assert max(together) == 1
    assert not ends.notes_restored_server(workstation)
    assert all_of(workstation.replica) == all_of(ends.world.store)
