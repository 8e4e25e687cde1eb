import threading
import time

from journalist_app.desk.auto_lock import AutoLock
from journalist_app.services.whole_desk import unlocking
from tests.journalist_app.desk_factories import PASSPHRASE, World


class IdleClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_only_the_browser_that_unlocked_gets_the_desk(world: World) -> None:
    auto_lock = AutoLock(60, lambda: None)
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)

    token = auto_lock.admit(desk)

    assert auto_lock.desk_of(token) is desk
    assert auto_lock.desk_of(b"") is None
    assert auto_lock.desk_of(token[:-1] + bytes([token[-1] ^ 1])) is None
    auto_lock.close()


def test_unlocking_in_another_browser_locks_the_first_one_out(world: World) -> None:
    auto_lock = AutoLock(60, lambda: None)
    first_desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    first = auto_lock.admit(first_desk)

    second = auto_lock.admit(unlocking.unlock_desk(world.config, world.store, PASSPHRASE))

    assert auto_lock.desk_of(first) is None
    assert auto_lock.desk_of(second) is not None
    assert first_desk.stopping.is_set()
    auto_lock.close()


def test_an_idle_desk_is_locked_before_the_background_thread_notices(world: World) -> None:
    clock = IdleClock()
    auto_lock = AutoLock(60, lambda: None, clock=clock)
    token = auto_lock.admit(unlocking.unlock_desk(world.config, world.store, PASSPHRASE))
    clock.now = 59
    assert auto_lock.desk_of(token) is not None
    auto_lock.touch()
    clock.now = 118
    assert auto_lock.desk_of(token) is not None

    clock.now = 119

    assert auto_lock.desk_of(token) is None
    auto_lock.close()


def test_work_on_files_or_a_flood_counts_as_activity_until_it_ends(world: World) -> None:
    clock = IdleClock()
    auto_lock = AutoLock(60, lambda: None, clock=clock)
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    token = auto_lock.admit(desk)
    desk.spam_choice.is_busy = True
    for clock.now in (59, 118, 900):
        assert auto_lock.desk_of(token) is desk

    desk.spam_choice.is_busy = False
    clock.now = 959
    assert auto_lock.desk_of(token) is desk
    clock.now = 960

    assert auto_lock.desk_of(token) is None
    auto_lock.close()


def test_an_idle_desk_is_locked_and_its_worker_ends(world: World) -> None:
    ended = threading.Event()
    auto_lock = AutoLock(0.2, ended.set)
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)

    token = auto_lock.admit(desk)

    assert ended.wait(10)
    assert auto_lock.desk_of(token) is None
    assert desk.stopping.is_set()


def test_a_desk_in_use_stays_open(world: World) -> None:
    ended = threading.Event()
    auto_lock = AutoLock(5, ended.set)
    auto_lock.admit(unlocking.unlock_desk(world.config, world.store, PASSPHRASE))
    time.sleep(0.05)
    auto_lock.touch()

    assert not ended.is_set()
    auto_lock.close()
    auto_lock.close()  # a second time has no effect


def test_a_repr_shows_no_key(world: World) -> None:
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)

    assert world.keyring.strand.seed.hex() not in repr(desk)
    assert repr(world.keyring.strand.seed) not in repr(desk)
