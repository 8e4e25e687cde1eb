"""The outcomes of a log-in are equal on the wire: a failure, an empty mailbox, and a waiting answer."""

import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from bench import desk_servers, fill
from bench.desk_servers import Desk
from tests.proofs.http_clients import SourceClient
from tests.proofs.proof_sizes import IS_WHOLE, LOG_INS, print_result
from tests.proofs.wire.raw_http import RawAnswer, RawConnection

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

_BEST_GUESS = 0.55  # of a classifier that knows the sizes, statuses and times; chance is 0.5
_BUCKETS = 12
_ANSWERED = 8  # mailboxes with an answer, used in turn: a read receipt is written a second after the page


@dataclass(frozen=True, slots=True)
class Trial:
    """One log-in as an observer of the connection sees it: the wire, and the seconds of both answers."""

    wire: tuple[object, ...]
    seconds: tuple[float, float]


def log_in(host: str, port: int, words: str) -> Trial:
    """Log in over one connection, and fetch the page to which the answer leads."""
    with closing(RawConnection(host, port)) as connection:
        body = urlencode({"place": "", "proposal": "", "words": words.ljust(100)}).encode()
        sent = connection.ask("POST", "/en/log-in", body)
        page = connection.ask("GET", sent.header("location"), cookie=sent.header("set-cookie").split(";")[0])
        style = connection.ask("GET", "/style.css")
    wire = tuple(_wire(each) for each in (sent, page, style))
    return Trial(wire, (sent.seconds, page.seconds))


def _wire(answer: RawAnswer) -> object:
    return answer.status, answer.header_names, len(answer.head), len(answer.body)


def test_every_outcome_of_a_log_in_has_the_same_wire_and_time(tmp_path: Path) -> None:
    desk = desk_servers.set_up(tmp_path / "var")
    with desk_servers.serving(desk, "source") as server:
        address = (server.host, server.port)
        words = {
            "failure": ["these are the wrong words of no mailbox"],
            "empty": [],
            "own message": [],
            "answer": [],
        }
        for name, number in (("empty", 1), ("own message", 1), ("answer", _ANSWERED)):
            for _ in range(number):
                with SourceClient(*address) as source:
                    words[name].append(source.open_mailbox())
                    if name != "empty":
                        source.write("A message of some length. " * 40)
        for each in words["answer"]:
            fill.add_replies(desk, each, 1)
        trials: dict[str, list[Trial]] = {name: [] for name in words}
        forgotten = 0
        # The order is random, and the same is done before each log-in. Otherwise, work that another log-in
        # has left in the background would disturb some outcomes more often than others.
        for name in random.sample([*words], 4 * LOG_INS, counts=[LOG_INS] * 4):
            forgotten += _forget_read_answers(desk)
            turn = words[name][len(trials[name]) % len(words[name])]
            trials[name].append(log_in(*address, turn))
    assert forgotten >= LOG_INS - _ANSWERED
    wires = {trial.wire for each in trials.values() for trial in each}
    assert len(wires) == 1, wires
    guesses = {
        f"{one} or {other}": _best_guess(trials[one], trials[other])
        for one, other in (("failure", "empty"), ("empty", "answer"), ("own message", "answer"))
    }
    print_result(
        f"log-in: {LOG_INS} of each outcome had one wire; a classifier of the times guesses right: "
        + ", ".join(f"{pair} {right:.1%}" for pair, right in guesses.items())
    )
    if IS_WHOLE:
        assert max(guesses.values()) <= _BEST_GUESS


def _forget_read_answers(desk: Desk) -> int:
    """Remove the source's read receipts from the store, so that the answers wait again. Return how many."""
    with closing(sqlite3.connect(desk.path("source", "store_path"), timeout=30)) as store:
        store.isolation_level = None
        return store.execute("DELETE FROM entry WHERE author = 0 AND epoch = 0").rowcount


def _best_guess(one: Sequence[Trial], other: Sequence[Trial]) -> float:
    """Return how often a classifier is right that learned from one half of the trials and guesses the other.

    For each time, and for both together, the classifier compares how many trials of each outcome it has seen
    in the same bucket. It uses the feature with which it is right most often on the half that it has seen.
    """
    right = 0
    for learned in (0, 1):
        seen = (one[learned::2], other[learned::2])
        asked = (one[1 - learned :: 2], other[1 - learned :: 2])
        classifiers = [_learn(feature, *seen) for feature in _FEATURES]
        best = max(classifiers, key=lambda each: _count_right(each, *seen))
        right += _count_right(best, *asked)
    return right / (len(one) + len(other))


_FEATURES: tuple[Callable[[Trial], float], ...] = (
    lambda trial: trial.seconds[0],
    lambda trial: trial.seconds[1],
    lambda trial: sum(trial.seconds),
)


def _learn(
    feature: Callable[[Trial], float], one: Sequence[Trial], other: Sequence[Trial]
) -> Callable[[Trial], bool]:
    """Return a function that says whether a trial is of the second outcome, by the time of a feature."""
    ordered = sorted(feature(each) for each in (*one, *other))
    edges = [ordered[len(ordered) * number // _BUCKETS] for number in range(1, _BUCKETS)]

    def bucket(trial: Trial) -> int:
        return sum(feature(trial) > edge for edge in edges)

    counts = [0] * _BUCKETS
    for trial in one:
        counts[bucket(trial)] -= 1
    for trial in other:
        counts[bucket(trial)] += 1
    return lambda trial: counts[bucket(trial)] > 0


def _count_right(guess: Callable[[Trial], bool], one: Sequence[Trial], other: Sequence[Trial]) -> int:
    return sum(not guess(each) for each in one) + sum(guess(each) for each in other)
