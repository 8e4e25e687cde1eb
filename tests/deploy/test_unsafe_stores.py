"""A store that could keep deleted content is refused by each command and server that opens it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crypto import age
from deploy.setup import STORE
from tests.deploy.cli.every_command import EVERY_COMMAND, command_in
from tests.deploy.two_machines import FIRST, Machine, TwoMachineDesk, a_desk

pytestmark = pytest.mark.enable_socket  # whether the adviser's port is free is looked at, on loopback

_ON_BOTH = [
    ("store", "sweep"),
    ("store", "verify"),
    ("store", "letterhead"),
    ("keys", "fingerprint"),
    ("pouch", "make", "OUT"),
    ("pouch", "apply", "POUCH"),
]
_ON_SERVER = [
    *_ON_BOTH,
    ("run", "source"),
    ("run", "sync"),
    ("server", "answer"),
    ("server", "admit", "FILE"),
    ("server", "dismiss", FIRST),
    ("backup",),
    ("server", "poster"),
    ("store", "copy", "FROM", "sqlite:///nowhere/to.db"),
]
_ON_WORKSTATION = [
    *_ON_BOTH,
    ("run", "adviser"),
    ("workstation", "sync"),
    ("workstation", "pair", "CARD", "--server", "file", "--out", "OUT"),
    ("workstation", "retire", "Werkstation 2"),
    ("report", "make", "2026"),
    ("keys", "list"),
    ("keys", "add", "--typed", "--holder", "Kluis 3"),
    ("keys", "remove", "01234567"),
    ("keys", "change-passphrase", "--typed"),
    ("keys", "make-openpgp"),
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> TwoMachineDesk:
    """Return a desk whose server and replica are not in SQLite's mode WAL."""
    made = a_desk(tmp_path_factory.mktemp("made") / "desk")
    made.pair_first()
    made.card()
    for machine in (made.server, made.first):
        with closing(sqlite3.connect(machine.settings.parent / STORE)) as store:
            store.execute("PRAGMA journal_mode=DELETE")
    return made


def _asserts_refused(desk: TwoMachineDesk, machine: Machine, words: tuple[str, ...], tmp_path: Path) -> None:
    sealed = age.encrypt(b"", [age.PQIdentity(bytes(32)).recipient])
    pouch = tmp_path / "pouch"
    pouch.write_bytes(sealed.header + sealed.payload)
    files: dict[str, str | Path] = {"FILE": desk.folder / "first.pairing", "CARD": desk.folder / "card"}
    files["FROM"] = f"sqlite://{machine.settings.parent / STORE}"
    files |= {"OUT": tmp_path / "out", "POUCH": pouch}

    sentence = machine.is_told(*(files.get(word, word) for word in words))

    assert "WAL" in sentence
    assert sentence.endswith("run: steunpunt upgrade.")
    assert "\n" not in sentence


@pytest.mark.parametrize("words", _ON_SERVER, ids=" ".join)
def test_a_server_refuses_a_store_that_is_not_in_wal_mode(
    desk: TwoMachineDesk, words: tuple[str, ...], tmp_path: Path
) -> None:
    _asserts_refused(desk, desk.server, words, tmp_path)


@pytest.mark.parametrize("words", _ON_WORKSTATION, ids=" ".join)
def test_a_workstation_refuses_a_replica_that_is_not_in_wal_mode(
    desk: TwoMachineDesk, words: tuple[str, ...], tmp_path: Path
) -> None:
    _asserts_refused(desk, desk.first, words, tmp_path)


def test_no_command_was_forgotten() -> None:
    """A new command is here, or it opens no store that exists."""
    without = {
        *(("check",), ("demo",), ("restore",), ("setup",), ("upgrade",)),
        *(("server", each) for each in ("card", "setup")),
        *(("keys", each) for each in ("confirm-copy", "copy-backup", "recover")),
        *(("onion", each) for each in ("admit", "backup", "dismiss", "publish", "restore")),
        *(("onion", each) for each in ("setup", "status", "torrc", "use-key")),
        ("workstation", "rebuild"),
        ("store", "create-roles"),
    }
    tested = {command_in(words) for words in (*_ON_SERVER, *_ON_WORKSTATION)}

    assert tested | without == set(EVERY_COMMAND)


def test_upgrade_makes_the_store_safe_again(tmp_path: Path) -> None:
    made = a_desk(tmp_path / "desk")
    made.pair_first()
    server = made.server
    with closing(sqlite3.connect(server.settings.parent / STORE)) as store:
        store.execute("PRAGMA journal_mode=DELETE")

    server.does("upgrade")

    assert "entries verified" in server.does("store", "verify")
