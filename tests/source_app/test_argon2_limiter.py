"""Argon2id is limited over all processes, the longest waiting come first, and a killed one frees its slot."""

import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import IO

import pytest

from crypto.errors import UnreadableError
from source_app import queue_place
from source_app.argon2_limiter import Argon2Limiter
from source_app.errors import QueueFullError
from source_app.queue_place import QueuePlace, open_place, seal_place
from source_app.sealed_field import seal_field

SECRET = os.urandom(32)


def test_what_is_run_comes_back(tmp_path: Path) -> None:
    assert Argon2Limiter(tmp_path, at_once=1, waiting=0).run(lambda: 42) == 42


def test_an_error_comes_back_and_frees_the_place(tmp_path: Path) -> None:
    limiter = Argon2Limiter(tmp_path, at_once=1, waiting=0)

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            limiter.run(lambda: 1 // 0)


def test_no_more_than_n_run_at_a_time_and_no_one_within_the_limit_is_refused(tmp_path: Path) -> None:
    limiters = [Argon2Limiter(tmp_path, at_once=2, waiting=6) for _ in range(2)]  # two workers
    working = 0
    most = 0
    lock = threading.Lock()
    two_at_once = threading.Barrier(2)

    def work() -> None:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        two_at_once.wait(30)
        with lock:
            working -= 1

    threads = [threading.Thread(target=limiters[number % 2].run, args=(work,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 2


def test_over_the_limit_a_caller_is_refused_at_once(tmp_path: Path) -> None:
    limiter = Argon2Limiter(tmp_path, at_once=1, waiting=0)
    begun, done = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        done.wait(10)

    busy = threading.Thread(target=limiter.run, args=(work,))
    busy.start()
    begun.wait(10)
    with pytest.raises(QueueFullError):
        Argon2Limiter(tmp_path, at_once=1, waiting=0).run(lambda: None)
    done.set()
    busy.join()

    assert limiter.run(lambda: "free again") == "free again"


def until(is_true: Callable[[], bool]) -> None:
    """Wait until a thread of the test has come so far."""
    while not is_true():
        time.sleep(0.001)


@dataclass
class Flood:
    """Limiter whose only slot is taken, and callers who wait for this slot in threads."""

    limiter: Argon2Limiter
    served: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def come(self, since: int) -> None:
        """Let a caller come who has waited since a moment, and wait until the caller is in the queue."""
        place = QueuePlace(since, since.to_bytes(8))
        self.threads.append(threading.Thread(target=self._call, args=(place,)))
        self.threads[-1].start()
        until(lambda: place in self.limiter._queue or since in self.refused + self.served)

    def _call(self, place: QueuePlace) -> None:
        try:
            self.limiter.run(lambda: self.served.append(place.since), place)
        except QueueFullError as why:
            self.refused.append(why.place.since)

    def end(self, slot: IO[bytes]) -> None:
        """Free the slot, and wait until every caller was served or refused."""
        slot.close()
        for thread in self.threads:
            thread.join(30)


@pytest.fixture
def flood(tmp_path: Path) -> Iterator[tuple[Flood, IO[bytes]]]:
    """Return a limiter with two places to wait, and the taken slot."""
    with (tmp_path / "slot-0").open("wb") as slot:
        fcntl.flock(slot, fcntl.LOCK_EX)
        yield Flood(Argon2Limiter(tmp_path, at_once=1, waiting=2)), slot


def test_the_one_who_has_waited_longest_is_first(flood: tuple[Flood, IO[bytes]]) -> None:
    callers, slot = flood
    callers.come(30)
    callers.come(10)

    callers.end(slot)

    assert callers.served == [10, 30]


def test_someone_who_has_waited_longer_takes_the_place_of_a_newcomer(flood: tuple[Flood, IO[bytes]]) -> None:
    callers, slot = flood
    callers.come(20)
    callers.come(30)

    callers.come(10)
    until(lambda: callers.refused == [30])

    callers.end(slot)
    assert (callers.served, callers.refused) == ([10, 20], [30])


def test_a_newcomer_takes_no_place_of_someone_who_waits(flood: tuple[Flood, IO[bytes]]) -> None:
    callers, slot = flood
    callers.come(10)
    callers.come(20)

    callers.come(30)

    assert callers.refused == [30]
    callers.end(slot)
    assert callers.served == [10, 20]


def test_however_many_newcomers_come_the_one_who_waited_is_served_at_the_next_attempt(
    flood: tuple[Flood, IO[bytes]],
) -> None:
    callers, slot = flood
    for since in range(1_000, 1_050):
        callers.come(since)

    callers.come(1)
    until(lambda: 1_001 in callers.refused)

    callers.end(slot)
    assert callers.served == [1, 1_000]


def test_copies_of_a_place_push_no_one_out_of_the_queue(flood: tuple[Flood, IO[bytes]]) -> None:
    callers, slot = flood
    callers.come(20)
    callers.come(30)

    for _ in range(5):
        callers.come(10)

    callers.end(slot)
    assert callers.served == [10, 20]
    assert sorted(callers.refused) == [10, 10, 10, 10, 30]


def test_a_copy_of_a_place_whose_log_in_runs_does_not_get_into_the_queue(tmp_path: Path) -> None:
    limiter = Argon2Limiter(tmp_path, at_once=1, waiting=2)
    place = QueuePlace.new()

    def copy() -> QueuePlace:
        with pytest.raises(QueueFullError) as refused:
            limiter.run(lambda: None, place)
        return refused.value.place

    assert limiter.run(copy, place) == place
    assert limiter.run(lambda: "free again", place) == "free again"


def test_waiting_leaves_no_file_open(flood: tuple[Flood, IO[bytes]]) -> None:
    callers, slot = flood
    before = len(list(Path("/proc/self/fd").iterdir()))
    callers.come(10)

    time.sleep(0.1)  # the caller asks for the slot many times

    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
    callers.end(slot)


@pytest.mark.parametrize(
    ("last_waited", "mine_waited", "told"), [(0, 0, 10), (9, 0, 10), (25, 0, 30), (25, 20, 10), (500, 0, 60)]
)
def test_the_refused_are_told_how_long_the_last_one_waited(
    tmp_path: Path, last_waited: int, mine_waited: int, told: int
) -> None:
    limiter = Argon2Limiter(tmp_path, at_once=1, waiting=0)
    limiter.run(lambda: None, _waiting_since(last_waited))

    with (tmp_path / "slot-0").open("wb") as slot:
        fcntl.flock(slot, fcntl.LOCK_EX)
        with pytest.raises(QueueFullError) as refused:
            limiter.run(lambda: None, _waiting_since(mine_waited))

    assert refused.value.wait_seconds == told


def _waiting_since(seconds: int) -> QueuePlace:
    return QueuePlace(time.monotonic_ns() - seconds * 1_000_000_000, bytes(8))


def _hold(folder: Path, begun: Event) -> None:
    def work() -> None:
        begun.set()
        time.sleep(60)

    Argon2Limiter(folder, at_once=1, waiting=0).run(work)


def test_a_worker_that_is_killed_leaves_its_place(tmp_path: Path) -> None:
    spawn = get_context("spawn")
    begun = spawn.Event()
    worker = spawn.Process(target=_hold, args=(tmp_path, begun))
    worker.start()
    assert begun.wait(30)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()

    assert Argon2Limiter(tmp_path, at_once=1, waiting=0).run(lambda: "free") == "free"


def test_readers_have_priority_over_log_ins(tmp_path: Path) -> None:
    limiter = Argon2Limiter(tmp_path, at_once=1, waiting=0)
    before = _priority()

    assert limiter.run(_priority) == before + 1
    assert _priority() == before


def test_a_server_that_was_started_with_a_low_priority_still_opens_mailboxes(tmp_path: Path) -> None:
    """Only root may raise a priority, so the server answered each log-in with status 500."""
    found: list[int] = []

    def serve() -> None:
        os.nice(5)  # of this thread alone
        found.append(Argon2Limiter(tmp_path, at_once=1, waiting=0).run(_priority))

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()

    assert [_priority() + 6] == found


def _priority() -> int:
    """Return the niceness of this thread."""
    return os.getpriority(os.PRIO_PROCESS, 0)


# ---- places in the queue ------------------------------------------------------------------------------


def test_a_sealed_place_comes_back_as_it_was() -> None:
    place = QueuePlace.new()

    assert open_place(seal_place(place, SECRET), SECRET) == place


def test_the_longest_waiting_come_first() -> None:
    first, second = QueuePlace.new(), QueuePlace.new()

    assert sorted([second, first]) == [first, second]
    assert first.waited_seconds >= second.waited_seconds >= 0


def test_no_one_can_make_a_place_or_see_what_is_in_one() -> None:
    place = QueuePlace.new()
    sealed = [seal_place(place, SECRET) for _ in range(2)]

    assert sealed[0] != sealed[1]
    assert {len(each) for each in sealed} == {len(seal_place(QueuePlace(0, bytes(8)), SECRET))}
    for forged in ("", "x", "\ud800", sealed[0][:-4], seal_field(bytes(24), SECRET, b"practice-ticket")):
        with pytest.raises(UnreadableError):
            open_place(forged, SECRET)
    with pytest.raises(UnreadableError):
        open_place(sealed[0], os.urandom(32))


def test_a_place_is_lost_if_its_visitor_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = seal_place(QueuePlace.new(), SECRET)
    now = time.monotonic_ns()
    second = 1_000_000_000

    monkeypatch.setattr(time, "monotonic_ns", lambda: now + (queue_place.PLACE_SECONDS - 5) * second)
    again = seal_place(open_place(sealed, SECRET), SECRET)
    monkeypatch.setattr(time, "monotonic_ns", lambda: now + (queue_place.PLACE_SECONDS + 5) * second)

    with pytest.raises(UnreadableError):
        open_place(sealed, SECRET)
    assert open_place(again, SECRET)  # coming back in time keeps the place


def test_two_waits_of_one_visitor_have_nothing_in_common() -> None:
    first, second = QueuePlace.new(), QueuePlace.new()

    assert first.number != second.number
    assert first.spent_name != second.spent_name
