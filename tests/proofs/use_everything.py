"""Use of everything that a damaged store must still do: pages, messages, background work and syncs."""

import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flask import Flask
from werkzeug.routing import AnyConverter, Rule
from werkzeug.test import TestResponse

from crypto.errors import CryptoError
from deploy.sweeping.retention import apply_retention, forget_known, refresh_hints
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.services.whole_desk import sync_replica, unlocking
from store import cleanup, entries
from store.database.engine import Store
from store.errors import AttachmentMissingError
from store.quota import recount_bytes
from tests.journalist_app import desk_readers
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY
from tests.journalist_app.views.paper import Paper
from tests.journalist_app.views.test_views import answer_fields, settle
from tests.programs.hostile_programs import comes_true
from tests.proofs.conversation import ProofSource
from tests.proofs.damage.damaged_pair import Pair
from tests.sync.ends import HALF_HOUR, Line

_HOOKS = re.compile(
    r'data-(?:entry|removed|damaged|strange|fault|notice|warning|unsound|refusal|failure|memory)="[^"]+"'
)
_NEVER = frozenset({"style.css", "static", "leave"})  # leaving ends the session


@dataclass(slots=True)
class Use:
    """Record of the actions that failed, and of what the pages said about faults."""

    pair: Pair
    stopped: list[str] = field(default_factory=list)
    said: set[str] = field(default_factory=set)
    statuses: dict[str, int] = field(default_factory=dict)

    def attempt(self, what: str, work: Callable[[], object]) -> None:
        """Note an exception instead of raising it, so that everything else is used too."""
        try:
            work()
        except Exception as why:  # noqa: BLE001  # whatever stops it
            self._note(what, why)

    def require(self, what: str, *, that: bool) -> None:
        if not that:
            self.stopped.append(what)

    def page(self, what: str, fetch: Callable[[str], TestResponse], path: str) -> str:
        """Fetch a page, note what it says about faults, and return its text."""
        try:
            answer = fetch(path)
        except (CryptoError, AttachmentMissingError) as why:
            # A download that breaks off, so that the browser does not save a damaged file as whole.
            self.require(f"{what} {path}: {why}", that="/files/" in path)
            self.said.add(f"{what} download breaks off")
            return ""
        except Exception as why:  # noqa: BLE001  # whatever stops it
            self._note(what, why)
            return ""
        self.statuses[f"{what} {path}"] = answer.status_code
        self.require(f"{what} {path}: status {answer.status_code}", that=answer.status_code not in {400, 500})
        self.require(f"{what} {path}: status 503", that=answer.status_code != 503 or what.endswith("bad"))
        text = answer.data.decode(errors="replace") if answer.mimetype.startswith("text/") else ""
        self.said.update(f"{what} {path} {hook}" for hook in _HOOKS.findall(text))
        return text

    def _note(self, what: str, why: Exception) -> None:
        place = traceback.extract_tb(why.__traceback__)
        ours = [each for each in place if "site-packages" not in each.filename][-1]
        self.stopped.append(f"{what}: {type(why).__name__} {why} at {ours.filename[-40:]}:{ours.lineno}")


def use_server(pair: Pair) -> Use:
    """Use the site for sources, the sweeper and a sync, and then look at the workstation."""
    use = Use(pair)
    for name, source in (("bad", pair.bad), ("good", pair.good)):
        _use_site(use, name, source)
    use.attempt("sweep", lambda: cleanup.destroy_deleted(pair.server, HALF_HOUR))
    use.attempt("retention", lambda: apply_retention(pair.server, pair.ends.world.letterhead, TODAY))
    use.attempt("forget", lambda: forget_known(pair.server, pair.ends.world.letterhead, TODAY))
    use.attempt("hints", lambda: refresh_hints(pair.server))
    use.attempt("bytes", lambda: recount_bytes(pair.server))
    use.attempt("rewrite", lambda: cleanup.rewrite_store(pair.server))
    _sync(use)
    _use_adviser(use, every_page=False)
    return use


def use_replica(pair: Pair) -> Use:
    """Use the adviser's interface, the background check, the sweeper and a sync on a damaged replica."""
    use = Use(pair)
    _use_adviser(use, every_page=True)
    use.attempt("sweep", lambda: cleanup.destroy_deleted(pair.replica, HALF_HOUR))
    _sync(use)
    return use


