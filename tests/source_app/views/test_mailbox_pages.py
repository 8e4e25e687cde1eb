"""Reading a mailbox: the page shows every entry that passes all checks, and no other entry."""

import re
import secrets
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import delete, update

from protocol.envelope import Author, EntryClass
from protocol.identifiers import StrandId
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import DeskWriter
from source_app.errors import NotFoundError
from source_app.services import deleting, login
from source_app.services.mailbox_files import open_file
from source_app.services.new_entry import draft_entry
from source_app.services.thread import Expected, message_receipt, read_thread
from store.database.schema import EntryRow, SealedRow
from store.errors import NoSuchMailboxError
from stored_mailbox.entry_form import FormContext
from tests.pages import hook, hooks
from tests.source_app.answering_proposals import say
from tests.source_app.desks import STRAND, TODAY, ADesk, SourceBrowser


@pytest.fixture
def source(a_desk: ADesk) -> SourceBrowser:
    browser = a_desk.browser()
    browser.start()
    return browser


def stranger(a_desk: ADesk) -> SourceBrowser:
    """Return the browser of another source, with another mailbox."""
    browser = a_desk.browser()
    browser.start()
    return browser


def test_an_empty_mailbox_waits_for_nothing(a_desk: ADesk, source: SourceBrowser) -> None:
    thread = a_desk.thread_of(source)

    assert thread.entries == ()
    assert thread.newest_reply is None
    assert thread.expect is None
    assert not thread.is_answered


def test_the_newest_reply_is_unmissable(a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys) -> None:
    source.write("a question")
    a_desk.answer(keys, "the first answer")
    a_desk.answer(keys, "the newest answer")
    a_desk.receipt(keys)

    thread = a_desk.thread_of(source)
    page = source.get("/en/mailbox").text

    assert thread.newest_reply is not None
    assert thread.newest_reply.text == "the newest answer"
    assert thread.is_answered
    assert thread.expect is None
    assert len(thread.entries) == 3
    assert page.index(hook("notice", "answer")) < page.index("a question")
    assert f'href="#entry-{thread.newest_reply.id}"' in page
    assert f'id="entry-{thread.newest_reply.id}"' in page


