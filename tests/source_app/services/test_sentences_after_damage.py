"""Damage: no page says that someone did something if only damage in the store suggests it."""

import re
from datetime import timedelta

import pytest

from protocol.content import StepName, StepNote
from protocol.entry import SignedEntry
from protocol.mailbox_keys import MailboxKeys
from tests.pages import certain_sentences, hooks
from tests.source_app.answering_proposals import path_of, say
from tests.source_app.desks import TODAY, ADesk, SourceBrowser
from tests.stores import as_operator

PAGE = "/en/mailbox"
# Words of a sentence that says what the source did, or what the desk did not do.
_CLAIM = re.compile(
    r"\byou (?:had )?(?:taken back|took back|deleted|gave another|stopped)|everything .* was deleted"
    r"|deleted a message|not passed on|did not do so|is an answer for you|newest answer to you"
    r"|waiting for your answer|no answer to your newest|is our mistake|is our fault|that is your fault"
    r"|has seen this message yet|shown for the first time",
    re.IGNORECASE,
)


def a_story(a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, reached: str) -> dict[str, SignedEntry]:
    """Make a mailbox in which the source agreed and withdrew nothing. Return its entries by name."""
    story = {"proposal": a_desk.propose(keys, "a text")}
    say(source, story["proposal"], "agreed", sure="y")
    story["agreement"] = a_desk.transcript(keys).entries[-1]
    source.write("a message after the agreement")
    story["message"] = a_desk.transcript(keys).entries[-1]
    if reached != "agreed":
        story["step"] = a_desk.pass_on(keys, story["proposal"])
    if reached in ("passed_on", "delivered"):
        story["made"] = a_desk.pass_on(keys, story["proposal"], StepName.PASSED_ON)
    if reached == "delivered":
        a_desk.pass_on(keys, story["proposal"], StepName.PASSED_ON, delivered=TODAY)
    late = StepNote(step=StepName.ADVICE_GIVEN, by=TODAY - timedelta(days=1))
    a_desk.say_step(keys, "an older answer, with a promise", late)
    story["answer"] = a_desk.answer(keys, "the newest answer")
    a_desk.receipt(keys)  # names the newest answer, so that the page misses this answer if someone hides it
    return story


def damage(a_desk: ADesk, entry: SignedEntry, how: str) -> None:
    """Change or delete what the store has of an entry, as the operator can."""
    change = {
        "does not open": "UPDATE sealed SET header = zeroblob(length(header)) WHERE id =",
        "is missing": "DELETE FROM entry WHERE id =",
    }[how]
    with as_operator(a_desk.store) as operator:
        operator.execute(f"{change} (SELECT id FROM entry WHERE digest = ?)", (entry.digest,))  # noqa: S608


@pytest.mark.parametrize("how", ["does not open", "is missing"])
@pytest.mark.parametrize(
    ("reached", "part"),
    [
        ("agreed", "agreement"),
        ("agreed", "message"),
        ("agreed", "answer"),
        ("passing_on", "agreement"),
        ("passing_on", "message"),
        ("passing_on", "step"),
        ("passed_on", "message"),
        ("delivered", "message"),
        ("delivered", "step"),
        ("delivered", "made"),
    ],
)
def test_damage_makes_no_page_say_who_withdrew_deleted_or_did_not_answer(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, reached: str, part: str, how: str
) -> None:
    story = a_story(a_desk, source, keys, reached)
    damage(a_desk, story[part], how)

    pages = [source.get(path).text for path in (PAGE, path_of(story["proposal"]))]

    assert {"missing", "left_out"} & set(hooks(pages[0], "notice"))
    assert [each for page in pages for each in certain_sentences(page, _CLAIM)] == []


@pytest.mark.parametrize("how", ["does not open", "is missing"])
def test_damage_of_an_older_answer_leaves_a_file_that_may_not_be_used(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, how: str
) -> None:
    """Attack: the source withdrew in time. The operator damages an answer from before the proposal, so that
    the page says that the agreement can no longer be taken back.
    """
    old = a_desk.answer(keys, "an old answer")
    proposal = a_desk.propose(keys, "a text")
    say(source, proposal, "agreed", sure="y")
    replica = a_desk.transcript(keys)
    say(source, proposal, "taken_back")
    a_desk.pass_on(keys, proposal, replica=replica)
    a_desk.pass_on(keys, proposal, StepName.PASSED_ON)
    damage(a_desk, old, how)

    assert hooks(source.get(path_of(proposal)).text, "state") == ["made_too_late"]
    assert "stays_agreed" not in hooks(source.get(f"{PAGE}/end").text, "notice")


def test_a_missing_message_before_the_agreement_makes_no_page_say_that_the_source_stopped_the_desk(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    """Only the missing message showed that the source agreed after asking for changes."""
    proposal = a_desk.propose(keys, "a text")
    say(source, proposal, "changes_asked", text="not so")
    source.write("a message between the two answers")
    message = a_desk.transcript(keys).entries[-1]
    say(source, proposal, "agreed", sure="y")
    for name in (StepName.PASSING_ON, StepName.PASSED_ON):
        a_desk.pass_on(keys, proposal, name)
    assert hooks(source.get(path_of(proposal)).text, "state") == ["passed_on"]
    damage(a_desk, message, "is missing")

    page = source.get(path_of(proposal)).text

    assert hooks(page, "state") == ["made_too_late"]
    pages = [page, source.get(PAGE).text]
    assert [each for one in pages for each in certain_sentences(one, _CLAIM)] == []


@pytest.mark.parametrize(("how", "is_told"), [("", True), ("does not open", False), ("is missing", False)])
def test_an_agreement_is_final_only_while_the_page_has_the_step(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, how: str, *, is_told: bool
) -> None:
    story = a_story(a_desk, source, keys, "passed_on")
    if how:
        damage(a_desk, story["step"], how)

    assert hooks(source.get(path_of(story["proposal"])).text, "state") == ["passed_on"]
    assert ("stays_agreed" in hooks(source.get(f"{PAGE}/end").text, "notice")) == is_told


def test_without_damage_the_page_says_what_is_certain(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    """The test above can fail: it finds such sentences on a page of the same mailbox without damage."""
    a_story(a_desk, source, keys, "delivered")
    told = certain_sentences(source.get(PAGE).text, _CLAIM)
    source.write("a message that no adviser has opened")
    told += certain_sentences(source.get(PAGE).text, _CLAIM)

    words = re.compile("answer for you|newest answer|our fault|first time|seen this message")
    assert {found for each in told for found in words.findall(each)} == set(words.pattern.split("|"))


def test_a_mailbox_with_a_damaged_message_is_not_called_deleted(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    (first,) = a_desk.transcript(keys).entries
    source.write("another message")
    a_desk.delete(keys, first.envelope.entry_id)
    (_, second, _) = a_desk.transcript(keys).entries
    damage(a_desk, second, "does not open")

    page = source.get(PAGE).text

    assert hooks(page, "notice") == ["left_out"]
    assert certain_sentences(page, _CLAIM) == []
