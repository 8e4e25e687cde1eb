"""A server and its workstations, set up with the commands, and synced by files that a person carries."""

import os
import shlex
import shutil
import stat
import sys
import threading
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest

from deploy.cli.store_commands import damaged_rows_in
from deploy.desk_for_command import open_desk_for_command
from deploy.exit_codes import ExitCode
from deploy.onion import clients
from deploy.onion.onion_keys import OnionKey
from deploy.pairing.server_key import read_server_key
from deploy.serving.topology import parts_to_run
from deploy.settings.backup_settings import BackupConfig
from deploy.settings.check_settings import CheckConfig
from deploy.settings.load_settings import load_config, sections_in
from deploy.settings.onion_settings import OnionConfig
from deploy.settings.settings_text import EXAMPLE, from_example, with_key
from deploy.settings.sync_settings import SyncConfig
from deploy.setup import KEYRING, STORE
from deploy.syncing.pending_at_server import apply_pending_now, apply_pending_until_stopped
from journalist_app.config import AdviserConfig
from protocol.keyring import open_keyring
from protocol.pouch.pouch_file import SERVER, PouchHead, PouchWriter, lowest_serial
from protocol.pouch.pouch_items import RecordItem
from source_app.config import SourceConfig
from store import mailboxes, peers
from tests.deploy.two_machines import (
    FIRST,
    PASSPHRASE,
    Machine,
    TwoMachineDesk,
    a_desk,
    carry,
    newest,
    texts_held,
)
from tests.journalist_app.desk_factories import ASource
from tests.small_disk import CAN_MOUNT, a_small_disk
from web.dates import half_hour_now, utc_today

pytestmark = pytest.mark.enable_socket  # whether the adviser's port is free is looked at, on loopback


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> TwoMachineDesk:
    """Make one desk, which each test copies."""
    return a_desk(tmp_path_factory.mktemp("made") / "desk")


@pytest.fixture(scope="module")
def made_and_paired(made: TwoMachineDesk, tmp_path_factory: pytest.TempPathFactory) -> TwoMachineDesk:
    copy = made.copied(tmp_path_factory.mktemp("paired") / "desk")
    copy.pair_first()
    return copy


@pytest.fixture
def desk(made: TwoMachineDesk, tmp_path: Path) -> TwoMachineDesk:
    return made.copied(tmp_path / "desk")


@pytest.fixture
def paired(made_and_paired: TwoMachineDesk, tmp_path: Path) -> TwoMachineDesk:
    return made_and_paired.copied(tmp_path / "desk")


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    return tmp_path / "stick.pouch"


_AGE_KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"


# ---- setting up ------------------------------------------------------------------------------------


def test_a_server_is_set_up_without_any_key_of_the_desk(desk: TwoMachineDesk) -> None:
    folder = desk.server.settings.parent

    assert sections_in(desk.server.settings) == {"source", "onion", "sync", "backup", "check"}
    kept = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert {name: mode for name, mode in kept.items() if "-" not in name} == {
        "config.toml": 0o600,
        "server.key": 0o600,
        "store.db": 0o600,
    }
    before = (folder / "server.key").read_bytes()
    said = desk.server.does("server", "setup", desk.keyring.fingerprint)
    assert (folder / "server.key").read_bytes() == before
    assert said.startswith("Nothing was changed: ")
    assert "is set up in" not in said


def test_a_server_with_an_onion_needs_no_change_of_its_settings(desk: TwoMachineDesk, tmp_path: Path) -> None:
    made = Machine(tmp_path / "onion" / "config.toml", desk.keyring.fingerprint)

    made.does("server", "setup", desk.keyring.fingerprint, "--onion", "--backup-to", _AGE_KEY)

    source, onion = (
        load_config(made.settings, *each) for each in (("source", SourceConfig), ("onion", OnionConfig))
    )
    assert source.onion_socket == "/run/steunpunt/source.sock"
    assert load_config(made.settings, "sync", SyncConfig).bind == f"unix:{onion.sync_socket}"
    assert load_config(made.settings, "backup", BackupConfig).age_recipients == (_AGE_KEY,)
    assert load_config(made.settings, "check", CheckConfig).log_paths == (Path("/var/log/tor/notices.log"),)


def test_a_server_whose_backups_no_one_could_open_is_not_set_up(desk: TwoMachineDesk, tmp_path: Path) -> None:
    made = Machine(tmp_path / "onion" / "config.toml", desk.keyring.fingerprint)

    assert "not an age" in made.is_told(
        "server", "setup", desk.keyring.fingerprint, "--backup-to", f"{_AGE_KEY[:-1]}q"
    )
    assert not made.settings.exists()


def test_a_server_for_no_desk_is_not_set_up(tmp_path: Path) -> None:
    stranger = Machine(tmp_path / "var" / "config.toml", "RW")

    assert "not the fingerprint of a desk" in stranger.is_told("server", "setup", "RWrong")
    assert not stranger.settings.exists()


def test_everyone_can_read_the_files_that_a_person_carries_for_a_pairing(desk: TwoMachineDesk) -> None:
    """Fault: a copy kept mode 600, and root had brought it, so the server's user could not read it."""
    desk.pair_first()

    carried = (desk.card(), desk.folder / "first.pairing")

    assert [0o644, 0o644] == [stat.S_IMODE(path.stat().st_mode) for path in carried]


def test_a_server_starts_nothing_before_the_desks_letterhead_is_there(desk: TwoMachineDesk) -> None:
    for part in ("source", "sync"):
        assert "holds no letterhead: pair" in desk.server.is_told("run", part)


