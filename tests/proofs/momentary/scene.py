"""A server, a workstation and two mailboxes, and every use case during which the operator may interfere."""

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from werkzeug.test import TestResponse

from crypto.age import PQIdentity
from deploy.sweeping import retention
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import AdviserError
from journalist_app.services.closing import close_mailbox
from journalist_app.services.mailbox.answering import AnswerSender, ReplyForm
from journalist_app.services.mailbox.desk_read_receipts import append_desk_read_receipt
from journalist_app.services.passing_on import make_export, pass_on, proposing
from journalist_app.services.records import casefiles
from journalist_app.services.whole_desk import background_check, sync_replica, unlocking
from protocol.content import Kind, Verdict
from protocol.envelope import EntryClass
from protocol.identifiers import AttachmentId, Digest, EntryId, StrandId
from protocol.strand import StrandKey
from store import cleanup
from store.database.engine import Store
from store.errors import StoreError
from stored_mailbox.entry_form import FormContext
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY
from tests.journalist_app.desk_factories import ASource as SourceAtStore
from tests.journalist_app.services.passing_on.test_passing_on import file_of, prepare, propose
from tests.journalist_app.views.paper import KEY, Paper
from tests.proofs.conversation import Cookies, ProofSource, open_system
from tests.proofs.damage.damaged_pair import Pair, source_at
from tests.proofs.momentary.edits import sql
from tests.sync.desks import AtDesk, an_adviser
from tests.sync.ends import HALF_HOUR, Line, the_ends
from web.dates import half_hour_now

QUESTION, ANSWER, NOTE = "a question", "an answer", "a note"
FILE = ("dossier.pdf", b"author: iemand " * 100)
OF_SOURCE, OF_DESK = "news of the source", "news of the desk"  # the other side has not read this yet
NEWS = "news that no sync has brought yet"
WRITTEN = "words that were written while the operator interfered"
LAST_DAY = TODAY + timedelta(days=200)  # no mailbox is kept for longer after its closing

_NO_ID, _NO_DIGEST = EntryId(b""), Digest(b"")


@dataclass
class MomentaryScene:
    """Both ends of a sync, as they were at several points of a conversation.

    The desk closed the mailbox `pair.good`. `shown` has the pages that were shown in this play, and
    `acknowledged` says that the use case told its user that it had done its work.
    """

    pair: Pair
    paper: Paper
    file: AttachmentId | None = None  # that the source sent
    message: str = ""  # entry id of words that the source removes
    of_source: Digest = _NO_DIGEST  # the entry OF_SOURCE
    known: dict[str, frozenset[Digest]] = field(default_factory=dict)  # all entries of each base
    kept: dict[str, tuple[Mapping[Path, bytes], Cookies]] = field(default_factory=dict)
    proposal_id: EntryId = _NO_ID
    shown: list[str] = field(default_factory=list)
    acknowledged: bool = False

    @property
    def source(self) -> ProofSource:
        return self.pair.bad

    @property
    def desk(self) -> AtDesk:
        return self.pair.at_desk

    @property
    def stores(self) -> tuple[Store, Store]:
        return self.pair.server, self.pair.replica

    @property
    def strands(self) -> Mapping[StrandId, StrandKey]:
        return self.pair.ends.world.letterhead.strand_keys

    @property
    def identities(self) -> Sequence[PQIdentity]:
        return self.desk.desk.keyring.identities

    @property
    def paths(self) -> dict[str, Path]:
        sessions = self.pair.folder / "sessions.db"
        return {"server": self.pair.server.path, "replica": self.pair.replica.path, "sessions": sessions}

    def at_replica(self, source: ProofSource | None = None) -> SourceAtStore:
        return source_at(self.pair.replica, self.pair.ends, source or self.source)

    def keep(self, base: str) -> None:
        self.pair.keep()
        self.kept[base] = self.pair.kept, dict(self.source.browser.client._cookies or {})
        self.known[base] = self.digests()

    def digests(self) -> frozenset[Digest]:
        """Return all entries of the source's mailbox, at both ends."""
        address, query = self.source.keys.address, "SELECT digest FROM entry WHERE address = ?"
        rows = [row for store in self.stores for row in sql(store.path, query, address)]
        return frozenset(Digest(digest) for (digest,) in rows if isinstance(digest, bytes))

    @property
    def file_to_make(self) -> tuple[str, str, list[tuple[str, bytes]]]:
        return KEY, "Woord voor woord.", [FILE]

    def start(self, base: str) -> None:
        """Restore both ends as they were then, with a workstation that was just unlocked."""
        self.pair.kept, cookies = self.kept[base]
        self.pair.put_back()
        self.source.browser.client._cookies = dict(cookies)
        sql(self.paths["sessions"], "UPDATE session SET expires_half_hour = ?", half_hour_now() + 2)
        self.pair.ends.clock.day = TODAY
        self.shown.clear()
        self.paper.made.clear()
        self.acknowledged = False
        self.pair.at_desk = self.unlock()

    def unlock(self) -> AtDesk:
        desk = unlocking.unlock_desk(self.desk.desk.config, self.pair.replica, PASSPHRASE)
        desk.exporter = self.paper
        return AtDesk(self.pair.ends, desk)

    def get(self, path: str) -> TestResponse:
        """Open a page as the source. No edit makes it fail."""
        page = self.source.browser.get(path)
        assert page.status_code in {200, 303, 404, 503}, page.text
        self.shown.append(page.text)
        return page

    def submits(self, path: str, **fields: str) -> bool:
        """Submit a form of the source's site, if the page shows it. Return True if the site accepts it."""
        page = self.get(path)
        if f'action="{path}"' not in page.text:
            return False
        sent = self.source.browser.post(path, self.source.browser.hidden(page, path) | fields)
        assert sent.status_code in {303, 400, 403, 404, 409, 422, 503}, sent.status
        return sent.status_code == 303 and "/log-in" not in sent.location


