"""Answers of several pouches: the connection is busy while each is applied, and an answer may end early."""

import io
import itertools
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from protocol.errors import PouchRefusedError
from protocol.pouch.pouch_file import SERVER, PouchReader
from store import outbox
from store.errors import StoreBusyError
from sync import exchange as exchange_module
from sync import pouch_stream
from sync.build import build_pouch, build_pouch_files
from sync.carriers import UnixCarrier
from sync.errors import SyncRefusal, SyncRefusedError
from sync.exchange import POUCHES_MAX, answer_pouches, exchange
from tests.journalist_app.desk_factories import TODAY, a_source
from tests.sync.ends import AnsweringCarrier, Ends, Workstation, all_of, at, copy_of, restore, sync_refused

PIECE_BYTES = 10_000


@pytest.fixture(autouse=True)
def _small_pouches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.build.TARGET_BYTES", PIECE_BYTES)


@dataclass(slots=True)
class Watched:
    """Connection that counts the pouches of each answer, and can break within the first answer."""

    ends: Ends
    breaks_behind: int | None = None
    answered: list[int] = field(default_factory=list)

    @contextmanager
    def carry(self, pouch: bytes) -> Iterator[Iterator[bytes]]:
        self.answered.append(0)
        yield map(self._note, answer_pouches(self.ends.server, pouch))

    def _note(self, pouch: bytes) -> bytes:
        if self.answered == [self.breaks_behind]:
            raise SyncRefusedError(SyncRefusal.UNREACHABLE)
        self.answered[-1] += 1
        return pouch


def synced(workstation: Workstation, way: Watched) -> list[int]:
    exchange(workstation.endpoint, way, lambda _left: None)
    return way.answered


