"""`steunpunt store verify` names the mailboxes that differ from what was signed, and needs no passphrase."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from deploy.cli import terminal
from deploy.exit_codes import ExitCode
from protocol.identifiers import mailbox_label
from store.database import damaged_rows
from stored_mailbox import whole_store
from tests.deploy.two_machines import Machine, TwoMachineDesk, a_desk

pytestmark = pytest.mark.enable_socket  # whether the adviser's port is free is looked at, on loopback


@pytest.fixture
def desk(tmp_path: Path) -> TwoMachineDesk:
    return a_desk(tmp_path)


def run(machine: Machine) -> subprocess.CompletedProcess[str]:
    """Run the command in a new process."""
    argv = [sys.executable, "-m", "deploy.cli.main", "--settings", str(machine.settings), "store", "verify"]
    return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@pytest.mark.slow
def test_a_sound_store_is_verified_on_both_machines(desk: TwoMachineDesk) -> None:
    desk.pair_first()
    for _ in range(3):
        desk.a_source_writes(file=("a.pdf", b"a file"))

    done = run(desk.server)

    assert (done.returncode, done.stdout) == (
        0,
        "3 entries verified. Mailboxes that differ from what was signed: 0.\n",
    )
    assert "" == done.stderr  # no one looks at a terminal
    assert "0 entries verified" in desk.first.does("store", "verify")


def test_a_changed_mailbox_is_named_and_ends_the_command_with_its_status(
    desk: TwoMachineDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads stand for the processes, which the other test starts."""
    desk.pair_first()
    source = desk.a_source_writes()
    desk.a_source_writes()
    store = desk.server.store()
    with store.writing() as session:
        session.execute(
            text("UPDATE entry SET signature = zeroblob(64) WHERE address = :address"),
            {"address": source.keys.address},
        )
    store.close()
    monkeypatch.setattr(whole_store, "_opened", [])
    monkeypatch.setattr(whole_store, "ProcessPoolExecutor", ThreadPoolExecutor)

    done = desk.server.types("store", "verify")

    assert done.exit_code == ExitCode.FAULTS_FOUND
    assert done.stdout == (
        f"Mailbox {mailbox_label(source.keys.address)}: bad signature, damaged rows: 1\n"
        "2 entries verified. Mailboxes that differ from what was signed: 1.\n"
    )
    assert done.stderr == "Error: The store has faults. Tell the desk. Do not change the store.\n"
    for opened, *_ in whole_store._opened:
        opened.close()


def test_the_operator_reads_what_the_command_does_before_it_reads_a_large_store(
    desk: TwoMachineDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_session: object) -> None:  # Ctrl-C, because nothing seems to happen
        raise KeyboardInterrupt

    monkeypatch.setattr(damaged_rows, "count_damaged", interrupted)
    monkeypatch.setattr(terminal, "_is_watched", lambda: True)

    done = desk.server.types("store", "verify")

    assert done.stderr.startswith("Counting the damaged rows of the whole store ...\n")


def test_damaged_rows_that_belong_to_no_entry_are_named_and_end_the_command_with_its_status(
    desk: TwoMachineDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack, or a failing disk: no signature covers these columns, and the verification finds nothing."""
    desk.pair_first()
    source = desk.a_source_writes()
    store = desk.server.store()
    with store.writing() as session:
        session.execute(text("PRAGMA ignore_check_constraints = ON"))
        session.execute(text("UPDATE mailbox SET due = 'never'"))
        session.execute(text("UPDATE peer SET sent_serial = 'many'"))
    store.close()
    monkeypatch.setattr(whole_store, "verify_in_processes", lambda _path, _strands: iter(()))

    done = desk.server.types("store", "verify")

    label = mailbox_label(source.keys.address)
    assert done.exit_code == ExitCode.FAULTS_FOUND
    assert done.stdout == (
        f"Damaged rows in the table mailbox, mailbox {label}: 1. Tell the desk, and check the disk.\n"
        "Damaged rows in the table peer: 1. Tell the desk, and check the disk.\n"
        "0 entries verified. Mailboxes that differ from what was signed: 0.\n"
    )
    assert done.stderr == "Error: The store has faults. Tell the desk. Do not change the store.\n"
    as_data = desk.server.types("store", "verify", "--json")
    assert as_data.exit_code == ExitCode.FAULTS_FOUND
    assert json.loads(as_data.stdout) == {"entries": 0, "faults": done.stdout.splitlines()[:2]}
