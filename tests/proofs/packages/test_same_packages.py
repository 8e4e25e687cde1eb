import subprocess
from pathlib import Path

import pytest

from tests.proofs.packages.package_builds import Packages, build_packages, clone_project
from tests.proofs.proof_sizes import print_result

pytestmark = pytest.mark.slow


def test_a_package_is_the_same_byte_for_byte_wherever_and_whenever_it_is_built(
    packages: Packages, tmp_path: Path
) -> None:
    elsewhere = clone_project(tmp_path / "another folder" / "of another depth")

    again = build_packages(elsewhere, cache=tmp_path / "cache", clock="+1d")

    for first, second in ((packages.server, again.server), (packages.workstation, again.workstation)):
        assert first.name == second.name
        assert first.read_bytes() == second.read_bytes()
    print_result(f"both packages are the same when built twice: {packages.version}")


def test_each_package_has_the_manual_pages_and_the_completion_of_its_commands(packages: Packages) -> None:
    for package in (packages.server, packages.workstation):
        listed = subprocess.run(
            ["dpkg-deb", "-c", package], capture_output=True, text=True, check=True
        ).stdout
        for path in (
            "man/man1/steunpunt.1.gz",
            "man/man1/steunpunt-keys.1.gz",
            "bash-completion/completions/steunpunt",
            "zsh/vendor-completions/_steunpunt",
            "fish/vendor_completions.d/steunpunt.fish",
        ):
            assert f" ./usr/share/{path}\n" in listed, path
