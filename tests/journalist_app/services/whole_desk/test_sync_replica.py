"""The sync page, and the sync status on every page, with a real replica and a real server's store."""

import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import WSGIApplication

import pytest
from werkzeug.test import TestResponse

from journalist_app import create_adviser_app
from journalist_app.desk.open_desk import OpenDesk, SyncProgress
from journalist_app.services.whole_desk import background_check, sync_replica, sync_status
from protocol.errors import NewerVersionError, PouchRefusal, PouchRefusedError
from protocol.pouch.pouch_file import SERVER
from store import outbox, peers, sync_findings
from store.errors import StoreBusyError, StoreDamagedError
from store.outbox import OutboxKind
from store.sync_findings import FindingKind
from sync.apply import apply_pouch
from sync.build import build_whole_pouch
from sync.errors import ServerRefusedError, SyncRefusal, SyncRefusedError
from sync.http_endpoint import create_sync_app
from sync.refusal_words import REFUSAL_WORDS
from tests.journalist_app.desk_factories import TODAY, a_source
from tests.journalist_app.views.test_views import AdviserBrowser, answer_fields, token
from tests.pages import hooks
from tests.sync.desks import AtDesk, an_adviser
from tests.sync.ends import Clock, Ends, the_ends
from web.dates import half_hour_now

WORDS = Path(sync_replica.__file__).parents[2] / "templates/sync/_words.html"


@pytest.fixture
def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ends]:
    """Set up both ends of a sync with today's half hours, as the app has them."""
    monkeypatch.setattr(Clock, "half_hour", lambda _: half_hour_now())
    (tmp_path / "server").mkdir()
    made = the_ends(tmp_path)
    yield made
    for store in made.opened:
        store.close()


@pytest.fixture
def at(ends: Ends) -> Iterator[AtDesk]:
    made = an_adviser(ends)
    yield made
    made.desk.stop()


def a_browser(at: AtDesk, server: str = "file") -> AdviserBrowser:
    """Return a browser that has the desk of a workstation open."""
    at.desk.config = replace(at.desk.config, server=server)
    app = create_adviser_app(at.desk.config, at.store, end_worker=lambda: None, today=at.ends.clock.today)
    browser = AdviserBrowser(app, [])
    auto_lock = app.extensions["auto_lock"]
    browser.headers["Cookie"] = f"adviser={auto_lock.admit(at.desk).hex()}"
    return browser


