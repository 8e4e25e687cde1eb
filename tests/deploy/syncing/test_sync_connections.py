"""Sync over a real connection: the endpoint under gunicorn on a Unix socket, and SSH with a real sshd."""

import io
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.desk_for_command import open_desk_for_command
from deploy.errors import DeployError
from deploy.hardening import TMPFS
from deploy.settings.settings_text import with_key
from deploy.syncing.sync_refusals import refusals_as_sentences
from journalist_app.services.whole_desk.sync_replica import workstation_endpoint
from protocol.pouch.pouch_file import SERVER
from store import outbox, peers
from sync import carriers, pouch_stream
from sync.build import build_pouch
from sync.carriers import SshCarrier, UnixCarrier
from sync.endpoint import Endpoint
from sync.exchange import Carrier, exchange
from sync.pouch_stream import POUCH_PATH
from tests.deploy.servers import ROOT, end, free_address, wait_for_socket
from tests.deploy.two_machines import FIRST, PASSPHRASE, Machine, TwoMachineDesk, a_desk, newest, texts_held
from tests.small_disk import CAN_MOUNT, a_small_disk
from web.dates import utc_today

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]


@dataclass(frozen=True, slots=True)
class RunningEndpoint:
    """A desk whose server's sync endpoint is running."""

    desk: TwoMachineDesk
    socket: Path
    log: Path

    @property
    def way(self) -> str:
        return f"unix:{self.socket}"

    def logged(self) -> str:
        """Return the log without the warnings of unsafe states, which come before the start."""
        lines = self.log.read_text().splitlines()
        return "\n".join(line for line in lines if not line.startswith("Warning: "))


@contextmanager
def an_endpoint(
    desk: TwoMachineDesk, socket_path: Path, *, is_small: bool = False
) -> Iterator[RunningEndpoint]:
    """Start the endpoint with `steunpunt run sync`, and wait until it listens."""
    settings = desk.server.settings
    settings.write_text(with_key(settings.read_text("utf-8"), "sync", "bind", f"unix:{socket_path}"), "utf-8")
    log = desk.folder / "endpoint.log"
    command = [sys.executable, "-m", "deploy.cli.main", "--settings", str(settings), "run", "sync"]
    with log.open("wb") as sink:
        process = subprocess.Popen(command, cwd=ROOT, stdout=sink, stderr=sink)
    try:
        wait_for_socket(socket_path, process)
        yield RunningEndpoint(desk, socket_path, log)
    finally:
        end(process)
        assert is_small or b"not caught" not in log.read_bytes()


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """Return a path that is short enough for a socket."""
    folder = Path(TMPFS) / f"steunpunt-test-{secrets.token_hex(6)}"
    folder.mkdir(0o700)
    yield folder / "sync.sock"
    shutil.rmtree(folder)


@pytest.fixture
def running(tmp_path: Path, socket_path: Path) -> Iterator[RunningEndpoint]:
    desk = a_desk(tmp_path / "desk")
    desk.pair_first(f"unix:{socket_path}")
    with an_endpoint(desk, socket_path) as running:
        yield running


def test_messages_of_sources_arrive_by_sync_and_the_answer_goes_back_at_once(
    running: RunningEndpoint,
) -> None:
    desk = running.desk
    source = desk.a_source_writes(file=("a.pdf", os.urandom(9_000_000)))

    assert "new items" in desk.first.does("workstation", "sync")
    desk.is_answered(source, desk.first)
    desk.first.does("workstation", "sync")

    assert texts_held(desk.server) == texts_held(desk.first)
    assert len(texts_held(desk.server)) == 2
    assert running.logged() == ""


def test_two_workstations_on_one_server_work_at_once(running: RunningEndpoint) -> None:
    desk = running.desk
    source = desk.a_source_writes()
    second = desk.second(running.way)
    machines = (desk.first, second)
    for machine in machines:
        machine.does("workstation", "sync")
    with open_desk_for_command(second.settings, lambda: PASSPHRASE) as there:
        keyring = there.keyring
    desk.is_answered(source, desk.first, "from the first")
    world = desk.world(second, keyring)
    type(source)(world, source.keys).is_answered("from the second", day=utc_today())
    world.store.close()

    with ThreadPoolExecutor() as both:
        done = list(both.map(_syncs, machines))
    for machine in machines:
        machine.does("workstation", "sync")

    assert done == [0, 0]
    assert len(texts_held(desk.server)) == 3
    assert texts_held(desk.server) == texts_held(desk.first) == texts_held(second)