def _paths(app: Flask, values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield a path for each GET route, and for each choice of the values that it asks for."""
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not _NEVER & set(rule.endpoint.split(".")):
            yield from _filled(app, rule, values)


def _filled(app: Flask, rule: Rule, values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    choices: list[dict[str, object]] = [{}]
    for name in sorted(rule.arguments):
        converter = rule._converters[name]
        wanted = ["en"] if name in {"lang", "language"} else values.get(name)
        if wanted is None and isinstance(converter, AnyConverter):
            wanted = [min(converter.items)]
        assert wanted is not None, f"no value for {name} in {rule}"
        choices = [{**one, name: value} for one in choices for value in wanted]
    adapter = app.url_map.bind("localhost")
    for one in choices:
        yield adapter.build(rule.endpoint, one, method="GET")


def _use_site(use: Use, name: str, source: ProofSource) -> None:
    browser = source.browser
    first = use.pair.site.site.extensions["signposts"]["en"].first
    values = {**use.pair.ids[source.keys.address], "number": [str(first)], "name": ["report-2025-nl.html"]}
    for path in _paths(use.pair.site.site, values) if name == "bad" else ("/en/reports", "/en/mailbox/end"):
        use.page(name, browser.get, path)
    shown = use.page(name, browser.get, "/en/mailbox")
    use.require(f"{name} cannot read", that=name == "bad" or "an answer" in shown)
    use.page(f"{name} in a new session", lambda _: browser.log_in_and_follow(browser.passphrase), "log in")
    if 'action="/en/mailbox/write"' in use.page(name, browser.get, "/en/mailbox/write"):
        sent = use.page(name, lambda _: browser.write("posted after the damage"), "write")
        use.require(f"{name} did not write", that=name == "bad" or "/received/" in sent)
    else:
        use.require(f"{name} cannot write", that=name == "bad")


def _sync(use: Use) -> None:
    pair = use.pair
    newest = {store: _newest(store, pair.good) for store in (pair.server, pair.replica)}

    def sync() -> None:
        desk = unlocking.unlock_desk(pair.at_desk.desk.config, pair.replica, PASSPHRASE)
        for _ in range(2):  # the second carries what the first found to be missing
            endpoint = sync_replica.workstation_endpoint(desk, lambda: TODAY, lambda: HALF_HOUR)
            sync_replica.sync_replica(desk, endpoint, Line(pair.ends))
        use.require(f"sync is refused: {desk.exchange.refusal}", that=not desk.exchange.refusal)
        use.require("check after sync is broken", that=not desk.progress.is_broken)

    use.attempt("sync", sync)
    for end, other in ((pair.server, pair.replica), (pair.replica, pair.server)):
        missing = newest[end] - _newest(other, pair.good)
        use.require(
            f"sync: {len(missing)} entries did not arrive at {other.path.parent.name}", that=not missing
        )


def _newest(store: Store, source: ProofSource) -> set[bytes]:
    with store.reading() as session:
        return {each.entry_id for each in entries.of_mailbox(session, source.keys.address)}


def _use_adviser(use: Use, *, every_page: bool) -> None:
    pair = use.pair
    adviser = pair.adviser()
    app = adviser.app
    use.page("adviser", lambda _: adviser.unlock(), "unlock")
    desk: OpenDesk | None = app.extensions["auto_lock"]._desk
    if desk is None:
        use.stopped.append("locked")
        return
    desk.exporter = Paper(pair.folder)
    unlocking.start_indexing(desk)
    settle(adviser)
    use.require("index is broken", that=desk_readers.wait_until_whole(desk.index, 2).is_whole)
    use.require("check is broken", that=not desk.progress.is_broken and not desk.progress.is_running)
    use.require("check has no day", that=desk.last_check == TODAY)
    for name, source in (("bad", pair.bad), ("good", pair.good)):
        values = {
            **pair.ids[source.keys.address],
            "number": ["0"],
            "part": ["0"],
            "year": [str(TODAY.year)],
            "address": [source.keys.address.hex()],
            "key_id": ["00000000"],
        }
        values["which"] = [*values["attachment_id"], *(f"{each}-1-0" for each in values["entry_id"])]
        for path in _paths(app, values) if every_page and name == "bad" else (source.path, "/sync"):
            use.page(f"adviser {name}", adviser.get, path)
    use.require("a file is still converted", that=comes_true(lambda: not desk.shown_files.is_busy))
    lists = [
        use.page("adviser", adviser.get, f"/inbox?state={state}")
        for state in ("waiting", "answered", "closed")
    ]
    use.require("the inbox does not list the good mailbox", that=pair.good.path in "".join(lists))
    is_listed = pair.bad.path in "".join(lists) or 'data-fault="gone"' in "".join(lists)
    use.require("the inbox does not list the bad mailbox", that=is_listed)
    thread = adviser.get(pair.good.path)
    use.require("the good agreement no longer counts", that='data-state="agreed"' in thread.text)
    if "<textarea" in thread.text:
        fields = answer_fields(thread, "answered after the damage")
        sent = use.page("adviser", lambda path: adviser.answer(path, fields), pair.good.path)
        use.require("adviser did not answer", that="Redirecting" in sent)
    else:
        use.stopped.append("adviser cannot answer")
    app.extensions["auto_lock"].close()