def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait until another thread has done something."""
    done = threading.Event()
    for _ in range(6000):
        if is_so():
            return
        done.wait(0.01)
    pytest.fail("it never came to be so")


def sync_token(browser: AdviserBrowser, action: str = "/sync") -> str:
    return token(browser.get("/sync"), action)


# ---- the line on every page


def test_one_machine_says_nothing_of_syncing(at: AtDesk) -> None:
    browser = a_browser(at, "")

    assert "sync" not in browser.get("/inbox").text.lower()
    assert hooks(browser.get("/sync").text, "news") == ["one_computer"]
    assert sync_status.last_sync(at.desk, TODAY) is None


def test_every_page_says_when_the_last_sync_was_and_what_waits(at: AtDesk) -> None:
    at.ends.clock.day = TODAY  # a Monday
    source = a_source(at.ends.world)
    source.writes("vraag")
    at.syncs()
    browser = a_browser(at)

    for path in ("/inbox", "/calendar", "/about"):
        page = browser.get(path).text
        assert hooks(page, "synced") == [str(TODAY)]
        assert hooks(page, "waiting-items") == []

    browser.get(f"/mailbox/{source.address}")  # which leaves a read receipt
    assert hooks(browser.get("/inbox").text, "waiting-items") == ["1"]
    at.answers(source, "antwoord")  # and a casefile with the facts for the report
    assert hooks(browser.get("/inbox").text, "waiting-items") == ["3"]


def test_before_the_first_sync_that_is_said(at: AtDesk) -> None:
    assert hooks(a_browser(at).get("/inbox").text, "synced") == ["never"]


def test_a_sync_of_some_days_ago_is_named_by_its_day_and_marked_when_it_is_old(at: AtDesk) -> None:
    at.syncs()
    browser = a_browser(at)

    at.ends.clock.day = TODAY + timedelta(days=3)  # Thursday: two working days later
    page = browser.get("/inbox").text
    assert "Monday, November 23, 2026" in page
    assert hooks(page, "warning") == []
    assert 'class="state answered" data-last-sync' in page

    at.ends.clock.day = TODAY + timedelta(days=7)
    page = browser.get("/inbox").text
    assert hooks(page, "warning") == ["old"]
    assert 'class="state unsound" data-last-sync' in page


def test_a_sync_that_failed_is_said_on_every_page(at: AtDesk) -> None:
    at.syncs()
    at.desk.exchange = SyncProgress(refusal="unreachable")

    page = a_browser(at).get("/about").text

    assert hooks(page, "warning") == ["failed"]
    assert 'class="state unsound" data-last-sync' in page
    assert hooks(page, "synced") == [str(TODAY)]


def test_a_page_about_a_store_that_is_gone_can_still_be_shown(at: AtDesk) -> None:
    browser = a_browser(at)
    shutil.rmtree(at.store.path.parent)

    assert browser.get("/inbox").status_code == 503
    assert browser.post("/sync/dismiss", {"token": "x"}).status_code == 403


# ---- each refusal has its sentence


def named_in_the_words() -> set[str]:
    return set(re.findall(r'^"(\w+)": ', WORDS.read_text("utf-8"), re.MULTILINE)) - {"other"}


@pytest.mark.parametrize("language", ["nl", "en"])
def test_each_reason_has_a_clear_sentence_of_its_own(at: AtDesk, language: str) -> None:
    reasons = {f"server_{reason}" for reason in REFUSAL_WORDS} | {
        f"pouch_{reason}" for reason in PouchRefusal
    }
    assert reasons <= named_in_the_words()
    browser = a_browser(at)
    browser.headers["Accept-Language"] = language
    shown = {}
    for refusal in {*named_in_the_words(), "store"}:
        at.desk.exchange = SyncProgress(refusal=refusal)
        page = browser.get("/sync").text
        found = re.search(r'<span data-refusal="([^"]*)">([^<]+)</span>', page)
        assert found is not None
        assert found[1] == ("other" if refusal == "store" else refusal)
        shown[refusal] = found[2]
    same = {"server_malformed", "server_not_for_us", "pouch_fork"}  # said together with another
    assert len(set(shown.values())) == len(shown.keys() - same)


@pytest.mark.parametrize(
    ("why", "name"),
    [
        (SyncRefusedError(SyncRefusal.UNREACHABLE), "unreachable"),
        (SyncRefusedError(SyncRefusal.NO_ROOM), "no_room"),
        (SyncRefusedError(SyncRefusal.NOT_PAIRED), "not_paired"),
        (SyncRefusedError(SyncRefusal.LETTERHEAD), "letterhead"),
        (ServerRefusedError("clock"), "server_clock"),
        (PouchRefusedError(PouchRefusal.FORGED), "pouch_forged"),
        (StoreBusyError("busy"), "busy"),
        (StoreDamagedError("damaged"), "store"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_stopped_a_sync_is_kept_by_name(at: AtDesk, why: Exception, name: str) -> None:
    class Broken:
        def carry(self, _pouch: bytes) -> AbstractContextManager[Iterator[bytes]]:
            raise why

    sync_replica.sync_replica(at.desk, at.endpoint, Broken())

    assert at.desk.exchange == SyncProgress(refusal=name)


def test_a_letterhead_that_somebody_swapped_here_stops_the_sync(at: AtDesk) -> None:
    with at.store.writing() as session:
        session.connection().exec_driver_sql("UPDATE letterhead SET serial = serial + 1, body = x'00'")

    sync_replica.sync_replica(at.desk, at.endpoint)

    assert at.desk.exchange.refusal == "letterhead"


def test_a_store_without_letterhead_stops_the_sync(at: AtDesk) -> None:
    with at.store.writing() as session:
        session.connection().exec_driver_sql("DELETE FROM letterhead")

    sync_replica.sync_replica(at.desk, at.endpoint)

    assert at.desk.exchange.refusal == "letterhead"


# ---- a connection to a real endpoint


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return ""


class _UnixServer(WSGIServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", 80
        self.setup_environ()

    def get_request(self) -> tuple[object, tuple[str, int]]:
        connection, _ = self.socket.accept()
        return connection, ("", 0)


@pytest.fixture
def endpoint_setting(ends: Ends, tmp_path: Path) -> Iterator[str]:
    """Serve the server's sync endpoint on a Unix socket, and return the setting that names the socket."""
    path = tmp_path / "endpoint"
    server = _UnixServer(str(path), _Quiet)  # type: ignore[arg-type]  # a path, as Unix sockets have
    app: WSGIApplication = create_sync_app(ends.server)
    server.set_app(app)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"unix:{path}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_sync_now_brings_what_a_source_wrote(at: AtDesk, endpoint_setting: str) -> None:
    source = a_source(at.ends.world)
    source.writes("vraag")
    browser = a_browser(at, endpoint_setting)

    answer = browser.post("/sync", {"token": sync_token(browser)})

    assert (answer.status_code, answer.headers["Location"]) == (303, "/sync")
    wait_for(lambda: not at.desk.exchange.is_running)
    assert hooks(browser.get("/sync").text, "news") == ["received"]
    assert at.sees(source) == ["vraag"]


