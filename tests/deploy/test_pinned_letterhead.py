import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from crypto.passphrase import Argon2Params
from deploy.errors import LetterheadError
from deploy.pinned_letterhead import LetterheadWatch, open_letterhead
from deploy.settings.load_settings import DeskConfig, load_config
from deploy.setup import first_letterhead
from protocol import keyring as keyrings
from protocol import letterhead
from protocol.keyring import Keyring, Slot
from store import letterheads
from store.database.engine import Store
from tests.stores import an_empty_store

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
CHEAP = Argon2Params(t=1, m_kib=8, p=1)


@dataclass
class Place:
    """A store, a desk, and the file in which the server remembers the newest letterhead's serial."""

    store: Store
    keyring: Keyring
    serial_path: Path
    site_salt: bytes = bytes(16)

    def publish(self, serial: int, *, by: Keyring | None = None) -> None:
        by = by or self.keyring
        first = first_letterhead(by, load_config(EXAMPLE, "desk", DeskConfig), date(2026, 11, 23))
        one = msgspec.structs.replace(first, serial=serial, site_salt=self.site_salt)
        body, signature = letterhead.sign_letterhead(one, by.desk_key)
        with self.store.writing() as session:
            letterheads.add(session, serial, body, signature)

    def open(self) -> letterhead.Letterhead:
        return open_letterhead(self.store, self.keyring.fingerprint, self.serial_path)


def _a_keyring() -> Keyring:
    return keyrings.create_keyring("Werkstation", [Slot.for_passphrase("een", CHEAP)])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(an_empty_store(tmp_path / "var" / "store.db"), _a_keyring(), tmp_path / "letterhead-serial")


def test_the_newest_letterhead_is_used_and_its_serial_remembered(place: Place) -> None:
    place.publish(1)
    place.publish(3)

    assert place.open().serial == 3
    assert place.serial_path.read_text("ascii").startswith("3 ")
    assert place.open().serial == 3  # and again


def test_a_store_without_a_letterhead_starts_nothing(place: Place) -> None:
    with pytest.raises(LetterheadError, match="holds no letterhead"):
        place.open()


def test_a_letterhead_of_another_desk_starts_nothing(place: Place) -> None:
    place.publish(1, by=_a_keyring())

    with pytest.raises(LetterheadError, match="forged"):
        place.open()


def test_a_signed_letterhead_with_one_word_changed_starts_nothing(place: Place) -> None:
    first = first_letterhead(place.keyring, load_config(EXAMPLE, "desk", DeskConfig), date(2026, 11, 23))
    body, signature = letterhead.sign_letterhead(first, place.keyring.desk_key)
    with place.store.writing() as session:
        letterheads.add(session, 1, body.replace(b"steunpunt", b"STEUNPUNT", 1), signature)

    with pytest.raises(LetterheadError, match="forged"):
        place.open()


def test_a_store_restored_to_an_older_letterhead_starts_nothing(place: Place) -> None:
    place.publish(1)
    place.serial_path.write_text(f"2 {'00' * 32}\n", "ascii")

    with pytest.raises(LetterheadError, match="older than one this server has seen"):
        place.open()

    assert place.serial_path.read_text("ascii").startswith("2 ")


def test_an_older_letterhead_under_a_newer_number_starts_nothing(place: Place) -> None:
    first = first_letterhead(place.keyring, load_config(EXAMPLE, "desk", DeskConfig), date(2026, 11, 23))
    body, signature = letterhead.sign_letterhead(first, place.keyring.desk_key)
    with place.store.writing() as session:
        letterheads.add(session, 9, body, signature)
    place.serial_path.write_text(f"2 {'00' * 32}\n", "ascii")

    with pytest.raises(LetterheadError, match="older than one this server has seen"):
        place.open()


@pytest.mark.parametrize("raw", [b"", b"1", b"twee 00", b"\xff"])
def test_a_damaged_serial_file_starts_nothing(place: Place, raw: bytes) -> None:
    place.publish(1)
    place.serial_path.write_bytes(raw)

    with pytest.raises(LetterheadError, match="does not hold the last letterhead's serial"):
        place.open()


def test_another_passphrase_cost_or_salt_starts_nothing(place: Place) -> None:
    place.publish(1)
    place.open()
    place.site_salt = bytes(15) + b"1"
    place.publish(2)

    with pytest.raises(LetterheadError, match="changes parameters that may never change"):
        place.open()


@dataclass
class RunningServer:
    """A running server with a clock that the test sets."""

    place: Place
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.watch = LetterheadWatch(
            self.place.store,
            self.place.keyring.fingerprint,
            self.place.serial_path,
            self.place.open(),
            clock=lambda: self.seconds,
        )
        self.watch()

    def serial_after(self, seconds: float) -> int:
        self.seconds += seconds
        return self.watch().serial


