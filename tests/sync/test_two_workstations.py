"""Two workstations at one server: concurrent changes do not disturb each other."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

import msgspec
import pytest

from journalist_app.desk.casefile import Casefile, Evidence, EvidenceKind
from journalist_app.errors import MailboxNotFoundError, UnsoundMailboxError
from journalist_app.services.inbox_lists import InboxFilter, read_inbox
from journalist_app.services.records import casefiles, drafts, reply_templates
from journalist_app.services.whole_desk import (
    background_check,
    desk_calendar,
    publish_letterhead,
    sync_status,
)
from protocol.identifiers import Address, Digest
from protocol.ledger import ROWS, Dimension
from protocol.letterhead import Report
from protocol.sealed_record import RecordKind
from store import ledger_tallies, mailbox_tallies, mailboxes, outbox, public_files, records, sync_findings
from store.outbox import OutboxKind
from store.sync_findings import FindingKind
from tests.journalist_app.desk_factories import TODAY, ASource, a_source
from tests.store_work import work_of
from tests.sync.desks import AtDesk, an_adviser, tallies_of, the_server_cleans_up
from tests.sync.ends import Ends, all_tallies


@dataclass(slots=True)
class TwoWorkstations:
    ends: Ends
    first: AtDesk
    second: AtDesk

    def both_sync(self) -> None:
        """Sync both workstations until nothing is new."""
        for _ in range(2):
            self.first.syncs()
            self.second.syncs()

    def a_source_who_waits(self) -> ASource:
        source = a_source(self.ends.world)
        source.writes("vraag")
        self.both_sync()
        return source

    def counted(self) -> list[str]:
        """Return the mailboxes in the server's ledger. Both workstations must agree with it."""
        on_server = tallies_of(self.ends.world.store, self.first.desk.keyring, self.first.desk)
        assert sorted(each.id for each in on_server) == sorted(each.id for each in self.first.tallies())
        assert sorted(each.id for each in on_server) == sorted(each.id for each in self.second.tallies())
        return [each.value for each in on_server if each.dimension is Dimension.MAILBOX]


@pytest.fixture
def scene(ends: Ends) -> Iterator[TwoWorkstations]:
    first = an_adviser(ends)
    made = TwoWorkstations(ends, first, an_adviser(ends, ends.second_keyring()))
    made.both_sync()
    yield made
    for each in (made.first, made.second):
        each.desk.stop()


def note(at: AtDesk, address: Address, text: str, **changed: object) -> None:
    casefiles.add_casefile_note(at.desk, address, text, TODAY)
    casefiles.update_casefile(at.desk, address, lambda now: msgspec.structs.replace(now, **changed))


def notes(at: AtDesk, address: Address) -> set[str]:
    return {each.text for each in casefiles.read_casefile(at.desk, address).notes}


# ---- casefiles, templates, drafts


