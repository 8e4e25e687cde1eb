"""Any name of a file arrives unharmed or visibly replaced: no file is lost with its name, and no message."""

import re

import pytest

from tests.pages import hooks
from tests.source_app.desks import ADesk, SourceBrowser, multipart


def received(source: SourceBrowser, names: list[bytes], content: bytes = b"some evidence\n") -> str:
    """Send a message with files of these raw names, and return the receipt."""
    marks = [(f"NAME{place}", content) for place in range(len(names))]
    body = multipart({**source.form_context(), "text": "hello"}, marks)
    for place, name in enumerate(names):
        body = body.replace(f"NAME{place}".encode(), name)
    return source.get(source.send(body, length=len(body)).location).text


def named(page: str) -> list[tuple[str, str]]:
    """Return the names of the files on a page, and their sizes in bytes."""
    return re.findall(r'<bdi>(.*?)</bdi>(?:</a>)? <span class="soft">\((\d+)[^)]*\)', page)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"evidence\\", "evidence"),
        (b"part\\two.txt", "part_two.txt"),
        (b"\\\\server\\share\\ansv\\note.txt", "note.txt"),
        (b"C:\\Users\\ansv\\note.txt", "note.txt"),
        (b"a;b=c\\n.txt", "a;b=c_n.txt"),
        ("\U0001fa77.jpg".encode(), "\U0001fa77.jpg"),
        (b".jpg", "file.jpg"),
        ("می\u200cروم.pdf".encode(), "می\u200cروم.pdf"),
        ("क्\u200dष.txt".encode(), "क्\u200dष.txt"),
        (b"rapport-\xe9t\xe9.txt", "rapport-été.txt"),
        (b"\x95\xf1\x8d\x90.txt", "\u2022\u00f1\ufffd\ufffd.txt"),
        ("漢".encode() * 100 + b".pdf", "漢" * 64 + "….pdf"),
        (b"", "file"),
        ("\u3164".encode(), "file"),
        ("com¹.txt".encode(), "_com¹.txt"),
        (b"a%22b.txt", "a_b.txt"),
    ],
)
def test_a_file_of_any_name_is_on_the_receipt_and_in_the_mailbox(
    a_desk: ADesk, name: bytes, shown: str
) -> None:
    source = a_desk.browser()
    source.start()

    receipt = received(source, [name])

    assert named(receipt) == [(shown, "14")]
    mailbox = source.get("/en/mailbox").text
    assert named(mailbox) == [(shown, "14")]
    (link,) = re.findall(r'href="(/en/mailbox/files/[^"]*)"', mailbox)
    assert source.get(link).data == b"some evidence\n"


def test_two_files_of_one_name_are_both_on_the_receipt(a_desk: ADesk) -> None:
    source = a_desk.browser()
    source.start()

    assert named(received(source, [b"scan.jpg", b"scan.jpg"])) == [("scan.jpg", "14")] * 2


def test_a_file_without_bytes_is_kept_and_the_page_says_that_it_is_empty(a_desk: ADesk) -> None:
    source = a_desk.browser()
    source.start()

    receipt = received(source, [b"empty.pdf"], b"")

    assert named(receipt) == [("empty.pdf", "0")]
    assert hooks(receipt, "notice") == ["received", "file_names", "empty_file"]


def test_a_form_with_no_file_chosen_sends_none(a_desk: ADesk) -> None:
    source = a_desk.browser()
    source.start()

    assert named(received(source, [b""], b"")) == []
