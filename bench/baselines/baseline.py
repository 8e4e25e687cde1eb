"""Baseline server, with which measurements compare our own server, and the actions of its clients."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import processes
from bench.baselines import baseline_app
from bench.browser import Browser, Upload
from bench.forms import URLENCODED


@dataclass(frozen=True, slots=True)
class Baseline:
    """Address of the running baseline server. It can be pickled, for clients in other processes."""

    host: str
    port: int

    def browser(self) -> Browser:
        """Return a browser with a connection of its own."""
        return Browser(self.host, self.port)


@contextlib.contextmanager
def serving_baseline(folder: Path, *, page_bytes: int, workers: int, threads: int) -> Iterator[Baseline]:
    """Run the baseline server with these gunicorn settings and a database in `folder`."""
    path = folder / "baseline.sqlite3"
    baseline_app.create_database(path, page_bytes)
    host, port = "127.0.0.1", processes.free_port()
    server = (sys.executable, "-m", "bench.baselines.baseline_server")
    argv = [*server, str(path), f"{host}:{port}", str(workers), str(threads)]
    with processes.serving(argv, host, port):
        yield Baseline(host, port)


def insert_action(server: Baseline, text: str) -> Callable[[], bool]:
    """Return an action that inserts one row with `text` and returns whether the server confirmed it."""
    browser = server.browser()
    body = f"text={text}".encode()
    return lambda: browser.post("/insert", URLENCODED, body).body == b"received"


def upload_action(server: Baseline, path: str, file_bytes: int) -> Callable[[], None]:
    """Return an action that uploads a file of this size to `/parse` or `/store`."""

    def send() -> None:
        upload = Upload({"text": "x"}, "files", file_bytes)
        with server.browser() as browser:  # a new connection: the server drops one that was idle for seconds
            answer = browser.post(path, upload.media_type, upload, upload.length)
        if answer.body != (b"1" if path == "/parse" else str(file_bytes).encode()):
            raise ValueError(f"{path}: {answer.status}")

    return send


def delete_everything(server: Baseline) -> None:
    """Delete all rows of the baseline server."""
    with server.browser() as browser:
        browser.post("/forget", URLENCODED, b"")
