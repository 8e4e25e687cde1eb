"""P7 (acknowledged is kept) with three database machines: the loss of a primary loses and doubles nothing.

Sources write at two source servers, and other programs write much more often, with functions of the store.
"""

import multiprocessing
import os
import random
import re
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from bench import processes
from store import cleanup, entries, mailboxes
from store.database.engine import ServerPlace, open_store
from tests.deploy.on_postgresql import a_desk_on
from tests.deploy.two_machines import Machine
from tests.proofs.cluster.database_machines import DatabaseMachine, DatabaseMachines, database_machines
from tests.proofs.cluster.load import Notes, faults, write_until
from tests.proofs.cluster.visitors import PatientSource
from tests.proofs.proof_sizes import FAILOVERS, IS_WHOLE, print_result
from tests.store.factories import DAY, NOW

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0, reason="only root can give machines a network that the test can cut"
    ),
]

_VISITORS, _WRITERS = 8, 2
_SECONDS = 30  # in which the site takes messages again
_PORTS = (8090, 8091)  # of the source servers, in the network of the test
_WAYS = ("killed", "frozen", "cut off")


@contextmanager
def lost(primary: DatabaseMachine, how: str) -> Iterator[None]:
    """Lose a machine, and let it come back."""
    match how:
        case "killed":
            primary.kill()
            yield
            primary.boot_again()
        case "frozen":
            primary.machine.signal(signal.SIGSTOP)
            yield
            primary.machine.signal(signal.SIGCONT)
        case "cut off":
            primary.machine.cut_off()
            yield
            primary.machine.let_in()


def test_no_loss_of_a_primary_loses_or_doubles_a_message(tmp_path: Path) -> None:
    with database_machines() as machines, ExitStack() as stack:
        for server in two_servers(tmp_path, machines):
            bind = re.findall(r'(?m)^bind = "127\.0\.0\.1:(\d+)"', server.settings.read_text("utf-8"))[0]
            command = [sys.executable, "-m", "deploy.cli.main", "--settings", str(server.settings)]
            stack.enter_context(processes.serving([*command, "run", "source"], "127.0.0.1", int(bind)))
        visitors = [PatientSource("127.0.0.1", _PORTS[number % 2]) for number in range(_VISITORS)]
        for visitor in visitors:
            visitor.open_mailbox()
        with writing(machines, visitors) as notes:
            moments = [fail_over(machines, number) for number in range(FAILOVERS)]
            time.sleep(3)
        found = [fault for visitor in visitors for fault in visitor.check()]
        check_store(machines, notes)
        check_deletion(machines, notes[0])
    assert [] == found
    tell(notes, visitors, moments)


def two_servers(folder: Path, machines: DatabaseMachines) -> list[Machine]:
    """Set up a source server on the database, and a second one with the same keys."""
    first = a_desk_on(machines, folder / "desk", ("127.0.0.1", _PORTS[0])).server  # type: ignore[arg-type]  # another kind of cluster
    shutil.copytree(first.settings.parent, folder / "second")
    second = Machine(folder / "second" / first.settings.name, first.fingerprint)
    text = first.settings.read_text("utf-8").replace(str(_PORTS[0]), str(_PORTS[1]))
    text = re.sub(r"/steunpunt-[0-9a-f]{16}/", f"/steunpunt-{secrets.token_hex(8)}/", text)
    second.settings.write_text(text, "utf-8")
    return [first, second]


@contextmanager
def writing(machines: DatabaseMachines, visitors: list[PatientSource]) -> Iterator[list[Notes]]:
    """Let visitors and programs write. The list has the notes of the programs after the block."""
    notes: list[Notes] = []
    context = multiprocessing.get_context("fork")
    stop, left = context.Event(), threading.Event()
    pipes = [context.Pipe(duplex=False) for _ in range(_WRITERS)]
    with closing(open_store(ServerPlace(machines.url("steunpunt"), Path("notes")))) as store:
        addresses = [os.urandom(20) for _ in pipes]
        for address in addresses:
            with store.writing() as session:
                mailboxes.create_mailbox(
                    session, address=address, recipient=b"r" * 1216, verify_key=b"k" * 32, opened_day=DAY
                )
    url = machines.url("steunpunt", "steunpunt_source")
    writers = [
        context.Process(target=write_until, args=(url, address, stop, sent), daemon=True)
        for address, (_, sent) in zip(addresses, pipes, strict=True)
    ]
    for writer in writers:
        writer.start()
    threads = [threading.Thread(target=visitor.live, args=(left,)) for visitor in visitors]
    for thread in threads:
        thread.start()
    try:
        yield notes
    finally:
        left.set()
        stop.set()
        for thread in threads:
            thread.join()
    notes += [received.recv() for received, _ in pipes]
    for writer in writers:
        writer.join()


def fail_over(machines: DatabaseMachines, number: int) -> tuple[str, float]:
    """Lose the primary at a random moment, until another machine has replaced it. Return how and when."""
    time.sleep(random.uniform(2, 6))
    how = _WAYS[number % 3] if IS_WHOLE else random.choice(_WAYS)
    primary = machines.primary()
    assert primary is not None
    others = [each for each in machines.members if each is not primary]
    moment = time.monotonic()
    with lost(primary, how):
        machines.wait_until(lambda: any(each.takes_writes() for each in others))
        time.sleep(random.uniform(3, 8))
    machines.wait_until(machines.is_whole)
    return how, moment


def check_store(machines: DatabaseMachines, notes: list[Notes]) -> None:
    with closing(open_store(ServerPlace(machines.url("steunpunt"), Path("notes")))) as store:
        for each in notes:
            with store.reading() as session:
                assert [] == faults(each, entries.of_mailbox(session, each.address))


def check_deletion(machines: DatabaseMachines, notes: Notes) -> None:
    """Delete all entries of a mailbox, and look for the first of them in the files of every machine."""
    first = next(iter(notes.acknowledged.values()))
    assert all(machines.holding(first))
    with closing(
        open_store(ServerPlace(machines.url("steunpunt", "steunpunt_owner"), Path("notes")))
    ) as store:
        with store.writing() as session:
            entries.destroy(session, notes.address, [*notes.acknowledged])
        cleanup.destroy_deleted(store, NOW)
        cleanup.rewrite_store(store)
    machines.checkpoint()
    assert not any(machines.holding(first))


def tell(notes: list[Notes], visitors: list[PatientSource], moments: list[tuple[str, float]]) -> None:
    """Print what was acknowledged, and after how many seconds everyone could write again."""
    for name, people in (("sources", visitors), ("programs", notes)):
        written = sum(len(each.times) for each in people)
        deleted = sum(len(each.deleted) for each in people)
        print_result(
            f"{name}: {written} written, {deleted} deleted, {sum(e.refused for e in people)} refused"
        )
    print_result(f"{sum(len(each.outdated) for each in notes)} outdated reads")
    waits = [
        (how, max(min(at for at in each.times if at > moment + 1) - moment for each in [*notes, *visitors]))
        for how, moment in moments
    ]
    print_result(", ".join(f"{how} {wait:.1f} s" for how, wait in waits))
    if IS_WHOLE:
        assert max(wait for _, wait in waits) < _SECONDS