def some_pouches_full(ends: Ends, count: int) -> None:
    """Let sources write enough to fill this number of pouches."""
    for _ in range(count):
        a_source(ends.world).writes(secrets.token_hex(PIECE_BYTES // 2))


def given_again(ends: Ends, *file_bytes: int) -> Workstation:
    """Return a workstation that has files of these sizes, and to which the server will send all of them
    again.
    """
    workstation = ends.workstation()
    for size in file_bytes:
        a_source(ends.world).writes("hello", file=("a file", os.urandom(size)))
    ends.sync(workstation)
    ends.sync(workstation)
    with ends.world.store.writing() as session:
        outbox.enqueue_all(session, workstation.keyring.strand.id)
    return workstation


def digests(workstation: Workstation) -> set[object]:
    return {row[5] for row in all_of(workstation.replica)["entry"]}


def test_one_answer_contains_everything(ends: Ends) -> None:
    workstation = ends.workstation()
    some_pouches_full(ends, 4)

    answered = synced(workstation, Watched(ends))

    assert answered == [4]
    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_an_answer_ends_so_that_the_workstation_can_say_something(ends: Ends) -> None:
    workstation = ends.workstation()
    some_pouches_full(ends, POUCHES_MAX + 2)

    answered = synced(workstation, Watched(ends))

    assert answered[0] == POUCHES_MAX
    assert len(answered) == 2
    assert all_of(workstation.replica) == all_of(ends.world.store)


@pytest.mark.parametrize("behind", range(1, 4))
def test_pouches_before_a_lost_connection_stay_and_are_not_sent_again(ends: Ends, behind: int) -> None:
    workstation = ends.workstation()
    some_pouches_full(ends, 4)
    with sync_refused(SyncRefusal.UNREACHABLE):
        synced(workstation, Watched(ends, breaks_behind=behind))
    assert len(digests(workstation)) == behind

    answered = synced(workstation, Watched(ends))

    assert answered == [4 - behind]
    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_an_abandoned_answer_ends_when_the_workstation_asks_again(ends: Ends) -> None:
    """The connection broke and the server has not noticed.

    Items that it packs now would be lost without a trace.
    """
    workstation = ends.workstation()
    some_pouches_full(ends, 4)
    question = build_pouch(workstation.endpoint, SERVER, {}).pouch
    to_nobody = answer_pouches(ends.server, question)
    next(to_nobody)
    again = answer_pouches(ends.server, build_pouch(workstation.endpoint, SERVER, {}).pouch)
    next(again)

    assert list(to_nobody) == []
    assert len(list(again)) == 3

    ends.sync(workstation)
    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_a_long_answer_to_one_workstation_does_not_keep_another_waiting(ends: Ends) -> None:
    first, second = ends.workstation(), ends.workstation(ends.second_keyring())
    some_pouches_full(ends, 4)

    def between(question: bytes) -> Iterator[bytes]:
        pouches = answer_pouches(ends.server, question)
        yield next(pouches)
        ends.sync(second)
        yield from pouches

    exchange(first.endpoint, AnsweringCarrier(between), lambda _left: None)

    assert all_of(first.replica) == all_of(second.replica) == all_of(ends.world.store)


def test_a_server_that_fails_between_pouches_ends_its_answer_and_loses_nothing(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    workstation = ends.workstation()
    some_pouches_full(ends, 4)
    builds = exchange_module.build_pouch
    calls = itertools.count()

    def at_first_busy(*given: object, after: int | None = None, **named: object) -> object:
        if after is not None and next(calls) == 0:
            raise StoreBusyError("busy")
        return builds(*given, after=after, **named)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(exchange_module, "build_pouch", at_first_busy)

    answered = synced(workstation, Watched(ends))

    assert answered == [1, 3]
    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_a_large_file_goes_on_in_the_next_pouch_of_the_same_answer(ends: Ends) -> None:
    workstation = ends.workstation()
    a_source(ends.world).writes("hello", file=("large", os.urandom(3_300_000)))

    answered = synced(workstation, Watched(ends))

    assert len(answered) == 1
    assert answered[0] >= 4
    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_the_rest_of_a_large_file_that_is_here_is_not_sent(ends: Ends) -> None:
    """The workstation closes the connection, and its next question says that it has this file."""
    workstation = given_again(ends, 6_300_000)

    answered = synced(workstation, Watched(ends))

    assert len(answered) == 2
    assert sum(answered) < 6
    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_small_files_that_are_here_do_not_end_an_answer(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.build.TARGET_BYTES", 100_000)
    workstation = given_again(ends, *[20_000] * 16)

    answered = synced(workstation, Watched(ends))

    assert answered[0] == POUCHES_MAX
    ends.sync(workstation)
    assert ends.left(ends.world.store, workstation.keyring.strand.id) == 0


def test_a_revoked_workstation_gets_no_more_pouches(ends: Ends) -> None:
    workstation = ends.workstation()
    some_pouches_full(ends, 4)
    pouches = answer_pouches(ends.server, build_pouch(workstation.endpoint, SERVER, {}).pouch)
    next(pouches)

    ends.retire(workstation.keyring.strand.id, TODAY - timedelta(days=1))

    assert list(pouches) == []


@pytest.mark.parametrize(("parts", "part_bytes"), [(0, None), (0, 1_000_000), (2, 1_000_000)])
def test_a_sync_does_not_wait_for_a_slow_stick_and_stops_its_pouch(
    ends: Ends, parts: int, part_bytes: int | None
) -> None:
    """Otherwise rows that are only on the USB stick would be marked as packed in the sync's pouch."""
    workstation = ends.workstation()
    ends.sync(workstation)
    for _ in range(8):
        a_source(ends.world).writes("hello", file=("large", os.urandom(600_000)))
    onto_a_stick = build_pouch_files(ends.server, workstation.keyring.strand.id, part_bytes)
    for pieces in itertools.islice(onto_a_stick, parts):
        list(pieces)
    begun = next(onto_a_stick)
    next(begun)

    ends.sync(workstation)

    a_source(ends.world).writes("since then")
    with sync_refused(SyncRefusal.OVERTAKEN):
        list(itertools.chain(begun, *onto_a_stick))
    ends.sync(workstation)
    ends.sync(workstation)
    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert ends.left(ends.world.store, workstation.keyring.strand.id) == 0


def test_each_pouch_of_an_answer_comes_after_the_one_before_it(ends: Ends) -> None:
    """A receiver that has not applied an earlier pouch must be able to notice."""
    workstation = ends.workstation()
    ends.sync(workstation)
    some_pouches_full(ends, 4)

    pouches = answer_pouches(ends.server, build_pouch(workstation.endpoint, SERVER, {}).pouch)
    heads = [PouchReader([pouch], workstation.endpoint.identities).head for pouch in pouches]

    assert len(heads) == 4
    assert [head.after for head in heads[1:]] == [head.serial for head in heads[:-1]]
    assert [head.sent for head in heads[1:]] == [head.serial for head in heads[:-1]]


def test_the_server_says_in_every_pouch_which_file_it_has_already(ends: Ends) -> None:
    """Otherwise the workstation would begin that file again with each question that has a long answer."""
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    at(ends, workstation, source).answers_with_file("large", os.urandom(4_300_000))
    ends.sync(workstation)
    ends.sync(workstation)
    some_pouches_full(ends, POUCHES_MAX + 2)
    with workstation.replica.writing() as session:
        outbox.enqueue_all(session, SERVER)

    done = exchange(workstation.endpoint, Watched(ends), lambda _left: None)

    assert done.bytes_sent < 3_000_000
    assert ends.left(workstation.replica, SERVER) == 0


def test_a_restored_replica_asks_again_before_it_applies_more_of_an_answer(
    ends: Ends, tmp_path: Path
) -> None:
    """The server applied a question that the replica does not remember. It confirms no row of the outbox."""
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("hello")
    ends.sync(workstation)
    ends.sync(workstation)
    copy = copy_of(workstation.replica, tmp_path / "copy.db")
    for _ in range(3):
        ends.sync(workstation)
    restore(workstation.replica, copy)
    at(ends, workstation, source).is_answered("since the restore")
    some_pouches_full(ends, 4)

    ends.sync(workstation)
    ends.sync(workstation)

    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert ends.left(workstation.replica, SERVER) == 0


def test_a_refused_answer_closes_the_connection_at_once(ends: Ends, short_folder: Path) -> None:
    workstation = ends.workstation()
    path = short_folder / "endpoint"
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            """Send bytes that are not a pouch, and then nothing until the workstation closes the
            connection.
            """
            opened, _ = listening.accept()
            with opened, suppress(ConnectionError):
                opened.sendall(b"HTTP/1.0 200 OK\r\n\r\n\0\0\0\4none")
                while heard.append(opened.recv(65536)) or heard[-1]:
                    pass

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        with pytest.raises(PouchRefusedError):
            exchange(workstation.endpoint, UnixCarrier(path), lambda _left: None)
        serving.join(20)

    assert not serving.is_alive()
    assert heard[-1] == b""


def test_a_stream_of_pouches_is_read_as_it_was_written() -> None:
    pouches = [b"one", b"two", os.urandom(100_000)]

    assert (
        list(pouch_stream.read_pouches(io.BytesIO(b"".join(pouch_stream.frame_pouches(iter(pouches)))).read))
        == pouches
    )


def test_an_entry_written_during_a_sync_is_sent_in_it(ends: Ends) -> None:
    workstation = ends.workstation()
    source = a_source(ends.world)
    source.writes("first")
    ends.sync(workstation)
    some_pouches_full(ends, POUCHES_MAX + 1)

    is_answered: list[object] = []

    def writing(question: bytes) -> Iterator[bytes]:
        if not is_answered:
            is_answered.append(at(ends, workstation, source).is_answered("meanwhile"))
        return answer_pouches(ends.server, question)

    exchange(workstation.endpoint, AnsweringCarrier(writing), lambda _left: None)

    assert ends.left(workstation.replica, SERVER) == 0
    assert all_of(workstation.replica) == all_of(ends.world.store)
