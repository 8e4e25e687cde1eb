"""Search index: real search workers over real sockets, on threads. One slow test runs the processes."""

import threading
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import msgspec
import pytest

from deploy.serving import search_processes as processes
from journalist_app.desk.open_desk import OpenDesk
from journalist_app.errors import IndexMissingError
from journalist_app.search import search_worker
from journalist_app.search.search_index import SearchIndex, _Worker
from journalist_app.search.search_worker import BeginReading, FindWords, IndexNotes, ReadAgain, ReadingFailed
from journalist_app.services import search_mailboxes
from journalist_app.services.records import casefiles
from journalist_app.services.whole_desk import background_check, unlocking
from protocol.content import Content, Kind, PassOnRecipient, ProposalNote, StepName, StepNote
from protocol.identifiers import Address
from tests.journalist_app import desk_readers
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, World, a_source


def unlocked(world: World, shares: int = 2) -> OpenDesk:
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    desk_readers.begin(desk, [desk_readers.start] * shares)
    assert desk_readers.wait_until_whole(desk.index).is_whole
    return desk


def found(desk: OpenDesk, query: str) -> list[str]:
    return [hit.address for hit in search_mailboxes.search(desk, query, 1).hits]


@pytest.mark.parametrize("shares", [1, 2, 5])
def test_everything_is_found_with_any_number_of_search_processes(world: World, shares: int) -> None:
    sources = [a_source(world) for _ in range(6)]
    for number, source in enumerate(sources):
        source.writes(f"gemeenschappelijk en woord{number}x")

    desk = unlocked(world, shares)

    assert desk.index.reading.done == desk.index.reading.total == 6
    assert {source.address for source in sources} == set(found(desk, "gemeenschappelijk"))
    assert [sources[3].address] == found(desk, "WOORD3X gemeen")
    desk.stop()


def test_an_empty_store_is_read_at_once(world: World) -> None:
    desk = unlocked(world)

    assert [] == found(desk, "woord")
    assert [] == desk.index.summaries()
    desk.stop()


def test_the_newest_mailbox_comes_first(world: World) -> None:
    old, new = a_source(world), a_source(world)
    old.writes("woord", day=TODAY - timedelta(days=3))
    new.writes("woord")

    desk = unlocked(world)

    assert [new.address, old.address] == found(desk, "woord")
    desk.stop()


def test_a_file_is_found_by_its_name(world: World) -> None:
    source = a_source(world)
    source.writes("zie bijlage", file=("jaarrekening.pdf", b"x"))

    desk = unlocked(world)

    assert [source.address] == found(desk, "jaarrekening")
    desk.stop()


def test_a_snippet_names_the_author_and_the_day(world: World) -> None:
    source = a_source(world)
    source.writes("vraag over subsidie", day=TODAY - timedelta(days=2))
    source.is_answered("dit is het advies over de subsidie")

    desk = unlocked(world)
    (hit,) = search_mailboxes.search(desk, "advies subsidie", 1).hits

    assert ("desk", TODAY, "dit is het advies over de subsidie") == (hit.side, hit.day, hit.snippet)
    desk.stop()


