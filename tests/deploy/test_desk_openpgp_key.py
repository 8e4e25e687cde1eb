import secrets
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from crypto.passphrase import Argon2Params
from deploy import desk_openpgp_key
from deploy.desk_for_command import open_desk_for_command
from deploy.desk_openpgp_key import new_openpgp_key
from deploy.errors import DeployError
from deploy.hardening import TMPFS
from deploy.pinned_letterhead import open_letterhead
from deploy.settings.load_settings import load_config
from deploy.setup import set_up
from gpg.home import GpgHome, OpenPGPKey
from journalist_app.config import AdviserConfig
from journalist_app.services.desk_keys import change_slots
from protocol import keyring as keyrings
from protocol.errors import KeyringRefusedError
from protocol.keyring import Keyring
from protocol.letterhead import Letterhead
from source_app.config import SourceConfig
from store.database.engine import open_store

pytestmark = pytest.mark.slow

DAY = date(2026, 11, 23)
Desk = tuple[Path, str]  # the settings, and the passphrase


def _set_up(folder: Path) -> tuple[Desk, list[str]]:
    shown: list[str] = []
    said: list[str] = []
    set_up(
        folder / "config.toml",
        source_bind="127.0.0.7:18080",
        adviser_bind="127.0.0.8:18081",
        show_passphrase=shown.append,
        say=said.append,
        on_step=said.append,
    )
    return (folder / "config.toml", shown[0]), said


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return _set_up(tmp_path_factory.mktemp("made") / "var")[0]


@pytest.fixture(scope="module")
def from_before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Desk, list[str]]:
    """Set up a desk on a machine without gpg, so that the desk has no OpenPGP key."""
    with pytest.MonkeyPatch.context() as nowhere:
        nowhere.setenv("PATH", "/nowhere")
        return _set_up(tmp_path_factory.mktemp("before") / "var")


@pytest.fixture
def without(from_before: tuple[Desk, list[str]], tmp_path: Path) -> Desk:
    (settings, passphrase), _ = from_before
    return shutil.copytree(settings.parent, tmp_path / "var") / settings.name, passphrase


def _keyring(desk: Desk) -> Keyring:
    config = load_config(desk[0], "adviser", AdviserConfig)
    return keyrings.open_keyring(config.keyring_path.read_bytes(), desk[1], config.fingerprint)


def _letterhead(desk: Desk) -> Letterhead:
    config = load_config(desk[0], "source", SourceConfig)
    store = open_store(config.store_path)
    true = open_letterhead(store, config.fingerprint, config.letterhead_serial_path)
    store.close()
    return true


def _make(desk: Desk) -> list[str]:
    said: list[str] = []
    desk_openpgp_key.make_openpgp_key(desk[0], lambda: desk[1], say=said.append)
    return said


@pytest.fixture
def home() -> Iterator[GpgHome]:
    place = Path(TMPFS) / f"steunpunt-test-{secrets.token_hex(8)}"  # other runs of these tests are there too
    with GpgHome.open(place) as opened:
        yield opened
    place.rmdir()


def _both_halves_fit(desk: Desk, home: GpgHome) -> str:
    """Check that the secret key in the keyring fits the public key in the letterhead.

    Return the fingerprint.
    """
    published = _letterhead(desk)
    fingerprint = home.import_secret(_keyring(desk).openpgp)
    home.import_public(str(published.openpgp_key).encode(), fingerprint)
    assert published.openpgp_fingerprint == fingerprint
    assert home.usable_subkey(fingerprint, date(2099, 1, 1))
    return fingerprint


def test_a_new_desk_has_an_openpgp_key_and_publishes_it_in_its_letterhead(made: Desk, home: GpgHome) -> None:
    assert _both_halves_fit(made, home)


def test_set_up_leaves_no_part_of_the_key_in_memory(made: Desk) -> None:
    held = b"".join(path.read_bytes() for path in made[0].parent.iterdir())

    assert b"PRIVATE KEY" not in held
    assert not [path for path in Path(TMPFS).glob("steunpunt-*/*/private-keys-v1.d") if path.is_dir()]


def test_without_gpg_a_desk_is_made_without_a_key_and_set_up_says_so(
    from_before: tuple[Desk, list[str]],
) -> None:
    desk, said = from_before

    assert (_keyring(desk).openpgp, _letterhead(desk).openpgp_fingerprint) == ("", None)
    assert [line for line in said if "steunpunt keys make-openpgp" in line and "not installed" in line]


