"""Attacks by the store's operator while an adviser works: the desk signs only what was verified and shown."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest
from nacl.signing import SigningKey

from journalist_app.desk import open_desk
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import PassOnRefusal, SendRefusal
from journalist_app.files import presealed
from journalist_app.files.sealing_words import NamedMailbox
from journalist_app.services import inbox_lists, search_mailboxes
from journalist_app.services.inbox_lists import InboxFilter
from journalist_app.services.mailbox import file_downloads, read_thread
from journalist_app.services.mailbox.answering import AnswerSender, ReplyForm
from journalist_app.services.passing_on import pass_on
from journalist_app.services.whole_desk import background_check, sync_status
from protocol.content import Content, Kind, StepName, StepNote, Verdict
from protocol.entry import SignedEntry, sign_entry
from protocol.envelope import Author, EntryClass, Envelope
from protocol.errors import NewerVersionError
from protocol.heads import Head, Heads
from protocol.identifiers import Digest, EntryId, StrandId, sealing_words
from protocol.letterhead import Strand
from protocol.strand import DeskWriter, SourceWriter
from protocol.transcript.check import head_of
from protocol.transcript.proposal_states import ProposalStatus
from stored_mailbox.entry_form import FormContext
from tests.journalist_app import desk_readers
from tests.journalist_app.checking import check_everything
from tests.journalist_app.desk_factories import TODAY, ASource, World, a_source, append, publish
from tests.journalist_app.files.sealing import age_armour, age_file, recipient_of
from tests.journalist_app.opening import heads_on_page, opens
from tests.journalist_app.refusals import refuses
from tests.journalist_app.services.closing.test_closing import close, due_of
from tests.journalist_app.services.passing_on.test_passing_on import (
    answers,
    begin,
    deliver,
    make,
    newest,
    propose,
    steps_of,
)
from tests.journalist_app.views.test_views import AdviserBrowser, a_browser, answer_fields, settle
from tests.pages import hooks
from tests.planted import finds_the_fault
from tests.stores import as_operator


@contextmanager
def hidden(world: World, signed: SignedEntry) -> Iterator[None]:
    """Hide a row during the block, as the operator of the store can."""
    world.execute("CREATE TABLE hidden AS SELECT * FROM entry WHERE digest = :digest", digest=signed.digest)
    world.execute("DELETE FROM entry WHERE digest = :digest", digest=signed.digest)
    yield
    world.execute("INSERT INTO entry SELECT * FROM hidden")
    world.execute("DROP TABLE hidden")


def answer(desk: OpenDesk, source: ASource, heads: Heads, unseen: Heads, text: str = "antwoord") -> None:
    entry_id = EntryId(text.encode().ljust(16)[:16])
    form = ReplyForm(FormContext(source.keys.address, entry_id, heads, unseen), text)
    with AnswerSender(desk, form, today=TODAY, half_hour=1) as under_way:
        under_way.send()


def newest_words(source: ASource) -> SignedEntry:
    return [entry for entry in source.reads().transcript.entries if entry.envelope.is_words][-1]


def faults(desk: OpenDesk, source: ASource) -> list[str]:
    return [fault.kind for fault in opens(desk, source.keys.address).faults]


# ---- the operator edits or hides a row while someone writes


def test_a_message_that_is_hidden_while_the_adviser_answers_is_signed_as_shown(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    shown = source.writes("nog iets")
    heads, unseen = heads_on_page(desk, source.keys.address)

    with hidden(world, shown):
        # This workstation remembers the message, so it signs nothing while the message is gone.
        assert "rolled_back" in faults(desk, source)
    answer(desk, source, heads, unseen)

    assert head_of(shown) in newest_words(source).envelope.heads
    assert faults(desk, source) == []


def test_a_workstation_never_signs_one_number_twice_although_its_newest_row_is_hidden(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    answer(desk, source, *heads_on_page(desk, source.keys.address), text="eerste")
    first = newest_words(source)
    heads, unseen = heads_on_page(desk, source.keys.address)

    with hidden(world, first):
        source.looks()
        assert not opens(desk, source.keys.address).may_answer
    answer(desk, source, heads, unseen, text="tweede")

    assert newest_words(source).envelope.number == first.envelope.number + 1
    assert faults(desk, source) == []


def test_two_messages_that_a_hidden_row_gave_one_number_are_shown_and_answered(
    world: World, desk: OpenDesk, source: ASource, browser: AdviserBrowser
) -> None:
    with hidden(world, source.writes("eerste")):
        source.writes("tweede")

    shown = opens(desk, source.keys.address)

    assert {fault.kind for fault in shown.faults} == {"side_by_side"}
    assert {"eerste", "tweede"} <= {entry.text for entry in shown.entries}
    for path in ("/inbox", f"/mailbox/{source.address}"):
        settle(browser)
        assert "side_by_side" in hooks(browser.get(path).text, "fault")
    answer(desk, source, shown.heads, shown.unseen)
    assert sum(not head.strand for head in newest_words(source).envelope.heads) == 2


def test_a_lost_row_ends_neither_answers_nor_closing(world: World, desk: OpenDesk, source: ASource) -> None:
    lost = source.writes("kwijt")
    source.writes("nog iets")
    world.execute("DELETE FROM entry WHERE digest = :digest", digest=lost.digest)

    assert faults(desk, source) == ["missing"]
    answer(desk, source, *heads_on_page(desk, source.keys.address))
    close(desk, source)

    assert head_of(lost) in newest_words(source).envelope.unseen
    assert due_of(source) is not None


def test_words_whose_encrypted_part_is_lost_are_told_and_named_as_unseen(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    lost = source.writes("kwijt")
    world.execute("UPDATE sealed SET header = NULL WHERE id = (SELECT id FROM entry WHERE number = 2)")

    shown = opens(desk, source.keys.address)

    assert [fault.kind for fault in shown.faults] == ["lost"]
    assert [entry.fault for entry in shown.entries] == ["", "lost"]
    assert shown.may_answer
    assert shown.unseen == (head_of(lost),)


# ---- the operator restores a removed entry with its header, and drops the removal


@pytest.mark.parametrize("is_removal_dropped", [True, False])
def test_a_restored_entry_is_not_shown_destroyed_again_and_reported(
    world: World, desk: OpenDesk, source: ASource, *, is_removal_dropped: bool
) -> None:
    removed = source.writes("geheim")
    world.execute("CREATE TABLE kept AS SELECT * FROM sealed")
    removal = source.removes(removed)
    opens(desk, source.keys.address)
    world.execute("INSERT OR REPLACE INTO sealed SELECT * FROM kept")
    if is_removal_dropped:
        world.execute("DELETE FROM entry WHERE digest = :digest", digest=removal.digest)

    shown = opens(desk, source.keys.address)
    assert "restored" in [fault.kind for fault in shown.faults]
    assert not shown.may_answer
    assert "geheim" not in [entry.text for entry in shown.entries]

    background_check.check_store(desk, TODAY)

    transcript = source.reads().transcript
    assert transcript.authentic[removed.digest].header is None
    assert ("restored",) == sync_status.faults_at_server(desk)[0].faults
    after = opens(desk, source.keys.address)
    assert "restored" in [fault.kind for fault in after.faults]
    assert after.may_answer is not is_removal_dropped  # a removal that is gone was rolled back
    sync_status.dismiss_finding(desk, source.keys.address)
    assert ("rolled_back" in faults(desk, source)) is is_removal_dropped
    assert is_removal_dropped or faults(desk, source) == []


# ---- the operator hides the step of passing on, lets the source withdraw, and puts the step back


def test_a_withdrawal_while_the_step_was_hidden_is_in_time(
    world: World, desk: OpenDesk, source: ASource, browser: AdviserBrowser
) -> None:
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    begin(desk, source, proposed)

    with hidden(world, newest_words(source)):
        answers(source, Verdict.TAKEN_BACK, proposed.digest)

    with refuses(PassOnRefusal.WITHDRAWN):
        make(desk, source, proposed)
    assert StepName.PASSED_ON not in steps_of(desk, source)
    page = browser.get(f"/mailbox/{source.address}/proposal/{proposed.entry_id.hex()}").text
    assert (hooks(page, "state"), hooks(page, "news")) == (["taken_back"], ["void"])


def test_a_file_that_was_made_in_spite_of_a_withdrawal_in_time_must_go(
    desk: OpenDesk, source: ASource, browser: AdviserBrowser
) -> None:
    """Attack: the operator holds back the source's withdrawal until the file is made."""
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    before = list(source.reads().transcript.authentic)
    begin(desk, source, proposed)
    make(desk, source, proposed)
    answers(source, Verdict.TAKEN_BACK, proposed.digest, before)

    assert newest(desk, source).must_destroy
    where = f"/mailbox/{source.address}"
    for path in (where, f"{where}/proposal/{proposed.entry_id.hex()}"):
        assert hooks(browser.get(path).text, "destroy") == [proposed.entry_id.hex()]
    assert pass_on.list_unfinished(opens(desk, source.keys.address).thread_state) == ()
    with refuses(PassOnRefusal.WITHDRAWN):
        make(desk, source, proposed)
    deliver(desk, source, proposed)

    (delivered,) = [step for step in opens(desk, source.keys.address).thread_state.steps if step.delivered]
    assert (delivered.delivered, delivered.is_void) == (TODAY, True)


