"""The loss of a source server stops no other one: the database releases the locks of the lost machine."""

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from store.database.engine import ServerPlace, create_store
from tests.postgresql_cluster import start_cluster
from tests.proofs.cluster.network import NetworkMachine, own_network
from tests.store.factories import a_mailbox, an_entry, rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0, reason="only root can give machines a network that the test can cut"
    ),
]

_HERE = "10.99.0.1"  # of the test, in its network
_HOLDS_THE_LOCKS = """
import sys, time
from pathlib import Path
from store.database.engine import ServerPlace, open_store
store = open_store(ServerPlace(sys.argv[1], Path(sys.argv[2])))
with store.sweeping() as is_alone, store.writing():
    print(is_alone, flush=True)
    time.sleep(3600)
"""


def test_a_source_server_that_is_cut_off_keeps_no_lock_of_the_database(tmp_path: Path) -> None:
    """Attack: a machine loses its power or its network while it writes. PostgreSQL would wait for hours."""
    with own_network():
        cluster = start_cluster({"listen_addresses": _HERE})
        lost = NetworkMachine.boot(1)
        try:
            with (cluster.folder / "data/pg_hba.conf").open("a") as rules:
                rules.write("host all all 10.99.0.0/24 trust\n")
            cluster.run("SELECT pg_reload_conf()")
            database = cluster.a_database()
            place = ServerPlace(cluster.url(database), tmp_path / "store.db")
            with closing(create_store(place)) as store:
                address = a_mailbox(store)
                url = f"postgresql://steunpunt@/{database}?host={_HERE}"
                command = [*lost.command(as_root=True), sys.executable, "-c", _HOLDS_THE_LOCKS, url, tmp_path]
                with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
                    assert holder.stdout is not None
                    assert b"True\n" == holder.stdout.readline()
                    lost.cut_off()
                    before = time.monotonic()
                    an_entry(store, address)
                    with store.sweeping() as is_alone:
                        assert is_alone
                    assert time.monotonic() - before < 20
                    holder.kill()
                assert 1 == rows(store, "entry")
        finally:
            lost.end()
            cluster.stop()