def _syncs(machine: Machine) -> int:
    """Run a sync in a new process, because click's test runner cannot run two commands in one process."""
    command = [
        sys.executable,
        "-m",
        "deploy.cli.main",
        "--settings",
        str(machine.settings),
        "workstation",
        "sync",
    ]
    return subprocess.run(
        command, input=f"{PASSPHRASE}\n".encode(), cwd=ROOT, capture_output=True, check=False
    ).returncode


def test_the_server_refuses_unknown_and_retired_workstations_and_says_why(
    running: RunningEndpoint, tmp_path: Path
) -> None:
    """One server tests all refusals, because each server would take seconds to start."""
    desk = running.desk
    desk.a_source_writes()
    stranger = desk.second(running.way, admit=False)
    assert "does not know this workstation" in stranger.is_told("workstation", "sync")

    (tmp_path / "other").mkdir()
    other = a_desk(tmp_path / "other" / "desk")
    other.pair_first(running.way)
    assert "has a new key" in other.first.is_told("workstation", "sync")  # the wrong card
    store = other.first.store()
    with store.writing() as session:
        known = peers.find(session, SERVER)
        card = desk.server.does("server", "card").strip()
        assert known is not None
        peers.add(session, SERVER, card.encode())
    store.close()
    assert "another desk's" in other.first.is_told("workstation", "sync")

    assert "more than a day apart" in _sentence(desk.first, days=366)
    assert "more than a day apart" in _sentence(desk.first, days=-366)

    desk.server.does("server", "admit", desk.folder / "second.pairing")
    stranger.does("workstation", "sync")
    stranger.does("workstation", "retire", FIRST, "--since", "2025-01-31")
    stranger.does("workstation", "sync")
    assert "out of use, so the server refuses it" in desk.first.is_told("workstation", "sync")
    assert texts_held(desk.first) == set()

    world = desk.world(desk.server)
    world.execute("UPDATE letterhead SET body = replace(body, 'Werkstation 1', 'Werkstation 9')")
    world.store.close()
    said = stranger.is_told("workstation", "sync")
    assert "someone changed the store" in said
    assert "call the operator" in said
    assert "steunpunt" not in running.logged()


def _sentence(machine: Machine, *, days: int) -> str:
    """Return the sentence that a workstation prints if its clock is wrong by this number of days."""
    with open_desk_for_command(machine.settings, lambda: PASSPHRASE) as desk:
        side = workstation_endpoint(desk, today=lambda: utc_today() + timedelta(days=days))
        carrier = UnixCarrier(Path(desk.config.server.removeprefix("unix:")))
        with pytest.raises(DeployError) as told:
            _exchanges(side, carrier)
    return str(told.value)


def _exchanges(side: Endpoint, carrier: Carrier) -> None:
    with refusals_as_sentences(from_server=True):
        exchange(side, carrier, lambda _: None)


def test_an_impostor_behind_the_address_is_detected(running: RunningEndpoint) -> None:
    """Attack: anyone with the desk's public key can encrypt an answer to the desk, but not sign it as the
    server.
    """
    desk = running.desk
    settings = desk.server.settings.with_name("server.key")
    genuine = settings.read_bytes()
    settings.write_bytes(os.urandom(32) + genuine[32:])  # decrypts pouches, and signs as another server

    with (
        open_desk_for_command(desk.first.settings, lambda: PASSPHRASE) as there,
        pytest.raises(DeployError, match="is not the server whose card"),
    ):
        _exchanges(workstation_endpoint(there), _Answering(desk.server))


@dataclass(frozen=True, slots=True)
class _Answering:
    """Connection that runs the server's command for SSH (`steunpunt server answer`) directly, without SSH."""

    machine: Machine

    @contextmanager
    def carry(self, pouch: bytes) -> Iterator[Iterator[bytes]]:
        command = [sys.executable, "-m", "deploy.cli.main", "--settings", str(self.machine.settings)]
        done = subprocess.run(
            [*command, "server", "answer"], input=pouch, cwd=ROOT, capture_output=True, check=True
        )
        yield pouch_stream.read_pouches(io.BytesIO(done.stdout.removeprefix(b"pouch\n")).read)


