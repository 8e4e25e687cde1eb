"""Attacks of someone who can write to the store: what the source signs stays true, and faults are shown."""

import importlib
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from protocol.content import Content, Kind, PassOnRecipient, ProposalNote, StepName, StepNote, Verdict
from protocol.entry import SignedEntry, open_entry, seal_words, sign_entry, verify_entry
from protocol.envelope import Author, EntryClass, Envelope
from protocol.heads import HEADS_OF_STRAND, Head
from protocol.identifiers import SOURCE_STRAND, Digest, EntryId, StrandId, sealing_words
from protocol.mailbox_keys import MailboxKeys, check_mailbox_keys
from protocol.strand import DeskWriter, SourceWriter
from protocol.transcript import ending
from protocol.transcript.check import FaultKind, head_of
from protocol.transcript.closing import closed_until
from protocol.transcript.proposal_states import ProposalStatus
from protocol.transcript.waiting import waiting_since
from source_app.services import login, thread
from source_app.services.verified_mailbox import Withheld
from store import entries, mailboxes
from store.database.prepared_statements import PreparedQuery
from stored_mailbox.appending import recompute_state, store_entry
from stored_mailbox.entry_form import FormContext
from tests.deep_json import deep_content
from tests.pages import hook, hooks
from tests.source_app.answering_proposals import path_of, say, state
from tests.source_app.desks import MULTIPART, TODAY, ADesk, SourceBrowser, multipart
from tests.stores import as_operator
from web.dates import half_hour_now

PAGE = "/en/mailbox"


