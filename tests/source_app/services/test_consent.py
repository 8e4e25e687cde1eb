"""Consent: only the source can answer a proposal, only to what was shown, and not after passing on began."""

import re
import threading
from dataclasses import replace

import pytest

from protocol.content import AnswerNote, Content, Kind, PassOnRecipient, StepName, StepNote, Verdict
from protocol.entry import SignedEntry, open_entry
from protocol.envelope import Author, EntryClass
from protocol.mailbox_keys import MailboxKeys
from protocol.transcript import ending
from protocol.transcript.check import head_of
from protocol.transcript.proposal_states import ProposalStatus
from source_app.errors import AnswerRefusal, AnswerRefusedError, DamagedFileError, NotFoundError
from source_app.services import consent
from source_app.services.consent import ConsentAnswer, append_consent
from source_app.services.mailbox_files import open_file
from source_app.services.thread import read_thread
from source_app.services.verified_mailbox import read_mailbox
from store import mailboxes
from store.errors import MailboxChangedError, NoSuchMailboxError
from tests import source_labels as labels
from tests.pages import hook, hooks
from tests.source_app.answering_proposals import form_of, path_of, say, shown, state
from tests.source_app.desks import TODAY, ADesk, SourceBrowser, ToGo
from tests.source_app.refusals import refuses

TEXT = "We report that <b>someone</b> did this.\nSecond line."


@pytest.fixture
def made(a_desk: ADesk, keys: MailboxKeys) -> SignedEntry:
    return a_desk.propose(keys, TEXT)


def an_answer(
    a_desk: ADesk, keys: MailboxKeys, entry: SignedEntry, verdict: Verdict, text: str = ""
) -> ConsentAnswer:
    """Return an answer of the source as `check_answer_form` returns it."""
    digest = shown(a_desk, keys, entry).digest
    form_context = a_desk.form_context(keys)
    return ConsentAnswer(entry.envelope.entry_id, digest, form_context, verdict, text, "en")


def answers_in(a_desk: ADesk, keys: MailboxKeys) -> list[Verdict | None]:
    thread = read_thread(a_desk.desk, keys, today=TODAY)
    return [entry.verdict for entry in thread.entries if entry.kind is Kind.ANSWER]


# ---- what is read ------------------------------------------------------------------------------------


def test_a_proposal_is_shown_word_for_word(a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys) -> None:
    files = [
        ToGo("letter.pdf", b"the original", about="Author: a name"),
        ToGo("photo.png", b"cleaned", is_cleaned=True, about="the place was taken out"),
        ToGo("plain.txt", b"plain"),
    ]
    made = a_desk.propose(keys, TEXT, files=files)

    for page in (source.get(path_of(made)).text, source.get("/en/mailbox").text):
        assert hooks(page, "recipient") == ["sg"]
        assert re.search(rf"{hook('recipient', 'sg')}><bdi>J\. Jansen</bdi>, \w", page)
        assert "We report that &lt;b&gt;someone&lt;/b&gt; did this.<br>Second line." in page
        assert re.search(r"letter\.pdf</bdi></a> <span[^>]*>\(12 bytes\)", page)
        assert "Author: a name" in page
        assert hooks(page, "copy") == ["original", "cleaned", "original"]
        # What the desk found is in the original, and no longer in the cleaned copy.
        assert re.search(r"in the original file:\s*<span[^>]*>the place was taken out", page)
        links = re.findall(r'href="(/en/mailbox/files/[0-9a-f]+)"', page)
        assert [source.get(link).data for link in links[:3]] == [b"the original", b"cleaned", b"plain"]
    assert "AB" * 20 in source.get(path_of(made)).text