@pytest.mark.parametrize("is_deleted", [False, True])
def test_an_adviser_is_told_before_sending_what_a_sync_brought_meanwhile(
    at: AtDesk, *, is_deleted: bool
) -> None:
    source = a_source(at.ends.world)
    message = source.writes("vraag")
    at.syncs()
    browser = a_browser(at)
    path = f"/mailbox/{source.address}"
    page = browser.get(path)
    assert hooks(page.text, "hint") == ["since_sync"]
    if is_deleted:
        source.removes(message)
    else:
        source.writes("wacht, nog iets")
    at.syncs()

    refused = browser.answer(path, answer_fields(page, "mijn tekst"))

    assert refused.status_code == 409
    assert hooks(refused.text, "refusal") == ["source_wrote"]
    assert "mijn tekst" in refused.text


def test_an_answer_that_crosses_an_unsynced_message_leaves_that_message_waiting(at: AtDesk) -> None:
    source = a_source(at.ends.world)
    source.writes("vraag")
    at.syncs()
    browser = a_browser(at)
    path = f"/mailbox/{source.address}"
    page = browser.get(path)
    source.writes("wacht, nog iets")

    assert browser.answer(path, answer_fields(page, "antwoord")).status_code == 303
    at.syncs()

    assert at.sees(source)[:1] == ["vraag"]
    assert {"wacht, nog iets", "antwoord"} < set(at.sees(source))
    assert source.address in browser.get("/inbox?state=waiting").text


def test_what_was_sent_goes_out_soon_and_by_itself(
    at: AtDesk, endpoint_setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_replica, "_SOON_SECONDS", 0)
    source = a_source(at.ends.world)
    source.writes("vraag")
    browser = a_browser(at, endpoint_setting)
    sync_replica.start_sync_thread(at.desk, at.endpoint)
    wait_for(lambda: at.desk.exchange.received is not None)

    page = browser.get(f"/mailbox/{source.address}")
    assert browser.answer(f"/mailbox/{source.address}", answer_fields(page, "antwoord")).status_code == 303

    wait_for(lambda: at.ends.left(at.store, SERVER) == 0)
    at.desk.stop()
    wait_for(lambda: not any(thread.name == "syncing" for thread in threading.enumerate()))


def test_without_anything_to_send_it_syncs_again_after_some_minutes(
    at: AtDesk, endpoint_setting: str
) -> None:
    asked: list[float | None] = []

    class Clockwork(threading.Event):
        """Event whose waiting time is over at once, twice."""

        def wait(self, timeout: float | None = None) -> bool:
            asked.append(timeout)
            if len(asked) == 2:
                at.desk.stopping.set()
            return False

    at.desk.config = replace(at.desk.config, server=endpoint_setting, sync_minutes=7)
    at.desk.sync_wanted = Clockwork()

    sync_replica.keep_syncing(at.desk, at.endpoint)

    assert asked == [7 * 60, 7 * 60]
    assert at.desk.exchange.received == 0


