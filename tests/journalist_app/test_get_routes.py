"""No GET writes anything in the store but, after the page was made, a read receipt of the thread."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.mailbox import read_thread
from protocol.content import Kind
from protocol.envelope import Author, EntryClass, Envelope
from store.database.engine import Store
from store.errors import StoreReadOnlyError
from tests.journalist_app.desk_factories import TODAY, ASource, World
from tests.journalist_app.files.sealing import age_armour, recipient_of
from tests.journalist_app.views.test_views import Browser, a_browser, proposed, settle
from tests.store_snapshots import snapshot, written

_AS_IT_IS = {
    "unlock.go_to_inbox": 303,
    "unlock.show_unlock": 303,  # the desk is open
    "reports.go_to_year": 303,
    "thread.download_pasted_file": 200,
}
_RECEIPT_COLUMNS = {"version", "last_day", "last_author"}  # of the mailbox's row


@dataclass(slots=True)
class Site:
    """An open desk, a mailbox with something for every page, and a path for every GET route by endpoint."""

    browser: Browser
    source: ASource
    paths: dict[str, str]

    @property
    def desk(self) -> OpenDesk:
        desk: OpenDesk = self.browser.app.extensions["auto_lock"]._desk
        return desk


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    browser = a_browser(world)
    source, _ = proposed(world, browser, tmp_path)
    pasted = source.writes(age_armour(b"\x00 no text", [recipient_of(world)]))
    browser.get(f"/mailbox/{source.address}")
    settle()
    made = Site(browser, source, {})
    shown = read_thread.open_thread(made.desk, source.keys.address, today=TODAY)
    values = {
        "address": source.address,
        "attachment_id": next(each.files[0].attachment_id for each in shown.entries if each.files),
        "proposal_id": next(each.entry_id for each in shown.entries if each.kind == Kind.PROPOSAL),
        "entry_id": pasted.envelope.entry_id.hex(),
        "number": 1,
        "year": TODAY.year - 1,
        "audience": "public",
        "language": "nl",
        "kind": "html",
        "filename": "style.css",
    }
    routes = browser.app.url_map.bind("localhost")
    for rule in browser.app.url_map.iter_rules():
        if "GET" in (rule.methods or ()):
            wanted = {name: values[name] for name in rule.arguments}  # a new argument needs a value here
            made.paths[rule.endpoint] = routes.build(rule.endpoint, wanted)
    return made


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect a line for every write that a request itself begins: background threads may write."""
    begun: list[str] = []
    real = Store.writing

    def writing(store: Store, *, durable: bool = True) -> AbstractContextManager[Session]:
        if threading.current_thread() is threading.main_thread():
            begun.append(threading.current_thread().name)
        return real(store, durable=durable)

    monkeypatch.setattr(Store, "writing", writing)
    yield begun
    settle()


def test_every_get_of_the_site_begins_no_write_but_the_receipt_of_the_thread(
    site: Site, writers: list[str]
) -> None:
    for endpoint, path in site.paths.items():
        site.source.writes("nieuws")
        writers.clear()

        answer = site.browser.get(path)

        assert answer.status_code == _AS_IT_IS.get(endpoint, 200), endpoint
        assert len(writers) == (1 if endpoint == "thread.show_thread" else 0), endpoint


def test_the_receipt_is_all_that_the_page_of_the_thread_writes(world: World, site: Site) -> None:
    site.source.writes("nieuws")
    before = snapshot(world.store.path)

    site.browser.get(site.paths["thread.show_thread"])

    changes = written(before, snapshot(world.store.path))
    assert changes.keys() == {"entry", "mailbox"}
    (entry,) = changes["entry"]
    envelope = Envelope.from_bytes(entry["envelope"])
    assert (envelope.entry_class, envelope.author) == (EntryClass.RECEIPT, Author.DESK)
    (mailbox,) = changes["mailbox"]
    (was,) = [dict(row) for row in before["mailbox"]]
    assert {name for name in mailbox if mailbox[name] != was[name]} <= _RECEIPT_COLUMNS


def test_a_page_that_no_one_sees_leaves_no_receipt(world: World, site: Site) -> None:
    site.source.writes("nieuws")
    path = site.paths["thread.show_thread"]
    before = snapshot(world.store.path)

    site.browser.client.head(path, headers=site.browser.headers, buffered=True)
    site.browser.client.get(path, headers=site.browser.headers | {"Sec-Purpose": "prefetch"}, buffered=True)

    assert written(before, snapshot(world.store.path)) == {}


def test_every_get_answers_although_the_store_refuses_all_writes(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.source.writes("nieuws")

    def refuse(_store: Store, *, durable: bool = True) -> AbstractContextManager[Session]:
        raise StoreReadOnlyError(f"no writes, durable or not: {durable}")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "writing", refuse)
        for endpoint, path in site.paths.items():
            assert site.browser.get(path).status_code == _AS_IT_IS.get(endpoint, 200), endpoint
        settle()
