"""The queue for Argon2id is bounded over all processes, and no place is lost when a worker is killed."""

import os
import signal
import threading
import time
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from source_app.argon2_limiter import Argon2Limiter
from source_app.errors import QueueFullError


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
    before = os.getpriority(os.PRIO_PROCESS, 0)

    assert limiter.run(lambda: os.getpriority(os.PRIO_PROCESS, 0)) == 10
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
