"""A server and a workstation with filled stores. The tests damage a copy and then use every function."""

import hashlib
import os
import secrets
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from flask import Flask

from deploy.pinned_letterhead import LOOK_SECONDS, LetterheadWatch
from journalist_app import create_adviser_app
from journalist_app.desk.auto_lock import AutoLock
from journalist_app.services.records import casefiles, drafts, unsent_forms
from protocol.content import Verdict
from protocol.letterhead import Report
from store import attachments, entries, public_files, sync_findings
from store.database.engine import Store
from store.sync_findings import FindingKind
from tests.journalist_app import desk_readers
from tests.journalist_app.desk_factories import TODAY
from tests.journalist_app.desk_factories import ASource as SourceAtStore
from tests.journalist_app.services.passing_on.test_passing_on import begin, make, propose
from tests.journalist_app.views.paper import Paper
from tests.journalist_app.views.test_views import AdviserBrowser
from tests.proofs.conversation import Cookies, MailboxSystem, ProofSource, open_system
from tests.store.factories import NOW
from tests.sync.desks import AtDesk, an_adviser
from tests.sync.ends import Ends, the_ends

REPORT = b"<style>p { color: black }</style><p>a yearly report"


@dataclass(slots=True)
class Pair:
    """A server with the site for sources, and a workstation, with stores that are in sync except for new
    items.

    `bad` is the source whose mailbox is damaged. This damage may not stop anything for the source `good`.
    """

    ends: Ends
    site: MailboxSystem
    at_desk: AtDesk
    bad: ProofSource
    good: ProofSource
    folder: Path
    ids: dict[bytes, dict[str, list[str]]] = field(default_factory=dict)
    named: dict[str, bytes] = field(default_factory=dict)  # entry ids in the damaged mailbox
    _app: Flask | None = None
    kept: dict[Path, bytes] = field(default_factory=dict)
    cookies: list[tuple[ProofSource, Cookies]] = field(default_factory=list)

    @property
    def server(self) -> Store:
        return self.ends.world.store

    @property
    def replica(self) -> Store:
        return self.at_desk.store

    def adviser(self) -> AdviserBrowser:
        """Return a browser in front of the locked adviser interface, which does not sync by itself."""
        if self._app is None:
            config = replace(self.at_desk.desk.config, server="")
            self._app = create_adviser_app(
                config, self.replica, end_worker=list, readers=[desk_readers.start], today=lambda: TODAY
            )
        self._app.extensions["auto_lock"] = AutoLock(600, list)
        return AdviserBrowser(self._app, [])

    def keep(self) -> None:
        """Save a copy of all files and of the sources' cookies as they are now."""
        for store in (self.server, self.replica):
            store.checkpoint()
        self._close()
        config = self.at_desk.desk.config
        paths = (self.server.path, self.replica.path, config.trusted_state_path, self.folder / "sessions.db")
        self.kept = {path: path.read_bytes() for path in paths}
        self.cookies = [(each, dict(each.browser.client._cookies or {})) for each in (self.bad, self.good)]

    def put_back(self) -> None:
        """Restore all files and cookies to the copy that `keep` saved."""
        self._close()
        # Without this file, the whole store was not checked today.
        self.at_desk.desk.config.trusted_state_path.with_name("store-check.age").unlink(missing_ok=True)
        for path, content in self.kept.items():
            for other in path.parent.glob(f"{path.name}*"):
                other.unlink()
            new = path.with_name("new")
            new.write_bytes(content)
            new.chmod(0o600)
            new.rename(path)
        for each, cookies in self.cookies:
            each.browser.client._cookies = dict(cookies)
        # As in a server that was just started, but it looks at the letterhead in the store each time.
        watch = LetterheadWatch(
            self.server,
            self.ends.world.keyring.fingerprint,
            self.folder / "serial",
            self.ends.world.letterhead,
            clock=lambda: time.monotonic() * LOOK_SECONDS * 1000,
        )
        self.site.site.extensions["newest_letterhead"] = watch
        self.ends.server = replace(self.ends.server, letterhead=watch)

    def _close(self) -> None:
        for each in (self.server, self.replica, self.site.sessions):
            each.close()


