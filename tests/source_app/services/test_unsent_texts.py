"""Unsent texts: what was typed and not sent is kept sealed, opens in its own mailbox alone, and expires."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from source_app.services import login, unsent_texts
from source_app.services.login import MailboxSession
from store.errors import StoreError
from tests.source_app.desks import TODAY, ADesk

TEXT = "typed and not sent. " * 2_000


@pytest.fixture
def here(a_desk: ADesk) -> MailboxSession:
    return a_mailbox(a_desk)


def a_mailbox(a_desk: ADesk) -> MailboxSession:
    words, ticket = login.draw_passphrase(a_desk.desk, "en", now=1)
    return login.start_mailbox(a_desk.desk, ticket, " ".join(words), today=TODAY, now=1)


def rows_of(a_desk: ADesk) -> set[bytes]:
    with sqlite3.connect(a_desk.config.sessions_path) as connection:
        return {box for (box,) in connection.execute("SELECT box FROM session")}


def test_an_unsent_text_comes_back_in_its_mailbox_also_after_another_log_in(
    a_desk: ADesk, here: MailboxSession
) -> None:
    unsent_texts.keep_typed(a_desk.desk, here, "", TEXT, now=1)
    login.log_out(a_desk.desk, here.token)
    again = replace(here, token=bytes(32))

    assert unsent_texts.find_typed(a_desk.desk, again, "", now=1) == TEXT


def test_no_other_mailbox_and_no_other_server_opens_an_unsent_text(
    a_desk: ADesk, here: MailboxSession
) -> None:
    unsent_texts.keep_typed(a_desk.desk, here, "", TEXT, now=1)

    assert unsent_texts.find_typed(a_desk.desk, a_mailbox(a_desk), "", now=1) == ""
    assert unsent_texts.find_typed(replace(a_desk.desk, server_secret=bytes(32)), here, "", now=1) == ""


@pytest.mark.parametrize("length", [1, 8_000, 8_192, 50_000])
def test_the_rows_of_an_unsent_text_show_neither_its_text_nor_its_exact_length(
    a_desk: ADesk, here: MailboxSession, length: int
) -> None:
    before = rows_of(a_desk)

    unsent_texts.keep_typed(a_desk.desk, here, "", "y" * length, now=1)

    rows = rows_of(a_desk) - before
    assert {len(row) for row in rows} == {8_192}
    assert not any(b"yyyy" in row for row in rows)
    assert unsent_texts.find_typed(a_desk.desk, here, "", now=1) == "y" * length


def test_an_unsent_text_expires_as_a_session_does(a_desk: ADesk, here: MailboxSession) -> None:
    unsent_texts.keep_typed(a_desk.desk, here, "", TEXT, now=1)

    assert unsent_texts.find_typed(a_desk.desk, here, "", now=a_desk.desk.session_half_hours) == TEXT
    assert unsent_texts.find_typed(a_desk.desk, here, "", now=1 + a_desk.desk.session_half_hours) == ""


def test_each_form_has_its_own_text_and_the_newest_three_stay(a_desk: ADesk, here: MailboxSession) -> None:
    for place in ("", "aa", "bb", "cc"):
        unsent_texts.keep_typed(a_desk.desk, here, place, f"text of {place}", now=1)

    found = [unsent_texts.find_typed(a_desk.desk, here, place, now=1) for place in ("", "aa", "bb", "cc")]
    assert found == ["", "text of aa", "text of bb", "text of cc"]


def test_an_unsent_text_that_is_sent_or_emptied_leaves_no_row(a_desk: ADesk, here: MailboxSession) -> None:
    before = rows_of(a_desk)
    unsent_texts.keep_typed(a_desk.desk, here, "", TEXT, now=1)
    unsent_texts.keep_typed(a_desk.desk, here, "", "", now=1)

    assert rows_of(a_desk) == before


def test_texts_of_several_tabs_that_are_kept_at_once_all_stay(a_desk: ADesk, here: MailboxSession) -> None:
    """A source presses links in three tabs, or twice in one tab. The site keeps the texts in parallel."""
    places = ("", "aa", "bb")
    for text in (f"{TEXT}{round_}" for round_ in range(3)):
        with ThreadPoolExecutor(6) as pool:
            keeping = [
                pool.submit(unsent_texts.keep_typed, a_desk.desk, here, place, place + text, now=1)
                for place in places * 2
            ]
        assert not any(each.exception() for each in keeping)
        found = [unsent_texts.find_typed(a_desk.desk, here, place, now=1) for place in places]
        assert found == [place + text for place in places]


def test_half_a_text_is_no_text(a_desk: ADesk, here: MailboxSession) -> None:
    """Someone changed a row."""
    unsent_texts.keep_typed(a_desk.desk, here, "", TEXT, now=1)
    with sqlite3.connect(a_desk.config.sessions_path) as connection:
        (name,) = connection.execute(
            "SELECT max(token_hash) FROM session WHERE length(box) = 8192"
        ).fetchone()
        connection.execute("UPDATE session SET box = zeroblob(8192) WHERE token_hash = ?", (name,))

    assert unsent_texts.find_typed(a_desk.desk, here, "", now=1) == ""


def test_a_flood_of_unsent_texts_does_not_fill_the_memory(
    a_desk: ADesk, here: MailboxSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsent_texts.keep_typed(a_desk.desk, here, "aa", "before", now=1)
    unsent_texts.keep_typed(a_desk.desk, here, "bb", "sent later", now=1)
    monkeypatch.setattr("source_app.services.unsent_texts._SESSIONS_BYTES_MAX", 1)

    with pytest.raises(StoreError):
        unsent_texts.keep_typed(a_desk.desk, here, "", TEXT, now=1)
    unsent_texts.keep_typed(a_desk.desk, here, "bb", "", now=1)

    # The flood takes no text that was kept before, and a text that was sent does not come back.
    found = [unsent_texts.find_typed(a_desk.desk, here, place, now=1) for place in ("", "aa", "bb")]
    assert found == ["", "before", ""]