def test_a_note_is_found_at_once_and_not_after_it_was_deleted(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocked(world)
    address = source.keys.address

    casefiles.add_casefile_note(desk, address, "doorverwezen naar ombudsman", TODAY)
    (hit,) = search_mailboxes.search(desk, "ombudsman vraag", 1).hits
    assert hit.side in {"casefile", "source"}
    with desk.store.writing() as session:
        casefiles.drop_casefile(desk, session, address)

    assert [] == found(desk, "ombudsman")
    desk.stop()


def test_a_new_message_is_found_after_the_next_check(world: World) -> None:
    before = a_source(world)
    before.writes("eerste")
    desk = unlocked(world)
    after = a_source(world)
    after.writes("tweede")
    before.writes("derde")

    background_check.check_store(desk, TODAY)

    assert [after.address] == found(desk, "tweede")
    assert [before.address] == found(desk, "derde")
    desk.stop()


def test_a_mailbox_that_ended_is_not_found(world: World) -> None:
    source = a_source(world)
    source.writes("woord")
    desk = unlocked(world)
    source.ends()

    assert [] == found(desk, "woord")  # a hit is verified again before it is shown
    background_check.check_store(desk, TODAY)
    assert 0 == search_mailboxes.search(desk, "woord", 1).found
    assert [] == desk.index.summaries()
    desk.stop()


def test_words_that_were_deleted_in_the_meantime_are_not_shown(world: World) -> None:
    source = a_source(world)
    entry = source.writes("geheim")
    desk = unlocked(world)
    source.removes(entry)

    assert [] == found(desk, "geheim")
    desk.stop()


def test_a_forged_or_unreadable_entry_is_not_found(world: World) -> None:
    forged, damaged, keyless, fine = (a_source(world) for _ in range(4))
    for source in (forged, damaged, keyless, fine):
        source.writes("woord")
    statement = "UPDATE entry SET {} WHERE address = :address"
    world.execute(statement.format("signature = zeroblob(64)"), address=forged.keys.address)
    world.execute(statement.format("signature = x'00'"), address=damaged.keys.address)
    world.execute("UPDATE mailbox SET verify_key = zeroblob(32) WHERE address = :it", it=keyless.keys.address)

    desk = unlocked(world)

    assert [fine.address] == found(desk, "woord")
    desk.stop()


def test_an_entry_whose_header_was_swapped_is_left_out_and_the_rest_is_found(world: World) -> None:
    source = a_source(world)
    source.writes("woord")
    source.writes("ander")
    world.execute(
        "UPDATE sealed SET header ="
        " (SELECT s.header FROM sealed s JOIN entry e ON e.id = s.id WHERE e.number = 2)"
        " WHERE id = (SELECT id FROM entry WHERE number = 1)"
    )

    desk = unlocked(world)

    assert [] == found(desk, "woord")
    assert [source.address] == found(desk, "ander")
    desk.stop()


def test_a_search_has_a_second_page(world: World) -> None:
    for _ in range(search_mailboxes.PAGE_ROWS + 1):
        a_source(world).writes("woord")
    desk = unlocked(world)

    first, second = (search_mailboxes.search(desk, "woord", page) for page in (1, 2))

    assert (search_mailboxes.PAGE_ROWS, True) == (len(first.hits), first.has_more)
    assert (1, False) == (len(second.hits), second.has_more)
    desk.stop()


def test_without_words_nothing_is_found(world: World) -> None:
    a_source(world).writes("woord")
    desk = unlocked(world)

    assert 0 == search_mailboxes.search(desk, " ?! ", 1).found
    desk.stop()


def test_a_search_process_that_dies_is_reported_and_no_page_waits_for_it(world: World) -> None:
    a_source(world).writes("woord")
    desk = unlocked(world)

    desk.index._workers[0].end()
    with desk.index._changed:
        desk.index._changed.wait_for(lambda: desk.index._is_broken, desk_readers.SECONDS)

    with pytest.raises(IndexMissingError):
        desk.index.find(["woord"])
    assert desk.index.reading.is_broken
    desk.stop()


def test_a_missing_store_is_reported(world: World) -> None:
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    world.store.path.rename(world.store.path.with_name("elsewhere"))

    desk_readers.begin(desk)

    assert desk_readers.wait_until_whole(desk.index).is_broken
    desk.stop()


def test_locking_ends_the_search_processes_and_drops_the_summaries(world: World) -> None:
    before = set(threading.enumerate())
    a_source(world).writes("woord")
    desk = unlocked(world)
    started = set(threading.enumerate()) - before

    desk.stop()
    for thread in started:
        thread.join(desk_readers.SECONDS)
    assert not any(thread.is_alive() for thread in started)

    assert [] == desk.index.summaries()
    assert not desk.index.reading.is_broken


def test_no_search_process_starts_after_locking(world: World) -> None:
    before = set(threading.enumerate())
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    desk.index = SearchIndex([desk_readers.start])
    desk.stop()

    unlocking.keep_checking(desk, lambda: TODAY)

    assert set(threading.enumerate()) <= before
    assert desk.last_check is None


def test_search_processes_that_start_while_the_desk_locks_end_too(world: World) -> None:
    before = set(threading.enumerate())
    a_source(world).writes("woord")
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)

    def start() -> tuple[Connection, Callable[[], None]]:
        desk.stop()
        return desk_readers.start()

    desk_readers.begin(desk, [start])

    for thread in set(threading.enumerate()) - before:
        thread.join(desk_readers.SECONDS)
        assert not thread.is_alive()
    assert [] == desk.index.summaries()


def test_a_note_from_before_the_search_processes_started_is_found(world: World) -> None:
    source = a_source(world)
    source.writes("vraag")
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    desk.index = SearchIndex([desk_readers.start] * 2)
    casefiles.add_casefile_note(desk, source.keys.address, "vroegteken", TODAY)

    unlocking.start_indexing(desk)

    assert desk_readers.wait_until_whole(desk.index).is_whole
    assert [source.address] == found(desk, "vroegteken")
    desk.stop()


def test_a_desk_without_search_processes_has_no_search(world: World) -> None:
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)

    assert [] == desk.index.find(["woord"])
    desk.index.index_notes(Address(bytes(20)), "tekst")
    assert not desk.index.reading.is_whole


