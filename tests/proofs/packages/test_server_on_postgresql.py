"""The server's package with a database of PostgreSQL. The tests run in this order, on one machine."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from deploy.settings.database_settings import Role
from tests.deploy.serving.certificates import Authority
from tests.deploy.two_machines import TwoMachineDesk
from tests.docs.manual_blocks import Block, read_blocks
from tests.next_version import NEW_KEY, NEXT, change_to_next_version, next_digest_on_postgresql
from tests.proofs.packages.debian_machine import INSTALL, DebianMachine
from tests.proofs.packages.package_builds import Debian, Packages, change_package
from tests.proofs.packages.server_steps import (
    GET,
    HOME,
    SETTINGS,
    booted_server,
    bring,
    installed_version,
    is_green,
    is_watched,
    message_arrives,
    set_up_server,
    settings_text,
    sources_write,
    states,
)

pytestmark = pytest.mark.slow

_BLOCKS = read_blocks("operator.md")
_MOVING = [block for block in _BLOCKS if block.is_on_postgresql][:-2]  # the others restore a backup
(_REMOTE,) = (block for block in _BLOCKS if block.is_of_remote_database)
_NAME, _SECRET = "database.example.org", "a secret"
_FILES = "/etc/steunpunt"
_OPTIONS = f"sslmode=verify-full&sslrootcert={_FILES}/authority.pem&passfile={_FILES}/passfile"
_PREPARE = """set -e
systemctl stop steunpunt.target steunpunt-watch
install -o postgres -m 600 /srv/database.crt /srv/database.key /var/lib/postgresql
sed -i '1i hostssl steunpunt all 127.0.0.1/32 scram-sha-256' /etc/postgresql/*/main/pg_hba.conf
"""
_USED = """
SELECT DISTINCT ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE application_name = 'steunpunt'
"""


@pytest.fixture(scope="module")
def machine(
    debian: Debian, packages: Packages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DebianMachine]:
    folder = tmp_path_factory.mktemp("server")
    with booted_server(debian, folder, packages.server, "postgresql") as started:
        yield started


@pytest.fixture(scope="module")
def newer(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of a made-up next version, which has one more migration and one more setting."""
    change = partial(change_to_next_version, digest_on_postgresql=next_digest_on_postgresql())
    return change_package(packages.server, tmp_path_factory.mktemp("newer"), ".1", change)


def follow(machine: DebianMachine, block: Block) -> None:
    """Type the lines of a block of the manual as root."""
    if block.kind.startswith("toml"):
        machine.does("tee", "--append", SETTINGS, text="\n".join(("", *block.lines, "")))
        return
    for line in block.lines:
        if line == "steunpunt check":  # some programs are just starting
            assert "ok: The store can be used" in machine.types("sh", "-c", line).stdout
        else:
            machine.does("sh", "-c", line.replace("apt-get install", " ".join(INSTALL)))


def asks(machine: DebianMachine, statement: str) -> str:
    return machine.does("runuser", "-u", "postgres", "--", "psql", "-Atc", statement, "steunpunt").strip()


def test_a_server_moves_to_postgresql_as_the_manual_says_and_gets_a_green_check(
    machine: DebianMachine, packages: Packages, desk: TwoMachineDesk
) -> None:
    done = machine.installs(packages.server)
    assert done.returncode == 0, done.stdout + done.stderr
    set_up_server(machine, desk)
    message_arrives(machine, desk)

    for block in _MOVING:
        follow(machine, block)

    assert states(machine) == {"active"}
    assert asks(machine, "SELECT count(*) FROM entry") == "1"
    is_green(machine)
    is_watched(machine)  # from here on, also during the upgrade


def test_the_sweeper_destroys_what_sources_deleted(machine: DebianMachine) -> None:
    sources_write(machine, 10)

    machine.waits(
        "test $(runuser -u postgres -- psql -Atc 'SELECT count(*) FROM deletion_queue' steunpunt) = 0"
    )
    assert machine.types("sh", "-c", "journalctl --unit=steunpunt-sweep | grep 'not finished'").stdout == ""


def test_the_programs_wait_for_a_database_that_is_away_and_continue(machine: DebianMachine) -> None:
    machine.does("systemctl", "restart", "postgresql")
    sources_write(machine, 0)
    machine.does("systemctl", "stop", "postgresql")
    machine.does("systemctl", "restart", "--no-block", "steunpunt.target")
    machine.waits(
        "test $(journalctl --output=cat --unit='steunpunt*' | grep -c 'This program waits for it') = 3"
    )

    machine.does("systemctl", "start", "postgresql")

    assert states(machine) == {"active"}
    sources_write(machine, 0)


def test_an_upgrade_makes_a_backup_and_migrates_the_database(machine: DebianMachine, newer: Path) -> None:
    machine.does("rm", "-r", f"{HOME}/var/backups")
    before = asks(machine, "SELECT count(*) FROM entry")

    done = machine.installs(newer)

    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.does("ls", f"{HOME}/var/backups").startswith("backup-")
    assert asks(machine, "SELECT version_num FROM alembic_version") == NEXT
    assert asks(machine, "SELECT count(*) FROM entry") == before
    assert settings_text(machine).count(f"{NEW_KEY} = 30\n") == 1
    assert installed_version(machine) in newer.name
    is_green(machine)


def test_after_a_reboot_everything_runs_again(machine: DebianMachine) -> None:
    machine.stop()
    machine.start()

    assert states(machine) == {"active"}
    assert machine.does("python3", "-c", GET) == "200\n"


def test_a_database_under_another_name_is_used_over_tls_in_the_sandbox_of_each_unit(
    machine: DebianMachine, tmp_path: Path
) -> None:
    authority = Authority("an authority")
    certificate, key = authority.issues(_NAME)
    contents = {
        "authority.pem": authority.certificate,
        "passfile": f"*:*:*:*:{_SECRET}\n".encode(),
        "database.crt": certificate,
        "database.key": key,
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        bring(machine, tmp_path / name)
    machine.does("sh", "-c", _PREPARE)
    for setting, value in {
        "ssl": "on",
        "ssl_cert_file": "/var/lib/postgresql/database.crt",
        "ssl_key_file": "/var/lib/postgresql/database.key",
    }.items():
        asks(machine, f"ALTER SYSTEM SET {setting} = '{value}'")
    for role in Role:
        asks(machine, f"ALTER ROLE steunpunt_{role} PASSWORD '{_SECRET}'")
    machine.does("systemctl", "restart", "postgresql")
    for line in _REMOTE.lines:
        machine.does("sh", "-c", f"cd /srv && {line.replace('192.0.2.5', '127.0.0.1')}")
    settings = settings_text(machine).replace("host=/run/postgresql", f"host={_NAME}&{_OPTIONS}")
    machine.does("tee", SETTINGS, text=settings)

    machine.does("systemctl", "start", "steunpunt.target")

    assert states(machine) == {"active"}
    is_green(machine)
    assert asks(machine, _USED) == "t"
