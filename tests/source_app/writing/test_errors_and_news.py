"""A page with an error says so in its title. A receipt says if the desk wrote something new."""

import re

import pytest
from werkzeug.test import TestResponse

from protocol.mailbox_keys import MailboxKeys
from tests.pages import hook, hooks
from tests.source_app.answering_proposals import form_of, path_of
from tests.source_app.desks import MULTIPART, TODAY, ADesk, SourceBrowser, ToGo, multipart

_TITLE = {"en": "Error: ", "nl": "Fout: "}


def _faulty_pages(a_desk: ADesk, lang: str) -> dict[str, TestResponse]:
    """Return a page with each kind of error, by the id of the field to correct, or by another name."""
    visitor, source = a_desk.browser(), a_desk.browser()
    source.start()
    made = a_desk.propose(a_desk.keys_of(source), "to pass on")
    proposal = f"/{lang}{path_of(made)[3:]}"
    answer = {**form_of(source, made), "verdict": "agreed"}
    shown = visitor.get(f"/{lang}/begin")
    practise, end = f"/{lang}/practise", f"/{lang}/mailbox/end"
    failed = a_desk.browser()
    write = f"/{lang}/mailbox/write"
    form = source.hidden(source.get(write), write)
    expired, stranger = a_desk.browser(), a_desk.browser()
    stranger.start()

    def written(text: str, files: int = 0, by: SourceBrowser = source) -> TestResponse:
        attached = [(f"{number}.txt", b"x") for number in range(files)]
        body = multipart({**form, "text": text}, attached)
        return by.client.post(write, data=body, content_type=MULTIPART)

    log_in = f"/{lang}/log-in"
    late = written("a text", by=expired)
    waiting = {**expired.hidden(late, log_in), "text": "a text"}
    return {
        "words practised": visitor.post(practise, {**visitor.hidden(shown, practise), "words": "one two"}),
        "words": failed.get(failed.post(f"/{lang}/log-in", {"words": "abacus"}).location),
        "words after the session": late,
        "words in another language": expired.post(log_in, {**waiting, "look": lang}),
        "words, and a text that waits": expired.post(log_in, {**waiting, "words": "abacus"}),
        "words of another mailbox": written("a text", by=stranger),
        "text empty": written(""),
        "text too long": written("x" * 50_001),
        "files": written("a text", 4),
        "sure to agree": source.post(proposal, answer),
        "text without a wish": source.post(proposal, {**answer, "verdict": "changes_asked"}),
        "sure to end": source.post(end, source.hidden(source.get(end), end)),
        "no field": visitor.get(f"/{lang}/no-such-page"),
    }


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_each_error_is_in_the_title_and_its_summary_leads_to_the_field(a_desk: ADesk, lang: str) -> None:
    for name, page in _faulty_pages(a_desk, lang).items():
        title = re.findall(r"<title>(.*?)</title>", page.text)
        assert title[0].startswith(_TITLE[lang]), name
        if name == "no field":
            continue
        field = name.split()[0].rstrip(",")
        summary = re.findall(
            r'<div class="refusal[^>]*tabindex="-1" autofocus.*?</div>', page.text, re.DOTALL
        )
        assert len(summary) == 1, name
        assert hooks(summary[0], "leads-to") == [field], name
        tag = re.findall(rf'<(?:textarea|input)[^>]* id="{field}"[^>]*>', page.text)
        assert len(tag) == 1, name
        assert "fault" in tag[0], name


def test_a_page_without_an_error_says_none(source: SourceBrowser) -> None:
    for path in ("", "begin", "log-in", "mailbox", "mailbox/write", "mailbox/end"):
        page = source.get(f"/en/{path}").text
        assert "<title>Error" not in page
        assert "autofocus" not in page