def test_a_desk_without_a_key_gets_one_by_one_command(without: Desk, home: GpgHome) -> None:
    before = _letterhead(without)

    said = _make(without)

    fingerprint = _both_halves_fit(without, home)
    assert desk_openpgp_key.in_fours(fingerprint) in said[0]
    assert (_letterhead(without).serial, _keyring(without).serial) == (before.serial + 1, 2)


def test_a_second_run_changes_nothing(made: Desk, tmp_path: Path) -> None:
    copy = shutil.copytree(made[0].parent, tmp_path / "var") / made[0].name, made[1]
    before = (_letterhead(copy), _keyring(copy).serial)

    said = _make(copy)

    fingerprint = desk_openpgp_key.in_fours(before[0].openpgp_fingerprint or "")
    assert said == [f"The desk has an OpenPGP key already: {fingerprint}"]
    assert (_letterhead(copy), _keyring(copy).serial) == before


def test_stopped_halfway_a_second_run_publishes_the_same_key(without: Desk, home: GpgHome) -> None:
    key = desk_openpgp_key.new_openpgp_key("Steunpunt", DAY)
    path = load_config(without[0], "adviser", AdviserConfig).keyring_path
    path.write_bytes(keyrings.seal_keyring(_keyring(without).with_openpgp(key.secret)))

    _make(without)

    assert _both_halves_fit(without, home) == key.fingerprint


def test_a_restored_older_keyring_makes_no_second_key(without: Desk) -> None:
    path = load_config(without[0], "adviser", AdviserConfig).keyring_path
    older = path.read_bytes()
    _make(without)
    published = _letterhead(without)
    path.write_bytes(older)

    with pytest.raises(DeployError, match="used a newer keyring"):
        _make(without)
    load_config(without[0], "adviser", AdviserConfig).trusted_state_path.unlink()
    with pytest.raises(DeployError, match="newest copy of the keyring"):
        _make(without)

    assert (_letterhead(without), path.read_bytes()) == (published, older)


def test_a_slot_that_was_removed_while_gpg_made_the_key_stays_removed(
    without: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: on the page Keys, a colleague's passphrase is removed while `keys make-openpgp` runs."""
    cheap, removed = Argon2Params(t=1, m_kib=8, p=1), "een zin van een collega die vertrekt"
    with open_desk_for_command(without[0], lambda: without[1]) as desk:
        change_slots.add_passphrase(desk, without[1], removed, holder="Collega", today=DAY, cost=cheap)

    def made_slowly(name: str, day: date) -> OpenPGPKey:
        with open_desk_for_command(without[0], lambda: without[1]) as desk:
            change_slots.remove_slot(desk, without[1], change_slots.slot_id(desk.keyring.slots[1]))
        return new_openpgp_key(name, day)

    monkeypatch.setattr(desk_openpgp_key, "new_openpgp_key", made_slowly)

    _make(without)

    assert _keyring(without).openpgp
    with pytest.raises(KeyringRefusedError):
        _keyring((without[0], removed))


def test_a_wrong_passphrase_changes_nothing(without: Desk) -> None:
    with pytest.raises(DeployError, match="Nothing was changed"):
        _make((without[0], "een verkeerde zin"))

    assert _letterhead(without).openpgp_fingerprint is None


def test_without_gpg_the_command_says_what_to_install(without: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(DeployError, match="not installed"):
        _make(without)

    assert _keyring(without).openpgp == ""


def test_without_a_place_for_gpg_the_command_ends_with_one_sentence(
    without: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_openpgp_key, "TMPFS", str(tmp_path / "missing"))

    with pytest.raises(DeployError, match="gpg failed"):
        _make(without)

    assert _keyring(without).openpgp == ""


def test_a_keyring_that_cannot_be_written_publishes_no_key(without: Desk) -> None:
    path = load_config(without[0], "adviser", AdviserConfig).keyring_path
    path.with_name(f"{path.name}.new").mkdir()

    with pytest.raises(DeployError, match="cannot be written"):
        _make(without)

    assert (_keyring(without).openpgp, _letterhead(without).openpgp_fingerprint) == ("", None)


def test_a_name_with_brackets_becomes_a_plain_user_id(home: GpgHome) -> None:
    key = desk_openpgp_key.new_openpgp_key("Steunpunt (extern) <integriteit>", DAY)

    home.import_public(key.public.encode(), key.fingerprint)

    assert [each["uids"] for each in home._gpg.list_keys()] == [["Steunpunt extern integriteit"]]
