"""Table of unsafe states of a machine: whether programs warn or refuse to start, and what to do.

The programs look at the table when they start, and `steunpunt check` shows each row.
"""

import pwd
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from deploy.checking.check_results import CheckResult, Level, made_or_unknown
from deploy.checking.machine_files import MachineSettings, open_to_others, private_paths
from deploy.clock import clock_days_off
from deploy.errors import UnsafeStateError
from store import letterheads
from store.database.engine import open_store
from store.errors import StoreError

_PUBLIC_PARTS = ("source", "sync")  # they watch for an older letterhead, with the serial file
_SAME = ("store_path", "letterhead_serial_path", "fingerprint")


@dataclass(frozen=True)  # no slots: `cached_property` needs a dict
class Scene:
    """Facts about this machine that decide which unsafe states it is in.

    `users` has the id of each user who runs a program of the mailbox. `is_serving` is True if the source's
    interface runs.
    """

    settings: MachineSettings
    today: date
    users: frozenset[int]
    is_serving: bool = False

    @cached_property
    def clock_days_off(self) -> tuple[date | None, date | None]:
        """Days that show that the clock is behind or ahead, as `deploy.clock` returns them. Read once."""
        with closing(open_store(self.settings.store_place)) as store:
            return clock_days_off(store, self.today)


_Found = tuple[object, ...]  # the values for the texts of a row


@dataclass(frozen=True, slots=True)
class UnsafeState:
    """Unsafe state of this machine, for example that both interfaces have the same host.

    `find` yields the values for the format strings `state` and `to_do`. If `find` yields nothing, the
    sentence `fine` is shown. If `refuses` is True, the packaged systemd units do not start in this state.
    """

    check: str
    refuses: bool
    find: Callable[[Scene], Iterable[_Found]]
    state: str
    to_do: str
    fine: str


def look_at_states(scene: Scene) -> list[CheckResult]:
    """Look for each state in the table of unsafe states.

    A state that was not found gives one result, which says so.
    """
    return [result for row in UNSAFE_STATES for result in _look(row, scene)]


def warn_or_refuse(scene: Scene, *, refuses: bool, warn: Callable[[str], object]) -> None:
    """Look for unsafe states at the start of a program, and warn of each.

    Raises:
        UnsafeStateError: `refuses` is True, and the machine is in a state in which the packaged systemd
            units must not start.
    """
    found = [each for each in look_at_states(scene) if each.level is not Level.OK]
    if not _opens(scene.settings):  # the program itself refuses this store, with a better sentence
        found = [each for each in found if each.level is not Level.UNKNOWN]
    refused = [each.sentence for each in found if each.level is not Level.WARNING]
    if refuses and refused:
        raise UnsafeStateError("\n".join(refused))
    for result in found:
        warn(f"Warning: {result.sentence}")


def _opens(settings: MachineSettings) -> bool:
    try:
        open_store(settings.store_place).close()
    except StoreError:
        return False
    return True


def _look(row: UnsafeState, scene: Scene) -> list[CheckResult]:
    level = Level.FAULT if row.refuses else Level.WARNING

    def results() -> Iterator[CheckResult]:
        is_fine = True
        for values in row.find(scene):
            is_fine = False
            yield CheckResult(row.check, level, row.state.format(*values), row.to_do.format(*values))
        if is_fine:
            yield CheckResult(row.check, Level.OK, row.fine)

    return made_or_unknown(row.check, results, "Run this as the user who owns the store.")


# ---- how each state is found -----------------------------------------------------------------------


def _one_address(scene: Scene) -> Iterator[_Found]:
    settings = scene.settings
    adviser = _host(settings.text("adviser", "bind"))
    if adviser and adviser in {_host(settings.text("source", key)) for key in ("bind", "origin")}:
        yield (adviser,)


def _host(address: str) -> str:
    """Return the host of an address such as "127.0.0.1:8080" or "http://127.0.0.1:8080"."""
    place = address.rpartition("://")[2]
    return place.rpartition(":")[0] or place


def _different_values(scene: Scene) -> Iterator[_Found]:
    for key in _SAME:
        values = scene.settings.values(key)
        if len(set(values.values())) > 1:
            yield key, " and ".join(f"[{section}]" for section in values)


