"""A database on another machine: only a server with the right certificate gets a password or a message."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.settings.database_settings import Role
from tests.deploy.on_postgresql import a_desk_on
from tests.deploy.servers import free_address
from tests.deploy.serving.certificates import Authority
from tests.deploy.serving.test_on_postgresql import comes_true, running
from tests.deploy.two_machines import Machine
from tests.postgresql_cluster import Cluster, start_cluster
from tests.proofs.http_clients import SourceClient

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]

HOST, SECRET = "localhost", "a secret"
_PORT = free_address()[1]
_CERTIFICATE, _KEY = "server.crt", "server.key"


OURS, OTHER = Authority("our authority"), Authority("another authority")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Start a server that also accepts connections with TLS and a password, on loopback."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PGPORT", str(_PORT))  # of the server, and of the test's own connections
        made = start_cluster({"listen_addresses": HOST})
        yield made
        made.stop()


def offers(cluster: Cluster, certificate: tuple[bytes, bytes] | None) -> None:
    """Let the server use a certificate and its key, or no TLS."""
    folder = cluster.folder / "data"
    owner = folder.stat()
    for name, content in zip((_CERTIFICATE, _KEY), certificate or (), strict=False):
        path = folder / name
        path.write_bytes(content)
        path.chmod(0o600)
        os.chown(path, owner.st_uid, owner.st_gid)
    before = cluster.run("SELECT pg_conf_load_time()")
    cluster.run(f"ALTER SYSTEM SET ssl = {'on' if certificate else 'off'}")
    assert cluster.run("SELECT pg_reload_conf()")
    assert comes_true(lambda: cluster.run("SELECT pg_conf_load_time()") != before)


@pytest.fixture(scope="module")
def server(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A server of the mailbox that reaches its database over the network."""
    folder = tmp_path_factory.mktemp("desk")
    machine = a_desk_on(cluster, folder / "desk", free_address()).server
    authority, passfile = machine.settings.with_name("authority.pem"), machine.settings.with_name("passfile")
    authority.write_bytes(OURS.certificate)
    passfile.write_text(f"*:*:*:*:{SECRET}\n")
    for path in (authority, passfile):
        path.chmod(0o600)
    text = machine.settings.read_text("utf-8")
    (database,) = re.findall(r"//(\w+)_owner@", text)
    rest = f"port={_PORT}&sslmode=verify-full&sslrootcert={authority}&passfile={passfile}"
    machine.settings.write_text(text.replace(f"host={cluster.folder}", f"host={HOST}&{rest}"), "utf-8")
    for role in Role:
        cluster.run(f"ALTER ROLE {database}_{role} PASSWORD '{SECRET}'")
    rules = cluster.folder / "data" / "pg_hba.conf"
    rules.write_text(f"hostssl {database} all localhost scram-sha-256\n{rules.read_text()}")
    return machine


def test_a_site_whose_database_is_on_another_machine_uses_tls(
    cluster: Cluster, server: Machine, tmp_path: Path
) -> None:
    offers(cluster, OURS.issues(HOST))
    host, port = re.findall(r'bind = "([\d.]+):(\d+)"', server.settings.read_text("utf-8"))[0]

    with running(server, tmp_path / "said"), SourceClient(host, int(port)) as source:
        source.open_mailbox()
        source.write("a message over TLS")
        assert "a message over TLS" in source.mailbox()
        used = cluster.run(
            "SELECT DISTINCT ssl, version FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) "
            "WHERE application_name = 'steunpunt'"
        )

    assert [(True, "TLSv1.3")] == used


@pytest.mark.parametrize(
    "certificate",
    [OURS.issues("database.example"), OTHER.issues(HOST), OURS.issues(HOST, days=-1), None],
    ids=["of another host", "of another authority", "expired", "without TLS"],
)
def test_a_server_without_the_right_certificate_gets_no_password(
    cluster: Cluster, server: Machine, certificate: tuple[bytes, bytes] | None
) -> None:
    offers(cluster, OURS.issues(HOST))
    assert "Letterhead number" in server.does("store", "letterhead")

    offers(cluster, certificate)

    assert "The store's database server cannot be reached." == server.is_told("store", "letterhead")
