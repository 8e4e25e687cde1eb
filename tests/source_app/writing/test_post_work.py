"""Work of one form and one post, counted in statements of SQLite, because time is not steady in a test."""

import sqlite3
from pathlib import Path

import pytest

from store import sessions
from store.dialect import sqlite, sqlite_connections
from tests.source_app.desks import MULTIPART, ADesk, multipart

PAGE = "/en/mailbox/write"


@pytest.mark.parametrize("answers", [0, 5])
def test_a_form_and_a_post_read_and_write_each_row_once(
    a_desk: ADesk, monkeypatch: pytest.MonkeyPatch, answers: int
) -> None:
    done: list[str] = []

    def connect(path: Path, *settings: str, **options: str) -> sqlite3.Connection:
        connection = sqlite_connections.connect(path, *settings, **options)
        connection.set_trace_callback(done.append)
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

    done.clear()
    form = source.get(PAGE)
    assert len(done) <= 7

    body = multipart({**source.hidden(form, PAGE), "text": "one more message"}, [])
    done.clear()
    assert source.client.post(PAGE, data=body, content_type=MULTIPART).status_code == 303
    assert len(done) <= 24
