"""Desks whose store is in a database of a PostgreSQL server, made with the commands that operators type."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench import desk_servers, processes
from deploy.settings.settings_text import without_sections

if TYPE_CHECKING:
    from bench.databases.cluster import Cluster

_ROLES = ("owner", "source", "sync", "backup")
# Other settings are the defaults of PostgreSQL, such as fsync, full_page_writes and autovacuum, which are on.
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "log_min_messages": "panic",
    "wal_recycle": "off",
}


@contextlib.contextmanager
def postgresql_on_disk() -> Iterator["Cluster"]:
    """Run a PostgreSQL server with the usual settings, whose files are on the project's disk."""
    from bench.databases.cluster import create_cluster  # noqa: PLC0415  # needs libpq

    cluster = create_cluster(processes.disk_folder(), _SETTINGS)
    try:
        yield cluster
    finally:
        cluster.stop()


def move_to_database(settings: Path, cluster: "Cluster") -> str:
    """Move the store of a server to a new database. Return the name of the database."""
    database = cluster.a_database()
    store = settings.with_name("store.db")
    desk_servers.run_command(settings, "store", "create-roles", cluster.url(database))
    owner = cluster.url(database, f"{database}_owner")
    desk_servers.run_command(settings, "store", "copy", f"sqlite://{store}", owner)
    store.unlink()
    use_database(settings, cluster, database, database)
    return database


def use_database(settings: Path, cluster: "Cluster", database: str, users_of: str) -> None:
    """Write into the settings of a server that its store is in a database.

    The users have the roles of the database `users_of`. The server has no interface for advisers.
    """
    text = without_sections(settings.read_text("utf-8"), {"adviser", "database"})
    settings.write_text(text + database_section(cluster, database, users_of), "utf-8")


def database_section(cluster: "Cluster", database: str, users_of: str = "") -> str:
    """Return the section of the settings that names a database, with the users of `users_of` or its own."""
    urls = {role: cluster.url(database, f"{users_of or database}_{role}") for role in _ROLES}
    return "\n[database]\n" + "".join(f'{role} = "{url}"\n' for role, url in urls.items())
