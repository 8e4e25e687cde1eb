"""Attack: files in the current folder cannot replace our modules in the processes that get the desk's
keys.
"""

from pathlib import Path

import msgspec
import pytest

from deploy.serving import search_processes
from journalist_app.search.search_worker import BeginReading, ReadingFailed, Report
from protocol import keyring
from tests.journalist_app.desk_factories import a_letterhead


def test_a_module_in_the_current_folder_gets_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    letterhead = a_letterhead(keyring.create_keyring("werkstation", [])).to_bytes()
    for name in ("deploy/__init__.py", "deploy/serving/search_processes.py", "msgspec.py"):
        trap = tmp_path / name
        trap.parent.mkdir(exist_ok=True)
        trap.write_text(f"open({str(tmp_path / 'caught')!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path)

    line, end = search_processes.start_search_process()
    try:
        begin = BeginReading(
            str(tmp_path / "no.store"), identities=(), letterhead=letterhead, share=0, shares=1
        )
        with line:
            line.send_bytes(msgspec.msgpack.encode(begin))
            report = msgspec.msgpack.decode(line.recv_bytes(), type=Report)
    finally:
        end()

    assert not (tmp_path / "caught").exists()
    assert isinstance(report, ReadingFailed)
