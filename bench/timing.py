"""Timing of actions: with warm-up, interleaved with a baseline, or repeated by many clients at once."""

import contextlib
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

Timed = Callable[[], float]
Client = Callable[
    [], Callable[[], bool]
]  # picklable; makes an action that returns whether the answer was right


def timed(action: Callable[[], object]) -> Timed:
    """Return an action that runs `action` and returns its seconds."""

    def measure() -> float:
        start = time.perf_counter()
        action()
        return time.perf_counter() - start

    return measure


def interleaved(repetitions: int, *actions: Timed, warm_ups: int = 1) -> list[list[float]]:
    """Return the seconds of each action.

    The actions take turns, so that a machine that becomes slower affects all of them.
    """
    seconds: list[list[float]] = [[] for _ in actions]
    for turn in range(warm_ups + repetitions):
        for action, measured in zip(actions, seconds, strict=True):
            elapsed = action()
            if turn >= warm_ups:
                measured.append(elapsed)
    return seconds


def median(seconds: Sequence[float]) -> float:
    """Return the median of the measured values."""
    return statistics.median(seconds)


def percentile(seconds: Sequence[float], share: float) -> float:
    """Return the value that a `share` (0 to 1) of the measured values do not exceed."""
    return sorted(seconds)[max(0, math.ceil(share * len(seconds)) - 1)]


@dataclass(frozen=True, slots=True)
class Load:
    """Result of several clients that repeated their actions at the same time."""

    done: int
    wrong: int
    seconds: float
    all: int  # also the first action of each client, and actions that ended too late to count

    @property
    def per_second(self) -> float:
        """Return the number of right answers in a second."""
        return self.done / self.seconds


def _repeat(client: Client, start: float, end: float) -> tuple[int, int, int]:
    action = client()
    action()  # so that the connection and the worker's caches are warm when the clock starts
    time.sleep(max(0.0, start - time.monotonic()))
    done = wrong = 0
    every = 1
    while time.monotonic() < end:
        every += 1
        if action():
            done += time.monotonic() <= end
        else:
            wrong += 1
    return done, wrong, every


@contextlib.contextmanager
def beside(clients: Sequence[Client], seconds: float) -> Iterator[Callable[[], bool]]:
    """Run each client in its own process while the `with` block runs.

    Yield a function that returns True if all clients are still running. At the end, raise the exception of a
    client, or `ValueError` if a client got a wrong answer.
    """
    with _running_clients(clients, seconds) as tasks:
        yield lambda: not any(task.done() for task in tasks)
        if any(task.result()[1] for task in tasks):
            raise ValueError("a client got a wrong answer")


def together(clients: Sequence[Client], seconds: float) -> Load:
    """Let each client repeat its action in its own process for some seconds, and count the answers."""
    with _running_clients(clients, seconds) as tasks:
        counts = [task.result() for task in tasks]
    done, wrong, every = map(sum, zip(*counts, strict=True))
    return Load(done, wrong, seconds, every)


@contextlib.contextmanager
def _running_clients(
    clients: Sequence[Client], seconds: float
) -> Iterator[list[Future[tuple[int, int, int]]]]:
    start = time.monotonic() + 1.0
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(len(clients), mp_context=context) as pool:
        yield [pool.submit(_repeat, client, start, start + seconds) for client in clients]
