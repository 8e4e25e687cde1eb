"""After Send, the button Back shows the sent text again. Sending this text again adds no message."""

from collections.abc import Callable
from datetime import date

import pytest

from protocol.content import Verdict
from protocol.entry import SignedEntry
from protocol.envelope import Author, EntryClass
from protocol.mailbox_keys import MailboxKeys
from protocol.session import token_hash
from store import mailboxes
from tests.pages import hooks
from tests.source_app.answering_proposals import say
from tests.source_app.desks import ADesk, SourceBrowser
from tests.stores import as_operator

TEXT = "a text with <signs>\r\nand lines"
FILES = [("one.txt", b"1" * 70_000), ("two.txt", b"2")]


def _messages(a_desk: ADesk, keys: MailboxKeys) -> list[SignedEntry]:
    return a_desk.entries_of(keys, EntryClass.WORDS, Author.SOURCE)


def _bytes(a_desk: ADesk, keys: MailboxKeys) -> int:
    with a_desk.store.reading() as reading:
        row = mailboxes.find(reading, keys.address)
    assert row is not None
    return row.sealed_bytes


# ---- the same message again, on every road that leads to the form ---------------------------------------


def _back(source: SourceBrowser, _: ADesk) -> dict[str, str]:
    return source.form_context()  # the browser fetches the page again


def _in_dutch(source: SourceBrowser, _: ADesk) -> dict[str, str]:
    write = "/nl/mailbox/write"
    return source.hidden(source.get(write), write)


def _kept_while_reading(source: SourceBrowser, _: ADesk) -> dict[str, str]:
    source.post("/en/mailbox/keep", {**source.form_context(), "text": TEXT, "look": "/en/help"})
    return source.form_context()


def _after_the_session_ended(source: SourceBrowser, a_desk: ADesk) -> dict[str, str]:
    old = source.form_context()
    a_desk.desk.sessions.drop(token_hash(a_desk.token_of(source)))
    asked = source.write(TEXT, form_context=old)
    back = source.log_in(source.passphrase, **source.hidden(asked, "/en/log-in"), text=TEXT)
    return source.hidden(back, "/en/mailbox/write")


@pytest.mark.parametrize("road", [_back, _in_dutch, _kept_while_reading, _after_the_session_ended])
@pytest.mark.parametrize("files", [[], FILES])
def test_a_message_that_is_sent_again_leads_to_the_first_receipt(
    a_desk: ADesk,
    source: SourceBrowser,
    keys: MailboxKeys,
    road: Callable[[SourceBrowser, ADesk], dict[str, str]],
    files: list[tuple[str, bytes]],
) -> None:
    first = source.write(TEXT, files)
    before = _bytes(a_desk, keys)

    second = source.write(TEXT, files, form_context=road(source, a_desk))

    assert second.location == first.location
    assert len(_messages(a_desk, keys)) == 2
    assert _bytes(a_desk, keys) == before  # the second copies of the files are gone
    assert hooks(source.get(second.location).text, "page") == ["mailbox/received"]
    assert hooks(source.get("/en/mailbox").text, "notice") == ["waiting"]  # no text is unsent


def test_two_tabs_with_one_text_add_one_message(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    forms = source.form_context(), source.form_context()

    one, two = (source.write(TEXT, form_context=form) for form in forms)

    assert one.location == two.location
    assert len(_messages(a_desk, keys)) == 2


def test_an_answer_that_the_source_was_not_shown_is_announced(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    first = source.write(TEXT)
    a_desk.answer(keys, "an answer")

    second = source.write(TEXT)

    assert second.location == first.location
    assert hooks(source.get(second.location).text, "notice") == ["received", "news"]


# ---- not the same message: nothing that a source means to say is dropped --------------------------------


def _an_answer_was_shown(source: SourceBrowser, a_desk: ADesk) -> None:
    a_desk.answer(a_desk.keys_of(source), "may I ask something else?")
    source.get("/en/mailbox")


def _the_mailbox_was_closed(source: SourceBrowser, a_desk: ADesk) -> None:
    """Even a source who did not see the closing may want to open the mailbox again."""
    a_desk.close(a_desk.keys_of(source), "closed", date(2026, 6, 1))


def _the_first_was_deleted(source: SourceBrowser, a_desk: ADesk) -> None:
    keys = a_desk.keys_of(source)
    a_desk.delete(keys, _messages(a_desk, keys)[-1].envelope.entry_id)


def _another_was_sent(source: SourceBrowser, _: ADesk) -> None:
    source.write("another text")


def _the_first_is_unreadable(_: SourceBrowser, a_desk: ADesk) -> None:
    with as_operator(a_desk.store) as operator:
        operator.execute("UPDATE sealed SET payload = zeroblob(64)")


def _the_first_has_a_forged_envelope(source: SourceBrowser, a_desk: ADesk) -> None:
    _change_newest(source, a_desk, "signature")


def _the_row_is_hidden(source: SourceBrowser, a_desk: ADesk) -> None:
    _change_newest(source, a_desk, "digest")


def _change_newest(source: SourceBrowser, a_desk: ADesk, column: str) -> None:
    newest = _messages(a_desk, a_desk.keys_of(source))[-1]
    with as_operator(a_desk.store) as operator:
        changed = f"UPDATE entry SET {column} = zeroblob(32) WHERE digest = :digest"  # noqa: S608  # ours
        operator.execute(changed, {"digest": newest.digest})


@pytest.mark.parametrize(
    "since",
    [
        _an_answer_was_shown,
        _the_mailbox_was_closed,
        _the_first_was_deleted,
        _another_was_sent,
        _the_first_is_unreadable,
        _the_first_has_a_forged_envelope,
        _the_row_is_hidden,
    ],
)
def test_the_same_words_are_a_new_message_if_something_came_in_between(
    a_desk: ADesk, source: SourceBrowser, since: Callable[[SourceBrowser, ADesk], None]
) -> None:
    first = source.write("yes")
    since(source, a_desk)

    second = source.write("yes")

    assert second.status_code == 303
    assert second.location.partition("?")[0] != first.location


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("a text with <signs>", FILES),
        (TEXT, FILES[:1]),
        (TEXT, []),
        (TEXT, [("one.txt", b"1" * 69_999 + b"2"), FILES[1]]),
        (TEXT, [("another.txt", FILES[0][1]), FILES[1]]),
    ],
)
def test_another_text_or_file_is_another_message(
    source: SourceBrowser, text: str, files: list[tuple[str, bytes]]
) -> None:
    first = source.write(TEXT, FILES)

    assert source.write(text, files).location != first.location


def test_a_wish_about_a_proposal_is_not_a_message(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    """A message with the words of a wish is new: the desk reads the message outside the proposal."""
    say(source, a_desk.propose(keys, "to pass on"), Verdict.CHANGES_ASKED, text=TEXT)

    sent = source.write(TEXT)

    newest = _messages(a_desk, keys)[-1].envelope.entry_id
    assert sent.location.endswith(newest.hex())
