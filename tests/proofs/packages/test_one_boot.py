import os
from collections.abc import Iterator

import pytest

from tests.deploy.two_machines import TwoMachineDesk
from tests.proofs.packages.debian_machine import DebianMachine, booted
from tests.proofs.packages.package_builds import build_once
from tests.proofs.packages.server_steps import is_green, message_arrives, set_up_server, states

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can boot a machine that installs our packages"),
]


@pytest.fixture(scope="module")
def copy_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianMachine]:
    """A booted copy of this Debian, which has what our packages need. The copy has no network."""
    with booted(DebianMachine("memory", tmp_path_factory.mktemp("machine"))) as machine:
        yield machine


def test_a_server_from_the_package_starts_passes_the_check_and_stops(
    copy_of_this_machine: DebianMachine, desk: TwoMachineDesk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    machine = copy_of_this_machine
    done = machine.installs(build_once(tmp_path_factory).server)
    assert done.returncode == 0, done.stdout + done.stderr
    set_up_server(machine, desk)
    message_arrives(machine, desk)
    is_green(machine)

    machine.does("systemctl", "stop", "steunpunt.target")

    assert states(machine) == {"inactive"}
    assert machine.does("systemctl", "list-units", "--failed", "--quiet") == ""
