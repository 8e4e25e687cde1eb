from collections.abc import Iterator
from pathlib import Path

import pytest

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.whole_desk import unlocking
from tests.journalist_app.desk_factories import PASSPHRASE, ASource, World, a_source, a_world
from tests.journalist_app.views.paper import Paper


@pytest.fixture(autouse=True, scope="module")
def no_check_by_itself() -> Iterator[None]:
    """Let the background threads of an unlocked desk wait until it locks. A test checks at its own moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unlocking, "_PAGE_SECONDS", 3600)
        patch.setattr(unlocking, "_AGAIN_SECONDS", 3600)
        yield


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = a_world(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path)


@pytest.fixture
def desk(world: World, paper: Paper) -> OpenDesk:
    """Return an unlocked desk that passes files on to `paper`."""
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    desk.exporter = paper
    return desk


@pytest.fixture
def source(world: World) -> ASource:
    """Return a source who has sent a file."""
    made = a_source(world)
    made.writes("vraag", file=("bewijs.pdf", b"author: iemand; inhoud"))
    return made
