from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec
import pytest

from crypto import keyring as keyrings
from crypto import letterhead
from crypto.keyring import Keyring, Slot
from crypto.passphrase import Argon2Params
from deploy.config import DeskConfig, load_config
from deploy.errors import LetterheadError
from deploy.pinned_letterhead import open_letterhead
from deploy.setup import first_letterhead
from store import letterheads
from store.engine import Store, create_store

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
CHEAP = Argon2Params(t=1, m_kib=8, p=1)


@dataclass
class Place:
    """A store, a desk, and what the server remembers beside the store."""

    store: Store
    keyring: Keyring
    serial_path: Path
    site_salt: bytes = bytes(16)

    def publish(self, serial: int, *, by: Keyring | None = None) -> None:
        by = by or self.keyring
        first = first_letterhead(by, load_config(EXAMPLE, "desk", DeskConfig), date(2026, 11, 23))
        one = msgspec.structs.replace(first, serial=serial, site_salt=self.site_salt)
        body, signature = letterhead.sign(one, by.desk_key)
        with self.store.writing() as session:
            letterheads.publish(session, serial, body, signature)

    def open(self) -> letterhead.Letterhead:
        return open_letterhead(self.store, self.keyring.fingerprint, self.serial_path)


def _a_keyring() -> Keyring:
    return keyrings.create("Werkstation", [Slot.for_passphrase("een", CHEAP)])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(create_store(tmp_path / "var" / "store.db"), _a_keyring(), tmp_path / "letterhead-serial")


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


def test_a_true_letterhead_with_one_word_changed_starts_nothing(place: Place) -> None:
    first = first_letterhead(place.keyring, load_config(EXAMPLE, "desk", DeskConfig), date(2026, 11, 23))
    body, signature = letterhead.sign(first, place.keyring.desk_key)
    with place.store.writing() as session:
        letterheads.publish(session, 1, body.replace(b"steunpunt", b"STEUNPUNT", 1), signature)

    with pytest.raises(LetterheadError, match="forged"):
        place.open()


def test_a_store_that_was_put_back_to_an_older_letterhead_starts_nothing(place: Place) -> None:
    place.publish(1)
    place.serial_path.write_text(f"2 {'00' * 32}\n", "ascii")

    with pytest.raises(LetterheadError, match="older than one this server has seen"):
        place.open()

    assert place.serial_path.read_text("ascii").startswith("2 ")


def test_an_older_letterhead_under_a_newer_number_starts_nothing(place: Place) -> None:
    first = first_letterhead(place.keyring, load_config(EXAMPLE, "desk", DeskConfig), date(2026, 11, 23))
    body, signature = letterhead.sign(first, place.keyring.desk_key)
    with place.store.writing() as session:
        letterheads.publish(session, 9, body, signature)
    place.serial_path.write_text(f"2 {'00' * 32}\n", "ascii")

    with pytest.raises(LetterheadError, match="older than one this server has seen"):
        place.open()


@pytest.mark.parametrize("raw", [b"", b"1", b"twee 00", b"\xff"])
def test_a_spoilt_memory_of_the_serial_starts_nothing(place: Place, raw: bytes) -> None:
    place.publish(1)
    place.serial_path.write_bytes(raw)

    with pytest.raises(LetterheadError, match="does not hold the last letterhead's serial"):
        place.open()


def test_another_passphrase_cost_or_salt_starts_nothing(place: Place) -> None:
    place.publish(1)
    place.open()
    place.site_salt = bytes(15) + b"1"
    place.publish(2)

    with pytest.raises(LetterheadError, match="changes what may never change"):
        place.open()
