"""Paired workstation for browser tests: the adviser interface over a replica, served on loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from flask import Flask

from journalist_app import create_adviser_app
from journalist_app.desk.auto_lock import AutoLock
from protocol.pouch.pouch_file import SERVER
from store import peers, sync_findings
from store.sync_findings import FindingKind
from tests.journalist_app.desk_factories import TODAY, a_source
from tests.sync.desks import AtDesk, an_adviser
from tests.sync.ends import the_ends


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing for a request, so that the output of the tests stays readable."""


@dataclass(slots=True)
class PairedWorkstation:
    """Workstation that is paired with a server, with the URL of its adviser interface."""

    at: AtDesk
    url: str
    app: Flask

    @property
    def unlocked_cookie(self) -> str:
        auto_lock: AutoLock = self.app.extensions["auto_lock"]
        return auto_lock.admit(self.at.desk).hex()

    def set_server(self, server: str) -> None:
        """Change how the workstation reaches the server."""
        self.at.desk.config = replace(self.at.desk.config, server=server)

    def add_all_findings(self) -> None:
        """Add every kind of sync finding: a server that was rolled back, and mailboxes with faults."""
        sources = [a_source(self.at.ends.world) for _ in range(2)]
        for source in sources:
            source.writes("vraag")
        self.at.syncs()
        self.at.answers(sources[0], "antwoord")
        with self.at.store.writing() as session:
            peers.mark_rollback(session, SERVER, TODAY)
            for source, kind in zip(sources, FindingKind, strict=False):
                sync_findings.add(session, source.keys.address, b"", kind, TODAY)
            sync_findings.add(session, b"\1" * 20, b"", FindingKind.COME_BACK, TODAY)


@contextmanager
def a_paired_workstation(folder: Path) -> Iterator[PairedWorkstation]:
    """Serve the adviser interface of a workstation that is paired with a server in this process."""
    (folder / "server").mkdir(parents=True)
    ends = the_ends(folder)
    at = an_adviser(ends)
    with make_server("127.0.0.2", 0, lambda *_: [], _ThreadingServer, _QuietHandler) as server:
        bind = f"127.0.0.2:{server.server_port}"
        at.desk.config = replace(at.desk.config, bind=bind)
        app = create_adviser_app(at.desk.config, at.store, end_worker=lambda: None, today=ends.clock.today)
        server.set_app(app)
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield PairedWorkstation(at, f"http://{bind}", app)
        server.shutdown()
        serving.join()
    at.desk.stop()
    for store in ends.opened:
        store.close()
