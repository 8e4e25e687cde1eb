"""Sources who write, read and delete at a real site, and note what the site acknowledged."""

import html
import random
import secrets
import threading
import time
from dataclasses import dataclass, field

from bench.browser import Answer, BadAnswerError
from bench.forms import Form, NoFormError
from bench.source import WrongAnswerError
from tests.proofs.http_clients import SourceClient, shown_text

_PAUSE = 0.5
_REFUSED = (OSError, BadAnswerError, WrongAnswerError, NoFormError)


@dataclass
class PatientSource:
    """Source with one mailbox at one server."""

    host: str
    port: int
    passphrase: str = ""
    name: str = field(default_factory=lambda: f"merk{secrets.token_hex(6)}")
    sent: dict[str, str] = field(default_factory=dict)  # acknowledged texts by entry id
    attempted: set[str] = field(default_factory=set)
    deleting: set[str] = field(default_factory=set)  # asked to delete, perhaps without an answer
    deleted: set[str] = field(default_factory=set)
    times: list[float] = field(default_factory=list)  # of acknowledged texts
    refused: int = 0
    faults: list[str] = field(default_factory=list)

    def open_mailbox(self) -> None:
        """Start a mailbox."""
        with SourceClient(self.host, self.port) as source:
            self.passphrase = source.open_mailbox()

    def live(self, stop: threading.Event) -> None:
        """Write, read and delete until `stop` is set."""
        with SourceClient(self.host, self.port) as source:
            source.log_in(self.passphrase)
            while not stop.is_set():
                try:
                    form = source.write_form()
                    self._write(source, form, stop)
                    if random.random() < 0.2:
                        self._delete(source)
                except _REFUSED:
                    self.refused += 1
                time.sleep(_PAUSE)

    def _write(self, source: SourceClient, form: Form, stop: threading.Event) -> None:
        """Send one form until it is acknowledged, as a patient person does."""
        text = f"{self.name}-{len(self.attempted)}-{secrets.token_hex(8)}"
        self.attempted.add(text)
        while not stop.is_set():
            answer = source.send(form, text)
            if answer.status == 303:
                self.sent[form.hidden["entry_id"]] = text
                self.times.append(time.monotonic())
                return
            self._check_refusal(answer, text)
            time.sleep(_PAUSE)

    def _check_refusal(self, answer: Answer, text: str) -> None:
        self.refused += 1
        if answer.status != 503 or text not in html.unescape(answer.body.decode()):
            self.faults.append(f"{answer.status} without the typed text")

    def _delete(self, source: SourceClient) -> None:
        entry_id = random.choice([*self.sent])
        text = self.sent[entry_id]
        if text not in self.deleting:
            self.deleting.add(text)
            path = f"/en/mailbox/delete/{entry_id}"
            if source.press(path, f"/delete/{entry_id}").status == 303:
                self.deleted.add(text)

    def check(self) -> list[str]:
        """Log in again, and compare the mailbox with what the site acknowledged."""
        with SourceClient(self.host, self.port) as source:
            shown = [word for word in shown_text(source.log_in(self.passphrase)).split() if self.name in word]
        told = list(self.faults)
        if missing := set(self.sent.values()) - self.deleting - set(shown):
            told.append(f"{len(missing)} acknowledged texts are lost")
        if len(shown) != len(set(shown)):
            told.append("a text is stored twice")
        if back := self.deleted & set(shown):
            told.append(f"{len(back)} deleted texts are back")
        if unknown := set(shown) - self.attempted:
            told.append(f"{len(unknown)} texts are unknown")
        return told
