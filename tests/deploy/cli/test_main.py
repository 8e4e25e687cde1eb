"""The command's output is readable for the person at the terminal."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.settings.load_settings import load_config
from source_app.config import SourceConfig
from store import entries, letterheads
from store.database.engine import open_store
from tests.deploy.person_at_terminal import at_terminal
from tests.store.factories import a_mailbox, an_entry

pytestmark = pytest.mark.slow


def _run(settings: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "deploy.cli.main", "--settings", settings, *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True, encoding="utf-8")


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "var" / "config.toml"
    _run(path, "setup", "--print-passphrase")
    return path


def test_both_fingerprints_for_posters_are_printed(settings: Path) -> None:
    said = _run(settings, "keys", "fingerprint")

    pinned, sealing = said.stdout.splitlines()
    assert pinned == load_config(settings, "source", SourceConfig).fingerprint
    assert re.fullmatch("OpenPGP:( [0-9A-F]{4}){10}", sealing)


def test_a_sweep_shows_its_progress(settings: Path) -> None:
    store = open_store(load_config(settings, "source", SourceConfig).store_path)
    address = a_mailbox(store)
    for _ in range(160):
        an_entry(store, address, durable=False)
    with store.writing() as session:
        entries.destroy(session, address, entries.digests(session, address))
    store.close()

    with at_terminal(settings, "store", "sweep") as person:
        shown = re.sub(r"\r\d+ s\x1b\[K\r|\x1b\[K", "", person.ends())  # seconds, on a slow machine
    lines = [line for line in shown.splitlines() if not line.startswith("Warning: ")]

    assert lines == [
        "Destroying deleted content ...",
        "",
        f"[{'#' * 24}{'.' * 6}] 128 of 160 encrypted parts",
        f"[{'#' * 30}] 160 of 160 encrypted parts",
        "Rewriting the store, which takes minutes when it is large ...",
        "Destroyed 160 encrypted parts.",
    ]
    assert " ..." not in _run(settings, "store", "sweep").stderr  # no one looks at a terminal


def test_an_empty_file_is_not_made_a_store_and_a_store_of_this_version_keeps_its_rows(settings: Path) -> None:
    store = open_store(load_config(settings, "source", SourceConfig).store_path)
    with store.writing() as session:
        letterheads.add(session, 2, b"\x0a", b"\x0b")
    store.settle()
    assert _run(settings, "upgrade").stdout.startswith("Nothing to do: ")
    with store.reading() as session:
        assert (2, b"\x0a", b"\x0b") == letterheads.latest(session)
    store.settle()
    store.path.write_bytes(b"")

    with pytest.raises(subprocess.CalledProcessError) as refusal:
        _run(settings, "upgrade")

    assert "damaged or is not a store" in refusal.value.stderr
