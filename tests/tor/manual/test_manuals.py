"""Each block of the manuals, in their order, on machines that begin without the mailbox."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from bench.tor_network import Tor, TorNetwork
from tests.docs.manual_blocks import read_blocks
from tests.next_version import change_to_next_version
from tests.proofs.packages.debian_machine import DebianMachine, booted
from tests.proofs.packages.package_builds import Packages, build_once, change_package
from tests.proofs.proof_sizes import IS_WHOLE, print_result
from tests.tor.manual.newcomer import ADVISER, STICK, Newcomer
from tests.tor.manual.reachable_machines import machine_reached, tor_network_reached
from tests.tor.onion_sites import wait_for_answer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can boot machines that install our packages"),
]

# `make test` follows the path of the first hour. `make prove` also runs what comes later.
_AFTER_THE_FIRST_HOUR = "Clearnet"


def next_version_of(packages: Packages, folders: pytest.TempPathFactory) -> Packages:
    """Make the packages of a made-up next version, which has one more migration and one more setting."""
    made = (
        change_package(package, folders.mktemp("newer"), ".1", change_to_next_version)
        for package in (packages.server, packages.workstation)
    )
    return Packages(*made)


@pytest.fixture
def newcomer(network: TorNetwork, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    packages = build_once(tmp_path_factory)
    with ExitStack() as stack:

        def begins(name: str) -> DebianMachine:
            machine = stack.enter_context(booted(DebianMachine("memory", tmp_path_factory.mktemp(name))))
            # On a new Debian, Tor starts when it is installed. This copy has Tor already.
            machine.does("systemctl", "enable", "--now", "tor")
            machine.does("debconf-set-selections", text="man-db man-db/auto-update boolean false\n")
            (machine.root / "etc/apt/apt.conf.d/here").write_text(
                'APT::Install-Recommends "false";\n', "ascii"
            )
            (machine.root / "root" / packages.server.name).write_bytes(packages.server.read_bytes())
            return machine

        server, workstation = begins("server"), begins("workstation")
        server.does("systemctl", "enable", "--now", "ssh")
        for machine in (server, workstation):
            stack.enter_context(tor_network_reached(machine, network))
        stack.enter_context(machine_reached(workstation, "mailbox", server, 22))
        newer = next_version_of(packages, tmp_path_factory) if IS_WHOLE else packages
        person = Newcomer(server, workstation, tmp_path_factory.mktemp("elsewhere"), packages, newer)
        if IS_WHOLE:
            person.new_server = begins("new-server")
        person.adds_adviser(ADVISER)
        (workstation.root / STICK).mkdir()
        (workstation.root / STICK).chmod(0o777)
        yield person


def test_a_newcomer_gets_from_machines_without_the_mailbox_to_a_desk_that_works(
    newcomer: Newcomer, client: Tor
) -> None:
    blocks = read_blocks("operator.md")
    first_hour = next(at for at, block in enumerate(blocks) if block.section == _AFTER_THE_FIRST_HOUR)

    for block in blocks[:first_hour]:
        newcomer.does(block)
    for place, seconds in newcomer.seconds.items():
        print_result(f"first hour, {place}: {len(seconds)} commands took {sum(seconds):.0f} s")
    page = wait_for_answer(client, newcomer.notes["address for sources"], "/en/")
    for block in read_blocks("adviser.md"):
        newcomer.does(block)
    for block in blocks[first_hour:] if IS_WHOLE else []:
        newcomer.does(block)

    assert b" 200 OK" in page[:20]
