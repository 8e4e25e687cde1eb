"""Two backups, or two restores, that really run at once: each succeeds or is refused with a sentence."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.backup.backup_folder import backups_in, file_digest, read_manifest
from tests.deploy.backup.backups import BackedUpDesk
from tests.deploy.servers import ROOT
from tests.deploy.two_machines import texts_held

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]


def run_together(desk: BackedUpDesk, *words: str | Path) -> list[str]:
    """Start a command three times. Return what the refused commands said. One at least must succeed."""
    command = [sys.executable, "-m", "deploy.cli.main", "--settings", desk.server.settings, *words]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [process.communicate()[1] for process in processes]
    assert 0 in {process.returncode for process in processes}, said
    refused = zip(processes, said, strict=True)
    return [words.splitlines()[-1] for process, words in refused if process.returncode]


def test_backups_at_once_are_complete_or_refused(desk: BackedUpDesk) -> None:
    for number in range(20):
        desk.desk.a_source_writes(f"bericht {number}", ("a.pdf", bytes(500_000)))

    refused = run_together(desk, "backup")

    assert all("Another backup is being made" in sentence for sentence in refused)
    assert 3 - len(refused) == len(desk.names()) == len(backups_in(desk.folder))
    for name in desk.names():
        manifest = read_manifest(desk.folder / name)
        assert manifest.digests["store.db"] == file_digest(desk.folder / name / "store.db")


def test_restores_at_once_bring_the_store_back_once(desk: BackedUpDesk, tmp_path: Path) -> None:
    for number in range(20):
        desk.desk.a_source_writes(f"bericht {number}", ("a.pdf", bytes(500_000)))
    held = texts_held(desk.server)
    backup = desk.backs_up().rename(tmp_path / "backup")
    shutil.rmtree(desk.var)

    refused = run_together(desk, "restore", backup, "--identity", desk.identity)

    assert all("Another restore" in each or "add --replace" in each for each in refused)
    assert held == texts_held(desk.server)
    assert not list(desk.var.glob("*.restored*"))