@pytest.mark.parametrize("is_delivered", [False, True])
def test_a_file_must_go_although_the_source_withdrew_by_deleting_the_proposal_itself(
    desk: OpenDesk, source: ASource, browser: AdviserBrowser, *, is_delivered: bool
) -> None:
    """Attack: the operator holds the deletion back until the file is made. No one can read the proposal."""
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    before = list(source.reads().transcript.authentic)
    begin(desk, source, proposed)
    make(desk, source, proposed)
    if is_delivered:
        deliver(desk, source, proposed)
    by = SourceWriter(source.keys)
    source.signs(by, EntryClass.REMOVAL, removes=(proposed.signed.digest,), shown=before)

    page = browser.get(f"/mailbox/{source.address}").text

    assert hooks(page, "destroy") == ["" for _ in range(not is_delivered)]


def test_of_answers_side_by_side_one_against_wins(world: World, desk: OpenDesk, source: ASource) -> None:
    proposed = propose(desk, source)
    with hidden(world, answers(source, Verdict.DECLINED, proposed.digest)):
        answers(source, Verdict.AGREED, proposed.digest)

    with refuses(PassOnRefusal.NOT_AGREED):
        begin(desk, source, proposed)


# ---- someone has the key of a workstation that was retired


RETIRED_DAY = TODAY - timedelta(days=30)