@contextmanager
def hidden(a_desk: ADesk, *gone: SignedEntry) -> Iterator[None]:
    """Remove rows from the store during the block, and restore them afterwards."""
    taken = []
    with as_operator(a_desk.store) as operator:
        for entry in gone:
            taken += operator.execute("SELECT * FROM entry WHERE digest = ?", (entry.digest,))
            operator.execute("DELETE FROM entry WHERE digest = ?", (entry.digest,))
    yield
    with as_operator(a_desk.store) as operator:
        for row in taken:
            operator.execute(f"INSERT INTO entry VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608


def sql(a_desk: ADesk, statement: str, *values: object) -> None:
    with as_operator(a_desk.store) as operator:
        operator.execute(statement, values)


def messages(a_desk: ADesk, keys: MailboxKeys) -> list[SignedEntry]:
    return a_desk.entries_of(keys, EntryClass.WORDS, Author.SOURCE)


def own_heads(entry: SignedEntry) -> list[Head]:
    return [head for head in entry.envelope.heads if not head.strand]


def answer(source: SourceBrowser, proposal: SignedEntry, verdict: Verdict) -> None:
    assert say(source, proposal, verdict, sure="y").status_code == 303


# ---- the operator edits or hides a row while the source writes -----------------------------------------


def test_a_hidden_row_is_still_named_by_the_next_message(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    (first,) = messages(a_desk, keys)
    source.get(PAGE)
    with hidden(a_desk, first):
        assert source.write("the second message").status_code == 303
        assert "missing" in hooks(source.get(PAGE).text, "notice")

    _, second = messages(a_desk, keys)
    assert own_heads(second) == [head_of(first)]
    assert a_desk.transcript(keys).faults == ()
    assert "missing" not in hooks(source.get(PAGE).text, "notice")


@pytest.mark.parametrize(
    "edit",
    ["number = 7", "number = -1", "strand = x'00'", "author = 1", "entry_id = x'00'", "day = '2020-01-01'"],
)
def test_an_edited_column_changes_nothing_that_is_signed(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, edit: str
) -> None:
    (first,) = messages(a_desk, keys)
    source.get(PAGE)
    with as_operator(a_desk.store) as operator:
        before = operator.execute("SELECT * FROM entry")
    sql(a_desk, f"UPDATE entry SET {edit}")  # noqa: S608  # our own words
    assert source.write("the second message").status_code == 303
    sql(a_desk, "DELETE FROM entry WHERE digest = ?", first.digest)
    sql(a_desk, f"INSERT INTO entry VALUES ({', '.join('?' * len(before[0]))})", *before[0])  # noqa: S608

    _, second = messages(a_desk, keys)
    assert own_heads(second) == [head_of(first)]
    assert a_desk.transcript(keys).faults == ()


@pytest.mark.parametrize("number", [1, 2])
def test_a_forged_row_beside_or_after_the_newest_entry_is_not_named(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, number: int
) -> None:
    """The entry that the form names is not verified again, because its digest is. Every other one is."""
    source.get(PAGE)
    (first,) = messages(a_desk, keys)
    heads = (head_of(first),) * (number - 1)
    forged = replace(first, envelope=replace(first.envelope, heads=heads), signature=bytes(64))
    with a_desk.store.writing() as session:
        store_entry(session, forged)
    source.write("the second message")

    assert own_heads(messages(a_desk, keys)[-1]) == [head_of(first)]


def test_a_message_signs_what_its_page_showed_although_the_store_shows_less(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    shown = a_desk.answer(keys, "an answer")
    source.get(PAGE)
    with hidden(a_desk, shown):
        source.write("the second message")

    second = messages(a_desk, keys)[-1]
    assert head_of(shown) in second.envelope.heads


def test_a_message_claims_to_have_seen_nothing_that_was_shown_later(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.get(PAGE)
    form = source.form_context()
    later = a_desk.answer(keys, "written while the source types")
    source.write("the second message", form_context=form)

    second = messages(a_desk, keys)[-1]
    assert later.digest not in a_desk.transcript(keys).knowledge.known_to([second.digest])


def test_a_step_with_a_flipped_byte_does_not_count_as_seen(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    entry = a_desk.answer(keys, "an answer")
    header = entry.header or b""
    flipped = header[:-1] + bytes([header[-1] ^ 1])
    sql(a_desk, "UPDATE sealed SET header = ? WHERE header = ?", flipped, header)
    page = source.get(PAGE).text
    sql(a_desk, "UPDATE sealed SET header = ? WHERE header = ?", header, flipped)
    source.write("the second message")

    second = messages(a_desk, keys)[-1]
    assert "left_out" in hooks(page, "notice")
    assert second.envelope.unseen == (head_of(entry),)
    assert entry.digest not in a_desk.transcript(keys).knowledge.known_to([second.digest])
    assert "an answer" in source.get(PAGE).text


# ---- the operator hides the step "passing on", lets the source withdraw, and puts the step back --------


def test_a_withdrawal_while_the_step_was_hidden_is_in_time(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    proposal = a_desk.propose(keys, "a text")
    answer(source, proposal, Verdict.AGREED)
    step = a_desk.pass_on(keys, proposal)
    with hidden(a_desk, step):
        answer(source, proposal, Verdict.TAKEN_BACK)

    assert state(a_desk, keys, proposal) is ProposalStatus.TAKEN_BACK
    assert "was_in_time" in hooks(source.get(PAGE).text, "notice")


def test_a_withdrawal_is_in_time_although_an_earlier_receipt_covers_the_hidden_step(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    proposal = a_desk.propose(keys, "a text")
    answer(source, proposal, Verdict.AGREED)
    step = a_desk.pass_on(keys, proposal)
    source.get(PAGE)
    with hidden(a_desk, step):
        answer(source, proposal, Verdict.TAKEN_BACK)

    assert state(a_desk, keys, proposal) is ProposalStatus.TAKEN_BACK


def test_a_deletion_of_the_agreement_while_the_step_was_hidden_is_in_time(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    proposal = a_desk.propose(keys, "a text")
    answer(source, proposal, Verdict.AGREED)
    source.get(PAGE)
    agreed = messages(a_desk, keys)[-1]
    step = a_desk.pass_on(keys, proposal)
    with hidden(a_desk, step):
        delete(source, agreed)

    assert state(a_desk, keys, proposal) is ProposalStatus.WAITING
    assert "was_in_time" in hooks(source.get(PAGE).text, "notice")


def test_a_server_that_has_the_step_appends_no_answer_and_shows_the_step(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    proposal = a_desk.propose(keys, "a text")
    answer(source, proposal, Verdict.AGREED)
    form = source.hidden(source.get(path_of(proposal)), path_of(proposal))
    a_desk.pass_on(keys, proposal)

    refused = source.post(path_of(proposal), {**form, "verdict": "taken_back"})

    assert hooks(refused.text, "refusal") == ["too_late"]
    assert hooks(refused.text, "state") == ["passing_on"]
    assert len(messages(a_desk, keys)) == 2


# ---- someone has the key of a workstation that was retired


@pytest.fixture
def retired(a_desk: ADesk) -> DeskWriter:
    return a_desk.add_workstation(b"desk-old", since=date(2026, 1, 1), until=date(2026, 1, 31))


@pytest.mark.parametrize("last_day", [date(2026, 1, 31), TODAY - timedelta(days=1)])
def test_a_retired_workstation_cannot_begin_to_pass_on_what_the_source_agreed_to_later(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, last_day: date
) -> None:
    """Attack: with the retired key, the operator dates a step back, and the withdrawal would be too late."""
    retired = a_desk.add_workstation(b"desk-old", since=date(2026, 1, 1), until=last_day)
    proposal = a_desk.propose(keys, "a text")
    answer(source, proposal, Verdict.AGREED)
    digest = a_desk.thread_of(source).newest_proposal.digest  # type: ignore[union-attr]
    note = StepNote(step=StepName.PASSING_ON, to="J. Jansen", proposal=Digest(bytes.fromhex(digest)))
    a_desk.answer(keys, "", kind=Kind.STEP, step=note, writer=retired, day=last_day)

    assert "left_out" in hooks(source.get(PAGE).text, "notice")
    answer(source, proposal, Verdict.TAKEN_BACK)

    assert state(a_desk, keys, proposal) is ProposalStatus.TAKEN_BACK


def test_a_proposal_that_a_retired_workstation_dates_back_gets_no_agreement(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    """Attack: with the retired key, the operator replaces the text to which the source agreed."""
    retired = a_desk.add_workstation(b"desk-old", since=date(2026, 1, 1), until=TODAY)
    proposal = a_desk.propose(keys, "a text")
    answer(source, proposal, Verdict.AGREED)
    note = ProposalNote(recipient=PassOnRecipient.SG, name="J. Jansen", fingerprint="AB" * 20)
    false = a_desk.answer(keys, "a false text", kind=Kind.PROPOSAL, proposal=note, writer=retired)

    page = source.get(path_of(false)).text

    assert 'name="verdict"' not in page
    assert f'href="{path_of(proposal)}"' in page
    assert state(a_desk, keys, proposal) is ProposalStatus.AGREED
    assert state(a_desk, keys, false) is ProposalStatus.OBSOLETE


def test_a_retired_workstation_cannot_answer_what_was_written_later(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, retired: DeskWriter
) -> None:
    forged = a_desk.answer(keys, "FORGED", writer=retired, day=date(2026, 1, 20))

    page = source.get(PAGE).text
    thread = a_desk.thread_of(source)
    assert "FORGED" not in page
    assert "left_out" in hooks(page, "notice")
    assert (thread.is_answered, thread.entries[0].seen_on) == (False, None)
    assert waiting_since(a_desk.transcript(keys)) == TODAY
    assert source.write("are you there?").status_code == 303
    assert head_of(forged) not in messages(a_desk, keys)[-1].envelope.unseen


def test_names_of_workstations_that_never_existed_stop_no_one(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, retired: DeskWriter
) -> None:
    """Attack: two entries that are dated back name 124 strands, and an envelope can name 64."""
    proposal = a_desk.propose(keys, "a text")
    for first in (0, 62):
        ids = (StrandId(bytes([first + at]) * 8) for at in range(62))
        own = [head for head in a_desk.transcript(keys).heads if head.strand == retired.strand]
        named = tuple(sorted([*own, *(Head(strand, 1, Digest(strand * 4)) for strand in ids)]))
        part = replace(a_desk.draft_receipt(keys, retired), heads=named, unseen=(), day=date(2026, 1, 20))
        a_desk.append(sign_entry(part, by=retired))

    assert source.write("a second message").status_code == 303
    answer(source, proposal, Verdict.DECLINED)
    delete(source, messages(a_desk, keys)[0])
    a_desk.answer(keys, "an answer")
    assert a_desk.thread_of(source).newest_reply.text == "an answer"  # type: ignore[union-attr]
    a_desk.end(source)


def old_answers(
    a_desk: ADesk, keys: MailboxKeys, retired: DeskWriter, count: int, *, unreadable: int = 0
) -> None:
    """Append answers that are dated back, each the newest of an invented history of its own."""
    for at in range(count):
        history = Head(retired.strand, 2 * at + 1, Digest(secrets.token_bytes(32)))
        made = seal_words(
            Content(kind=Kind.MESSAGE, text=f"answer {at}"),
            address=keys.address,
            mailbox_recipient=keys.identity.recipient,
            letterhead=a_desk.letterhead,
            by=retired,
            entry_id=EntryId(secrets.token_bytes(16)),
            heads=(history,),
            unseen=(),
            day=date(2026, 1, 20),
        )
        a_desk.append(replace(made, header=b"damaged") if at < unreadable else made)


def test_visits_to_seventeen_answers_that_are_dated_back_leave_two_receipts(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, retired: DeskWriter
) -> None:
    """Attack: an entry names 16 of them, so each visit left a dated receipt, and no closing ever closed."""
    old_answers(a_desk, keys, retired, 17)
    for _ in range(4):
        source.get(PAGE)
    assert len(a_desk.entries_of(keys, EntryClass.RECEIPT, Author.SOURCE)) == 2

    for words in ("closed", "closed again"):
        a_desk.close(keys, words, TODAY)
    assert closed_until(a_desk.transcript(keys)) == TODAY


def test_visits_to_more_unreadable_answers_than_a_receipt_can_list_leave_no_receipts(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, retired: DeskWriter
) -> None:
    """Attack: a receipt then confirms nothing, so each visit left another one."""
    old_answers(a_desk, keys, retired, 66, unreadable=65)
    for _ in range(3):
        assert "answer 65" in source.get(PAGE).text
    assert a_desk.entries_of(keys, EntryClass.RECEIPT, Author.SOURCE) == []


def test_a_file_that_was_made_all_the_same_is_shown_with_what_became_of_it(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    proposal = a_desk.propose(keys, "a text")
    answer(source, proposal, Verdict.AGREED)
    replica = a_desk.transcript(keys)
    answer(source, proposal, Verdict.TAKEN_BACK)
    a_desk.pass_on(keys, proposal, replica=replica)
    a_desk.pass_on(keys, proposal, StepName.PASSED_ON)
    made = source.get(PAGE).text
    assert hooks(source.get(path_of(proposal)).text, "state") == ["made_too_late"]
    a_desk.pass_on(keys, proposal, StepName.PASSED_ON, delivered=TODAY)
    delivered = source.get(PAGE).text

    assert "must_be_destroyed" in hooks(made, "notice")
    assert "handed_over_all_the_same" not in hooks(made, "notice")
    assert "handed_over_all_the_same" in hooks(delivered, "notice")
    assert hooks(source.get(path_of(proposal)).text, "state") == ["handed_over_all_the_same"]


def test_what_cannot_be_stopped_is_said_before_the_source_agrees(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    page = source.get(path_of(a_desk.propose(keys, "a text"))).text

    for danger in ("start_can_be_hidden", "can_be_held_back", "may_investigate"):
        assert page.index(hook("before-agreeing", danger)) < page.index('value="agreed"')


# ---- a row that was hidden for a moment gives two entries side by side ---------------------------------


def test_two_entries_side_by_side_are_both_there_and_nothing_is_rejected(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    form = source.form_context()
    source.write("sent twice", form_context=form)
    with hidden(a_desk, messages(a_desk, keys)[-1]):
        source.write("sent twice", form_context=form)

    transcript = a_desk.transcript(keys)
    _, one, other = messages(a_desk, keys)
    assert one.envelope.entry_id == other.envelope.entry_id
    assert one.envelope.number == other.envelope.number
    assert transcript.rejected == ()
    assert {fault.kind for fault in transcript.faults} == {FaultKind.SIDE_BY_SIDE}
    assert [entry.text for entry in a_desk.thread_of(source).entries].count("sent twice") == 2

    source.get(PAGE)
    assert source.write("the next message").status_code == 303
    assert set(own_heads(messages(a_desk, keys)[-1])) == {head_of(one), head_of(other)}
    delete(source, one)
    assert [entry.is_removed for entry in a_desk.thread_of(source).entries] == [False, True, True, False]


def test_a_form_sent_twice_is_one_entry_while_no_row_is_hidden(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    form = source.form_context()
    first, second = (source.write("sent twice", form_context=form) for _ in range(2))

    assert first.location == second.location
    assert len(messages(a_desk, keys)) == 2


# ---- a removed entry is restored, or an entry is lost --------------------------------------------------


def delete(source: SourceBrowser, entry: SignedEntry) -> None:
    path = f"/en/mailbox/delete/{entry.envelope.entry_id.hex()}"
    assert source.post(path, source.hidden(source.get(path), path)).status_code == 303


def test_deleting_an_entry_deletes_none_of_the_other_side_that_has_its_id(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    """Attack: a dishonest adviser gives a step the id of an agreement, and asks the source to delete it."""
    answer(source, a_desk.propose(keys, "a text"), Verdict.AGREED)
    step = StepNote(step=StepName.ADVICE_GIVEN)
    content = Content(kind=Kind.STEP, text="Please delete this message.", step=step)
    entry_id = messages(a_desk, keys)[-1].envelope.entry_id
    false = a_desk._append_of_desk(keys, content, entry_id, a_desk.writer, TODAY, None, None)

    page = source.get(f"/en/mailbox/delete/{entry_id.hex()}").text
    assert "Please delete" not in page
    assert [each.step is None for each in a_desk.thread_of(source).entries if each.is_own] == [True, True]
    delete(source, false)

    (removed,) = [each.envelope.removes for each in a_desk.transcript(keys).entries if each.envelope.removes]
    assert false.digest not in removed
    assert len(removed) == 1


def test_a_message_that_was_hidden_while_its_copy_was_deleted_is_called_a_deleted_message(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    """Attack: the operator breaks off the answer and hides the message, so that the source sends the form
    again, and deletes the copy. Then the operator restores the first message.
    """
    form = source.form_context()
    source.write("a secret", form_context=form)
    first = messages(a_desk, keys)[-1]
    with hidden(a_desk, first):
        source.write("a secret", form_context=form)
        delete(source, messages(a_desk, keys)[-1])
        assert hooks(source.get(PAGE).text, "notice")[0] == "missing"

    page = source.get(PAGE).text

    assert "a secret" in page
    assert hooks(page, "notice")[0] == "restored"
    delete(source, first)
    assert "a secret" not in source.get(PAGE).text
    assert "restored" not in hooks(source.get(PAGE).text, "notice")
    assert a_desk.transcript(keys).removed.keys() == {each.digest for each in messages(a_desk, keys)[1:]}


def test_a_restored_entry_is_not_shown_and_can_be_deleted_again(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.write("a secret", [("a.txt", b"a file")])
    (file,) = a_desk.thread_of(source).entries[-1].files
    secret = messages(a_desk, keys)[-1]
    with as_operator(a_desk.store) as operator:
        query = "SELECT entry.id, header, payload FROM sealed JOIN entry USING (id) WHERE digest = ?"
        ((row, header, payload),) = operator.execute(query, (secret.digest,))
    delete(source, secret)
    sql(a_desk, "UPDATE sealed SET header = ?, payload = ? WHERE id = ?", header, payload, row)
    sql(a_desk, "DELETE FROM deletion_queue WHERE id = ?", row)

    page = source.get(PAGE).text
    again = source.get(f"/en/mailbox/delete/{secret.envelope.entry_id.hex()}").text

    assert hooks(page, "notice")[0] == "restored"
    assert hooks(page, "entry") == ["restored"]
    assert "a secret" not in page + again + source.get("/en/mailbox/save").text
    assert source.get(f"/en/mailbox/received/{secret.envelope.entry_id.hex()}").status_code == 404
    assert source.get(f"/en/mailbox/files/{file.id}").status_code == 404
    delete(source, secret)
    assert hooks(source.get(PAGE).text, "entry") == ["removed"]
    assert messages(a_desk, keys)[-1].header is None


def test_an_entry_whose_text_was_destroyed_by_someone_else_is_shown_as_lost(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    a_desk.answer(keys, "an answer")
    sql(a_desk, "UPDATE sealed SET header = NULL, payload = NULL")

    page = source.get(PAGE).text

    assert hooks(page, "notice")[0] == "lost"
    assert hooks(page, "entry").count("lost") == 2
    assert set(a_desk.thread_of(source).mailbox.withheld.values()) == {Withheld.LOST}


def test_a_deletion_that_someone_dropped_is_not_denied(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    """Attack: the operator drops the signed removal. The page told the source that they deleted nothing."""
    source.write("a secret")
    delete(source, messages(a_desk, keys)[-1])
    (removal,) = a_desk.entries_of(keys, EntryClass.REMOVAL, Author.SOURCE)
    sql(a_desk, "DELETE FROM entry WHERE digest = ?", removal.digest)
    source.log_in(source.passphrase)

    page = source.get(PAGE).text

    assert (hooks(page, "notice")[0], hooks(page, "entry")) == ("lost", ["lost"])


def agrees_and_writes(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> tuple[SignedEntry, SignedEntry]:
    """Let the source agree to a proposal, write a message and read the mailbox. Return both entries."""
    proposal = a_desk.propose(keys, "a text")
    answer(source, proposal, Verdict.AGREED)
    source.write("a secret")
    words = messages(a_desk, keys)[-1]
    source.get(PAGE)
    return proposal, words


def deletes_or_takes_back(
    a_desk: ADesk,
    source: SourceBrowser,
    keys: MailboxKeys,
    what: str,
    proposal: SignedEntry,
    words: SignedEntry,
) -> SignedEntry:
    """Let the source delete the message or take back the agreement. Return the new entry."""
    if what == "a deletion":
        delete(source, words)
        (removal,) = a_desk.entries_of(keys, EntryClass.REMOVAL, Author.SOURCE)
        return removal
    answer(source, proposal, Verdict.TAKEN_BACK)
    return messages(a_desk, keys)[-1]


@pytest.mark.parametrize("what", ["a deletion", "a withdrawal"])
def test_a_session_misses_what_it_wrote_and_the_operator_dropped_before_another_page(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, what: str
) -> None:
    """Otherwise the page shows the deleted words, or the agreement, as if the source had done nothing."""
    proposal, words = agrees_and_writes(a_desk, source, keys)
    dropped = deletes_or_takes_back(a_desk, source, keys, what, proposal, words)
    drop(a_desk, dropped, words)

    assert "missing" in hooks(source.get(PAGE).text, "notice")
    source.write("another message")
    assert head_of(dropped) in own_heads(messages(a_desk, keys)[-1])


@pytest.mark.parametrize("what", ["a deletion", "a withdrawal"])
def test_a_form_that_was_open_before_makes_no_session_forget_what_the_operator_dropped(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, what: str
) -> None:
    """Attack: the operator drops a removal while a form in another tab is open, which names older entries."""
    proposal, words = agrees_and_writes(a_desk, source, keys)
    other_tab = source.form_context()
    dropped = deletes_or_takes_back(a_desk, source, keys, what, proposal, words)
    drop(a_desk, dropped, words)
    assert source.write("another message", form_context=other_tab).status_code == 303

    assert "missing" in hooks(source.get(PAGE).text, "notice")
    source.write("a third message")
    assert head_of(dropped) in own_heads(messages(a_desk, keys)[-1])


def test_a_page_that_was_read_before_makes_no_session_forget_what_the_operator_dropped(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.write("a secret")
    words = messages(a_desk, keys)[-1]
    source.get(PAGE)
    path = f"/en/mailbox/delete/{words.envelope.entry_id.hex()}"
    fields = source.hidden(source.get(path), path)
    elsewhere = a_desk.browser()
    elsewhere.log_in(source.passphrase)
    elsewhere.write("from another device")  # so that the page has something new for the session
    limiter = a_desk.app.extensions["mailbox_limiter"]
    monkeypatch.setattr(limiter, "of", lambda _: nullcontext())  # another process receives the other request
    during_a_page(monkeypatch, lambda: source.post(path, fields))
    source.get(PAGE)
    (dropped,) = a_desk.entries_of(keys, EntryClass.REMOVAL, Author.SOURCE)
    drop(a_desk, dropped, words)

    assert "missing" in hooks(source.get(PAGE).text, "notice")


def test_a_page_that_was_read_before_restores_no_session_that_was_ended(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = a_desk.token_of(source)
    a_desk.answer(keys, "an answer")
    during_a_page(monkeypatch, lambda: login.log_out(a_desk.desk, token))
    assert source.get(PAGE).status_code == 200

    assert login.find_session(a_desk.desk, token, now=half_hour_now()) is None


@pytest.mark.parametrize("what", ["any request", "a page", "a message"])
def test_no_request_that_was_running_restores_a_session_that_was_ended(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, what: str
) -> None:
    """Attack: the next person at the device has the cookie. The log-out comes between two statements."""
    token, now = a_desk.token_of(source), half_hour_now() + 1  # the session is extended
    opened = login.find_session(a_desk.desk, token, now=now - 1 if what == "any request" else now)
    assert opened is not None
    answer_of_desk = a_desk.answer(keys, "an answer")
    no_form = FormContext.new(keys.address, (), ())

    def log_out() -> None:
        login.log_out(a_desk.desk, token)

    with after_reading_a_session(a_desk, log_out):
        if what == "any request":
            assert login.find_session(a_desk.desk, token, now=now) is not None
        elif what == "a page":
            login.remember_page(a_desk.desk, opened, ((head_of(answer_of_desk),), ()), now=now)
        else:
            login.remember_written(a_desk.desk, opened, no_form, [answer_of_desk], now=now)

    assert login.find_session(a_desk.desk, token, now=now) is None


def test_two_tabs_that_write_at_once_make_no_session_forget_what_one_of_them_wrote(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    """Attack: the operator drops the message of one tab, and the session does not miss it."""
    token, now = a_desk.token_of(source), half_hour_now()
    opened = login.find_session(a_desk.desk, token, now=now)
    assert opened is not None
    second = a_desk.answer(keys, "an answer")
    first = a_desk.write_as_source(keys, Content(kind=Kind.MESSAGE, text="of another tab"))
    form = FormContext.new(keys.address, (), ())
    with after_reading_a_session(
        a_desk, lambda: login.remember_written(a_desk.desk, opened, form, [first], now=now)
    ):
        login.remember_page(a_desk.desk, opened, ((head_of(second),), ()), now=now)

    latest = login.find_session(a_desk.desk, token, now=now)
    assert latest is not None
    assert set(latest.state.shown[0]) == {head_of(first), head_of(second)}


@pytest.mark.parametrize("count", [HEADS_OF_STRAND - 1, HEADS_OF_STRAND])
def test_an_entry_without_room_for_all_names_makes_no_session_forget_those_left_out(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, count: int
) -> None:
    """Attack: the operator hides rows until the source has more newest entries than an entry can name."""
    token, now = a_desk.token_of(source), half_hour_now()
    opened = login.find_session(a_desk.desk, token, now=now)
    assert opened is not None
    form = FormContext.new(keys.address, opened.state.shown[0], ())
    old = set(form.heads)
    envelope = Envelope(
        address=keys.address,
        entry_id=form.entry_id,
        entry_class=EntryClass.RECEIPT,
        strand=SOURCE_STRAND,
        heads=tuple(Head(SOURCE_STRAND, 7, Digest(bytes([at]) * 32)) for at in range(count)),
        unseen=(),
        day=TODAY,
        letterhead_serial=1,
    )
    written = sign_entry(envelope, by=SourceWriter(keys))
    login.remember_written(a_desk.desk, opened, form, [written], now=now)

    latest = login.find_session(a_desk.desk, token, now=now)
    assert latest is not None
    assert old
    assert set(latest.state.shown[0]) == {head_of(written)} | (old if count == HEADS_OF_STRAND else set())


@contextmanager
def after_reading_a_session(a_desk: ADesk, act: Callable[[], object]) -> Iterator[None]:
    """Let something happen once, after a session's row was read and before the row is changed."""
    real = a_desk.desk.sessions.change
    acts = iter([act])

    def change(*given: Any) -> bool:  # noqa: ANN401  # as the real one
        for each in acts:
            each()
        return real(*given)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(a_desk.desk.sessions, "change", change)
        yield
    assert next(acts, None) is None


def drop(a_desk: ADesk, entry: SignedEntry, removed: SignedEntry) -> None:
    """Delete an entry's row, and restore the header of an entry that was perhaps removed."""
    sql(a_desk, "DELETE FROM entry WHERE digest = ?", entry.digest)
    header = "UPDATE sealed SET header = ? WHERE id = (SELECT id FROM entry WHERE digest = ?)"
    sql(a_desk, header, removed.header, removed.digest)


def during_a_page(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen once, after the next page has read the mailbox and before it is remembered."""
    real = thread.read_thread
    acts = iter([act])

    def read_thread(*given: Any, **how: Any) -> Any:  # noqa: ANN401  # as the real one
        read = real(*given, **how)
        for each in acts:
            each()
        return read

    monkeypatch.setattr(thread, "read_thread", read_thread)


def test_every_fault_says_what_happened_and_what_to_do(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = "UPDATE sealed SET header = ? WHERE id = (SELECT id FROM entry WHERE digest = ?)"
    source.write("a secret")
    restored = messages(a_desk, keys)[-1]
    delete(source, restored)
    sql(a_desk, change, restored.header, restored.digest)
    a_desk.answer(keys, "FORGED", writer=DeskWriter(a_desk.writer.strand, bytes(32)))
    lost, unreadable, missing = (a_desk.answer(keys, text) for text in ("lost", "unreadable", "missing"))
    with monkeypatch.context() as newer:
        newer.setattr("protocol.content.MINOR", 1)
        newest = Content(minor=1, kind=Kind.MESSAGE, text="words of another time")
        a_desk._append_of_desk(keys, newest, EntryId(bytes(16)), a_desk.writer, TODAY)
    sql(a_desk, change, None, lost.digest)
    sql(a_desk, change, bytes(9), unreadable.digest)
    sql(a_desk, "DELETE FROM entry WHERE digest = ?", missing.digest)

    for lang, actions in (
        ("en", r"ask us in another|talk to us|come back|delete (this|the) message"),
        ("nl", r"vraag ons op een andere|praat met ons|kom |verwijder (dit|het) bericht"),
    ):
        paths = ["", "/save", *(f"/delete/{each.envelope.entry_id.hex()}" for each in (restored, unreadable))]
        pages = [source.get(f"/{lang}/mailbox{path}").text for path in paths]
        said = [dict(re.findall(r'<p data-(?:notice|entry)="(\w+)">([^<]+)', page)) for page in pages]

        whole = {"left_out", "missing", "lost", "restored", "newer_version"}
        assert [whole <= set(each) for each in said[:2]] == [True, True]
        assert [{"restored", "unreadable"} & set(each) for each in said[2:]] == [{"restored"}, {"unreadable"}]
        sentences = [text for page in said for fault, text in page.items() if fault in {*whole, "unreadable"}]
        assert [text for text in sentences if not re.search(rf"[:.] ({actions})", text, re.IGNORECASE)] == []


def test_content_that_is_nested_very_deep_damages_only_its_own_entry(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    """Attack: the thief of a retired workstation signs it with a day on which this workstation was in use."""
    proposal = a_desk.propose(keys, "the exact words")
    thief = a_desk.add_workstation(b"thief-ws", since=date(2026, 1, 1), until=date(2026, 1, 31))
    deep = seal_words(
        deep_content(),
        address=keys.address,
        mailbox_recipient=keys.identity.recipient,
        letterhead=a_desk.letterhead,
        by=thief,
        entry_id=EntryId(bytes(16)),
        heads=(),
        unseen=(),
        day=date(2026, 1, 20),
    )
    a_desk.append(deep)

    page = source.get(PAGE)

    assert (page.status_code, hooks(page.text, "notice")) == (200, ["left_out", "asked"])
    for path in ("/write", f"/proposal/{proposal.envelope.entry_id.hex()}", "/save"):
        assert source.get(f"{PAGE}{path}").status_code == 200
    source.write("and more")
    assert len(messages(a_desk, keys)) == 2
    assert deep.digest in a_desk.transcript(keys).authentic


def test_a_removal_is_shown_with_the_workstations_that_confirmed_it(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    source.get(PAGE)
    delete(source, messages(a_desk, keys)[0])
    assert hooks(source.get(PAGE).text, "confirmed-by") == []

    for _ in range(2):  # one workstation that confirms twice is one workstation
        a_desk.receipt(keys)
        page = source.get(PAGE).text
        assert hooks(page, "confirmed-by") == ["1"]
        assert re.search(r"\s<span data-confirmed-by", page)  # a space between the two sentences


def test_a_workstation_that_was_retired_since_does_not_confirm_for_those_in_use(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    delete(source, messages(a_desk, keys)[0])
    old = a_desk.add_workstation(b"desk-old", since=date(2026, 1, 1))
    a_desk.receipt(keys, old)
    assert hooks(source.get(PAGE).text, "confirmed-by") == ["1"]

    a_desk.add_workstation(b"desk-old", since=date(2026, 1, 1), until=TODAY)
    a_desk.add_workstation(b"desk-new", since=TODAY + timedelta(days=1))
    assert [each.confirmed_by for each in a_desk.thread_of(source, TODAY).entries] == [1]
    thread = a_desk.thread_of(source, TODAY + timedelta(days=1))
    assert ([each.confirmed_by for each in thread.entries], thread.workstations) == ([0], 2)


def test_a_workstation_that_knew_nothing_of_a_removal_confirms_nothing(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    replica = a_desk.transcript(keys)
    delete(source, messages(a_desk, keys)[0])
    a_desk.answer(keys, "an answer", replica=replica)

    assert hooks(source.get(PAGE).text, "confirmed-by") == []


def test_a_removal_that_removes_nothing_is_not_appended(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    (first,) = messages(a_desk, keys)
    path = f"/en/mailbox/delete/{first.envelope.entry_id.hex()}"
    two_pages = [source.hidden(source.get(path), path) for _ in range(2)]

    answers = [source.post(path, form).status_code for form in two_pages]

    assert answers == [303, 404]
    assert len(a_desk.entries_of(keys, EntryClass.REMOVAL, Author.SOURCE)) == 1


def test_a_full_mailbox_refuses_neither_a_removal_nor_the_end(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys
) -> None:
    limits = replace(a_desk.desk.limits, entries=1, entries_bytes=1)
    a_desk.app.extensions["desk"] = replace(a_desk.desk, limits=limits)
    assert source.write("no room").status_code == 422
    end = "/en/mailbox/end"

    delete(source, messages(a_desk, keys)[0])
    ended = source.post(end, {**source.hidden(source.get(end), end), "sure": "y"})

    assert ended.status_code == 303
    with a_desk.store.reading() as session:
        assert mailboxes.find(session, keys.address) is None


@pytest.mark.parametrize("proof", [None, b"", b"\0", "another"])
def test_no_page_says_that_a_mailbox_ended_which_the_operator_hides(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, proof: bytes | str | None
) -> None:
    """Attack: the row is hidden while the source ends the mailbox, and restored afterwards."""
    end = "/en/mailbox/end"
    form = {**source.hidden(source.get(end), end), "sure": "y"}
    if proof == "another":  # an end that someone else signed
        draft = a_desk.draft_receipt(keys, SourceWriter(keys), EntryClass.END)
        signed = sign_entry(draft, by=SourceWriter(keys))
        proof = ending.proof_to_bytes([replace(signed, signature=bytes(64))])
    row = {"address": keys.address, "recipient": keys.recipient, "verify_key": keys.verify_key, "day": TODAY}
    sql(a_desk, "UPDATE mailbox SET address = ?", bytes(20))
    if isinstance(proof, bytes):
        with a_desk.store.writing() as session:
            mailboxes.apply_end_from_peer(session, **row, proof=proof)

    said = source.post(end, form)

    assert said.status_code == 404
    sql(a_desk, "UPDATE mailbox SET address = ?", keys.address)
    assert len(messages(a_desk, keys)) == 1


@pytest.mark.parametrize("column", ["verify_key", "recipient"])
def test_the_end_stays_as_a_signed_proof_with_the_heads_and_keys_of_the_source(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, column: str
) -> None:
    """The operator changed a key in the mailbox's row. The desk would refuse a proof with other keys."""
    (first,) = messages(a_desk, keys)
    end = "/en/mailbox/end"
    source.get(PAGE)
    form = {**source.hidden(source.get(end), end), "sure": "y"}
    with as_operator(a_desk.store) as operator:
        operator.execute(f"UPDATE mailbox SET {column} = zeroblob(32)")  # noqa: S608
    source.post(end, form)

    with a_desk.store.reading() as session:
        ended = mailboxes.find_ended(session, keys.address)
    assert ended is not None
    check_mailbox_keys(keys.address, ended.recipient, ended.verify_key)
    (proof,) = ending.proof_from_bytes(ended.proof)
    verify_entry(proof, mailbox_verify_key=ended.verify_key, strands={})
    assert proof.envelope.entry_class is EntryClass.END
    assert proof.envelope.heads == (head_of(first),)


# ---- what a form carries ------------------------------------------------------------------------------


@pytest.mark.parametrize("due", [None, date(2026, 6, 3)])  # a column that no one signed
@pytest.mark.parametrize("count", [10, 2_000])
def test_posting_verifies_and_reads_as_little_in_a_long_mailbox_as_in_a_short_one(
    a_desk: ADesk,
    source: SourceBrowser,
    keys: MailboxKeys,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    due: date | None,
) -> None:
    fill(a_desk, keys, count)
    source.get(PAGE)
    form = source.form_context()
    with a_desk.store.writing() as session:
        entries.set_state(session, keys.address, waiting_since=None, due=due)
    verified, rows = counter(monkeypatch, "protocol.entry.check_signature"), rows_read(monkeypatch)

    assert source.write("another message", form_context=form).status_code == 303

    assert not verified  # the form names the newest entry of the source
    assert rows[0] < 20
    assert messages(a_desk, keys)[-1].envelope.number == count // 2 + 2


@pytest.mark.parametrize("elsewhere", [False, True])
def test_many_messages_after_one_page_verify_no_more_with_each_message(
    a_desk: ADesk,
    source: SourceBrowser,
    keys: MailboxKeys,
    monkeypatch: pytest.MonkeyPatch,
    *,
    elsewhere: bool,
) -> None:
    """A source who writes and never reads: the receipt, or another device, wrote after their only page."""
    source.write("before the page")
    a_desk.answer(keys, "an answer")
    source.get(PAGE)
    if elsewhere:
        a_desk.write_as_source(keys, Content(kind=Kind.MESSAGE, text="from another device"))
    assert len(a_desk.entries_of(keys, EntryClass.RECEIPT, Author.SOURCE)) == 1
    verified, counts = counter(monkeypatch, "protocol.entry.check_signature"), []
    for number in range(30):
        verified.clear()
        assert source.write(f"message {number}").status_code == 303
        counts.append(len(verified))

    assert counts[0] > 0  # what was written since the page
    assert not any(counts[1:])
    assert own_heads(messages(a_desk, keys)[-1]) == [head_of(messages(a_desk, keys)[-2])]


def test_a_message_that_is_refused_verifies_as_little_as_one_that_is_posted(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(a_desk, keys, 100)
    source.get(PAGE)
    form = source.form_context()
    source.write("a message", form_context=form)
    with a_desk.store.writing() as session:
        entries.set_state(session, keys.address, waiting_since=None, due=date(2026, 6, 3))
    verified, rows = counter(monkeypatch, "protocol.entry.check_signature"), rows_read(monkeypatch)

    changed = source.write("another message", form_context=form)
    expired = source.write("a message", form_context={**form, "token": "x"})

    assert (changed.status_code, expired.status_code) == (422, 403)
    assert len(verified) <= 3
    assert rows[0] < 20


def fill(a_desk: ADesk, keys: MailboxKeys, count: int) -> None:
    """Add receipts of both sides in turns, so that the mailbox has `count` more entries."""
    tips = {head.strand: head for head in a_desk.transcript(keys).heads}
    with a_desk.store.writing(durable=False) as session:
        for turn in range(count):
            writer = a_desk.writer if turn % 2 else SourceWriter(keys)
            envelope = Envelope(
                address=keys.address,
                entry_id=EntryId(turn.to_bytes(16)),
                entry_class=EntryClass.RECEIPT,
                strand=writer.strand,
                heads=tuple(sorted(tips.values())),
                unseen=(),
                day=TODAY,
                letterhead_serial=1,
            )
            signed = sign_entry(envelope, by=writer)
            store_entry(session, signed)
            tips[writer.strand] = head_of(signed)
        recompute_state(session, keys.address)


def counter(monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
    """Return a list that grows with each call of a function."""
    calls: list[object] = []
    module, _, function = name.rpartition(".")
    original: Callable[..., object] = getattr(importlib.import_module(module), function)

    def counting(*args: object, **named: object) -> object:
        calls.append(args)
        return original(*args, **named)

    monkeypatch.setattr(name, counting)
    return calls


def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list whose only number grows with each row that a query returns."""
    count = [0]
    each = PreparedQuery.each

    def counting(query: PreparedQuery[object], *args: object, **named: object) -> Iterator[object]:
        for row in each(query, *args, **named):  # type: ignore[arg-type]  # passed on as they are
            count[0] += 1
            yield row

    monkeypatch.setattr(PreparedQuery, "each", counting)
    return count


def test_a_form_is_good_for_its_own_mailbox_alone(a_desk: ADesk, source: SourceBrowser) -> None:
    other = a_desk.browser()
    other.start()

    assert source.write("mine", form_context=other.form_context()).status_code == 403


@pytest.mark.parametrize("language", ["en", "nl"])
def test_words_carry_the_language_of_their_page(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, language: str
) -> None:
    path = f"/{language}/mailbox/write"
    form = {**source.hidden(source.get(path), path), "text": "words"}
    sent = source.client.post(path, data=multipart(form, []), content_type=MULTIPART)

    assert sent.status_code == 303
    assert open_entry(messages(a_desk, keys)[-1], [keys.identity]).language == language


def test_words_of_a_newer_version_are_named_and_do_not_count_as_seen(
    a_desk: ADesk, source: SourceBrowser, keys: MailboxKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr("protocol.content.MINOR", 1)
        entry_id = EntryId(bytes(16))
        content = Content(minor=1, kind=Kind.MESSAGE, text="words of another time")
        entry = a_desk._append_of_desk(keys, content, entry_id, a_desk.writer, TODAY)

    page = source.get(PAGE).text
    source.write("the second message")

    assert "newer_version" in hooks(page, "entry")
    assert "words of another time" not in page
    assert messages(a_desk, keys)[-1].envelope.unseen == (head_of(entry),)


def test_the_six_words_of_the_mailbox_are_asked_for_and_shown(
    source: SourceBrowser, keys: MailboxKeys
) -> None:
    words = sealing_words(keys.address)

    assert len(words.split("-")) == 6
    assert words in source.get("/en/mailbox/write").text
    assert "six_words" in hooks(source.get("/en/seal").text, "step")
    assert words not in source.get("/en/seal").text  # this page is the same for everyone