def a_scene(folder: Path) -> MomentaryScene:
    """Play the conversation, and keep both ends at each point from which a use case begins."""
    (folder / "server").mkdir()
    ends = the_ends(folder)
    site = open_system(folder, ends.world, secrets.token_bytes(32))
    source, closed = site.a_source(), site.a_source()
    desk = an_adviser(ends)
    paper = desk.desk.exporter = Paper(folder)
    scene = MomentaryScene(Pair(ends, site, desk, source, closed, folder), paper)
    source.writes(QUESTION, [FILE])
    scene.submits(f"/en/mailbox/delete/{source.writes('to be removed')}")
    scene.message = source.writes("a message that the use case removes")
    closed.writes(QUESTION)
    desk.syncs()
    for each in (source, closed):
        desk.answers(scene.at_replica(each), ANSWER)
        casefiles.add_casefile_note(desk.desk, each.keys.address, NOTE, TODAY)
    desk.closes(scene.at_replica(closed))
    scene.file = file_of(desk.desk, scene.at_replica())
    scene.proposal_id = propose(desk.desk, scene.at_replica()).entry_id
    desk.syncs()
    scene.keep("proposed")

    answer(Verdict.AGREED)(scene)
    desk.syncs()
    desk.answers(scene.at_replica(), OF_DESK)
    desk.syncs()
    before = scene.digests()
    source.writes(OF_SOURCE)
    (scene.of_source,) = scene.digests() - before
    desk.syncs()
    scene.keep("agreed")

    answer(Verdict.TAKEN_BACK)(scene)
    desk.syncs()
    scene.keep("taken back")

    scene.start("agreed")
    on_page(begin)(scene)
    scene.desk.syncs()
    scene.keep("begun")

    scene.start("agreed")
    source.writes(NEWS)
    desk_notes(scene)
    on_page(send_answer)(scene)
    scene.keep("news")
    return scene


# ---- use cases of the source


