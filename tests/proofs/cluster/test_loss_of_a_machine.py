"""P7 (acknowledged is kept) with three database machines: the loss of a primary loses and doubles nothing."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from store import entries, mailboxes
from store.database.engine import ServerPlace, create_roles, create_store, open_store
from tests.proofs.cluster.database_machines import DatabaseMachine, DatabaseMachines, database_machines
from tests.proofs.cluster.load import Notes, faults, write_until
from tests.proofs.proof_sizes import FAILOVERS, IS_WHOLE, print_result
from tests.store.factories import DAY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0, reason="only root can give machines a network that the test can cut"
    ),
]

_WRITERS = 8
_SECONDS = 30  # in which the site takes messages again


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


def mailboxes_in(url: str, number: int) -> list[bytes]:
    """Create the tables, the roles and some mailboxes. Return the addresses of these mailboxes."""
    place = ServerPlace(url, Path("notes"))
    create_roles(place)
    create_store(place).close()
    addresses = [os.urandom(20) for _ in range(number)]
    with closing(open_store(place)) as store, store.writing() as session:
        for address in addresses:
            mailboxes.create_mailbox(
                session, address=address, recipient=b"r" * 1216, verify_key=b"k" * 32, opened_day=DAY
            )
    return addresses


def test_no_loss_of_a_primary_loses_or_doubles_an_entry() -> None:
    how_often = dict.fromkeys(("killed", "frozen", "cut off"), 0)
    with database_machines() as machines:
        machines.run("CREATE DATABASE steunpunt TEMPLATE template0")
        addresses = mailboxes_in(machines.url("steunpunt"), _WRITERS)
        context = multiprocessing.get_context("fork")
        stop = context.Event()
        pipes = [context.Pipe(duplex=False) for _ in addresses]
        url = machines.url("steunpunt", "steunpunt_source")
        writers = [
            context.Process(target=write_until, args=(url, address, stop, sent), daemon=True)
            for address, (_, sent) in zip(addresses, pipes, strict=True)
        ]
        for writer in writers:
            writer.start()
        moments = []
        for number in range(FAILOVERS):
            time.sleep(random.uniform(2, 6))
            how = list(how_often)[number % 3] if IS_WHOLE else random.choice([*how_often])
            how_often[how] += 1
            moments.append((how, time.monotonic()))
            fail_over(machines, how)
        time.sleep(2)
        stop.set()
        notes = [received.recv() for received, _ in pipes]
        for writer in writers:
            writer.join()
        check(machines, notes, moments)
    print_result(str(how_often))


def fail_over(machines: DatabaseMachines, how: str) -> None:
    """Lose the primary, wait until another machine has replaced it, and let the lost machine come back."""
    primary = machines.primary()
    assert primary is not None
    with lost(primary, how):
        machines.wait_until(
            lambda: any(each.takes_writes() for each in machines.members if each is not primary)
        )
        time.sleep(random.uniform(3, 8))
    machines.wait_until(machines.is_whole)


def check(machines: DatabaseMachines, notes: list[Notes], moments: list[tuple[str, float]]) -> None:
    with closing(open_store(ServerPlace(machines.url("steunpunt"), Path("notes")))) as store:
        for each in notes:
            with store.reading() as session:
                assert [] == faults(each, entries.of_mailbox(session, each.address))
    waits = [(how, longest_wait(notes, moment)) for how, moment in moments]
    written = sum(len(each.acknowledged) for each in notes)
    deleted = sum(len(each.deleted) for each in notes)
    refused = sum(each.refused for each in notes)
    outdated = sum(len(each.outdated) for each in notes)
    print_result(f"{written} entries, {deleted} deleted, {refused} refused, {outdated} outdated pages")
    print_result(", ".join(f"{how} {wait:.1f} s" for how, wait in waits))
    if IS_WHOLE:
        assert max(wait for _, wait in waits) < _SECONDS


def longest_wait(notes: list[Notes], moment: float) -> float:
    """Return after how many seconds every writer could write again."""
    return max(min(at for at in each.times if at > moment + 1) for each in notes) - moment
