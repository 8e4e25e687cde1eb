"""A program of which every process was killed starts again at the same address, and the store is whole."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from bench import desk_servers, processes
from tests.deploy.on_postgresql import move_to_database
from tests.deploy.two_machines import TwoMachineDesk, a_desk, texts_held
from tests.postgresql_cluster import the_cluster

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]

SOURCE, ADVISER, SYNC = "127.0.0.1", "127.0.0.2", "127.0.0.3"


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(tmp_path: Path, request: pytest.FixtureRequest) -> TwoMachineDesk:
    source, sync = (f"{host}:{processes.free_port(host)}" for host in (SOURCE, SYNC))
    made = a_desk(tmp_path / "desk", source_bind=source, sync_bind=sync)
    made.pair_first()
    text = made.first.settings.read_text("utf-8")
    made.first.settings.write_text(
        text.replace('"127.0.0.2:8081"', f'"{ADVISER}:{processes.free_port(ADVISER)}"'), "utf-8"
    )
    if request.param == "postgresql":
        move_to_database(made.server, the_cluster())
    made.a_source_writes("before", ("a.pdf", b"content" * 1000))
    return made


@pytest.mark.parametrize("interface", ["source", "sync", "adviser"])
def test_a_killed_server_answers_again_and_nothing_is_lost(desk: TwoMachineDesk, interface: str) -> None:
    machine = desk.first if interface == "adviser" else desk.server
    running = desk_servers.Desk(machine.settings, "")
    held = texts_held(machine)

    with desk_servers.serving(running, interface) as server:
        for worker in server.workers:
            os.kill(worker, signal.SIGKILL)
        address = (server.host, server.port)
        assert processes.listens(server.process, lambda: socket.create_connection(address, 5))
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
    with desk_servers.serving(running, interface) as server:
        assert server.workers

    assert held == texts_held(machine)
    assert "Mailboxes that differ from what was signed: 0." in machine.does("store", "verify")


def test_two_sweepers_at_once_and_a_killed_one_leave_a_whole_store(desk: TwoMachineDesk) -> None:
    held = texts_held(desk.server)
    command = [*desk_servers._COMMAND, "--settings", str(desk.server.settings)]

    with processes.running([*command, "run", "sweeper"]) as killed:
        at_once = [
            subprocess.Popen([*command, "store", "sweep"], stderr=subprocess.DEVNULL) for _ in range(2)
        ]
        assert [0, 0] == [process.wait() for process in at_once]
        killed.kill()

    assert held == texts_held(desk.server)
    assert "Mailboxes that differ from what was signed: 0." in desk.server.does("store", "verify")
