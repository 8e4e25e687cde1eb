"""A GET request writes nothing in the store, except a read receipt after the thread's page was made."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.desk.spam_choice import SpamChoice
from journalist_app.services.desk_keys.change_slots import slot_id
from journalist_app.services.desk_keys.new_keys import draw_sheet
from journalist_app.services.mailbox import read_thread
from protocol.content import Kind
from protocol.envelope import Author, EntryClass, Envelope
from protocol.pouch.pouch_file import SERVER
from store import outbox, peers, sync_findings
from store.database.engine import Store, open_store
from store.errors import StoreReadOnlyError
from store.sync_findings import FindingKind
from tests.journalist_app.conversion.files_to_convert import a_converter
from tests.journalist_app.desk_factories import TODAY, ASource, World
from tests.journalist_app.files.sealing import age_armour, recipient_of
from tests.journalist_app.services.mailbox.test_file_looks import HALF_BROKEN, look, sent
from tests.journalist_app.views.looking.test_look_pages import SOUND
from tests.journalist_app.views.paper import KEY
from tests.journalist_app.views.test_views import AdviserBrowser, a_browser, proposal_form, proposed, settle
from tests.pages import hooks
from tests.refused_writes import WriteGuard, watch_all_connections
from tests.store_snapshots import snapshot, written

_AS_IT_IS = {
    "unlock.go_to_inbox": 303,
    "unlock.show_unlock": 303,  # the desk is open
}
_RECEIPT = ("insert entry", "update mailbox", "insert outbox", "update outbox")
_ALLOWED = {"thread.show_thread": _RECEIPT}
_RECEIPT_COLUMNS = {"version", "last_day"}  # of the mailbox's row


@dataclass(slots=True)
class EveryPage:
    """An unlocked desk with a mailbox that has something for every page, and a path for every GET route."""

    browser: AdviserBrowser
    source: ASource
    paths: dict[str, str]

    @property
    def desk(self) -> OpenDesk:
        desk: OpenDesk = self.browser.app.extensions["auto_lock"]._desk
        return desk


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> WriteGuard:
    return watch_all_connections(monkeypatch)


@pytest.fixture
def site(guard: WriteGuard, world: World, tmp_path: Path) -> EveryPage:  # noqa: ARG001  # first the guard
    browser = a_browser(world)
    source, _ = proposed(world, browser, tmp_path)
    pasted = source.writes(age_armour(b"\x00 no text", [recipient_of(world)]))
    browser.get(f"/mailbox/{source.address}")
    settle(browser)
    made = EveryPage(browser, source, {})
    where = f"/mailbox/{source.address}"
    browser.previews(where, proposal_form(browser.get(f"{where}/propose"), where, "tekst", KEY))
    _, made.desk.prepared[pasted.envelope.entry_id] = made.desk.prepared.popitem()
    files = made.desk.shown_files
    files.converter = a_converter(tmp_path, HALF_BROKEN)
    picture = sent(source, b"%PDF-1.4", "a.pdf")
    look(made.desk, source, picture)
    files.converter = a_converter(tmp_path, SOUND)
    sound = sent(source, b"#!AMR\n", "a.amr")
    look(made.desk, source, sound)
    shown = read_thread.open_thread(made.desk, source.keys.address, today=TODAY)
    values = {
        "address": source.address,
        "attachment_id": next(each.files[0].attachment_id for each in shown.entries if each.files),
        "which": next(each.files[0].attachment_id for each in shown.entries if each.files),
        "proposal_id": next(each.entry_id for each in shown.entries if each.kind == Kind.PROPOSAL),
        "entry_id": pasted.envelope.entry_id.hex(),
        "part": 0,
        "number": 1,
        "year": TODAY.year - 1,
        "audience": "public",
        "language": "nl",
        "kind": "html",
        "filename": "style.css",
        "key_id": slot_id(made.desk.keyring.slots[0]),
    }
    made.desk.new_key = draw_sheet(made.desk, "kluis", "nl", TODAY)
    made.desk.spam_choice = SpamChoice((source.keys.address,))
    others = {"look.show_picture": {"which": picture, "number": 2}, "look.play_sound": {"which": sound}}
    routes = browser.app.url_map.bind("localhost")
    for rule in browser.app.url_map.iter_rules():
        if "GET" in (rule.methods or ()):
            given = {**values, **others.get(rule.endpoint, {})}
            wanted = {name: given[name] for name in rule.arguments}  # a new argument needs a value here
            made.paths[rule.endpoint] = routes.build(rule.endpoint, wanted)
    return made


def test_sqlite_refuses_every_write_of_a_get_but_the_receipt_of_the_thread(
    guard: WriteGuard, site: EveryPage
) -> None:
    for endpoint, path in site.paths.items():
        site.source.writes("nieuws")
        threads = set(threading.enumerate())

        with guard.refusing_all_but(*_ALLOWED.get(endpoint, ())):
            answer = site.browser.get(path)
            for thread in set(threading.enumerate()) - threads:
                thread.join()

        assert answer.status_code == _AS_IT_IS.get(endpoint, 200), endpoint
        assert guard.refused == [], endpoint


def is_locked(site: EveryPage) -> None:
    site.browser.app.extensions["auto_lock"].close()


def has_faults(site: EveryPage) -> None:
    """Bring back what the source deleted, and take the encrypted part from all other entries."""
    site.source.removes(site.source.writes("verwijderd"))
    site.browser.get(site.paths["thread.show_thread"])
    site.source.world.execute(
        "UPDATE sealed SET header = iif(header IS NULL, x'00', NULL) WHERE id IN (SELECT id FROM entry)"
    )
    page = site.browser.get(site.paths["thread.show_thread"])
    assert {"lost", "restored"} <= set(hooks(page.text, "fault"))


def has_ended(site: EveryPage) -> None:
    site.source.ends()


def has_a_server(site: EveryPage) -> None:
    site.browser.app.extensions["auto_lock"]._desk.config = replace(site.desk.config, server="ssh:a@b")
    with site.desk.store.writing() as session:
        peers.add(session, SERVER, b"card")
        outbox.enqueue_all(session, SERVER)
        sync_findings.add(session, site.source.keys.address, b"", FindingKind.DAMAGED, TODAY)


@pytest.mark.parametrize("state", [is_locked, has_faults, has_ended, has_a_server])
def test_sqlite_refuses_every_write_of_a_get_in_another_state(
    guard: WriteGuard, site: EveryPage, state: Callable[[EveryPage], None]
) -> None:
    state(site)
    for endpoint, path in site.paths.items():
        threads = set(threading.enumerate())

        with guard.refusing_all_but(*_ALLOWED.get(endpoint, ())):
            answer = site.browser.get(path)
            for thread in set(threading.enumerate()) - threads:
                thread.join()

        assert answer.status_code in {200, 303, 404, 409}, endpoint
        assert guard.refused == [], endpoint


def test_the_guard_refuses_a_write_on_any_thread_and_any_connection(
    guard: WriteGuard, site: EveryPage, world: World
) -> None:
    site.source.writes("nieuws")  # a connection that was open before

    def write(store: Store) -> None:
        with suppress(DatabaseError), store.writing() as session:
            session.execute(text("UPDATE mailbox SET version = version"))

    with guard.refusing_all_but():
        for store in (world.store, open_store(world.store.path)):
            thread = threading.Thread(target=write, args=(store,))
            thread.start()
            thread.join()

    assert guard.refused == ["update mailbox"] * 2


def test_the_receipt_is_all_that_the_page_of_the_thread_writes(world: World, site: EveryPage) -> None:
    site.source.writes("nieuws")
    before = snapshot(world.store)

    site.browser.get(site.paths["thread.show_thread"])

    changes = written(before, snapshot(world.store))
    assert changes.keys() == {"entry", "mailbox"}
    (entry,) = changes["entry"]
    envelope = Envelope.from_bytes(entry["envelope"])
    assert (envelope.entry_class, envelope.author) == (EntryClass.RECEIPT, Author.DESK)
    (mailbox,) = changes["mailbox"]
    (was,) = [dict(row) for row in before["mailbox"]]
    assert {name for name in mailbox if mailbox[name] != was[name]} <= _RECEIPT_COLUMNS


def test_a_page_that_no_one_sees_leaves_no_receipt(world: World, site: EveryPage) -> None:
    site.source.writes("nieuws")
    path = site.paths["thread.show_thread"]
    before = snapshot(world.store)

    site.browser.client.head(path, headers=site.browser.headers, buffered=True)
    site.browser.client.get(path, headers=site.browser.headers | {"Sec-Purpose": "prefetch"}, buffered=True)

    assert written(before, snapshot(world.store)) == {}


def test_every_get_answers_although_the_store_refuses_all_writes(
    site: EveryPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.source.writes("nieuws")

    def refuse(
        _store: Store, *, durable: bool = True, mailbox: bytes | None = None
    ) -> AbstractContextManager[Session]:
        raise StoreReadOnlyError(
            f"no writes, durable or not: {durable}, in one mailbox or not: {mailbox is None}"
        )

    with monkeypatch.context() as patched:
        patched.setattr(type(site.desk.store), "writing", refuse)
        for endpoint, path in site.paths.items():
            assert site.browser.get(path).status_code == _AS_IT_IS.get(endpoint, 200), endpoint
