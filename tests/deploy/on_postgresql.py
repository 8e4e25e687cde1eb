"""A server whose store is moved to a database of a PostgreSQL server, with the commands that people type."""

import re
import secrets
from pathlib import Path

from bench.databases.database_desks import database_section
from deploy.hardening import PRIVATE_FOLDER
from deploy.settings.settings_text import with_key, without_sections
from deploy.setup import STORE
from tests.deploy.two_machines import Machine, TwoMachineDesk, a_desk
from tests.postgresql_cluster import Cluster


def a_desk_on(cluster: Cluster, folder: Path, source: tuple[str, int], way: str = "file") -> TwoMachineDesk:
    """Make a desk whose server is on a cluster. `way` is how the paired workstation reaches the server."""
    sync_bind = way if way.startswith("unix:") else "127.0.0.3:18082"
    desk = a_desk(folder, source_bind="{}:{}".format(*source), sync_bind=sync_bind)
    desk.pair_first(way)
    move_to_database(desk.server, cluster)
    return desk


def move_to_database(machine: Machine, cluster: Cluster) -> str:
    """Move a server's store to a new database. Return the name of the database."""
    database = cluster.a_database()
    store = machine.settings.parent / STORE
    machine.does("store", "create-roles", cluster.url(database))
    machine.does("store", "copy", f"sqlite://{store}", cluster.url(database, f"{database}_owner"))
    store.unlink()
    with machine.settings.open("a", encoding="utf-8") as file:
        file.write(database_section(cluster, database))
    assert PRIVATE_FOLDER == machine.settings.parent.stat().st_mode & 0o777
    return database


def a_second_server(server: Machine, folder: Path, bind: tuple[str, int]) -> Machine:
    """Set up another source server on the same database. It has no sync endpoint, and no role for it."""
    made = Machine(folder / "var" / "config.toml", server.fingerprint)
    made.settings.parent.mkdir(0o700, parents=True)
    text = without_sections(server.settings.read_text("utf-8"), {"sync", "backup"})
    text = re.sub("/steunpunt-[0-9a-f]{16}/", f"/steunpunt-{secrets.token_hex(8)}/", text)
    for key, value in (("bind", "{}:{}"), ("origin", "http://{}:{}")):
        text = with_key(text, "source", key, value.format(*bind))
    for role in ("sync", "backup"):
        text = with_key(text, "database", role, "")
    made.settings.write_text(text, "utf-8")
    made.settings.chmod(0o600)
    return made
