"""P7 (acknowledged is kept): after the source was told "received", no kill of the server loses the message.

The operating system keeps everything that a killed process wrote. So these tests prove nothing about the
disk, and would pass without any sync: `test_power_cuts.py` replays power cuts.
"""

import contextlib
import os
import random
import secrets
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench import desk_servers, processes
from bench.browser import BadAnswerError
from bench.forms import NoFormError
from bench.source import WrongAnswerError
from tests.proofs.http_clients import SourceClient, file_links, sha256, shown_text
from tests.proofs.proof_sizes import CLIENTS, KILLS, print_result

pytestmark = pytest.mark.slow

_KILLS_A_MAILBOX = 25  # then new mailboxes, so that no mailbox becomes full
_BROKEN = (OSError, BadAnswerError, WrongAnswerError, NoFormError, KeyError, ValueError)


@dataclass
class Writer:
    """Source who keeps writing until the server is killed."""

    passphrase: str
    name: str
    count: int = 0
    acknowledged: dict[str, str] = field(
        default_factory=dict
    )  # by text: the name of its file, "" if it has no file
    sums: dict[str, str] = field(default_factory=dict)
    attempted: set[str] = field(default_factory=set)

    def write_until(self, stop: threading.Event, begun: threading.Event, host: str, port: int) -> None:
        """Write messages, every third with a file, until the connection breaks or `stop` is set.

        Set `begun` after the log-in.
        """
        with contextlib.suppress(*_BROKEN), SourceClient(host, port) as source:
            source.log_in(self.passphrase)
            begun.set()
            while not stop.is_set():
                self.count += 1
                text = f"{self.name}-{self.count:05d}-{secrets.token_hex(8)}"
                files = {}
                if self.count % 3 == 0:
                    name = f"{text}.bin"
                    files = {name: secrets.token_bytes(random.randrange(1, 300_000))}
                    self.sums[name] = sha256(files[name])
                self.attempted.add(text)
                source.write(text, files)
                self.acknowledged[text] = next(iter(files), "")


def _kill(server: processes.Server) -> None:
    """Kill the gunicorn master and all workers at once."""
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()


def _round(desk: desk_servers.Desk, writers: list[Writer]) -> None:
    stop, begun = threading.Event(), threading.Event()
    with desk_servers.serving(desk, "source") as server:
        threads = [
            threading.Thread(target=writer.write_until, args=(stop, begun, server.host, server.port))
            for writer in writers
        ]
        for thread in threads:
            thread.start()
        assert begun.wait(60), "no source could log in"
        stop.wait(random.uniform(0.2, 2.0))
        _kill(server)
        stop.set()
        for thread in threads:
            thread.join()


def _check_acknowledged(writer: Writer, host: str, port: int) -> int:
    """Check that every message acknowledged to one source is still whole. Return their number."""
    with SourceClient(host, port) as source:
        page = source.log_in(writer.passphrase)
        shown = set(shown_text(page).split())
        missing = writer.acknowledged.keys() - shown
        assert missing == set()
        shown_texts = {word for word in shown if word.startswith(f"{writer.name}-") and "." not in word}
        assert shown_texts <= writer.attempted
        links = file_links(page)
        assert {name for name in writer.acknowledged.values() if name} <= links.keys()
        for name, path in links.items():
            assert sha256(source.browser.get(path).body) == writer.sums[name]
    return len(writer.acknowledged)


def test_every_acknowledged_message_survives_every_kill(tmp_path: Path) -> None:
    desk = desk_servers.set_up(tmp_path / "var")
    writers: list[Writer] = []
    for kill in range(KILLS):
        if kill % _KILLS_A_MAILBOX == 0:
            with desk_servers.serving(desk, "source") as server:
                for _ in range(CLIENTS):
                    with SourceClient(server.host, server.port) as source:
                        writers.append(Writer(source.open_mailbox(), f"canary{len(writers)}"))
        _round(desk, writers[-CLIENTS:])
    with desk_servers.serving(desk, "source") as server:
        kept = sum(_check_acknowledged(writer, server.host, server.port) for writer in writers)
    attempted = sum(len(writer.attempted) for writer in writers)
    print_result(
        f"{KILLS} kills: {attempted} sent, {kept} acknowledged, all {kept} present and whole afterwards"
    )
    assert kept > KILLS
