import json
import subprocess
from importlib.metadata import distributions
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.proofs.packages.package_builds import (
    BuildRoot,
    Debian,
    Packages,
    build_packages,
    clone_project,
    this_release,
)
from tests.proofs.proof_sizes import print_result

pytestmark = pytest.mark.slow


def test_a_package_is_the_same_byte_for_byte_wherever_and_whenever_it_is_built(
    debian: Debian, build_root: BuildRoot, packages: Packages, tmp_path: Path
) -> None:
    again = [build_root.build("another folder/of another depth", clock="+1d")]
    if debian.release == this_release():
        again.append(build_packages(clone_project(tmp_path / "project")))  # outside the folder with a Debian

    for other in again:
        for first, second in ((packages.server, other.server), (packages.workstation, other.workstation)):
            assert first.name == second.name
            assert first.read_bytes() == second.read_bytes()
            assert _materials_of(first) == _materials_of(second)
    print_result(f"both packages are the same when built {len(again) + 1} times: {packages.version}")


def test_the_server_has_the_files_of_its_reverse_proxies(packages: Packages) -> None:
    listed = subprocess.run(["dpkg-deb", "-c", packages.server], capture_output=True, text=True, check=True)
    for name in ("Caddyfile", "nginx.conf", "try-again.html"):
        assert f" ./usr/share/steunpunt/sites/{name}\n" in listed.stdout


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


def test_the_list_of_materials_has_each_python_package_of_the_debian_package_and_no_other(
    packages: Packages, tmp_path: Path
) -> None:
    for package, folder in packages.unpacked(tmp_path).items():
        name = package.name.split("_")[0]
        inside = (folder / f"usr/share/doc/{name}/{name}.cdx.json").read_text("utf-8")
        installed = [str(each) for each in folder.glob("usr/lib/steunpunt/lib/python3.*/site-packages")]

        assert inside == _materials_of(package)
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(inside) is None
        found = {
            (each.name.lower().replace("_", "-"), each.version) for each in distributions(path=installed)
        }
        listed = {
            (each["name"], each["version"])
            for each in json.loads(inside)["components"]
            if each["purl"].startswith("pkg:pypi/")
        }
        assert {each for each in found if each[0] != "steunpunt-mailbox"} == listed
        assert len(listed) > 30


def _materials_of(package: Path) -> str:
    return package.with_suffix(".cdx.json").read_text("utf-8")
