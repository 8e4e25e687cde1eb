"""Three machines with PostgreSQL under Patroni and etcd, as docs/operator.md describes them."""

import json
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.docs.manual_blocks import read_blocks
from tests.proofs.cluster.network import NetworkMachine, own_network

_MEMBERS = 3
_ROLES = {"leader", "sync_standby", "replica"}
_SECONDS = 90  # for anything that ends at once on an idle machine
_SETTINGS = """\
scope: steunpunt
name: {name}
restapi: {{listen: "{address}:8008", connect_address: "{address}:8008"}}
etcd: {{hosts: "{etcd}"}}
bootstrap:
  dcs:
{shared}
  initdb: [encoding: UTF8, locale: C]
postgresql:
  listen: {address}:5432
  connect_address: {address}:5432
  data_dir: {folder}/data
  bin_dir: {programs}
  pgpass: {folder}/pgpass
  use_unix_socket: true
  authentication:
    superuser: {{username: postgres}}
    replication: {{username: replicator}}
    rewind: {{username: rewinder}}
  pg_hba: [local all all trust, host all all 10.99.0.0/24 trust, host replication all 10.99.0.0/24 trust]
  parameters: {{unix_socket_directories: "{folder}", shared_buffers: 16MB, max_wal_size: 64MB,
    ssl: "on", ssl_cert_file: "{certificate}", ssl_key_file: "{folder}/key"}}
"""


@dataclass(slots=True)
class DatabaseMachine:
    """Machine with a member of etcd, Patroni and PostgreSQL."""

    number: int
    machine: NetworkMachine
    folder: Path
    commands: list[list[str]]
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Start all programs of the machine."""
        with (self.folder / "log").open("ab") as log:
            for command in self.commands:
                words = [*self.machine.command(), *command]
                self._running.append(subprocess.Popen(words, stdout=log, stderr=log, cwd=self.folder))

    def kill(self) -> None:
        """End all programs at once, as a machine without power does."""
        self.machine.signal(signal.SIGKILL)
        for process in self._running:
            process.wait()
        self._running.clear()

    def boot_again(self) -> None:
        """Start the machine after `kill`, with the files that it had."""
        self.machine.end()  # an ended process would keep its number, and Patroni would take it for PostgreSQL
        self.machine = NetworkMachine.boot(self.number)
        self.start()

    def end(self) -> None:
        self.kill()  # a frozen program would not end with its machine
        self.machine.end()

    @property
    def name(self) -> str:
        return f"machine{self.number}"

    def takes_writes(self) -> bool:
        """Return True if PostgreSQL on this machine says that it is the primary."""
        url = f"postgresql://postgres@{self.machine.address}/postgres"
        try:
            psycopg.connect(url, connect_timeout=2, target_session_attrs="read-write").close()
        except psycopg.OperationalError:
            return False
        return True

    def state(self) -> list[dict[str, object]]:
        """Return what this machine's Patroni knows of all members of the cluster."""
        with urllib.request.urlopen(f"http://{self.machine.address}:8008/cluster", timeout=5) as answer:
            found: list[dict[str, object]] = json.load(answer)["members"]
            return found


