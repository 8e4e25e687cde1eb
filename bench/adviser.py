"""HTTP client that acts as an adviser: unlocks, opens the inbox, reads a thread."""

import time
from typing import Self

from bench.browser import Answer, Browser
from bench.forms import URLENCODED, form_to
from bench.source import WrongAnswerError


class Adviser:
    """HTTP client that acts as an adviser with one browser."""

    def __init__(self, host: str, port: int) -> None:
        self.browser = Browser(host, port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.browser.close()

    def unlock(self, passphrase: str) -> Answer:
        """Unlock the desk, and return the response: a redirect to the inbox."""
        page = self._expect(self.browser.get("/unlock"), 200, "unlock")
        form = form_to(page, "/unlock", ending="/unlock")
        body = form.filled({"passphrase": passphrase})
        return self._expect(self.browser.post(form.action, URLENCODED, body), 303, "unlocked")

    def inbox(self) -> Answer:
        """Return the first page of the mailboxes that wait for an answer."""
        return self._expect(self.browser.get("/inbox?state=waiting"), 200, "inbox")

    def thread(self, address: bytes) -> Answer:
        """Return the page with the whole thread of a mailbox."""
        return self._expect(self.browser.get(f"/mailbox/{address.hex()}"), 200, "thread")

    def wait_until_checked(self) -> None:
        """Wait until the store is verified and the result is saved. Until then the inbox refreshes itself."""
        while "refresh" in self.browser.get("/inbox?renewed=1").headers:
            time.sleep(0.2)

    @staticmethod
    def _expect(answer: Answer, status: int, step: str) -> Answer:
        if answer.status != status:
            raise WrongAnswerError(f"{step}: {answer.status}")
        return answer
