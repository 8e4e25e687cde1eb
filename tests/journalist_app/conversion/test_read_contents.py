"""The text of an e-mail message in HTML, whatever its white space, and damaged messages of Outlook."""

import struct
import time
from contextlib import suppress
from email.message import EmailMessage

import pytest

from journalist_app.conversion import read_contents
from tests.journalist_app.conversion.outlook_files import an_outlook_message


def words_of(html: str) -> str:
    message = EmailMessage()
    message.set_content(html, subtype="html", cte="8bit")
    return read_contents._text(message)


def test_lines_of_white_space_become_one_blank_line() -> None:
    html = "<div>one</div> <b> </b><p> \n </p>two<br>three <b> </b> four<br><br> <i> </i>"

    assert words_of(html) == "one\n\ntwo\nthree   four"


@pytest.mark.slow
def test_a_message_of_white_space_does_not_take_the_square_of_its_length() -> None:
    """Processor time, not a clock: 16 times the spaces would take 256 times as long in a square."""

    def seconds(count: int) -> float:
        html = "x" + "<b> </b>" * count + "x"
        since = time.thread_time()
        words_of(html)
        return time.thread_time() - since

    assert seconds(32_000) < 64 * min(seconds(2000) for _ in range(3))


def test_a_damaged_message_of_outlook_is_read_to_an_end() -> None:
    """Attack: sectors that follow each other in a circle, and folders that contain themselves."""
    whole = an_outlook_message({"1000": "Dag" * 1000}, {"a": b"x"})
    read = 0

    for place in range(0, len(whole), 4):
        with suppress(struct.error, IndexError):  # the program ends, and the app says that it failed
            read_contents._outlook(whole[:place] + bytes(4) + whole[place + 4 :])
            read += 1

    assert read > len(whole) // 8
