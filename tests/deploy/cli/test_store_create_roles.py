"""`steunpunt store create-roles` makes the users of a database, and says which."""

import sys

import pytest
from click.testing import CliRunner

from deploy.cli.main import main
from deploy.exit_codes import ExitCode
from deploy.serving.wiped_memory import ENVIRONMENT
from tests.postgresql_cluster import the_cluster


def test_the_roles_of_a_database_are_made_once_and_named_each_time() -> None:
    database = the_cluster().a_database()
    said = [_types(the_cluster().url(database)) for _ in range(2)]
    the_cluster().drop(database)

    roles = "".join(f"{database}_{name}\n" for name in ("owner", "source", "sync", "backup"))
    assert [f"The database has these roles:\n{roles}"] * 2 == said


@pytest.mark.parametrize("secret", ["user:canary@", "canary"])
def test_an_address_that_is_refused_is_not_repeated(secret: str) -> None:
    assert "canary" not in _types(f"postgresql://{secret}/d?host=/run", ExitCode.SETTINGS)


def test_a_machine_without_the_library_of_the_database_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "store.dialect.postgresql", None)
    said = _types("postgresql://user@/d?host=/run", ExitCode.STORE)
    assert "Error: This machine has no library for PostgreSQL: install Debian's libpq5.\n" == said


def _types(url: str, status: ExitCode = ExitCode.DONE) -> str:
    done = CliRunner(env=ENVIRONMENT).invoke(main, ["store", "create-roles", url])
    assert status == done.exit_code, done.output
    return done.output
