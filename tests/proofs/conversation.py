"""Conversation through both interfaces, over a store to which an attacker has administrator access.

The conversation is played once for each process. Each attack starts with a copy: the same files and cookies.
"""

import atexit
import functools
import re
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from flask import Flask
from werkzeug.test import Cookie

from journalist_app import create_adviser_app
from protocol.mailbox_keys import MailboxKeys
from source_app import create_source_app
from source_app.config import SourceConfig
from source_app.services import login
from source_app.signpost import decision_tree
from store.database.engine import open_store
from store.sessions import SessionStore, open_sessions
from tests.journalist_app.desk_factories import TODAY, World, a_world
from tests.journalist_app.views.test_views import AdviserBrowser, answer_fields, settle
from tests.source_app.desks import MIB, SourceBrowser
from web.dates import half_hour_now

QUESTION, ANSWER, THANKS = "the first question", "the true answer", "the second message"
FILE = b"a page of the dossier. " * 20_000  # longer than one segment of an age payload


@dataclass(slots=True)
class ProofSource:
    """Source with a browser, the keys of their mailbox, and the numbers of their receipts."""

    browser: SourceBrowser
    keys: MailboxKeys
    receipts: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"/mailbox/{self.keys.address.hex()}"

    def writes(self, words: str, files: list[tuple[str, bytes]] | None = None) -> str:
        """Write through the source interface. Return the entry id in hexadecimal."""
        sent = self.browser.write(words, files)
        assert sent.status_code == 303
        receipt = self.browser.get(sent.location).text
        found = re.search(r'<p class="digest"[^>]*>(.*?)</p>', receipt)
        assert found is not None
        self.receipts.append(found[1])
        return str(sent.location).rpartition("/")[2]

    def mailbox_page(self) -> str:
        """Return the mailbox page as the source sees it. Every attack on the store must still give a page."""
        page = self.browser.get("/en/mailbox")
        assert page.status_code == 200
        return page.text


@dataclass(frozen=True, slots=True)
class AdviserView:
    """Pages that an adviser sees after unlocking: all lists of the inbox, and the thread."""

    inbox: str
    thread: str


@dataclass(slots=True)
class MailboxSystem:
    """Both interfaces over one store, with the attacker's direct access to its file."""

    world: World
    site: Flask
    sessions: SessionStore
    server_secret: bytes

    def a_source(self) -> ProofSource:
        browser = SourceBrowser(self.site.test_client())
        browser.start()
        return self._source_at(browser)

    def a_source_with(self, cookies: "Cookies", passphrase: str) -> ProofSource:
        """Return the source whose browser has these cookies."""
        browser = SourceBrowser(self.site.test_client())
        browser.client._cookies = dict(cookies)
        browser.passphrase = passphrase
        return self._source_at(browser)

    def _source_at(self, browser: SourceBrowser) -> ProofSource:
        desk = self.site.extensions["desk"]
        return ProofSource(browser, login.log_in(desk, browser.passphrase, now=half_hour_now()).keys)

    def an_adviser(self) -> AdviserBrowser:
        """Start a new adviser interface, unlock it and return its browser."""
        app = create_adviser_app(self.world.config, self.world.store, end_worker=list, today=lambda: TODAY)
        adviser = AdviserBrowser(app, [])
        assert adviser.unlock().status_code == 303
        settle(adviser)
        return adviser

    def adviser_answers(self, source: ProofSource, words: str) -> None:
        adviser = self.an_adviser()
        sent = adviser.answer(source.path, answer_fields(adviser.get(source.path), words))
        assert sent.status_code == 303
        self.adviser_view(source)

    def adviser_view(self, source: ProofSource, *, thread_status: int = 200) -> AdviserView:
        """Unlock, and open the lists of the inbox and the thread. Every attack must still give pages."""
        adviser = self.an_adviser()
        lists = [adviser.get(f"/inbox?state={state}") for state in ("waiting", "answered", "closed")]
        settle(adviser)
        thread = adviser.get(source.path)
        assert [page.status_code for page in lists] == [200, 200, 200]
        assert thread.status_code == thread_status
        return AdviserView("".join(page.text for page in lists), thread.text)

    def sql(self, *statements: str, **values: object) -> None:
        """Run SQL as a database administrator, without the constraints of the schema."""
        with closing(sqlite3.connect(self.world.store.path)) as connection, connection:
            connection.execute("PRAGMA ignore_check_constraints=ON")
            for statement in statements:
                connection.execute(statement, values)

    def query(self, sql: str, **values: object) -> list[tuple[bytes, ...]]:
        with closing(sqlite3.connect(self.world.store.path)) as connection:
            return connection.execute(sql, values).fetchall()

    def copy_to(self, path: Path) -> None:
        self._backup(self.world.store.path, path)

    def restore_copy(self, path: Path) -> None:
        self._backup(path, self.world.store.path)

    def _backup(self, of: Path, to: Path) -> None:
        with closing(sqlite3.connect(of)) as source, closing(sqlite3.connect(to)) as target:
            source.backup(target)

    def close(self) -> None:
        self.sessions.close()
        self.world.store.close()


