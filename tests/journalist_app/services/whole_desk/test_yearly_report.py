import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import msgspec
import pytest
from nacl.signing import SigningKey
from sqlalchemy import insert
from sqlalchemy.orm import Session

from journalist_app.desk.casefile import Casefile, tallies_of
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import RecordUnsoundError, ReportRefusal
from journalist_app.search import search_worker
from journalist_app.search.search_index import SearchIndex, WorkerStarter
from journalist_app.services.closing import ended_mailboxes
from journalist_app.services.records import casefiles, desk_records
from journalist_app.services.whole_desk import publish_report, report_ledger, report_records, yearly_report
from journalist_app.services.whole_desk.unlocking import unlock_desk
from protocol.content import Content, Kind, StepName, StepNote
from protocol.envelope import Author
from protocol.identifiers import StrandId
from protocol.ledger import seal_tallies
from protocol.letterhead import TRIAL_SALT, Strand
from protocol.sealed_record import RecordKind
from protocol.strand import DeskWriter
from report.disclosure import Audience, rounded
from report.tables import counted_line, shapes
from store import ledger_tallies, letterheads, mailboxes, public_files, records
from store.database.engine import open_store
from store.database.schema import LedgerTallyRow
from store.database.sealed_rows import insert_sealed
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, World, a_source
from tests.journalist_app.refusals import refuses
from tests.journalist_app.services.whole_desk.synthetic_years import fill
from tests.store.factories import all_tallies, rows
from web.languages import read_words

LAST_YEAR = TODAY.year - 1
DAY = date(LAST_YEAR, 3, 4)


@pytest.fixture
def desk(world: World) -> OpenDesk:
    return unlock_desk(world.config, world.store, PASSPHRASE)


def leave_tallies(world: World, casefile: Casefile, times: int = 1) -> None:
    for _ in range(times):
        seed = secrets.token_bytes(32)
        counted = tallies_of(casefile, world.letterhead, seed=seed, revision=1, closed=DAY, is_read=True)
        with world.store.writing() as session:
            ledger_tallies.add(session, seal_tallies(counted, world.letterhead, world.writer()))


def publish(desk: OpenDesk, year: int = LAST_YEAR) -> None:
    publish_report.publish_report(desk, year, yearly_report.read_report_year(desk, year, TODAY).digest, TODAY)


# ---- counting


@pytest.mark.parametrize("mailboxes", [30, pytest.param(400, marks=pytest.mark.slow)])
def test_a_synthetic_year_becomes_a_report_of_what_was_in_it(
    world: World, desk: OpenDesk, mailboxes: int
) -> None:
    truth = fill(world, desk, LAST_YEAR, mailboxes, seed=mailboxes)
    fill(world, desk, LAST_YEAR - 1, 5, seed=5)
    found = yearly_report.read_report_year(desk, LAST_YEAR, TODAY)

    for kind, number in found.counts.mailboxes.items():
        assert truth["mailbox", kind] == number
    tables = shapes(found.lists)
    for table in tables:
        for line, number in found.counts.tables[table].items():
            wanted = sum(
                times
                for (dimension, value), times in truth.items()
                if dimension == table and counted_line(tables, table, value) == line
            )
            assert wanted == number
    assert 0 == found.counts.strange
    for audience, floor in ((Audience.PUBLIC, 10), (Audience.SG, 5)):
        read = found.version(audience).mailboxes["read"]
        assert read == rounded(truth["mailbox", "read"])
        assert all(
            figure is None or figure >= floor
            for table in found.version(audience).tables.values()
            for figure in table.values()
        )

    publish(desk)
    assert found.counts == yearly_report.read_report_year(desk, LAST_YEAR, TODAY).counts


def test_a_mailbox_counts_in_the_year_of_its_first_message_alone(world: World, desk: OpenDesk) -> None:
    source = a_source(world, day=DAY)
    source.writes("vraag", day=DAY)
    source.is_answered("antwoord", day=TODAY)
    source.writes("nog iets", day=TODAY)
    assert 1 == yearly_report.read_report_year(desk, LAST_YEAR, TODAY).counts.read
    assert yearly_report.read_report_year(desk, TODAY.year, TODAY).counts.is_empty
    assert (LAST_YEAR,) == yearly_report.years_to_report(desk, TODAY)