@pytest.fixture
def retired(world: World) -> DeskWriter:
    by = DeskWriter(StrandId(b"desk-old"), bytes(32))
    key = bytes(SigningKey(by.seed).verify_key)
    strand = Strand(id=by.strand, name="oud", verify_key=key, since=RETIRED_DAY, until=RETIRED_DAY)
    world.letterhead = world.letterhead.successor(strands=(*world.letterhead.strands, strand))
    publish(world.store, world.keyring, world.letterhead)
    return by


def forge(source: ASource, by: DeskWriter, *, heads: Heads = (), unseen: Heads = ()) -> SignedEntry:
    """Append a receipt with the retired key, dated before the retirement, that names these entries."""
    envelope = Envelope(
        address=source.keys.address,
        entry_id=EntryId(secrets.token_bytes(16)),
        entry_class=EntryClass.RECEIPT,
        strand=by.strand,
        heads=heads,
        unseen=unseen,
        day=RETIRED_DAY,
        letterhead_serial=1,
    )
    forged = sign_entry(envelope, by=by)
    append(source.world.store, forged)
    return forged


def invented(strand: StrandId, count: int) -> Heads:
    """Return names of entries that never existed, with the numbers from 1."""
    return tuple(Head(strand, at, Digest(secrets.token_bytes(32))) for at in range(1, count + 1))


