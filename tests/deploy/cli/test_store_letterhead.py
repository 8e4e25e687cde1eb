"""`steunpunt store letterhead` prints the desk's public statement, for a person or for a script."""

from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from protocol.letterhead import Absence, Letterhead, Report
from tests.deploy.two_machines import TwoMachineDesk, a_desk, newest

pytestmark = pytest.mark.enable_socket  # whether the adviser's port is free is looked at, on loopback

DAY = date(2026, 11, 30)


@pytest.fixture
def desk(tmp_path: Path) -> TwoMachineDesk:
    return a_desk(tmp_path)


def test_a_person_reads_who_signed_what_the_desk_promises(desk: TwoMachineDesk) -> None:
    desk.publishes(
        desk.first,
        issued=DAY,
        closed_days=(DAY,),
        absences=(Absence(date(2026, 12, 24), date(2026, 12, 31)),),
        reports=(Report("2025", date(2026, 2, 1), bytes(32)),),
        retention_days=60,
    )

    said = desk.first.does("store", "letterhead").splitlines()

    assert "signed on 2026-11-30." in said[0]
    for line in (
        "Working days: Monday, Tuesday, Thursday",
        "Away: from 2026-12-24 to 2026-12-31",
        "Closed on: 2026-11-30",
        "Report: 2025, published on 2026-02-01",
        "OpenPGP key: none",
        "Deletion: a closed mailbox after 60 days, a mailbox without a new message after 12 months",
    ):
        assert line in said
    assert max(map(len, said)) < 140


def test_a_script_gets_all_of_the_letterhead(desk: TwoMachineDesk) -> None:
    desk.publishes(desk.first, answer_working_days=9)

    printed = desk.first.does("store", "letterhead", "--json")

    with closing(desk.first.store()) as store:
        assert newest(store, desk.keyring) == Letterhead.from_bytes(printed.rstrip("\n").encode())