def test_a_read_receipt_of_the_desk_says_seen_and_answers_nothing(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("a question")
    waited_for = a_desk.thread_of(source).expect
    a_desk.receipt(keys)

    thread = a_desk.thread_of(source)

    (question,) = thread.entries
    assert TODAY == question.seen_on
    assert not thread.is_answered
    assert waited_for is not None
    assert waited_for == thread.expect


def test_a_read_receipt_of_the_source_waits_for_no_answer(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("a question")
    a_desk.answer(keys, "an answer")
    a_desk.receipt_of_source(keys)

    thread = a_desk.thread_of(source)

    assert ["a question", "an answer"] == [each.text for each in thread.entries]
    assert thread.is_answered
    assert thread.expect is None
    assert not thread.mailbox.left_out


def test_a_message_that_the_desk_read_is_shown_as_seen(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("one")
    source.write("two")
    a_desk.answer(keys, "seen both")
    source.write("three")

    assert [(entry.text, entry.seen_on) for entry in a_desk.thread_of(source).entries if entry.is_own] == [
        ("one", TODAY),
        ("two", TODAY),
        ("three", None),
    ]


def test_an_answer_that_came_while_writing_is_not_called_seen(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("one")
    shown = a_desk.answer(keys, "before")
    source.get("/en/mailbox")
    form_context = source.form_context()
    a_desk.answer(keys, "meanwhile")
    source.write("two", form_context=form_context)

    sent = a_desk.entries_of(keys, EntryClass.WORDS, Author.SOURCE)[-1]
    assert sent.envelope.entry_id.hex() == form_context["entry_id"]
    assert [head.digest for head in sent.envelope.heads if head.strand] == [shown.digest]


def test_the_expected_day_is_that_of_the_oldest_entry_that_waits(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("answered")
    a_desk.answer(keys, "answer")
    source.write("waits")

    thread = a_desk.thread_of(source)

    assert thread.expect == Expected(date(2026, 3, 5), is_late=False)
    assert not thread.is_answered


def test_a_deleted_entry_waits_for_no_answer(a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys) -> None:
    sent = source.write("take back")
    a_desk.delete(keys, bytes.fromhex(sent.location.rpartition("/")[2]))

    thread = a_desk.thread_of(source)

    assert thread.expect is None
    assert thread.entries[0].is_removed
    assert thread.entries[0].text == ""
    assert not thread.mailbox.left_out
    assert not thread.mailbox.is_missing_entries


def _delete(source: SourceBrowser, entry_id: str) -> None:
    path = f"/en/mailbox/delete/{entry_id}"
    assert source.post(path, source.hidden(source.get(path), path)).status_code == 303


def test_an_emptied_mailbox_promises_no_answer(a_desk: ADesk, source: SourceBrowser) -> None:
    _delete(source, source.write("take back").location.rpartition("/")[2])

    page = source.get("/en/mailbox").text

    assert hooks(page, "notice") == ["emptied"]
    assert hooks(page, "expected") == []
    assert hooks(page, "next") == ["may_write"]
    assert hooks(page, "step") == ["received"]
    assert a_desk.thread_of(source).is_emptied


def test_an_answer_stays_the_news_when_what_came_after_it_is_deleted(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("a question")
    a_desk.answer(keys, "an answer")
    _delete(source, source.write("take back").location.rpartition("/")[2])

    page = source.get("/en/mailbox").text

    assert hooks(page, "notice") == ["answer"]
    assert hooks(page, "next") == ["may_write"]


def test_a_message_that_is_left_still_waits_when_a_newer_one_is_deleted(source: SourceBrowser) -> None:
    source.write("a question")
    _delete(source, source.write("take back").location.rpartition("/")[2])

    page = source.get("/en/mailbox").text

    assert hooks(page, "notice") == ["waiting"]
    assert hooks(page, "expected") == ["2026-03-05"] * 2
    assert "Thursday 5 March 2026" in page
    assert hooks(page, "next") == ["reads"]


def test_a_message_whose_answer_was_deleted_waits_for_no_other(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("a question")
    _delete(source, a_desk.answer(keys, "an answer").envelope.entry_id.hex())

    page = source.get("/en/mailbox").text

    assert hooks(page, "notice") == ["answer_deleted"]
    assert hooks(page, "expected") == []
    assert hooks(page, "next") == ["may_write"]


def test_an_older_answer_is_no_news_when_the_newest_one_is_deleted(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("a question")
    a_desk.answer(keys, "an answer")
    source.get("/en/mailbox")
    source.write("another question")
    _delete(source, a_desk.answer(keys, "another answer").envelope.entry_id.hex())

    page = source.get("/en/mailbox").text

    assert hooks(page, "notice") == ["answer_deleted"]
    assert hooks(page, "expected") == []


@pytest.mark.parametrize("writes", [True, False])
def test_an_answer_that_does_not_open_is_not_called_deleted(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, *, writes: bool
) -> None:
    """Attack: the operator changes the header of the only answer. No one deleted the answer."""
    if writes:
        source.write("a question")
    a_desk.answer(keys, "an answer")
    with a_desk.store.writing() as writing:
        newest = writing.query(EntryRow.id).filter_by(author=1)
        writing.execute(update(SealedRow).where(SealedRow.id.in_(newest)).values(header=b"damaged"))

    page = source.get("/en/mailbox").text

    assert hooks(page, "notice") == ["left_out", "not_shown"] if writes else ["left_out"]
    assert "deleted" not in page
    assert "still empty" not in page


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("what", ["delete", "end"])
def test_after_a_log_out_the_page_says_that_nothing_was_deleted_or_ended(
    a_desk: ADesk, source: SourceBrowser, lang: str, what: str
) -> None:
    own = source.write("mine").location.rpartition("/")[2]
    path = f"/{lang}/mailbox/end" if what == "end" else f"/{lang}/mailbox/delete/{own}"
    form = {**source.hidden(source.get(path), path), "sure": "y"}
    source.client.delete_cookie("mailbox")

    refused = source.post(path, form)

    assert refused.status_code == 403
    assert f'<html lang="{lang}"' in refused.text
    assert hooks(refused.text, "refusal") == ["logged_out"]
    assert f'action="/{lang}/log-in"' in refused.text
    assert hooks(source.get(path).text, "refusal") == []
    source.log_in(source.passphrase)
    assert a_desk.thread_of(source).entries[0].text == "mine"


def test_a_forged_reply_is_never_shown(a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys) -> None:
    source.write("a question")
    a_desk.answer(keys, "FORGED", writer=DeskWriter(STRAND, secrets.token_bytes(32)))

    thread = a_desk.thread_of(source)
    page = source.get("/en/mailbox").text

    assert thread.mailbox.left_out
    assert thread.newest_reply is None
    assert "FORGED" not in page
    assert "left_out" in hooks(page, "notice")


def test_a_reply_of_a_workstation_that_the_desk_does_not_know_is_never_shown(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    a_desk.answer(keys, "FORGED", writer=DeskWriter(StrandId(b"other-on"), a_desk.writer.seed))

    assert a_desk.thread_of(source).mailbox.left_out
    assert "FORGED" not in source.get("/en/mailbox/save").text


def test_an_entry_that_is_no_entry_is_left_out(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    entry = a_desk.answer(keys, "real")
    with a_desk.store.writing() as writing:
        writing.execute(update(EntryRow).values(envelope=b"nonsense"))

    assert a_desk.thread_of(source).mailbox.left_out
    with pytest.raises(NotFoundError):
        message_receipt(a_desk.desk, keys, entry.envelope.entry_id)


def test_an_entry_whose_header_was_swapped_is_left_out(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    sent = source.write("mine")
    a_desk.answer(keys, "theirs")
    with a_desk.store.writing() as writing:
        headers = {row.id: row.header for row in writing.query(SealedRow)}
        for row, header in zip(headers, reversed(headers.values()), strict=True):
            writing.execute(update(SealedRow).where(SealedRow.id == row).values(header=header))

    assert a_desk.thread_of(source).mailbox.left_out
    assert not a_desk.thread_of(source).entries
    assert source.get(sent.location).status_code == 404


def test_an_own_entry_that_is_gone_is_missed(a_desk: ADesk, source: SourceBrowser) -> None:
    sent = source.write("one")
    source.write("two")
    with a_desk.store.writing() as writing:
        writing.execute(
            delete(EntryRow).where(EntryRow.entry_id == bytes.fromhex(sent.location.rpartition("/")[2]))
        )

    assert a_desk.thread_of(source).mailbox.is_missing_entries
    assert "missing" in hooks(source.get("/en/mailbox").text, "notice")


def test_an_entry_of_another_mailbox_is_not_found(a_desk: ADesk, source: SourceBrowser) -> None:
    other = a_desk.browser()
    other.start()
    entry = other.write("of another", [("a.txt", b"x")]).location.rpartition("/")[2]
    (file,) = a_desk.thread_of(other).entries[0].files

    for path in (f"received/{entry}", f"delete/{entry}", f"files/{file.id}", "received/zz", "files/00"):
        assert source.get(f"/en/mailbox/{path}").status_code == 404
    delete_it = f"/en/mailbox/delete/{entry}"
    token = other.hidden(other.get(delete_it), delete_it)
    assert source.post(delete_it, token).status_code == 403
    assert other.get(f"/en/mailbox/received/{entry}").status_code == 200


def test_an_entry_put_into_another_mailbox_is_not_found(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    other = a_desk.browser()
    other.start()
    entry = bytes.fromhex(source.write("mine").location.rpartition("/")[2])
    other_keys = a_desk.keys_of(other)
    with a_desk.store.writing() as writing:
        writing.execute(update(EntryRow).values(address=other_keys.address))

    with pytest.raises(NotFoundError):
        message_receipt(a_desk.desk, other_keys, entry)
    with pytest.raises(NotFoundError):
        message_receipt(a_desk.desk, keys, entry)


def test_an_entry_under_another_id_is_not_found(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("mine")
    with a_desk.store.writing() as writing:
        writing.execute(update(EntryRow).values(entry_id=bytes(16)))

    with pytest.raises(NotFoundError):
        message_receipt(a_desk.desk, keys, bytes(16))


def test_a_reply_has_no_receipt(a_desk: ADesk, keys: MailboxKeys) -> None:
    entry = a_desk.answer(keys, "an answer")

    with pytest.raises(NotFoundError):
        message_receipt(a_desk.desk, keys, entry.envelope.entry_id)


def test_a_source_may_delete_a_reply_too(a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys) -> None:
    entry = a_desk.answer(keys, "an answer", file=("a.txt", b"x"))
    (file,) = a_desk.thread_of(source).entries[0].files

    a_desk.delete(keys, entry.envelope.entry_id)

    thread = a_desk.thread_of(source)
    assert thread.newest_reply is None
    assert not thread.mailbox.left_out
    with pytest.raises(NotFoundError):
        open_file(a_desk.desk, keys, bytes.fromhex(file.id))


def test_deleting_twice_is_deleting_once(a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys) -> None:
    entry = bytes.fromhex(source.write("mine").location.rpartition("/")[2])

    form_context = a_desk.form_context(keys)
    for _ in range(2):
        deleting.delete_words(a_desk.desk, keys, entry, form_context, today=TODAY)

    assert len(a_desk.entries_of(keys, EntryClass.REMOVAL, Author.SOURCE)) == 1
    assert not a_desk.thread_of(source).mailbox.left_out
    with pytest.raises(NotFoundError):
        a_desk.delete(keys, entry)


def test_words_that_the_store_lists_under_another_digest_cannot_be_deleted(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    entry_id = bytes.fromhex(source.write("mine").location.rpartition("/")[2])
    with a_desk.store.writing() as writing:
        writing.execute(update(EntryRow).values(digest=bytes(32)))

    with pytest.raises(NotFoundError):
        a_desk.delete(keys, entry_id)

    assert [] == a_desk.entries_of(keys, EntryClass.REMOVAL, Author.SOURCE)


def test_deleting_wants_the_token_of_that_very_entry(source: SourceBrowser) -> None:
    one, two = (source.write(text).location.rpartition("/")[2] for text in ("one", "two"))
    path = "/en/mailbox/delete/"

    refused = source.post(path + two, source.hidden(source.get(path + one), path + one))

    assert refused.status_code == 403
    assert "two" in source.get("/en/mailbox").text


def test_a_removal_by_a_stranger_is_detected(a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys) -> None:
    source.write("mine")
    entry = a_desk.answer(keys, "theirs")
    theirs = a_desk.keys_of(stranger(a_desk))
    draft = draft_entry(a_desk.desk, theirs, FormContext.new(theirs.address, (), ()), TODAY)
    removal = draft.sign(EntryClass.REMOVAL, (entry.digest,))
    a_desk.append(replace(removal, envelope=replace(removal.envelope, address=keys.address)))

    thread = a_desk.thread_of(source)

    assert thread.mailbox.left_out
    assert not thread.entries[-1].is_removed


def test_ending_wants_a_second_movement_of_the_hand(a_desk: ADesk, source: SourceBrowser) -> None:
    end = "/en/mailbox/end"
    token = source.hidden(source.get(end), end)

    assert source.post(end, token).status_code == 422
    assert source.post(end, {"sure": "y"}).status_code == 403
    assert a_desk.thread_of(source).entries == ()


def test_ending_says_goodbye_and_forgets_the_session(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("mine")
    end = "/en/mailbox/end"
    left = source.post(end, {**source.hidden(source.get(end), end), "sure": "y"})

    assert left.headers["Clear-Site-Data"]
    assert source.get(left.location).status_code == 200
    with pytest.raises(NoSuchMailboxError):
        read_thread(a_desk.desk, keys, today=TODAY)


@pytest.mark.parametrize(
    ("state", "on_delete", "on_end"),
    [
        ("none", [], []),
        ("waiting", ["proposals_stay"], []),
        ("declined", ["proposals_stay"], []),
        ("agreed", ["proposals_stay"], ["takes_agreement_back"]),
        ("begun", ["proposals_stay"], ["stays_agreed", "proposal_stays"]),
    ],
)
def test_the_pages_to_delete_and_to_end_say_only_what_applies(
    a_desk: ADesk,
    source: SourceBrowser,
    keys: MailboxKeys,
    state: str,
    on_delete: list[str],
    on_end: list[str],
) -> None:
    source.write("before the proposal")
    (entry,) = a_desk.thread_of(source).entries
    if state != "none":
        made = a_desk.propose(keys, "to pass on")
        if state != "waiting":
            say(source, made, "declined" if state == "declined" else "agreed", sure="y")
        if state == "begun":
            a_desk.pass_on(keys, made)
    end = "/en/mailbox/end"

    asked = source.get(f"/en/mailbox/delete/{entry.id}").text
    shown = source.get(end)
    left = source.post(end, {**source.hidden(shown, end), "sure": "y"})

    assert hooks(asked, "notice") == on_delete
    assert hooks(shown.text, "notice") == on_end
    kept = ["proposal_stays", "history"] if state == "begun" else ["history"]
    assert hooks(source.get(left.location).text, "notice") == kept


@pytest.mark.parametrize(
    ("verdict", "begins", "asked", "after"),
    [
        ("agreed", False, ["takes_agreement_back"], []),
        ("agreed", True, ["stays_agreed"], ["may_stay_elsewhere"]),
        ("declined", False, ["not_a_yes"], []),
        ("changes_asked", False, ["not_a_yes"], []),
    ],
)
def test_the_page_to_delete_an_answer_says_what_becomes_of_this_answer(
    a_desk: ADesk,
    source: SourceBrowser,
    keys: MailboxKeys,
    verdict: str,
    asked: list[str],
    after: list[str],
    *,
    begins: bool,
) -> None:
    """Fault: a kept answer was "deleted, no one can read it", and a deleted no was not told from a yes."""
    source.write("hello")
    made = a_desk.propose(keys, "to pass on")
    say(source, made, verdict, sure="y", text="" if verdict == "agreed" else "shorter")
    if begins:
        a_desk.pass_on(keys, made)
    (own,) = [entry for entry in a_desk.thread_of(source).entries if entry.verdict]
    path = f"/en/mailbox/delete/{own.id}"
    page = source.get(path)

    assert hooks(page.text, "notice") == asked
    left = source.post(path, source.hidden(page, path))
    shown = source.get(left.location).text
    assert [each for each in hooks(shown, "notice") if each in {"deleted", "may_stay_elsewhere"}] == [
        "deleted",
        *after,
    ]
    assert ("No one can read it in this mailbox any more" in shown) is not begins
    assert "deleted" not in hooks(source.get("/en/mailbox").text, "notice")


def test_only_a_message_after_an_agreement_ends_this_agreement(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("before")
    say(source, a_desk.propose(keys, "to pass on"), "agreed", sure="y")
    source.write("after")

    entries = {entry.text: entry.id for entry in a_desk.thread_of(source).entries if entry.is_own}
    asked = {text: source.get(f"/en/mailbox/delete/{each}").text for text, each in entries.items() if text}

    assert hooks(asked["before"], "notice") == ["proposals_stay"]
    assert hooks(asked["after"], "notice") == ["may_take_agreement_back"]
    after = asked["after"]
    assert after.index(hook("notice", "may_take_agreement_back")) < after.index("An older backup")


def test_a_notice_of_deletion_needs_a_deleted_message(a_desk: ADesk, source: SourceBrowser) -> None:
    """Attack: a link to the mailbox claims that a message was deleted."""
    source.write("kept")
    (entry,) = a_desk.thread_of(source).entries

    for claimed in (entry.id, "0" * 32, "<b>"):
        page = source.client.get("/en/mailbox", query_string={"deleted": claimed}).text
        assert "deleted" not in hooks(page, "notice")


def test_the_page_to_delete_names_files_only_if_there_are_files(a_desk: ADesk, source: SourceBrowser) -> None:
    source.write("without")
    source.write("with", [("a.txt", b"a")])

    asked = [source.get(f"/en/mailbox/delete/{entry.id}").text for entry in a_desk.thread_of(source).entries]

    assert [hooks(page, "notice") for page in asked] == [[], ["files_too"]]
    assert hooks(source.get("/en/mailbox/save").text, "notice") == ["files_apart"]


def test_ending_twice_is_ending_once(a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys) -> None:
    opened = login.log_in(a_desk.desk, source.passphrase, now=1)
    form_context = a_desk.form_context(keys)

    for _ in range(2):
        deleting.end_mailbox(a_desk.desk, opened, keys, form_context, today=TODAY)

    with pytest.raises(NoSuchMailboxError):
        read_thread(a_desk.desk, keys, today=TODAY)


def test_an_open_browser_learns_that_its_mailbox_has_ended(a_desk: ADesk, source: SourceBrowser) -> None:
    a_desk.end(source)

    gone = source.get("/en/mailbox")

    assert gone.status_code == 404
    assert hooks(gone.text, "failure") == ["gone"]
    assert "/en/log-out" not in gone.text  # the page says that the source is logged out
    assert 'href="/en/log-in"' in gone.text


def test_the_source_s_words_are_escaped_and_keep_their_lines(source: SourceBrowser) -> None:
    source.write("<script>alert(1)</script>\r\nhttp://evil.example")

    page = source.get("/en/mailbox").text

    assert re.search(r"&lt;script&gt;alert\(1\)&lt;/script&gt;\s*<br>\s*http://evil.example", page)
    assert "<script" not in page
    assert 'href="http' not in page