def test_names_that_a_retired_workstation_invents_leave_room_for_an_answer(
    retired: DeskWriter, source: ASource, browser: AdviserBrowser
) -> None:
    """Attack: entries name hundreds of entries that never existed. Each form of the page carried them all."""
    names = [head for at in range(12) for head in invented(StrandId(bytes([at]) * 8), 64)]
    before: Heads = ()
    for at in range(0, len(names), 256):
        before = (head_of(forge(source, retired, heads=before, unseen=tuple(names[at : at + 256]))),)

    page = browser.get(f"/mailbox/{source.address}")

    assert hooks(page.text, "fault") == ["missing"]
    assert len(page.text) < 100_000
    assert browser.answer(f"/mailbox/{source.address}", answer_fields(page, "antwoord")).status_code == 303


def test_a_step_that_a_retired_workstation_dates_back_begins_nothing(
    retired: DeskWriter, desk: OpenDesk, source: ASource, browser: AdviserBrowser
) -> None:
    """Attack: with the retired key, the operator passes on what the source agreed to after the retirement."""
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    note = StepNote(step=StepName.PASSING_ON, to="SG", proposal=proposed.digest)
    source.is_told(Content(kind=Kind.STEP, text="", step=note), day=RETIRED_DAY, by=retired)

    shown = opens(desk, source.keys.address)
    assert [(fault.kind, fault.allows_answers) for fault in shown.faults] == [("dated_back", True)]
    assert newest(desk, source).state is ProposalStatus.AGREED
    assert pass_on.list_unfinished(shown.thread_state) == ()
    page = browser.get(f"/mailbox/{source.address}").text
    assert hooks(page, "fault") == ["dated_back"]

    answers(source, Verdict.TAKEN_BACK, proposed.digest)
    assert newest(desk, source).state is ProposalStatus.TAKEN_BACK


@pytest.mark.parametrize("is_without", [True, False], ids=["without consent", "with consent"])
def test_a_step_about_a_later_proposal_that_a_retired_workstation_dates_back_begins_nothing(
    retired: DeskWriter, desk: OpenDesk, source: ASource, browser: AdviserBrowser, *, is_without: bool
) -> None:
    """Attack: the heads of the step name nothing later, and only its content names the later proposal."""
    proposed = propose(desk, source)
    answers(source, Verdict.AGREED, proposed.digest)
    for step in (StepName.PASSING_ON, StepName.PASSED_ON):
        note = StepNote(step=step, to="SG", proposal=proposed.digest, without_consent=is_without)
        content = Content(kind=Kind.STEP, text="De wet eist het.", step=note)
        source.is_told(content, day=RETIRED_DAY, by=retired, shown=())

    shown = opens(desk, source.keys.address)
    assert [(fault.kind, fault.allows_answers) for fault in shown.faults] == [("unfounded", True)]
    assert newest(desk, source).state is ProposalStatus.AGREED
    assert pass_on.list_unfinished(shown.thread_state) == ()
    assert not any(step.without_consent for step in shown.thread_state.steps)
    page = browser.get(f"/mailbox/{source.address}").text
    assert hooks(page, "fault") == ["unfounded"]


def test_a_rival_that_a_retired_workstation_signs_keeps_no_answer_from_anyone(
    retired: DeskWriter, desk: OpenDesk, source: ASource, browser: AdviserBrowser
) -> None:
    """Attack: a second entry has the number of a real answer, so that both are a fork in this mailbox."""
    content = Content(kind=Kind.MESSAGE, text="het echte antwoord")
    real = source.is_told(content, day=RETIRED_DAY, by=retired, shown=())
    source.looks()
    forge(source, retired)
    forge(source, retired, heads=invented(retired.strand, 1))

    page = browser.get(f"/mailbox/{source.address}")
    assert hooks(page.text, "fault") == ["retired_fork", "missing"]
    assert "het echte antwoord" in page.text
    assert browser.answer(f"/mailbox/{source.address}", answer_fields(page, "antwoord")).status_code == 303
    assert real.digest in {entry.digest for entry in source.reads().transcript.entries}
    close(desk, source)
    assert due_of(source)


