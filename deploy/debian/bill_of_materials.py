"""Software bill of materials (SBOM) of a Debian package, as JSON in the format CycloneDX 1.6.

`build.sh` runs `python -m deploy.debian.bill_of_materials CONTROL SITE-PACKAGES PIP-REPORT COMMIT-SECONDS`.
The same arguments always give the same bytes: the SBOM has the time of the commit, and no random number.
"""

import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from uuid import NAMESPACE_OID, uuid5

_OURS: Final = "steunpunt-mailbox"  # the program itself, which is the subject of the list
_SCOPES: Final = {"Recommends": "optional", "Depends": "required"}


def list_materials(control: str, site_packages: Path, report: bytes, committed: datetime) -> dict[str, Any]:
    """Return the SBOM (list of components) of a package.

    `control` is the package's control file. `site_packages` is the folder with the installed Python packages.
    `report` is the JSON report of pip about the installation. `committed` is the time of the commit.
    """
    fields = dict(re.findall(r"(?m)^([A-Z][A-Za-z-]*): (.+)$", control))
    name, version = fields["Package"], fields["Version"]
    purl = f"pkg:deb/{_OURS}/{name}@{quote(version)}?arch={fields['Architecture']}"
    licences = [{"expression": "EUPL-1.2"}]
    parts = {
        each["purl"]: each for each in [*_python_packages(site_packages, report), *_debian_packages(fields)]
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_OID, purl)}",
        "version": 1,
        "metadata": {
            "timestamp": committed.isoformat(),
            "component": _component(name, purl, type="application", version=version, licenses=licences),
        },
        "components": [parts[each] for each in sorted(parts)],
        "dependencies": [{"ref": purl, "dependsOn": sorted(parts)}],
    }


def _python_packages(site_packages: Path, report: bytes) -> Iterator[dict[str, Any]]:
    hashes = {
        _normal(each["metadata"]["name"]): each["download_info"]["archive_info"]["hash"].partition("=")[2]
        for each in json.loads(report)["install"]
    }
    for each in distributions(path=[str(site_packages)]):
        name, version = _normal(each.name), each.version
        if name != _OURS:
            digest = {"alg": "SHA-256", "content": hashes[name]}
            more = {"version": version, "licenses": _licences(each), "hashes": [digest]}
            yield _component(name, f"pkg:pypi/{name}@{quote(version)}", **more)


def _debian_packages(fields: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the packages that this package depends on or recommends. Of `a | b`, yield the first."""
    release = fields["Version"].rpartition("+deb")[2]
    for field, scope in _SCOPES.items():
        for name in (each.split()[0] for each in fields[field].split(", ")):
            yield _component(name, f"pkg:deb/debian/{name}?distro=debian-{release}", scope=scope)


def _component(name: str, purl: str, **more: object) -> dict[str, Any]:
    return {"type": "library", "bom-ref": purl, "name": name, "purl": purl, **more}


def _licences(package: Distribution) -> list[dict[str, Any]]:
    """Return the licences as the package names them: an SPDX expression, or else names."""
    if expression := package.metadata["License-Expression"]:
        return [{"expression": expression}]
    classifiers = package.metadata.get_all("Classifier") or []
    names = [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License :: ")]
    return [{"license": {"name": each}} for each in names or [package.metadata["License"]]]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    _control, _packages, _report = map(Path, sys.argv[1:4])
    _time = datetime.fromtimestamp(int(sys.argv[4]), UTC)
    _made = list_materials(_control.read_text("utf-8"), _packages, _report.read_bytes(), _time)
    print(json.dumps(_made, indent=1, ensure_ascii=False))  # noqa: T201  # build.sh reads it