def test_a_card_is_one_line_and_the_same_each_time(desk: TwoMachineDesk) -> None:
    card = desk.server.does("server", "card")

    assert card.startswith("steunpunt-card/1 ")
    assert card.count("\n") == 1
    assert desk.server.does("server", "card") == card
    key = desk.server.settings.with_name("server.key")
    key.unlink()
    assert desk.server.does("server", "card") != card


def test_the_set_up_of_a_server_also_writes_its_card_file(made: TwoMachineDesk, tmp_path: Path) -> None:
    server = Machine(tmp_path / "var" / "config.toml", made.keyring.fingerprint)
    words = ("server", "setup", made.keyring.fingerprint, "--card")
    assert "in which this user can write" in server.is_told(*words, tmp_path / "nowhere" / "card")
    assert not server.settings.parent.exists()

    said = server.does(*words, tmp_path / "card")

    assert f"bring {tmp_path / 'card'} to the workstation" in said
    server.does("server", "card", "--out", tmp_path / "same")
    server.does(*words, tmp_path / "again")
    written = [(tmp_path / name).read_bytes() for name in ("card", "same", "again")]
    assert [written[0]] * 3 == written


def test_a_new_server_has_an_empty_store_with_nothing_to_verify(desk: TwoMachineDesk) -> None:
    noted = (desk.server.settings.parent / "last-verified").read_text("ascii")

    assert f"{utc_today()} sound\n" == noted
    assert "The whole store was last verified" in desk.server.types("check").output


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(lambda key: key.chmod(0o644), "can be read by others", id="exposed"),
        pytest.param(lambda key: key.write_bytes(b"short"), "not a server key of 64 bytes", id="damaged"),
    ],
)
def test_a_spoilt_server_key_is_told(
    desk: TwoMachineDesk, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(desk.server.settings.with_name("server.key"))

    assert said in desk.server.is_told("server", "card")


def test_pairing_makes_a_workstation_of_one_machine(desk: TwoMachineDesk) -> None:
    settings = desk.first.settings
    settings.write_text(settings.read_text("utf-8").replace("idle_minutes = 15", "idle_minutes = 7"), "utf-8")

    desk.pair_first()

    assert sections_in(settings) == {"desk", "adviser", "check"}
    config = load_config(settings, "adviser", AdviserConfig)
    assert (config.server, config.idle_minutes) == ("file", 7)
    assert "# The desk's name, as sources see it." in settings.read_text("utf-8")
    assert not settings.with_name("config.toml.trial").exists()


def test_what_was_there_before_pairing_goes_to_the_server(desk: TwoMachineDesk, stick: Path) -> None:
    world = desk.world(desk.first)
    world.store.close()
    at_first = TwoMachineDesk(desk.folder, desk.keyring, desk.first, desk.first)
    at_first.a_source_writes("from when it was one machine")

    desk.pair_first()
    carry(desk.first, desk.server, stick)

    assert len(texts_held(desk.server)) == 1
    assert texts_held(desk.server) == texts_held(desk.first)


def test_a_way_that_is_none_is_refused_and_changes_nothing(desk: TwoMachineDesk) -> None:
    before = desk.first.settings.read_bytes()

    said = desk.first.is_told("workstation", "pair", desk.card(), "--server", "telnet:somewhere")

    assert 'The server must be "file", or onion:' in said
    assert desk.first.settings.read_bytes() == before


def test_a_wrong_passphrase_pairs_nothing(desk: TwoMachineDesk) -> None:
    before = desk.first.settings.read_bytes()

    done = desk.first.types("workstation", "pair", desk.card(), "--server", "file", passphrase="another one")

    assert (done.exit_code, desk.first.settings.read_bytes()) == (1, before)
    assert "The passphrase does not fit" in done.output


@pytest.mark.parametrize("content", [b"", b"steunpunt-card/1 YQ age1pq1x\n", b"\xff"])
def test_what_is_no_card_is_refused(desk: TwoMachineDesk, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "card").write_bytes(content)

    assert "is not a card file" in desk.first.is_told(
        "workstation", "pair", tmp_path / "card", "--server", "file"
    )


def with_an_onion_endpoint(server: Machine, folder: Path, way: str = "torrc") -> Path:
    """Give a server an onion service for sync. Return the folder with the keys of its workstations."""
    folder.mkdir()
    text = server.settings.read_text("utf-8")
    for key, value in (("folder", str(folder)), ("way", way), ("sync_socket", str(folder / "sync.sock"))):
        text = with_key(text, "onion", key, value)
    server.settings.write_text(text, "utf-8")
    return load_config(server.settings, "onion", OnionConfig).clients_folder


def test_an_onion_gets_a_key_that_only_the_workstation_has(desk: TwoMachineDesk, tmp_path: Path) -> None:
    host = OnionKey.draw().host
    keys = with_an_onion_endpoint(desk.server, tmp_path / "tor")

    desk.pair_first(f"onion:{host}")

    secret = desk.first.settings.parent / "onion-auth" / "steunpunt-sync.auth_private"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert secret.read_text("ascii").startswith(f"{host.removesuffix('.onion')}:descriptor:x25519:")
    (name,) = clients.admitted_clients(keys)
    assert name == desk.keyring.strand.id.hex()
    private = secret.read_text("ascii").strip().rpartition(":")[2]
    assert private not in (desk.folder / "first.pairing").read_text("ascii")

    said = desk.server.does("server", "dismiss", FIRST)
    assert clients.admitted_clients(keys) == {}
    assert "the desk must retire it" in said
    assert "systemctl restart tor" in said  # a reload would leave its connection open


def test_with_the_control_port_no_one_is_asked_to_restart_tor(desk: TwoMachineDesk, tmp_path: Path) -> None:
    keys = with_an_onion_endpoint(desk.server, tmp_path / "onion", way="control")
    words = ["--server", f"onion:{OnionKey.draw().host}", "--out", desk.folder / "first.pairing"]
    desk.first.does("workstation", "pair", desk.card(), *words)

    said = [desk.server.does("server", *each) for each in (("admit", words[-1]), ("dismiss", FIRST))]

    assert ["applies it by itself" in each for each in said] == [True, True]
    assert not any("systemctl" in each for each in said)
    assert clients.admitted_clients(keys) == {}


WRONG_ONION = "onion:tu65btplhtb2mxt4qvcr7ly7a4upguwit4cptdwqldw3ec4iz35fpeqd.onion"  # its first letter


def content_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_one_wrong_letter_in_the_onion_address_writes_nothing(paired: TwoMachineDesk) -> None:
    copy, card = paired.copy_of_keyring(), paired.card()
    new = ["--server", WRONG_ONION, "--fingerprint", paired.keyring.fingerprint]
    out = ["--out", paired.folder / "made.pairing"]
    before = content_of(paired.folder)

    said = [
        paired.first.is_told("workstation", "pair", card, "--server", WRONG_ONION, *out),
        paired.machine("new").is_told(
            "workstation", "pair", card, *new, *out, "--keyring", copy, "--name", "Werkstation 2"
        ),
        paired.machine("new").is_told("workstation", "rebuild", copy, card, *new, *out),
    ]

    assert ["There is a typing error in the address" in each for each in said] == [True] * 3
    assert content_of(paired.folder) == before


def test_an_onion_key_for_a_server_without_an_onion_for_sync_is_reported(desk: TwoMachineDesk) -> None:
    desk.first.does(
        "workstation",
        "pair",
        desk.card(),
        "--server",
        f"onion:{OnionKey.draw().host}",
        "--out",
        desk.folder / "first.pairing",
    )

    assert "see sync_socket under" in desk.server.does("server", "admit", desk.folder / "first.pairing")


# ---- admitting -------------------------------------------------------------------------------------


def test_another_desks_workstation_is_not_admitted(paired: TwoMachineDesk, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = a_desk(tmp_path / "other")
    other.pair_first()

    said = paired.server.is_told("server", "admit", tmp_path / "other" / "first.pairing")

    assert "is not this desk's. Nothing was changed" in said


def test_a_changed_pairing_file_is_not_admitted(desk: TwoMachineDesk) -> None:
    desk.first.does(
        "workstation", "pair", desk.card(), "--server", "file", "--out", desk.folder / "first.pairing"
    )
    path = desk.folder / "first.pairing"
    path.write_bytes(path.read_bytes().replace(b'"onion_client":""', b'"onion_client":"' + b"A" * 52 + b'"'))

    assert "was not made by the workstation that it names" in desk.server.is_told("server", "admit", path)
    path.write_bytes(path.read_bytes()[:-1])
    assert "is not a pairing file" in desk.server.is_told("server", "admit", path)
    assert "holds no letterhead" in desk.server.is_told("run", "sync")


def test_a_letterhead_older_than_one_the_server_has_seen_is_not_admitted(paired: TwoMachineDesk) -> None:
    """Attack: someone empties the server's store, and admits the first pairing file again."""
    paired.publishes(paired.server, answer_working_days=9)
    paired.server.does("store", "letterhead")
    store = paired.server.store()
    paired.world(paired.server).execute("DELETE FROM letterhead")
    store.close()

    said = paired.server.is_told("server", "admit", paired.folder / "first.pairing")

    assert "holds no letterhead" in said


def test_a_letterhead_swapped_in_the_servers_database_stops_everything(
    paired: TwoMachineDesk, stick: Path
) -> None:
    paired.first.does("pouch", "make", stick)
    world = paired.world(paired.server)
    world.execute("UPDATE letterhead SET body = replace(body, 'Werkstation 1', 'Werkstation 9')")
    world.store.close()

    said = paired.server.is_told("pouch", "apply", stick)

    assert "must not be used" in said
    assert "tell the desk by telephone" in said
    assert "is forged" in paired.server.is_told("server", "card")


def test_the_same_pairing_twice_changes_nothing(paired: TwoMachineDesk) -> None:
    store = paired.server.store()
    before = peers_of(paired.server)

    paired.server.does("server", "admit", paired.folder / "first.pairing")

    assert peers_of(paired.server) == before
    store.close()


@pytest.mark.parametrize(
    "damage",
    ["UPDATE peer SET name = 'no bytes'", "UPDATE peer SET card = x'00ff'", "UPDATE peer SET card = 1.5"],
)
def test_damaged_keys_of_the_server_are_reported_and_replaced_by_pairing_again(
    paired: TwoMachineDesk, stick: Path, damage: str
) -> None:
    paired.a_source_writes()
    world = paired.world(paired.first)
    world.execute(damage)
    world.store.close()
    assert "do not know each other" in paired.first.is_told("pouch", "make", stick)

    paired.pair_first()
    carry(paired.server, paired.first, stick)

    assert texts_held(paired.first) == texts_held(paired.server)
    assert damaged_rows_in(paired.first.settings.parent / STORE) == []


def peers_of(machine: Machine) -> list[peers.Peer]:
    store = machine.store()
    with store.reading() as session:
        found = list(peers.all_peers(session))
    store.close()
    return found


def test_admit_needs_a_file_and_dismiss_a_name_that_is_known(paired: TwoMachineDesk) -> None:
    assert paired.server.types("server", "admit").exit_code == 2
    assert "Which workstation?" in paired.server.is_told("server", "dismiss", "Nobody")


# ---- by stick --------------------------------------------------------------------------------------


def test_messages_of_sources_arrive_by_stick_and_answers_go_back(paired: TwoMachineDesk, stick: Path) -> None:
    source = paired.a_source_writes("hello", file=("a.pdf", b"x" * 100_000))

    assert "new items" in carry(paired.server, paired.first, stick)
    assert texts_held(paired.first) == texts_held(paired.server)
    paired.is_answered(source, paired.first)
    carry(paired.first, paired.server, stick)

    assert texts_held(paired.server) == texts_held(paired.first)
    assert len(texts_held(paired.server)) == 2


def test_a_pouch_that_is_brought_twice_is_reported(paired: TwoMachineDesk, stick: Path) -> None:
    paired.a_source_writes()
    carry(paired.server, paired.first, stick)

    assert "was applied before. Nothing was changed." in paired.first.does("pouch", "apply", stick)


def test_a_stick_that_is_lost_loses_nothing(paired: TwoMachineDesk, stick: Path) -> None:
    paired.a_source_writes("this was on the stick that was lost")
    paired.server.does("pouch", "make", stick)
    stick.unlink()
    paired.a_source_writes("and this came after")

    carry(paired.server, paired.first, stick)

    assert texts_held(paired.first) == texts_held(paired.server)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(lambda raw: raw[:-1], "damaged, cut off", id="truncated"),
        pytest.param(lambda raw: raw[:-50] + bytes([raw[-50] ^ 1]) + raw[-49:], "damaged, cut", id="flipped"),
        pytest.param(lambda raw: raw + b"x", "damaged, cut off", id="trailing"),
        pytest.param(lambda _: b"", "damaged, cut off", id="empty"),
        pytest.param(lambda _: b"a letter", "damaged, cut off", id="another file"),
    ],
)
def test_a_damaged_pouch_is_refused_completely(
    paired: TwoMachineDesk, stick: Path, spoil: Callable[[bytes], bytes], said: str
) -> None:
    paired.a_source_writes()
    paired.server.does("pouch", "make", stick)
    whole = stick.read_bytes()
    stick.write_bytes(spoil(whole))

    assert said in paired.first.is_told("pouch", "apply", stick)
    assert texts_held(paired.first) == set()
    stick.write_bytes(whole)
    assert "new items" in paired.first.does("pouch", "apply", stick)