# ---- one malformed row stops nothing else


def test_two_mailboxes_with_one_name_are_shown_with_more_words(
    world: World, desk: OpenDesk, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: someone makes mailboxes until one has the name of another source, and writes in it.

    To find such a mailbox takes days of computing, so the test gives two mailboxes the same words.
    """
    imitated, other = source.keys.address, a_source(world)
    other.writes("another question")
    check_everything(desk, TODAY)
    name = desk.label(imitated)
    words = open_desk.mailbox_label
    imitation = a_source(world)
    monkeypatch.setattr(
        open_desk, "mailbox_label", lambda each: name if each == imitation.keys.address else words(each)
    )
    imitation.writes("it is me again")
    check_everything(desk, TODAY)

    rows = inbox_lists.read_inbox(desk, InboxFilter("waiting"), TODAY).rows
    shown = {row.address: row.label for row in rows}
    for each in (imitated, imitation.keys.address):
        assert shown[each.hex()] == f"{name} ({sealing_words(each)})"
    assert shown[other.address] == words(other.keys.address)
    found = inbox_lists.read_inbox(desk, InboxFilter("waiting", query=name), TODAY).rows
    assert {row.address for row in found} == {imitated.hex(), imitation.address}


@pytest.mark.parametrize(
    "column", ["author", "strand", "number", "entry_id", "digest", "envelope", "signature", "epoch", "day"]
)
@pytest.mark.parametrize("value", ["'text'", "CAST(x'ff' AS TEXT)", "x'00'", "-7", "0.5"])
def test_a_malformed_row_of_one_mailbox_is_named_and_stops_no_page(
    world: World, desk: OpenDesk, source: ASource, column: str, value: str
) -> None:
    other = a_source(world)
    other.writes("ook een vraag")
    world.execute(
        f"UPDATE entry SET {column} = {value} WHERE address = :address",  # noqa: S608  # of this test
        address=source.keys.address,
    )

    check_everything(desk)
    inbox = inbox_lists.read_inbox(desk, InboxFilter("waiting"), TODAY)

    assert not desk.progress.is_broken
    assert other.address in [row.address for row in inbox.rows]
    assert [entry.text for entry in opens(desk, other.keys.address).entries] == ["ook een vraag"]
    shown = opens(desk, source.keys.address)
    # Nothing relies on the epoch, and a strand that is not a BLOB reads as that of the source.
    assert column in {"epoch", "strand"} or "damaged_row" in [fault.kind for fault in shown.faults]
    # The page names the place that was signed, and not what the damaged column says.
    places = {(fault.author, fault.number) for fault in shown.faults if fault.kind == "damaged_row"}
    assert places <= {(Author.SOURCE, 1), (None, 0)}


# ---- what a page did not show is not signed as shown


def test_what_a_removal_removed_is_confirmed_as_removed(desk: OpenDesk, source: ASource) -> None:
    removed = source.writes("toch niet")
    opens(desk, source.keys.address)
    removal = source.removes(removed)

    opens(desk, source.keys.address)

    receipts = [
        entry
        for entry in source.reads().transcript.entries
        if entry.envelope.entry_class is EntryClass.RECEIPT
    ]
    assert head_of(removal) in receipts[-1].envelope.heads


def test_a_message_that_the_adviser_was_not_shown_stops_the_closing(desk: OpenDesk, source: ASource) -> None:
    """A form of the closing page names only what the thread showed."""
    heads, unseen = heads_on_page(desk, source.keys.address)
    source.says(Content(kind=Kind.MESSAGE, text="wacht"))

    with refuses(SendRefusal.SOURCE_WROTE):
        answer(desk, source, heads, unseen)


# ---- a sealed text or file of another source is sent again from another mailbox


@pytest.fixture
def browser(world: World) -> AdviserBrowser:
    made = a_browser(world)
    made.unlock()
    settle(made)
    return made


@pytest.mark.parametrize("how", ["a text", "a text that is offered as a file", "a file"])
def test_a_sealed_text_or_file_of_another_mailbox_is_withheld_until_confirmed(
    world: World, source: ASource, browser: AdviserBrowser, how: str
) -> None:
    victim = a_source(world)
    words = f"{sealing_words(victim.keys.address)}\nmijn geheim"
    if how == "a text that is offered as a file":
        words += "\0"
    if how == "a file":
        file = ("a.txt.age", age_file(words.encode(), [recipient_of(world)]))
        copy = source.writes("kijk", file=file)
    else:
        copy = source.writes(age_armour(words.encode(), [recipient_of(world)]))

    page = browser.get(f"/mailbox/{source.address}").text
    assert hooks(page, "named") == ["other"]
    assert "mijn geheim" not in page
    assert "opened=1" not in page
    pasted = f"/look/{copy.envelope.entry_id.hex()}-1-0/"
    assert pasted not in page
    link = re.search(r'href="([^"]+confirmed=[^"#]+)', page)
    assert link is not None
    confirmed = browser.get(link[1]).text
    shown = {"a text": "mijn geheim", "a file": "opened=1"}
    assert shown.get(how, pasted) in confirmed
    assert copy.digest in source.reads().transcript.authentic


def test_a_planted_fault_is_found_every_sealed_text_names_its_own_mailbox(
    world: World, source: ASource, browser: AdviserBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_thread, "named_mailbox", lambda *_: NamedMailbox.OWN)
    with finds_the_fault():
        test_a_sealed_text_or_file_of_another_mailbox_is_withheld_until_confirmed(
            world, source, browser, "a text"
        )


@pytest.mark.parametrize("is_own", [False, True])
def test_search_finds_and_shows_no_sealed_text_that_names_another_mailbox(
    world: World, desk: OpenDesk, source: ASource, *, is_own: bool
) -> None:
    named = source if is_own else a_source(world)
    words = f"{sealing_words(named.keys.address)}\nmijn geheim"
    source.writes(age_armour(words.encode(), [recipient_of(world)]))
    source.writes("een tweede geheim, dat iedereen mag zien")
    desk_readers.begin(desk)
    assert desk_readers.wait_until_whole(desk.index).is_whole

    assert desk.index.find(["mijn"]) == ([source.keys.address] if is_own else [])
    (hit,) = search_mailboxes.search(desk, "geheim", 1).hits
    assert ("mijn geheim" in hit.snippet) == is_own
    desk.stop()


@pytest.mark.parametrize(("first_line", "named"), [("", ["none"]), ("{words}", []), ("{spaced}", [])])
def test_a_sealed_text_says_whether_it_names_its_own_mailbox(
    world: World, source: ASource, browser: AdviserBrowser, first_line: str, named: list[str]
) -> None:
    words = sealing_words(source.keys.address)
    line = first_line.format(words=words, spaced=words.replace("-", " ").title())
    source.writes(age_armour(f"{line}\nmijn verhaal".encode(), [recipient_of(world)]))

    page = browser.get(f"/mailbox/{source.address}").text

    assert hooks(page, "named") == named
    assert "mijn verhaal" in page


BAD_BLOCK = "-----BEGIN AGE ENCRYPTED FILE-----\nAAAA\n-----END AGE ENCRYPTED FILE-----\n"
CONTENT = b"mijn verhaal, en wie het deed\n"


def sends_sealed(world: World, source: ASource, how: str) -> SignedEntry:
    """Have a source send the same content, encrypted again: as a text, among other text, or as a file."""
    if how == "file":
        return source.writes("kijk", file=("a.age", age_file(CONTENT, [recipient_of(world)])))
    around = "" if how == "text" else "Zie hieronder.\n\n"
    return source.writes(around + age_armour(CONTENT, [recipient_of(world)]))


def compares(desk: OpenDesk) -> None:
    desk_readers.begin(desk)
    assert desk_readers.wait_until_whole(desk.index).is_whole
    file_downloads.compare_new_contents(desk)


@pytest.mark.parametrize("first", ["text", "file"])
@pytest.mark.parametrize("second", ["text among others", "file"])
def test_the_same_sealed_content_in_two_mailboxes_is_told_even_if_it_was_sealed_again(
    world: World, desk: OpenDesk, source: ASource, first: str, second: str
) -> None:
    """The bytes of a captured text or file can be rewritten without the key."""
    copy, other = a_source(world), a_source(world)
    sends_sealed(world, source, first)
    copied = sends_sealed(world, copy, second)
    other.writes(age_armour(b"iets anders", [recipient_of(world)]))
    assert opens(desk, source.keys.address).entries[-1].also_in is None
    compares(desk)

    assert opens(desk, source.keys.address).entries[-1].also_in == (desk.label(copy.keys.address),)
    assert opens(desk, copy.keys.address).entries[-1].also_in == (desk.label(source.keys.address),)
    assert opens(desk, other.keys.address).entries[-1].also_in == ()

    copy.removes(copied)
    compares(desk)
    assert opens(desk, source.keys.address).entries[-1].also_in == ()
    desk.stop()


def test_a_sealed_file_that_is_damaged_is_compared_when_it_is_whole_again(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    copy = a_source(world)
    sends_sealed(world, copy, "file")
    entry_id = sends_sealed(world, source, "file").envelope.entry_id
    ours = "SELECT c.id FROM chunk c JOIN attachment a ON c.attachment_row = a.id WHERE a.entry_id = :entry"
    with as_operator(world.store) as operator:
        query = f"SELECT id, payload FROM sealed WHERE id IN ({ours})"  # noqa: S608  # of this test
        ((row, payload),) = operator.execute(query, {"entry": entry_id})
    put = "UPDATE sealed SET payload = :payload WHERE id = :row"
    world.execute(put, payload=payload[:-1] + bytes([payload[-1] ^ 1]), row=row)
    compares(desk)
    assert opens(desk, copy.keys.address).entries[-1].also_in == ()

    world.execute(put, payload=payload, row=row)
    file_downloads.compare_new_contents(desk)

    assert opens(desk, copy.keys.address).entries[-1].also_in == (desk.label(source.keys.address),)
    desk.stop()


def calls_of(monkeypatch: pytest.MonkeyPatch, place: object, name: str) -> list[tuple[object, ...]]:
    """Return a list to which each call of a function adds its arguments."""
    real = getattr(place, name)
    calls: list[tuple[object, ...]] = []

    def noted(*args: object) -> object:
        calls.append(args)
        return real(*args)

    monkeypatch.setattr(place, name, noted)
    return calls


def test_a_message_of_very_many_sealed_blocks_costs_what_a_page_costs(
    desk: OpenDesk, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: a source pastes as many blocks as fit. Each text is searched once, and 40 blocks are opened."""
    for _ in range(2):
        source.writes(BAD_BLOCK * (50_000 // len(BAD_BLOCK)))
    searched = calls_of(monkeypatch, presealed, "find_sealed")
    opened = calls_of(monkeypatch, presealed.SealedBlock, "binary")
    desk_readers.begin(desk)
    assert desk_readers.wait_until_whole(desk.index).is_whole
    searched.clear()
    opened.clear()

    file_downloads.compare_new_contents(desk)

    assert (len(searched), len(opened)) == (3, 80)  # the first message has only a file
    desk.stop()


@pytest.mark.parametrize("is_first", [True, False])
def test_many_blocks_before_a_copy_do_not_make_the_page_say_that_there_is_no_copy(
    world: World, desk: OpenDesk, source: ASource, *, is_first: bool
) -> None:
    copy = a_source(world)
    sends_sealed(world, source, "text")
    blocks = [BAD_BLOCK] * 40
    copy.writes("".join([age_armour(CONTENT, [recipient_of(world)]), *blocks][:: 1 if is_first else -1]))
    compares(desk)

    told = (desk.label(source.keys.address),) if is_first else None
    assert told == opens(desk, copy.keys.address).entries[-1].also_in
    desk.stop()


def test_a_mailbox_that_takes_long_to_compare_lets_the_next_mailbox_go_first(
    world: World, desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: a mailbox full of bombs, so that no other mailbox is compared for hours."""
    compared = calls_of(monkeypatch, file_downloads, "_digests")  # each takes 30 seconds on this clock
    monkeypatch.setattr(file_downloads, "time", SimpleNamespace(monotonic=lambda: 30 * len(compared)))
    slow, other = a_source(world), a_source(world)
    sent = [sends_sealed(world, each, "text").digest for each in (slow, slow, slow, other)]

    compares(desk)
    assert {sent[0], sent[3]} == desk.contents.keys()
    for _ in range(2):
        file_downloads.compare_new_contents(desk)
    assert {*sent} == desk.contents.keys()
    desk.stop()


def test_nothing_is_compared_after_locking(world: World, desk: OpenDesk, source: ASource) -> None:
    sends_sealed(world, source, "text")
    sends_sealed(world, source, "text")
    desk_readers.begin(desk)
    assert desk_readers.wait_until_whole(desk.index).is_whole
    summaries = desk.index.summaries()
    desk.stop()
    desk.index.summaries = lambda: summaries  # type: ignore[method-assign]  # a thread that read them before

    file_downloads.compare_new_contents(desk)

    assert desk.contents == {}


def test_locking_ends_the_comparison_between_two_entries(
    world: World, desk: OpenDesk, source: ASource, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        sends_sealed(world, source, "text")
    desk_readers.begin(desk)
    assert desk_readers.wait_until_whole(desk.index).is_whole
    real = file_downloads._digests

    def locking(*args: object) -> Iterator[bytes]:
        desk.stop()
        yield from real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(file_downloads, "_digests", locking)
    file_downloads.compare_new_contents(desk)

    assert len(desk.contents) == 1


def test_what_cannot_be_opened_to_its_end_is_compared_with_nothing(
    world: World, desk: OpenDesk, source: ASource
) -> None:
    source.writes("kijk", file=("a.age", age_file(bytes(200_000), [recipient_of(world)])[:-1]))
    gone = a_source(world)
    sends_sealed(world, gone, "text")
    desk_readers.begin(desk)
    assert desk_readers.wait_until_whole(desk.index).is_whole
    gone.ends()
    file_downloads.compare_new_contents(desk)

    assert opens(desk, source.keys.address).entries[-1].also_in == ()
    assert set(desk.contents.values()) == {frozenset()}
    desk.stop()


def test_the_page_says_what_was_also_sent_from_another_mailbox(
    world: World, source: ASource, browser: AdviserBrowser
) -> None:
    copy = a_source(world)
    for each in (source, copy):
        sends_sealed(world, each, "text")
    assert hooks(browser.get(f"/mailbox/{source.address}").text, "also-in") == ["unknown"]
    desk = browser.app.extensions["auto_lock"]._desk
    compares(desk)

    page = browser.get(f"/mailbox/{source.address}").text

    assert hooks(page, "also-in") == ["1"]
    assert desk.label(copy.keys.address) in page


def newer(*_: object) -> Content:
    raise NewerVersionError


def test_a_message_of_a_newer_version_is_no_message_that_fails_verification(
    source: ASource, browser: AdviserBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.writes("vraag")
    monkeypatch.setattr("journalist_app.desk.verification.open_entry", newer)

    page = browser.get(f"/mailbox/{source.address}").text
    inbox = browser.get("/inbox").text

    assert set(hooks(page, "fault")) == set(hooks(inbox, "fault")) == {"newer_version"}
