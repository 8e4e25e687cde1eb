"""A newer Debian package of the server makes a backup with the older version before it replaces a file."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from deploy.setup import STORE
from tests.deploy.backup.backups import BackedUpDesk
from tests.deploy.on_postgresql import move_to_database
from tests.deploy.servers import ROOT
from tests.postgresql_cluster import the_cluster
from tests.small_disk import a_small_disk

pytestmark = pytest.mark.slow

PREINST = ROOT / "deploy/debian/server/DEBIAN/preinst"


def _upgrades(desk: BackedUpDesk, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the script as dpkg does, on this desk and with the real command of the older version."""
    command = folder / "steunpunt"
    argv = f"{sys.executable} -m deploy.cli.main --settings {desk.server.settings}"
    command.write_text(f'#!/bin/sh\ncd {ROOT}\nexec {argv} "$@"\n', "utf-8")
    command.chmod(0o755)
    script = PREINST.read_text("utf-8").replace("@VERSION@", "2.0")
    return subprocess.run(
        ["sh", "-c", script.replace("/var/lib/steunpunt/var", str(desk.var)), "preinst", "upgrade", "1.0"],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_fault_in_the_store_is_said_and_keeps_out_no_urgent_fix(desk: BackedUpDesk, tmp_path: Path) -> None:
    desk.desk.a_source_writes()
    with closing(sqlite3.connect(desk.var / STORE)) as connection, connection:
        connection.execute("UPDATE entry SET signature = zeroblob(64)")

    done = _upgrades(desk, tmp_path)

    assert 0 == done.returncode, done.stderr
    assert "bad signature" in done.stderr
    assert "The upgrade continues. Tell the desk." in done.stderr
    assert 1 == len(desk.names())


def test_without_a_backup_the_older_version_stays(desk: BackedUpDesk, tmp_path: Path) -> None:
    (desk.var / "server.key").unlink()

    done = _upgrades(desk, tmp_path)

    assert 1 == done.returncode
    assert "No backup was made before the upgrade" in done.stderr
    assert "Nothing was changed, and the older version stays in use." in done.stderr


def test_a_sound_store_is_backed_up_without_a_warning(desk: BackedUpDesk, tmp_path: Path) -> None:
    done = _upgrades(desk, tmp_path)

    assert 0 == done.returncode, done.stderr
    assert "Tell the desk" not in done.stderr
    assert 1 == len(desk.names())


def test_a_store_in_another_folder_is_backed_up_too(desk: BackedUpDesk, tmp_path: Path) -> None:
    _moves_store(desk, tmp_path)
    (tmp_path / "backups").mkdir()
    desk.set("backup", "folder", f'"{tmp_path}/backups"')

    done = _upgrades(desk, tmp_path)

    assert 0 == done.returncode, done.stderr
    assert (1, []) == (len(list((tmp_path / "backups").iterdir())), list(desk.folder.glob("*")))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
@pytest.mark.parametrize("what", ["store", "backups"])
def test_a_full_disk_is_found_where_the_settings_name_it(
    desk: BackedUpDesk, tmp_path: Path, what: str
) -> None:
    with a_small_disk("50m") as disk:
        if what == "store":
            _moves_store(desk, disk)
        else:
            desk.set("backup", "folder", f'"{disk}/backups"')

        done = _upgrades(desk, tmp_path)

        assert 1 == done.returncode
        assert re.search(rf"The upgrade needs \d+ KiB free in {disk}", done.stderr)
        assert "Nothing was changed, and the older version stays in use." in done.stderr
        assert not list(desk.folder.glob("*"))


def test_a_store_that_is_not_where_the_settings_say_is_named(desk: BackedUpDesk, tmp_path: Path) -> None:
    (desk.var / STORE).rename(desk.var / "away.db")

    done = _upgrades(desk, tmp_path)

    assert 1 == done.returncode
    assert f"There is no store at {desk.var / STORE}" in done.stderr


@pytest.mark.enable_socket
def test_a_store_on_a_database_server_is_backed_up_too(desk: BackedUpDesk, tmp_path: Path) -> None:
    database = move_to_database(desk.server, the_cluster())

    done = _upgrades(desk, tmp_path)

    the_cluster().drop(database)
    assert 0 == done.returncode, done.stderr
    assert 1 == len(desk.names())


def _moves_store(desk: BackedUpDesk, folder: Path) -> None:
    folder.chmod(0o700)
    for name in (STORE, "last-rewrite"):
        shutil.move(desk.var / name, folder / name)
    for section in ("source", "sync"):
        desk.set(section, "store_path", f'"{folder / STORE}"')