def test_another_desks_pouch_is_refused(paired: TwoMachineDesk, tmp_path: Path, stick: Path) -> None:
    (tmp_path / "other").mkdir()
    other = a_desk(tmp_path / "other")
    other.pair_first()
    other.server.does("pouch", "make", stick)

    assert "made for another machine" in paired.first.is_told("pouch", "apply", stick)


def to_come() -> int:
    """Return the serial of a future pouch, one of tomorrow."""
    return lowest_serial(half_hour_now() + 48)


def a_pouch(paired: TwoMachineDesk, seed: bytes | None = None, **changes: object) -> bytes:
    """Make a pouch for the first workstation that our program would never make, such as with a false head."""
    key = read_server_key(paired.server.settings.with_name("server.key"))
    head = PouchHead(
        desk=paired.keyring.fingerprint,
        sender=SERVER,
        receiver=paired.keyring.strand.id,
        serial=to_come(),
        after=0,
        taken=0,
        day=utc_today(),
    )
    head = msgspec.structs.replace(head, **changes)
    packer = PouchWriter(head, paired.keyring.epochs[1].recipient, seed or key.seed)
    return b"".join(
        (
            packer.header,
            packer.add(RecordItem("casefile", b"x", 1, (), is_dropped=False, sealed=b"")),
            *packer.finish(),
        )
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"desk": "RWsomebodyelse"}, "another desk's", id="another desk's"),
        pytest.param({"receiver": b"8 bytes."}, "is for another machine", id="for another workstation"),
        pytest.param({"day": utc_today() + timedelta(days=365)}, "one of the two clocks", id="a year ahead"),
        pytest.param({"seed": bytes(32)}, "not made by the machine that it names", id="forged"),
    ],
)
def test_a_pouch_with_a_wrong_head_or_writer_is_refused(
    paired: TwoMachineDesk, stick: Path, changes: dict[str, object], said: str
) -> None:
    stick.write_bytes(a_pouch(paired, **changes))  # type: ignore[arg-type]  # of several types

    assert said in paired.first.is_told("pouch", "apply", stick)


