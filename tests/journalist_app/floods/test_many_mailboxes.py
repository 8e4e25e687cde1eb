"""Attack: someone makes very many mailboxes. Work for each mailbox must not grow with their number."""

import itertools
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from crypto.age import PQIdentity
from journalist_app.desk import verification
from journalist_app.inbox import deadlines
from journalist_app.search.search_index import SearchIndex
from journalist_app.services import inbox_lists
from journalist_app.services.closing import ended_mailboxes
from journalist_app.services.inbox_lists import InboxFilter
from journalist_app.services.inbox_rows import InboxRow
from journalist_app.services.records import casefiles
from journalist_app.services.whole_desk import background_check, unlocking
from protocol.content import Content
from protocol.entry import SignedEntry
from protocol.ledger import ROWS
from protocol.transcript.closing import last_words
from protocol.transcript.ending import proof_from_bytes, proof_to_bytes
from store import mailboxes
from tests.deep_json import deep_content
from tests.flushes import note_flushes
from tests.journalist_app import desk_readers
from tests.journalist_app.desk_factories import PASSPHRASE, TODAY, World, a_source
from tests.journalist_app.opening import opens
from tests.store.factories import all_tallies
from tests.store_work import StoreWork, work_of

_SOME = 30


def first_check(world: World, monkeypatch: pytest.MonkeyPatch) -> StoreWork:
    """Check the whole store as a workstation that remembers nothing."""
    world.config.trusted_state_path.unlink(missing_ok=True)
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    work = work_of(world.store, monkeypatch, lambda: background_check.check_store(desk, TODAY))
    assert desk.progress.done == desk.progress.total > 0
    return work


def some_write(world: World) -> None:
    for _ in range(_SOME):
        a_source(world).writes("vraag")


def some_end(world: World) -> None:
    for _ in range(_SOME):
        source = a_source(world)
        source.writes("vraag")
        source.ends()


def test_the_check_reads_each_mailbox_with_the_same_work_however_many_there_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for _ in range(4):
        some_write(world)
        found.append(first_check(world, monkeypatch))
    first, *_, before, last = found
    assert last.statements - before.statements == found[1].statements - first.statements
    assert last.steps - before.steps < 1.2 * (found[1].steps - first.steps)


