"""GnuPG homes for the tests: the desk's, and one of a stranger (a recipient, a source or an attacker)."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpg.home import GpgHome, OpenPGPKey
from tests.gpg.gpg_factories import TODAY


@pytest.fixture
def parent() -> Iterator[Path]:
    """Yield a folder in memory with a short name, because the paths of gpg's sockets must be short."""
    folder = Path("/dev/shm") / f"steunpunt-test-{secrets.token_hex(6)}"  # noqa: S108  # memory, on purpose
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def desk(parent: Path) -> Iterator[GpgHome]:
    with GpgHome.open(parent) as home:
        yield home


@pytest.fixture
def stranger(parent: Path) -> Iterator[GpgHome]:
    with GpgHome.open(parent) as home:
        yield home


@pytest.fixture
def own(desk: GpgHome) -> OpenPGPKey:
    return desk.make_key("Extern steunpunt integriteit", TODAY)


@pytest.fixture
def theirs(desk: GpgHome, stranger: GpgHome) -> OpenPGPKey:
    """Make a recipient's key in the stranger's home, and import its public half into the desk's home."""
    key = stranger.make_key("Sécretariat ☂", TODAY)
    desk.import_public(key.public.encode(), key.fingerprint)
    return key