def a_mailbox_system(folder: Path) -> MailboxSystem:
    """Set up a desk with both interfaces. Only Argon2id is cheaper than in reality."""
    return open_system(folder, a_world(folder), secrets.token_bytes(32))


def a_conversation(folder: Path) -> tuple[MailboxSystem, ProofSource]:
    """Copy a desk in which a source asked, was answered and wrote again, and the adviser read everything."""
    played = _played_once()
    shutil.copytree(played.folder, folder, dirs_exist_ok=True)
    config = played.world.config
    moved = {
        name: folder / getattr(config, name).relative_to(played.folder)
        for name in ("store_path", "keyring_path", "trusted_state_path", "openpgp_home_path")
    }
    config = replace(config, **moved)
    world = replace(played.world, config=config, store=open_store(config.store_path))
    system = open_system(folder, world, played.server_secret)
    source = system.a_source_with(played.cookies, played.passphrase)
    source.receipts += played.receipts
    return system, source


Cookies = Mapping[tuple[str, str, str], Cookie]


@dataclass(frozen=True, slots=True)
class _Played:
    """Files after the conversation, with the cookies, passphrase and receipts of its source."""

    folder: Path
    world: World
    server_secret: bytes
    cookies: Cookies
    passphrase: str
    receipts: list[str]


@functools.cache
def _played_once() -> _Played:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    system = a_mailbox_system(folder)
    source = _play(system)
    system.world.store.checkpoint()
    system.close()
    browser = source.browser
    return _Played(
        folder,
        system.world,
        system.server_secret,
        dict(browser.client._cookies or {}),
        browser.passphrase,
        source.receipts,
    )


def open_system(
    folder: Path, world: World, server_secret: bytes, *, today: Callable[[], date] = lambda: TODAY
) -> MailboxSystem:
    """Open both interfaces over an existing store. The sessions of sources are stored in `folder`."""
    config = SourceConfig(
        store_path=world.config.store_path,
        sessions_path=folder / "sessions.db",
        letterhead_serial_path=folder / "serial",
        fingerprint=world.config.fingerprint,
        bind="127.0.0.1:0",
        origin="http://localhost",
        session_minutes=24 * 60,  # longer than the longest proof
        upload_bytes=8 * MIB,
        upload_files=3,
        mailbox_bytes=64 * MIB,
        store_bytes=128 * MIB,
        reserve_bytes=0,
        argon2_at_once=1,
        argon2_queue=4,
        argon2_lock_path=folder / "argon2-queue",
        workers=1,
        threads=4,
        leave_url="https://example.org/",
        languages=("en", "nl"),
    )
    config.argon2_lock_path.mkdir(exist_ok=True)
    sessions = open_sessions(config.sessions_path, allow_disk=True)
    site = create_source_app(
        config,
        world.letterhead,
        world.store,
        sessions,
        server_secret=server_secret,
        signposts=_signposts(),
        today=today,
        pause=lambda _seconds: None,
        in_background=lambda work: work(),
    )
    return MailboxSystem(world, site, sessions, server_secret)


@functools.cache
def _signposts() -> decision_tree.Signposts:
    return decision_tree.load(("en", "nl"))


def _play(system: MailboxSystem) -> ProofSource:
    source = system.a_source()
    source.writes(QUESTION, [("dossier.pdf", FILE)])
    system.adviser_answers(source, ANSWER)
    assert ANSWER in source.mailbox_page()
    source.writes(THANKS)
    seen = system.adviser_view(source)
    assert THANKS in seen.thread
    assert "data-unsound" not in seen.inbox
    assert 'data-state="unsound"' not in seen.inbox
    return source
