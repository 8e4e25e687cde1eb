"""Upgrade of real older packages, and the way back. The tests of a machine run in this order."""

import re
from collections.abc import Iterator

import pytest

from tests.deploy.two_machines import TwoMachineDesk
from tests.next_version import add_setting
from tests.proofs.packages.debian_machine import DebianMachine, booted, download_needs
from tests.proofs.packages.package_builds import BuildRoot, Debian, Packages, change_package, is_known_commit
from tests.proofs.packages.server_steps import (
    HOME,
    SETTINGS,
    entries,
    installed_version,
    is_green,
    set_up_server,
    settings_text,
    states,
)
from tests.proofs.packages.workstation_steps import (
    booted_workstation,
    by_adviser,
    makes_a_desk,
    starts_from_the_menu,
    user_states,
)
from tests.proofs.proof_sizes import print_result

pytestmark = pytest.mark.slow

# The first commit whose packages pass these proofs. Its settings lack the key `sync_host`. The tables did not
# change after the first package, so only the made-up next version of other proofs has a migration.
OLDER = "8c53e6fc3292597ba8f0b68cbea913744309521e"


@pytest.fixture(scope="module")
def versions(
    build_root: BuildRoot, packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Packages, Packages]:
    """The older packages, and the newer ones, which have one more setting."""
    if is_known_commit(OLDER):
        return build_root.build("older", commit=OLDER), packages
    print_result("this clone has no history: the older packages are today's, and the newer ones are made up")
    newer = (
        change_package(package, tmp_path_factory.mktemp("newer"), ".1", add_setting)
        for package in (packages.server, packages.workstation)
    )
    return packages, Packages(*newer)


@pytest.fixture(scope="module")
def older(versions: tuple[Packages, Packages]) -> Packages:
    return versions[0]


@pytest.fixture(scope="module")
def newer(versions: tuple[Packages, Packages]) -> Packages:
    return versions[1]


@pytest.fixture(scope="module")
def server(
    debian: Debian, older: Packages, newer: Packages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DebianMachine]:
    root = debian.copied(tmp_path_factory.mktemp("server") / debian.release)
    for version in (older, newer):
        download_needs(root, version.server)
    with booted(DebianMachine("disk", root)) as started:
        yield started


@pytest.fixture(scope="module")
def workstation(
    debian: Debian, older: Packages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DebianMachine]:
    with booted_workstation(debian, tmp_path_factory.mktemp("workstation"), older.workstation) as started:
        yield started


def test_an_older_server_is_backed_up_and_upgraded_and_keeps_every_message(
    server: DebianMachine, older: Packages, newer: Packages, desk: TwoMachineDesk
) -> None:
    assert server.installs(older.server).returncode == 0
    set_up_server(server, desk)
    is_green(server)  # a source writes here: the older server may refuse a pouch of today's workstation
    before, keys = entries(server), _keys(server)

    done = server.installs(newer.server)

    assert done.returncode == 0, done.stdout + done.stderr
    assert installed_version(server) == newer.version
    assert re.search(r"backup-\S+: \d+ entries verified", done.stdout + done.stderr)
    assert entries(server) == before > 0
    assert _keys(server) > keys
    is_green(server)
    print_result(f"{older.version} became {newer.version}, with {len(_keys(server) - keys)} new settings")


def test_the_older_program_runs_again_and_gives_way_once_more(
    server: DebianMachine, older: Packages, newer: Packages
) -> None:
    """The upgrade changed only the settings. They go back first, because this older package refuses them."""
    before = entries(server)
    server.does("systemctl", "stop", "steunpunt.target")
    (copy,) = server.does("sh", "-c", f"ls -d {HOME}/var/before-upgrade/*").split()

    server.does("cp", f"{copy}/config.toml", SETTINGS)
    server.does("dpkg", "--install", f"/{older.server.name}")
    server.does(
        "systemctl", "start", "steunpunt.target"
    )  # a package starts nothing if it knows that it is older

    assert installed_version(server) == older.version
    assert entries(server) == before
    is_green(server)
    assert server.installs(newer.server).returncode == 0
    assert states(server) == {"active"}


def test_an_older_workstation_is_upgraded_and_keeps_its_desk(
    workstation: DebianMachine, older: Packages, newer: Packages, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert workstation.installs(older.workstation).returncode == 0
    makes_a_desk(workstation, tmp_path_factory.mktemp("other-server"))
    desk = workstation.does(*by_adviser("steunpunt", "keys", "fingerprint"))
    workstation.does(*by_adviser("systemctl", "--user", "stop", "steunpunt-adviser", "steunpunt-sweep"))

    done = workstation.installs(newer.workstation)

    assert done.returncode == 0, done.stdout + done.stderr
    assert user_states(workstation) == ["inactive", "inactive"]
    workstation.does(*by_adviser("steunpunt", "upgrade", "--dry-run"))
    workstation.does(*by_adviser("steunpunt", "upgrade"))
    starts_from_the_menu(workstation)
    assert workstation.does(*by_adviser("steunpunt", "keys", "fingerprint")) == desk


def _keys(machine: DebianMachine) -> set[str]:
    return set(re.findall(r"(?m)^(\w+) = ", settings_text(machine)))