def a_pair(folder: Path) -> Pair:
    """Make a server and a workstation, and fill every table of both stores with the program's own
    functions.
    """
    (folder / "server").mkdir()
    ends = the_ends(folder)
    report = Report("report-2025-nl.html", TODAY, hashlib.sha256(REPORT).digest())
    ends.publish(ends.world.letterhead.successor(reports=(report,)))
    ends.world = replace(ends.world, letterhead=ends.newest_letterhead(ends.world.store))
    site = open_system(folder, ends.world, secrets.token_bytes(32))
    bad, good, closed, ended, ending = (site.a_source() for _ in range(5))
    at_desk = an_adviser(ends)
    at_desk.desk.exporter = Paper(folder)
    bad.writes("the first question", [("dossier.pdf", b"author: iemand " * 2000)])
    good.writes("a question", [("dossier.pdf", b"author: iemand")])
    for each in (closed, ended, ending):
        each.writes("a question")
    removed = f"/en/mailbox/delete/{bad.writes('to be removed')}"
    at_desk.syncs()
    assert bad.browser.post(removed, bad.browser.hidden(bad.browser.get(removed), removed)).status_code == 303
    at_desk.syncs()
    for each in (bad, good, closed):
        at_desk.answers(source_at(at_desk.store, ends, each), "an answer")
    at_desk.closes(source_at(at_desk.store, ends, closed))
    with ends.world.store.writing() as session:
        public_files.put(session, "report-2025-nl.html", REPORT)
    at_desk.syncs()
    for each in (bad, good):
        each.mailbox_page()
        each.writes("thanks")
    end_mailbox(ended)
    proposed = propose(at_desk.desk, source_at(at_desk.store, ends, good))
    at_desk.syncs()
    answer(good, proposed.entry_id, Verdict.AGREED)
    named = propose_three_times(at_desk, bad)
    for each in (bad, good):
        casefiles.add_casefile_note(at_desk.desk, each.keys.address, "a note", TODAY)
        drafts.keep_draft(at_desk.desk, each.keys.address, "a draft")
    at_desk.syncs()
    at_desk.counts(source_at(at_desk.store, ends, ended))
    at_desk.syncs()
    end_mailbox(ending)
    at_desk.syncs()
    # News at both ends.
    for each in (bad, good):
        each.writes("news of the source", [("news.pdf", b"news " * 2000)])
        at_desk.answers(source_at(at_desk.store, ends, each), "news of the desk")
        casefiles.add_casefile_note(at_desk.desk, each.keys.address, "a newer note", TODAY)
        with ends.world.store.writing() as session:
            for peer in (None, at_desk.desk.keyring.strand.id):  # of a source, and of the workstation
                attachments.begin_upload(
                    session,
                    address=each.keys.address,
                    entry_id=os.urandom(16),
                    attachment_id=os.urandom(16),
                    header=b"half a file",
                    half_hour=NOW,
                    peer=peer,
                )
    with at_desk.store.writing() as session:
        sync_findings.add(session, closed.keys.address, b"", FindingKind.LONG_RECORD, TODAY)
    path = f"/mailbox/{bad.keys.address.hex()}/answer"
    unsent_forms.keep_unsent(at_desk.store, at_desk.desk.config, path, [("text", "typed")], TODAY)
    pair = Pair(ends, site, at_desk, bad, good, folder, named=named)
    with ends.world.store.reading() as session:
        for each in (bad, good):
            words = sorted(
                (one for one in entries.of_mailbox(session, each.keys.address) if one.epoch),
                key=lambda one: (one.author, one.number),
            )
            files = attachments.of_entry(session, each.keys.address, words[0].entry_id)
            of_entries = [one.entry_id.hex() for one in (words[0], *words[-2:])]
            pair.ids[each.keys.address] = {
                "entry_id": of_entries,
                "proposal_id": [named[f"proposal_{outcome}"].hex() for outcome in ("passed_on", "standing")],
                "attachment_id": [one.attachment_id.hex() for one in files] or ["00" * 16],
            }
    pair.keep()
    return pair


def propose_three_times(at_desk: AtDesk, source: ProofSource) -> dict[str, bytes]:
    """Let a source agree to three proposals. The first is passed on, and the source takes the second back.

    Return the entry ids of the desk's proposals and steps, and of the source's answers.
    """
    desk, here = at_desk.desk, source_at(at_desk.store, at_desk.ends, source)
    named: dict[str, bytes] = {}
    known = words_of(at_desk, source)

    def name_newest(name: str) -> None:
        at_desk.syncs()
        (named[name],) = words_of(at_desk, source) - known
        known.add(named[name])

    for outcome in ("passed_on", "taken_back", "standing"):
        proposed = propose(desk, here, is_copy=outcome != "passed_on")
        name_newest(f"proposal_{outcome}")
        answer(source, proposed.entry_id, Verdict.AGREED)
        name_newest(f"agreement_{outcome}")
        if outcome == "passed_on":
            begin(desk, here, proposed)
            name_newest("passing_on")
            make(desk, here, proposed)
            name_newest("passed_on")
        if outcome == "taken_back":
            answer(source, proposed.entry_id, Verdict.TAKEN_BACK)
            name_newest("taken_back")
    return named


def words_of(at_desk: AtDesk, source: ProofSource) -> set[bytes]:
    with at_desk.store.reading() as session:
        return {each.entry_id for each in entries.of_mailbox(session, source.keys.address) if each.epoch}


def answer(source: ProofSource, proposal_id: bytes, verdict: Verdict) -> None:
    source.browser.get("/en/mailbox")
    path = f"/en/mailbox/proposal/{proposal_id.hex()}"
    form = {**source.browser.hidden(source.browser.get(path), path), "verdict": verdict.value, "sure": "y"}
    assert source.browser.post(path, form).status_code == 303


def source_at(store: Store, ends: Ends, source: ProofSource) -> SourceAtStore:
    return SourceAtStore(replace(ends.world, store=store), source.keys)


def end_mailbox(source: ProofSource) -> None:
    path, browser = "/en/mailbox/end", source.browser
    assert browser.post(path, {**browser.hidden(browser.get(path), path), "sure": "y"}).status_code == 303
