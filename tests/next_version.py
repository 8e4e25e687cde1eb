"""A made-up next version of the program: one more migration of the store, and one more setting."""

import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.backup import backup_folder, make_backup, restore_backup
from deploy.exit_codes import ExitCode
from store.database import engine, table_versions
from tests.code_lines import ROOT

NEXT = "0002"
_MIGRATION_FILE = "store/migrations/versions/v0002_notes.py"
_STATEMENTS = (
    "CREATE TABLE note (id INTEGER NOT NULL, copy BLOB, CONSTRAINT pk_note PRIMARY KEY (id))",
    "ALTER TABLE entry ADD COLUMN note VARCHAR",
    "UPDATE entry SET note = 'a note of some length for each row of this table'",
    "INSERT INTO note (id, copy) SELECT id, randomblob(size) FROM sealed",  # as much as the whole store
)
_ON_POSTGRESQL = {"INTEGER": "BIGINT", "BLOB": "BYTEA", "randomblob": "int8send"}
_MIGRATION = f"""
from alembic import op

revision = "{NEXT}"
down_revision = "{table_versions.SCHEMA}"


def upgrade():
    for statement in {_STATEMENTS}:
        for old, new in {_ON_POSTGRESQL}.items():
            if op.get_context().dialect.name == "postgresql":
                statement = statement.replace(old, new)
        op.execute(statement)
"""


def next_digest() -> str:
    """Return the digest of the tables of the next version."""
    tables = (ROOT / "store" / "migrations" / "versions" / "tables_0001.sql").read_text("utf-8")
    with closing(sqlite3.connect(":memory:")) as made:
        made.executescript(tables + ";".join(_STATEMENTS))
        return table_versions._digest(made)


def next_digest_on_postgresql() -> str:
    """Return the digest of the tables of the next version on PostgreSQL."""
    from tests.postgresql_cluster import an_empty_store_on_a_server, drop_store  # noqa: PLC0415  # needs libpq

    with tempfile.TemporaryDirectory() as folder:
        store = an_empty_store_on_a_server(Path(folder) / "notes" / "store.db")
        with store.writing() as session:
            for statement in _STATEMENTS:
                words = statement
                for old, new in _ON_POSTGRESQL.items():
                    words = words.replace(old, new)
                session.info["driver"].execute(words)
            digest = table_versions._digest(session.info["driver"], store.tables)
        drop_store(store)
        return digest


def add_migration(store_package: Path) -> None:
    """Add the next migration to a copy of the folder `store/`."""
    (store_package.parent / _MIGRATION_FILE).write_text(_MIGRATION, "utf-8")


def copy_with_next_migration(store_package: Path) -> Path:
    """Copy the migrations of the folder `store/`, and add the next migration. Return the copy's folder."""
    shutil.copytree(ROOT / "store" / "migrations", store_package / "migrations")
    add_migration(store_package)
    return store_package


@contextmanager
def store_code_of_next_version(store_package: Path, schema: str = NEXT) -> Iterator[None]:
    """Let the store's code be that of the next version, whose migrations are in a copy of `store/`.

    If `schema` is the present version, the code does not know the next version.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "__file__", str(store_package / "database" / "engine.py"))
        for module in (table_versions, backup_folder, make_backup, restore_backup):
            patch.setattr(module, "SCHEMA", schema)
        if schema == NEXT:
            patch.setitem(table_versions.VERSIONS, NEXT, next_digest())
        yield


@dataclass(frozen=True, slots=True)
class ProgramVersion:
    """Folder with the code of one version of the program, whose commands run as processes of their own."""

    folder: Path

    def words(self, settings: Path, *words: str | Path) -> list[str | Path]:
        return [sys.executable, "-m", "deploy.cli.main", "--settings", settings, *words]

    def does(self, settings: Path, *words: str | Path) -> str:
        done = subprocess.run(
            self.words(settings, *words), cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def is_told(self, settings: Path, *words: str | Path) -> str:
        """Run a command that must fail. Return its sentence."""
        done = subprocess.run(
            self.words(settings, *words), cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode not in {ExitCode.DONE, ExitCode.MISTYPED}, done.stdout
        return done.stderr.partition("Error: ")[2].strip()


THIS_PROGRAM = ProgramVersion(ROOT)
NEW_KEY = "note_days"
_APPS = ("source_app", "journalist_app")
NEW_COMMENT = "# After this number of days, a note of the made-up next version is deleted."


def a_next_program(folder: Path, digest_on_postgresql: str = "") -> ProgramVersion:
    """Make the next version in a folder: links to our packages, and a copy of each file that differs.

    For a store on PostgreSQL, the digest of its next tables is needed.
    """
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name in _APPS:
            _with_own_settings(path, folder / path.name)
        elif path.name == "store":
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.name == "config.example.toml":
            shutil.copyfile(path, folder / path.name)
        elif path.is_dir() and not path.name.startswith("."):
            (folder / path.name).symlink_to(path)
    change_to_next_version(folder, digest_on_postgresql)
    return ProgramVersion(folder)


def change_to_next_version(folder: Path, digest_on_postgresql: str = "") -> None:
    """Change a folder with the program, whose changed files are not links, to the next version."""
    add_migration(folder / "store")
    versions = folder / "store" / "database" / "table_versions.py"
    for name, digest in {"VERSIONS": next_digest(), "POSTGRESQL_VERSIONS": digest_on_postgresql}.items():
        _replace(versions, f"\n{name} = {{", f'\n{name} = {{"{NEXT}": "{digest}", ')
    add_setting(folder)


def add_setting(folder: Path) -> None:
    """Add the next version's setting to a folder with the program, whose changed files are not links."""
    for before in ("# A session ends after", "# After this number of minutes without activity"):
        _replace(folder / "config.example.toml", before, f"{NEW_COMMENT}\n{NEW_KEY} = 30\n\n{before}")
    for app in _APPS:
        settings = folder / app / "config.py"
        _replace(settings, "    fingerprint: str\n", f"    fingerprint: str\n    {NEW_KEY}: int\n")


def break_next_version(folder: Path) -> None:
    """Let the last statement of the next version's migration fail."""
    _replace(folder / _MIGRATION_FILE, "randomblob(size)", "no_such_function(size)")


def _with_own_settings(package: Path, place: Path) -> None:
    place.mkdir()
    for path in package.iterdir():
        if path.name != "__pycache__":
            (place / path.name).symlink_to(path)
    (place / "config.py").unlink()
    shutil.copyfile(package / "config.py", place / "config.py")


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert 1 == len(re.findall(re.escape(old), text)), old
    path.write_text(text.replace(old, new), "utf-8")
