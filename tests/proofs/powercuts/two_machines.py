"""Scenarios with a server and a workstation: sync over a connection, and pouches that a person carries.

The power cut hits one of the two machines. The other machine keeps everything that it wrote.
"""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import ClassVar

from crypto.errors import CryptoError
from deploy.desk_for_command import open_desk_for_command
from deploy.pinned_letterhead import open_letterhead
from deploy.settings.load_settings import load_config
from deploy.syncing.server_endpoint import open_server_endpoint
from journalist_app import create_adviser_app
from journalist_app.config import AdviserConfig
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import FileRefusedError, MailboxNotFoundError
from journalist_app.services.mailbox import read_thread
from journalist_app.services.mailbox.file_downloads import open_download
from journalist_app.services.whole_desk import sync_replica
from journalist_app.services.whole_desk.background_check import check_store
from protocol.identifiers import Address, AttachmentId
from store.database.engine import open_store
from sync.endpoint import Endpoint
from sync.exchange import answer_pouches
from sync.pending import read_pieces
from tests.deploy.two_machines import PASSPHRASE, Machine, a_desk
from tests.journalist_app.desk_factories import World
from tests.journalist_app.views.test_views import AdviserBrowser, answer_fields, settle, token
from tests.proofs.conversation import MailboxSystem, ProofSource, open_system
from tests.proofs.powercuts.one_machine import (
    TEXT,
    a_file,
    a_text,
    delete_entry,
    end_mailbox,
    file_content,
    seen_by_source,
)
from tests.proofs.powercuts.scenarios import Scenario
from tests.proofs.powercuts.statements import state
from web.dates import utc_today


@dataclass(frozen=True, slots=True)
class _Line:
    """Connection to a server in the same process."""

    server: Endpoint

    @contextmanager
    def carry(self, pouch: bytes) -> Iterator[Iterator[bytes]]:
        yield answer_pouches(self.server, pouch)


class TwoMachines(Scenario):
    """Server and workstation of one desk. A source uses the server, and an adviser uses the workstation.

    "text-..." is a text that the source can read at the server, and "workstation: text-..." is a text that
    the adviser can read. "later: ..." is what can be read after the next complete sync.
    """

    machines: ClassVar[tuple[str, ...]] = ("first", "server")
    system: MailboxSystem

    def prepare(self) -> set[str]:
        desk = a_desk(self.disk)
        desk.pair_first()
        self.remember("fingerprint", desk.keyring.fingerprint)
        self.sync()
        self.open_server()
        self.sources = [self.system.a_source() for _ in range(2)]
        self.remember("mailboxes", [(each.browser.passphrase, each.keys.address) for each in self.sources])
        self.sync()
        return {f"{when}mailbox {number}" for when in ("", "later: ") for number in range(2)}

    def machine(self, name: str) -> Machine:
        return Machine(self.disk / name / "var" / "config.toml", self.remembered("fingerprint"))

    def post(self, source: ProofSource, *sizes: int) -> tuple[str, list[str]]:
        """Post at the server. Return the entry id, and the names of the text and the files."""
        text, files = a_text(), [a_file(size) for size in sizes]
        names = [text, *(name for name, _ in files)]
        state("trying", *names, *map(at_workstation, names), *later(names))
        entry_id = source.writes(text, files)
        state("kept", *names, *later(names))
        return entry_id, names

    def answer(self, source: ProofSource) -> list[str]:
        """Answer at the workstation. Return the name of the text."""
        text = a_text()
        state("trying", text, at_workstation(text), *later([text]))
        config = load_config(self.machine("first").settings, "adviser", AdviserConfig)
        with closing(open_store(config.store_path)) as store:
            app = create_adviser_app(config, store, end_worker=list, today=utc_today)
            adviser = AdviserBrowser(app, [], headers={"Host": config.bind, "Accept-Language": "en"})
            page = adviser.get("/unlock")
            unlock = {"token": token(page, "/unlock"), "passphrase": PASSPHRASE}
            assert adviser.post("/unlock", unlock).status_code == 303
            settle(adviser)
            sent = adviser.answer(source.path, answer_fields(adviser.get(source.path), text))
            assert sent.status_code == 303
            state("kept", at_workstation(text), *later([text]))
            settle(adviser)
        return [text]

    def sync(self) -> None:
        """Sync over a connection, as the workstation does in the background."""
        with (
            open_server_endpoint(self.machine("server").settings) as server,
            open_desk_for_command(self.machine("first").settings, lambda: PASSPHRASE) as desk,
        ):
            self._sync(desk, server)

    @staticmethod
    def _sync(desk: OpenDesk, server: Endpoint) -> None:
        sync_replica.sync_replica(desk, sync_replica.workstation_endpoint(desk), _Line(server))
        assert desk.exchange.refusal == ""

    def open_server(self) -> None:
        """Open the source's interface on the server."""
        with suppress(FileNotFoundError):
            (self.memory / "sessions.db").unlink()
        config = load_config(self.machine("first").settings, "adviser", AdviserConfig)
        config = replace(config, store_path=self.machine("server").store().path)
        store = open_store(config.store_path)
        letterhead = open_letterhead(store, config.fingerprint, self.memory / "serial")
        world = World(config, None, letterhead, store)  # type: ignore[arg-type]  # a server has no keyring
        self.system = open_system(self.memory, world, secrets.token_bytes(32), today=utc_today)

    def readable(self) -> set[str]:
        found = self._at_server()
        with (
            open_server_endpoint(self.machine("server").settings) as server,
            open_desk_for_command(self.machine("first").settings, lambda: PASSPHRASE) as desk,
        ):
            check_store(desk, utc_today())  # as after each unlocking
            found |= self._at_workstation(desk)
            found |= self.bring_pouches(desk)
            self._sync(desk, server)
            found |= {f"later: {name}" for name in self._at_workstation(desk)}
        return found | {f"later: {name}" for name in self._at_server()}

    def bring_pouches(self, _desk: OpenDesk) -> set[str]:
        """Import the pouches that a person still has. Return the names of what can be read then."""
        return set()

    def _at_server(self) -> set[str]:
        self.open_server()
        try:
            return {
                name
                for number, (passphrase, _) in enumerate(self.remembered("mailboxes"))
                for name in seen_by_source(self.system, f"mailbox {number}", passphrase)
            }
        finally:
            self.system.close()

    def _at_workstation(self, desk: OpenDesk) -> set[str]:
        found: set[str] = set()
        for _, address in self.remembered("mailboxes"):
            with suppress(MailboxNotFoundError):
                thread = read_thread.open_thread(desk, address, today=utc_today())
                assert thread.faults == ()
                for entry in thread.entries:
                    found |= {at_workstation(text) for text in TEXT.findall(entry.text)}
                    found |= {
                        at_workstation(file.name) for file in entry.files if _is_whole(desk, address, file)
                    }
        return found


