"""The yardsticks at work: the baseline server, and what a client asks of it."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import baseline_app, processes
from bench.browser import Browser, Upload
from bench.forms import URLENCODED


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The baseline site, picklable for clients in other processes."""

    host: str
    port: int

    def browser(self) -> Browser:
        """Return a browser with a connection of its own."""
        return Browser(self.host, self.port)


@contextlib.contextmanager
def thread_state(folder: Path, *, page_bytes: int, workers: int, threads: int) -> Iterator[Yardstick]:
    """Serve the baseline site with these gunicorn settings, from a database in `folder`."""
    path = folder / "baseline.sqlite3"
    baseline_app.create_database(path, page_bytes)
    host, port = "127.0.0.1", processes.free_port()
    server = (sys.executable, "-m", "bench.baseline_server")
    argv = [*server, str(path), f"{host}:{port}", str(workers), str(threads)]
    with processes.serving(argv, host, port):
        yield Yardstick(host, port)


def inserting(yardstick: Yardstick, text: str) -> Callable[[], bool]:
    """Return an action that has one row of `text` inserted."""
    browser = yardstick.browser()
    body = f"text={text}".encode()
    return lambda: browser.post("/insert", URLENCODED, body).body == b"received"


def sending(yardstick: Yardstick, path: str, file_bytes: int) -> Callable[[], None]:
    """Return an action that uploads a file of this size to `/parse` or `/store`."""

    def send() -> None:
        upload = Upload({"text": "x"}, "files", file_bytes)
        with yardstick.browser() as browser:  # fresh: a server drops a connection that was idle for seconds
            answer = browser.post(path, upload.media_type, upload, upload.length)
        if answer.body != (b"1" if path == "/parse" else str(file_bytes).encode()):
            raise ValueError(f"{path}: {answer.status}")

    return send


def forget(yardstick: Yardstick) -> None:
    """Have everything deleted."""
    with yardstick.browser() as browser:
        browser.post("/forget", URLENCODED, b"")