def test_ended_mailboxes_are_not_read_again_for_each_other_mailbox(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_write(world)
    alone = first_check(world, monkeypatch)
    some_write(world)
    more = first_check(world, monkeypatch)
    some_end(world)
    beside_ended = first_check(world, monkeypatch)
    some_write(world)
    more_beside_ended = first_check(world, monkeypatch)
    assert more_beside_ended.statements - beside_ended.statements == more.statements - alone.statements
    assert more_beside_ended.steps - beside_ended.steps < 1.2 * (more.steps - alone.steps)


def delete_closed(world: World, count: int) -> None:
    """Let the desk close some mailboxes, and let the server delete them on the same day."""
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    sources = [a_source(world) for _ in range(count)]
    for source in sources:
        source.writes("vraag")
        source.is_closed(due=TODAY)
    background_check.check_store(desk, TODAY)
    for source in sources:
        proof = proof_to_bytes(last_words(source.reads().transcript))
        with world.store.writing() as session:
            mailboxes.purge_mailbox(session, source.keys.address, proof=proof, day=TODAY)


def test_many_deleted_mailboxes_are_forgotten_together(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Attack: each forgotten mailbox writes the newest entries of 100,000 mailboxes to the disk."""
    flushed = note_flushes(monkeypatch)
    saved = []
    for count in (2, 12):
        delete_closed(world, count)
        desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
        flushed.clear()
        background_check.check_store(desk, TODAY)
        saved.append(sum(path.parent == tmp_path for path in flushed))
    assert saved[0] == saved[1] > 0
    assert len(desk.trusted_state.ended) == 14
    with world.store.reading() as session:
        assert [] == mailboxes.ended_mailboxes(session)


def read_inbox(world: World, monkeypatch: pytest.MonkeyPatch, state: str = "waiting") -> StoreWork:
    """Read the inbox twice, with a whole search index. Return the work of the second reading."""
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    background_check.check_store(desk, TODAY)
    desk_readers.begin(desk)
    assert desk_readers.wait_until_whole(desk.index).is_whole
    inbox_lists.read_inbox(desk, InboxFilter(state), TODAY)
    return work_of(world.store, monkeypatch, lambda: inbox_lists.read_inbox(desk, InboxFilter(state), TODAY))


def test_the_inbox_reads_only_the_mailboxes_that_the_page_shows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_write(world)
    few = read_inbox(world, monkeypatch)
    some_write(world)
    assert read_inbox(world, monkeypatch).statements == few.statements


def test_the_inbox_computes_the_deadlines_of_equal_facts_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: every text of a flood is different, so that no two mailboxes have an equal summary."""
    counted: list[object] = []

    def count(*values: object) -> tuple[deadlines.Deadline, ...]:
        counted.append(values)
        return deadlines.deadlines_of(*values)  # type: ignore[arg-type]

    for number in range(_SOME):
        a_source(world).writes(f"vraag {number} " + "woord " * number)
    monkeypatch.setattr(inbox_lists, "deadlines_of", count)
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    desk_readers.begin(desk)
    assert desk_readers.wait_until_whole(desk.index).is_whole
    inbox_lists.read_inbox(desk, InboxFilter(), TODAY)
    assert len(counted) == 1


def test_thousands_of_ended_mailboxes_are_verified_once_and_shown_some_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: someone makes thousands of mailboxes and ends each of them."""
    verified: list[object] = []

    def count(raw: bytes) -> tuple[SignedEntry, ...]:
        verified.append(raw)
        return proof_from_bytes(raw)

    some_end(world)
    monkeypatch.setattr(ended_mailboxes, "proof_from_bytes", count)
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    pages = [inbox_lists.read_inbox(desk, InboxFilter("closed"), TODAY) for _ in range(3)]
    assert [(len(page.ended), page.closed) for page in pages] == [(inbox_lists.PAGE_ROWS, _SOME)] * 3
    assert len(verified) == _SOME


def test_tallies_of_closed_mailboxes_are_read_once_a_day(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    for _ in range(3):
        source = a_source(world)
        source.writes("vraag")
        source.is_closed(due=TODAY + timedelta(days=3))
    for _ in range(3):
        background_check.check_store(desk, TODAY)
    same_day = work_of(world.store, monkeypatch, lambda: background_check.check_store(desk, TODAY))
    next_day = work_of(
        world.store, monkeypatch, lambda: background_check.check_store(desk, TODAY + timedelta(days=1))
    )
    assert next_day.statements >= same_day.statements + 2 * 3


def test_lines_of_ended_mailboxes_that_no_adviser_opened_are_removed_together(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Attack: someone makes thousands of mailboxes and ends each of them."""
    some_end(world)
    opened, incomplete, noted = (a_source(world) for _ in range(3))
    for source in (opened, incomplete, noted):
        source.writes("vraag")
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    background_check.check_store(desk, TODAY)
    opens(desk, opened.keys.address)
    casefiles.add_casefile_note(desk, noted.keys.address, "een notitie", TODAY)
    world.execute("UPDATE record SET revision = 7 WHERE name = :name", name=noted.keys.address)
    incomplete.writes("nog een vraag")
    for source in (opened, incomplete, noted):
        source.ends()
    flushed = note_flushes(monkeypatch)

    ended_mailboxes.acknowledge_unread(desk, TODAY)

    assert sum(path.parent == tmp_path for path in flushed) == 1
    left = {row.address for row in ended_mailboxes.list_unacknowledged(desk, TODAY)}
    assert left == {source.keys.address for source in (opened, incomplete, noted)}
    assert len(desk.trusted_state.ended) == _SOME
    again = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    background_check.check_store(again, TODAY)
    assert again.unsound == {}
    with world.store.reading() as session:
        assert len(all_tallies(session)) == ROWS * _SOME


def test_locking_stops_the_removal_of_lines(world: World) -> None:
    some_end(world)
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    desk.stop()

    ended_mailboxes.acknowledge_unread(desk, TODAY)

    again = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    assert len(ended_mailboxes.list_unacknowledged(again, TODAY)) == _SOME


def decrypted_by(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> int:
    """Return how many entries the desk decrypts while `action` runs."""
    with monkeypatch.context() as patch:
        real, calls = verification.open_entry, list[SignedEntry]()

        def counted(signed: SignedEntry, identities: Sequence[PQIdentity]) -> Content:
            calls.append(signed)
            return real(signed, identities)

        patch.setattr(verification, "open_entry", counted)
        action()
    return len(calls)


def test_the_inbox_does_not_decrypt_mailboxes_that_the_search_index_has_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: sources fill the first page of the inbox with mailboxes of thousands of short messages."""
    hostile, closed, other = (a_source(world) for _ in range(3))
    for number in range(20):
        hostile.writes(f"x {number}", file=(f"{number}.txt", b"y") if number < 3 else None)
    hostile.removes(hostile.writes("weg"))
    closed.writes("vraag")
    closed.is_closed(due=TODAY)
    other.writes("vraag")
    other.is_answered("antwoord")
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    lists = ("waiting", "answered", "closed")

    def rows() -> dict[str, InboxRow]:
        shown = [inbox_lists.read_inbox(desk, InboxFilter(each), TODAY).rows for each in lists]
        return {row.address: row for row in itertools.chain.from_iterable(shown)}

    desk_readers.begin(desk)
    assert desk_readers.wait_until_whole(desk.index).is_whole
    with monkeypatch.context() as patch:
        patch.setattr(SearchIndex, "summary_of", lambda *_: None)
        wanted = rows()
        assert decrypted_by(monkeypatch, rows) == 24

    assert (len(wanted), wanted[hostile.address].files, wanted[hostile.address].entries) == (3, 3, 21)
    assert decrypted_by(monkeypatch, rows) == 0
    assert rows() == wanted

    damaged = hostile.reads().transcript.entries[0].envelope.entry_id
    world.execute(
        "UPDATE sealed SET header = zeroblob(length(header))"
        " WHERE id = (SELECT id FROM entry WHERE entry_id = :entry_id)",
        entry_id=damaged,
    )
    assert rows()[hostile.address].faults == ("unreadable",)
    other.writes("nog iets")
    assert rows()[other.address].is_waiting
    desk.stop()


def test_a_mailbox_with_an_unreadable_entry_is_decrypted_for_each_page(world: World) -> None:
    source = a_source(world)
    source.says(deep_content())
    desk = unlocking.unlock_desk(world.config, world.store, PASSPHRASE)
    desk_readers.begin(desk)
    assert desk_readers.wait_until_whole(desk.index).is_whole

    for _ in range(2):
        (row,) = inbox_lists.read_inbox(desk, InboxFilter(), TODAY).rows
        assert row.faults == ("unreadable",)
    desk.stop()