def test_a_proposal_without_files_asks_no_one_to_open_or_tick_files(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    page = source.get(path_of(a_desk.propose(keys, TEXT))).text
    with_files = source.get(path_of(a_desk.propose(keys, TEXT, files=[ToGo("plain.txt", b"plain")]))).text

    assert "Yes, pass on exactly this text to" in page
    assert page.count("files") == 1  # "Only the text is passed on, and no files."
    assert "Yes, pass on exactly this text and these files to" in with_files


def test_after_an_answer_the_forms_for_another_answer_are_in_a_fold(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    made = a_desk.propose(keys, TEXT)
    assert hooks(source.get(path_of(made)).text, "fold") == []

    for verdict in ("changes_asked", "declined"):
        say(source, made, verdict, text="shorter")
        page = source.get(path_of(made)).text

        assert hooks(page, "fold") == ["other_answer"]
        fold = page[page.index("<details") : page.index("</details>")]
        assert " open>" not in fold
        assert "data-before-agreeing" in fold
        assert 'value="agreed"' in fold
    refused = say(source, made, "agreed").text  # without the tick
    assert re.search(r"<details data-fold[^>]* open>", refused)
    say(source, made, "agreed", sure="y")
    assert hooks(source.get(path_of(made)).text, "fold") == []


@pytest.mark.parametrize(
    ("recipient", "told"),
    [
        (PassOnRecipient.INTEGRITY, r"<bdi>N\. Naam</bdi>, \w[^<]+"),
        (PassOnRecipient.COMPLAINTS, r"<bdi>N\. Naam</bdi>, \w[^<]+"),
        (PassOnRecipient.OTHER, r"<bdi>N\. Naam</bdi>"),
    ],
)
def test_the_recipient_is_named_with_their_role(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, recipient: PassOnRecipient, told: str
) -> None:
    made = a_desk.propose(keys, TEXT, recipient=recipient, name="N. Naam")

    assert re.search(rf"{hook('recipient', recipient)}>{told}</dd>", source.get(path_of(made)).text)


def test_a_file_that_is_not_the_one_the_proposal_names_is_damaged(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    made = a_desk.propose(keys, TEXT, files=[ToGo("a.bin", b"shown", sha256=bytes(32)), ToGo("b", b"")])
    first, empty = shown(a_desk, keys, made).files

    with pytest.raises(DamagedFileError):
        open_file(a_desk.desk, keys, bytes.fromhex(first.id))
    assert source.get(f"/en/mailbox/files/{empty.id}").data == b""


def test_a_large_file_of_a_proposal_comes_whole(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    content = bytes(range(256)) * 1000
    made = a_desk.propose(keys, TEXT, files=[ToGo("large.bin", content)])
    (file,) = shown(a_desk, keys, made).files

    assert source.get(f"/en/mailbox/files/{file.id}").data == content


def test_before_agreeing_the_page_says_what_happens_then(source: SourceBrowser, made: SignedEntry) -> None:
    page = source.get(path_of(made)).text

    for promise in (
        "others_can_read",
        "may_take_back",
        "until_it_begins",
        "stays_in_the_file",
        "is_kept_as_evidence",
    ):
        assert page.index(hook("before-agreeing", promise)) < page.index('value="agreed"')


def test_the_mailbox_asks_for_an_answer_on_top(source: SourceBrowser, made: SignedEntry) -> None:
    page = source.get("/en/mailbox").text

    assert page.index(hook("notice", "asked")) < page.index("the first message")
    assert f'href="{path_of(made)}"' in page


# ---- what is answered --------------------------------------------------------------------------------


def test_agreeing_takes_two_movements_of_the_hand(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    refused = say(source, made, "agreed")

    assert refused.status_code == 422
    assert hooks(refused.text, "refusal") == ["not_ticked"]
    assert state(a_desk, keys, made) is ProposalStatus.WAITING
    assert say(source, made, "agreed", sure="y").status_code == 303
    assert state(a_desk, keys, made) is ProposalStatus.AGREED
    assert answers_in(a_desk, keys) == [Verdict.AGREED]
    page = source.get(path_of(made)).text
    assert re.search(rf"{hook('answered', 'agreed')}>[^<]*\b2 March 2026", page)
    assert shown(a_desk, keys, made).answer_receipt in page


def test_the_mailbox_asks_for_no_answer_to_a_proposal_that_was_agreed_to(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    made = a_desk.propose(keys, "to pass on")
    waiting = source.get("/en/mailbox").text
    say(source, made, "agreed", sure="y")

    assert labels.ANSWER_PROPOSAL in waiting
    assert labels.ANSWER_PROPOSAL not in source.get("/en/mailbox").text


def test_the_answer_names_the_proposal_that_was_read(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    say(source, made, "agreed", sure="y")

    answer = next(
        content.answer
        for _, content in read_mailbox(a_desk.desk, keys).opened
        if content is not None and content.kind is Kind.ANSWER
    )
    assert isinstance(answer, AnswerNote)
    assert shown(a_desk, keys, made).digest == answer.proposal.hex()


def test_an_agreement_is_taken_back(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    say(source, made, "agreed", sure="y")

    assert say(source, made, "taken_back").status_code == 303
    assert state(a_desk, keys, made) is ProposalStatus.TAKEN_BACK
    page = source.get(path_of(made)).text
    assert re.search(rf"{hook('answered', 'taken_back')}>[^<]*\b2 March 2026", page)
    assert 'value="agreed"' in page


def test_declining_and_agreeing_after_all(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    assert say(source, made, "declined").status_code == 303
    assert state(a_desk, keys, made) is ProposalStatus.DECLINED
    assert re.search(rf"{hook('answered', 'declined')}>[^<]*\b2 March 2026", source.get(path_of(made)).text)
    assert say(source, made, "agreed", sure="y").status_code == 303
    assert state(a_desk, keys, made) is ProposalStatus.AGREED


def test_an_answer_with_a_text_of_invisible_characters_has_no_text(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    assert say(source, made, "agreed", sure="y", text="\u200b\u3164").status_code == 303

    assert shown(a_desk, keys, made).answer_text == ""


def test_an_agreement_with_a_wish_for_changes_is_not_sent_and_keeps_the_wish(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    page = source.get(path_of(made)).text
    forms = re.findall(r"<form\b(?:(?!</form>).)*", page, re.DOTALL)
    (form,) = [each for each in forms if 'value="agreed"' in each]
    assert 'name="text"' in form  # so the browser sends what was typed with every answer

    both = say(source, made, "agreed", sure="y", text="Not before March")

    assert both.status_code == 422
    assert hooks(both.text, "refusal") == ["wish_typed"]
    assert "Not before March</textarea>" in both.text
    assert answers_in(a_desk, keys) == []
    assert say(source, made, "declined", text="Not before March").status_code == 303
    assert shown(a_desk, keys, made).answer_text == "Not before March"


def test_a_wish_for_changes_reaches_the_desk_in_the_words_of_the_source(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    empty = say(source, made, "changes_asked", text="  \n\u200b\ufeff\u2800\u3164\u00ad\u200e")
    assert empty.status_code == 422
    assert hooks(empty.text, "refusal") == ["no_wish"]

    assert say(source, made, "changes_asked", text="Leave out\r\nthe second line").status_code == 303

    assert state(a_desk, keys, made) is ProposalStatus.CHANGES_ASKED
    assert shown(a_desk, keys, made).answer_text == "Leave out\nthe second line"
    assert "Leave out<br>the second line" in source.get("/en/mailbox").text


def test_every_answer_is_told_in_words_in_the_conversation(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    say(source, made, "declined")
    say(source, made, "changes_asked", text="shorter")
    say(source, made, "agreed", sure="y")
    say(source, made, "taken_back")

    page = source.get("/en/mailbox").text
    assert [verdict for verdict in hooks(page, "entry") if verdict in list(Verdict)] == [
        "taken_back",
        "agreed",
        "changes_asked",
        "declined",
    ]
    headings = re.findall(r'<h2 id="by-[^>]*>(.*?)</h2>', page)
    assert len(set(headings)) == len(headings)
    assert len(answers_in(a_desk, keys)) == 4


def test_an_answer_waits_for_the_desk_like_any_word(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    say(source, made, "declined")

    thread = read_thread(a_desk.desk, keys, today=TODAY)
    assert not thread.is_answered
    assert thread.expect is not None
    assert "waiting" in hooks(source.get("/en/mailbox").text, "notice")


@pytest.mark.parametrize(
    ("verdict", "next_step"), [("agreed", "make_file"), ("declined", "answers"), ("changes_asked", "answers")]
)
def test_after_an_answer_the_mailbox_first_says_what_happens_with_the_proposal(
    source: SourceBrowser, made: SignedEntry, verdict: str, next_step: str
) -> None:
    source.write("a message before")

    say(source, made, verdict, text="Please." if verdict == "changes_asked" else "", sure="y")

    page = source.get("/en/mailbox").text
    assert (labels.ANSWER_PROPOSAL in page, labels.OPEN_PROPOSAL in page) == (False, True)
    first = page[page.index('data-notice="waiting"') : page.index('id="thread-state"')]
    assert hooks(first, "state") == [verdict]
    assert hooks(first, "expected") == ["2026-03-05"]
    assert "newest message" not in first
    assert set(hooks(page, "next")) == {next_step}


# ---- refusals ----------------------------------------------------------------------------------------


def test_a_digest_that_is_not_that_of_the_proposal_sends_nothing(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    other = "00" * 32
    form_context = a_desk.form_context(keys)
    action = consent.answer_action(made.envelope.entry_id.hex(), other)
    form = {**form_context.hidden_fields(a_desk.token_of(source), action), "digest": other}

    refused = source.post(path_of(made), {**form, "verdict": "agreed", "sure": "y"})

    assert refused.status_code == 422
    assert hooks(refused.text, "refusal") == ["other_proposal"]
    assert answers_in(a_desk, keys) == []


@pytest.mark.parametrize("digest", ["", "é", "zz", "00" * 31])
def test_a_digest_of_no_form_sends_nothing(
    a_desk: ADesk, keys: MailboxKeys, made: SignedEntry, digest: str
) -> None:
    answer = replace(an_answer(a_desk, keys, made, Verdict.AGREED), digest=digest)

    with pytest.raises(AnswerRefusedError) as refused:
        append_consent(a_desk.desk, keys, answer, today=TODAY)

    assert refused.value.reason is AnswerRefusal.OTHER_PROPOSAL
    assert answers_in(a_desk, keys) == []


def test_the_token_is_good_for_the_digest_on_the_page_alone(source: SourceBrowser, made: SignedEntry) -> None:
    form = form_of(source, made) | {"digest": "00" * 32}

    refused = source.post(path_of(made), {**form, "verdict": "agreed", "sure": "y"})

    assert refused.status_code == 403
    assert hooks(refused.text, "refusal") == ["form_expired"]


def test_a_consent_replayed_from_another_mailbox_counts_for_nothing(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    other = a_desk.browser()
    other.start()
    other_keys = a_desk.keys_of(other)
    theirs = a_desk.propose(other_keys, TEXT)
    say(other, theirs, "agreed", sure="y")
    agreed = next(
        content
        for _, content in read_mailbox(a_desk.desk, other_keys).opened
        if content is not None and content.kind is Kind.ANSWER
    )

    # The same answer to the same text, appended to this mailbox by someone who has its keys.
    a_desk.write_as_source(keys, agreed)

    assert state(a_desk, keys, made) is ProposalStatus.WAITING
    assert source.get("/en/mailbox").status_code == 200


def test_a_form_of_another_mailbox_is_refused(
    a_desk: ADesk, source: SourceBrowser, made: SignedEntry
) -> None:
    other = a_desk.browser()
    other.start()
    theirs = a_desk.propose(a_desk.keys_of(other), TEXT)

    refused = source.post(path_of(made), {**form_of(other, theirs), "verdict": "agreed", "sure": "y"})

    assert refused.status_code == 403
    assert source.post(path_of(theirs), {**form_of(other, theirs), "verdict": "agreed"}).status_code == 404


def test_another_site_cannot_answer(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    form = {**form_of(source, made), "verdict": "agreed", "sure": "y"}

    refused = source.client.post(path_of(made), data=form, headers={"Origin": "https://evil.example"})

    assert refused.status_code == 403
    assert answers_in(a_desk, keys) == []


def test_a_form_from_before_logging_in_gives_the_wish_back(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    form = form_of(source, made)
    source.log_in(source.passphrase)

    refused = source.post(path_of(made), {**form, "verdict": "changes_asked", "text": "my wish"})

    assert refused.status_code == 403
    assert "my wish" in refused.text
    assert answers_in(a_desk, keys) == []


def test_a_text_typed_before_a_log_out_returns_on_its_proposals_page(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    form = form_of(source, made)
    stranger = a_desk.browser()

    refused = stranger.post(path_of(made), {**form, "verdict": "changes_asked", "text": "my wish"})

    assert refused.status_code == 403
    assert "my wish" in refused.text
    assert hooks(refused.text, "page") == ["begin/log_in"]
    assert hooks(refused.text, "notice") == ["text_kept"]
    waiting = {**stranger.hidden(refused, "/en/log-in"), "text": "my wish"}
    failed = stranger.log_in("abacus", **waiting)
    waiting = {**stranger.hidden(failed, "/en/log-in"), "text": "my wish"}
    entered = stranger.log_in(source.passphrase, **waiting)
    assert entered.status_code == 200
    assert hooks(entered.text, "refusal") == ["form_expired"]
    assert "my wish" in entered.text
    assert answers_in(a_desk, keys) == []
    fresh = stranger.hidden(entered, path_of(made))
    sent = stranger.post(path_of(made), {**fresh, "verdict": "changes_asked", "text": "my wish"})
    assert sent.status_code == 303
    assert a_desk.thread_of(source).entries[-1].text == "my wish"


@pytest.mark.parametrize("proposal", ["ab" * 16, "no hexadecimal"])
def test_a_wish_for_a_proposal_that_is_not_there_is_not_lost(source: SourceBrowser, proposal: str) -> None:
    mark = source.form_context()["mailbox"]

    entered = source.log_in(source.passphrase, text="my wish", proposal=proposal, mailbox=mark)

    assert entered.status_code == 200
    assert hooks(entered.text, "page") == ["mailbox/write"]
    assert "my wish" in entered.text


@pytest.mark.parametrize("verdict", ["agreed", "declined", "taken_back"])
def test_after_a_log_out_the_page_says_that_no_answer_was_sent(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry, verdict: str
) -> None:
    form = {**form_of(source, made), "verdict": verdict, "sure": "y"}

    refused = a_desk.browser().post(path_of(made), form)

    assert refused.status_code == 403
    assert hooks(refused.text, "refusal") == ["logged_out"]
    assert answers_in(a_desk, keys) == []


def test_a_wish_that_can_no_longer_be_sent_stays_to_copy(source: SourceBrowser, made: SignedEntry) -> None:
    form = form_of(source, made)
    assert say(source, made, "agreed", sure="y").status_code == 303

    refused = source.post(path_of(made), {**form, "verdict": "changes_asked", "text": "my wish"})

    assert re.search(rf"<textarea[^>]* {hook('kept', 'text')}[^>]*>my wish</textarea>", refused.text)


@pytest.mark.parametrize("verdict", ["", "perhaps"])
def test_a_form_without_an_answer_is_refused(source: SourceBrowser, made: SignedEntry, verdict: str) -> None:
    assert say(source, made, verdict).status_code == 403


def test_a_wish_that_is_too_long_comes_back(source: SourceBrowser, made: SignedEntry) -> None:
    refused = say(source, made, "changes_asked", text="x" * 50_001)

    assert refused.status_code == 422
    assert hooks(refused.text, "refusal") == ["text_too_long"]
    assert "50\xa0000" in refused.text
    assert "x" * 50_001 in refused.text


@pytest.mark.parametrize("verdict", ["changes_asked", "declined"])
def test_an_answer_with_the_own_passphrase_comes_back_once_with_a_warning(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry, verdict: str
) -> None:
    text = f"For the adviser: {source.passphrase}"

    warned = say(source, made, verdict, text=text, sure="y")

    assert warned.status_code == 422
    assert hooks(warned.text, "refusal") == ["seven_words"]
    assert re.search(rf'<textarea[^>]* aria-invalid="true"[^>]*>\s*{text}</textarea>', warned.text)
    assert answers_in(a_desk, keys) == []

    fields = {**source.hidden(warned, path_of(made)), "sure": "y"}
    empty = source.post(path_of(made), {**fields, "verdict": "changes_asked"})
    assert hooks(empty.text, "refusal") == ["no_wish"]
    fields = {**source.hidden(empty, path_of(made)), "sure": "y"}
    assert source.post(path_of(made), {**fields, "verdict": verdict, "text": text}).status_code == 303
    assert shown(a_desk, keys, made).answer_text == text


def test_sent_twice_is_one_answer(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    form = {**form_of(source, made), "verdict": "agreed", "sure": "y"}

    assert [source.post(path_of(made), form).status_code for _ in range(2)] == [303, 303]
    assert answers_in(a_desk, keys) == [Verdict.AGREED]


def test_a_form_used_again_for_another_answer_is_refused(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    form = form_of(source, made)
    source.post(path_of(made), {**form, "verdict": "agreed", "sure": "y"})

    refused = source.post(path_of(made), {**form, "verdict": "declined"})

    assert refused.status_code == 422
    assert hooks(refused.text, "refusal") == ["changed"]
    assert answers_in(a_desk, keys) == [Verdict.AGREED]


def test_an_answer_from_another_window_is_not_replaced(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    stale = form_of(source, made)
    say(source, made, "agreed", sure="y")

    refused = source.post(path_of(made), {**stale, "verdict": "declined"})

    assert refused.status_code == 422
    assert hooks(refused.text, "refusal") == ["answered"]
    assert answers_in(a_desk, keys) == [Verdict.AGREED]


def test_taking_back_what_was_never_agreed_is_refused(source: SourceBrowser, made: SignedEntry) -> None:
    assert say(source, made, "taken_back").status_code == 422


def test_a_newer_proposal_makes_the_older_one_obsolete(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    stale = form_of(source, made)
    say(source, made, "agreed", sure="y")
    newer = a_desk.propose(keys, TEXT + " Changed.")

    refused = source.post(
        path_of(made), {**stale, "verdict": "agreed", "sure": "y", "entry_id": stale["entry_id"]}
    )

    assert state(a_desk, keys, made) is ProposalStatus.OBSOLETE
    assert state(a_desk, keys, newer) is ProposalStatus.WAITING
    assert refused.status_code == 422
    assert hooks(refused.text, "refusal") == ["obsolete"]
    assert f'href="{path_of(newer)}"' in refused.text
    assert 'name="verdict"' not in refused.text


def test_once_it_is_being_passed_on_nothing_is_taken_back(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    say(source, made, "agreed", sure="y")
    form = form_of(source, made)
    a_desk.pass_on(keys, made)

    refused = source.post(path_of(made), {**form, "verdict": "taken_back"})

    assert refused.status_code == 422
    assert hooks(refused.text, "refusal") == ["too_late"]
    assert 'name="verdict"' not in refused.text
    assert answers_in(a_desk, keys) == [Verdict.AGREED]
    assert hooks(source.get(path_of(made)).text, "state") == ["passing_on"]
    a_desk.pass_on(keys, made, StepName.PASSED_ON)
    assert hooks(source.get(path_of(made)).text, "state") == ["passed_on"]


def test_passing_on_that_begins_between_look_and_answer_wins(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    say(source, made, "agreed", sure="y")
    answer = an_answer(a_desk, keys, made, Verdict.TAKEN_BACK)
    overtaken = a_desk.overtaken(lambda: a_desk.pass_on(keys, made))

    with refuses(AnswerRefusal.TOO_LATE):
        append_consent(overtaken, keys, answer, today=TODAY)

    assert answers_in(a_desk, keys) == [Verdict.AGREED]


def test_a_word_of_the_desk_between_look_and_answer_costs_a_second_look(
    a_desk: ADesk, keys: MailboxKeys, made: SignedEntry
) -> None:
    answer = an_answer(a_desk, keys, made, Verdict.DECLINED)

    append_consent(a_desk.overtaken(lambda: a_desk.answer(keys, "by the way")), keys, answer, today=TODAY)

    assert answers_in(a_desk, keys) == [Verdict.DECLINED]


def test_a_desk_that_never_stops_writing_is_given_up_at_a_bound(
    a_desk: ADesk, keys: MailboxKeys, made: SignedEntry
) -> None:
    answer = an_answer(a_desk, keys, made, Verdict.DECLINED)

    with pytest.raises(MailboxChangedError):
        append_consent(
            a_desk.overtaken(lambda: a_desk.answer(keys, "again"), 1000), keys, answer, today=TODAY
        )

    assert answers_in(a_desk, keys) == []


def test_the_same_answer_from_two_windows_at_once_is_one(
    a_desk: ADesk, keys: MailboxKeys, made: SignedEntry
) -> None:
    answer = an_answer(a_desk, keys, made, Verdict.DECLINED)
    overtaken = a_desk.overtaken(lambda: append_consent(a_desk.desk, keys, answer, today=TODAY))

    append_consent(overtaken, keys, answer, today=TODAY)

    assert answers_in(a_desk, keys) == [Verdict.DECLINED]


def test_of_taking_back_and_passing_on_at_once_exactly_one_happens(a_desk: ADesk, keys: MailboxKeys) -> None:
    """Ten rounds. The desk passes on only after the agreement, and the source takes back only before that."""
    for _ in range(10):
        proposal = a_desk.propose(keys, TEXT)
        append_consent(a_desk.desk, keys, an_answer(a_desk, keys, proposal, Verdict.AGREED), today=TODAY)
        answer = an_answer(a_desk, keys, proposal, Verdict.TAKEN_BACK)
        seen = a_desk.transcript(keys)
        outcome: list[str] = []
        at_once = threading.Barrier(2)

        def take_back(answer: ConsentAnswer = answer, at_once: threading.Barrier = at_once) -> None:
            at_once.wait()
            try:
                append_consent(a_desk.desk, keys, answer, today=TODAY)
                outcome.append("taken back")  # noqa: B023  # joined before the next round
            except AnswerRefusedError as why:
                outcome.append(why.reason)  # noqa: B023

        other = threading.Thread(target=take_back)
        other.start()
        at_once.wait()
        passed = a_desk.pass_on_if_unchanged(keys, proposal, seen)
        other.join()

        assert outcome == ([AnswerRefusal.TOO_LATE] if passed else ["taken back"])
        wanted = ProposalStatus.PASSING_ON if passed else ProposalStatus.TAKEN_BACK
        assert state(a_desk, keys, proposal) is wanted


def test_deleting_the_agreement_takes_it_back(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    say(source, made, "agreed", sure="y")
    (agreed,) = [entry for entry in a_desk.thread_of(source).entries if entry.kind is Kind.ANSWER]
    delete = f"/en/mailbox/delete/{agreed.id}"
    asked = source.get(delete)

    source.post(delete, source.hidden(asked, delete))

    assert hooks(asked.text, "notice") == ["takes_agreement_back"]
    assert state(a_desk, keys, made) is ProposalStatus.WAITING


@pytest.mark.parametrize("way", ["delete", "end"])
def test_a_page_that_says_that_an_agreement_is_final_signs_that_it_said_so(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry, way: str
) -> None:
    """No page had shown the step before. Otherwise the deletion would take the agreement back."""
    say(source, made, "agreed", sure="y")
    source.get("/en/mailbox")
    (agreed,) = [entry for entry in a_desk.thread_of(source).entries if entry.kind is Kind.ANSWER]
    step = a_desk.pass_on(keys, made)
    path = f"/en/mailbox/delete/{agreed.id}" if way == "delete" else "/en/mailbox/end"
    asked = source.get(path)
    assert "stays_agreed" in hooks(asked.text, "notice")

    assert source.post(path, {**source.hidden(asked, path), "sure": "y"}).status_code == 303

    if way == "delete":
        assert state(a_desk, keys, made) is ProposalStatus.PASSING_ON
        (signed,) = a_desk.entries_of(keys, EntryClass.REMOVAL, Author.SOURCE)
    else:
        with a_desk.store.reading() as reading:
            ended = mailboxes.find_ended(reading, keys.address)
        assert ended is not None
        (signed,) = ending.proof_from_bytes(ended.proof)
    assert head_of(step) in signed.envelope.heads


def test_deleting_the_taking_back_does_not_bring_the_agreement_to_life(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    say(source, made, "agreed", sure="y")
    say(source, made, "taken_back")
    back = a_desk.thread_of(source).entries[-1]

    a_desk.delete(keys, bytes.fromhex(back.id))

    assert state(a_desk, keys, made) is ProposalStatus.TAKEN_BACK
    assert hooks(source.get(path_of(made)).text, "state") == ["agreement_unsure"]


def test_an_answer_in_a_mailbox_that_has_ended_is_refused(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    answer = an_answer(a_desk, keys, made, Verdict.DECLINED)
    ending = a_desk.overtaken(lambda: a_desk.end(source))

    with pytest.raises(NoSuchMailboxError):
        append_consent(ending, keys, answer, today=TODAY)

    with a_desk.store.reading() as session:
        assert mailboxes.find(session, keys.address) is None


def test_the_page_of_a_proposal_that_is_not_there_is_not_found(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    message = a_desk.answer(keys, "no proposal")

    assert source.get(path_of(message)).status_code == 404
    assert source.get("/en/mailbox/proposal/zz").status_code == 404
    assert source.post("/en/mailbox/proposal/zz", {}).status_code == 404
    with pytest.raises(NotFoundError):
        shown(a_desk, keys, message)


def test_in_a_full_mailbox_a_source_can_still_decline_but_not_forever(
    a_desk: ADesk, keys: MailboxKeys, made: SignedEntry
) -> None:
    full = replace(a_desk.desk, limits=replace(a_desk.desk.limits, entries=1))
    append_consent(full, keys, an_answer(a_desk, keys, made, Verdict.DECLINED), today=TODAY)
    fuller = replace(a_desk.desk, limits=replace(a_desk.desk.limits, entries=2 - consent._SPARE_ENTRIES))

    with pytest.raises(AnswerRefusedError) as refused:
        append_consent(fuller, keys, an_answer(a_desk, keys, made, Verdict.AGREED), today=TODAY)

    assert refused.value.reason is AnswerRefusal.MAILBOX_FULL
    assert answers_in(a_desk, keys) == [Verdict.DECLINED]


def test_a_full_mailbox_says_so_and_passes_nothing_on(
    a_desk: ADesk, source: SourceBrowser, made: SignedEntry
) -> None:
    a_desk.app.extensions["desk"] = replace(
        a_desk.desk, limits=replace(a_desk.desk.limits, entries=1 - consent._SPARE_ENTRIES)
    )

    refused = say(source, made, "declined")

    assert refused.status_code == 422
    assert hooks(refused.text, "refusal") == ["mailbox_full"]


def test_what_a_source_writes_as_a_proposal_or_a_step_is_none(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    """Attack: someone with the passphrase can sign any content.

    But only the desk makes proposals and steps.
    """
    content = open_entry(made, [keys.identity])
    for forged in (content, Content(kind=Kind.STEP, text="", step=StepNote(step=StepName.ADVICE_GIVEN))):
        a_desk.write_as_source(keys, forged)

    thread = a_desk.thread_of(source)

    assert [each.id for each in thread.asked] == [made.envelope.entry_id.hex()]
    assert StepName.ADVICE_GIVEN not in [step.step for step in thread.steps]
    assert source.get("/en/mailbox").status_code == 200


# ---- without consent ---------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [StepName.PASSING_ON, StepName.PASSED_ON])
def test_passing_on_without_consent_is_shown_on_top_with_its_reason(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, step: StepName
) -> None:
    a_desk.say_step(keys, "The law obliges us.", StepNote(step=step, to="the police", without_consent=True))

    page = source.get("/en/mailbox").text

    assert page.index(hook("notice", "without_agreement")) < page.index("the first message")
    assert page.index("The law obliges us.") < page.index("the first message")
    assert "the police" in page
    assert "done_without_agreement" in hooks(page, "notice")


def test_passing_on_without_consent_is_shown_once_in_its_present_state(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    for step, to in ((StepName.PASSING_ON, "X"), (StepName.PASSED_ON, "X"), (StepName.PASSING_ON, "Y")):
        a_desk.say_step(keys, "a reason", StepNote(step=step, to=to, without_consent=True))

    told = a_desk.thread_of(source).without_consent

    assert [(each.to, each.step) for each in told] == [("X", StepName.PASSED_ON), ("Y", StepName.PASSING_ON)]


# ---- what crosses where the desk works on a machine of its own


def crosses(
    a_desk: ADesk, keys: MailboxKeys, entry: SignedEntry, verdict: Verdict, *, reason: str = ""
) -> None:
    """Answer a proposal, and then append a step that the desk signed without knowing the answer."""
    replica = a_desk.transcript(keys)
    consent.append_consent(a_desk.desk, keys, an_answer(a_desk, keys, entry, verdict), today=TODAY)
    a_desk.pass_on(keys, entry, replica=replica, reason=reason)


@pytest.mark.parametrize("language", ["en", "nl"])
def test_a_taking_back_that_crossed_the_passing_on_was_in_time_and_the_page_says_so(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry, language: str
) -> None:
    say(source, made, "agreed", sure="y")
    crosses(a_desk, keys, made, Verdict.TAKEN_BACK)

    mailbox = source.get(f"/{language}/mailbox").text
    page = source.get(path_of(made).replace("/en/", f"/{language}/")).text

    void = f"<span {hook('step', 'not_passed_on')}>"
    assert re.search(rf'<li class="now".*?{void}[^<]*<bdi>J\. Jansen', mailbox, re.DOTALL)
    assert re.search(rf"{hook('entry', 'step')}>[^<]*{void}[^<]*<bdi>J\. Jansen", mailbox)
    assert hooks(mailbox, "notice").count("was_in_time") == 2
    assert "passing_on" not in hooks(mailbox, "step")
    assert hooks(mailbox, "next") == ["reads"]  # the desk has not read the answer yet
    assert hooks(page, "state") == ["taken_back"]
    assert state(a_desk, keys, made) is ProposalStatus.TAKEN_BACK
    assert 'value="agreed"' in page


def test_a_refusal_that_crossed_passing_on_without_agreement_is_not_told_as_if_that_was_done(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    crosses(a_desk, keys, made, Verdict.DECLINED, reason="The law obliges us.")

    mailbox = source.get("/en/mailbox").text

    assert a_desk.thread_of(source).without_consent == ()
    told = hooks(mailbox, "notice")
    assert "without_agreement" not in told
    assert "done_without_agreement" not in told
    assert "wanted_without_agreement" in told
    assert "The law obliges us." in mailbox


def test_after_an_agreement_was_deleted_in_time_no_answer_is_promised(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    say(source, made, "agreed", sure="y")
    replica = a_desk.transcript(keys)
    (agreed,) = [entry for entry in a_desk.thread_of(source).entries if entry.kind is Kind.ANSWER]
    a_desk.delete(keys, bytes.fromhex(agreed.id))
    a_desk.pass_on(keys, made, replica=replica)

    mailbox = source.get("/en/mailbox").text

    assert re.search(rf"{hook('step', 'not_passed_on')}>[^<]*<bdi>J\. Jansen", mailbox)
    assert hooks(mailbox, "next") == ["may_write"]


def test_after_a_step_that_was_void_the_source_can_answer_as_before(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, made: SignedEntry
) -> None:
    say(source, made, "agreed", sure="y")
    crosses(a_desk, keys, made, Verdict.TAKEN_BACK)

    assert say(source, made, "agreed", sure="y").status_code == 303
    assert state(a_desk, keys, made) is ProposalStatus.AGREED
    a_desk.pass_on(keys, made)
    assert state(a_desk, keys, made) is ProposalStatus.PASSING_ON
    now = source.get("/en/mailbox").text
    assert re.search(rf'<li class="now".*?{hook("step", "passing_on")}>[^<]*<bdi>J\. Jansen', now, re.DOTALL)