def test_a_casefile_that_both_changed_has_both_changes_on_both(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    address = source.keys.address
    note(scene.first, address, "called them", theme="bullying", labels=("embassy",))
    note(scene.second, address, "they mailed", theme="intimidation", region="europe")

    scene.both_sync()

    ours, theirs = (casefiles.read_casefile(each.desk, address) for each in (scene.first, scene.second))
    assert ours == theirs
    assert {"called them", "they mailed"} < notes(scene.first, address)
    assert (ours.theme, ours.region, ours.labels) == ("bullying", "europe", ("embassy",))
    assert any("thema / theme: intimidation" in each.text for each in ours.notes)


def test_a_casefile_that_was_merged_can_be_written_on_both(scene: TwoWorkstations) -> None:
    address = scene.a_source_who_waits().keys.address
    note(scene.first, address, "one")
    note(scene.second, address, "two")
    scene.both_sync()

    note(scene.first, address, "three")
    scene.both_sync()
    note(scene.second, address, "four")
    scene.both_sync()

    assert notes(scene.first, address) == notes(scene.second, address) == {"one", "two", "three", "four"}
    assert scene.first.desk.unsound_casefiles == scene.second.desk.unsound_casefiles == set()


def test_an_adviser_can_change_a_note_under_the_name_of_another(scene: TwoWorkstations) -> None:
    """A limit: a casefile is signed as a whole, by the workstation that changed it last."""
    address = scene.a_source_who_waits().keys.address
    note(scene.first, address, "do not call the source at work")
    scene.both_sync()
    (true_note,) = casefiles.read_casefile(scene.second.desk, address).notes
    false_note = msgspec.structs.replace(true_note, text="call the source at work")

    casefiles.update_casefile(
        scene.second.desk, address, lambda now: msgspec.structs.replace(now, notes=(false_note,))
    )
    scene.both_sync()

    assert casefiles.read_casefile(scene.first.desk, address).notes == (false_note,)
    assert scene.first.desk.unsound == {}


def test_reply_templates_that_each_added_are_on_both(scene: TwoWorkstations) -> None:
    for at, name in ((scene.first, "Eerste"), (scene.second, "Tweede")):
        reply_templates.put_template(
            at.desk,
            0,
            None,
            msgspec.convert({"language": "nl", "name": name, "text": "x"}, reply_templates.ReplyTemplate),
        )

    scene.both_sync()

    found = [reply_templates.read_templates(each.desk) for each in (scene.first, scene.second)]
    assert found[0] == found[1]
    assert {"Eerste", "Tweede"} < {each.name for each in found[0].templates}


def test_a_draft_stays_where_it_was_typed(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    drafts.keep_draft(scene.first.desk, source.keys.address, "half an answer")

    scene.both_sync()

    assert drafts.read_draft(scene.first.desk, source.keys.address) == "half an answer"
    assert drafts.read_draft(scene.second.desk, source.keys.address) == ""
    for store in (scene.ends.world.store, scene.second.store):
        with store.reading() as session:
            assert records.find(session, RecordKind.DRAFT, source.keys.address) is None


# ---- the letterhead


def test_a_calendar_that_both_changed_is_merged_on_both(scene: TwoWorkstations) -> None:
    for at, changed in (
        (scene.first, {"closed_days": (date(2026, 12, 24),)}),
        (scene.second, {"answer_working_days": 2}),
    ):
        wanted = replace(desk_calendar.current_calendar(at.desk, TODAY), **changed)
        desk_calendar.publish_calendar(at.desk, at.desk.letterhead.serial, wanted, TODAY)

    scene.both_sync()

    letterheads_now = [each.desk.letterhead for each in (scene.first, scene.second)]
    assert letterheads_now[0] == letterheads_now[1] == scene.ends.newest_letterhead(scene.ends.world.store)
    assert letterheads_now[0].closed_days == (date(2026, 12, 24),)
    assert letterheads_now[0].answer_working_days == 2
    assert scene.first.desk.trusted_state.letterhead_serial == letterheads_now[0].serial


def publish(at: AtDesk, body: bytes) -> None:
    """Publish a file of a yearly report, as the report service does in one transaction."""
    report = Report(title="report-2025-nl.pdf", published=TODAY, sha256=hashlib.sha256(body).digest())
    with at.store.writing() as session:
        public_files.put(session, report.title, body)
        following = publish_letterhead.sign_next_letterhead(at.desk, session, reports=(report,))
    publish_letterhead.use_letterhead(at.desk, following)


def test_a_report_that_both_published_is_the_first_one_everywhere(scene: TwoWorkstations) -> None:
    publish(scene.first, b"first")
    publish(scene.second, b"second")

    scene.both_sync()

    for store in (scene.ends.world.store, scene.first.store, scene.second.store):
        with store.reading() as session:
            assert public_files.find(session, "report-2025-nl.pdf") == b"first"
        (named,) = scene.ends.newest_letterhead(store).reports
        assert named.sha256 == hashlib.sha256(b"first").digest()


# ---- the same mailbox


def test_both_answer_at_once_and_the_source_reads_both(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    scene.first.answers(source, "from the first")
    scene.second.answers(source, "from the second")

    scene.both_sync()

    assert set(scene.first.sees(source)) == {"vraag", "from the first", "from the second"}
    assert set(scene.second.sees(source)) == set(scene.first.sees(source))


def test_both_close_at_once_and_one_set_of_tallies_remains(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    scene.first.closes(source, "first")
    scene.second.closes(source, "second")

    scene.both_sync()
    scene.both_sync()

    found = []
    for store in (scene.ends.world.store, scene.first.store, scene.second.store):
        with store.reading() as session:
            mailbox = mailboxes.find(session, source.keys.address)
            assert mailbox is not None
            found.append((mailbox.due, mailbox_tallies.find(session, source.keys.address)))
    assert found[0] == found[1] == found[2]
    due, tallies = found[0]
    assert due is not None
    assert len(tallies) == ROWS


def test_what_both_closed_is_deleted_and_counted_once(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    scene.first.closes(source)
    scene.second.closes(source)
    scene.both_sync()
    scene.both_sync()
    scene.ends.clock.day += timedelta(days=200)

    the_server_cleans_up(scene.ends)
    scene.both_sync()

    assert scene.counted() == ["read"]
    for at in (scene.first, scene.second):
        with at.store.reading() as session:
            assert mailboxes.find(session, source.keys.address) is None
            assert mailboxes.ended_mailboxes(session) == []
        assert at.desk.unsound == {}


def test_the_sets_of_two_workstations_that_closed_at_once_count_once(scene: TwoWorkstations) -> None:
    """Attack: the operator kept all tallies that reached the server, and puts all of them into the ledger."""
    source = scene.a_source_who_waits()
    kept: list[bytes] = []
    for at in (scene.first, scene.second):
        at.closes(source)
        with at.store.reading() as session:
            kept += mailbox_tallies.find(session, source.keys.address)
    scene.both_sync()
    scene.ends.clock.day += timedelta(days=200)
    the_server_cleans_up(scene.ends)
    with scene.ends.world.store.writing() as session:
        ledger_tallies.add(session, kept)
    scene.both_sync()

    assert scene.counted() == ["read"]


# ---- counting


def test_an_ending_is_shown_on_each_workstation_and_the_facts_of_the_casefile_are_counted(
    scene: TwoWorkstations,
) -> None:
    """No one signs that a mailbox was counted, so no workstation believes that another one counted it."""
    source = scene.a_source_who_waits()
    note(scene.first, source.keys.address, "about them")
    scene.both_sync()
    source.ends()
    scene.both_sync()

    scene.first.counts(source)
    scene.both_sync()

    (shown,) = read_inbox(scene.second.desk, InboxFilter("closed"), TODAY).ended
    assert shown.address == source.keys.address.hex()
    scene.second.counts(source)
    with pytest.raises(MailboxNotFoundError):
        scene.second.counts(source)
    scene.both_sync()
    scene.ends.clock.day += timedelta(days=400)
    the_server_cleans_up(scene.ends)
    scene.both_sync()
    assert scene.counted() == ["ended_unread"]
    for store in (scene.ends.world.store, scene.first.store, scene.second.store):
        with store.reading() as session:
            assert mailboxes.ended_mailboxes(session) == []
            assert records.revisions(session, RecordKind.CASEFILE) == []
    assert source.keys.address in scene.second.desk.trusted_state.ended


def test_a_mailbox_that_both_counted_at_once_is_counted_once(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    source.ends()
    scene.both_sync()

    scene.first.counts(source)
    scene.second.counts(source)
    scene.both_sync()

    assert scene.counted() == ["ended_unread"]


def test_a_workstation_that_comes_later_sees_the_ending_and_changes_no_count(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    source.ends()
    scene.first.syncs()
    scene.first.counts(source)
    scene.first.syncs()

    the_server_cleans_up(scene.ends)
    scene.second.syncs()

    assert len(read_inbox(scene.second.desk, InboxFilter("closed"), TODAY).ended) == 1
    scene.second.counts(source)
    scene.both_sync()
    assert scene.counted() == ["ended_unread"]


def test_evidence_of_one_stays_when_the_other_counts(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    address = source.keys.address
    kept = Evidence(kind=EvidenceKind.PROPOSAL, day=TODAY, entry=Digest(bytes(32)), body=b"{}")
    note(scene.second, address, "shared")
    scene.both_sync()
    note(scene.first, address, "with evidence", evidence=(kept,))
    source.ends()
    scene.first.syncs()

    scene.first.counts(source)
    scene.second.syncs()
    scene.second.counts(source)
    scene.both_sync()

    assert scene.counted() == ["ended_unread"]
    for at in (scene.first, scene.second):
        assert casefiles.read_casefile(at.desk, address).evidence == (kept,)
        assert casefiles.read_casefile(at.desk, address).notes == ()


def test_evidence_that_the_other_never_saw_is_not_dropped_by_it(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    address = source.keys.address
    kept = Evidence(kind=EvidenceKind.PROPOSAL, day=TODAY, entry=Digest(bytes(32)), body=b"{}")
    note(scene.second, address, "shared")
    scene.both_sync()
    source.ends()
    scene.both_sync()
    note(scene.first, address, "with evidence", evidence=(kept,))

    scene.first.counts(source)
    scene.second.counts(source)
    scene.both_sync()

    assert scene.counted() == ["ended_unread"]
    assert casefiles.read_casefile(scene.first.desk, address).evidence == (kept,)
    with scene.ends.world.store.reading() as session:
        assert records.find(session, RecordKind.CASEFILE, address) is not None


def test_a_proof_of_an_end_from_a_restored_server_is_not_counted_again(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    source.ends()
    scene.both_sync()
    with scene.ends.world.store.reading() as session:
        line = mailboxes.find_ended(session, source.keys.address)
    assert line is not None
    scene.first.counts(source)
    scene.both_sync()

    with scene.ends.world.store.writing() as session:
        mailboxes.apply_end_from_peer(
            session,
            address=line.address,
            recipient=line.recipient,
            verify_key=line.verify_key,
            proof=line.proof,
            day=line.day,
        )
    scene.both_sync()

    assert read_inbox(scene.first.desk, InboxFilter("closed"), TODAY).ended == ()
    assert scene.counted() == ["ended_unread"]


def facts_at(at: AtDesk, source: ASource) -> tuple[date | None, date | None, bool]:
    casefile = casefiles.read_casefile(at.desk, source.keys.address)
    return casefile.first_message, casefile.first_answer, casefile.came_back


def test_the_other_workstation_counts_an_answer_in_the_right_year(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    scene.first.answers(source, "antwoord")
    scene.both_sync()
    scene.ends.clock.day = date(2027, 1, 2)
    source.looks(day=scene.ends.clock.day)
    scene.both_sync()
    assert facts_at(scene.first, source) == facts_at(scene.second, source) == (TODAY, TODAY, True)
    source.ends(day=scene.ends.clock.day)
    scene.both_sync()

    scene.second.counts(source)
    scene.both_sync()

    assert scene.counted() == ["read"]
    tallies = {each.dimension: (each.year, each.value) for each in scene.second.tallies()}
    assert tallies[Dimension.FIRST_ANSWER] == (TODAY.year, "0")
    assert tallies[Dimension.CAME_BACK] == (TODAY.year, "yes")
    scene.both_sync()  # the server learns that both workstations have dropped the casefile
    the_server_cleans_up(scene.ends)
    with scene.ends.world.store.reading() as session:
        assert records.revisions(session, RecordKind.CASEFILE) == []


def test_a_source_who_reads_both_answers_and_ends_is_counted_as_returned(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    scene.first.answers(source, "from the first")
    scene.second.answers(source, "from the second")
    scene.both_sync()
    source.looks()
    source.ends()
    scene.both_sync()

    scene.second.counts(source)
    scene.both_sync()

    assert scene.counted() == ["read"]
    (came_back,) = [each for each in scene.first.tallies() if each.dimension is Dimension.CAME_BACK]
    assert came_back.value == "yes"


def test_a_theme_that_was_noted_after_the_last_sync_is_counted_everywhere(scene: TwoWorkstations) -> None:
    """The server deletes the closed mailbox before it gets the newer tallies of one workstation."""
    source = scene.a_source_who_waits()
    scene.first.answers(source, "an answer")
    scene.first.closes(source)
    scene.both_sync()
    with scene.second.store.reading() as session:
        closed = mailboxes.find(session, source.keys.address)
    assert closed is not None
    assert closed.due is not None
    casefiles.set_in_casefile(scene.second.desk, source.keys.address, theme="bullying")
    scene.ends.clock.day = closed.due
    the_server_cleans_up(scene.ends)

    scene.both_sync()

    assert scene.counted() == ["read"]
    for at in (scene.first, scene.second):
        assert "bullying" in {each.value for each in at.tallies()}
    assert set(all_tallies(scene.first.store)) == set(all_tallies(scene.second.store))


def test_an_answer_that_never_got_to_the_server_was_not_read(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    scene.first.answers(source, "antwoord")
    source.looks()
    source.ends()
    scene.both_sync()

    scene.first.counts(source)
    scene.both_sync()

    assert "yes" not in {each.value for each in scene.first.tallies()}


def test_concurrent_changes_of_one_casefile_settle(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    scene.ends.clock.day += timedelta(days=2)
    scene.first.answers(source, "from the first")
    scene.ends.clock.day += timedelta(days=1)
    scene.second.answers(source, "from the second")
    scene.both_sync()
    source.looks(day=scene.ends.clock.day)
    scene.both_sync()
    scene.both_sync()
    before = revisions_at(scene, source)

    for _ in range(2):
        scene.both_sync()

    assert revisions_at(scene, source) == before
    assert len(set(before)) == 1
    for at in (scene.first, scene.second):
        assert facts_at(at, source) == (TODAY, TODAY + timedelta(days=2), True)
        assert notes(at, source.keys.address) == set()


def revisions_at(scene: TwoWorkstations, source: ASource) -> list[int]:
    found = []
    for store in (scene.ends.world.store, scene.first.store, scene.second.store):
        with store.reading() as session:
            found.append(dict(records.revisions(session, RecordKind.CASEFILE))[source.keys.address])
    return found


# ---- faults at the server


def test_damage_at_the_server_marks_the_mailbox_here(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    address = source.keys.address
    with scene.first.store.writing() as session:
        sync_findings.add(session, address, bytes(32), FindingKind.DAMAGED, TODAY)

    background_check.check_store(scene.first.desk, TODAY)

    assert scene.first.desk.unsound == {address: ("damaged_at_server",)}
    (row,) = read_inbox(scene.first.desk, InboxFilter(), TODAY).rows
    assert row.faults == ("damaged_at_server",)


@pytest.mark.parametrize(
    ("kind", "may_answer"), [(kind, kind is not FindingKind.FORK) for kind in FindingKind]
)
def test_the_server_cannot_stop_answers_by_damaging_what_it_sends(
    scene: TwoWorkstations, kind: FindingKind, *, may_answer: bool
) -> None:
    """Someone who runs the server could otherwise silence a mailbox for good, with one byte for each sync."""
    source = scene.a_source_who_waits()
    with scene.first.store.writing() as session:
        sync_findings.add(session, source.keys.address, bytes(32), kind, TODAY)

    if may_answer:
        scene.first.answers(source, "here is your answer")
        assert "here is your answer" in [each.text for each in scene.first.reads(source).entries]
    else:
        with pytest.raises(UnsoundMailboxError):
            scene.first.answers(source, "here is your answer")


def test_a_mailbox_that_came_back_at_the_server_is_named_though_it_is_not_here(
    scene: TwoWorkstations,
) -> None:
    source = scene.a_source_who_waits()
    with scene.ends.world.store.reading() as session:
        before = mailboxes.find(session, source.keys.address)
    assert before is not None
    source.ends()
    scene.both_sync()
    with scene.first.store.writing() as session:
        sync_findings.add(session, source.keys.address, b"", FindingKind.COME_BACK, TODAY)

    (row,) = read_inbox(scene.first.desk, InboxFilter(), TODAY).unsound

    assert (row.address, row.is_here, row.faults) == (source.address, False, ("come_back_at_server",))


def test_a_casefile_without_a_mailbox_is_not_touched(scene: TwoWorkstations) -> None:
    address = scene.a_source_who_waits().keys.address
    note(scene.first, address, "kept")
    scene.both_sync()

    for _ in range(3):
        scene.both_sync()

    assert casefiles.read_casefile(scene.second.desk, address) == casefiles.read_casefile(
        scene.first.desk, address
    )
    assert casefiles.read_casefile(scene.second.desk, address) != Casefile()


# ---- entries that crossed a deletion


def test_texts_that_crossed_a_deletion_are_reported_and_are_not_an_attack(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    scene.first.closes(source)
    scene.both_sync()
    scene.ends.clock.day += timedelta(days=200)
    scene.second.answers(source, "too late")

    the_server_cleans_up(scene.ends)
    scene.both_sync()

    desk = scene.second.desk
    assert desk.unsound == {}
    assert read_inbox(desk, InboxFilter("closed"), scene.ends.clock.day).ended == ()
    assert [found.label for found in sync_status.undelivered_mailboxes(desk)] == [
        desk.label(source.keys.address)
    ]
    assert sync_status.faults_at_server(desk) == ()
    assert sync_status.undelivered_mailboxes(scene.first.desk) == ()
    assert scene.counted() == ["read"]


def test_a_read_receipt_that_crossed_a_deletion_is_not_reported(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    scene.first.closes(source)
    scene.both_sync()
    scene.ends.clock.day += timedelta(days=200)
    scene.second.opens(source)

    the_server_cleans_up(scene.ends)
    scene.both_sync()

    assert scene.second.desk.unsound == {}
    assert read_inbox(scene.second.desk, InboxFilter("closed"), scene.ends.clock.day).ended == ()
    assert sync_status.undelivered_mailboxes(scene.second.desk) == ()
    with scene.second.store.reading() as session:
        assert sync_findings.all_findings(session) == []


def test_a_casefile_that_arrives_after_its_mailbox_was_counted_does_not_stay(scene: TwoWorkstations) -> None:
    source = scene.a_source_who_waits()
    source.ends()
    scene.first.syncs()
    note(scene.second, source.keys.address, "written before it was known here")
    scene.first.counts(source)
    scene.first.syncs()

    scene.both_sync()
    scene.second.counts(source)
    scene.both_sync()
    scene.both_sync()
    the_server_cleans_up(scene.ends)

    for store in (scene.ends.world.store, scene.first.store, scene.second.store):
        with store.reading() as session:
            kept = records.all_records(session, RecordKind.CASEFILE)
        assert all(each.is_dropped for each in kept)
        assert not kept or store is not scene.ends.world.store


def test_a_mailbox_whose_proof_of_its_end_arrives_twice_is_counted_once(scene: TwoWorkstations) -> None:
    """An unconfirmed pouch sends the proof of the end again, together with the other workstation's count."""
    source = scene.a_source_who_waits()
    source.ends()
    scene.both_sync()
    scene.second.counts(source)
    with scene.ends.world.store.writing() as session:
        outbox.enqueue_for(
            session, scene.second.desk.keyring.strand.id, OutboxKind.ENDED, address=source.keys.address
        )
    scene.first.counts(source)
    scene.first.syncs()

    scene.both_sync()

    assert scene.counted() == ["ended_unread"]


def test_each_of_many_deleted_mailboxes_syncs_with_the_same_work(
    scene: TwoWorkstations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: someone made very many mailboxes, and the desk closed them all in one step."""
    found = []
    for _ in range(4):
        sources = [a_source(scene.ends.world) for _ in range(12)]
        for source in sources:
            source.writes("vraag")
        scene.both_sync()
        for source in sources:
            scene.first.closes(source)
        scene.both_sync()
        scene.ends.clock.day += timedelta(days=120)
        the_server_cleans_up(scene.ends)
        background_check.check_store(scene.first.desk, scene.ends.clock.day)  # counts damaged rows once a day
        found.append(work_of(scene.first.store, monkeypatch, scene.both_sync))
    assert len(scene.second.desk.trusted_state.ended) == 48
    assert found[-1].statements <= 1.1 * found[0].statements
    assert found[-1].steps < 1.3 * found[0].steps
