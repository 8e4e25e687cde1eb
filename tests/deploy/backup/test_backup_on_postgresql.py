"""A server on PostgreSQL is backed up, restored and upgraded with the same commands, and the same files."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from bench.databases.database_desks import database_section
from deploy.settings.settings_text import with_key, without_sections
from deploy.setup import STORE
from store.database import engine
from store.errors import StoreOutdatedError
from tests.deploy.backup.backups import BackedUpDesk, a_backed_up_desk
from tests.deploy.on_postgresql import move_to_database
from tests.deploy.two_machines import carry, texts_held
from tests.next_version import NEXT, a_next_program, next_digest_on_postgresql
from tests.postgresql_cluster import the_cluster

pytestmark = [pytest.mark.enable_socket, pytest.mark.slow]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[BackedUpDesk]:
    """Return a desk whose server is on PostgreSQL, with a message that the workstation has too."""
    made = a_backed_up_desk(tmp_path / "desk")
    database = move_to_database(made.server, the_cluster())
    made.desk.a_source_writes("before the backup", ("a.txt", b"a file" * 100_000))
    carry(made.server, made.desk.first, tmp_path / "stick")
    yield made
    the_cluster().drop(database)


def an_empty_database(desk: BackedUpDesk) -> str:
    """Let the server's settings name a new database with roles, and return its name."""
    database = the_cluster().a_database()
    desk.server.does("store", "create-roles", the_cluster().url(database))
    text = without_sections(desk.server.settings.read_text("utf-8"), {"database"})
    desk.server.settings.write_text(text + database_section(the_cluster(), database), "utf-8")
    return database


def test_a_database_that_is_lost_comes_back_from_a_verified_backup(
    desk: BackedUpDesk, tmp_path: Path
) -> None:
    held, backup, stick = texts_held(desk.server), desk.backs_up(), tmp_path / "stick"
    desk.desk.a_source_writes("since the backup")
    carry(desk.desk.first, desk.server, stick)
    carry(desk.server, desk.desk.first, stick)
    database = an_empty_database(desk)

    said = desk.server.does("restore", backup)

    assert "Restored to the database: the backup of" in said
    assert "start only the sync endpoint" in said
    assert held == texts_held(desk.server)
    assert not (desk.var / STORE).exists()
    assert "came early" in carry(desk.desk.first, desk.server, stick)
    assert "turned out to be restored to an earlier day" in carry(desk.server, desk.desk.first, stick)
    carry(desk.desk.first, desk.server, stick)
    assert texts_held(desk.desk.first) == texts_held(desk.server) > held
    assert "Mailboxes that differ from what was signed: 0." in desk.server.does("store", "verify")
    the_cluster().drop(database)


def test_a_backup_of_a_database_is_restored_to_a_file_too(desk: BackedUpDesk) -> None:
    held, backup = texts_held(desk.server), desk.backs_up()
    text = without_sections(desk.server.settings.read_text("utf-8"), {"database"})
    desk.server.settings.write_text(text, "utf-8")

    desk.server.does("restore", backup)

    assert held == texts_held(desk.server)
    assert (desk.var / STORE).exists()


@pytest.mark.parametrize("words", [(), ("--replace",)])
def test_a_database_with_a_store_is_never_replaced(desk: BackedUpDesk, words: tuple[str, ...]) -> None:
    backup = desk.backs_up()
    desk.desk.a_source_writes("since the backup")
    held = texts_held(desk.server)

    assert "The database has tables. Nothing was changed" in desk.server.is_told("restore", backup, *words)

    assert held == texts_held(desk.server)


def test_a_restore_that_was_interrupted_goes_on_when_it_is_repeated(
    desk: BackedUpDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, backup = texts_held(desk.server), desk.backs_up()
    database = an_empty_database(desk)

    def stop(done: int, _total: int) -> None:
        if done > 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("deploy.cli.backup_commands.show_rows", stop)
        assert "stopped before its end" in desk.server.is_told("restore", backup)
    assert "copy that is not complete yet" in desk.server.is_told("store", "verify")

    desk.server.does("restore", backup)

    assert held == texts_held(desk.server)
    the_cluster().drop(database)


def test_a_database_is_copied_and_then_upgraded(desk: BackedUpDesk, tmp_path: Path) -> None:
    held = texts_held(desk.server)
    following = a_next_program(tmp_path / "next", next_digest_on_postgresql())
    dry = following.does(desk.server.settings, "upgrade", "--dry-run")

    said = following.does(desk.server.settings, "upgrade")

    for each in (dry, said):
        assert f"Change the store's tables from version 0001 to version {NEXT}." in each
    with pytest.raises(StoreOutdatedError, match="no version after 0001"):
        texts_held(desk.server)
    assert "entries verified" in following.does(desk.server.settings, "store", "verify")
    (copy,) = (desk.var / "before-upgrade").iterdir()

    # Back to the older version, in a new database.
    (copy / desk.server.settings.name).replace(desk.server.settings)
    database = an_empty_database(desk)
    desk.server.does("restore", copy)
    assert held == texts_held(desk.server)
    the_cluster().drop(database)


@pytest.mark.parametrize("how", ["killed", "connection lost"])
def test_an_upgrade_that_is_interrupted_changes_nothing_and_is_repeated(
    desk: BackedUpDesk, tmp_path: Path, how: str
) -> None:
    held, before = texts_held(desk.server), desk.server.settings.read_bytes()
    following = a_next_program(tmp_path / "next", next_digest_on_postgresql())
    (database,) = re.findall(r"//(\w+)_owner@", before.decode())
    waiting = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with psycopg.connect(the_cluster().url(database)) as other:
        other.execute("LOCK TABLE entry IN ACCESS SHARE MODE")  # the migration changes this table
        process = subprocess.Popen(
            following.words(desk.server.settings, "upgrade"), cwd=following.folder, stderr=subprocess.PIPE
        )
        while not (found := the_cluster().run(waiting, database)):
            assert process.poll() is None
            time.sleep(0.05)
        if how == "killed":
            process.kill()
        else:
            the_cluster().run(f"SELECT pg_terminate_backend({found[0][0]})")
        said = process.communicate()[1].decode()
    assert process.returncode == (-signal.SIGKILL if how == "killed" else 6)
    assert how == "killed" or "nothing was changed" in said

    assert before == desk.server.settings.read_bytes()
    assert held == texts_held(desk.server)
    following.does(desk.server.settings, "upgrade")
    assert "entries verified" in following.does(desk.server.settings, "store", "verify")


def test_an_upgrade_refuses_a_role_that_sees_only_single_mailboxes(desk: BackedUpDesk) -> None:
    text = desk.server.settings.read_text("utf-8")
    (source,) = re.findall(r'(?m)^source = "(.*)"$', text)
    desk.server.settings.write_text(with_key(text, "database", "owner", source), "utf-8")
    place = engine.ServerPlace(source, desk.var / STORE)

    assert "sees only single mailboxes" in desk.server.is_told("store", "sweep")
    assert "0001" == engine.inspect_place(place).version