def test_a_server_that_is_not_there_loses_nothing(running: RunningEndpoint, tmp_path: Path) -> None:
    desk = running.desk
    source = desk.a_source_writes()
    desk.first.does("workstation", "sync")
    desk.is_answered(source, desk.first)
    elsewhere = desk.first.settings.read_text("utf-8")
    desk.first.settings.write_text(
        with_key(elsewhere, "adviser", "server", f"unix:{tmp_path / 'no.sock'}"), "utf-8"
    )

    assert "could not be reached" in desk.first.is_told("workstation", "sync")

    desk.first.settings.write_text(elsewhere, "utf-8")
    desk.first.does("workstation", "sync")
    assert texts_held(desk.server) == texts_held(desk.first)


def test_a_lost_workstation_is_rebuilt_with_one_command(running: RunningEndpoint) -> None:
    desk = running.desk
    source = desk.a_source_writes(file=("a.pdf", os.urandom(6_000_000)))
    desk.first.does("workstation", "sync")
    desk.is_answered(source, desk.first)
    desk.first.does("workstation", "sync")
    copy, card = desk.copy_of_keyring(), desk.card()
    desk.publishes(desk.server, answer_working_days=9)  # after the card was made
    shutil.rmtree(desk.first.settings.parent)
    again = desk.machine("again")

    words = ["--server", running.way, "--fingerprint", desk.keyring.fingerprint]
    said = again.does("workstation", "rebuild", copy, card, *words, "--out", desk.folder / "again.pairing")

    assert '"Werkstation 1" ends today' in said
    assert "The server knows this workstation already." in said  # without a word about an onion service
    assert texts_held(again) == texts_held(desk.server)
    assert len(texts_held(again)) == 2
    kept = {path.name for path in again.settings.parent.iterdir()}
    assert {"config.toml", "keyring.age", "trusted-state.age", "store.db"} <= kept
    for machine in (again, desk.server):
        store = machine.store()
        letterhead = newest(store, desk.keyring)
        store.close()
        assert letterhead.answer_working_days == 9
        assert [each.until for each in letterhead.strands] == [utc_today(), None]
    desk.server.does("server", "admit", desk.folder / "again.pairing")
    again.does("workstation", "sync")
    again.does("workstation", "sync")  # sends what the sync before brought
    store = desk.server.store()
    with store.reading() as session:
        assert outbox.count(session, letterhead.strands[-1].id) == 0
    store.close()


def test_a_workstation_rebuilt_without_a_connection_is_admitted_by_hand(
    running: RunningEndpoint, tmp_path: Path
) -> None:
    desk = running.desk
    desk.a_source_writes()
    again = desk.machine("again")

    words = ["--server", f"unix:{tmp_path / 'no.sock'}", "--fingerprint", desk.keyring.fingerprint]
    said = again.is_told(
        "workstation",
        "rebuild",
        desk.copy_of_keyring(),
        desk.card(),
        *words,
        "--out",
        desk.folder / "again.pairing",
    )
    assert "pairing file to the server" in said
    desk.server.does("server", "admit", desk.folder / "again.pairing")
    text = again.settings.read_text("utf-8")
    again.settings.write_text(with_key(text, "adviser", "server", running.way), "utf-8")
    again.does("workstation", "sync")

    assert texts_held(again) == texts_held(desk.server)


def _move_onto(disk: Path, folder: Path) -> None:
    """Put a machine's folder on a disk of its own. Unlink the folder before the disk is removed."""
    shutil.copytree(folder, disk, dirs_exist_ok=True)
    shutil.rmtree(folder)
    folder.symlink_to(disk)


