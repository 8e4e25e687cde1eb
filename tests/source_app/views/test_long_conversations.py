"""A mailbox full of text makes no huge page and fills no memory, and its source can read everything."""

import gc
import io
import re
import threading
import time
from datetime import date
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from protocol.entry import SignedEntry
from protocol.mailbox_keys import MailboxKeys
from source_app.errors import MailboxBusyError
from source_app.services import consent, deleting, mailbox_files, posting, thread
from source_app.services.verified_mailbox import SourceMailbox
from tests.pages import hooks
from tests.source_app.answering_proposals import path_of, say
from tests.source_app.desks import MULTIPART, ADesk, SourceBrowser, multipart

_LONGEST = "\N{GRINNING FACE}" + "&" * 49_000  # each "&" takes five bytes of a page
_CONVERSATION = ("/en/mailbox", "/en/mailbox/save")


def _apart(page: str) -> list[str]:
    return re.findall(r'data-entry="apart"><a href="([^"]+)"', page)


@pytest.mark.parametrize("path", _CONVERSATION)
def test_a_mailbox_full_of_text_makes_no_page_of_many_megabytes(source: SourceBrowser, path: str) -> None:
    for number in range(12):
        source.write(f"{number} {_LONGEST}")

    page = source.get(path)

    assert len(page.data) < 1_500_000
    assert page.text.count("<article") == 13
    assert len(_apart(page.text)) == 8


@pytest.mark.parametrize("path", _CONVERSATION)
def test_the_source_of_a_long_conversation_can_read_and_delete_every_message(
    a_desk: ADesk, source: SourceBrowser, path: str
) -> None:
    texts = [f"message {number} {_LONGEST}" for number in range(7)]
    for text in texts:
        source.write(text, [(f"{text[8:9]}.txt", b"a file")])

    page = source.get(path).text
    alone = [source.get(link).text for link in _apart(page)]

    assert len(alone) == 4  # three long ones, and the first message
    for number in range(7):
        (shown,) = [each for each in (page, *alone) if f"message {number} \N{GRINNING FACE}&amp;" in each]
        if shown is not page:
            assert shown.count("&amp;") == 49_000
            (link,) = re.findall(rf'href="([^"]+/files/[0-9a-f]+)" download><bdi>{number}.txt', shown)
            assert source.get(link).data == b"a file"
    for entry in a_desk.thread_of(source).entries:
        assert (f"/en/mailbox/delete/{entry.id}" in page) == (path == "/en/mailbox")


def test_the_saved_page_says_how_many_messages_are_on_pages_of_their_own(source: SourceBrowser) -> None:
    assert hooks(source.get("/en/mailbox/save").text, "notice") == []
    for number in range(6):
        source.write(f"{number} {_LONGEST}")

    page = source.get("/en/mailbox/save").text

    assert hooks(page, "notice") == ["apart"]
    assert "The texts of 2 older messages" in page


