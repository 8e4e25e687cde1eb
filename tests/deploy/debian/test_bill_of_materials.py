import json
import re
from datetime import UTC, datetime
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.spdx import is_expression
from cyclonedx.validation.json import JsonStrictValidator

from deploy.debian.bill_of_materials import list_materials
from tests.deploy.servers import ROOT

PYTHON = "python3 (>= 3.11), python3 (<< 3.12)"
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECTION = re.compile(r"(?m)^([a-z0-9-]+)==(\S+) \\\n    --hash=sha256:([0-9a-f]{64})")
PINNED = {
    name: (version, digest)
    for name, version, digest in SECTION.findall((ROOT / "requirements.txt").read_text("utf-8"))
}


@pytest.fixture(params=["server", "workstation"])
def control(request: pytest.FixtureRequest) -> str:
    text = (ROOT / "deploy/debian" / request.param / "DEBIAN/control").read_text("utf-8")
    for name, value in {"VERSION": "0.1.0+deb12", "ARCH": "amd64", "PYTHON": PYTHON}.items():
        text = text.replace(f"@{name}@", value)
    return text


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with what pip writes about each pinned package, and about this program itself."""
    texts = {name: distribution(name).read_text("METADATA") for name in PINNED}
    for name, text in {**texts, "steunpunt-mailbox": "Name: steunpunt-mailbox\nVersion: 0.1.0\n"}.items():
        folder = tmp_path / f"{name}-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(text or "", "utf-8")
    return tmp_path


def _report() -> bytes:
    return json.dumps(
        {
            "install": [
                {
                    "metadata": {"name": distribution(name).name},
                    "download_info": {"archive_info": {"hash": f"sha256={digest}"}},
                }
                for name, (_, digest) in PINNED.items()
            ]
        }
    ).encode()


def _made(control: str, installed: Path) -> dict[str, Any]:
    return list_materials(control, installed, _report(), NOON)


def test_a_list_of_materials_follows_the_schema_of_cyclonedx(control: str, installed: Path) -> None:
    made = json.dumps(_made(control, installed))

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(made) is None


def test_each_pinned_package_is_listed_with_its_version_hash_and_licence(
    control: str, installed: Path
) -> None:
    listed = {
        each["name"]: each
        for each in _made(control, installed)["components"]
        if each["purl"].startswith("pkg:pypi/")
    }

    assert len(PINNED) > 30
    assert PINNED == {name: (each["version"], each["hashes"][0]["content"]) for name, each in listed.items()}
    for name, each in listed.items():
        assert f"pkg:pypi/{name}@{PINNED[name][0]}" == each["purl"]
        assert all(
            is_expression(one["expression"]) if "expression" in one else one["license"]["name"]
            for one in each["licenses"]
        )


def test_each_debian_package_that_ours_needs_is_listed(control: str, installed: Path) -> None:
    named = re.findall(r"(?m)^(?:Depends|Recommends): (.*)$", control)
    needed = [each.split()[0] for line in named for each in line.split(", ")]

    made = _made(control, installed)

    listed = [each["name"] for each in made["components"] if each["purl"].startswith("pkg:deb/")]
    assert sorted(set(needed)) == sorted(listed)
    assert [each["bom-ref"] for each in made["components"]] == made["dependencies"][0]["dependsOn"]


def test_a_package_without_a_known_hash_stops_the_build(control: str, installed: Path) -> None:
    with pytest.raises(KeyError):
        list_materials(control, installed, b'{"install": []}', NOON)
