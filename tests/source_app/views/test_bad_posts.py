"""Messages that fail: the source gets the typed text back, and no part of the message is stored."""

import io
import itertools
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from source_app.services import login
from source_app.services.posting import Posting
from source_app.services.uploads import receive_form
from store import mailboxes
from store.database.schema import AttachmentRow, MailboxRow
from store.errors import MailboxChangedError, NoSuchMailboxError
from stored_mailbox.entry_form import FormContext
from tests.pages import hook, hooks
from tests.source_app.desks import MIB, MULTIPART, TODAY, ADesk, SourceBrowser, make_desk, multipart
from tests.source_app.views.broken_stores import (
    Repair,
    full,
    locked,
    missing,
    read_only,
    server_gone,
    server_read_only,
    server_without_connections,
)
from web.multipart import Body, FormLimits

TEXT = "a text that must not be lost"


class EndlessBody(io.RawIOBase):
    """Request body that never ends."""

    def __init__(self, first: bytes) -> None:
        self.left = first
        self.given = 0

    def read(self, size: int = -1, /) -> bytes:
        piece = (self.left or b"x" * size)[:size]
        self.left = self.left[size:]
        self.given += len(piece)
        return piece


class Interrupted(io.BytesIO):
    """Request body during which something happens, after `at` bytes."""

    def __init__(self, body: bytes, *, at: int, by: Callable[[], object]) -> None:
        super().__init__(body)
        self._at, self._by = at, by

    def read(self, size: int | None = -1, /) -> bytes:
        if self._at <= self.tell():
            self._at = len(self.getvalue()) + 1
            self._by()
        return super().read(size)


@pytest.fixture
def source(a_desk: ADesk) -> SourceBrowser:
    browser = a_desk.browser()
    browser.start()
    return browser


def pending(a_desk: ADesk) -> int:
    with a_desk.store.reading() as reading:
        return reading.scalar(select(func.count()).select_from(AttachmentRow)) or 0


def test_an_empty_message_is_refused_kindly(a_desk: ADesk, source: SourceBrowser) -> None:
    for text in ("", " \r\n\t ", "\u200b\ufeff\u2800\u3164\u00ad\u200e"):
        refused = source.write(text, [("", b"")])
        assert refused.status_code == 422
        assert hooks(refused.text, "refusal") == ["empty"]
    assert not a_desk.thread_of(source).entries


def test_a_text_of_invisible_characters_beside_a_file_is_none(a_desk: ADesk, source: SourceBrowser) -> None:
    assert source.write("\u200b\u2800 \u00ad", [("a.txt", b"x")]).status_code == 303

    (entry,) = a_desk.thread_of(source).entries
    assert entry.text == ""
    assert [file.name for file in entry.files] == ["a.txt"]


