"""HTTP clients that act as a source and an adviser in the proofs: they write, read and send files."""

import hashlib
import html
import re
import secrets
from collections.abc import Mapping

from bench import adviser
from bench.browser import Answer
from bench.forms import URLENCODED, Form, form_to
from bench.source import Source, WrongAnswerError

_FILE_LINK = re.compile(r'href="([^"]*/files/[0-9a-f]{32})"[^>]*>(.*?)</a>', re.DOTALL)
_LOOK_LINK = re.compile(r'<a href="([^"]*)/look/([0-9a-f]{32})/1" data-look>')


def multipart(fields: Mapping[str, str], files: Mapping[str, bytes]) -> tuple[str, bytes]:
    """Return the media type and body of a form, with the fields before the files, as browsers send it."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, content in files.items():
        disposition = f'form-data; name="files"; filename="{name}"'
        head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: image/png\r\n\r\n"
        parts += [head.encode(), content, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)


def shown_text(page: Answer) -> str:
    """Return the text of a page, without its markup."""
    return html.unescape(re.sub(r"<[^>]*>", " ", page.body.decode()))


def file_links(page: Answer) -> dict[str, str]:
    """Return the path of every file on a page, by the name in the text of its link.

    On the adviser's pages, this link leads to a page that shows the file. The path is that of the file.
    """
    found: dict[str, str] = {}
    shown = _LOOK_LINK.sub(r'<a href="\1/files/\2" download>', page.body.decode())
    for path, label in _FILE_LINK.findall(shown):
        words = html.unescape(re.sub(r"<[^>]*>", " ", label)).split()
        found[next(word for word in words if "." in word)] = html.unescape(path)
    return found


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class SourceClient(Source):
    """Source who also sends files, and gets every answer as it is."""

    def send(self, form: Form, text: str, files: Mapping[str, bytes] | None = None) -> Answer:
        """Send a message. Return the answer, also if it is a refusal."""
        media_type, body = multipart({**form.hidden, "text": text}, files or {})
        return self.browser.post(form.action, media_type, body)

    def write(self, text: str, files: Mapping[str, bytes] | None = None) -> str:
        """Write and send a message. Return its entry id.

        Raises:
            WrongAnswerError: the message was not acknowledged.
        """
        form = self.write_form()
        answer = self.send(form, text, files)
        if answer.status != 303 or not answer.location.endswith("/" + form.hidden["entry_id"]):
            raise WrongAnswerError(f"write: {answer.status}")
        return form.hidden["entry_id"]

    def thread_page(self) -> Answer:
        return self.browser.get("/en/mailbox")

    def press(self, path: str, ending: str, fields: Mapping[str, str] | None = None) -> Answer:
        """Open a page and send the form on it."""
        form = form_to(self.browser.get(path), path, ending=ending)
        return self.browser.post(form.action, URLENCODED, form.filled(fields or {}))


class AdviserClient(adviser.Adviser):
    """Adviser who also opens the lists and answers."""

    def mailboxes(self, state: str = "waiting") -> list[str]:
        """Return the paths of the mailboxes on the first page of a list."""
        page = self.browser.get(f"/inbox?state={state}")
        if page.status != 200:
            raise WrongAnswerError(f"inbox: {page.status}")
        return list(dict.fromkeys(re.findall(r'href="(/mailbox/[0-9a-f]{40})"', page.body.decode())))

    def read(self, path: str) -> Answer:
        return self.browser.get(path)

    def answer(self, path: str, text: str, files: Mapping[str, bytes] | None = None) -> Answer:
        """Answer in a mailbox. Return the answer of the server, also if it is a refusal."""
        form = form_to(self.read(path), path, ending="/answer")
        media_type, body = multipart({**form.hidden, "text": text}, files or {})
        return self.browser.post(form.action, media_type, body)
