"""Checks of the store: its file, its last verification and rewrite, its letterhead, and room on the disk."""

import os
import re
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from deploy.checking.check_results import CheckResult, Level, made_or_unknown
from deploy.checking.machine_files import MachineSettings
from deploy.clock import CLOSE, clocks_apart, is_too_far
from deploy.errors import LetterheadError
from deploy.noted_days import REWRITTEN, SOUND, VERIFIED, last_time, noted_day
from deploy.onion.folders import give_to_owner_of
from deploy.pinned_letterhead import inspect_letterhead
from deploy.settings.database_settings import Role, store_places
from protocol.letterhead import Letterhead
from store.database.atomic_files import replace_file
from store.database.engine import ServerPlace, open_store
from store.dialect.disk_room import free_on_disk
from store.errors import StoreError

_MANUAL = "Read 'Solve problems at the start' in docs/operator.md."
_RIGHT_USER = "Run this as the user who owns the store."
_VERIFY_DAYS = 35  # the manual says: once a month
_REWRITE_DAYS = 2
_LAST_DAYS = 30  # a disk that is full earlier than this is a fault
_SIZES = "store-sizes"  # file with the size of the store on earlier days, to see its growth
_SIZES_MAX = 31
_GIGABYTE = 1_000_000_000
_TELEPHONE = re.compile(r"\d(?:[ \xa0-]?\d){6,}")  # not the hours, such as 9:00


def make_store_checks(settings: MachineSettings, today: date) -> list[CheckResult]:
    """Return the results of all checks of the store."""
    path = settings.store_path
    return [
        *made_or_unknown("store", lambda: _store(settings), _RIGHT_USER),
        *made_or_unknown("clocks", lambda: _clocks(settings), _RIGHT_USER),
        *made_or_unknown("store_verified", lambda: _verified(settings, today), _RIGHT_USER),
        *made_or_unknown("store_rewritten", lambda: _rewritten(path, today), _RIGHT_USER),
        *made_or_unknown("letterhead", lambda: _letterhead(settings), _RIGHT_USER),
        *made_or_unknown("disk", lambda: _disk(settings, today), _RIGHT_USER),
    ]


def _store(settings: MachineSettings) -> Iterator[CheckResult]:
    path = settings.store_path
    try:
        for role, place in store_places(settings.path, path).items():
            open_store(place, of_source=role is Role.SOURCE).close()
    except StoreError as why:
        yield CheckResult("store", Level.FAULT, f"The store cannot be used: {why}.", _MANUAL)
        return
    if isinstance(settings.store_place, ServerPlace):
        yield CheckResult("store", Level.OK, "The store can be used, and has the tables of this version.")
        if path.exists():
            state = f"The old store is still in {path}. It keeps what is deleted from the database."
            yield CheckResult("store", Level.WARNING, state, f"Delete {path}.")
        return
    is_read_only = os.statvfs(path).f_flag & os.ST_RDONLY
    if is_read_only or not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        yield CheckResult(
            "store", Level.FAULT, "The store cannot be written.", "Check the disk and its mount."
        )
    else:
        yield CheckResult("store", Level.OK, "The store can be used, and has the tables of this version.")


def _clocks(settings: MachineSettings) -> Iterator[CheckResult]:
    place = settings.store_place
    if isinstance(place, Path):
        return
    with closing(open_store(place)) as store:
        apart = clocks_apart(store)
    if apart <= CLOSE:
        yield CheckResult("clocks", Level.OK, "The clocks of this machine and of the database server agree.")
        return
    state = f"The clocks of this machine and of the database server differ by {_in_words(apart)}."
    level = Level.WARNING
    if is_too_far(apart):
        level = Level.FAULT
        state = f"{state} The sweeper of this machine deletes no closed mailbox and no old backup."
    yield CheckResult(
        "clocks",
        level,
        state,
        "Correct the wrong clock, and let a service such as systemd-timesyncd set both.",
    )


def _in_words(time: timedelta) -> str:
    minutes = time // timedelta(minutes=1)
    hours, days = minutes // 60, time.days
    return f"{days} days" if days > 1 else f"{hours} hours" if hours > 1 else f"{minutes} minutes"


def _verified(settings: MachineSettings, today: date) -> Iterator[CheckResult]:
    day, result = noted_day(settings.store_path, VERIFIED)
    if result != SOUND:
        yield CheckResult(
            "store_verified",
            Level.FAULT,
            f"The store was not as it was signed on {day}.",
            "Tell the desk. After the repair, run: steunpunt store verify",
        )
        return
    for path in settings.files("trusted_state_path"):
        with suppress(FileNotFoundError):  # the adviser's interface verifies the store each day, and shows it
            checked = path.with_name("store-check.age").stat().st_mtime
            day = max(day, datetime.fromtimestamp(checked, UTC).date())
    age = (today - day).days
    state = last_time("The whole store", "verified", day, age)
    if day == date.min or age > _VERIFY_DAYS:
        yield CheckResult("store_verified", Level.WARNING, state, "Run: steunpunt store verify")
    else:
        yield CheckResult("store_verified", Level.OK, state)