def test_the_first_answer_in_a_report_is_not_the_step_that_confirmed(world: World, desk: OpenDesk) -> None:
    source = a_source(world, day=DAY)
    source.writes("vraag", day=DAY)
    confirmed = StepNote(step=StepName.RECEIVED)
    source.is_told(Content(kind=Kind.STEP, text="Wij hebben je bericht.", step=confirmed), day=DAY)
    source.is_looked_at()

    before = yearly_report.read_report_year(desk, LAST_YEAR, TODAY).counts.tables["first_answer"]
    source.is_answered("antwoord", day=DAY + timedelta(days=7))
    after = yearly_report.read_report_year(desk, LAST_YEAR, TODAY).counts.tables["first_answer"]

    assert (before["none"], before["within_2"]) == (1, 0)
    assert (after["none"], after["within_2"], after["within_5"]) == (0, 0, 1)


def test_a_mailbox_that_nobody_read_is_told_to_the_adviser(world: World, desk: OpenDesk) -> None:
    a_source(world, day=DAY).writes("vraag", day=DAY)
    assert 1 == len(yearly_report.read_report_year(desk, LAST_YEAR, TODAY).unread)


def test_a_mailbox_that_was_unread_when_its_year_was_published_counts_in_no_other_when_it_ends(
    world: World, desk: OpenDesk
) -> None:
    source = a_source(world, day=DAY)
    source.writes("vraag", day=DAY)
    publish(desk)
    source.ends()
    ended_mailboxes.acknowledge_ended(desk, source.keys.address, TODAY)

    assert 1 == yearly_report.read_report_year(desk, LAST_YEAR, TODAY).counts.read
    assert yearly_report.read_report_year(desk, TODAY.year, TODAY).counts.is_empty
    assert () == yearly_report.years_to_report(desk, TODAY)


def test_a_mailbox_that_ends_while_its_year_is_published_holds_nothing_up(
    world: World, desk: OpenDesk
) -> None:
    source = a_source(world, day=DAY)
    source.writes("vraag", day=DAY)
    found = yearly_report.read_report_year(desk, LAST_YEAR, TODAY)
    source.ends()
    publish_report._keep_first_days(desk, found.unread)
    assert source.keys.address not in desk.casefiles


def test_a_mailbox_that_its_source_ended_waits_to_be_seen(world: World, desk: OpenDesk) -> None:
    source = a_source(world, day=DAY)
    source.writes("vraag", day=DAY)
    source.ends()
    found = yearly_report.read_report_year(desk, LAST_YEAR, TODAY)
    assert (1, True) == (found.ended, found.counts.is_empty)


def test_a_mailbox_that_fails_verification_is_counted_by_what_is_sound(world: World, desk: OpenDesk) -> None:
    source = a_source(world, day=DAY)
    source.writes("vraag", day=DAY)
    source.writes("nog een", day=DAY)
    world.execute("UPDATE entry SET signature = zeroblob(64) WHERE number = 2")
    found = yearly_report.read_report_year(desk, LAST_YEAR, TODAY)
    assert (1, 1) == (found.unsound, found.counts.read)


def test_a_mailbox_with_swapped_keys_is_not_counted_under_other_ids(world: World, desk: OpenDesk) -> None:
    """The ledger may already have tallies with the right ids, so the mailbox would count twice."""
    source = a_source(world, day=DAY)
    source.writes("vraag", day=DAY)
    casefiles.set_in_casefile(desk, source.keys.address, first_message=DAY)
    world.execute("UPDATE mailbox SET verify_key = zeroblob(32)")
    found = yearly_report.read_report_year(desk, LAST_YEAR, TODAY)
    assert (1, True) == (found.unsound, found.counts.is_empty)


def test_a_day_that_only_the_store_tells_counts_nothing(world: World, desk: OpenDesk) -> None:
    a_source(world).writes("vraag", day=TODAY)
    world.execute("UPDATE entry SET day = :day", day=DAY.isoformat())
    found = yearly_report.read_report_year(desk, LAST_YEAR, TODAY)
    assert (1, True) == (found.unsound, found.counts.is_empty)


def test_a_casefile_that_was_put_back_is_not_counted_by(world: World, desk: OpenDesk) -> None:
    source = a_source(world, day=DAY)
    source.writes("vraag", day=DAY)
    desk.saw_record(RecordKind.CASEFILE, source.keys.address, 3)
    found = yearly_report.read_report_year(desk, LAST_YEAR, TODAY)
    assert (1, 1) == (found.unsound, found.counts.tables["theme"]["not_recorded"])