@pytest.mark.skipif(not CAN_MOUNT, reason="only root may mount a small disk")
def test_a_full_disk_of_the_server_is_reported_and_the_answer_arrives_once_there_is_room(
    tmp_path: Path, socket_path: Path
) -> None:
    desk = a_desk(tmp_path / "desk")
    with a_small_disk("4m") as disk:
        folder = desk.server.settings.parent
        _move_onto(disk, folder)
        desk.pair_first(f"unix:{socket_path}")
        source = desk.a_source_writes()
        with an_endpoint(desk, socket_path, is_small=True):
            desk.first.does("workstation", "sync")
            desk.is_answered(source, desk.first)
            filler = disk / "filler"
            _fill(filler)
            said = desk.first.is_told("workstation", "sync")
            assert "its disk is full" in said
            assert "operator" in said
            filler.unlink()
            desk.first.does("workstation", "sync")
        assert texts_held(desk.server) == texts_held(desk.first)
        folder.unlink()


@pytest.mark.skipif(not CAN_MOUNT, reason="only root may mount a small disk")
def test_a_full_disk_of_a_workstation_is_reported_and_the_rest_arrives_once_there_is_room(
    tmp_path: Path, socket_path: Path
) -> None:
    desk = a_desk(tmp_path / "desk")
    with a_small_disk("48m") as disk:  # files leave 16 MiB for the clean-up
        folder = desk.first.settings.parent
        _move_onto(disk, folder)
        desk.pair_first(f"unix:{socket_path}")
        settings = desk.first.settings
        text = settings.read_text("utf-8")  # the disk itself is to be full, and not the room kept for text
        settings.write_text(text.replace("reserve_bytes = 2_000_000_000", "reserve_bytes = 0"), "utf-8")
        desk.a_source_writes()
        with an_endpoint(desk, socket_path):
            desk.first.does("workstation", "sync")
            before = texts_held(desk.first)
            desk.a_source_writes("large", file=("a.pdf", os.urandom(3_000_000)))
            filler = disk / "filler"
            _fill(filler)
            said = desk.first.is_told("workstation", "sync")  # the store cannot even be opened
            assert (
                said
                == "The store's disk is full; what is in it stays: make room there, and do the same again."
            )
            os.truncate(filler, filler.stat().st_size - 1_500_000)
            said = desk.first.is_told("workstation", "sync")
            assert "no room for files left on this machine" in said
            assert "Everything received before is kept" in said
            assert texts_held(desk.first) >= before  # words do not wait for their files
            filler.unlink()
            desk.first.does("workstation", "sync")
        assert texts_held(desk.first) == texts_held(desk.server)
        assert len(texts_held(desk.first)) == 2
        folder.unlink()


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_the_endpoint_says_nothing_to_who_brings_no_pouch(running: RunningEndpoint) -> None:
    answers = []
    for method, path, body in (
        ("GET", POUCH_PATH, b""),
        ("POST", "/", b"x"),
        ("POST", POUCH_PATH, b"no pouch"),
    ):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(running.socket))
            head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            client.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)
            answers.append(b"".join(iter(lambda: client.recv(65536), b"")))  # read at once

    assert [answer.split()[1] for answer in answers] == [b"405", b"404", b"422"]
    assert answers[2].endswith(b"unreadable")
    assert not any(b"gunicorn" in answer.lower() for answer in answers)


# ---- SSH -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ssh:
    """A real sshd that allows one user, one key and one command, and what `ssh` needs to connect to it."""

    config: Path
    log: Path

    def carrier(self, target: str = "server") -> Carrier:
        return SshCarrier(target, options=("-F", str(self.config)))