def test_over_an_air_gap_nothing_runs_in_the_background(at: AtDesk) -> None:
    at.desk.config = replace(at.desk.config, server="file")

    sync_replica.start_sync_thread(at.desk, at.endpoint)
    sync_replica.sync_in_background(at.desk, at.endpoint)
    sync_replica.sync_soon(at.desk)

    assert at.desk.exchange == SyncProgress()
    assert not at.desk.sync_wanted.is_set()
    assert not any(thread.name in {"syncing", "sync now"} for thread in threading.enumerate())


def test_a_sync_that_runs_is_not_started_twice(at: AtDesk, endpoint_setting: str) -> None:
    browser = a_browser(at, endpoint_setting)
    at.desk.exchange = SyncProgress(is_running=True, left=2)

    page = browser.get("/sync")
    browser.post("/sync", {"token": sync_token(browser)})

    assert not any(thread.name == "sync now" for thread in threading.enumerate())
    assert page.headers["Refresh"] == "3; url=/sync?renewed=1"
    assert hooks(page.text, "left") == ["2"]
    assert "data-syncing" in browser.get("/inbox").text
    still = browser.get("/sync?still=1")
    assert "Refresh" not in still.headers
    assert "data-follow" in still.text


def test_a_desk_that_stops_syncs_no_more(at: AtDesk) -> None:
    at.desk.stopping.set()

    sync_replica.sync_replica(at.desk, at.endpoint)

    assert at.desk.exchange == SyncProgress()


