"""A made-up next version of the program: one more migration of the store, and one more setting."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from store.database import engine, table_versions
from tests.code_lines import ROOT

NEXT = "0002"
_STATEMENTS = (
    "CREATE TABLE note (id INTEGER NOT NULL, day DATE, CONSTRAINT pk_note PRIMARY KEY (id))",
    "ALTER TABLE entry ADD COLUMN note VARCHAR",
    "INSERT INTO note (id, day) SELECT id, day FROM entry",
    "UPDATE entry SET note = 'a note of some length for each row of this table'",
    "UPDATE sealed SET payload = CAST(payload AS BLOB)",  # rewrites the largest table
)
_MIGRATION = f"""
from alembic import op

revision = "{NEXT}"
down_revision = "{table_versions.SCHEMA}"


def upgrade():
    for statement in {_STATEMENTS}:
        op.execute(statement)
"""


def next_digest() -> str:
    """Return the digest of the tables of the next version."""
    tables = (ROOT / "store" / "migrations" / "versions" / "tables_0001.sql").read_text("utf-8")
    with closing(sqlite3.connect(":memory:")) as made:
        made.executescript(tables + ";".join(_STATEMENTS))
        return table_versions._digest(made)


def add_migration(store_package: Path) -> None:
    """Add the next migration to a copy of the folder `store/`."""
    (store_package / "migrations" / "versions" / "v0002_notes.py").write_text(_MIGRATION, "utf-8")


@contextmanager
def store_code_of_next_version(store_package: Path, schema: str = NEXT) -> Iterator[None]:
    """Let the store's code be that of the next version, whose migrations are in a copy of `store/`.

    If `schema` is the present version, the code does not know the next version.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "__file__", str(store_package / "database" / "engine.py"))
        patch.setattr(table_versions, "SCHEMA", schema)
        if schema == NEXT:
            patch.setitem(table_versions.VERSIONS, NEXT, next_digest())
        yield
