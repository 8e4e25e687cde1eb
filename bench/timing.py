"""How time is taken: warmed up, interleaved with the baseline, and many clients at once."""

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
]  # picklable; makes an action that tells whether the answer was right


def timed(action: Callable[[], object]) -> Timed:
    """Return an action that says how many seconds it took."""

    def take() -> float:
        start = time.perf_counter()
        action()
        return time.perf_counter() - start

    return take


def interleaved(repetitions: int, *actions: Timed, warm_ups: int = 1) -> list[list[float]]:
    """Return the seconds of each action, taken in turns: a drift of the machine meets all alike."""
    seconds: list[list[float]] = [[] for _ in actions]
    for turn in range(warm_ups + repetitions):
        for action, taken in zip(actions, seconds, strict=True):
            once = action()
            if turn >= warm_ups:
                taken.append(once)
    return seconds


def median(seconds: Sequence[float]) -> float:
    """Return the middle of what was taken."""
    return statistics.median(seconds)


def percentile(seconds: Sequence[float], share: float) -> float:
    """Return the value that `share` (0 to 1) of the takings stay at or below."""
    return sorted(seconds)[max(0, math.ceil(share * len(seconds)) - 1)]


@dataclass(frozen=True, slots=True)
class Load:
    """What several clients did together."""

    done: int
    wrong: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Return how many right answers there were in a second."""
        return self.done / self.seconds


def _repeat(client: Client, start: float, end: float) -> tuple[int, int]:
    once = client()
    once()  # the connection and the caches of the worker are warm when the clock starts
    time.sleep(max(0.0, start - time.monotonic()))
    done = wrong = 0
    while time.monotonic() < end:
        if once():
            done += time.monotonic() <= end
        else:
            wrong += 1
    return done, wrong


@contextlib.contextmanager
def beside(clients: Sequence[Client], seconds: float) -> Iterator[Callable[[], bool]]:
    """Run the clients in processes of their own; gives a function that tells whether all are at work still.

    Raises what a client raised, and `ValueError` for a wrong answer, at the end.
    """
    with _at_work(clients, seconds) as tasks:
        yield lambda: not any(task.done() for task in tasks)
        if any(task.result()[1] for task in tasks):
            raise ValueError("a client beside got a wrong answer")


def together(clients: Sequence[Client], seconds: float) -> Load:
    """Let each client repeat its action in a process of its own for some seconds."""
    with _at_work(clients, seconds) as tasks:
        counts = [task.result() for task in tasks]
    return Load(sum(done for done, _ in counts), sum(wrong for _, wrong in counts), seconds)


@contextlib.contextmanager
def _at_work(clients: Sequence[Client], seconds: float) -> Iterator[list[Future[tuple[int, int]]]]:
    start = time.monotonic() + 1.0
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(len(clients), mp_context=context) as pool:
        yield [pool.submit(_repeat, client, start, start + seconds) for client in clients]