def test_the_desks_entries_are_whole_whatever_the_source_wrote(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    """The read receipt says that the page showed them."""
    a_desk.answer(keys, "an old answer " + "x" * 30_000)
    for number in range(7):
        source.write(f"{number} {_LONGEST}")

    for path in _CONVERSATION:
        assert "an old answer xxx" in source.get(path).text


def test_a_thousand_files_do_not_make_a_large_page(source: SourceBrowser) -> None:
    for message in range(90):
        source.write("", [(f"{number} {'&' * 200}", b"%d" % message) for number in range(3)])

    page = source.get("/en/mailbox").text

    assert len(page) < 1_500_000
    assert page.count("<article") == 91
    assert 240 <= page.count("<bdi>") <= 250


def test_a_page_of_one_message_does_not_say_that_no_one_has_seen_the_message(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    (entry,) = a_desk.thread_of(source).entries
    a_desk.receipt(keys)

    for path in (f"/en/mailbox/entry/{entry.id}", f"/en/mailbox/delete/{entry.id}"):
        page = source.get(path).text
        assert "the first message" in page
        assert hooks(page, "seen") == []


def test_another_source_cannot_open_the_page_of_a_message(a_desk: ADesk, source: SourceBrowser) -> None:
    (entry,) = a_desk.thread_of(source).entries
    stranger = a_desk.browser()
    stranger.start()

    assert stranger.get(f"/en/mailbox/entry/{entry.id}").status_code == 404


@pytest.mark.parametrize("path", _CONVERSATION)
def test_while_a_page_is_sent_the_mailbox_is_not_in_memory(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, path: str
) -> None:
    """A client may take minutes to read a page, and the text of a mailbox may take 100 MB."""
    a_desk.answer(keys, "an answer, whose receipt follows")

    page = source.client.get(path)

    held = [each for each in gc.get_objects() if isinstance(each, SourceMailbox)]
    assert not any(each.row.address == keys.address for each in held)
    page.close()


def _is_turn_free(client: FlaskClient) -> bool:
    return not client.application.extensions["mailbox_limiter"]._queue


def test_a_browser_may_restore_its_tabs_but_one_mailbox_does_not_occupy_all_threads(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    """Over HTTP/1.1, a browser has at most six connections to a site, so at most six requests at once."""
    other = a_desk.browser()
    other.start()
    limiter = a_desk.app.extensions["mailbox_limiter"]
    restored: list[int] = []
    theirs: list[int] = []
    threads = [
        threading.Thread(target=lambda: restored.append(source.get("/en/mailbox").status_code))
        for _ in range(5)
    ]

    with limiter.of(keys.address):  # the first of the six
        for thread in threads:
            thread.start()
        while len(limiter._queue) < 6:
            time.sleep(0.001)
        refused = source.get("/en/mailbox")
        assert source.get("/en/").status_code == 200
        assert restored == []
        threads.append(threading.Thread(target=lambda: theirs.append(other.get("/en/mailbox").status_code)))
        threads[-1].start()
        while {mailbox for _, _, mailbox in limiter._queue} == {hash(keys.address)}:
            time.sleep(0.001)
    for thread in threads:
        thread.join()

    assert (sorted(restored), theirs) == (
        [200] * 4 + [503],
        [200],
    )  # the other source came before the last tab
    assert (refused.status_code, hooks(refused.text, "failure")) == (503, ["store"])
    assert int(refused.headers["Retry-After"]) > 0
    assert [each.get("/en/mailbox").status_code for each in (source, other)] == [200, 200]
    assert not limiter._queue


def test_one_request_at_a_time_decrypts_a_mailbox(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    was_free: list[bool] = []
    for module, name in (
        (thread, "read_mailbox"),
        (thread, "read_sent_words"),
        (mailbox_files, "read_mailbox"),
        (consent, "read_mailbox"),
        (posting, "draft_entry"),
        (posting, "read_sent_words"),
        (deleting, "draft_entry"),
        (deleting, "read_sent_words"),
    ):
        original = getattr(module, name)

        def counted(*args: object, original: object = original) -> object:
            was_free.append(_is_turn_free(source.client))
            return original(*args)  # type: ignore[operator]

        monkeypatch.setattr(module, name, counted)
    proposal = a_desk.propose(keys, "a text to pass on")
    entry = proposal.envelope.entry_id.hex()
    for path in (*_CONVERSATION, path_of(proposal), f"/en/mailbox/entry/{entry}", "/en/mailbox/files/00"):
        source.client.head(path)
    say(source, proposal, "agreed")
    a_desk.close(keys, "closed", date(2026, 6, 1))
    mark = source.form_context()["mailbox"]
    kept = source.log_in(source.passphrase, text="mine", mailbox=mark)
    assert hooks(kept.text, "notice") == ["opens_again"]

    form = source.form_context()
    for _ in range(2):
        source.write("sent twice", form_context=form)
    for action in (f"delete/{entry}", "end"):
        path = f"/en/mailbox/{action}"
        source.post(path, {**source.hidden(source.get(path), path), "sure": "yes"})
    assert source.get("/en/mailbox").status_code == 303

    assert len(was_free) >= 15
    assert not any(was_free)
    assert _is_turn_free(source.client)


@pytest.mark.parametrize("action", ["write", "delete", "end"])
def test_a_form_that_still_arrives_lets_no_other_mailbox_wait(
    a_desk: ADesk, source: SourceBrowser, action: str
) -> None:
    """Attack: a client sends a form slowly, and keeps the turn of everyone for as long."""
    (entry,) = a_desk.thread_of(source).entries
    path = f"/en/mailbox/{action}" + (f"/{entry.id}" if action == "delete" else "")
    fields = {**source.hidden(source.get(path), path), "sure": "yes"}
    body, kind = urlencode(fields).encode(), "application/x-www-form-urlencoded"
    if action == "write":
        body, kind = multipart({**fields, "text": "a text"}, [("a.txt", bytes(100_000))]), MULTIPART
    was_free: list[bool] = []

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            was_free.append(_is_turn_free(source.client))
            return super().read(size)

    posted = source.client.post(path, input_stream=Slow(body), content_type=kind, content_length=len(body))
    assert posted.status_code == 303

    assert was_free
    assert all(was_free)


def test_small_forms_read_one_ciphertext_of_a_mailbox_full_of_text(
    a_desk: ADesk, source: SourceBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: many forms that were made before the session had seen the mailbox, and name no entry."""
    for number in range(3):
        source.write(_LONGEST[:-1] + str(number))
    newest = a_desk.thread_of(source).entries[-1]
    source.log_in(source.passphrase)
    to_write, path = source.form_context(), f"/en/mailbox/delete/{newest.id}"
    to_delete = source.hidden(source.get(path), path)
    assert [set(to_write["heads"]), set(to_delete["heads"])] == [{"0"}, {"0"}]
    read: list[int] = []
    original = SignedEntry.from_stored

    def from_stored(*columns: Any) -> SignedEntry:  # noqa: ANN401  # as the real one
        read.append(len(columns[-1] or b""))
        return original(*columns)

    monkeypatch.setattr(SignedEntry, "from_stored", from_stored)

    assert source.write("short", form_context=to_write).status_code == 303
    assert (len(read), sum(size > 0 for size in read)) == (5, 1)  # the newest may be the same message
    read.clear()
    assert source.write("short", form_context=to_write).status_code == 303
    assert 0 < sum(read) < len(_LONGEST)
    read.clear()
    assert source.post(path, to_delete).status_code == 303
    assert len([size for size in read if size]) == 1


def test_a_message_that_comes_while_too_many_requests_wait_is_shown_again(
    a_desk: ADesk, source: SourceBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = source.form_context()

    def refuse(_mailbox: object) -> None:
        raise MailboxBusyError

    with monkeypatch.context() as busy:
        busy.setattr(a_desk.app.extensions["mailbox_limiter"], "of", refuse)
        refused = source.write("an hour of work", [("a.txt", b"a file")], form_context=form)
    assert (refused.status_code, "an hour of work" in refused.text) == (503, True)
    assert int(refused.headers["Retry-After"]) > 0
    again = source.hidden(refused, "/en/mailbox/write")
    assert source.write("an hour of work", form_context=again).status_code == 303

    texts = [entry.text for entry in a_desk.thread_of(source).entries]
    assert texts == ["the first message", "an hour of work"]
