"""Read receipts: the source's site signs one for each answer, after the page was sent."""

import logging
from dataclasses import replace
from datetime import date

import pytest
from msgspec import UNSET
from sqlalchemy import literal_column, select, update

from protocol.content import StepName, StepNote
from protocol.entry import SignedEntry
from protocol.envelope import Author, EntryClass
from protocol.mailbox_keys import MailboxKeys
from protocol.strand import DeskWriter
from source_app.services.read_receipts import append_read_receipt
from source_app.services.verified_mailbox import read_mailbox
from store.database.schema import EntryRow, MailboxRow, SealedRow
from store.errors import MailboxChangedError, NoSuchMailboxError, StoreReadOnlyError
from tests.pages import hooks
from tests.source_app.desks import STRAND, TODAY, ADesk, SourceBrowser, ToGo


@pytest.fixture
def source(a_desk: ADesk) -> SourceBrowser:
    browser = a_desk.browser()
    browser.start()
    browser.write("a question")
    return browser


def receipts(a_desk: ADesk, keys: MailboxKeys) -> list[SignedEntry]:
    return a_desk.entries_of(keys, EntryClass.RECEIPT, Author.SOURCE)


def test_an_answer_gets_one_read_receipt_however_often_it_is_read(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    answer = a_desk.answer(keys, "an answer")
    for _ in range(3):
        source.get("/en/mailbox")

    (receipt,) = receipts(a_desk, keys)
    assert [head.digest for head in receipt.envelope.heads if head.strand] == [answer.digest]
    assert receipt.envelope.unseen == ()
    assert not a_desk.thread_of(source).mailbox.left_out


def test_each_newer_answer_gets_its_own_read_receipt(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    for text in ("one", "two"):
        a_desk.answer(keys, text)
        source.get("/en/mailbox")

    assert len(receipts(a_desk, keys)) == 2


def test_a_read_receipt_is_never_shown_and_neither_waits_nor_answers(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    a_desk.answer(keys, "an answer")
    source.get("/en/mailbox")

    thread = a_desk.thread_of(source)
    page = source.get("/en/mailbox").text

    assert [entry.text for entry in thread.entries] == ["a question", "an answer"]
    assert thread.is_answered
    assert thread.expect is None
    assert hooks(page, "notice") == ["answer"]
    assert page.count("<article") == 2


def test_without_news_no_read_receipt_is_appended(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.get("/en/mailbox")
    a_desk.receipt(keys)
    source.get("/en/mailbox")

    assert len(receipts(a_desk, keys)) == 0


def test_a_reply_that_names_the_answer_needs_no_read_receipt(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    a_desk.answer(keys, "an answer")
    page = source.client.get("/en/mailbox")
    source.write("thank you")
    page.close()
    a_desk.receipt(keys)
    source.get("/en/mailbox")

    assert len(receipts(a_desk, keys)) == 0


def test_other_requests_append_no_read_receipt(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    a_desk.answer(keys, "an answer")
    source.client.head("/en/mailbox", buffered=True)
    source.client.get("/en/mailbox", headers={"Sec-Purpose": "prefetch"}, buffered=True)
    source.get("/en/help")

    assert len(receipts(a_desk, keys)) == 0


def test_the_read_receipt_is_appended_after_the_page(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    """Otherwise the time that a page takes would reveal that the page had something new."""
    a_desk.answer(keys, "an answer")

    page = source.client.get("/en/mailbox")

    assert "an answer" in page.text
    assert len(receipts(a_desk, keys)) == 0
    page.close()
    assert len(receipts(a_desk, keys)) == 1


def test_an_entry_that_fails_a_check_is_not_named_as_seen(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    first = a_desk.answer(keys, "good")
    second = a_desk.answer(keys, "to be spoilt")
    third = a_desk.answer(keys, "good again")
    with a_desk.store.writing() as writing:
        row = (
            writing.query(EntryRow.id).where(EntryRow.entry_id == second.envelope.entry_id).scalar_subquery()
        )
        writing.execute(update(SealedRow).where(SealedRow.id == row).values(payload=b"spoilt"))
    for _ in range(2):
        source.get("/en/mailbox")

    (receipt,) = receipts(a_desk, keys)
    known = a_desk.transcript(keys).knowledge
    assert [head.digest for head in receipt.envelope.unseen] == [second.digest]
    assert known.all_cover([receipt.digest], first.digest)
    assert known.all_cover([receipt.digest], third.digest)
    assert not known.all_cover([receipt.digest], second.digest)


@pytest.mark.parametrize("path", ["/en/mailbox", "/en/mailbox/save"])
def test_a_page_whose_receipt_covers_words_shows_these_words_in_full(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, path: str
) -> None:
    a_desk.answer(keys, "an answer with a file", file=("notes.txt", b"notes"))
    a_desk.say_step(keys, "a step", StepNote(step=StepName.ADVICE_GIVEN, next="what is next"))
    a_desk.propose(keys, "a text to pass on", files=[ToGo("proof.pdf", b"proof")])
    spoilt = a_desk.answer(keys, "to be spoilt")
    a_desk.close(keys, "a last message", date(2026, 6, 3))
    with a_desk.store.writing() as writing:
        row = select(EntryRow.id).where(EntryRow.digest == spoilt.digest).scalar_subquery()
        writing.execute(update(SealedRow).where(SealedRow.id == row).values(header=b"spoilt"))

    page = source.get(path).text

    (receipt,) = receipts(a_desk, keys)
    known = a_desk.transcript(keys).knowledge
    covered = [
        (entry, content)
        for entry, content in read_mailbox(a_desk.desk, keys).opened
        if entry.envelope.is_words and known.all_cover([receipt.digest], entry.digest)
    ]
    assert len(covered) == 5
    for entry, content in covered:
        assert content is not None
        shown = page[page.index(f'id="entry-{entry.envelope.entry_id.hex()}"') :].partition("</article>")[0]
        assert content.text in shown
        assert all(file.name in shown for file in content.attachments)
        assert content.step is UNSET or content.step.next in shown
    assert [head.digest for head in receipt.envelope.unseen] == [spoilt.digest]
    assert spoilt.envelope.entry_id.hex() not in page


def test_a_forged_answer_gets_no_read_receipt(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    a_desk.answer(keys, "FORGED", writer=DeskWriter(STRAND, bytes(32)))

    page = source.get("/en/mailbox").text

    assert "FORGED" not in page
    assert len(receipts(a_desk, keys)) == 0


def test_a_deleted_answer_gets_no_read_receipt(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    answer = a_desk.answer(keys, "an answer")
    a_desk.delete(keys, answer.envelope.entry_id)
    source.get("/en/mailbox")

    assert len(receipts(a_desk, keys)) == 0


def test_a_store_that_takes_nothing_does_not_hurt_the_page(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, caplog: pytest.LogCaptureFixture
) -> None:
    a_desk.answer(keys, "an answer")

    def refuse() -> None:
        raise StoreReadOnlyError("no")

    a_desk.app.extensions["desk"] = a_desk.overtaken(refuse, 1000)
    with caplog.at_level(logging.DEBUG):
        page = source.get("/en/mailbox")

    assert page.status_code == 200
    assert "an answer" in page.text
    assert "read receipt: StoreReadOnlyError" in caplog.text


def test_a_damaged_version_hides_no_answer_and_stops_no_receipt(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    a_desk.answer(keys, "an answer")
    with a_desk.store.writing() as writing:
        writing.execute(update(MailboxRow).values(version=literal_column("'no number'")))

    page = source.get("/en/mailbox")

    assert page.status_code == 200
    assert "an answer" in page.text
    assert len(receipts(a_desk, keys)) == 1


def test_a_mailbox_that_ends_during_a_visit_breaks_no_page_and_logs_no_error(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, caplog: pytest.LogCaptureFixture
) -> None:
    a_desk.answer(keys, "an answer")
    page = source.client.get("/en/mailbox")
    a_desk.end(source)

    with caplog.at_level(logging.DEBUG):
        page.close()

    assert page.status_code == 200
    assert "read receipt" not in caplog.text
    with pytest.raises(NoSuchMailboxError):
        read_mailbox(a_desk.desk, keys)


def test_two_tabs_that_read_at_once_append_one_read_receipt(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    a_desk.answer(keys, "an answer")
    pages = [source.client.get("/en/mailbox") for _ in range(2)]

    for page in pages:
        page.close()

    assert len(receipts(a_desk, keys)) == 1


def test_a_read_receipt_comes_after_a_message_of_another_tab(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    stale = source.form_context()
    a_desk.answer(keys, "an answer")
    shown = read_mailbox(a_desk.desk, keys)
    source.write("written before the answer came", form_context=stale)

    append_read_receipt(a_desk.desk, keys, shown.shown, (), today=TODAY)

    assert len(receipts(a_desk, keys)) == 1
    assert not a_desk.thread_of(source).mailbox.left_out


def test_if_other_tabs_keep_writing_a_later_visit_appends_the_receipt(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    forms = [source.form_context() for _ in range(20)]
    a_desk.answer(keys, "an answer")
    busy = a_desk.overtaken(
        lambda: source.write(f"message {len(forms)}", form_context=forms.pop()), len(forms)
    )

    with pytest.raises(MailboxChangedError):
        append_read_receipt(busy, keys, read_mailbox(a_desk.desk, keys).shown, (), today=TODAY)

    assert len(receipts(a_desk, keys)) == 0
    source.get("/en/mailbox")
    assert len(receipts(a_desk, keys)) == 1


def test_read_receipts_leave_half_of_a_mailbox_for_messages(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    a_desk.app.extensions["desk"] = replace(a_desk.desk, limits=replace(a_desk.desk.limits, entries=4))
    for text in ("one", "two", "three"):
        a_desk.answer(keys, text)
        source.get("/en/mailbox")

    assert len(receipts(a_desk, keys)) == 1
    assert [source.write(text).status_code for text in ("a", "b", "c")] == [303, 303, 422]


def test_a_receipt_does_not_cover_what_came_after_its_page(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    first = a_desk.answer(keys, "an answer")
    page = source.client.get("/en/mailbox")
    second = a_desk.answer(keys, "another answer")
    page.close()

    (receipt,) = receipts(a_desk, keys)
    known = a_desk.transcript(keys).knowledge
    assert known.all_cover([receipt.digest], first.digest)
    assert not known.all_cover([receipt.digest], second.digest)
    assert [head.digest for head in receipt.envelope.unseen] == [second.digest]


def test_the_sources_own_entry_tells_the_day_on_which_it_was_seen(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    page = source.get("/en/mailbox").text
    assert hooks(page, "seen") == ["not_yet"]
    a_desk.receipt(keys)

    page = source.get("/en/mailbox").text

    assert hooks(page, "seen") == [TODAY.isoformat()]
    assert "2 March 2026" in page


def test_a_read_receipt_in_the_store_reveals_nothing(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    a_desk.answer(keys, "an answer")
    source.get("/en/mailbox")

    (receipt,) = receipts(a_desk, keys)

    assert receipt.header is None
    assert receipt.payload is None
    assert receipt.envelope.day == TODAY
