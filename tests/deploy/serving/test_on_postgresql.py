"""A server whose store is in a database of PostgreSQL, with real programs. Its database dies and returns."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.cli import run_commands
from deploy.cli.main import main
from deploy.settings.settings_text import with_key
from store.errors import StoreBusyError, StoreError, StoreUnreachableError
from tests.deploy.on_postgresql import a_desk_on
from tests.deploy.servers import comes_true, end, free_address, running, start, wait_for
from tests.deploy.two_machines import PASSPHRASE, Machine, TwoMachineDesk
from tests.postgresql_cluster import Cluster
from tests.proofs.http_clients import AdviserClient, SourceClient, shown_text

pytestmark = pytest.mark.slow


@dataclass
class DatabaseSite:
    """A desk whose server runs on PostgreSQL."""

    desk: TwoMachineDesk
    cluster: Cluster
    source: tuple[str, int]
    said: Path


@pytest.fixture(scope="module")
def site(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseSite]:
    folder = tmp_path_factory.mktemp("site")
    source = free_address()
    desk = a_desk_on(cluster, folder / "desk", source, f"unix:{folder}/sync.sock")
    with running(desk.server, folder / "said"):
        yield DatabaseSite(desk, cluster, source, folder / "said")


def test_a_source_writes_and_reads_an_answer_that_a_sync_brought(site: DatabaseSite, tmp_path: Path) -> None:
    first = site.desk.first
    bind = free_address()
    text = first.settings.read_text("utf-8").replace("127.0.0.2:8081", "{}:{}".format(*bind))
    first.settings.write_text(text, "utf-8")

    with SourceClient(*site.source) as source:
        source.open_mailbox()
        source.write("a question", {"a.png": bytes(2_000_000)})
        first.does("workstation", "sync")
        with running(first, tmp_path / "said"), AdviserClient(*bind) as adviser:
            adviser.unlock(PASSPHRASE)
            mailboxes = {path: shown_text(adviser.read(path)) for path in adviser.mailboxes()}
            (mailbox,) = (path for path, text in mailboxes.items() if "a question" in text)
            assert 303 == adviser.answer(mailbox, "an answer").status
            assert comes_true(lambda: "an answer" in source.mailbox())


def test_the_check_of_a_server_finds_its_database_in_order(site: DatabaseSite) -> None:
    said = site.desk.server.types("check").output

    assert "ok: The store can be used, and has the tables of this version." in said
    assert re.search(r"ok: The database has \d+\.\d GB", said)
    assert "could not be made" not in said


def test_the_commands_of_a_server_use_the_database(site: DatabaseSite) -> None:
    assert "entries verified" in site.desk.server.does("store", "verify")
    assert "Destroyed" in site.desk.server.does("store", "sweep")
    assert "Letterhead number" in site.desk.server.does("store", "letterhead")
    assert site.desk.server.does("server", "card")
    again = site.desk.server.does("server", "setup", site.desk.server.fingerprint)
    assert "Nothing was changed" in again


def test_a_site_whose_database_dies_keeps_the_typed_text_and_recovers_by_itself(site: DatabaseSite) -> None:
    with SourceClient(*site.source) as source:
        source.open_mailbox()
        source.write("before")
        form = source.write_form()
        site.cluster.kill()
        try:
            refused = source.send(form, "typed without a database")
        finally:
            site.cluster.start()
        shown = html.unescape(refused.body.decode())
        answer = source.send(form, "typed without a database")

        assert (503, 303) == (refused.status, answer.status)
        assert "typed without a database" in shown
        assert "before" in source.mailbox()
        assert 1 == source.mailbox().count("typed without a database")


def test_a_server_that_starts_without_its_database_waits_for_it(cluster: Cluster, tmp_path: Path) -> None:
    source = free_address()
    desk = a_desk_on(cluster, tmp_path / "desk", source)
    said = tmp_path / "said"
    cluster.kill()
    with said.open("wb") as sink:
        process = start(desk.server, sink.fileno())
    try:
        assert comes_true(lambda: "This program waits for it" in said.read_text())
        assert process.poll() is None
        cluster.start()
        wait_for(*source, process)
        with SourceClient(*source) as visitor:
            visitor.open_mailbox()
    finally:
        end(process)


@pytest.mark.parametrize("lost", [StoreUnreachableError, StoreBusyError])
@pytest.mark.parametrize("program", ["source", "sync", "sweeper"])
def test_a_program_waits_again_if_its_database_is_lost_while_the_program_starts(
    site: DatabaseSite, monkeypatch: pytest.MonkeyPatch, program: str, lost: type[StoreError]
) -> None:
    starts: list[Path] = []

    def start_program(settings: Path) -> None:
        starts.append(settings)
        if len(starts) == 1:
            raise lost

    monkeypatch.setitem(run_commands._PROGRAMS, program, start_program)
    monkeypatch.setattr(run_commands, "overwrite_freed_memory", lambda: None)
    settings = site.desk.server.settings

    ended = CliRunner().invoke(main, ["--settings", str(settings), "run", program])

    assert (ended.exit_code, starts) == (0, [settings, settings]), ended.output


@pytest.mark.parametrize("role", ["", "_owner"])
def test_the_site_for_sources_refuses_a_user_with_more_rights(site: DatabaseSite, role: str) -> None:
    """The first one is an administrator of the database server."""
    server = site.desk.server
    text = server.settings.read_text("utf-8")
    (database,) = re.findall(r"//(\w+)_owner@", text)
    url = site.cluster.url(database, f"{database}{role}" if role else "steunpunt")
    text = with_key(
        with_key(text, "database", "source", url), "source", "bind", "{}:{}".format(*free_address())
    )
    other = Machine(server.settings.with_name("other.toml"), server.fingerprint)
    other.settings.write_text(text, "utf-8")

    assert "has rights that the site must not have" in other.is_told("run", "source")


def test_a_role_with_a_password_reads_it_from_a_file(site: DatabaseSite, tmp_path: Path) -> None:
    text = site.desk.server.settings.read_text("utf-8")
    (database,) = re.findall(r"//(\w+)_owner@", text)
    role, passfile = f"{database}_backup", tmp_path / "passfile"
    url = f"{site.cluster.url(database, role)}&passfile={passfile}"
    other = Machine(site.desk.server.settings.with_name("other.toml"), site.desk.server.fingerprint)
    other.settings.write_text(with_key(text, "database", "backup", url), "utf-8")
    rules = site.cluster.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    site.cluster.run(f"ALTER ROLE {role} PASSWORD 'a secret'")
    rules.write_text(f"local {database} {role} scram-sha-256\n{before}")
    try:
        site.cluster.run("SELECT pg_reload_conf()")
        assert comes_true(lambda: "cannot be reached" in other.types("store", "verify").output)

        passfile.write_text(f"*:*:{database}:{role}:a secret\n")
        passfile.chmod(0o600)
        assert "entries verified" in other.does("store", "verify")
        passfile.chmod(0o644)  # libpq then ignores the file
        assert "cannot be reached" in other.is_told("store", "verify")
    finally:
        rules.write_text(before)
        site.cluster.run("SELECT pg_reload_conf()")


def test_a_workstation_refuses_the_settings_of_a_database(site: DatabaseSite) -> None:
    first = site.desk.first
    text = first.settings.read_text("utf-8")
    urls = "".join(f'{role} = ""\n' for role in ("owner", "source", "sync", "backup"))
    other = Machine(first.settings.with_name("other.toml"), first.fingerprint)
    other.settings.write_text(f"{text}\n[database]\n{urls}", "utf-8")

    assert "[database] belongs on a server" in other.is_told("run")
