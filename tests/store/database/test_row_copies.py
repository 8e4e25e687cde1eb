"""A store is copied to the other database and back: no row is lost, and no half copy is ever used."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, text

from store import cleanup, letterheads, outbox, public_files, sync_findings
from store.database import row_copies
from store.database.engine import ServerPlace, Store, create_roles, open_copy, open_store, upgrade_store
from store.database.schema import Base
from store.errors import (
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreOutdatedError,
    StoreUnreachableError,
)
from store.outbox import OutboxKind
from store.sync_findings import FindingKind
from tests.postgresql_cluster import place_of, the_cluster
from tests.store.factories import (
    DAY,
    NOW,
    a_mailbox,
    a_peer,
    a_record,
    an_entry,
    an_upload,
    destroy,
    on_sqlite,
    put_tallies,
    rows,
    usage,
)

Place = Path | ServerPlace


def place(store: Store) -> Place:
    return store.path if store.path.is_file() else place_of(store, "owner")


@pytest.fixture
def source(store: Store) -> Place:
    """Return the place of a store with rows in every table, that no program has open."""
    a_peer(store)
    for number in range(3):
        address, entry_id = a_mailbox(store), os.urandom(16)
        upload = an_upload(store, address, entry_id, [bytes([number]) * 30_000] * 7)
        an_entry(store, address, entry_id=entry_id, attachment_ids=[upload])
        gone = an_entry(store, address, payload=b"canary" * 1000)
        an_entry(store, address, is_words=False)
        destroy(store, address, gone)
        put_tallies(store, address)
        a_record(store, bytes([number]))
    an_upload(store, address, os.urandom(16))  # pending
    with store.writing() as session:
        letterheads.add(session, 1, b"body", b"signature")
        public_files.put(session, "report-2026.pdf", b"%PDF")
        sync_findings.add(session, address, b"", FindingKind.FORK, DAY)
        waiting = [each.id for each in outbox.of_kind(session, b"strand-1", OutboxKind.RECORD)]
        outbox.mark_packed(session, waiting, 1)
    if not store.path.is_file():
        create_roles(ServerPlace(store._url, store.path))  # type: ignore[attr-defined]  # of a server
    found = place(store)
    store.close()
    return found


@pytest.fixture
def target(store: Store, tmp_path: Path) -> Iterator[Place]:
    """Return an empty place in the other database."""
    if not store.path.is_file():
        yield tmp_path / "copy.db"
        return
    name = the_cluster().a_database()
    create_roles(ServerPlace(the_cluster().url(name), tmp_path))
    yield ServerPlace(the_cluster().url(name, f"{name}_owner"), tmp_path / "notes")
    the_cluster().drop(name)


def moves(source: Place, target: Place, on_progress: Callable[[int, int], None] = lambda *_: None) -> int:
    return cleanup.copy_to_place(source, target, NOW, on_progress)


def all_rows(at: Place) -> dict[str, list[tuple[object, ...]]]:
    with closing(open_store(at)) as store, store.reading() as session:
        found = {
            table.name: [
                tuple(row)
                for row in session.execute(
                    select(*(each for each in table.columns if each.name != "shield")).order_by(text("1"))
                )
            ]
            for table in Base.metadata.sorted_tables
            if table.name != "usage"
        }
        return {**found, "bytes": [(usage(store),)]}


def killed(work: Callable[[], object]) -> None:
    """Run `work` in a process that kills itself with signal 9."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert -signal.SIGKILL == process.exitcode


def kill_at(step: int) -> Callable[[int, int], None]:
    def on_progress(done: int, _total: int) -> None:
        if done >= step:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_progress