class Syncing(TwoMachines):
    """Entries, files, answers and deletions travel over a connection."""

    def run(self) -> None:
        first, ending = self.sources
        deleted, texts = self.post(first)
        _, kept = self.post(first, 60_000)
        ended = self.post(ending, 30_000)[1]
        self._arrives(*texts, *kept, *ended)
        answered = self.answer(first)
        self._arrives()
        state("kept", *answered)
        self._delete(first, deleted, texts)
        self._arrives()
        state("gone", *map(at_workstation, texts))
        ended = [*ended, "mailbox 1"]
        state("deleting", *ended, *map(at_workstation, ended), *later(ended))
        end_mailbox(ending)
        state("gone", *ended, *later(ended))
        _, more = self.post(first)
        self._arrives(*more)
        state("gone", *map(at_workstation, ended))

    def _arrives(self, *names: str) -> None:
        self.sync()
        state("kept", *map(at_workstation, names))

    @staticmethod
    def _delete(source: ProofSource, entry_id: str, names: list[str]) -> None:
        state("deleting", *names, *map(at_workstation, names), *later(names))
        delete_entry(source, entry_id)
        state("gone", *names, *later(names))


class Carrying(TwoMachines):
    """A person carries pouches. The second half of a pouch arrives first, is kept, and is applied later.

    The folder "stick" loses nothing. "carried: ..." is what the adviser can read after the person has
    imported the pouches that are still on the stick.
    """

    def run(self) -> None:
        stick, first = self.disk / "stick", self.machine("first")
        stick.mkdir()
        source = self.sources[0]
        names = [name for size in (600_000,) * 4 for name in self.post(source, size)[1]]
        carried = [f"carried: {at_workstation(name)}" for name in names]
        state("trying", *carried)
        self.machine("server").does("pouch", "make", stick / "pouch", "--part-bytes", "1000000")
        half, *rest = sorted(stick.iterdir())
        assert rest
        for each in rest:
            assert "came early" in first.does("pouch", "apply", each)
        for each in rest:
            each.unlink()
        state("kept", *carried)
        first.does("pouch", "apply", half)
        state("kept", *map(at_workstation, names))
        state("deleting", *carried)
        half.unlink()
        answered = self.answer(source)
        first.does("pouch", "make", stick / "answer")
        self.machine("server").does("pouch", "apply", stick / "answer")
        state("kept", *answered)

    def bring_pouches(self, desk: OpenDesk) -> set[str]:
        parts = sorted((self.disk / "stick").glob("pouch.[0-9]"))
        for each in parts:
            sync_replica.import_pouch_file(desk, sync_replica.workstation_endpoint(desk), read_pieces(each))
            assert desk.exchange.refusal == ""
        return {f"carried: {name}" for name in self._at_workstation(desk)} if parts else set()


def at_workstation(name: str) -> str:
    """Return the name of a text or file that the adviser can read at the workstation."""
    return f"workstation: {name}"


def later(names: list[str]) -> list[str]:
    """Return the names of texts and files that both sides can read after the next complete sync."""
    return [f"later: {each}" for name in names for each in (name, at_workstation(name))]


def _is_whole(desk: OpenDesk, address: Address, file: read_thread.AdviserFile) -> bool:
    """Return whether the adviser can download a file that is complete."""
    try:
        download = open_download(desk, address, AttachmentId(bytes.fromhex(file.attachment_id)))
        return b"".join(download.pieces) == file_content(file.name)
    except (FileRefusedError, CryptoError):
        return False