@contextmanager
def an_sshd(folder: Path, settings: Path, run: str = "") -> Iterator[Ssh]:
    """Run a separate sshd on loopback, in the foreground, with its own files."""
    folder.mkdir(0o700)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # what it shuts its unprivileged part into
    for name in ("host", "client", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    host, port = free_address()
    run = run or f"cd {ROOT} && {sys.executable} -m deploy.cli.main --settings {settings} server answer"
    public = (folder / "client.pub").read_text("ascii")
    (folder / "authorized_keys").write_text(f'command="{run}",restrict {public}', "ascii")
    (folder / "sshd_config").write_text(
        f"ListenAddress {host}\nPort {port}\nHostKey {folder}/host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nPermitRootLogin forced-commands-only\n",
        "ascii",
    )
    host_key = (folder / "host.pub").read_text("ascii")
    (folder / "known_hosts").write_text(f"[{host}]:{port} {host_key}", "ascii")
    here = (
        f"HostName {host}\n Port {port}\n IdentitiesOnly yes\n UserKnownHostsFile {folder}/known_hosts\n"
        " GlobalKnownHostsFile none\n StrictHostKeyChecking yes\n"
    )
    config = folder / "config"
    config.write_text(
        f"Host server\n {here} IdentityFile {folder}/client\n"
        f"Host unknown\n {here} IdentityFile {folder}/stranger\n"
        f"Host changed\n {here.replace('known_hosts', 'none', 1)} IdentityFile {folder}/client\n",
        "ascii",
    )
    log = folder / "sshd.log"
    sshd = shutil.which("sshd", path="/usr/sbin:/sbin:/usr/local/sbin:/usr/bin")
    assert sshd, "install openssh-server"
    process = subprocess.Popen([sshd, "-D", "-f", folder / "sshd_config", "-E", log])
    try:
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((host, port)) == 0:
                    break
            assert process.poll() is None, log.read_text()
        yield Ssh(config, log)
    finally:
        end(process)


def _over(machine: Machine, carrier: Carrier) -> None:
    with open_desk_for_command(machine.settings, lambda: PASSPHRASE) as desk:
        _exchanges(workstation_endpoint(desk), carrier)


def test_over_ssh_both_ends_come_to_know_the_same(tmp_path: Path) -> None:
    desk = a_desk(tmp_path / "desk")
    desk.pair_first("ssh:server")
    source = desk.a_source_writes(file=("a.pdf", os.urandom(6_000_000)))
    with an_sshd(tmp_path / "ssh", desk.server.settings) as ssh:
        _over(desk.first, ssh.carrier())
        desk.is_answered(source, desk.first)
        _over(desk.first, ssh.carrier())
        assert texts_held(desk.server) == texts_held(desk.first)
        assert len(texts_held(desk.server)) == 2

        for target in ("unknown", "changed"):  # a key that is not admitted, a server with another key
            with pytest.raises(DeployError, match="could not be reached"):
                _over(desk.first, ssh.carrier(target))

        second = desk.second("ssh:server", admit=False)
        with pytest.raises(DeployError, match="does not know this workstation"):
            _over(second, ssh.carrier())

        key = desk.server.settings.with_name("server.key")
        key.chmod(0o644)  # the server's end says what is wrong to its own log alone
        with pytest.raises(DeployError, match="could not be reached"):
            _over(desk.first, ssh.carrier())


@pytest.mark.parametrize(
    "says", ["echo pouch; cat /dev/zero", "yes", "true", "echo pouch; false", "sleep 30"]
)
def test_a_server_that_never_stops_or_says_nothing_takes_no_memory_and_no_time(
    tmp_path: Path, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carriers, "_POUCH_SECONDS", 5.0)
    desk = a_desk(tmp_path / "desk")
    desk.pair_first("ssh:server")

    with (
        an_sshd(tmp_path / "ssh", desk.server.settings, says) as ssh,
        pytest.raises(DeployError, match="could not be reached"),
    ):
        _over(desk.first, ssh.carrier())


def test_without_the_ssh_program_the_server_is_not_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = a_desk(tmp_path / "desk")
    desk.pair_first("ssh:steunpunt@server.example")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "could not be reached" in desk.first.is_told("workstation", "sync")


def test_a_workstation_that_hangs_up_leaves_no_words_at_the_server(running: RunningEndpoint) -> None:
    """A workstation closes the connection early whenever it must react to the first pouch of an answer."""
    desk = running.desk
    for _ in range(3):
        desk.a_source_writes(file=("a.pdf", os.urandom(6_000_000)))
    with open_desk_for_command(desk.first.settings, lambda: PASSPHRASE) as there:
        question = build_pouch(workstation_endpoint(there), SERVER, {}).pouch
    command = [sys.executable, "-m", "deploy.cli.main", "--settings", str(desk.server.settings)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}

    with subprocess.Popen([*command, "server", "answer"], cwd=ROOT, **pipes) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(question)
        process.stdin.close()
        began = process.stdout.read(6)
        process.stdout.close()
        said = process.stderr.read()

    assert (began, said) == (b"pouch\n", b"")
    log = running.log.read_text()
    with UnixCarrier(running.socket).carry(question) as pouches:
        next(pouches)
    desk.first.does("workstation", "sync")
    assert texts_held(desk.server) == texts_held(desk.first)
    assert running.log.read_text() == log
