from collections.abc import Iterator

import pytest

from tests.proofs.packages.debian_machine import DebianMachine, install_debian
from tests.proofs.packages.package_builds import Packages, build_packages, clone_project
from tests.proofs.proof_sizes import IS_WHOLE

# These proofs build packages and install a Debian, which takes minutes. So only `make prove` runs them.
collect_ignore = [] if IS_WHOLE else ["test_same_packages.py", "test_server_package.py"]


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """The Debian packages of the newest commit."""
    return build_packages(clone_project(tmp_path_factory.mktemp("first") / "project"))


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory, packages: Packages) -> Iterator[DebianMachine]:
    """A booted Debian on which the packages that ours need can be installed without a network."""
    with install_debian(tmp_path_factory.mktemp("debian"), packages.server) as booted:
        yield booted
