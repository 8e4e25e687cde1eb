"""A source writes, comes back, reads the answer, deletes a message and ends the mailbox."""

import re

import pytest

from tests.pages import hooks
from tests.source_app.desks import ADesk


@pytest.mark.usefixtures("_on_database")
@pytest.mark.databases("sqlite", "postgresql")
def test_a_source_writes_and_comes_back_for_the_answer_and_ends_it(a_desk: ADesk) -> None:
    source = a_desk.browser()
    source.start()
    content = bytes(range(256)) * 9000

    sent = source.write("first words\r\nsecond line", [("photo.png", content), ("empty.txt", b"")])
    assert sent.status_code == 303
    receipt = source.get(sent.location)
    assert receipt.status_code == 200
    assert "5 March 2026" in receipt.text

    keys = a_desk.keys_of(source)
    a_desk.answer(keys, "the adviser answers", file=("answer.txt", b"from the desk"))

    later = a_desk.browser()
    entered = later.log_in("  " + source.passphrase.upper().replace(" ", ",\n") + "\n")
    assert entered.status_code == 303
    page = later.get(entered.location)
    assert "the adviser answers" in page.text
    assert "first words<br>second line" in page.text
    files = dict(re.findall(r'href="(/en/mailbox/files/[0-9a-f]+)"[^>]*><bdi>([^<]+)</bdi>', page.text))
    by_name = {name: later.get(path) for path, name in files.items()}
    assert by_name["photo.png"].data == content
    assert by_name["answer.txt"].data == b"from the desk"
    assert by_name["empty.txt"].data == b""

    own = sent.location.rpartition("/")[2]
    delete = f"/en/mailbox/delete/{own}"
    assert later.post(delete, later.hidden(later.get(delete), delete)).status_code == 303
    page = later.get("/en/mailbox")
    assert "first words" not in page.text
    assert later.get(next(path for path, name in files.items() if name == "photo.png")).status_code == 404

    end = "/en/mailbox/end"
    assert later.post(end, {**later.hidden(later.get(end), end), "sure": "y"}).status_code == 303
    assert later.get("/en/mailbox").status_code == 303
    assert hooks(later.log_in_and_follow(source.passphrase).text, "refusal") == ["no_mailbox"]