def test_an_answer_that_came_while_the_source_wrote_is_announced_on_the_receipt(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    form = source.form_context()
    before = source.get(source.write("nothing came", form_context=form).location)
    form = source.form_context()
    a_desk.answer(keys, "an answer")

    receipt = source.get(source.write("written before I saw the answer", form_context=form).location)
    source.get("/en/mailbox")
    after = source.get(source.write("written after I saw the answer").location)

    assert hooks(before.text, "notice") == ["received"]
    assert hooks(receipt.text, "notice") == ["received", "news"]
    assert hooks(after.text, "notice") == ["received"]


def test_an_answer_that_a_page_showed_is_no_news_if_its_row_gets_a_higher_number(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    a_desk.answer(keys, "an answer")
    a_desk.answer(keys, "another answer")
    source.get("/en/mailbox")
    with a_desk.store.writing() as writing:
        writing.info["driver"].execute("UPDATE entry SET number = 9 WHERE author = 1 AND number = 1")

    receipt = source.get(source.write("written after I saw both").location)

    assert hooks(receipt.text, "notice") == ["received"]


def test_the_receipt_gives_the_day_for_a_calendar_without_saying_what_it_is_for(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    receipt = source.get(source.write("a message").location)
    (day,) = hooks(receipt.text, "expected")
    (link,) = re.findall(r'href="([^"]*/reminder/[^"]*)"', receipt.text)

    saved = source.get(link)

    assert saved.mimetype == "text/calendar"
    assert 'filename="date.ics"' in saved.headers["Content-Disposition"]
    lines = saved.text.split("\r\n")
    assert f"DTSTART;VALUE=DATE:{day.replace('-', '')}" in lines
    assert "SUMMARY:Reminder" in lines
    assert (lines[0], lines[-2], lines[-1]) == ("BEGIN:VCALENDAR", "END:VCALENDAR", "")
    telling = r"support|steunpunt|mailbox|postbus|minist|integr|advis|http|localhost|passphrase|answer"
    assert not re.search(telling, saved.text, re.IGNORECASE)
    assert saved.text != source.get(link).text  # nothing links two files to one mailbox
    assert a_desk.browser().get(link).location == "/en/log-in"


def test_the_mailbox_says_when_it_was_used_and_when_an_answer_was_first_shown(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    a_desk.answer(keys, "an answer")

    first = source.get("/en/mailbox").text
    second = source.get("/en/mailbox").text

    assert hooks(first, "shown") == ["now"]
    assert hooks(second, "shown") == [TODAY.isoformat()]
    assert hooks(first, "last-used") == []  # the only visit before wrote the message that the page shows
    assert hooks(second, "last-used") == [TODAY.isoformat()]
    assert 'href="/en/help#talk"' in second.partition(hook("last-used", TODAY.isoformat()))[2]


def test_a_source_reads_who_sees_the_names_of_their_files(source: SourceBrowser) -> None:
    fold = source.get("/en/mailbox/write").text
    without, with_file = (
        source.get(source.write("a text", files).location).text for files in ([], [("me.txt", b"1")])
    )

    assert "name" in hooks(fold, "reveals")
    assert hooks(without, "notice") == ["received"]
    assert hooks(with_file, "notice") == ["received", "file_names"]


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_no_reader_takes_fifty_thousand_for_fifty(source: SourceBrowser, lang: str) -> None:
    """In half of the world, the comma of "50,000" is a decimal sign."""
    assert "50\xa0000" in source.get(f"/{lang}/mailbox/write").text


def test_someone_who_just_wrote_a_first_message_is_not_asked_whether_it_was_them(a_desk: ADesk) -> None:
    source = a_desk.browser()
    source.start()
    new = source.get("/en/mailbox").text
    source.write("the first message")

    assert hooks(new, "last-used") == hooks(source.get("/en/mailbox").text, "last-used") == []


@pytest.mark.parametrize("working_days", [1, 3, 7])
def test_the_receipt_the_mailbox_and_the_calendar_promise_the_day_of_the_one_setting(
    a_desk: ADesk, source: SourceBrowser, working_days: int
) -> None:
    letterhead = a_desk.letterhead.successor(answer_working_days=working_days)
    a_desk.app.extensions["newest_letterhead"] = lambda: letterhead
    day = letterhead.expect_by(TODAY)

    receipt = source.get(source.write("a message").location)
    (link,) = re.findall(r'href="([^"]*/reminder/[^"]*)"', receipt.text)

    assert hooks(receipt.text, "expected") == [day.isoformat()]
    assert set(hooks(source.get("/en/mailbox").text, "expected")) == {day.isoformat()}
    assert f"DTSTART;VALUE=DATE:{day:%Y%m%d}" in source.get(link).text


@pytest.mark.parametrize("from_whom", ["source", "desk"])
def test_a_mailbox_with_files_says_that_an_opened_file_leaves_a_copy_on_the_device(
    from_whom: str, a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    without = source.get("/en/mailbox").text
    if from_whom == "source":
        source.write("a text", [("me.txt", b"1")])
    else:
        a_desk.propose(keys, "a text", files=[ToGo("proof.pdf", b"proof")])
    with_file = source.get("/en/mailbox").text

    assert ["copies_of_files" in hooks(page, "advice") for page in (without, with_file)] == [False, True]
