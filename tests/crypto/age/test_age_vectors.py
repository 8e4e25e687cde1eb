"""Our age code passes the public test vectors of age, except those for scrypt and for strict armour.

We do not support scrypt. Armour is read in every wrapping (`journalist_app/files/sealed_blocks.py`).
"""

import base64
import hashlib
import json
import re
import subprocess
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from crypto import age
from crypto.errors import MalformedError, UnreadableError
from journalist_app.files.sealed_blocks import UnwrappedFile

pytestmark = pytest.mark.slow  # starts npm

_ROOT = Path(__file__).parents[3]
_PLAN = json.loads((_ROOT / "tests/vectors/cctv_age.json").read_text("utf-8"))
_LEFT_OUT = {name for names in _PLAN["left_out"].values() for name in names}
_NOBODY = age.X25519Identity(bytes(32))


@dataclass(frozen=True)
class Vector:
    fields: Mapping[str, str]
    identities: tuple[age.AgeIdentity, ...]
    age_file: bytes


@pytest.fixture(scope="session")
def package() -> Mapping[str, bytes]:
    cache = _ROOT / ".cache"
    packed = cache / f"{_PLAN['package']}-{_PLAN['version']}.tgz"
    if not packed.exists():
        cache.mkdir(exist_ok=True)
        wanted = f"{_PLAN['package']}@{_PLAN['version']}"
        subprocess.run(["npm", "pack", "--silent", wanted], cwd=cache, check=True, capture_output=True)
    digest = hashlib.sha512(packed.read_bytes()).digest()
    if _PLAN["integrity"] != "sha512-" + base64.b64encode(digest).decode("ascii"):
        packed.unlink()
        pytest.fail("npm gave another package than the one whose digest is committed")
    with tarfile.open(packed) as archive:
        module = archive.extractfile("package/index.js")
        assert module is not None
        source = module.read().decode("utf-8")
    found = re.findall(r'^var (\w+)_default = __toBinary\("([^"]*)"\);$', source, re.MULTILINE)
    return {name: base64.b64decode(text) for name, text in found}


def _vector(raw: bytes) -> Vector:
    head, _, age_file = raw.partition(b"\n\n")
    pairs = [line.split(": ", 1) for line in head.decode("utf-8").splitlines()]
    fields = dict(pairs)
    identities = tuple(
        age.PQIdentity.from_text(text) if "-PQ-" in text else age.X25519Identity.from_text(text)
        for key, text in pairs
        if key == "identity"
    )
    if "compressed" in fields:
        assert fields["compressed"] == "zlib"
        age_file = zlib.decompress(age_file)
    return Vector(fields, identities or (_NOBODY,), age_file)


def test_every_vector_of_the_package_is_run_or_skipped_for_a_reason(package: Mapping[str, bytes]) -> None:
    assert len(_PLAN["run"]) > 90
    assert package.keys() == _PLAN["run"].keys() | _LEFT_OUT
    left_out = [_vector(package[name]).fields for name in _LEFT_OUT]
    assert all("passphrase" in each or each["expect"] == "armor failure" for each in left_out)


@pytest.mark.parametrize(("name", "expect"), _PLAN["run"].items(), ids=_PLAN["run"].keys())
def test_each_public_vector_ends_as_it_should(package: Mapping[str, bytes], name: str, expect: str) -> None:
    vector = _vector(package[name])
    assert expect == vector.fields["expect"]
    if "armored" in vector.fields:
        vector = replace(vector, age_file=b"".join(UnwrappedFile([vector.age_file]).pieces))
    if expect in {"header failure", "no match", "HMAC failure"}:
        with pytest.raises((MalformedError, UnreadableError)):
            _first_piece(vector)
        return
    header, payload = age.split_file(vector.age_file)
    assert header == age.AgeHeader.from_bytes(header).to_bytes()
    assert bytes.fromhex(vector.fields["file key"]) == age.unwrap(header, vector.identities)
    if expect == "success":
        plaintext, _ = age.decrypt(header, payload, vector.identities)
        assert vector.fields["payload"] == hashlib.sha256(plaintext).hexdigest()
        return
    assert expect == "payload failure"
    with pytest.raises(UnreadableError):
        age.decrypt(header, payload, vector.identities)


def _first_piece(vector: Vector) -> bytes:
    """Read up to the first piece of plaintext.

    A fault in the header must show before any plaintext is returned.
    """
    header, payload = age.split_file(vector.age_file)
    return next(iter(age.AgeReader(header, vector.identities, [payload])), b"")