def test_a_pouch_of_a_later_version_is_refused(
    paired: TwoMachineDesk, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setattr("protocol.pouch.pouch_file._VERSION", b"steunpunt-pouch/2\n")
        stick.write_bytes(a_pouch(paired))

    assert "by a newer version of the program" in paired.first.is_told("pouch", "apply", stick)


def test_a_pouch_that_comes_early_is_kept_until_the_missing_one_is_applied(
    paired: TwoMachineDesk, stick: Path
) -> None:
    paired.a_source_writes()
    stick.write_bytes(a_pouch(paired, after=to_come() - 1))

    assert "came early" in paired.first.does("pouch", "apply", stick)
    folder = paired.first.settings.parent / "pending"
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, *folder.iterdir())] == [0o700, 0o600]

    stick.write_bytes(a_pouch(paired, serial=to_come() - 1))
    said = paired.first.does("pouch", "apply", stick)
    assert "had come early and were applied now: 1" in said
    assert list(folder.iterdir()) == []


def an_ssh_to(server: Machine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the program `ssh` by one that answers as the server does, without a connection."""
    folder.mkdir()
    program = folder / "ssh"
    run = shlex.join(
        [sys.executable, "-m", "deploy.cli.main", "--settings", str(server.settings), "server", "answer"]
    )
    program.write_text(f"#!/bin/sh\ncd {shlex.quote(str(EXAMPLE.parent))} && exec {run}\n", "utf-8")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def forgets_pouches_of(machine: Machine, name: bytes) -> None:
    """Make a store forget that it applied any pouch of a peer, as after a restored backup."""
    store = machine.store()
    with store.writing() as session:
        peers.mark_applied(session, name, 0, utc_today())
    store.close()


def pending_at(machine: Machine) -> list[str]:
    return [path.name for path in (machine.settings.parent / "pending").iterdir()]


@pytest.fixture
def on_ssh(desk: TwoMachineDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TwoMachineDesk:
    """Pair a workstation over SSH, and sync until each end has applied a pouch of the other."""
    an_ssh_to(desk.server, tmp_path / "bin", monkeypatch)
    desk.pair_first("ssh:server")
    desk.first.does("workstation", "sync")
    desk.first.does("workstation", "sync")
    return desk


@pytest.mark.slow
def test_a_pending_pouch_at_a_workstation_is_applied_by_the_next_sync(
    on_ssh: TwoMachineDesk, stick: Path
) -> None:
    on_ssh.a_source_writes()
    forgets_pouches_of(on_ssh.first, SERVER)
    assert "came early" in carry(on_ssh.server, on_ssh.first, stick, "--to", FIRST)
    assert len(pending_at(on_ssh.first)) == 1

    on_ssh.first.does("workstation", "sync")

    assert pending_at(on_ssh.first) == []
    assert texts_held(on_ssh.first) == texts_held(on_ssh.server) != set()


@pytest.mark.slow
def test_a_pouch_that_is_still_pending_after_a_sync_is_reported(on_ssh: TwoMachineDesk, stick: Path) -> None:
    stick.write_bytes(a_pouch(on_ssh, after=to_come() - 1))
    on_ssh.first.does("pouch", "apply", stick)

    assert "still wait for a missing one: 1." in on_ssh.first.does("workstation", "sync")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["once", "beside"])
def test_a_pending_pouch_at_a_server_is_applied_by_its_sweeper(
    on_ssh: TwoMachineDesk, stick: Path, how: str
) -> None:
    forgets_pouches_of(on_ssh.server, on_ssh.keyring.strand.id)
    assert "came early" in carry(on_ssh.first, on_ssh.server, stick)
    on_ssh.server.does("store", "sweep")
    assert len(pending_at(on_ssh.server)) == 1  # the earlier one has not arrived
    on_ssh.first.does("workstation", "sync")
    assert len(pending_at(on_ssh.server)) == 1  # no workstation waits for that

    if how == "once":
        on_ssh.server.does("store", "sweep")
    else:
        stop = threading.Event()
        stop.set()
        apply_pending_until_stopped(on_ssh.server.settings, stop)

    assert pending_at(on_ssh.server) == []


def test_a_fault_that_keeps_pouches_pending_is_logged_once_and_stops_no_sweep(
    paired: TwoMachineDesk, caplog: pytest.LogCaptureFixture
) -> None:
    paired.server.settings.with_name("server.key").unlink()

    said = apply_pending_now(paired.server.settings)
    assert apply_pending_now(paired.server.settings, said) == said
    assert "Destroyed" in paired.server.does("store", "sweep")

    assert "There is no server key in" in said
    assert [said in each for each in caplog.messages] == [True]


def test_a_machine_does_not_apply_its_own_pouch(paired: TwoMachineDesk, stick: Path) -> None:
    paired.first.does("pouch", "make", stick)

    assert "damaged, cut off, or made for another machine" in paired.first.is_told("pouch", "apply", stick)


def test_a_stick_that_cannot_be_written_gets_one_sentence(paired: TwoMachineDesk, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()

    said = paired.first.is_told("pouch", "make", tmp_path / "nowhere" / "a.pouch")

    assert "nowhere is not a folder in which this user can write" in said


def test_a_workstation_that_was_never_paired_has_no_one_to_send_to(desk: TwoMachineDesk, stick: Path) -> None:
    assert "do not know each other" in desk.first.is_told("pouch", "make", stick)
    assert "This is one machine" in desk.first.is_told("workstation", "sync")
    assert "Which workstation? This machine knows: none yet." in first_letterhead_only(desk).is_told(
        "pouch", "make", stick
    )


def first_letterhead_only(desk: TwoMachineDesk) -> Machine:
    """Return a server that has forgotten its only workstation."""
    desk.pair_first()
    desk.server.does("server", "dismiss", FIRST)
    return desk.server


def test_a_workstation_paired_by_hand_cannot_sync_over_a_connection(paired: TwoMachineDesk) -> None:
    assert "has no connection to its server" in paired.first.is_told("workstation", "sync")


@pytest.mark.skipif(not CAN_MOUNT, reason="only root may mount a small disk")
def test_a_full_stick_holds_no_incomplete_pouch(paired: TwoMachineDesk) -> None:
    paired.a_source_writes(file=("a.pdf", b"x" * 3_000_000))
    with a_small_disk("2m") as disk:
        said = paired.server.is_told("pouch", "make", disk / "a.pouch")
        assert "Nothing is lost" in said
        assert list(disk.iterdir()) == []


def test_without_room_for_files_everything_received_before_is_kept(
    paired: TwoMachineDesk, stick: Path
) -> None:
    settings = paired.first.settings
    text = settings.read_text("utf-8")
    full = text.replace("store_bytes = 200_000_000_000", "store_bytes = 1_000_000")
    paired.a_source_writes("small")
    paired.a_source_writes("large", file=("a.pdf", b"x" * 3_000_000))
    paired.server.does("pouch", "make", stick)

    settings.write_text(full, "utf-8")
    assert "There is no room for files left" in paired.first.is_told("pouch", "apply", stick)
    settings.write_text(text, "utf-8")
    paired.first.does("pouch", "apply", stick)

    assert texts_held(paired.first) == texts_held(paired.server)


# ---- several workstations ---------------------------------------------------------------------------


def test_a_second_workstation_reads_and_answers_with_its_own_strand(
    paired: TwoMachineDesk, stick: Path
) -> None:
    source = paired.a_source_writes()
    second = paired.second()

    carry(paired.server, second, stick, "--to", "Werkstation 2")
    assert texts_held(second) == texts_held(paired.server)
    with open_desk_for_command(second.settings, lambda: PASSPHRASE) as open_desk:
        keyring = open_desk.keyring
    assert keyring.strand.id != paired.keyring.strand.id
    world = paired.world(second, keyring)
    type(source)(world, source.keys).is_answered("from the second", day=utc_today())
    world.store.close()
    carry(second, paired.server, stick)
    carry(paired.server, paired.first, stick, "--to", FIRST)

    assert texts_held(paired.first) == texts_held(second)
    assert sections_in(second.settings) == {"adviser", "check"}


@pytest.mark.parametrize("is_missing", [True, False])
def test_a_lost_trusted_state_is_reported_by_the_command_that_opens_the_desk(
    paired: TwoMachineDesk, stick: Path, *, is_missing: bool
) -> None:
    first = paired.first
    source = paired.a_source_writes()
    carry(paired.server, first, stick)
    paired.is_answered(source, first)
    assert "trusted-state.age" not in first.types("pouch", "make", stick).stderr
    path = load_config(first.settings, "adviser", AdviserConfig).trusted_state_path
    if is_missing:
        path.unlink()
    else:
        path.write_bytes(b"damaged")
    told = first.types("pouch", "make", stick)
    assert told.exit_code == 0
    assert "trusted-state.age is missing or damaged" in told.stderr


def test_a_server_with_two_workstations_asks_for_which_one(paired: TwoMachineDesk, stick: Path) -> None:
    paired.second()

    said = paired.server.is_told("pouch", "make", stick)

    assert "Which workstation?" in said
    assert '"Werkstation 2"' in said


def test_a_workstation_that_was_not_admitted_is_refused(paired: TwoMachineDesk, stick: Path) -> None:
    second = paired.second(admit=False)
    second.does("pouch", "make", stick)

    assert "does not name the workstation that made this" in paired.server.is_told("pouch", "apply", stick)


@pytest.mark.parametrize("name", [FIRST, FIRST.upper(), FIRST.replace(" ", "  ")])
def test_two_workstations_cannot_have_names_that_look_the_same(paired: TwoMachineDesk, name: str) -> None:
    words = ["--keyring", paired.copy_of_keyring(), "--fingerprint", paired.keyring.fingerprint]

    said = paired.machine("second").is_told(
        "workstation", "pair", paired.card(), "--server", "file", "--name", name, *words
    )

    assert "has this name already" in said


@pytest.mark.parametrize("name", ["\u3164", "Werkstation\ufe0f 3", "Werk\nstation", " "])
def test_a_name_of_a_workstation_hides_no_character(paired: TwoMachineDesk, name: str) -> None:
    words = ["--keyring", paired.copy_of_keyring(), "--fingerprint", paired.keyring.fingerprint]

    said = paired.machine("second").is_told(
        "workstation", "pair", paired.card(), "--server", "file", "--name", name, *words
    )

    assert "visible characters" in said


def test_a_new_workstation_needs_a_name_and_the_posters_fingerprint(
    paired: TwoMachineDesk, tmp_path: Path
) -> None:
    new = paired.machine("second")
    copy = paired.copy_of_keyring()

    assert (
        new.types("workstation", "pair", paired.card(), "--server", "file", "--keyring", copy).exit_code == 2
    )
    (tmp_path / "other").mkdir()
    other = a_desk(tmp_path / "other")
    words = ["--name", "x", "--fingerprint", other.keyring.fingerprint]
    said = new.is_told("workstation", "pair", paired.card(), "--server", "file", "--keyring", copy, *words)
    assert "is not this desk's" in said
    assert not new.settings.exists()


def test_a_new_workstation_needs_the_newest_letterhead(desk: TwoMachineDesk) -> None:
    words = ["--keyring", desk.copy_of_keyring(), "--name", "x", "--fingerprint", desk.keyring.fingerprint]

    said = desk.machine("second").is_told("workstation", "pair", desk.card(), "--server", "file", *words)

    assert "no letterhead in this card file" in said


def test_a_letterhead_published_between_card_and_admission_is_not_lost(
    paired: TwoMachineDesk, stick: Path
) -> None:
    second = paired.second(admit=False)
    paired.publishes(paired.server, answer_working_days=9)

    said = paired.server.is_told("server", "admit", paired.folder / "second.pairing")
    assert "published another letterhead since" in said
    second.does(
        "workstation", "pair", paired.card(), "--server", "file", "--out", paired.folder / "second.pairing"
    )
    paired.server.does("server", "admit", paired.folder / "second.pairing")

    store = paired.server.store()
    assert newest(store, paired.keyring).answer_working_days == 9
    assert [each.name for each in newest(store, paired.keyring).strands] == [FIRST, "Werkstation 2"]
    store.close()
    carry(second, paired.server, stick)


def test_a_workstation_that_was_retired_is_refused(paired: TwoMachineDesk, stick: Path) -> None:
    second = paired.second()
    carry(paired.server, second, stick, "--to", "Werkstation 2")

    said = second.does("workstation", "retire", FIRST, "--since", "2025-01-31")
    assert "after 2025-01-31 do not count" in said
    carry(second, paired.server, stick)
    paired.first.does("pouch", "make", stick)

    assert "took the workstation that made this out of use" in paired.server.is_told("pouch", "apply", stick)
    assert "out of use" in paired.server.is_told("pouch", "make", stick, "--to", FIRST)
    assert "out of use" in paired.server.is_told("server", "admit", paired.folder / "first.pairing")


def test_no_deletion_waits_for_a_retired_workstation(paired: TwoMachineDesk, stick: Path) -> None:
    """The proof of an ended mailbox stays until every workstation received it, except a retired one."""
    second = paired.second()
    carry(paired.server, second, stick, "--to", "Werkstation 2")
    second.does("workstation", "retire", FIRST, "--since", "2025-01-31")
    carry(second, paired.server, stick)

    paired.server.does("store", "sweep")

    assert [each.name for each in peers_of(paired.server)] != []
    assert paired.keyring.strand.id not in {each.name for each in peers_of(paired.server)}


def test_a_workstation_that_was_forgotten_already_loses_its_onion_key_too(
    desk: TwoMachineDesk, tmp_path: Path, stick: Path
) -> None:
    """The sweeper forgets a retired workstation, but cannot write in Tor's folder.

    So the operator removes its key.
    """
    keys = with_an_onion_endpoint(desk.server, tmp_path / "tor")
    desk.pair_first(f"onion:{OnionKey.draw().host}")
    second = desk.second()
    carry(desk.server, second, stick, "--to", "Werkstation 2")
    told = second.does("workstation", "retire", FIRST, "--since", "2025-01-31")
    carry(second, desk.server, stick)
    desk.server.does("store", "sweep")
    assert list(clients.admitted_clients(keys)) == [desk.keyring.strand.id.hex()]

    said = desk.server.does("server", "dismiss", FIRST)

    assert f'steunpunt server dismiss "{FIRST}"' in told
    assert clients.admitted_clients(keys) == {}
    assert "systemctl restart tor" in said
    assert "may connect again" not in said


def test_a_workstation_retired_today_may_connect_until_it_is_removed(
    paired: TwoMachineDesk, stick: Path
) -> None:
    second = paired.second()
    carry(paired.server, second, stick, "--to", "Werkstation 2")
    second.does("workstation", "retire", FIRST)
    carry(second, paired.server, stick)
    carry(paired.first, paired.server, stick)  # its day is not over

    assert "may connect again" not in paired.server.does("server", "dismiss", FIRST)


def test_a_workstation_cannot_retire_itself(paired: TwoMachineDesk) -> None:
    assert "this workstation itself" in paired.first.is_told("workstation", "retire", FIRST)
    assert "Which workstation?" in paired.first.is_told("workstation", "retire", "Nobody")


def test_no_workstation_is_retired_before_it_was_in_use(paired: TwoMachineDesk) -> None:
    paired.second()
    stick = paired.folder / "stick"
    carry(paired.server, paired.first, stick, "--to", FIRST)

    assert "is in use since" in paired.first.is_told(
        "workstation", "retire", "Werkstation 2", "--since", "2021-01-01"
    )


# ---- a lost workstation ----------------------------------------------------------------------------


def test_a_lost_workstation_is_rebuilt_by_stick(paired: TwoMachineDesk, stick: Path) -> None:
    source = paired.a_source_writes()
    carry(paired.server, paired.first, stick)
    paired.is_answered(source, paired.first)
    carry(paired.first, paired.server, stick)
    copy = paired.copy_of_keyring()
    again = paired.machine("again")

    words = [
        "--server",
        "file",
        "--fingerprint",
        paired.keyring.fingerprint,
        "--out",
        paired.folder / "again.pairing",
    ]
    said = again.does("workstation", "rebuild", copy, paired.card(), *words)
    assert "ends today" in said
    paired.server.does("server", "admit", paired.folder / "again.pairing")
    name = said.partition('workstation "')[2].partition('"')[0]
    carry(paired.server, again, stick, "--to", name)

    assert texts_held(again) == texts_held(paired.server)
    store = paired.server.store()
    lost, made = newest(store, paired.keyring).strands
    store.close()
    assert (lost.until, made.until, made.name) == (utc_today(), None, name)


def restored_to_an_earlier_day(paired: TwoMachineDesk, stick: Path) -> ASource:
    """Restore the folder of a workstation from before an answer that the server has."""
    source = paired.a_source_writes()
    carry(paired.server, paired.first, stick)
    var = paired.first.settings.parent
    shutil.copytree(var, var.with_name("copy"))
    paired.is_answered(source, paired.first, "yesterday")
    carry(paired.first, paired.server, stick)
    shutil.rmtree(var)
    var.with_name("copy").rename(var)
    return source


def test_a_restored_workstation_that_wrote_before_it_synced_is_recovered_as_the_manual_says(
    paired: TwoMachineDesk, stick: Path
) -> None:
    source = restored_to_an_earlier_day(paired, stick)
    paired.is_answered(source, paired.first, "this morning")
    for _ in range(2):
        paired.first.does("pouch", "make", stick)
        assert "another entry at the place" in paired.server.is_told("pouch", "apply", stick)

    again = paired.machine("again")
    words = ["--server", "file", "--fingerprint", paired.keyring.fingerprint]
    pairing = paired.folder / "again.pairing"
    said = again.does(
        "workstation", "rebuild", paired.copy_of_keyring(), paired.card(), *words, "--out", pairing
    )
    name = said.partition('workstation "')[2].partition('"')[0]
    paired.server.does("server", "admit", pairing)
    carry(paired.server, again, stick, "--to", name)
    keyring = open_keyring(
        (again.settings.parent / KEYRING).read_bytes(), PASSPHRASE, paired.keyring.fingerprint
    )
    world = paired.world(again, keyring)
    ASource(world, source.keys).is_answered("this morning", day=utc_today())
    world.store.close()
    carry(again, paired.server, stick)

    assert texts_held(again) == texts_held(paired.server)
    assert 3 == len(texts_held(again))  # the question, and both answers


def test_a_restored_workstation_that_syncs_twice_can_write(paired: TwoMachineDesk, stick: Path) -> None:
    source = restored_to_an_earlier_day(paired, stick)
    for _ in range(2):
        carry(paired.first, paired.server, stick)
        carry(paired.server, paired.first, stick)

    paired.is_answered(source, paired.first, "this morning")
    carry(paired.first, paired.server, stick)

    assert texts_held(paired.first) == texts_held(paired.server)
    assert 3 == len(texts_held(paired.server))


def test_a_workstation_rebuilt_behind_an_onion_prints_each_step_that_is_left(
    paired: TwoMachineDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_tor(*_args: object, **_words: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("socket.create_connection", no_tor)
    again = paired.machine("again")
    words = ["--server", f"onion:{OnionKey.draw().host}", "--fingerprint", paired.keyring.fingerprint]
    pairing = paired.folder / "again.pairing"

    done = again.types(
        "workstation", "rebuild", paired.copy_of_keyring(), paired.card(), *words, "--out", pairing
    )

    assert done.exit_code == ExitCode.BUSY
    steps = [
        f"onion use-key {again.settings.parent / 'onion-auth' / 'steunpunt-sync.auth_private'}",
        f"run there: steunpunt server admit {pairing.name}",
        "give Tor its key here",
        "run here: steunpunt workstation sync",
    ]
    places = [done.output.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)


def test_a_workstation_is_not_rebuilt_in_the_folder_of_another(paired: TwoMachineDesk) -> None:
    words = ["--server", "file", "--fingerprint", paired.keyring.fingerprint]

    said = paired.first.is_told("workstation", "rebuild", paired.copy_of_keyring(), paired.card(), *words)

    assert "exists, so this is a workstation already" in said


# ---- settings with only some sections ----------------------------------------------------------------


def test_run_starts_the_parts_that_have_a_section(paired: TwoMachineDesk) -> None:
    assert [part.arguments for part in parts_to_run(paired.server.settings)[0]] == [
        ["run", "source"],
        ["run", "sync"],
        ["run", "sweeper"],
    ]
    assert [part.arguments for part in parts_to_run(paired.first.settings)[0]] == [
        ["run", "adviser"],
        ["run", "sweeper"],
    ]


def test_run_also_watches_over_the_machine_if_the_settings_name_a_command_on_failure(
    paired: TwoMachineDesk,
) -> None:
    text = paired.server.settings.read_text("utf-8")
    paired.server.settings.write_text(with_key(text, "check", "failure_command", "/bin/true"), "utf-8")

    parts, _ = parts_to_run(paired.server.settings)

    assert ["check", "--watch"] == parts[-1].arguments


@pytest.mark.parametrize(
    ("sections", "server", "said"),
    [
        pytest.param(("desk",), "", "there is nothing to run", id="nothing"),
        pytest.param(("adviser",), "", "run steunpunt workstation pair", id="a workstation without a server"),
        pytest.param(("source", "adviser"), "file", "belong there and not here", id="a replica for sources"),
        pytest.param(
            ("sync", "adviser"), "file", "belong there and not here", id="a replica with an endpoint"
        ),
    ],
)
def test_settings_with_wrong_sections_are_not_run(
    tmp_path: Path, sections: tuple[str, ...], server: str, said: str
) -> None:
    settings = tmp_path / "config.toml"
    text = with_key(from_example(sections, "RW" + "A" * 54, {}), "adviser", "server", server)
    settings.write_text(text, "utf-8")

    assert said in Machine(settings, "").is_told("run")


def test_a_workstation_shows_its_fingerprint_and_letterhead_too(paired: TwoMachineDesk) -> None:
    assert paired.first.does("keys", "fingerprint").splitlines()[0] == paired.keyring.fingerprint
    assert "Letterhead number " in paired.first.does("store", "letterhead")
    assert "of this version" in paired.first.does("upgrade")


def test_a_workstations_sweeper_destroys_and_decides_nothing(paired: TwoMachineDesk, stick: Path) -> None:
    paired.a_source_writes()
    carry(paired.server, paired.first, stick)
    world = paired.world(paired.first)
    with world.store.writing() as session:
        mailboxes.create_mailbox(
            session, address=bytes(20), recipient=b"r", verify_key=b"v", opened_day=date(2001, 1, 1)
        )
    world.store.close()

    said = paired.first.does("store", "sweep")

    assert "Destroyed" in said
    world = paired.world(paired.first)
    with world.store.reading() as session:
        assert mailboxes.find(session, bytes(20)) is not None
    world.store.close()


# ---- a backup that is restored -----------------------------------------------------------------------


def test_a_restored_server_gets_everything_again_by_stick(paired: TwoMachineDesk, stick: Path) -> None:
    source = paired.a_source_writes()
    carry(paired.server, paired.first, stick)
    carry(paired.first, paired.server, stick)
    store = paired.server.store()
    store.checkpoint()
    store.close()
    copy = paired.server.settings.parent / STORE
    yesterday = copy.read_bytes()
    paired.is_answered(source, paired.first)
    paired.publishes(paired.first, answer_working_days=9)
    carry(paired.first, paired.server, stick)
    paired.a_source_writes("since then")
    carry(paired.server, paired.first, stick)
    carry(paired.first, paired.server, stick)
    everything = texts_held(paired.first)

    for left in copy.parent.glob(f"{STORE}*"):
        left.unlink()
    copy.write_bytes(yesterday)
    assert "older than one this server has seen" in paired.server.is_told("run", "sync")
    copy.with_name("letterhead-serial").unlink()  # as docs/operator.md tells the operator to do
    assert "came early" in carry(paired.first, paired.server, stick)
    assert "turned out to be restored to an earlier day" in carry(paired.server, paired.first, stick)
    carry(paired.first, paired.server, stick)

    assert texts_held(paired.server) == everything
    store = paired.server.store()
    assert newest(store, paired.keyring).answer_working_days == 9
    store.close()
