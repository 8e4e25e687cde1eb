import threading
import time

from journalist_app.desk.auto_lock import Guard
from journalist_app.services.desk import unlocking
from tests.journalist_app.desk_factories import PASSPHRASE, World


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_only_the_browser_that_unlocked_gets_the_desk(world: World) -> None:
    guard = Guard(60, lambda: None)
    desk = unlocking.unlock(world.config, world.store, PASSPHRASE)

    token = guard.admit(desk)

    assert guard.desk_of(token) is desk
    assert guard.desk_of(b"") is None
    assert guard.desk_of(token[:-1] + bytes([token[-1] ^ 1])) is None
    guard.close()


def test_unlocking_elsewhere_puts_the_first_browser_out(world: World) -> None:
    guard = Guard(60, lambda: None)
    first_desk = unlocking.unlock(world.config, world.store, PASSPHRASE)
    first = guard.admit(first_desk)

    second = guard.admit(unlocking.unlock(world.config, world.store, PASSPHRASE))

    assert guard.desk_of(first) is None
    assert guard.desk_of(second) is not None
    assert first_desk.stopping.is_set()
    guard.close()


def test_an_idle_desk_is_closed_even_before_the_watch_comes_round(world: World) -> None:
    clock = Clock()
    guard = Guard(60, lambda: None, clock=clock)
    token = guard.admit(unlocking.unlock(world.config, world.store, PASSPHRASE))
    clock.now = 59
    assert guard.desk_of(token) is not None
    guard.touch()
    clock.now = 118
    assert guard.desk_of(token) is not None

    clock.now = 119

    assert guard.desk_of(token) is None
    guard.close()


def test_an_idle_desk_is_dropped_and_its_worker_ended(world: World) -> None:
    ended = threading.Event()
    guard = Guard(0.2, ended.set)
    desk = unlocking.unlock(world.config, world.store, PASSPHRASE)

    token = guard.admit(desk)

    assert ended.wait(10)
    assert guard.desk_of(token) is None
    assert desk.stopping.is_set()


def test_a_desk_in_use_stays_open(world: World) -> None:
    ended = threading.Event()
    guard = Guard(5, ended.set)
    guard.admit(unlocking.unlock(world.config, world.store, PASSPHRASE))
    time.sleep(0.05)
    guard.touch()

    assert not ended.is_set()
    guard.close()
    guard.close()  # twice is once


def test_nothing_of_the_keys_shows_in_a_repr(world: World) -> None:
    desk = unlocking.unlock(world.config, world.store, PASSPHRASE)

    assert world.keyring.strand.seed.hex() not in repr(desk)
    assert repr(world.keyring.strand.seed) not in repr(desk)
