"""Many people use both interfaces at once: no error occurs, and no one sees another's mailbox."""

import random
import secrets
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench import desk_servers
from bench.browser import Answer
from bench.forms import URLENCODED
from tests.proofs.http_clients import AdviserClient, SourceClient, file_links, shown_text
from tests.proofs.proof_sizes import LOAD_SECONDS, print_result

pytestmark = pytest.mark.slow

_SOURCES = 7  # and one adviser


@dataclass
class BusySource:
    """Source who uses every function, and checks that the mailbox shows exactly their own messages."""

    host: str
    port: int
    mark: str = field(default_factory=lambda: f"merk{secrets.token_hex(10)}")
    done: int = 0
    faults: list[str] = field(default_factory=list)
    _written: dict[str, str] = field(default_factory=dict)  # text by entry id
    _files: dict[str, bytes] = field(default_factory=dict)

    def live(self, until: float) -> None:
        with SourceClient(self.host, self.port) as source:
            passphrase = source.open_mailbox()
            while time.monotonic() < until:
                random.choice(
                    (
                        self._look,
                        self._look,
                        self._write,
                        self._write,
                        self._write_file,
                        self._fetch,
                        self._delete,
                    )
                )(source)
                if random.random() < 0.05:
                    self._come_back(source, passphrase)
                self.done += 1
            self._look(source)

    def _check(self, what: str, answer: Answer, *statuses: int) -> Answer:
        if answer.status not in statuses:
            self.faults.append(f"{what}: {answer.status}")
        return answer

    def _look(self, source: SourceClient) -> None:
        for path in ("/en/", "/nl/help", "/en/privacy", "/nl/begin"):
            self._check(path, source.browser.get(path), 200)
        page = shown_text(self._check("mailbox", source.thread_page(), 200))
        marks = {word.partition("-")[0] for word in page.split() if word.startswith("merk")}
        if not marks <= {self.mark}:
            self.faults.append("a mailbox shows the text of another mailbox")
        shown = {word for word in page.split() if word.startswith(f"{self.mark}-") and "." not in word}
        if shown != set(self._written.values()):
            self.faults.append("a mailbox does not show exactly the messages written in it")

    def _text(self) -> str:
        return f"{self.mark}-{secrets.token_hex(8)}"

    def _write(self, source: SourceClient) -> None:
        text = self._text()
        self._written[source.write(text)] = text

    def _write_file(self, source: SourceClient) -> None:
        text = self._text()
        name = f"{text}.bin"
        self._files[name] = secrets.token_bytes(random.randrange(1, 400_000))
        self._written[source.write(text, {name: self._files[name]})] = text

    def _fetch(self, source: SourceClient) -> None:
        links = file_links(source.thread_page())
        for name, path in list(links.items())[:2]:
            if source.browser.get(path).body != self._files[name]:
                self.faults.append("a file differs from the file that was sent")

    def _delete(self, source: SourceClient) -> None:
        if self._written:
            entry_id = random.choice(list(self._written))
            answer = source.press(f"/en/mailbox/delete/{entry_id}", f"/delete/{entry_id}")
            self._check("delete", answer, 303)
            del self._written[entry_id]

    def _come_back(self, source: SourceClient, passphrase: str) -> None:
        form = source.log_in_form()
        wrong = source.browser.post(
            form.action, URLENCODED, form.filled({"passphrase": "these are not the right words at all"})
        )
        self._check("wrong passphrase", wrong, 303)
        source.log_in(passphrase)


@dataclass
class BusyAdviser:
    """Adviser who reads and answers all the time."""

    passphrase: str
    host: str
    port: int
    done: int = 0
    faults: list[str] = field(default_factory=list)

    def live(self, until: float) -> None:
        with AdviserClient(self.host, self.port) as adviser:
            adviser.unlock(self.passphrase)
            while time.monotonic() < until:
                for path in adviser.mailboxes() or adviser.mailboxes("answered"):
                    page = adviser.read(path)
                    marks = {
                        word.partition("-")[0] for word in shown_text(page).split() if word.startswith("merk")
                    }
                    if page.status != 200 or len(marks) > 1:
                        self.faults.append(f"thread: {page.status}, {len(marks)} sources in it")
                    # If the source wrote in the meantime, the adviser is asked to read that first.
                    status = adviser.answer(path, "Dank je wel, we lezen mee.").status
                    if status not in {303, 409}:
                        self.faults.append(f"answer: {status}")
                    self.done += 1
                time.sleep(0.05)


def test_no_error_occurs_and_no_mailbox_shows_another(tmp_path: Path) -> None:
    desk = desk_servers.set_up(tmp_path / "var")
    with desk_servers.serve_all(desk) as running:
        until = time.monotonic() + LOAD_SECONDS
        visitors = [BusySource(running.source.host, running.source.port) for _ in range(_SOURCES)]
        adviser = BusyAdviser(desk.passphrase, running.adviser.host, running.adviser.port)
        people = [*visitors, adviser]
        broken: list[str] = []

        def live(person: BusySource | BusyAdviser) -> None:
            try:
                person.live(until)
            except Exception as why:  # noqa: BLE001  # in a thread: passed on to the test
                broken.append(f"{type(why).__name__}: {why}")

        threads = [threading.Thread(target=live, args=(person,)) for person in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert broken == []
    assert [fault for person in people for fault in person.faults] == []
    assert min(person.done for person in people) > 0
    actions = sum(person.done for person in people)
    print_result(f"load: 8 people for {LOAD_SECONDS} s did {actions} actions, every answer right")