@pytest.fixture
def running(place: Place) -> RunningServer:
    place.publish(1)
    return RunningServer(place)


def test_a_running_server_uses_a_newer_letterhead_within_a_minute_and_looks_no_more_often(
    running: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    running.place.publish(2)
    assert [1, 1, 2] == [running.serial_after(seconds) for seconds in (0, 59, 1)]
    assert running.place.serial_path.read_text("ascii").startswith("2 ")
    assert ["the desk's letterhead number 2 is in use"] == caplog.messages
    running.place.publish(3)
    assert [2, 2, 3] == [running.serial_after(seconds) for seconds in (1, 58, 1)]


def test_a_running_server_remembers_a_newer_letterhead_too(running: RunningServer) -> None:
    running.place.publish(2)
    assert 2 == running.serial_after(60)
    with running.place.store.writing() as session:
        session.execute(text("DELETE FROM letterhead WHERE serial = 2"))
    with pytest.raises(LetterheadError, match="older than one this server has seen"):
        running.place.open()


def _forged(place: Place) -> None:
    place.publish(2, by=_a_keyring())


def _put_back(place: Place) -> None:
    place.serial_path.write_text(f"7 {place.serial_path.read_text('ascii').split()[1]}\n", "ascii")


def _forgotten_and_put_back(place: Place) -> None:
    """Put an older letterhead in the store, and delete the serial that the server remembers."""
    place.serial_path.unlink()
    with place.store.writing() as session:
        session.execute(text("DELETE FROM letterhead WHERE serial = 3"))


def _with_another_salt(place: Place) -> None:
    place.site_salt = bytes(15) + b"1"
    place.publish(4)


def _with_another_salt_and_nothing_remembered(place: Place) -> None:
    place.serial_path.unlink()
    _with_another_salt(place)


def _in_no_form(place: Place) -> None:
    with place.store.writing() as session:
        comment = "steunpunt/v1/letterhead 9"
        letterheads.add(session, 9, b"{}", place.keyring.desk_key.sign(b"{}", comment))


def _gone(place: Place) -> None:
    with place.store.writing() as session:
        session.execute(text("DELETE FROM letterhead"))


def _spoilt_memory(place: Place) -> None:
    place.serial_path.write_bytes(b"\xff")


def _no_store(place: Place) -> None:
    place.store.path.rename(place.store.path.with_name("moved.db"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_forged, "is forged"),
        (_put_back, "older than one this server has seen"),
        (_forgotten_and_put_back, "older than one this server has seen"),
        (_with_another_salt, "changes parameters that may never change"),
        (_with_another_salt_and_nothing_remembered, "changes parameters that may never change"),
        (_in_no_form, "in a form that this version does not know"),
        (_gone, "holds no letterhead"),
        (_spoilt_memory, "does not hold the last letterhead's serial"),
        (_no_store, "StoreMissingError"),
    ],
)
def test_a_letterhead_that_would_start_no_server_changes_nothing_in_one_that_runs(
    place: Place, caplog: pytest.LogCaptureFixture, spoil: Callable[[Place], None], said: str
) -> None:
    for serial in (1, 3) if spoil is _forgotten_and_put_back else (1,):
        place.publish(serial)
    running = RunningServer(place)
    in_use = running.watch()
    spoil(place)
    for _ in range(3):
        assert in_use.serial == running.serial_after(60)
    assert in_use is running.watch()
    assert [
        said in line and line.endswith("The server keeps using the letterhead that it has: tell the desk.")
        for line in caplog.messages
    ] == [True]


def test_a_worker_that_is_started_later_begins_with_the_newest(place: Place) -> None:
    place.publish(1)
    at_start = place.open()
    place.publish(2)
    watch = LetterheadWatch(place.store, place.keyring.fingerprint, place.serial_path, at_start)
    assert (1, 2) == (at_start.serial, watch().serial)


def test_no_thread_waits_for_the_one_that_checks_the_store(running: RunningServer) -> None:
    running.place.publish(2)
    running.seconds += 60
    with running.watch._checking:
        assert 1 == running.watch().serial
    assert 2 == running.watch().serial


def test_workers_that_check_at_the_same_moment_remember_the_newest(place: Place) -> None:
    place.publish(1)
    place.open()

    def look(serial: int) -> int:
        place.publish(serial)
        return place.open().serial

    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(look, range(2, 30)))
    assert 29 == max(seen)
    assert place.serial_path.read_text("ascii").startswith("29 ")
