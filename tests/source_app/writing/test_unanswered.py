"""The page to write on has the desk's newest message, folded, until the source answers the message."""

import pytest

from protocol.content import Kind, StepName, StepNote
from protocol.mailbox_keys import MailboxKeys
from tests.pages import hooks
from tests.source_app.answering_proposals import path_of
from tests.source_app.desks import ADesk, SourceBrowser
from tests.stores import as_operator

QUESTION = "When did you <see> this?"
SHOWN = "When did you &lt;see&gt; this?"
_STEP = StepNote(step=StepName.IN_CONVERSATION)


def _folded(source: SourceBrowser) -> str:
    page = source.get("/en/mailbox/write").text
    assert ("unanswered" in hooks(page, "fold")) == (SHOWN in page)
    return page


@pytest.mark.parametrize("kind", [Kind.MESSAGE, Kind.STEP])
def test_a_question_is_on_the_page_on_which_the_source_answers(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, kind: Kind
) -> None:
    if kind is Kind.STEP:
        a_desk.say_step(keys, QUESTION, _STEP)
    else:
        a_desk.answer(keys, QUESTION)
    before = _folded(source)
    source.get("/en/mailbox")

    first, second = _folded(source), _folded(source)  # the mailbox's page wrote a read receipt
    source.write("yesterday")

    assert SHOWN not in before  # the source has not seen the question, so no page shows it unannounced
    assert SHOWN in first
    assert SHOWN in second
    assert SHOWN not in _folded(source)


def test_a_text_that_came_back_after_the_log_in_has_the_question_beside_it(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    a_desk.answer(keys, QUESTION)
    source.get("/en/mailbox")

    source.post("/en/mailbox/keep", {**source.form_context(), "text": "mine", "look": "/en/help"})

    assert SHOWN in _folded(source)


def test_a_damaged_or_hidden_message_is_not_on_the_page(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    for change in ("UPDATE sealed SET payload = zeroblob(64)", "DELETE FROM entry WHERE author = 1"):
        a_desk.answer(keys, QUESTION)
        source.get("/en/mailbox")
        assert SHOWN in _folded(source)
        with as_operator(a_desk.store) as operator:
            operator.execute(change)
        assert SHOWN not in _folded(source)


def test_a_source_who_deleted_the_question_does_not_see_it_again(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    question = a_desk.answer(keys, QUESTION)
    source.get("/en/mailbox")
    path = f"/en/mailbox/delete/{question.envelope.entry_id.hex()}"

    source.post(path, source.hidden(source.get(path), path))

    assert SHOWN not in _folded(source)


def test_a_proposal_is_answered_on_its_own_page(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    made = a_desk.propose(keys, QUESTION)
    source.get("/en/mailbox")
    source.get(path_of(made))

    assert SHOWN not in _folded(source)