def _other_owners(scene: Scene) -> Iterator[_Found]:
    owner = scene.settings.path.parent.stat().st_uid
    for path in private_paths(scene.settings):
        if (other := path.stat().st_uid) != owner:
            yield path, _user(other), _user(owner)


def _user(number: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(number).pw_name
    return str(number)


def _lost_serials(scene: Scene) -> Iterator[_Found]:
    for section in _PUBLIC_PARTS:
        path = scene.settings.file(section, "letterhead_serial_path")
        if path is not None and not path.exists() and _has_letterhead(scene.settings):
            yield (path,)
            return


def _has_letterhead(settings: MachineSettings) -> bool:
    with closing(open_store(settings.store_place)) as store, store.reading() as session:
        return letterheads.latest(session) is not None


def _clock_behind(scene: Scene) -> Iterator[_Found]:
    newest, _ = scene.clock_days_off
    if newest is not None:
        yield scene.today, newest


def _clock_ahead(scene: Scene) -> Iterator[_Found]:
    _, newest = scene.clock_days_off
    if newest is not None:
        yield scene.today, newest


def _memory_gone(scene: Scene) -> Iterator[_Found]:
    sessions = scene.settings.file("source", "sessions_path")
    if scene.is_serving and sessions is not None and not sessions.exists():
        yield (sessions.parent,)


def _runs_as_root(scene: Scene) -> Iterator[_Found]:
    if 0 in scene.users:
        yield ()


UNSAFE_STATES = (
    UnsafeState(
        "one_address",
        refuses=True,
        find=_one_address,
        state="Both interfaces have the host {0}, so the source's interface receives the adviser's cookie.",
        to_do="Write different hosts in 'bind' under [source] and [adviser]: a different port is not enough.",
        fine="The interfaces have different hosts.",
    ),
    UnsafeState(
        "different_values",
        refuses=True,
        find=_different_values,
        state="'{0}' is not the same in {1}, so parts of this machine use different stores or desks.",
        to_do="Write the same value in each section.",
        fine="All parts use the same store and the same desk.",
    ),
    UnsafeState(
        "open_files",
        refuses=True,
        find=lambda scene: open_to_others(scene.settings),
        state="Other users can read or change {0}.",
        to_do="Run: chmod {1} {0}",
        fine="No other user can read or change the files of the mailbox.",
    ),
    UnsafeState(
        "owners",
        refuses=True,
        find=_other_owners,
        state="{0} belongs to the user {1}, so the programs of the user {2} cannot use it.",
        to_do="Run as root: chown {2} {0}",
        fine="All files of the mailbox belong to one user.",
    ),
    UnsafeState(
        "letterhead_serial",
        refuses=True,
        find=_lost_serials,
        state="The file {0} is missing, so no one would notice that the store was replaced by an older copy.",
        to_do="Find out who removed it. If the store is the right one, run: steunpunt store letterhead",
        fine="The file with the letterhead's serial is in its place.",
    ),
    UnsafeState(
        "clock_behind",
        refuses=True,
        find=_clock_behind,
        state="The clock shows {0}, but something was written on {1}.",
        to_do="Correct the clock of this machine, or of the workstation that wrote on the later day.",
        fine="The clock is not behind.",
    ),
    UnsafeState(
        "clock_ahead",
        refuses=True,
        find=_clock_ahead,
        state="The clock shows {0}, and the last sign of a running program is of {1}. Mailboxes whose day of "
        "deletion has come are deleted.",
        to_do="Correct the clock. If the clock is right, run: steunpunt store sweep",
        fine="The clock is not ahead.",
    ),
    UnsafeState(
        "memory_folder",
        refuses=False,
        find=_memory_gone,
        state="The folder {0} disappeared while the source's interface runs, and all sessions have ended.",
        to_do="The program makes it again. Find out what removes it, for example RemoveIPC of systemd.",
        fine="No folder in memory disappeared while the source's interface runs.",
    ),
    UnsafeState(
        "root",
        refuses=True,
        find=_runs_as_root,
        state="A program of the mailbox runs as root, so a fault in it would give an attacker this machine.",
        to_do="Run the programs as a user of their own, such as steunpunt: see docs/operator.md.",
        fine="No program of the mailbox runs as root.",
    ),
)
