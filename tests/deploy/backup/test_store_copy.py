"""`steunpunt store copy` copies a store to a database and back, and accepts no address with a secret."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.cli.main import main
from deploy.exit_codes import ExitCode
from deploy.serving.wiped_memory import ENVIRONMENT
from store.database.engine import create_store, open_store
from tests.postgresql_cluster import the_cluster
from tests.store.factories import a_mailbox, rows


def test_a_store_moves_to_a_database_and_back(tmp_path: Path) -> None:
    store = create_store(tmp_path / "var" / "store.db")
    a_mailbox(store)
    store.close()
    database, back = the_cluster().url(the_cluster().a_database()), tmp_path / "back.db"

    said = [_types(f"sqlite://{store.path}", database), _types(database, f"sqlite://{back}")]

    assert all(each.startswith("Copied 1 rows, and compared each with its copy.") for each in said)
    moved = open_store(back)
    assert 1 == rows(moved, "mailbox")
    assert 0o600 == back.stat().st_mode & 0o777
    moved.close()
    the_cluster().drop(database.split("/")[3].partition("?")[0])


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:canary@/d?host=/run",
        "postgresql://user@/d?host=/run&password=canary",
        "sqlite://canary",
        "sqlite://user:canary@/store.db",
        "mysql://canary",
        "canary",
    ],
)
def test_an_address_of_a_copy_that_is_refused_is_not_repeated(url: str, tmp_path: Path) -> None:
    for pair in ((url, f"sqlite://{tmp_path}/new.db"), (f"sqlite://{tmp_path}/new.db", url)):
        said = _types(*pair, status=ExitCode.SETTINGS)
        assert "canary" not in said
        assert 1 == said.count("\n")
    assert [] == list(tmp_path.iterdir())


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    store = create_store(tmp_path / "var" / "store.db")
    store.close()

    said = _types(f"sqlite://{store.path}", f"sqlite://{tmp_path}/missing/store.db", status=ExitCode.FAILED)

    assert "The store cannot be copied" in said


def _types(*words: str, status: ExitCode = ExitCode.DONE) -> str:
    done = CliRunner(env=ENVIRONMENT).invoke(main, ["store", "copy", *words])
    assert status == done.exit_code, done.output
    return done.output
