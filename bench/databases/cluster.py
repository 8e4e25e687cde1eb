"""A cluster of Debian's PostgreSQL on a Unix socket, which runs as a user without rights."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg

_NUMBERS = count()
_START_SECONDS = 60


@dataclass
class Cluster:
    """A running cluster. `folder` has its socket and its files."""

    folder: Path
    command: list[str | Path]
    process: subprocess.Popen[bytes] = field(init=False, repr=False)

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        self._launch()
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
                if self.process.poll() is not None:  # a process of the killed server still had its memory
                    self._launch()
            else:
                return

    def _launch(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stderr=log)

    def kill(self) -> None:
        """End the server as a crash does, with all its processes."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self.process.kill()
        self.process.wait()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)

    def url(self, database: str, user: str = "steunpunt") -> str:
        """Return the address of a database. Without a user, it is that of the administrator."""
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def run(
        self, statement: str, database: str = "postgres", user: str = "steunpunt"
    ) -> list[tuple[object, ...]]:
        """Execute a statement, and return its rows."""
        with psycopg.connect(self.url(database, user), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def a_database(self, template: str = "template0", name: str = "") -> str:
        """Create a database that is a copy of `template`, and return its name."""
        name = name or f"store_{next(_NUMBERS)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    def drop(self, database: str) -> None:
        """Delete a database, also if programs use it."""
        self.run(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def stop(self) -> None:
        """End the server at once, because nothing of this cluster is needed again, and delete its files."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def create_cluster(parent: Path | None, settings: Mapping[str, str]) -> Cluster:
    """Create a cluster with these settings in a new folder below `parent`, and start it.

    Without `parent`, the new folder is in the folder of temporary files. The caller stops the cluster.
    """
    found = list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    assert found, "install Debian's postgresql: deploy/system-packages.sh test"
    programs = max(found, key=lambda path: int(path.parts[-3])).parent
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=parent))
    as_user: list[str | Path] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = pwd.getpwuid(65534)  # Debian's user for programs without rights
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    data = folder / "data"
    make: list[str | Path] = ["-D", data, "-U", "steunpunt", "--auth=trust", "--encoding=UTF8", "--locale=C"]
    subprocess.run(
        [*as_user, programs / "initdb", *make, "--no-sync", "--no-instructions"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with (data / "postgresql.conf").open("a") as file:  # not as options: ALTER SYSTEM could not change those
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    command = [*as_user, "setpriv", "--pdeathsig", "QUIT", programs / "postgres", "-D", data, "-k", folder]
    cluster = Cluster(folder, command)
    cluster.start()
    return cluster
