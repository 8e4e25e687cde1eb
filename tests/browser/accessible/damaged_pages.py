"""Pages for sources about damage: of a stored message or file, or of a request."""

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import NoReturn

import pytest
from werkzeug.test import TestResponse

from protocol.content import Content, Kind
from protocol.envelope import Author, EntryClass
from protocol.identifiers import EntryId
from tests.damaged_files import damage
from tests.source_app.answering_proposals import form_of, path_of, shown
from tests.source_app.desks import MIB, TODAY, ADesk, ToGo

_MAILBOX = "/en/mailbox"
_HEADER = "UPDATE sealed SET header = ? WHERE id = (SELECT id FROM entry WHERE digest = ?)"


def damaged_pages(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    yield from _messages(a_desk)
    yield from _files(a_desk)
    yield from _requests(a_desk)


def _messages(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser = a_desk.browser()
    browser.start()
    browser.write("restored")
    keys = a_desk.keys_of(browser)
    (restored,) = a_desk.entries_of(keys, EntryClass.WORDS, Author.SOURCE)
    a_desk.delete(keys, restored.envelope.entry_id)
    lost, unreadable = (a_desk.answer(keys, text) for text in ("lost", "unreadable"))
    with pytest.MonkeyPatch.context() as newer:
        newer.setattr("protocol.content.MINOR", 1)
        newest = Content(minor=1, kind=Kind.MESSAGE, text="words of another time")
        a_desk._append_of_desk(keys, newest, EntryId(bytes(16)), a_desk.writer, TODAY)
    changes = ((restored.header, restored.digest), (None, lost.digest), (bytes(9), unreadable.digest))
    with closing(sqlite3.connect(a_desk.config.store_path)) as connection, connection:
        connection.executemany(_HEADER, changes)
    a_desk.answer(keys, "an answer that opens")
    yield "mailbox, with each kind of damage", browser.get(_MAILBOX)
    yield "delete, unreadable", browser.get(f"{_MAILBOX}/delete/{unreadable.envelope.entry_id.hex()}")


def _files(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser = a_desk.browser()
    browser.start()
    whole = a_desk.desk
    limits = replace(whole.limits, files_bytes=9 * MIB)
    a_desk.app.extensions["desk"] = replace(whole, limits=limits)
    browser.write("", [("a.bin", b"1" * 2_400_000)])
    browser.write("large", [("large.bin", bytes(8 * MIB + 1))])
    a_desk.app.extensions["desk"] = whole
    yield "mailbox, with a large file", browser.get(_MAILBOX)
    (file,) = a_desk.thread_of(browser).entries[0].files
    damage(a_desk.store, "header: gone", file=file.id, other="", foreign="")
    yield "error, damaged file", browser.get(f"{_MAILBOX}/files/{file.id}")
    made = a_desk.propose(a_desk.keys_of(browser), "a text", files=[ToGo("b.bin", b"2")])
    form = form_of(browser, made)
    (proposed,) = shown(a_desk, a_desk.keys_of(browser), made).files
    damage(a_desk.store, "header: gone", file=proposed.id, other="", foreign="")
    yield "proposal, with a damaged file", browser.get(path_of(made))
    agreed = {**form, "verdict": "agreed", "sure": "y"}
    yield "proposal, agreed to a damaged file", browser.post(path_of(made), agreed)


def _requests(a_desk: ADesk) -> Iterator[tuple[str, TestResponse]]:
    browser = a_desk.browser()
    browser.start()
    yield "begin, with an open mailbox", browser.get("/en/begin")
    yield "write, only files refused", browser.write("", [("a.txt", b"x" * 9_000_000)])
    browser.write("the first message")
    keys = a_desk.keys_of(browser)
    a_desk.close(keys, "bye", TODAY)
    yield "mailbox, closed without a proposal", browser.get(_MAILBOX)
    yield (
        "error, unreadable request",
        browser.client.post("/en/log-in", data={"words": (io.BytesIO(), "x.txt")}),
    )
    views = a_desk.app.view_functions
    whole, views["pages.help"] = views["pages.help"], _broken
    yield "error, ours", browser.get("/en/help")
    views["pages.help"] = whole


def _broken(**_: str) -> NoReturn:
    raise ZeroDivisionError