@dataclass(slots=True)
class DatabaseMachines:
    """Machines of one database."""

    folder: Path
    members: list[DatabaseMachine]

    def url(self, database: str, user: str = "postgres") -> str:
        """Return the address of a database, which names all machines."""
        hosts = ",".join(member.machine.address for member in self.members)
        tls = f"sslmode=verify-full&sslrootcert={self.folder}/certificate"
        return f"postgresql://{user}@/{database}?host={hosts}&{tls}"

    def a_database(self) -> str:
        """Create a database, and return its name."""
        with psycopg.connect(
            self.url("postgres"), autocommit=True, target_session_attrs="read-write"
        ) as connection:
            connection.execute("CREATE DATABASE steunpunt TEMPLATE template0")
        return "steunpunt"

    def checkpoint(self) -> None:
        """Let every machine remove the journal that it no longer needs."""
        for member in self.members:
            with psycopg.connect(
                f"postgresql://postgres@{member.machine.address}/postgres", autocommit=True
            ) as connection:
                connection.execute("CHECKPOINT")

    def holding(self, content: bytes) -> list[bool]:
        """Return, for each machine, whether a file of PostgreSQL has this content."""
        return [
            any(
                content in path.read_bytes() for path in (member.folder / "data").rglob("*") if path.is_file()
            )
            for member in self.members
        ]

    def primary(self) -> DatabaseMachine | None:
        """Return a machine that takes writes, or None."""
        return next((member for member in self.members if member.takes_writes()), None)

    def is_whole(self) -> bool:
        """Return True if each machine sees a primary, a synchronous standby and another standby."""
        try:
            states = [member.state() for member in self.members]
        except (OSError, ValueError):
            return False
        seen = {
            tuple(sorted(f"{row['role']} {row['name']} {row.get('timeline')}" for row in each))
            for each in states
        }
        timelines = {row.get("timeline") for row in states[0]}
        return len(seen) == len(timelines) == 1 and {row["role"] for row in states[0]} == _ROLES

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _SECONDS
        while not is_so():
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.2)

    def logs(self) -> str:
        """Return the last lines of each machine's programs."""
        return "\n".join(
            "\n".join((member.folder / "log").read_text().splitlines()[-30:]) for member in self.members
        )


@contextmanager
def database_machines() -> Iterator[DatabaseMachines]:
    """Start three machines in a network of their own, which this thread joins."""
    folder = Path(tempfile.mkdtemp(prefix="machines-", dir="/dev/shm"))  # in memory
    folder.chmod(0o755)
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]))
    _make_certificate(folder)
    machines = DatabaseMachines(folder, [])
    with own_network():
        try:
            for number in range(1, _MEMBERS + 1):
                machines.members.append(_member(folder, NetworkMachine.boot(number), number, programs))
                machines.members[-1].start()
            machines.wait_until(machines.is_whole)
            yield machines
        finally:
            for member in machines.members:
                member.end()
            shutil.rmtree(folder)


def _make_certificate(folder: Path) -> None:
    names = ",".join(f"IP:10.99.0.{10 + number}" for number in range(1, _MEMBERS + 1))
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    made = ["-subj", "/CN=database", "-addext", f"subjectAltName={names}", "-days", "2"]
    files = ["-keyout", folder / "key", "-out", folder / "certificate"]
    subprocess.run([*make, *made, *files], check=True, capture_output=True)


def _shared_settings() -> str:
    """Return the settings of Patroni in the operator's manual."""
    (block,) = (each for each in read_blocks("operator.md") if each.kind == "yaml")
    return "".join(f"    {line}\n" for line in block.lines)


def _member(folder: Path, machine: NetworkMachine, number: int, programs: Path) -> DatabaseMachine:
    name = f"machine{number}"
    own = folder / name
    own.mkdir()
    others = [f"10.99.0.{10 + each}" for each in range(1, _MEMBERS + 1)]
    settings = own / "patroni.yml"
    settings.write_text(
        _SETTINGS.format(
            name=name,
            address=machine.address,
            etcd=",".join(f"{each}:2379" for each in others),
            shared=_shared_settings(),
            folder=own,
            certificate=folder / "certificate",
            programs=programs,
        )
    )
    shutil.copyfile(folder / "key", own / "key")
    (own / "key").chmod(0o600)
    for each in (own, own / "key"):
        shutil.chown(each, 65534, 65534)
    client, peer = f"http://{machine.address}:2379", f"http://{machine.address}:2380"
    etcd = [
        "etcd",
        "--name",
        name,
        "--data-dir",
        str(own / "etcd"),
        "--enable-v2",
        "--logger",
        "zap",
        "--log-level",
        "error",
    ]
    etcd += ["--listen-client-urls", client, "--advertise-client-urls", client]
    etcd += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster"]
    etcd += [",".join(f"machine{at}=http://{each}:2380" for at, each in enumerate(others, 1))]
    return DatabaseMachine(number, machine, own, [etcd, ["patroni", str(settings)]])
