"""A database server that freezes while it works for a program holds this program for seconds, not forever.

Each program waits for a lock of the database when the server freezes (SIGSTOP). When the server continues,
each program works again.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from deploy.exit_codes import ExitCode
from store.errors import StoreUnreachableError
from tests.deploy.on_postgresql import a_desk_on
from tests.deploy.servers import ROOT, end, free_address, wait_for_socket
from tests.deploy.serving.test_on_postgresql import comes_true
from tests.deploy.sweeping.test_sweeping_a_database import deletes
from tests.deploy.two_machines import Machine, TwoMachineDesk, texts_held
from tests.postgresql_cluster import Cluster, frozen
from tests.proofs.proof_sizes import print_result
from tests.store.factories import rows

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]

_SECONDS = 30
_AWAY = "The" + StoreUnreachableError.sentence.removeprefix("the")
_WAITS = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
_TABLES = "attachment, entry, letterhead, mailbox, outbox, peer, record, sealed"


@pytest.fixture(scope="module")
def desk(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> TwoMachineDesk:
    folder = tmp_path_factory.mktemp("desk")
    made = a_desk_on(cluster, folder / "desk", free_address(), f"unix:{folder}/sync.sock")
    made.a_source_writes("a message")
    made.server.does("store", "letterhead")
    return made


def start(machine: Machine, said: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "deploy.cli.main", "--settings", machine.settings, *words]
    with said.open("wb") as sink:
        return subprocess.Popen(command, stdout=sink, stderr=sink, cwd=ROOT)


@contextmanager
def frozen_at_work(cluster: Cluster, desk: TwoMachineDesk, work: Callable[[], object]) -> Iterator[float]:
    """Start some work, and freeze the database server while the work waits for a lock."""
    store = desk.server.store()
    store.close()
    with psycopg.connect(store._url) as other:  # type: ignore[attr-defined]  # of a store on a server
        other.execute(f"LOCK TABLE {_TABLES}")
        work()
        while not cluster.run(_WAITS):
            time.sleep(0.01)
        with frozen(cluster):
            yield time.monotonic()


@pytest.mark.parametrize("words", [("store", "verify"), ("store", "sweep"), ("backup",)], ids=" ".join)
def test_a_command_ends_with_one_sentence_and_works_when_the_server_continues(
    cluster: Cluster, desk: TwoMachineDesk, tmp_path: Path, words: tuple[str, ...]
) -> None:
    processes, said = list[subprocess.Popen[bytes]](), tmp_path / "said"

    with frozen_at_work(cluster, desk, lambda: processes.append(start(desk.server, said, *words))) as before:
        status = processes[0].wait(_SECONDS)
        seconds = time.monotonic() - before

    assert (ExitCode.BUSY, f"Error: {_AWAY}.") == (status, said.read_text().splitlines()[-1])
    print_result(f"{' '.join(words)} left a frozen database server after {seconds:.0f} seconds")
    desk.server.does(*words)


def test_the_sweeper_says_so_and_sweeps_when_the_server_continues(
    cluster: Cluster, desk: TwoMachineDesk, tmp_path: Path
) -> None:
    store, said = desk.server.store(), tmp_path / "said"
    process = start(desk.server, said, "run", "sweeper")
    try:
        deletes(store)
        assert comes_true(lambda: rows(store, "deletion_queue") == 0)
        with frozen_at_work(cluster, desk, lambda: None):  # at its next sweep
            assert comes_true(
                lambda: "this sweep was not finished: StoreUnreachableError" in said.read_text()
            )
        deletes(store)
        assert comes_true(lambda: rows(store, "deletion_queue") == 0)
        assert process.poll() is None
    finally:
        store.close()
        end(process)


def test_the_sync_endpoint_tells_the_workstation_and_syncs_when_the_server_continues(
    cluster: Cluster, desk: TwoMachineDesk, tmp_path: Path
) -> None:
    told, said, before_it = list[str](), tmp_path / "said", texts_held(desk.server)
    desk.a_source_writes("a message that syncs")
    process = start(desk.server, said, "run", "sync")
    try:
        wait_for_socket(desk.folder.parent / "sync.sock", process)
        sync = threading.Thread(target=lambda: told.append(desk.first.is_told("workstation", "sync")))
        with frozen_at_work(cluster, desk, sync.start) as before:
            sync.join(_SECONDS)
            seconds = time.monotonic() - before
        sync.join()

        assert told[0].startswith("The server is busy. Nothing is lost")
        print_result(f"the sync left a frozen database server after {seconds:.0f} seconds")
        desk.first.does("workstation", "sync")
        assert texts_held(desk.server) - before_it <= texts_held(desk.first)
    finally:
        end(process)
