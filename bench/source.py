"""HTTP client that acts as a source: opens a mailbox, logs in, sends messages and files."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from bench.browser import Answer, Browser
from bench.forms import URLENCODED, Form, form_to

_WORDS = re.compile(r'<p class="words card"[^>]*>(.*?)</p>', re.DOTALL)


class WrongAnswerError(Exception):
    """The server answered with an unexpected status. The message names the step and the status."""


@dataclass(frozen=True, slots=True)
class SavedSession:
    """Address and cookies with which another process uses an open mailbox. Picklable."""

    host: str
    port: int
    cookies: Mapping[str, str]

    def source(self) -> "Source":
        """Return a source with these cookies and a new connection."""
        return Source(self.host, self.port, self.cookies)


class Source:
    """Source with one browser, whose language is English."""

    def __init__(self, host: str, port: int, cookies: Mapping[str, str] | None = None) -> None:
        self.browser = Browser(host, port, cookies)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.browser.close()

    def save_session(self) -> SavedSession:
        """Return the address and cookies with which another process can use the open mailbox."""
        return SavedSession(self.browser.host, self.browser.port, dict(self.browser.cookies))

    def start_page(self) -> None:
        """Read the start page."""
        _expect(self.browser.get("/en/"), 200, "start page")

    def open_mailbox(self) -> str:
        """Start a mailbox, from the page with the passphrase to its first page. Return the passphrase."""
        shown = _expect(self.browser.get("/en/begin"), 200, "passphrase")
        passphrase = passphrase_on(shown)
        practise = form_to(shown, "/en/begin", ending="/practise")
        entered = _expect(self._send(practise, {"words": passphrase}), 303, "practised")
        _expect(self.browser.follow(entered), 200, "new mailbox")
        return passphrase

    def log_in(self, passphrase: str) -> Answer:
        """Log in, and return the whole mailbox page."""
        return self.log_in_with(self.log_in_form(), passphrase)

    def log_in_form(self) -> Form:
        """Return the empty log-in form."""
        path = "/en/log-in"
        return form_to(_expect(self.browser.get(path), 200, "log-in"), path, ending=path)

    def log_in_with(self, form: Form, passphrase: str) -> Answer:
        """Send a log-in form that was fetched before, and return the whole mailbox page."""
        entered = _expect(self._send(form, {"words": passphrase}), 303, "log-in")
        return _expect(self.browser.follow(entered), 200, "mailbox")

    def mailbox(self) -> str:
        """Return the text of the mailbox page, without markup."""
        page = _expect(self.browser.get("/en/mailbox"), 200, "mailbox")
        return html.unescape(re.sub(r"<[^>]*>", " ", page.body.decode()))

    def write_form(self) -> Form:
        """Return a form for a new message, with its entry id."""
        path = "/en/mailbox/write"
        return form_to(_expect(self.browser.get(path), 200, "write"), path, ending="/write")

    def post_message(self, form: Form, text: str, file_bytes: int = 0) -> str:
        """Send a message, with a file of `file_bytes` unless that is 0. Return the path of the receipt.

        The message begins with the form's entry id, because the site appends the same message only once.
        """
        upload = form.upload({"text": f"{form.hidden['entry_id']} {text}"}, file_bytes)
        body = upload if file_bytes else b"".join(upload)
        answer = self.browser.post(form.action, upload.media_type, body, upload.length)
        return _expect(answer, 303, "post").location

    def submit(self, text: str) -> bool:
        """Fetch the form, post a message and read its receipt.

        Return whether the receipt is that of this entry.
        """
        form = self.write_form()
        receipt = self.post_message(form, text)
        page = self.browser.get(receipt)
        return page.status == 200 and receipt.endswith("/" + form.hidden["entry_id"])

    def _send(self, form: Form, fields: Mapping[str, str]) -> Answer:
        return self.browser.post(form.action, URLENCODED, form.filled(fields))


def _expect(answer: Answer, status: int, step: str) -> Answer:
    if answer.status != status:
        raise WrongAnswerError(f"{step}: {answer.status}")
    return answer


def passphrase_on(page: Answer) -> str:
    """Return the words of the passphrase that a page shows."""
    found = _WORDS.search(page.body.decode())
    if found is None:
        raise WrongAnswerError("passphrase: none on the page")
    return " ".join(re.sub(r"<[^>]*>", " ", found[1]).split())