def _rewritten(path: Path, today: date) -> Iterator[CheckResult]:
    day, _ = noted_day(path, REWRITTEN)
    age = (today - day).days
    state = last_time("The store", "rewritten by the sweeper", day, age)
    if day == date.min or age > _REWRITE_DAYS:
        level = Level.WARNING if day == date.min else Level.FAULT
        advice = "Let the sweeper run in the night, and look for StoreFullError in its log."
        yield CheckResult("store_rewritten", level, state, advice)
    else:
        yield CheckResult("store_rewritten", Level.OK, state)


def _letterhead(settings: MachineSettings) -> Iterator[CheckResult]:
    fingerprint = next(iter(settings.values("fingerprint").values()), "")
    serial_path = next(iter(settings.files("letterhead_serial_path")), settings.path.parent / "no-serial")
    try:
        with closing(open_store(settings.store_place)) as store:
            verified = inspect_letterhead(store, fingerprint, serial_path)
    except LetterheadError as why:
        yield CheckResult("letterhead", Level.FAULT, str(why), "Tell the desk, if this is not a new server.")
    else:
        state = (
            f"Letterhead number {verified.serial} of {verified.issued} is signed by the desk {fingerprint}."
        )
        yield CheckResult("letterhead", Level.OK, state)
        if verified.is_trial:
            state = "This is a trial desk, which can never become a real desk."
            advice = "To make a real desk, run steunpunt setup in another folder."
            yield CheckResult("letterhead", Level.WARNING, state, advice)
        yield check_telephone(verified)


def check_telephone(letterhead: Letterhead) -> CheckResult:
    """Check whether the text "How to talk to us" has a telephone number in each language."""
    without = sorted(code for code, text in letterhead.talk.items() if not _TELEPHONE.search(text))
    if not without:
        return CheckResult("telephone", Level.OK, "The texts How to talk to us have a telephone number.")
    state = (
        "Sources who have no poster cannot call the desk: the text How to talk to us has no telephone number "
        f"in {', '.join(without)}."
    )
    advice = "Ask an adviser to add the number on the page Texts for sources."
    return CheckResult("telephone", Level.WARNING, state, advice)


def _disk(settings: MachineSettings, today: date) -> Iterator[CheckResult]:
    path, place = settings.store_path, settings.store_place
    if isinstance(place, ServerPlace):
        with closing(open_store(place)) as store:
            size = store.rewrite_bytes()
        state = f"The database has {size / _GIGABYTE:.1f} GB. Watch the disk of its server there."
        yield CheckResult("disk", Level.OK, state)
        return
    free, size = free_on_disk(path), path.stat().st_size
    reserves = [table.get("reserve_bytes", 0) for table in settings.sections.values()]
    with closing(open_store(path)) as store:
        needed = max(store.rewrite_bytes(), *(each for each in reserves if isinstance(each, int)))
    room = f"The disk of the store has {free / _GIGABYTE:.1f} GB free"
    advice = "Make room on the disk, or move the store to a larger disk."
    if free <= needed:
        state = f"{room}, less than the {needed / _GIGABYTE:.1f} GB that files and the nightly rewrite need."
        yield CheckResult("disk", Level.FAULT, state, advice)
        return
    days, growth = _growth(path, size, today)
    if not days:
        state = f"{room}. How long this lasts is known after a check on another day."
        yield CheckResult("disk", Level.WARNING, state, "Run steunpunt check again tomorrow.")
        return
    left = (free - needed) * days // growth if growth > 0 else None
    state = f"{room}. At the growth of the last {days} days, this lasts {_how_long(left)}."
    if left is not None and left < _LAST_DAYS:
        yield CheckResult("disk", Level.FAULT, state, advice)
    else:
        yield CheckResult("disk", Level.OK, state)


def _how_long(days: int | None) -> str:
    return "for years" if days is None or days > 730 else f"{days} days"  # noqa: PLR2004  # two years


def _growth(path: Path, size: int, today: date) -> tuple[int, int]:
    """Write today's size of the store to a file of sizes.

    Return the days since the oldest size in the file, and the bytes by which the store grew since then.
    """
    notes = path.with_name(_SIZES)
    sizes: dict[date, int] = {}
    with suppress(FileNotFoundError, ValueError):  # without a right note, the first note is of today
        for day, written in (line.split() for line in notes.read_text("ascii").splitlines()):
            sizes[date.fromisoformat(day)] = int(written)
    sizes = {**{day: noted for day, noted in sizes.items() if day < today}, today: size}
    kept = sorted(sizes)[-_SIZES_MAX:]
    with suppress(OSError):  # a check must not fail because the disk is full
        replace_file(notes, [f"{day} {sizes[day]}\n".encode("ascii") for day in kept])
        give_to_owner_of(notes.parent, notes)
    return (today - kept[0]).days, size - sizes[kept[0]]