def write(scene: MomentaryScene, *files: tuple[str, bytes]) -> None:
    scene.get("/en/mailbox")
    page = scene.get("/en/mailbox/write")
    if 'action="/en/mailbox/write"' not in page.text:
        return
    form = scene.source.browser.hidden(page, "/en/mailbox/write")
    sent = scene.source.browser.write(WRITTEN, list(files), form)
    scene.acknowledged = "/received/" in (sent.location or "")
    assert scene.acknowledged or WRITTEN in sent.text


def upload(scene: MomentaryScene) -> None:
    write(scene, FILE)


def read(scene: MomentaryScene) -> None:
    scene.get("/en/mailbox")


def remove(scene: MomentaryScene) -> None:
    scene.acknowledged = scene.submits(f"/en/mailbox/delete/{scene.message}")


def answer(verdict: Verdict) -> Callable[[MomentaryScene], None]:
    def answering(scene: MomentaryScene) -> None:
        scene.get("/en/mailbox")
        path = f"/en/mailbox/proposal/{scene.proposal_id.hex()}"
        scene.acknowledged = scene.submits(path, verdict=verdict.value, sure="y")

    return answering


def end(scene: MomentaryScene) -> None:
    scene.get("/en/mailbox")
    scene.acknowledged = scene.submits("/en/mailbox/end", sure="y")


def log_in(scene: MomentaryScene) -> None:
    browser = scene.source.browser
    sent = browser.log_in(browser.passphrase)
    assert sent.status_code in {303, 422, 503}, sent.status
    scene.get("/en/mailbox")


# ---- use cases of the desk


def desk_reads(scene: MomentaryScene) -> None:
    page = scene.desk.reads(scene.at_replica())
    scene.shown += [each.text for each in page.entries]
    append_desk_read_receipt(scene.desk.desk, page.conversation, page.opened, today=TODAY)


def on_page(
    act: Callable[[MomentaryScene, OpenDesk, FormContext], object],
) -> Callable[[MomentaryScene], None]:
    """Return a use case in which an adviser opens the mailbox's page, and sends a form of this page."""

    def acting(scene: MomentaryScene) -> None:
        address = scene.source.keys.address
        page = scene.desk.reads(scene.at_replica())
        scene.shown += [each.text for each in page.entries]
        form_context = FormContext(address, EntryId(secrets.token_bytes(16)), page.heads, page.unseen)
        act(scene, scene.desk.desk, form_context)
        scene.acknowledged = True

    return acting


def send_answer(_scene: MomentaryScene, desk: OpenDesk, form_context: FormContext) -> None:
    with AnswerSender(desk, ReplyForm(form_context, WRITTEN), today=TODAY, half_hour=1) as under_way:
        under_way.send()


def send_proposal(scene: MomentaryScene, desk: OpenDesk, form_context: FormContext) -> None:
    assert scene.file is not None
    prepare(desk, form_context, WRITTEN, (scene.file,))
    proposing.send_proposal(desk, form_context.address, form_context.entry_id, [], today=TODAY)


def send_closing(_scene: MomentaryScene, desk: OpenDesk, form_context: FormContext) -> None:
    close_mailbox.close_mailbox(desk, form_context, WRITTEN, today=TODAY)


def begin(scene: MomentaryScene, desk: OpenDesk, form_context: FormContext) -> None:
    pass_on.begin_passing_on(desk, form_context, scene.proposal_id, today=TODAY)


def make_file(scene: MomentaryScene, desk: OpenDesk, form_context: FormContext) -> None:
    make_export.make_export(desk, form_context, scene.proposal_id, today=TODAY).close()


def desk_notes(scene: MomentaryScene) -> None:
    casefiles.add_casefile_note(scene.desk.desk, scene.source.keys.address, WRITTEN, TODAY)


def desk_checks(scene: MomentaryScene) -> None:
    background_check.check_store(scene.desk.desk, TODAY)


def sync(scene: MomentaryScene) -> None:
    sync_replica.sync_replica(scene.desk.desk, scene.desk.endpoint, Line(scene.pair.ends))


