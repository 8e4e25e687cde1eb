"""Program that runs one scenario, to be recorded under strace: SCENARIO FOLDER WEAKNESS.

A weakness spoils the product's way to write, so that a test can show that the replay finds the loss.
"""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

from journalist_app.services.whole_desk import unlocking
from tests.proofs.powercuts.all_scenarios import SCENARIOS
from tests.proofs.powercuts.statements import START, state

_sync = os.fsync
_connect = sqlite3.connect


def _connect_with(level: str) -> None:
    class WeakConnection(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:  # noqa: ANN401  # as the driver's
            return super().execute(f"PRAGMA synchronous={level}" if "synchronous=" in sql else sql, *values)

    def connect(*arguments: Any, **settings: Any) -> sqlite3.Connection:  # noqa: ANN401  # as the driver's
        connection = _connect(*arguments, factory=WeakConnection, **settings)
        connection.execute(f"PRAGMA synchronous={level}")
        return connection

    sqlite3.connect = connect


def _sync_no_folder(descriptor: int) -> None:
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        _sync(descriptor)


def _weaken(weakness: str) -> None:
    if weakness == "no folder sync":
        os.fsync = _sync_no_folder  # type: ignore[assignment]  # our code calls it with a number
    elif weakness != "none":
        _connect_with(weakness)


def main(name: str, folder: Path, weakness: str) -> None:
    """Run a scenario on the disk in `folder`, with a copy of the disk as it was at the start."""
    _weaken(weakness)
    unlocking._PAGE_SECONDS = unlocking._AGAIN_SECONDS = 3600  # the scenarios check at their own moment
    scenario = SCENARIOS[name](folder)
    present = scenario.prepare()
    # A copy by this process would drop the locks of its SQLite connections.
    subprocess.run(["cp", "-r", scenario.disk, folder / "start"], check=True)
    state(START, *sorted(present))
    scenario.run()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