def test_a_mailbox_that_ends_while_it_is_counted_is_left_out(
    world: World, desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [a_source(world, day=DAY) for _ in range(2)]
    for source in sources:
        source.writes("vraag", day=DAY)
    real = yearly_report.entries.first_entry_days

    def then_one_ends(session: Session, author: Author) -> Sequence[tuple[bytes, date]]:
        found = real(session, author)
        sources[0].ends()
        return found

    monkeypatch.setattr(yearly_report.entries, "first_entry_days", then_one_ends)
    live = yearly_report._ExistingMailboxes(desk, LAST_YEAR)

    assert 8 == len(live.tallies())
    assert 0 == live.unsound


def test_a_forged_tally_counts_nothing_and_shows(world: World, desk: OpenDesk) -> None:
    leave_tallies(world, Casefile(first_message=DAY, theme="bullying"))
    with world.store.writing() as session:
        ledger_tallies.add(session, [os.urandom(2277)])
    assert 1 == yearly_report.read_report_year(desk, LAST_YEAR, TODAY).counts.read


def test_a_tally_of_a_retired_workstation_changes_no_other_and_the_adviser_is_told(
    world: World, desk: OpenDesk
) -> None:
    """Attack: someone with the key of a retired workstation counts mailboxes again with other facts."""
    by = DeskWriter(StrandId(b"desk-old"), bytes(32))
    key = bytes(SigningKey(by.seed).verify_key)
    old = Strand(id=by.strand, name="oud", verify_key=key, since=DAY, until=DAY)
    desk.letterhead = desk.letterhead.successor(strands=(*desk.letterhead.strands, old))
    seeds = [secrets.token_bytes(32) for _ in range(3)]
    real, late = Casefile(first_message=DAY, theme="bullying"), Casefile(first_message=DAY, is_spam=True)
    for which, casefile, revision, writer in (
        (seeds[:2], real, 1, world.writer()),
        (seeds[1:], late, 99, by),
    ):
        for seed in which:
            how = {"seed": seed, "revision": revision, "closed": DAY, "is_read": True}
            counted = tallies_of(casefile, world.letterhead, **how)  # type: ignore[arg-type]
            with world.store.writing() as session:
                ledger_tallies.add(session, seal_tallies(counted, world.letterhead, writer))
    found = yearly_report.read_report_year(desk, LAST_YEAR, TODAY)
    assert (2, 1) == (found.counts.read, found.by_retired)
    assert {"read": 2, "spam": 1} == {
        each: number for each, number in found.counts.mailboxes.items() if number
    }


def test_a_tally_that_was_copied_in_the_store_counts_once(world: World, desk: OpenDesk) -> None:
    leave_tallies(world, Casefile(first_message=DAY))
    with world.store.reading() as session:
        copies = list(all_tallies(session))
    with world.store.writing() as session:
        ledger_tallies.add(session, copies)  # as a pouch would
        for copy in copies:
            row = {"id": insert_sealed(session, header=copy), "digest": os.urandom(32)}
            session.connection().execute(insert(LedgerTallyRow), row)
    assert 2 * len(copies) == rows(world.store, "ledger_tally")
    assert 1 == yearly_report.read_report_year(desk, LAST_YEAR, TODAY).counts.read


# ---- many tallies, in processes of their own


def in_a_thread(serve: Callable[[Connection], None]) -> WorkerStarter:
    def start() -> tuple[Connection, Callable[[], None]]:
        ours, theirs = Pipe()
        thread = threading.Thread(target=serve, args=(theirs,))
        thread.start()
        return ours, thread.join

    return start


@pytest.fixture
def many(world: World, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(report_ledger, "_PARALLEL_TALLIES", 1)  # a limit, not a part of our code
    leave_tallies(world, Casefile(first_message=DAY), times=12)
    return 12


def test_many_tallies_are_opened_by_all_processes_together(desk: OpenDesk, many: int) -> None:
    desk.index = SearchIndex([in_a_thread(search_worker.serve_search)] * 2)
    assert many == yearly_report.read_report_year(desk, LAST_YEAR, TODAY).counts.read
    assert many * 8 == len(desk.tallies)


def test_what_was_opened_once_is_known(world: World, desk: OpenDesk, many: int) -> None:
    assert many == yearly_report.read_report_year(desk, LAST_YEAR, TODAY).counts.read
    world.execute("UPDATE sealed SET header = zeroblob(1)")
    assert many == yearly_report.read_report_year(desk, LAST_YEAR, TODAY).counts.read


@pytest.mark.usefixtures("many")
def test_a_process_that_breaks_off_leaves_nothing_half_counted(desk: OpenDesk) -> None:
    desk.index = SearchIndex([in_a_thread(lambda line: line.close())])
    with refuses(ReportRefusal.LEDGER):
        yearly_report.read_report_year(desk, LAST_YEAR, TODAY)


@pytest.mark.usefixtures("many")
def test_a_process_that_is_silent_is_given_up(desk: OpenDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_ledger, "_BATCH_SECONDS", 0)
    heard = threading.Event()

    def keep_silent(line: Connection) -> None:
        line.recv_bytes()
        with pytest.raises((EOFError, OSError)):
            line.recv_bytes()
        heard.set()
        line.close()

    desk.index = SearchIndex([in_a_thread(keep_silent)])
    with refuses(ReportRefusal.LEDGER):
        yearly_report.read_report_year(desk, LAST_YEAR, TODAY)
    assert heard.is_set()


@pytest.mark.usefixtures("many")
def test_a_process_that_cannot_read_the_store_says_so_by_hanging_up(desk: OpenDesk) -> None:
    def cannot(line: Connection) -> None:
        ours, theirs = Pipe()
        wanted = msgspec.msgpack.decode(line.recv_bytes(), type=search_worker.tally_reader.TallyRequest)
        ours.send_bytes(msgspec.msgpack.encode(msgspec.structs.replace(wanted, store="/nowhere")))
        search_worker.serve_search(theirs)
        ours.close()
        line.close()

    desk.index = SearchIndex([in_a_thread(cannot)])
    with refuses(ReportRefusal.LEDGER):
        yearly_report.read_report_year(desk, LAST_YEAR, TODAY)


def test_what_a_process_is_told_is_in_no_log() -> None:
    told = search_worker.tally_reader.TallyRequest(
        store="s", identities=(b"secret",), letterhead=b"", rows=(1,)
    )
    assert "TallyRequest(1)" == repr(told)


# ---- the adviser's words


def test_the_advisers_words_are_kept_sealed(world: World, desk: OpenDesk) -> None:
    publish_report.save_report_words(desk, LAST_YEAR, {"nl": "Wat wij hoorden.", "en": "What we heard."})
    publish_report.save_report_words(desk, LAST_YEAR, {"nl": "Wat wij hoorden.", "en": "What we heard."})
    again = unlock_desk(world.config, world.store, PASSPHRASE)
    kept = report_records.read_words_record(again, LAST_YEAR)
    assert (1, {"nl": "Wat wij hoorden.", "en": "What we heard."}) == kept
    assert "hoorden" not in repr(yearly_report.read_report_year(desk, LAST_YEAR, TODAY))
    assert not any(b"hoorden" in file.read_bytes() for file in world.store.path.parent.iterdir())


@pytest.mark.parametrize("text", ["x" * 20_001, "a\0b"])
def test_words_that_no_document_can_carry_are_refused_and_nothing_is_kept(desk: OpenDesk, text: str) -> None:
    publish_report.save_report_words(desk, LAST_YEAR, {"nl": "eerst", "en": "first"})
    with refuses(ReportRefusal.TEXT):
        publish_report.save_report_words(desk, LAST_YEAR, {"nl": "dan", "en": text})
    assert {"nl": "eerst", "en": "first"} == report_records.read_words_record(desk, LAST_YEAR)[1]


def test_what_this_desk_never_wrote_is_not_read(desk: OpenDesk) -> None:
    desk_records.write_record(desk, RecordKind.COUNTS, b"report-words-%d" % LAST_YEAR, 1, b'{"nl":1}')
    with pytest.raises(RecordUnsoundError):
        yearly_report.read_report_year(desk, LAST_YEAR, TODAY)


def test_counts_that_no_letterhead_names_are_not_published_counts(world: World, desk: OpenDesk) -> None:
    """Attack: someone with the key of a retired workstation signs a record of a year's published counts."""
    leave_tallies(world, Casefile(first_message=DAY), times=12)
    before = yearly_report.read_report_year(desk, LAST_YEAR, TODAY)
    forged = report_records.FrozenReport.of(before, TODAY)
    forged = msgspec.structs.replace(forged, mailboxes={"read": 999}, public_floor=0)
    name = report_records.frozen_record_name(LAST_YEAR)
    desk_records.write_record(desk, RecordKind.COUNTS, name, 1, msgspec.json.encode(forged))
    assert before == yearly_report.read_report_year(desk, LAST_YEAR, TODAY)

    world.execute("DELETE FROM record")
    desk.forget_records(name)
    publish(desk)
    forged = msgspec.structs.replace(forged, published=date(1999, 1, 1))
    desk_records.write_record(desk, RecordKind.COUNTS, name, 2, msgspec.json.encode(forged))
    with pytest.raises(RecordUnsoundError):
        yearly_report.read_report_year(desk, LAST_YEAR, TODAY)


# ---- publishing


def test_publishing_freezes_counts_and_puts_signed_files_in_both_languages(
    world: World, desk: OpenDesk
) -> None:
    leave_tallies(world, Casefile(first_message=DAY, theme="bullying"), times=12)
    publish_report.save_report_words(desk, LAST_YEAR, {"nl": "Wat wij hoorden.", "en": "What we heard."})
    publish(desk)

    names = {f"report-{LAST_YEAR}-{each}.{kind}" for each in ("nl", "en") for kind in ("html", "pdf", "csv")}
    with world.store.reading() as session:
        files = {name: public_files.find(session, name) or b"" for name in names}
        latest = letterheads.latest(session)
    assert len(names) == rows(world.store, "public_file")
    assert latest is not None
    again = unlock_desk(world.config, world.store, PASSPHRASE)
    assert 2 == latest[0] == again.letterhead.serial
    with world.store.reading() as session:
        record = records.find(session, RecordKind.COUNTS, b"report-%d" % LAST_YEAR)
    assert record is not None
    files[f"report-{LAST_YEAR}-counts"] = record.sealed
    assert {name: hashlib.sha256(body).digest() for name, body in files.items()} == {
        report.title: report.sha256 for report in again.letterhead.reports
    }
    assert b"Wat wij hoorden." in files[f"report-{LAST_YEAR}-nl.html"]
    assert b"What we heard." in files[f"report-{LAST_YEAR}-en.html"]
    assert (LAST_YEAR,) == report_records.published_years(again)
    assert () == yearly_report.years_to_report(again, TODAY)
    frozen = yearly_report.read_report_year(again, LAST_YEAR, date(TODAY.year + 1, 1, 5))
    assert files[f"report-{LAST_YEAR}-nl.html"] == yearly_report.build_report_file(
        again, frozen, Audience.PUBLIC, "nl", "html"
    )


def test_the_sgs_version_of_a_published_year_is_made_from_what_was_frozen(
    world: World, desk: OpenDesk
) -> None:
    leave_tallies(world, Casefile(first_message=DAY, theme="bullying"), times=7)
    publish(desk)
    leave_tallies(world, Casefile(first_message=DAY, theme="bullying"), times=40)
    desk.config = replace(desk.config, sg_floor=10)
    frozen = yearly_report.read_report_year(desk, LAST_YEAR, TODAY)
    page = yearly_report.build_report_file(desk, frozen, Audience.SG, "nl", "csv").decode()
    words = read_words("nl", "report")
    assert f"{LAST_YEAR},{words['table_mailbox']},{words['line_mailbox_read']},5" in page
    assert yearly_report.build_report_file(desk, frozen, Audience.SG, "nl", "pdf").startswith(b"%PDF")


def test_until_a_year_is_frozen_every_file_of_it_is_a_draft(world: World, desk: OpenDesk) -> None:
    """Someone could subtract two versions of an unfinished year, and find a small count."""
    leave_tallies(world, Casefile(first_message=DAY, theme="bullying"), 20)
    before = yearly_report.read_report_year(desk, LAST_YEAR, TODAY)
    publish(desk)
    after = yearly_report.read_report_year(desk, LAST_YEAR, TODAY)

    for audience in Audience:
        names = [yearly_report.download_name(each, audience, "nl", "csv") for each in (before, after)]
        pages = [
            yearly_report.build_report_file(desk, each, audience, "nl", "csv").decode()
            for each in (before, after)
        ]
        assert [f"{LAST_YEAR}-{audience}-nl-draft.csv", f"{LAST_YEAR}-{audience}-nl.csv"] == names
        assert [True, False] == ["concept" in page for page in pages]
    with world.store.reading() as session:
        public = public_files.find(session, report_records.public_file_name(LAST_YEAR, "nl", "html"))
    assert public == yearly_report.build_report_file(desk, after, Audience.PUBLIC, "nl", "html")


def test_a_published_report_of_a_trial_desk_still_says_that_it_is_a_draft(
    world: World, desk: OpenDesk
) -> None:
    leave_tallies(world, Casefile(first_message=DAY, theme="bullying"), times=20)
    publish(desk)
    found = yearly_report.read_report_year(desk, LAST_YEAR, TODAY)
    drafts = []
    for salt in (bytes(16), TRIAL_SALT):
        desk.letterhead = msgspec.structs.replace(desk.letterhead, site_salt=salt)
        drafts.append(yearly_report.build_document(desk, found, Audience.PUBLIC, "nl").is_draft)
    assert [False, True] == drafts


def test_a_frozen_year_cannot_be_published_again_with_other_figures(world: World, desk: OpenDesk) -> None:
    leave_tallies(world, Casefile(first_message=DAY), times=12)
    publish(desk)
    before = yearly_report.read_report_year(desk, LAST_YEAR, TODAY)
    leave_tallies(world, Casefile(first_message=DAY), times=12)
    with refuses(ReportRefusal.PUBLISHED):
        publish(desk)
    with refuses(ReportRefusal.PUBLISHED):
        publish_report.save_report_words(desk, LAST_YEAR, {"nl": "anders", "en": "other"})
    assert before == yearly_report.read_report_year(desk, LAST_YEAR, TODAY)
    assert 2 == desk.letterhead.serial


def test_two_workstations_do_not_publish_two_versions_of_a_year(world: World, desk: OpenDesk) -> None:
    leave_tallies(world, Casefile(first_message=DAY), times=12)
    found = yearly_report.read_report_year(desk, LAST_YEAR, TODAY)
    publish(unlock_desk(world.config, world.store, PASSPHRASE))
    with refuses(ReportRefusal.PUBLISHED):
        publish_report._publish(desk, found, {}, TODAY)
    assert 1 == desk.letterhead.serial


def test_figures_that_changed_since_they_were_looked_at_are_not_published(
    world: World, desk: OpenDesk
) -> None:
    leave_tallies(world, Casefile(first_message=DAY), times=12)
    digest = yearly_report.read_report_year(desk, LAST_YEAR, TODAY).digest
    leave_tallies(world, Casefile(first_message=DAY), times=12)
    with refuses(ReportRefusal.CHANGED):
        publish_report.publish_report(desk, LAST_YEAR, digest, TODAY)
    assert 0 == rows(world.store, "public_file")


def test_a_year_that_is_not_over_is_not_frozen(desk: OpenDesk) -> None:
    with refuses(ReportRefusal.NOT_OVER):
        publish(desk, TODAY.year)


def test_a_year_with_nothing_in_it_is_published_as_that(world: World, desk: OpenDesk) -> None:
    publish(desk, 2019)
    with world.store.reading() as session:
        page = public_files.find(session, "report-2019-nl.html")
    assert page is not None
    assert read_words("nl", "report")["none_title"] in page.decode()
    assert b"<svg" not in page


def test_frozen_counts_that_were_taken_away_are_missed(world: World, desk: OpenDesk) -> None:
    publish(desk, 2019)
    world.execute("DELETE FROM record")
    (world.config.trusted_state_path).unlink()
    desk = unlock_desk(world.config, world.store, PASSPHRASE)  # a workstation that remembers nothing
    with pytest.raises(RecordUnsoundError):
        yearly_report.read_report_year(desk, 2019, TODAY)


def test_a_published_report_is_not_lost_by_a_crash(world: World, desk: OpenDesk) -> None:
    publish(desk, 2019)
    store = open_store(world.store.path)
    with store.reading() as session:
        assert [] == list(mailboxes.ended_mailboxes(session))
    assert 6 == rows(store, "public_file")
    store.close()