def test_a_message_that_is_the_own_passphrase_comes_back_once_with_a_warning(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    numbered = "\r\n".join(f"{place}. {word}" for place, word in enumerate(source.passphrase.split(), 1))
    text = f"For the adviser:\r\n{numbered}"

    warned = source.write(text, [("a.txt", b"x")])

    assert warned.status_code == 422
    assert hooks(warned.text, "refusal") == ["seven_words"]
    assert {"text_kept", "files_lost"} <= set(hooks(warned.text, "notice"))
    assert numbered.splitlines()[-1] in warned.text
    assert not a_desk.thread_of(source).entries
    assert pending(a_desk) == 0

    form = source.hidden(warned, "/en/mailbox/write")
    assert hooks(source.write("", form_context=form).text, "refusal") == ["empty"]
    assert source.write(text, form_context=form).status_code == 303
    assert len(a_desk.thread_of(source).entries) == 1


def test_a_message_may_be_files_alone(a_desk: ADesk, source: SourceBrowser) -> None:
    assert source.write("", [("a.txt", b"")]).status_code == 303
    assert len(a_desk.thread_of(source).entries[0].files) == 1


def test_a_message_of_a_hundred_thousand_characters_comes_back_whole(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    text = "é" * 99_999 + "!"

    refused = source.write(text, [("a.txt", b"x")])

    assert refused.status_code == 422
    assert text in refused.text
    assert hooks(refused.text, "refusal") == ["text_too_long"]
    assert hooks(refused.text, "advice") == ["in_parts"]
    assert re.search(r"\b50\xa0000\b.*<textarea", source.get("/en/mailbox/write").text, re.DOTALL)
    assert not a_desk.thread_of(source).entries
    assert pending(a_desk) == 0


@pytest.mark.parametrize("name", ["PGP MESSAGE", "AGE ENCRYPTED FILE"])
def test_a_sealed_text_that_is_too_long_is_not_to_be_divided(source: SourceBrowser, name: str) -> None:
    """We cannot open a part of an encrypted text, so the advice is to send the text as a file."""
    refused = source.write(f"-----BEGIN {name}-----\n{'A' * 50_000}\n-----END {name}-----\n")

    assert hooks(refused.text, "refusal") == ["text_too_long"]
    assert hooks(refused.text, "advice") == ["as_a_file"]


def test_a_text_of_exactly_the_limit_is_taken(a_desk: ADesk, source: SourceBrowser) -> None:
    text = "漢\r\n" * 25_000

    assert source.write(text).status_code == 303
    assert a_desk.thread_of(source).entries[0].text == "漢\n" * 25_000


@pytest.mark.parametrize("mib", [4, 7, 30], ids=["a little over", "over", "more than is read away"])
def test_files_over_the_limit_are_refused_and_nothing_of_them_is_kept(
    a_desk: ADesk, source: SourceBrowser, mib: int
) -> None:
    refused = source.write(TEXT, [("a.bin", b"x" * 5 * MIB), ("b.bin", b"x" * mib * MIB)])

    assert refused.status_code == 413
    assert TEXT in refused.text
    assert hooks(refused.text, "refusal") == ["files_too_large"]
    assert "files_lost" in hooks(refused.text, "notice")
    assert pending(a_desk) == 0


def test_an_announced_length_over_every_limit_gets_an_answer(source: SourceBrowser) -> None:
    refused = source.send(
        multipart({**source.form_context(), "text": TEXT}, [("a.bin", b"x")]), length=10**12
    )

    assert refused.status_code == 413
    assert TEXT in refused.text
    assert refused.headers["Connection"] == "close"


def test_too_many_files_are_refused_with_the_text_back(a_desk: ADesk, source: SourceBrowser) -> None:
    for count in (4, 30):
        refused = source.write(TEXT, [(f"{number}.txt", b"x") for number in range(count)])
        assert refused.status_code == 413
        assert TEXT in refused.text
        assert hooks(refused.text, "refusal") == ["too_many_files"]
        assert re.search(
            r"\b3\b", refused.text.partition(hook("refusal", "too_many_files"))[2].partition("</div>")[0]
        )
    assert pending(a_desk) == 0


def test_a_form_with_fewer_fields_may_not_have_more_files(a_desk: ADesk, source: SourceBrowser) -> None:
    form_context = source.form_context()
    for name in ("closed", "warned"):
        form_context.pop(name, None)

    refused = source.write(TEXT, [(f"{number}.txt", b"x") for number in range(4)], form_context)

    assert refused.status_code == 413
    assert hooks(refused.text, "refusal") == ["too_many_files"]
    assert pending(a_desk) == 0


@pytest.mark.parametrize("file_bytes", [10, 3 * MIB])
def test_a_body_cut_off_in_a_file_gives_the_text_back(
    a_desk: ADesk, source: SourceBrowser, file_bytes: int
) -> None:
    form_context = source.form_context()
    body = multipart({**form_context, "text": TEXT}, [("a.bin", b"x" * file_bytes)], end=False)

    refused = source.send(body, length=len(body) + 1000)

    assert refused.status_code == 400
    assert TEXT in refused.text
    assert pending(a_desk) == 0
    assert source.write(TEXT, form_context=form_context).status_code == 303
    assert len(a_desk.thread_of(source).entries) == 1


def test_a_body_cut_off_in_the_text_gives_back_what_arrived(a_desk: ADesk, source: SourceBrowser) -> None:
    body = multipart({**source.form_context(), "text": TEXT}, [])
    cut = body[: body.index(TEXT.encode()) + 13]

    refused = source.send(cut, length=len(body))

    assert refused.status_code == 400
    assert TEXT[:13] in refused.text
    assert not a_desk.thread_of(source).entries


@pytest.mark.parametrize("off_by", [-20, 20])
def test_a_lying_content_length_keeps_nothing_and_loses_no_text(
    a_desk: ADesk, source: SourceBrowser, off_by: int
) -> None:
    body = multipart({**source.form_context(), "text": TEXT}, [("a.txt", b"x" * 100)])

    refused = source.send(body, length=len(body) + off_by)

    assert refused.status_code == 400
    assert TEXT in refused.text
    assert not a_desk.thread_of(source).entries


@pytest.mark.parametrize("place", ["in a file", "after the end", "before the beginning"])
def test_a_body_without_end_is_refused_at_a_bound(a_desk: ADesk, source: SourceBrowser, place: str) -> None:
    first = {
        "in a file": multipart({**source.form_context(), "text": TEXT}, [("a.bin", b"x")], end=False)[:-2],
        "after the end": multipart({**source.form_context(), "text": TEXT}, []),
        "before the beginning": b"x",
    }[place]
    endless = EndlessBody(first)

    refused = source.send(endless, chunked=True)

    assert refused.status_code in {400, 413}
    assert refused.headers["Connection"] == "close"
    assert (TEXT in refused.text) == (place != "before the beginning")
    assert endless.given < 40 * MIB
    assert not a_desk.thread_of(source).entries
    assert pending(a_desk) == 0


def test_a_chunked_body_that_ends_is_taken(source: SourceBrowser) -> None:
    body = multipart({**source.form_context(), "text": TEXT}, [("a.bin", b"x")])

    assert source.send(io.BytesIO(body), chunked=True).status_code == 303


def test_no_length_and_no_server_that_ends_the_body_is_no_body(source: SourceBrowser) -> None:
    body = io.BytesIO(multipart({**source.form_context(), "text": TEXT}, []))
    environ = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": body, "CONTENT_TYPE": MULTIPART}

    refused = source.client.post("/en/mailbox/write", environ_overrides=environ)

    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\\\temp\\\\a.pdf", "a.pdf"),
        ("a\x00\x1b[31mb.pdf", "a[31mb.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("n" * 5000 + ".pdf", "n" * 115 + "….pdf"),
        ("\u202e", "file"),
        ("<b>.pdf", "_b_.pdf"),
    ],
)
def test_a_file_name_does_no_harm(a_desk: ADesk, source: SourceBrowser, name: str, shown: str) -> None:
    assert source.write("see the file", [(name, b"content")]).status_code == 303

    (file,) = a_desk.thread_of(source).entries[0].files

    assert file.name == shown
    answer = source.get(f"/en/mailbox/files/{file.id}")
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Length"] == "7"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_a_file_name_out_of_all_bounds_gives_the_text_back(source: SourceBrowser) -> None:
    refused = source.write(TEXT, [("n" * 20_000, b"x")])

    assert refused.status_code == 400
    assert TEXT in refused.text


def test_what_is_no_form_is_refused(source: SourceBrowser) -> None:
    refused = source.client.post("/en/mailbox/write", data="hello", content_type="text/plain")

    assert refused.status_code == 400


def test_a_session_that_expired_while_writing_gives_the_text_to_the_log_in_page(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    form_context = source.form_context()
    text = 'line one\r\n<b>"line" two</b>'
    source.client.delete_cookie("mailbox")

    expired = source.write(text, [("a.bin", b"x" * 3 * MIB)], form_context)

    assert expired.status_code == 403
    assert hooks(expired.text, "notice") == ["text_kept", "files_lost"]
    assert "&lt;b&gt;" in expired.text
    assert pending(a_desk) == 0
    waiting = {**source.hidden(expired, "/en/log-in"), "text": text}
    failed = source.log_in("abacus", **waiting)
    assert failed.status_code == 200
    assert hooks(failed.text, "refusal") == ["no_mailbox"]
    assert "&lt;b&gt;" in failed.text
    waiting = {**source.hidden(failed, "/en/log-in"), "text": text}
    entered = source.log_in(source.passphrase, **waiting)
    assert entered.status_code == 200
    assert "line one\n&lt;b&gt;" in entered.text.replace("\r\n", "\n")
    sent = source.write(text, form_context=source.hidden(entered, "/en/mailbox/write"))
    assert sent.status_code == 303
    assert a_desk.thread_of(source).entries[0].text == text.replace("\r\n", "\n")


class SlowClient:
    """Connection as the server passes it to the app."""

    def __init__(self) -> None:
        self.is_hurried = False

    def hurry(self) -> None:
        self.is_hurried = True


@pytest.mark.parametrize(
    ("who", "headers", "is_hurried"),
    [
        ("no cookie", {}, True),
        ("a failed log-in", {}, True),
        ("a session", {}, False),
        ("an ended session", {}, False),
        ("no cookie", {"Origin": "http://elsewhere"}, True),
    ],
)
@pytest.mark.parametrize("path", ["/en/mailbox/write", "/en/log-in", "/en/nowhere"])
def test_the_server_is_less_patient_with_who_has_no_session(
    a_desk: ADesk, source: SourceBrowser, who: str, path: str, *, headers: dict[str, str], is_hurried: bool
) -> None:
    """A large body that arrives slowly occupies a thread. A session may end while its source writes."""
    if who == "no cookie":
        source.client.delete_cookie("mailbox")
    elif who == "a failed log-in":
        source.log_in("abacus")
    elif who == "an ended session":
        login.log_out(a_desk.desk, a_desk.token_of(source))
    client = SlowClient()

    source.client.post(path, environ_overrides={"gunicorn.socket": client}, headers=headers)

    assert client.is_hurried == is_hurried


def test_files_alone_that_come_without_a_session_are_said_to_be_not_sent(source: SourceBrowser) -> None:
    form_context = source.form_context()
    source.client.delete_cookie("mailbox")

    expired = source.write("", [("a.bin", b"x")], form_context)

    assert expired.status_code == 403
    assert hooks(expired.text, "refusal") == ["logged_out"]


def test_a_form_of_another_session_gives_the_text_back_with_a_fresh_form(source: SourceBrowser) -> None:
    form_context = source.form_context()
    source.log_in(source.passphrase)

    refused = source.write(TEXT, [("a.bin", b"x")], form_context)

    assert refused.status_code == 403
    assert TEXT in refused.text
    fresh = source.hidden(refused, "/en/mailbox/write")
    assert fresh["entry_id"] != form_context["entry_id"]
    assert source.write(TEXT, form_context=fresh).status_code == 303


def test_an_entry_id_that_we_did_not_give_is_refused(source: SourceBrowser) -> None:
    for made_up in (
        {"entry_id": "00" * 16},
        {"heads": "00" * 32},
        {"heads": "00" * 4},
        {"entry_id": "zz"},
        {"token": ""},
    ):
        assert source.write(TEXT, form_context={**source.form_context(), **made_up}).status_code == 403


def test_fields_after_the_files_are_too_late(a_desk: ADesk, source: SourceBrowser) -> None:
    form_context = source.form_context()
    body = multipart({}, [("a.bin", b"x")], end=False) + multipart({**form_context, "text": TEXT}, [])

    assert source.send(body, length=len(body)).status_code == 403
    assert pending(a_desk) == 0


def test_another_site_cannot_post_a_message(a_desk: ADesk, source: SourceBrowser) -> None:
    body = multipart({**source.form_context(), "text": TEXT}, [])

    for headers in ({"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        refused = source.client.post("/en/mailbox/write", data=body, content_type=MULTIPART, headers=headers)
        assert refused.status_code == 403
    assert not a_desk.thread_of(source).entries


def test_a_double_submit_is_one_entry_with_one_receipt(a_desk: ADesk, source: SourceBrowser) -> None:
    form_context = source.form_context()
    files = [("a.bin", b"x" * 2 * MIB), ("b.txt", b"")]

    first, second = (source.write(TEXT, files, form_context) for _ in range(2))

    assert first.status_code == second.status_code == 303
    assert first.location == second.location
    (entry,) = a_desk.thread_of(source).entries
    assert [source.get(f"/en/mailbox/files/{file.id}").data for file in entry.files] == [
        content for _, content in files
    ]


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("another text", [("a.bin", b"one")]),
        (TEXT, [("a.bin", b"two")]),
        (TEXT, [("b.bin", b"one")]),
        (TEXT, []),
        (TEXT, [("a.bin", b"one"), ("b.bin", b"one")]),
    ],
)
def test_a_used_form_with_another_message_never_gets_the_old_receipt(
    a_desk: ADesk, source: SourceBrowser, text: str, files: list[tuple[str, bytes]]
) -> None:
    form_context = source.form_context()
    source.write(TEXT, [("a.bin", b"one")], form_context)

    changed = source.write(text, files, form_context)

    assert changed.status_code == 422
    assert text in changed.text
    fresh = source.hidden(changed, "/en/mailbox/write")
    assert source.write(text, files, fresh).status_code == 303
    assert len(a_desk.thread_of(source).entries) == 2


def test_a_used_form_of_an_entry_that_was_deleted_gets_the_text_back(source: SourceBrowser) -> None:
    form_context = source.form_context()
    source.write(TEXT, form_context=form_context)
    delete = f"/en/mailbox/delete/{form_context['entry_id']}"
    source.post(delete, source.hidden(source.get(delete), delete))

    assert source.write(TEXT, form_context=form_context).status_code == 422


def test_two_tabs_write_two_entries(a_desk: ADesk, source: SourceBrowser) -> None:
    one, two = source.form_context(), source.form_context()

    assert source.write("from one", form_context=one).status_code == 303
    assert source.write("from two", form_context=two).status_code == 303

    assert [entry.text for entry in a_desk.thread_of(source).entries] == ["from one", "from two"]


def test_many_tabs_at_once_lose_nothing(a_desk: ADesk, source: SourceBrowser) -> None:
    cookie = source.client.get_cookie("mailbox")
    assert cookie is not None
    statuses: list[int] = []

    def write(number: int, form_context: Mapping[str, str]) -> None:
        tab = a_desk.browser()
        tab.client.set_cookie("mailbox", cookie.value)
        sent = tab.write(f"text {number}", [("a.bin", b"x" * 100)], form_context)
        statuses.append(sent.status_code)

    forms = [source.form_context() for _ in range(6)]  # a browser asks for six pages at a time
    threads = [threading.Thread(target=write, args=each) for each in enumerate(forms)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [303] * 6
    shown = a_desk.thread_of(source)
    assert sorted(entry.text for entry in shown.entries) == sorted(f"text {number}" for number in range(6))
    assert not shown.mailbox.left_out
    assert not shown.mailbox.is_missing_entries


def test_an_attempt_that_fails_does_not_take_the_files_of_another(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    form_context = source.form_context()
    body = multipart({**form_context, "text": TEXT}, [("a.bin", b"x" * 3 * MIB)])

    class CutsOffTheOther(io.RawIOBase):
        """Upload during which an earlier attempt at the same entry breaks off."""

        def __init__(self) -> None:
            self.at = 0

        def read(self, size: int = -1, /) -> bytes:
            if self.at < MIB <= self.at + size:
                other = multipart({**form_context, "text": TEXT}, [("a.bin", b"x" * 2 * MIB)], end=False)
                tab = a_desk.browser()
                cookie = source.client.get_cookie("mailbox")
                assert cookie is not None
                tab.client.set_cookie("mailbox", cookie.value)
                assert tab.send(other, length=len(other) + 9).status_code == 400
            piece = body[self.at : self.at + size]
            self.at += len(piece)
            return piece

    assert source.send(CutsOffTheOther(), length=len(body)).status_code == 303
    assert a_desk.thread_of(source).entries[0].files[0].size == 3 * MIB


def test_past_the_quota_files_are_refused_and_text_still_goes(tmp_path: Path) -> None:
    a_desk = make_desk(tmp_path, mailbox_bytes=2 * MIB)
    source = a_desk.browser()
    source.start()

    refused = source.write(TEXT, [("a.bin", b"x" * 3 * MIB)])

    assert refused.status_code == 507
    assert TEXT in refused.text
    assert hooks(refused.text, "refusal") == ["no_room"]
    assert pending(a_desk) == 0
    assert source.write(TEXT, form_context=source.hidden(refused, "/en/mailbox/write")).status_code == 303
    a_desk.store.close()


@pytest.mark.parametrize("bound", [{"entries": 2}, {"entries_bytes": 8_000}], ids=["many", "long"])
def test_a_source_who_never_stops_writing_is_stopped_with_the_text_back(
    a_desk: ADesk, source: SourceBrowser, bound: dict[str, int]
) -> None:
    limits = replace(a_desk.desk.limits, **bound)
    a_desk.app.extensions["desk"] = replace(a_desk.desk, limits=limits)
    first, second, third = source.form_context(), source.form_context(), source.form_context()
    source.write("one", form_context=first)
    sent = source.write("two", form_context=second)

    refused = source.write(TEXT, [("a.bin", b"x" * 100)], form_context=third)

    assert refused.status_code == 422
    assert TEXT in refused.text
    assert hooks(refused.text, "refusal") == ["mailbox_full"]
    assert pending(a_desk) == 0
    assert (
        source.write("two", form_context=second).location == sent.location
    )  # a double click does not send a third message


def test_large_files_do_not_make_a_mailbox_full_of_text(a_desk: ADesk, source: SourceBrowser) -> None:
    limits = replace(a_desk.desk.limits, entries_bytes=50_000)
    a_desk.app.extensions["desk"] = replace(a_desk.desk, limits=limits)
    source.write("one", [("a.bin", b"x" * 100_000)])

    assert source.write("two").status_code == 303


@pytest.mark.parametrize("breaks", [locked, missing, read_only, full])
@pytest.mark.parametrize("files", [[], [("a.bin", b"x" * MIB)]], ids=["text", "file"])
def test_a_store_that_takes_nothing_gives_the_text_back_and_keeps_no_half(
    a_desk: ADesk, source: SourceBrowser, breaks: Callable[[ADesk], Repair], files: list[tuple[str, bytes]]
) -> None:
    _gives_the_text_back(a_desk, source, breaks, files)


@pytest.mark.usefixtures("_on_database")
@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("breaks", [server_gone, server_read_only, server_without_connections])
@pytest.mark.parametrize("files", [[], [("a.bin", b"x" * MIB)]], ids=["text", "file"])
def test_a_server_that_takes_nothing_gives_the_text_back_and_keeps_no_half(
    a_desk: ADesk, source: SourceBrowser, breaks: Callable[[ADesk], Repair], files: list[tuple[str, bytes]]
) -> None:
    _gives_the_text_back(a_desk, source, breaks, files)


def _gives_the_text_back(
    a_desk: ADesk, source: SourceBrowser, breaks: Callable[[ADesk], Repair], files: list[tuple[str, bytes]]
) -> None:
    form_context = source.form_context()
    repair = breaks(a_desk)

    refused = source.write(TEXT, files, form_context)

    repair()
    assert refused.status_code == 503
    assert TEXT in refused.text
    assert hooks(refused.text, "refusal") == ["store"]
    assert not a_desk.thread_of(source).entries
    assert source.write(TEXT, files, source.hidden(refused, "/en/mailbox/write")).status_code == 303
    assert len(a_desk.thread_of(source).entries) == 1


def test_a_store_that_is_missing_gets_a_page_that_says_what_to_do(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    repair = missing(a_desk)

    answers = [
        source.get("/en/mailbox"),
        source.get("/en/mailbox/write"),
        source.log_in(source.passphrase, text=TEXT),
        source.write(TEXT, form_context={}),
    ]

    repair()
    assert {each.status_code for each in answers} == {503}
    assert all(each.headers["Retry-After"] for each in answers)
    assert [hooks(each.text, "failure") + hooks(each.text, "refusal") for each in answers] == [["store"]] * 4
    assert all(TEXT in each.text for each in answers[2:])


def test_sessions_that_do_not_answer_give_the_text_back(a_desk: ADesk) -> None:
    """Someone overwrote the file of the sessions while the site runs."""
    source = a_desk.browser()
    source.start()
    form_context = source.form_context()
    a_desk.desk.sessions.close()
    away = a_desk.config.sessions_path.rename(a_desk.config.sessions_path.with_name("away"))
    a_desk.config.sessions_path.write_bytes(b"no database" * 1000)

    refused = source.write("do not lose me", [("a.txt", b"a")], form_context)
    page = source.get("/en/mailbox")

    away.rename(a_desk.config.sessions_path)
    assert (refused.status_code, page.status_code) == (503, 503)
    assert "do not lose me" in refused.text
    assert hooks(page.text, "failure") == ["store"]
    assert source.write("do not lose me", form_context=form_context).status_code == 303


@pytest.mark.parametrize("files", [[], [("a.bin", b"x")]], ids=["text", "file"])
@pytest.mark.parametrize("is_old_form", [True, False])
def test_a_mailbox_that_ended_in_another_browser_gives_the_text_back(
    a_desk: ADesk, source: SourceBrowser, files: list[tuple[str, bytes]], *, is_old_form: bool
) -> None:
    form_context = source.form_context()
    other = a_desk.browser()
    other.log_in(source.passphrase)
    end = "/en/mailbox/end"
    other.post(end, {**other.hidden(other.get(end), end), "sure": "y"})

    gone = source.write(TEXT, files, {} if is_old_form else form_context)

    assert gone.status_code == 404
    assert hooks(gone.text, "failure") == ["gone"]
    assert TEXT in gone.text
    assert source.get("/en/mailbox").location == "/en/log-in"


@pytest.mark.parametrize("by", ["the source", "the desk"])
def test_a_mailbox_that_ends_during_an_upload_says_so_and_gives_the_text_back(
    a_desk: ADesk, source: SourceBrowser, by: str
) -> None:
    keys = a_desk.keys_of(source)
    body = multipart({**source.form_context(), "text": TEXT}, [("a.bin", b"x" * 5 * MIB)])

    def end() -> None:
        if by == "the source":
            a_desk.end(source)
        else:
            with a_desk.store.writing() as writing:
                mailboxes.purge_mailbox(writing, keys.address, proof=b"a proof", day=TODAY)

    gone = source.send(Interrupted(body, at=3 * MIB, by=end), length=len(body))

    assert gone.status_code == 404
    assert hooks(gone.text, "failure") == ["gone"]
    assert TEXT in gone.text
    assert pending(a_desk) == 0
    assert source.get("/en/mailbox").location == "/en/log-in"


def _overtaken(a_desk: ADesk, source: SourceBrowser, times: int) -> Posting:
    """Return a message for which other tabs write an entry just after the message was signed, each time."""
    numbers = itertools.count()
    desk = a_desk.overtaken(lambda: source.write(f"faster {next(numbers)}"), times)
    keys = a_desk.keys_of(source)
    return Posting(desk, keys, FormContext.new(keys.address, (), ()), TEXT, "en", now=1)


def test_a_message_that_is_overtaken_takes_the_next_place(a_desk: ADesk, source: SourceBrowser) -> None:
    _overtaken(a_desk, source, 3).commit(today=TODAY)

    thread = a_desk.thread_of(source)
    assert [entry.text for entry in thread.entries] == ["faster 0", "faster 1", "faster 2", TEXT]
    assert not thread.mailbox.left_out


def test_a_message_that_is_overtaken_for_ever_is_refused_at_a_bound(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    with pytest.raises(MailboxChangedError):
        _overtaken(a_desk, source, 1000).commit(today=TODAY)


def test_a_small_file_for_which_there_is_no_room_is_refused_and_the_text_comes_back(tmp_path: Path) -> None:
    a_desk = make_desk(tmp_path, mailbox_bytes=1000)
    source = a_desk.browser()
    source.start()

    refused = source.write(TEXT, [("small.txt", b"x")])

    assert refused.status_code == 507
    assert hooks(refused.text, "refusal") == ["no_room"]
    assert TEXT in refused.text
    a_desk.store.close()


def test_a_mailbox_that_ends_just_before_the_commit_takes_nothing(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    keys = a_desk.keys_of(source)
    ending = a_desk.overtaken(lambda: a_desk.end(source))

    with pytest.raises(NoSuchMailboxError):
        Posting(ending, keys, FormContext.new(keys.address, (), ()), TEXT, "en", now=1).commit(today=TODAY)


def test_a_file_without_a_name_is_not_lost(a_desk: ADesk, source: SourceBrowser) -> None:
    source.write("", [("", b"content")])

    (file,) = a_desk.thread_of(source).entries[0].files
    assert source.get(f"/en/mailbox/files/{file.id}").data == b"content"
    assert file.name == "file"


def test_a_large_file_comes_back_as_it_was(tmp_path: Path) -> None:
    a_desk = make_desk(tmp_path, upload_bytes=64 * MIB)
    source = a_desk.browser()
    source.start()
    content = b"0123456789abcdef" * (2 * MIB) + b"!"  # its padding takes more than a chunk

    assert source.write("", [("a.bin", content)]).status_code == 303

    (file,) = a_desk.thread_of(source).entries[0].files
    assert source.get(f"/en/mailbox/files/{file.id}").data == content
    a_desk.store.close()


def test_an_error_of_our_own_is_not_called_a_refusal() -> None:
    def broken(_fields: Mapping[str, str]) -> Posting | None:
        raise ZeroDivisionError

    body = multipart({"text": TEXT}, [])
    limits = FormLimits(1, {"text": MIB})
    with pytest.raises(ZeroDivisionError):
        receive_form(Body(io.BytesIO(body), len(body), MIB), MULTIPART, limits, admit=broken, commit=str)


def test_a_mailbox_that_others_change_at_every_attempt_gives_the_text_back(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    def change() -> None:
        with a_desk.store.writing() as writing:
            writing.execute(update(MailboxRow).values(version=MailboxRow.version + 1))

    form_context = source.form_context()
    a_desk.app.extensions["desk"] = a_desk.overtaken(change, 1000)
    refused = source.write(TEXT, form_context=form_context)
    assert refused.status_code == 503
    assert TEXT in refused.text