def test_all_rows_are_the_same_in_the_other_database_and_back(source: Place, target: Place) -> None:
    steps: list[tuple[int, int]] = []

    count = moves(source, target, lambda *step: steps.append(step))
    back = target.path.with_name("back.db") if isinstance(target, ServerPlace) else target.with_name("b.db")
    moves(target, back)

    before = all_rows(source)
    assert before == all_rows(target) == all_rows(back)
    assert count == sum(map(len, before.values())) - 1  # without the count of bytes
    assert all(before[name] for name in before.keys() - {"deletion_queue", "ended_mailbox", "ledger_tally"})
    assert (2 * count, 2 * count) == steps[-1]
    assert sorted(set(steps)) == steps


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_killed_copy_is_refused_until_the_same_command_completed_it(
    source: Place, target: Place, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = moves(source, (other := _another(target)))
    killed(lambda: moves(source, target, kill_at(int(2 * count * share))))

    for use in (open_store, upgrade_store):
        with pytest.raises(StoreOutdatedError, match="not complete yet"):
            use(target)

    added = []
    add = row_copies._CopiedTable.add
    monkeypatch.setattr(
        row_copies._CopiedTable, "add", lambda table, copy, page: (added.extend(page), add(table, copy, page))
    )
    moves(source, target)

    assert all_rows(target) == all_rows(source) == all_rows(other)
    assert len(added) <= count - count * min(2 * share, 1) + 1  # what arrived is not written again


def _another(target: Place) -> Path:
    folder = target.path if isinstance(target, ServerPlace) else target
    return folder.with_name("another.db")


def test_a_copy_killed_while_its_place_was_made_is_made_again(
    source: Place, target: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr("store.database.engine.mark_incomplete", kill)
        killed(lambda: moves(source, target))
    moves(source, target)

    assert all_rows(target) == all_rows(source)


def test_a_copy_of_a_store_that_changed_since_or_of_another_is_refused(source: Place, target: Place) -> None:
    count = moves(source, _another(target))
    killed(lambda: moves(source, target, kill_at(count)))
    with closing(open_store(source)) as store:
        a_mailbox(store)

    with pytest.raises(StoreError, match="delete the copy, and begin again"):
        moves(source, target)


@pytest.mark.parametrize("row", ["INSERT INTO deletion_queue (id) VALUES (7)", "DELETE FROM chunk"])
def test_a_copy_that_differs_in_one_row_is_never_complete(source: Place, target: Place, row: str) -> None:
    changed = []

    def change(done: int, total: int) -> None:
        if done == total // 2 and not changed:  # all is copied
            changed.append(row)
            with closing(open_copy(target)) as copy, copy.writing() as session:
                session.execute(text(row))

    with pytest.raises(StoreError, match="other rows than the store"):
        moves(source, target, change)
    with pytest.raises(StoreOutdatedError, match="not complete yet"):
        open_store(target)


def test_what_a_crashed_server_lost_is_copied_again(source: Place, target: Place) -> None:
    """Pages do not wait for the disk, so a crash can undo the newest of them."""
    lost = []

    def lose(done: int, total: int) -> None:
        if done == total // 2 and not lost:
            with closing(open_copy(target)) as copy, copy.writing() as session:
                lost.append(session.execute(text("DELETE FROM outbox")))

    with pytest.raises(StoreError, match="other rows than the store"):
        moves(source, target, lose)
    moves(source, target)

    assert all_rows(target) == all_rows(source)


def test_a_server_that_ends_all_connections_spoils_no_copy(source: Place, target: Place) -> None:
    """The lock of the store goes with its connection, so the copying must not continue with a new one."""
    ended = []

    def end_connections(done: int, total: int) -> None:
        if done >= total // 4 and not ended:
            ended.append(done)
            the_cluster().run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'steunpunt'"
            )

    if isinstance(source, ServerPlace):
        with pytest.raises(StoreUnreachableError):
            moves(source, target, end_connections)
        with pytest.raises(StoreOutdatedError, match="not complete yet"):
            open_store(target)
    moves(source, target, end_connections)

    assert ended
    assert all_rows(target) == all_rows(source)


def test_a_place_that_is_not_empty_is_refused(source: Place, target: Place) -> None:
    moves(source, target)
    before = all_rows(target)

    for place in (target, source):
        with pytest.raises(StoreError, match="not empty"):
            moves(source, place)

    assert all_rows(target) == before == all_rows(source)


def test_a_store_that_a_program_uses_is_not_copied(source: Place, target: Place) -> None:
    with closing(open_store(source)) as store:
        with store.reading():
            pass  # its connection stays open
        with pytest.raises(StoreBusyError):
            moves(source, target)

    if isinstance(target, Path):
        assert not target.exists()


def test_no_one_writes_in_the_store_during_the_copying(source: Place, target: Place) -> None:
    refused = []

    def write(done: int, _total: int) -> None:
        if not refused:
            with closing(open_store(source)) as store:
                store._wait_seconds = 0.01
                with pytest.raises(StoreBusyError), store.writing():
                    pass
                refused.append(done)

    moves(source, target, write)

    assert refused


@on_sqlite
@pytest.mark.usefixtures("store")
def test_the_roles_of_a_new_database_have_their_rights(source: Place, target: Place) -> None:
    moves(source, target)

    assert isinstance(target, ServerPlace)
    for_source = ServerPlace(target.url.replace("_owner@", "_source@"), target.path)
    with closing(open_store(for_source, of_source=True)) as copy, copy.reading() as session:
        assert (1, b"body", b"signature") == letterheads.latest(session)


@on_sqlite
@pytest.mark.usefixtures("store")
def test_a_role_that_sees_single_mailboxes_makes_no_copy(source: Place, tmp_path: Path) -> None:
    cluster = the_cluster()
    name = cluster.a_database()
    cluster.run(f"CREATE ROLE {name}_limited LOGIN")
    cluster.run(f"ALTER DATABASE {name} OWNER TO {name}_limited")

    with pytest.raises(StoreError, match="sees only single mailboxes"):
        moves(source, ServerPlace(cluster.url(name, f"{name}_limited"), tmp_path))

    cluster.drop(name)


@on_sqlite  # PostgreSQL accepts no value of another type
def test_a_store_with_a_damaged_row_is_not_copied(store: Store, target: Place) -> None:
    a_mailbox(store)
    with store.writing() as session:
        session.execute(text("UPDATE mailbox SET recipient = 'text'"))
    store.close()

    with pytest.raises(StoreDamagedError, match="store verify"):
        moves(store.path, target)
    assert isinstance(target, ServerPlace)
    assert [(0,)] == the_cluster().run(
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
        target.url.split("/")[3].partition("?")[0],
    )


def test_deleted_content_does_not_travel(source: Place, target: Place) -> None:
    with closing(open_store(source)) as store:
        address = a_mailbox(store)
        an_entry(store, address, payload=b"stays-here-" * 1000)
        destroy(store, address, an_entry(store, address, payload=b"must-not-travel-" * 1000))
        assert 0 < rows(store, "deletion_queue")

    moves(source, target)

    if isinstance(target, Path):
        raw = target.read_bytes()
        assert b"stays-here-" in raw
        assert b"must-not-travel-" not in raw
    with closing(open_store(target)) as copy:
        assert 0 == rows(copy, "deletion_queue")
        with copy.reading() as session:
            payloads = session.execute(text("SELECT payload FROM sealed")).scalars()
            assert not any(b"must-not-travel-" in payload for payload in payloads if payload)


def test_rows_with_the_lowest_and_the_highest_id_are_copied(source: Place, target: Place) -> None:
    with closing(open_store(source)) as store, store.writing() as session:
        for row in (-(2**63), 2**63 - 1):
            public_files.put(session, f"file-{row}", b"body")
            session.execute(
                text("UPDATE public_file SET id = :row WHERE name = :name"),
                {"row": row, "name": f"file-{row}"},
            )
    moves(source, target)

    assert all_rows(target) == all_rows(source)
