"""Work of one form, one post and one receipt, counted in SQLite, because time is not steady in a test."""

import sqlite3
from pathlib import Path

import pytest

from crypto.age import recipients
from store import sessions
from store.dialect import sqlite, sqlite_connections
from tests.source_app.desks import MULTIPART, ADesk, multipart

PAGE = "/en/mailbox/write"


@pytest.mark.parametrize("answers", [0, 20])
def test_a_form_a_post_and_a_receipt_read_and_write_each_row_once(
    a_desk: ADesk, monkeypatch: pytest.MonkeyPatch, answers: int
) -> None:
    done: list[str] = []
    steps: list[None] = []

    def connect(path: Path, *settings: str, **options: str) -> sqlite3.Connection:
        connection = sqlite_connections.connect(path, *settings, **options)
        connection.set_trace_callback(done.append)
        connection.set_progress_handler(lambda: steps.append(None), 1)
        return connection

    monkeypatch.setattr(sqlite, "connect", connect)
    monkeypatch.setattr(sessions, "connect", connect)
    a_desk.store.close()
    a_desk.desk.sessions.close()
    source = a_desk.browser()
    source.start()
    source.write("the first message")
    for number in range(answers):
        a_desk.answer(a_desk.keys_of(source), f"answer {number}")
        source.write(f"message {number}")

    source.get("/en/mailbox")
    source.write("the newest message")  # its text is in the session, so the next post does not decrypt it

    done.clear()
    form = source.get(PAGE)
    assert len(done) <= 7 + (4 if answers else 0)  # the newest answer is on the page

    body = multipart({**source.hidden(form, PAGE), "text": "one more message"}, [])
    done.clear()
    with monkeypatch.context() as patched:  # a post decrypts nothing, so it need not derive a private key
        patched.setattr(recipients, "MLKEM768PrivateKey", None)
        sent = source.client.post(PAGE, data=body, content_type=MULTIPART)
    assert sent.status_code == 303
    assert len(done) <= 20

    done.clear()
    steps.clear()
    assert source.get(sent.location).status_code == 200
    assert len(done) <= 8
    assert len(steps) <= 150  # of SQLite's machine: reading the whole mailbox takes more
