"""Scenarios on one machine, through both interfaces: posting, uploading, answering, and deleting."""

import functools
import io
import random
import re
import secrets
from contextlib import closing, suppress
from datetime import UTC, datetime

from deploy.pinned_letterhead import open_letterhead
from deploy.sweeping.server_cleanup import StoreSweeper
from journalist_app import create_adviser_app
from journalist_app.desk.open_desk import TrustedStateStatus, read_trusted_state
from protocol.keyring import open_keyring
from store.cleanup import rewrite_store
from store.database.engine import open_store
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, World, a_world
from tests.journalist_app.views.test_views import AdviserBrowser, answer_fields, settle
from tests.pages import hooks
from tests.proofs.conversation import MailboxSystem, ProofSource, open_system
from tests.proofs.powercuts.scenarios import Scenario
from tests.proofs.powercuts.statements import state
from tests.source_app.desks import SourceBrowser

TEXT = re.compile(r"text-[0-9a-f]{12}")
_FILE_LINK = re.compile(
    r'href="([^"]*/files/[0-9a-f]{32})"[^>]*>.*?(file-\d+-[0-9a-f]{12}\.bin).*?</a>', re.DOTALL
)
_FAULTS = ("data-unsound", 'data-state="unsound"', "data-fault")


def a_text(chars: int = 0) -> str:
    """Return a new text that a page shows, filled up to about this number of characters."""
    name = f"text-{secrets.token_hex(6)}"
    return name + " and more words" * (chars // 15)


def a_file(size: int) -> tuple[str, bytes]:
    """Return the name and the content of a new file. The name determines the content."""
    name = f"file-{size}-{secrets.token_hex(6)}.bin"
    return name, file_content(name)


@functools.lru_cache(maxsize=32)
def file_content(name: str) -> bytes:
    """Return the content of a file that `a_file` named."""
    return random.Random(name).randbytes(int(name.split("-")[1]))


def seen_by_source(system: MailboxSystem, mailbox: str, passphrase: str) -> set[str]:
    """Return the names that a source can read after logging in: the mailbox, its texts, and whole files."""
    browser = SourceBrowser(system.site.test_client())
    page = browser.log_in_and_follow(passphrase)
    assert page.status_code == 200
    if hooks(page.text, "refusal") == ["no_mailbox"]:
        return set()
    found = {mailbox, *TEXT.findall(page.text)}
    for path, name in _FILE_LINK.findall(page.text):
        if browser.get(path).data == file_content(name):
            found.add(name)
    return found


def delete_entry(source: ProofSource, entry_id: str) -> None:
    """Delete an entry as the source does, with the form for it."""
    path = f"/en/mailbox/delete/{entry_id}"
    form = source.browser.hidden(source.browser.get(path), path)
    assert source.browser.post(path, form).status_code == 303


def end_mailbox(source: ProofSource) -> None:
    """End a mailbox as its source does, with the form for it."""
    form = source.browser.hidden(source.browser.get("/en/mailbox/end"), "/en/mailbox/end")
    assert source.browser.post("/en/mailbox/end", {**form, "sure": "y"}).status_code == 303


class OneMachine(Scenario):
    """Desk with both interfaces on one machine. Names of texts and files are as the source sees them."""

    system: MailboxSystem

    def prepare(self) -> set[str]:
        world = a_world(self.disk)
        self.system = open_system(self.memory, world, secrets.token_bytes(32))
        self.remember("config", world.config)
        self.remember("passphrases", [])
        return set()

    def new_source(self) -> ProofSource:
        """Open a mailbox. Its name in statements is "mailbox 0", "mailbox 1" and so on."""
        passphrases = self.remembered("passphrases")
        mailbox = f"mailbox {len(passphrases)}"
        state("trying", mailbox)
        source = self.system.a_source()
        self.remember("passphrases", [*passphrases, source.browser.passphrase])
        state("kept", mailbox)
        return source

    def post(self, source: ProofSource, *sizes: int, chars: int = 0) -> tuple[str, tuple[str, ...]]:
        """Send a message with files of these sizes. Return its entry id, and the names of text and files."""
        text, files = a_text(chars), [a_file(size) for size in sizes]
        names = (text[:17], *(name for name, _ in files))
        state("trying", *names)
        entry_id = source.writes(text, files)
        state("kept", *names)
        return entry_id, names

    def readable(self) -> set[str]:
        config = self.remembered("config")
        store = open_store(config.store_path)
        with suppress(FileNotFoundError):
            (self.memory / "sessions.db").unlink()
        letterhead = open_letterhead(store, config.fingerprint, self.memory / "serial")
        world = World(config, None, letterhead, store)  # type: ignore[arg-type]  # the keys are in the keyring file
        self.system = open_system(self.memory, world, secrets.token_bytes(32))
        try:
            found: set[str] = set()
            for number, passphrase in enumerate(self.remembered("passphrases")):
                found |= seen_by_source(self.system, f"mailbox {number}", passphrase)
            return found
        finally:
            self.system.close()


class PostingScenario(OneMachine):
    """A source opens a mailbox and posts messages, short and long. Another source does the same."""

    def prepare(self) -> set[str]:
        super().prepare()
        self.first = self.system.a_source()
        self.remember("passphrases", [self.first.browser.passphrase])
        return {"mailbox 0"}

    def run(self) -> None:
        for chars in (0, 3_000, 0, 9_000, 0):
            self.post(self.first, chars=chars)
        for _ in range(2):
            source = self.new_source()
            self.post(source)
            self.post(source, chars=20_000)


class Uploading(OneMachine):
    """A source posts messages with files, of up to several chunks."""

    def run(self) -> None:
        source = self.new_source()
        self.post(source, 1_000)
        self.post(source, 1_300_000)
        self.post(source, 40_000, 200_000)
        self.post(source)


class Deleting(OneMachine):
    """Sources delete entries and end a mailbox. Deleted content is destroyed, and the store is rewritten."""

    def prepare(self) -> set[str]:
        super().prepare()
        self.kept, self.ending = self.system.a_source(), self.system.a_source()
        self.remember("passphrases", [each.browser.passphrase for each in (self.kept, self.ending)])
        return {"mailbox 0", "mailbox 1"}

    def run(self) -> None:
        posted = [self.post(self.kept, *sizes) for sizes in ((), (150_000,), (), (2_000,), ())]
        ended = [self.post(self.ending, *sizes)[1] for sizes in ((), (30_000,))]
        self._delete(*posted[0])
        self._delete(*posted[1])
        self._sweep()
        self.post(self.kept)
        names = ["mailbox 1", *(name for names in ended for name in names)]
        state("deleting", *names)
        end_mailbox(self.ending)
        state("gone", *names)
        self._delete(*posted[3])
        self._sweep()
        self.post(self.kept)
        rewrite_store(self.system.world.store)
        self._delete(*posted[4])

    def _delete(self, entry_id: str, names: tuple[str, ...]) -> None:
        state("deleting", *names)
        delete_entry(self.kept, entry_id)
        state("gone", *names)

    def _sweep(self) -> None:
        StoreSweeper(self.system.world.store).sweep_once(datetime.now(UTC))


class Answering(OneMachine):
    """An adviser answers, and the trusted state grows, while a source writes.

    "adviser: text-..." is a text on the adviser's page. The names "trusted 1" to "trusted N" say that the
    trusted state on the disk knows N entries.
    """

    def prepare(self) -> set[str]:
        super().prepare()
        self.source = self.system.a_source()
        self.remember("passphrases", [self.source.browser.passphrase])
        self.remember("path", self.source.path)
        question, answer = a_text(), a_text()
        self.source.writes(question)
        self.system.adviser_answers(self.source, answer)
        return {"mailbox 0", question, answer, *map(_for_adviser, (question, answer)), *self._trusted()}

    def run(self) -> None:
        state("trying", *(f"trusted {number}" for number in range(1, 100)))
        adviser = self.system.an_adviser()
        for size in (0, 30_000, 0):
            self._answer(adviser, size)
            self.post_for_for_adviser()
            self.source.mailbox_page()
        self._answer(self.system.an_adviser(), 0)

    def post_for_for_adviser(self) -> None:
        """Send a message as the source. The adviser can read the message too."""
        text = a_text()
        state("trying", text, _for_adviser(text))
        self.source.writes(text)
        state("kept", text, _for_adviser(text))

    def _answer(self, adviser: AdviserBrowser, size: int) -> None:
        name, content = a_file(size)
        text = a_text()
        names = [text, _for_adviser(text), *([name] if size else [])]
        state("trying", *names)
        form = answer_fields(adviser.get(self.source.path), text)
        files = {"files": [(io.BytesIO(content), name)]} if size else {}
        assert adviser.answer(self.source.path, {**form, **files}).status_code == 303
        state("kept", *names)
        assert adviser.get(self.source.path).status_code == 200
        settle(adviser)
        state("kept", *self._trusted())

    def readable(self) -> set[str]:
        found = self._trusted() | super().readable()  # reading the thread changes the trusted state
        config = self.remembered("config")
        with closing(open_store(config.store_path)) as store:
            app = create_adviser_app(config, store, end_worker=list, today=lambda: TODAY)
            adviser = AdviserBrowser(app, [])
            assert adviser.unlock().status_code == 303
            settle(adviser)
            page = adviser.get(self.remembered("path")).text
            app.extensions["auto_lock"].close()  # this ends the background threads of the site
            assert not any(fault in page for fault in _FAULTS), "the adviser is shown a fault"
            return found | set(map(_for_adviser, TEXT.findall(page)))

    def _trusted(self) -> set[str]:
        config = self.remembered("config")
        keyring = open_keyring(config.keyring_path.read_bytes(), PASSPHRASE, config.fingerprint)
        known, status, _ = read_trusted_state(config, keyring)
        assert status is TrustedStateStatus.SOUND
        numbers = [head.number for seen in known.mailboxes.values() for head in seen.heads]
        return {f"trusted {number}" for number in range(1, sum(numbers) + 1)}


def _for_adviser(text: str) -> str:
    return f"adviser: {text}"
