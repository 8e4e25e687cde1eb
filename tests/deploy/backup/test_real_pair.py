"""A server is backed up while sources write, is lost, and is restored: sources and advisers lose nothing."""

import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import processes
from deploy.hardening import TMPFS
from tests.deploy.backup.backups import BackedUpDesk
from tests.deploy.two_machines import PASSPHRASE, texts_held
from tests.proofs.http_clients import AdviserClient, SourceClient, shown_text

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """Return a path that is short enough for a socket."""
    folder = Path(TMPFS) / f"steunpunt-test-{secrets.token_hex(6)}"
    folder.mkdir(0o700)
    yield folder / "sync.sock"
    shutil.rmtree(folder)


def command(settings: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "deploy.cli.main", "--settings", str(settings), *words]


@contextmanager
def serving_source(desk: BackedUpDesk, port: int) -> Iterator[None]:
    with processes.serving(command(desk.server.settings, "run", "source"), "127.0.0.1", port):
        yield


@contextmanager
def serving_sync(desk: BackedUpDesk, path: Path) -> Iterator[None]:
    with processes.serving_at(command(desk.server.settings, "run", "sync"), path):
        yield


def test_after_a_restore_sources_and_advisers_go_on_with_everything(
    desk: BackedUpDesk, socket_path: Path, tmp_path: Path
) -> None:
    port, adviser_port = processes.free_port(), processes.free_port("127.0.0.2")
    desk.set("source", "bind", f'"127.0.0.1:{port}"')
    desk.set("source", "origin", f'"http://127.0.0.1:{port}"')
    desk.set("sync", "bind", f'"unix:{socket_path}"')
    first = desk.desk.first
    workstation = first.settings
    workstation.write_text(
        workstation.read_text("utf-8")
        .replace('server = "file"', f'server = "unix:{socket_path}"')
        .replace("127.0.0.2:8081", f"127.0.0.2:{adviser_port}"),
        "utf-8",
    )

    with (
        serving_source(desk, port),
        serving_sync(desk, socket_path),
        processes.running(command(desk.server.settings, "run", "sweeper")),
    ):
        with SourceClient("127.0.0.1", port) as source:
            passphrase = source.open_mailbox()
            source.write("before the backup", {"a.png": b"content" * 1000})
            backup = desk.backs_up().rename(tmp_path / "kept elsewhere")
            source.write("after the backup", {"b.png": b"content" * 1000})
        first.does("workstation", "sync")
    everything = texts_held(first)
    shutil.rmtree(desk.var)

    desk.server.does("restore", backup, "--identity", desk.identity)
    with serving_sync(desk, socket_path):
        said = first.does("workstation", "sync")
        first.does("workstation", "sync")
    assert "restored to an earlier day" in said
    assert everything == texts_held(desk.server)

    with (
        serving_source(desk, port),
        serving_sync(desk, socket_path),
        processes.serving(command(workstation, "run", "adviser"), "127.0.0.2", adviser_port),
        AdviserClient("127.0.0.2", adviser_port) as adviser,
        SourceClient("127.0.0.1", port) as source,
    ):
        shown = shown_text(source.log_in(passphrase))
        assert "before the backup" in shown
        assert "after the backup" in shown
        source.write("since the restore")
        first.does("workstation", "sync")
        adviser.unlock(PASSPHRASE)
        adviser.wait_until_checked()
        (mailbox,) = adviser.mailboxes()
        assert "since the restore" in shown_text(adviser.read(mailbox))
        assert 303 == adviser.answer(mailbox, "an answer").status
        first.does("workstation", "sync")
        assert "an answer" in shown_text(source.thread_page())
    assert texts_held(first) <= texts_held(desk.server)
