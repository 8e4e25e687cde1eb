"""A text that was typed in one mailbox is never sent from another one by the same press of a button."""

import re

import pytest
from werkzeug.test import TestResponse

from protocol.mailbox_keys import MailboxKeys
from tests.pages import hooks
from tests.source_app.answering_proposals import form_of, path_of
from tests.source_app.desks import ADesk, SourceBrowser

TEXT = "typed in the first mailbox"


def assert_is_returned(page: TestResponse, status: int) -> None:
    """Check that a page gives a text back, in no form that would send it to the open mailbox."""
    assert page.status_code == status
    assert hooks(page.text, "refusal") == ["other_mailbox"]
    forms = re.findall(r"<form\b.*?</form>", page.text, re.DOTALL)
    (with_text,) = [form for form in forms if TEXT in form]
    assert 'action="/en/log-in"' in with_text


def test_a_text_that_is_sent_after_another_mailbox_was_started_stays_unsent(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    """Two tabs of one browser share the cookie. The first tab still shows the form of the first mailbox."""
    first, first_tab = source.passphrase, source.form_context()
    source.start()

    returned = source.write(TEXT, form_context=first_tab)

    assert_is_returned(returned, 403)
    assert a_desk.thread_of(source).entries == ()
    waiting = {**source.hidden(returned, "/en/log-in"), "text": TEXT}
    entered = source.log_in(first, **waiting)
    assert hooks(entered.text, "page") == ["mailbox/write"]
    form = source.hidden(entered, "/en/mailbox/write")
    assert source.write(TEXT, form_context=form).status_code == 303
    source.passphrase = first
    assert a_desk.thread_of(source).entries[-1].text == TEXT


def test_a_text_that_waited_for_a_log_in_comes_back_only_in_its_own_mailbox(
    a_desk: ADesk, source: SourceBrowser
) -> None:
    other = a_desk.browser()
    other.start()
    form = source.form_context()
    source.client.delete_cookie("mailbox")
    expired = source.write(TEXT, form_context=form)
    waiting = {**source.hidden(expired, "/en/log-in"), "text": TEXT}

    assert_is_returned(source.log_in(other.passphrase, **waiting), 200)


@pytest.mark.parametrize("tag", ["", "ab" * 48, "\u20ac" * 48])
def test_a_text_without_the_tag_of_a_mailbox_comes_back_in_none(source: SourceBrowser, tag: str) -> None:
    assert_is_returned(source.log_in(source.passphrase, text=TEXT, mailbox=tag), 200)


def test_a_wish_for_a_proposal_of_another_mailbox_stays_unsent(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    made = a_desk.propose(keys, "to pass on")
    form = {**form_of(source, made), "verdict": "changes_asked", "text": TEXT}
    source.start()

    assert_is_returned(source.post(path_of(made), form), 403)


def test_the_mark_of_a_mailbox_stays_the_same_in_its_next_session_and_shows_nothing(
    source: SourceBrowser,
) -> None:
    tags = [source.form_context()["mailbox"] for _ in range(2)]
    source.log_in(source.passphrase)

    returned = source.write(TEXT, form_context={"mailbox": tags[0]})

    assert hooks(returned.text, "refusal") == ["form_expired"]
    assert hooks(returned.text, "page") == ["mailbox/write"]
    assert tags[0][:32] != tags[1][:32]
    assert tags[0][32:] != tags[1][32:]
    assert {len(tag) for tag in tags} == {96}
