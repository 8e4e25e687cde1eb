"""A newer Debian package of the server makes a backup with the older version before it replaces a file."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from deploy.setup import STORE
from tests.deploy.backup.backups import BackedUpDesk
from tests.deploy.servers import ROOT

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
    desk.set("backup", "folder", '"/proc/backups"')

    done = _upgrades(desk, tmp_path)

    assert 1 == done.returncode
    assert "Error: The backup cannot be written" in done.stderr
    assert "Nothing was changed, and the older version stays in use." in done.stderr


def test_a_sound_store_is_backed_up_without_a_warning(desk: BackedUpDesk, tmp_path: Path) -> None:
    done = _upgrades(desk, tmp_path)

    assert 0 == done.returncode, done.stderr
    assert "Tell the desk" not in done.stderr
    assert 1 == len(desk.names())
