"""Broken connections and killed servers: a typed text is kept, and no message or file is half stored."""

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from bench import desk_servers
from bench.browser import Answer
from bench.databases.database_desks import move_to_database
from bench.forms import Form
from bench.processes import Server
from store import cleanup
from store.database.engine import ServerPlace, Store, open_store
from tests.pages import hooks
from tests.postgresql_cluster import the_cluster
from tests.proofs.http_clients import SourceClient, multipart

pytestmark = pytest.mark.slow

TEXT = "een tekst die niet weg mag"
PHOTO = os.urandom(6_000_000)


@dataclass(frozen=True, slots=True)
class SourceConnection:
    """A running source interface, and a client that has logged in to a mailbox."""

    server: Server
    source: SourceClient
    store: Store

    def count(self, table: str) -> int:
        return self.find(f"SELECT count(*) FROM {table}")  # noqa: S608  # ours

    def find(self, query: str) -> int:
        """Return the number that a query finds."""
        with self.store.reading() as session:
            return int(session.execute(text(query)).scalar_one())

    def head(self, form: Form, media_type: str, length: int) -> bytes:
        cookie = "; ".join(f"{name}={value}" for name, value in self.source.browser.cookies.items())
        return (
            f"POST {form.action} HTTP/1.1\r\nHost: {self.server.host}:{self.server.port}\r\n"
            f"Accept-Language: en\r\nCookie: {cookie}\r\nConnection: close\r\n"
            f"Content-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
        ).encode()

    def connect(self) -> socket.socket:
        return socket.create_connection((self.server.host, self.server.port), timeout=120)


@pytest.fixture(params=["sqlite", "postgresql"])
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SourceConnection]:
    desk = desk_servers.set_up(tmp_path / "var")
    place: Path | ServerPlace = desk.path("source", "store_path")
    if request.param == "postgresql":
        database = move_to_database(desk.settings, the_cluster())
        place = ServerPlace(the_cluster().url(database, f"{database}_owner"), place)
    with (
        desk_servers.serving(desk, "source") as server,
        SourceClient(server.host, server.port) as source,
        closing(open_store(place)) as store,
    ):
        source.open_mailbox()
        yield SourceConnection(server, source, store)


def read_all(client: socket.socket) -> bytes:
    pieces = []
    while piece := client.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("cut", ["in the file", "in the text", "before the end"])
def test_a_request_that_is_cut_off_returns_the_text_that_arrived(site: SourceConnection, cut: str) -> None:
    form = site.source.write_form()
    media_type, body = multipart({**form.hidden, "text": TEXT}, {"photo.jpg": PHOTO})
    end = {
        "in the file": len(body) // 2,
        "in the text": body.index(TEXT.encode()) + len(TEXT) - 8,
        "before the end": len(body) - 6,
    }[cut]

    with site.connect() as client:
        client.sendall(site.head(form, media_type, len(body)) + body[:end])
        client.shutdown(socket.SHUT_WR)
        answer = read_all(client)

    assert re.match(rb"HTTP/1\.1 4\d\d ", answer)
    assert TEXT[:-8].encode() in answer
    assert 0 == site.count("entry")
    assert site.source.write(TEXT)


@pytest.mark.parametrize("claimed", [-1000, 1000], ids=["too small", "too large"])
def test_a_wrong_content_length_returns_the_text_and_stores_nothing(
    site: SourceConnection, claimed: int
) -> None:
    form = site.source.write_form()
    media_type, body = multipart({**form.hidden, "text": TEXT}, {"photo.jpg": PHOTO[:100_000]})

    with site.connect() as client:
        client.sendall(site.head(form, media_type, len(body) + claimed) + body)
        client.shutdown(socket.SHUT_WR)
        answer = read_all(client)

    assert re.match(rb"HTTP/1\.1 4\d\d ", answer)
    assert TEXT.encode() in answer
    assert 0 == site.count("entry")


def test_the_clean_up_removes_everything_that_a_server_killed_during_an_upload_leaves(
    site: SourceConnection,
) -> None:
    form = site.source.write_form()
    media_type, body = multipart({**form.hidden, "text": TEXT}, {"photo.jpg": PHOTO})

    with site.connect() as client:
        client.sendall(site.head(form, media_type, len(body)) + body[: len(body) * 3 // 4])
        deadline = time.monotonic() + 30
        while not site.count("chunk") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert site.count("chunk") >= 1
        for worker in site.server.workers:
            os.kill(worker, signal.SIGKILL)

    assert 0 == site.count("entry")
    assert 1 == site.count("attachment WHERE pending_half_hour IS NOT NULL")
    tomorrow = int(time.time()) // 1800 + cleanup.PENDING_HALF_HOURS + 1
    assert cleanup.destroy_deleted(site.store, tomorrow) >= 1
    assert [0, 0, 0, 0] == [
        site.count(table) for table in ("attachment", "chunk", "sealed", "deletion_queue")
    ]
    assert 0 == site.find("SELECT sum(sealed_bytes) FROM usage")
    site.source.browser.close()
    assert site.source.write(TEXT, {"photo.jpg": PHOTO})  # a new worker, in the same session


def _send_at_once(sources: list[tuple[SourceClient, Form, str]]) -> list[Answer]:
    answers: list[Answer] = []
    ready = threading.Barrier(len(sources))

    def send(source: SourceClient, form: Form, text: str) -> None:
        source.browser.close()  # idle since it fetched the form, so the server may have closed it
        ready.wait()
        answers.append(source.send(form, text, {"photo.jpg": PHOTO[:50_000]}))

    threads = [threading.Thread(target=send, args=each) for each in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _tabs(site: SourceConnection, count: int) -> list[SourceClient]:
    cookies = site.source.browser.cookies
    return [SourceClient(site.server.host, site.server.port, cookies) for _ in range(count)]


def test_tabs_that_post_at_the_same_time_each_make_one_entry(site: SourceConnection) -> None:
    tabs = _tabs(site, 6)

    answers = _send_at_once([(tab, tab.write_form(), f"tabblad {number}") for number, tab in enumerate(tabs)])

    assert [303] * 6 == [answer.status for answer in answers]
    page = site.source.thread_page().body.decode()
    assert all(f"tabblad {number}" in page for number in range(6))
    assert hooks(page, "notice") == ["waiting"]
    assert 6 == site.count("entry")
    for tab in tabs:
        tab.browser.close()


def test_one_form_sent_many_times_at_once_makes_one_entry(site: SourceConnection) -> None:
    form = site.source.write_form()
    tabs = _tabs(site, 6)

    answers = _send_at_once([(tab, form, TEXT) for tab in tabs])

    assert {(303, answers[0].location)} == {(answer.status, answer.location) for answer in answers}
    assert 1 == site.count("entry")
    assert 1 == site.count("attachment WHERE pending_half_hour IS NULL")
    assert 1 == site.source.thread_page().body.decode().count(TEXT)
    for tab in tabs:
        tab.browser.close()