def clean_up(scene: MomentaryScene) -> None:
    letterhead, today = scene.pair.ends.world.letterhead, scene.pair.ends.clock.day
    retention.apply_retention(scene.pair.server, letterhead, today)
    retention.forget_known(scene.pair.server, letterhead, today)
    retention.refresh_hints(scene.pair.server)
    for store in (scene.pair.server, scene.pair.replica):
        cleanup.destroy_deleted(store, HALF_HOUR + 100)


def clean_up_on_the_last_day(scene: MomentaryScene) -> None:
    scene.pair.ends.clock.day = LAST_DAY
    clean_up(scene)


def work_on(scene: MomentaryScene, *, is_ended: bool) -> None:
    """Check, sync, write and read at both ends, without the operator."""
    desk, at_replica = scene.desk, scene.at_replica()
    background_check.check_store(desk.desk, scene.pair.ends.clock.day)
    desk.syncs()
    if not is_ended:
        scene.source.browser.log_in(scene.source.browser.passphrase)
        scene.source.mailbox_page()
        scene.source.writes("still here")
        desk.syncs()
        desk.answers(at_replica, "so are we")
    for _ in range(2):  # one night corrects unsigned days, and the next sweep deletes what is due
        clean_up(scene)
    desk.syncs()


class InterruptedUseCase(NamedTuple):
    """A use case, the point of the conversation at which it begins, and the files that the operator edits.

    If the use case is acknowledged, there is a new entry of the kind or class that it `makes`. The columns in
    `spared` are not edited.
    """

    play: Callable[[MomentaryScene], None]
    makes: Kind | EntryClass | None = None
    base: str = "agreed"
    places: tuple[str, ...] = ("server", "sessions")
    is_refused: bool = False
    spared: Collection[tuple[str, str, str]] = ()

    def run(self, scene: MomentaryScene) -> None:
        """Play the use case. The adviser may read why it was refused."""
        with suppress(AdviserError, StoreError):
            self.play(scene)


def _of_desk(
    play: Callable[[MomentaryScene], None],
    makes: Kind | EntryClass | None = None,
    base: str = "agreed",
    *,
    is_refused: bool = False,
) -> InterruptedUseCase:
    return InterruptedUseCase(play, makes, base, ("replica",), is_refused)


_BOTH = ("server", "replica")
# The operator of the server cannot write to a workstation's replica. Who can do so during a sync can send a
# header that does not open, which stays at the server.
_NOT_HEALED = {("replica", "sealed", "header")}

USE_CASES = {
    "the source writes": InterruptedUseCase(write, Kind.MESSAGE),
    "the source uploads a file": InterruptedUseCase(upload, Kind.MESSAGE),
    "the source reads": InterruptedUseCase(read),
    "the source removes": InterruptedUseCase(remove, EntryClass.REMOVAL),
    "the source agrees": InterruptedUseCase(answer(Verdict.AGREED), Kind.ANSWER, "proposed"),
    "the source takes back": InterruptedUseCase(answer(Verdict.TAKEN_BACK), Kind.ANSWER),
    "the source ends": InterruptedUseCase(end, EntryClass.END),
    "the source logs in": InterruptedUseCase(log_in),
    "the desk reads": _of_desk(desk_reads),
    "the desk answers": _of_desk(on_page(send_answer), Kind.MESSAGE),
    "the desk proposes": _of_desk(on_page(send_proposal), Kind.PROPOSAL),
    "the desk begins to pass on": _of_desk(on_page(begin), Kind.STEP),
    "the desk begins against a withdrawal": _of_desk(on_page(begin), base="taken back", is_refused=True),
    "the desk makes the file": _of_desk(on_page(make_file), Kind.STEP, "begun"),
    "the desk closes": _of_desk(on_page(send_closing), Kind.CLOSING),
    "the desk writes a note": _of_desk(desk_notes),
    "the desk checks its store": _of_desk(desk_checks),
    "both ends sync": InterruptedUseCase(sync, base="news", places=_BOTH, spared=_NOT_HEALED),
    "the clean-up": InterruptedUseCase(clean_up, places=_BOTH),
    "the clean-up on the last day": InterruptedUseCase(clean_up_on_the_last_day, places=_BOTH),
}
