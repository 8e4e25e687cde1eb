"""Each line of the manual about PostgreSQL, in its order, with a real database server."""

import getpass
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.setup import STORE
from tests.deploy.backup.backups import BackedUpDesk, a_backed_up_desk
from tests.deploy.servers import ROOT
from tests.deploy.two_machines import texts_held
from tests.docs.manual_blocks import FINDS_FAULTS_ON_POSTGRESQL, NOT_RUN_ON_POSTGRESQL, Block, read_blocks
from tests.postgresql_cluster import Cluster, start_cluster

pytestmark = [pytest.mark.enable_socket, pytest.mark.slow]

BLOCKS = [block for block in read_blocks("operator.md") if block.is_on_postgresql]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = start_cluster()
    made.run("CREATE ROLE postgres LOGIN SUPERUSER")
    yield made
    made.stop()


@pytest.fixture
def desk(tmp_path: Path) -> BackedUpDesk:
    made = a_backed_up_desk(tmp_path / "desk")
    made.desk.a_source_writes("before the move")
    return made


def as_here(line: str, desk: BackedUpDesk, cluster: Cluster) -> str:
    """Return a line of the manual with the paths, the user and the program of this test."""
    program = f"{sys.executable} -m deploy.cli.main --settings {desk.server.settings}"
    line = re.sub(r"^steunpunt |/usr/lib/steunpunt/bin/steunpunt ", f"{program} ", line)
    line = re.sub(r"printf 'steunpunt (steunpunt|root) ", f"printf 'steunpunt {getpass.getuser()} ", line)
    for there, here in {
        "runuser -u postgres --": f"env PGHOST={cluster.folder} PGUSER=postgres",
        "/etc/postgresql/*/main": f"{cluster.folder}/data",
        "/run/postgresql": str(cluster.folder),
        "/var/lib/steunpunt/var": str(desk.var),
        "backup-DAY": next((name for name in desk.names() if name.startswith("backup-")), "")
        if desk.folder.exists()
        else "",
    }.items():
        line = line.replace(there, here)
    return line


def follow(block: Block, desk: BackedUpDesk, cluster: Cluster) -> None:
    if block.kind.startswith("toml"):
        with desk.server.settings.open("a", encoding="utf-8") as file:
            file.writelines(f"{as_here(line, desk, cluster)}\n" for line in ("", *block.lines))
        return
    for line in block.lines:
        if line == "systemctl reload postgresql":
            cluster.run("SELECT pg_reload_conf()")
        if line in NOT_RUN_ON_POSTGRESQL:
            continue
        typed = as_here(line, desk, cluster)
        done = subprocess.run(["bash", "-c", typed], cwd=ROOT, capture_output=True, text=True, check=False)
        finds_faults = line in FINDS_FAULTS_ON_POSTGRESQL
        assert done.returncode in ({0, 3} if finds_faults else {0}), f"{line}\n{done.stderr}"
        if finds_faults:
            assert "ok: The store can be used" in done.stdout


def test_a_server_moves_to_postgresql_and_comes_back_from_a_backup_as_the_manual_says(
    desk: BackedUpDesk, cluster: Cluster
) -> None:
    held = texts_held(desk.server)
    moving, restoring = BLOCKS[:-2], BLOCKS[-2:]
    assert any("store copy" in line for block in moving for line in block.lines)
    assert any("steunpunt restore" in line for block in restoring for line in block.lines)

    for block in moving:
        follow(block, desk, cluster)

    assert held == texts_held(desk.server)
    assert not (desk.var / STORE).exists()
    assert [("steunpunt_source", "peer")] == cluster.run(
        "SELECT DISTINCT u, auth_method FROM pg_hba_file_rules, unnest(user_name) AS u "
        "WHERE u = 'steunpunt_source'"
    )
    for block in restoring:
        follow(block, desk, cluster)

    assert held == texts_held(desk.server)
    assert [] == cluster.run("SELECT datname FROM pg_database WHERE datname = 'steunpunt_old'")
