from pathlib import Path

import pytest

from tests.proofs.packages.package_builds import Packages, build_packages, clone_project
from tests.proofs.proof_sizes import print_result

pytestmark = pytest.mark.slow


def test_a_package_is_the_same_byte_for_byte_wherever_it_is_built(packages: Packages, tmp_path: Path) -> None:
    elsewhere = clone_project(tmp_path / "another folder" / "of another depth")

    again = build_packages(elsewhere, cache=tmp_path / "cache")

    for first, second in ((packages.server, again.server), (packages.workstation, again.workstation)):
        assert first.name == second.name
        assert first.read_bytes() == second.read_bytes()
    print_result(f"both packages are the same when built twice: {packages.version}")
