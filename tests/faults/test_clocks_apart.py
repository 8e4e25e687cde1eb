"""Servers of one database whose clocks differ, as real programs: the clock of the database decides.

No wrong clock deletes anything early, writes a wrong day, or stops a mailbox.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from deploy import clock
from deploy.checking.machine_files import read_machine_settings
from deploy.checking.store_checks import make_store_checks
from deploy.exit_codes import ExitCode
from protocol.ledger import ROWS
from store import mailbox_tallies
from tests.deploy.on_postgresql import a_desk_on, a_second_server
from tests.deploy.servers import ROOT, end, free_address, wait_for
from tests.deploy.two_machines import Machine, TwoMachineDesk, texts_held
from tests.journalist_app.desk_factories import ASource
from tests.postgresql_cluster import Cluster
from tests.proofs.http_clients import SourceClient
from web.dates import utc_today

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]

TODAY = utc_today()
AHEAD, BEHIND = "+60d", "-60d"


@pytest.fixture(scope="module")
def here() -> tuple[str, int]:
    return free_address()


@pytest.fixture(scope="module")
def desk(cluster: Cluster, here: tuple[str, int], tmp_path_factory: pytest.TempPathFactory) -> TwoMachineDesk:
    made = a_desk_on(cluster, tmp_path_factory.mktemp("desk") / "desk", here)
    made.server.does("store", "letterhead")
    return made


def command(machine: Machine, shift: str, *words: str | Path) -> list[str | Path]:
    """Return a command as a process whose clock is shifted."""
    program = [sys.executable, "-m", "deploy.cli.main", "--settings", machine.settings]
    # Not the program `faketime`, which stays between us and the process, and does not pass on a signal.
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    shifted = ["env", f"LD_PRELOAD={library}", f"FAKETIME={shift}"]
    return [*(shifted if shift else []), *program, *words]


def run_at(shift: str, machine: Machine, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(machine, shift, *words), cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )


@contextmanager
def a_site_at(shift: str, machine: Machine, bind: tuple[str, int], said: Path) -> Iterator[SourceClient]:
    """Run the source's site of a machine whose clock is shifted, and visit the site."""
    with said.open("wb") as sink:
        process = subprocess.Popen(
            command(machine, shift, "run", "source"), cwd=ROOT, stdout=sink, stderr=sink
        )
    try:
        wait_for(*bind, process)
        with SourceClient(*bind) as visitor:
            yield visitor
    finally:
        end(process)


def days_in(desk: TwoMachineDesk) -> set[date]:
    """Return the days on which mailboxes were opened and entries were written."""
    store = desk.server.store()
    with store.reading() as session:
        rows = session.execute(text("SELECT opened_day, last_day FROM mailbox")).all()
    store.close()
    return {date.fromisoformat(str(day)) for row in rows for day in row}


def a_closed_mailbox(desk: TwoMachineDesk, due: date) -> bytes:
    """Let the desk close a mailbox that is due on a day, and count it. Return its address."""
    source = desk.a_source_writes("a closed mailbox")
    world = desk.world(desk.server)
    ASource(world, source.keys).is_closed(due=due, day=TODAY)
    with world.store.writing() as session:
        mailbox_tallies.put(session, source.keys.address, tuple(os.urandom(600) for _ in range(ROWS)))
    world.store.close()
    return source.keys.address


def mailboxes_in(desk: TwoMachineDesk) -> set[bytes]:
    store = desk.server.store()
    with store.reading() as session:
        found = {bytes(row[0]) for row in session.execute(text("SELECT address FROM mailbox"))}
    store.close()
    return found


def test_two_source_servers_with_different_clocks_write_the_same_day(
    desk: TwoMachineDesk, here: tuple[str, int], tmp_path: Path
) -> None:
    there = free_address()
    other = a_second_server(desk.server, tmp_path / "other", there)
    with (
        a_site_at("", desk.server, here, tmp_path / "here") as source,
        a_site_at(AHEAD, other, there, tmp_path / "there") as elsewhere,
    ):
        passphrase = source.open_mailbox()
        source.write("written here")
        elsewhere.log_in(passphrase)
        elsewhere.write("written there", {"a.png": bytes(100_000)})
        assert "written there" in source.mailbox()
        source.write("and here again")
        elsewhere.browser.cookies.clear()
        elsewhere.open_mailbox()
        elsewhere.write("a mailbox of the server with the wrong clock")

    assert {TODAY} == days_in(desk)
    assert "fault: The clock shows" not in desk.server.types("check").output


def test_a_sweeper_with_a_wrong_clock_leaves_deletions_to_one_with_the_right_clock(
    desk: TwoMachineDesk,
) -> None:
    early, due = a_closed_mailbox(desk, TODAY + timedelta(days=30)), a_closed_mailbox(desk, TODAY)

    done = run_at(AHEAD, desk.server, "store", "sweep")
    held = mailboxes_in(desk)
    desk.server.does("store", "sweep")

    assert ExitCode.DONE == done.returncode, done.stderr
    assert "a clock is wrong, so no closed mailbox" in done.stderr
    assert {early, due} <= held
    assert {due} == held - mailboxes_in(desk)


def test_a_server_whose_clock_is_wrong_syncs(desk: TwoMachineDesk, tmp_path: Path) -> None:
    """Each of the two machines would refuse the other one's pouch, because of its day."""
    first, server = desk.first, desk.server
    first.does("pouch", "make", tmp_path / "to")
    desk.a_source_writes("a message that syncs")

    applied = run_at(BEHIND, server, "pouch", "apply", tmp_path / "to")
    made = run_at(AHEAD, server, "pouch", "make", tmp_path / "from")
    first.does("pouch", "apply", tmp_path / "from")

    assert (0, 0) == (applied.returncode, made.returncode), applied.stderr + made.stderr
    assert texts_held(server) == texts_held(first)


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (timedelta(seconds=30), "ok: The clocks of this machine and of the database server agree."),
        (
            timedelta(minutes=3),
            "warning: The clocks of this machine and of the database server differ by 3 minutes.",
        ),
        (
            timedelta(hours=-3),
            "fault: The clocks of this machine and of the database server differ by 3 hours.",
        ),
        (timedelta(days=3), "fault: The clocks of this machine and of the database server differ by 3 days."),
    ],
)
def test_the_check_tells_how_far_the_clocks_are_apart(
    desk: TwoMachineDesk, monkeypatch: pytest.MonkeyPatch, ahead: timedelta, said: str
) -> None:
    monkeypatch.setattr(clock, "datetime", SimpleNamespace(now=lambda zone: datetime.now(zone) + ahead))
    results = make_store_checks(read_machine_settings(desk.server.settings), TODAY)
    assert said in "\n".join(each.line for each in results)