def test_messages_between_the_processes_show_nothing_when_they_are_printed() -> None:
    for message in (
        BeginReading("pad", (b"k" * 32,), b"{}", 0, 1),
        IndexNotes(b"a" * 20, "geheime tekst"),
        FindWords(1, ("geheim",)),
    ):
        assert "geheim" not in repr(message)
        assert "kkkk" not in repr(message)


def test_a_search_process_ends_when_its_parent_is_gone() -> None:
    ours, theirs = Pipe()
    thread = threading.Thread(target=search_worker.serve_search, args=(theirs,), daemon=True)
    thread.start()

    ours.close()
    thread.join(desk_readers.SECONDS)

    assert not thread.is_alive()


def test_a_search_process_that_receives_its_first_command_twice_ends(world: World) -> None:
    ours, theirs = Pipe()
    thread = threading.Thread(target=search_worker.serve_search, args=(theirs,), daemon=True)
    thread.start()
    begin = msgspec.msgpack.encode(BeginReading(str(world.store.path), (), world.letterhead.to_bytes(), 0, 1))

    ours.send_bytes(begin)
    ours.send_bytes(begin)
    thread.join(desk_readers.SECONDS)

    assert not thread.is_alive()


def test_queries_are_answered_while_the_store_is_read(world: World) -> None:
    for _ in range(search_worker._AT_ONCE + 1):
        a_source(world).writes("woord")
    ours, theirs = Pipe()
    thread = threading.Thread(target=search_worker.serve_search, args=(theirs,), daemon=True)
    seeds = tuple(identity.to_bytes() for identity in world.keyring.identities)
    for message in (
        BeginReading(str(world.store.path), seeds, world.letterhead.to_bytes(), 0, 1),
        FindWords(7, ("woord",)),
        ReadAgain(()),
    ):
        ours.send_bytes(msgspec.msgpack.encode(message))
    thread.start()

    reports = msgspec.msgpack.Decoder(search_worker.Report)
    heard = [reports.decode(ours.recv_bytes()) for _ in range(4)]
    ours.close()
    thread.join(desk_readers.SECONDS)

    counts = [
        report.done if isinstance(report, search_worker.MailboxesRead) else len(report.addresses)
        for report in heard
        if not isinstance(report, ReadingFailed)
    ]
    assert [0, search_worker._AT_ONCE, search_worker._AT_ONCE, search_worker._AT_ONCE + 1] == counts


def test_a_report_that_arrives_after_locking_is_ignored(world: World) -> None:
    a_source(world).writes("woord")
    desk = unlocked(world, shares=1)
    summary = desk.index.summaries()[0]
    (worker,) = desk.index._workers
    desk.stop()

    desk.index._apply(worker, search_worker.MailboxesRead((summary,), (), 1, 1))

    assert [] == desk.index.summaries()


def test_steps_and_proposals_are_found_by_their_texts() -> None:
    step = Content(kind=Kind.STEP, text="zin", step=StepNote(step=StepName.ADVICE_GIVEN, next="daarna"))
    note = ProposalNote(recipient=PassOnRecipient.SG, name="naam", fingerprint="A" * 40)
    proposal = Content(kind=Kind.PROPOSAL, text="tekst", proposal=note)

    assert ["zin", "daarna", ""] == list(search_worker.entry_texts(Address(bytes(20)), step, ()))
    assert ["tekst", "naam"] == list(search_worker.entry_texts(Address(bytes(20)), proposal, ()))


@pytest.mark.slow
def test_the_search_processes_read_the_store_and_end_when_the_desk_locks(world: World) -> None:
    before = set(threading.enumerate())
    source = a_source(world)
    source.writes("woord")
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    lines = []

    def start() -> tuple[Connection, Callable[[], None]]:
        line, end = processes.start_search_process()
        lines.append(line)
        return line, end

    desk_readers.begin(desk, [start] * 2)
    assert desk_readers.wait_until_whole(desk.index).is_whole
    assert [source.address] == found(desk, "woord")
    started = set(threading.enumerate()) - before
    desk.stop()

    for thread in started:
        thread.join(desk_readers.SECONDS)  # it ends after the process
    assert not any(thread.is_alive() for thread in started)
    assert all(line.closed for line in lines)


def test_a_late_answer_to_a_query_is_ignored() -> None:
    index = SearchIndex([])

    ours, theirs = Pipe()

    index._apply(_Worker(ours, ours.close), search_worker.SearchHits(99, (b"a" * 20,)))

    theirs.close()
    ours.close()

    assert [] == index.find(["woord"])