def test_passing_on_goes_to_the_server_at_once(at: AtDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[OpenDesk] = []
    monkeypatch.setattr(sync_replica, "sync_in_background", lambda desk, _today: started.append(desk))
    browser = a_browser(at, "unix:/nowhere")

    browser.post(f"/mailbox/{'00' * 20}/proposal/{'00' * 16}/begin", {"token": "x"})
    browser.post(f"/mailbox/{'00' * 20}/close", {"token": "x"})

    assert started == [at.desk]


# ---- an air gap


def brings(
    browser: AdviserBrowser, pouch: bytes, form_token: str | None = None, *, ending: bytes = b"\r\n--x--\r\n"
) -> TestResponse:
    """Send a pouch file as a browser does. Werkzeug's test client leaves out a line end of an empty file."""
    form_token = sync_token(browser, "/sync/import") if form_token is None else form_token
    answer = browser.client.post(
        "/sync/import",
        data=b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\n%b\r\n'
        b'--x\r\nContent-Disposition: form-data; name="pouch"; filename="a.pouch"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n%b%b" % (form_token.encode(), pouch, ending),
        headers=browser.headers,
        content_type="multipart/form-data; boundary=x",
        buffered=True,
    )
    assert answer.status_code in {303, 403}
    return answer


def from_server(at: AtDesk) -> bytes:
    """Make a pouch at the server. The server knows the workstation because it was admitted."""
    strand = at.desk.keyring.strand.id
    with at.ends.world.store.writing() as session:
        if peers.find(session, strand) is None:
            peers.add(session, strand, b"")
            outbox.enqueue_all(session, strand)
    return b"".join(build_whole_pouch(at.ends.server, strand))


def test_a_pouch_is_taken_in_once_and_its_answer_made(at: AtDesk) -> None:
    source = a_source(at.ends.world)
    source.writes("vraag", file=("a.pdf", b"x" * 200_000))
    browser = a_browser(at)
    pouch = from_server(at)

    brings(browser, pouch)
    assert hooks(browser.get("/sync").text, "news") == ["received"]
    assert at.sees(source) == ["vraag"]
    brings(browser, pouch)
    assert hooks(browser.get("/sync").text, "news") == ["known"]

    at.answers(source, "antwoord")
    made = browser.post("/sync/pouch", {"token": sync_token(browser, "/sync/pouch")})
    assert made.headers["Content-Disposition"].startswith(f'attachment; filename="{TODAY}.pouch"')
    assert apply_pouch(at.ends.server, lambda: [made.data], is_direct=False).applied


def test_a_pouch_that_came_too_early_waits_for_the_one_before_it(at: AtDesk) -> None:
    browser = a_browser(at)
    brings(browser, from_server(at))
    back = browser.post("/sync/pouch", {"token": sync_token(browser, "/sync/pouch")}).data
    late = from_server(at)
    apply_pouch(at.ends.server, lambda: [back], is_direct=False)
    with at.ends.world.store.reading() as session:
        known = peers.find(session, at.desk.keyring.strand.id)
    assert known is not None
    source = a_source(at.ends.world)
    source.writes("vraag")
    second = from_server(at)
    with at.store.writing() as session:  # as if the first had never come
        session.connection().exec_driver_sql("UPDATE peer SET applied_serial = 0")

    brings(browser, second)
    assert hooks(browser.get("/sync").text, "news") == ["pending"]
    with at.store.writing() as session:
        peers.mark_applied(session, SERVER, known.acknowledged_serial, TODAY)
    brings(browser, late)

    assert at.sees(source) == ["vraag"]


def test_nothing_chosen_and_a_form_cut_off_change_nothing(at: AtDesk) -> None:
    browser = a_browser(at)

    brings(browser, b"")
    assert hooks(browser.get("/sync").text, "refusal") == ["no_file"]
    brings(browser, b"half", ending=b"")

    assert hooks(browser.get("/sync").text, "refusal") == ["cut_off"]
    assert list((at.store.path.parent / "pending").glob("*")) == []


def test_a_pouch_that_is_none_is_refused_with_its_sentence(at: AtDesk) -> None:
    browser = a_browser(at)

    brings(browser, b"a holiday photo" * 1000)

    assert hooks(browser.get("/sync").text, "refusal") == ["pouch_unreadable"]


def test_a_workstation_that_was_never_paired_makes_no_pouch(at: AtDesk) -> None:
    with at.store.writing() as session:
        peers.remove_peer(session, SERVER)
    browser = a_browser(at)

    answer = browser.post("/sync/pouch", {"token": sync_token(browser, "/sync/pouch")})

    assert answer.status_code == 303
    assert hooks(browser.get("/sync").text, "refusal") == ["not_paired"]


@pytest.mark.parametrize("path", ["/sync", "/sync/pouch", "/sync/dismiss", f"/sync/dismiss/{'00' * 20}"])
def test_another_sites_form_changes_nothing(at: AtDesk, path: str) -> None:
    browser = a_browser(at, "unix:/nowhere")

    assert browser.post(path, {"token": "x"}).status_code == 403
    assert brings(browser, b"x", "x").status_code == 403
    assert at.desk.exchange == SyncProgress()


# ---- warnings


def test_a_server_that_was_put_back_is_told_until_the_adviser_has_called(at: AtDesk) -> None:
    at.syncs()
    with at.store.writing() as session:
        peers.mark_rollback(session, SERVER, TODAY)
    browser = a_browser(at)

    page = browser.get("/sync")
    assert 'id="setback"' in page.text
    assert hooks(browser.get("/inbox").text, "warning") == ["found"]

    browser.post("/sync/dismiss", {"token": token(page, "/sync/dismiss")})
    assert 'id="setback"' not in browser.get("/sync").text
    assert hooks(browser.get("/inbox").text, "warning") == []


def test_what_is_wrong_at_the_server_is_told_by_label_until_the_adviser_has_called(at: AtDesk) -> None:
    source = a_source(at.ends.world)
    source.writes("vraag")
    at.syncs()
    address = source.keys.address
    with at.store.writing() as session:
        sync_findings.add(session, address, b"", FindingKind.FORK, TODAY)
        sync_findings.add(session, b"\1" * 20, b"", FindingKind.COME_BACK, TODAY)
    background_check.check_store(at.desk, TODAY)
    browser = a_browser(at)

    page = browser.get("/sync")
    assert at.desk.label(address) in page.text
    assert sorted(hooks(page.text, "fault")) == ["come_back_at_server", "fork_at_server"]
    thread = browser.get(f"/mailbox/{source.address}").text
    assert hooks(thread, "fault") == ["fork_at_server"]
    assert hooks(thread, "refusal") == ["do_not_answer"]
    assert 'href="/sync"' in thread

    for seen in (address.hex(), "01" * 20):
        browser.post(f"/sync/dismiss/{seen}", {"token": token(page, f"/sync/dismiss/{seen}")})

    assert hooks(browser.get("/sync").text, "fault") == []
    assert at.desk.unsound == {}
    assert at.sees(source) == ["vraag"]


def test_false_mailboxes_at_the_server_are_one_warning_that_the_adviser_can_remove(at: AtDesk) -> None:
    """Attack: the operator adds thousands of mailboxes that no workstation can import."""
    with at.store.writing() as session:
        for number in range(40):
            sync_findings.add(session, bytes([number]) * 20, b"e" * 32, FindingKind.DAMAGED, TODAY)
    browser = a_browser(at)
    page = browser.get("/sync")

    assert (hooks(page.text, "fault"), hooks(page.text, "found")) == (["unknown_at_server"], ["1"])
    assert hooks(browser.get("/inbox").text, "warning") != []

    action = f"/sync/dismiss/{sync_findings.NO_MAILBOX.hex()}"
    browser.post(action, {"token": token(page, action)})
    assert hooks(browser.get("/sync").text, "fault") == []
    assert hooks(browser.get("/inbox").text, "warning") == []


def test_notes_of_a_newer_version_that_are_too_many_are_no_problem_of_the_server(at: AtDesk) -> None:
    with at.store.writing() as session:
        sync_findings.add(session, sync_findings.NO_MAILBOX, b"", FindingKind.WAITING_RECORD, TODAY)

    page = a_browser(at).get("/sync").text

    assert hooks(page, "fault") == ["waiting_record_at_server"]
    assert (hooks(page, "waiting-notes"), hooks(page, "found")) == (["1"], [])


def test_notes_that_are_too_long_together_do_not_make_their_mailbox_faulty(at: AtDesk) -> None:
    source = a_source(at.ends.world)
    source.writes("vraag")
    at.syncs()
    with at.store.writing() as session:
        sync_findings.add(session, source.keys.address, b"", FindingKind.LONG_RECORD, TODAY)
    background_check.check_store(at.desk, TODAY)
    browser = a_browser(at)

    page = browser.get("/sync")

    assert hooks(page.text, "fault") == ["long_record_at_server"]
    assert (hooks(page.text, "too-long"), hooks(page.text, "found")) == (["1"], [])
    assert hooks(browser.get(f"/mailbox/{source.address}").text, "fault") == []
    assert at.desk.unsound == {}
    where = f"/sync/dismiss/{source.address}"
    browser.post(where, {"token": token(page, where)})
    assert hooks(browser.get("/sync").text, "fault") == []


def test_what_waits_is_named_by_kind(at: AtDesk) -> None:
    source = a_source(at.ends.world)
    source.writes("vraag")
    at.syncs()
    at.answers(source, "antwoord")
    at.closes(source)
    with at.store.writing() as session:
        outbox.enqueue_all(session, SERVER)
        for what in OutboxKind:
            outbox.enqueue(session, what, address=source.keys.address, name=b"x")

    page = a_browser(at).get("/sync").text

    assert sorted(hooks(page, "waiting-kind")) == sorted(kind.value for kind in OutboxKind)
    sentences = re.findall(r"<li data-waiting-kind=.*?>\s*(.*?)\s*</li>", page, re.DOTALL)
    named = {re.sub(r"\d+|s\b", "", each) for each in sentences}  # singular and plural are one sentence
    assert len(named) == len(OutboxKind) - 1  # the counts beside a mailbox and the ledger's share one


def test_a_workstation_says_which_entries_it_can_open(at: AtDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header that can be decrypted replaces one that cannot.

    Entries of a newer version count as decrypted.
    """
    signed = a_source(at.ends.world).writes("hello")
    opens = sync_replica.workstation_endpoint(at.desk).opens
    assert opens is not None
    assert signed.header is not None
    assert opens(signed)
    assert not opens(replace(signed, header=signed.header[:-1] + bytes([signed.header[-1] ^ 1])))

    def newer(*_: object) -> object:
        raise NewerVersionError

    monkeypatch.setattr(sync_replica, "open_entry", newer)
    assert opens(signed)
