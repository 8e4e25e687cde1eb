"""After a clean stop, the store's file alone holds everything: a copy of it loses no mailbox."""

import os
import shutil
import socket
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from bench import desk_servers, processes
from store import mailboxes
from store.database.engine import open_store
from tests.deploy.two_machines import a_desk
from tests.programs.hostile_programs import comes_true
from tests.proofs.http_clients import AdviserClient, SourceClient

pytestmark = [pytest.mark.slow, pytest.mark.enable_socket]

PHOTO = {"photo.jpg": os.urandom(2_000_000)}


@pytest.fixture
def desk(tmp_path: Path) -> desk_servers.Desk:
    return desk_servers.set_up(tmp_path / "var")


def assert_only_the_file_is_left(desk: desk_servers.Desk, count: int) -> None:
    store = desk.path("source", "store_path")
    # The adviser's search processes end a moment after the program that started them.
    assert comes_true(lambda: [store.name] == [path.name for path in store.parent.glob(f"{store.name}*")])
    copy = store.with_name("copy.db")
    shutil.copyfile(store, copy)
    with closing(open_store(copy)) as copied, copied.reading() as session:
        assert count == len(mailboxes.all_addresses(session))


@pytest.mark.parametrize("last", ["source", "adviser", "sweeper"])
def test_whichever_program_stops_last_leaves_no_journal(desk: desk_servers.Desk, last: str) -> None:
    def start(name: str, stack: ExitStack) -> object:
        if name == "sweeper":
            command = [*desk_servers._COMMAND, "--settings", str(desk.settings), "run", "sweeper"]
            return stack.enter_context(processes.running(command))
        return stack.enter_context(desk_servers.serving(desk, name))

    with ExitStack() as late:
        start(last, late)
        with ExitStack() as early:
            for name in {"source", "adviser", "sweeper"} - {last}:
                start(name, early)
            with AdviserClient(*desk.address("adviser")) as adviser:
                adviser.unlock(desk.passphrase)
                for number in range(3):
                    with SourceClient(*desk.address("source")) as source:
                        source.open_mailbox()
                        source.write(f"bericht {number}", PHOTO)
                adviser.wait_until_checked()
                adviser.inbox()

    assert_only_the_file_is_left(desk, 3)


def test_a_stop_in_the_middle_of_an_upload_leaves_no_journal(desk: desk_servers.Desk) -> None:
    with desk_servers.serving(desk, "source") as site, SourceClient(site.host, site.port) as source:
        source.open_mailbox()
        source.write("vooraf")
        form = source.write_form()
        head = (
            f"POST {form.action} HTTP/1.1\r\nHost: {site.host}:{site.port}\r\nContent-Length: 9000000\r\n"
            f"Cookie: {'; '.join(f'{n}={v}' for n, v in source.browser.cookies.items())}\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        )
        with closing(socket.create_connection((site.host, site.port))) as client:
            client.sendall(head.encode() + b"--b\r\n" + bytes(3_000_000))
            site.process.terminate()
            site.process.wait(30)

    assert_only_the_file_is_left(desk, 1)


def test_the_sync_endpoint_and_the_sweeper_of_a_server_leave_no_journal(tmp_path: Path) -> None:
    address = f"127.0.0.3:{processes.free_port('127.0.0.3')}"
    made = a_desk(tmp_path / "desk", sync_bind=address)
    made.pair_first()
    made.a_source_writes()
    command = [*desk_servers._COMMAND, "--settings", str(made.server.settings)]
    host, _, port = address.rpartition(":")
    with (
        processes.serving([*command, "run", "sync"], host, int(port)),
        processes.running([*command, "run", "sweeper"]),
    ):
        made.a_source_writes()

    folder = made.server.settings.parent
    assert ["store.db"] == [path.name for path in folder.glob("store.db*")]
