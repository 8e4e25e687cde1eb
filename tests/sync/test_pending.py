"""Pouches on a USB stick that arrive late, twice, in the wrong order, changed, or never."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from protocol.errors import PouchRefusal, PouchRefusedError
from protocol.pouch.pouch_file import SERVER
from store import outbox, peers
from sync.build import build_whole_pouch
from sync.endpoint import Endpoint
from sync.errors import SyncRefusal
from sync.pending import ImportOutcome, apply_pending, import_pouch, read_pieces
from tests.flushes import note_flushes
from tests.journalist_app.desk_factories import a_source
from tests.small_disk import CAN_MOUNT, a_small_disk
from tests.sync.ends import Ends, Workstation, copy_of, restore, sync_refused
from tests.sync.test_exchange import all_of


@pytest.fixture
def workstation(ends: Ends) -> Workstation:
    """Pair a workstation that has exchanged pouches over a connection before."""
    made = ends.workstation()
    ends.sync(made)
    return made


def from_server(ends: Ends, workstation: Workstation) -> bytes:
    return b"".join(build_whole_pouch(ends.server, workstation.keyring.strand.id))


def from_workstation(workstation: Workstation) -> bytes:
    return b"".join(build_whole_pouch(workstation.endpoint, SERVER))


def held_by(endpoint: Endpoint) -> list[Path]:
    folder = endpoint.store.path.with_name("pending")
    return sorted(folder.iterdir()) if folder.exists() else []


def early_at_restored_server(ends: Ends, workstation: Workstation) -> tuple[bytes, bytes]:
    """Return two pouches of a workstation, of which the second arrives too early at a restored server."""
    a_source(ends.world).writes("one")
    ends.sync(workstation)
    with ends.world.store.writing() as session:
        name = workstation.keyring.strand.id
        peers.mark_applied(session, name, 1, ends.clock.day)
    early = from_workstation(workstation)
    with workstation.replica.writing() as session:
        peers.reset_acknowledged(session, SERVER)
        outbox.enqueue_all(session, SERVER)
    return from_workstation(workstation), early


def test_an_early_pouch_shows_a_restored_server_which_serials_it_used(
    ends: Ends, workstation: Workstation
) -> None:
    copy = copy_of(ends.world.store, ends.folder / "copy.db")
    a_source(ends.world).writes("one")
    ends.sync(workstation)
    restore(ends.world.store, copy)

    imported = import_pouch(ends.server, [from_workstation(workstation)])

    with ends.world.store.reading() as session:
        at_server = peers.find(session, workstation.keyring.strand.id)
    with workstation.replica.reading() as session:
        at_workstation = peers.find(session, SERVER)
    assert imported.outcome is ImportOutcome.PENDING
    assert at_server is not None
    assert at_workstation is not None
    assert at_server.sent_serial == at_workstation.applied_serial


def test_a_pouch_on_a_stick_is_applied(ends: Ends, workstation: Workstation) -> None:
    a_source(ends.world).writes("hello", file=("a.pdf", os.urandom(2_500_000)))

    brought = import_pouch(workstation.endpoint, [from_server(ends, workstation)])

    assert brought.outcome is ImportOutcome.APPLIED
    assert brought.applied > 0
    assert all_of(workstation.replica) == all_of(ends.world.store)
    assert held_by(workstation.endpoint) == []


def test_a_stick_that_is_imported_twice_changes_nothing_the_second_time(
    ends: Ends, workstation: Workstation
) -> None:
    a_source(ends.world).writes("hello")
    pouch = from_server(ends, workstation)
    import_pouch(workstation.endpoint, [pouch])

    assert import_pouch(workstation.endpoint, [pouch]).outcome is ImportOutcome.DUPLICATE


def test_a_stick_that_never_arrives_is_made_again(ends: Ends, workstation: Workstation) -> None:
    a_source(ends.world).writes("hello")
    from_server(ends, workstation)
    a_source(ends.world).writes("another")

    import_pouch(workstation.endpoint, [from_server(ends, workstation)])

    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_sticks_in_the_wrong_order_are_all_applied(ends: Ends, workstation: Workstation) -> None:
    a_source(ends.world).writes("hello")
    first = from_server(ends, workstation)
    a_source(ends.world).writes("another")
    second = from_server(ends, workstation)

    arrivals = [import_pouch(workstation.endpoint, [each]).outcome for each in (second, first)]

    assert arrivals == [ImportOutcome.APPLIED, ImportOutcome.DUPLICATE]
    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_a_pouch_that_arrives_early_is_pending_and_private(ends: Ends, workstation: Workstation) -> None:
    missing, early = early_at_restored_server(ends, workstation)

    early_import = import_pouch(ends.server, [early])
    again = import_pouch(ends.server, [early])

    assert (early_import.outcome, early_import.pending, again.pending) == (ImportOutcome.PENDING, 1, 1)
    assert [stat.S_IMODE(path.stat().st_mode) for path in held_by(ends.server)] == [0o600]
    assert stat.S_IMODE(held_by(ends.server)[0].parent.stat().st_mode) == 0o700
    after = import_pouch(ends.server, [missing])
    assert (after.outcome, after.pending) == (ImportOutcome.APPLIED, 0)
    assert held_by(ends.server) == []


def test_a_pending_pouch_is_applied_after_the_missing_one(ends: Ends, workstation: Workstation) -> None:
    early, pouches = held_behind(ends, workstation)

    assert import_pouch(workstation.endpoint, [early]).outcome is ImportOutcome.PENDING
    after = import_pouch(workstation.endpoint, [pouches])

    assert (after.outcome, after.also_applied, after.pending) == (ImportOutcome.APPLIED, 1, 0)
    assert all_of(workstation.replica) == all_of(ends.world.store)


def held_behind(
    ends: Ends, workstation: Workstation, file: tuple[str, bytes] | None = None
) -> tuple[bytes, bytes]:
    """Return a pouch that must wait, and the pouch before it, which the server believes to be applied.

    This is the state if the replica applied the pouch before and was then restored from a backup.
    """
    a_source(ends.world).writes("hello")
    before = from_server(ends, workstation)
    with ends.world.store.writing() as session:
        name = workstation.keyring.strand.id
        peer = peers.find(session, name)
        assert peer is not None
        outbox.acknowledge_pouch(session, name, peer.sent_serial)
    a_source(ends.world).writes("another", file=file)
    return from_server(ends, workstation), before


def test_a_pending_pouch_is_applied_or_deleted_after_a_sync(ends: Ends, workstation: Workstation) -> None:
    early, before = held_behind(ends, workstation)
    assert apply_pending(workstation.endpoint) == 0
    import_pouch(workstation.endpoint, [early])
    assert apply_pending(workstation.endpoint) == 1

    import_pouch(workstation.endpoint, [before])

    assert apply_pending(workstation.endpoint) == 0


def test_a_pending_pouch_without_room_stays_pending(ends: Ends, workstation: Workstation) -> None:
    early, before = held_behind(ends, workstation, file=("large", os.urandom(2_000_000)))
    import_pouch(workstation.endpoint, [early])

    with sync_refused(SyncRefusal.NO_ROOM):
        import_pouch(ends.with_room(workstation, store_bytes=1_500_000).endpoint, [before])

    assert len(held_by(workstation.endpoint)) == 1
    assert apply_pending(workstation.endpoint) == 0
    assert all_of(workstation.replica) == all_of(ends.world.store)


def test_nothing_is_kept_of_a_refused_pouch(ends: Ends, workstation: Workstation) -> None:
    a_source(ends.world).writes("hello")
    pouch = bytearray(from_server(ends, workstation))
    pouch[-20] ^= 1

    with pytest.raises(PouchRefusedError) as refused:
        import_pouch(workstation.endpoint, [bytes(pouch)])

    assert refused.value.reason is PouchRefusal.UNREADABLE
    assert held_by(workstation.endpoint) == []


def test_a_stick_that_gives_other_bytes_the_second_time_is_read_once(
    ends: Ends, workstation: Workstation
) -> None:
    a_source(ends.world).writes("hello")
    pouch = from_server(ends, workstation)
    reads = iter([[pouch], [b"something else"]])

    def stick() -> Iterator[bytes]:
        yield from next(reads)

    assert import_pouch(workstation.endpoint, stick()).outcome is ImportOutcome.APPLIED
    assert next(reads) == [b"something else"]


def test_a_pending_pouch_of_a_retired_workstation_is_deleted(ends: Ends, workstation: Workstation) -> None:
    missing, early = early_at_restored_server(ends, workstation)
    import_pouch(ends.server, [early])
    other = ends.workstation(ends.second_keyring())
    ends.sync(other)
    ends.retire(workstation.keyring.strand.id, ends.clock.day - timedelta(days=1))

    brought = import_pouch(ends.server, [from_workstation(other)])

    assert (brought.outcome, brought.pending) == (ImportOutcome.APPLIED, 0)
    assert missing


def test_a_pending_pouch_that_was_damaged_is_deleted(ends: Ends, workstation: Workstation) -> None:
    early, before = held_behind(ends, workstation)
    import_pouch(workstation.endpoint, [early])
    (path,) = held_by(workstation.endpoint)
    path.write_bytes(early[:-1])

    brought = import_pouch(workstation.endpoint, [before])

    assert (brought.also_applied, brought.pending) == (0, 0)


def test_the_unfinished_copy_of_a_killed_process_is_deleted(ends: Ends, workstation: Workstation) -> None:
    a_source(ends.world).writes("hello")
    folder = workstation.endpoint.store.path.with_name("pending")
    (folder / "0011.new").write_bytes(b"half")

    import_pouch(workstation.endpoint, [from_server(ends, workstation)])

    assert held_by(workstation.endpoint) == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_a_stick_that_is_pulled_out_halfway_can_be_imported_again(
    ends: Ends, workstation: Workstation, stop: Callable[[], BaseException]
) -> None:
    a_source(ends.world).writes("hello")
    pouch = from_server(ends, workstation)

    def pulled_out() -> Iterator[bytes]:
        yield pouch[:1000]
        raise stop()

    with pytest.raises((KeyboardInterrupt, OSError)):
        import_pouch(workstation.endpoint, pulled_out())

    assert held_by(workstation.endpoint) == []
    assert import_pouch(workstation.endpoint, [pouch]).outcome is ImportOutcome.APPLIED


def test_files_are_read_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(2**20 + 1))

    assert [len(piece) for piece in read_pieces(tmp_path / "a")] == [2**20, 1]


@pytest.mark.skipif(not CAN_MOUNT, reason="only root may mount a small disk")
def test_a_full_disk_leaves_no_half_of_a_pouch(ends: Ends, workstation: Workstation) -> None:
    a_source(ends.world).writes("hello", file=("a.pdf", os.urandom(3_000_000)))
    pouch = from_server(ends, workstation)
    with a_small_disk("2m") as disk:
        folder = workstation.endpoint.store.path.with_name("pending")
        folder.rmdir()
        folder.symlink_to(disk)
        with sync_refused(SyncRefusal.NO_ROOM):
            import_pouch(workstation.endpoint, [pouch])
        assert list(disk.iterdir()) == []
        folder.unlink()


def test_a_disk_that_reports_full_at_the_flush_leaves_nothing(
    ends: Ends, workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems allocate space only when they flush, so they report a full disk at the end."""
    a_source(ends.world).writes("hello")
    pouch = from_server(ends, workstation)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "fsync", full)
    with sync_refused(SyncRefusal.NO_ROOM):
        import_pouch(workstation.endpoint, [pouch])

    assert held_by(workstation.endpoint) == []


def test_a_pouch_that_is_kept_for_later_is_not_lost_in_a_power_cut(
    ends: Ends, workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copy_of(ends.world.store, ends.folder / "copy.db")
    a_source(ends.world).writes("one")
    ends.sync(workstation)
    restore(ends.world.store, copy)
    pouch = from_workstation(workstation)
    flushed = note_flushes(monkeypatch)

    imported = import_pouch(ends.server, [pouch])

    folder = ends.server.store.path.with_name("pending")
    assert imported.outcome is ImportOutcome.PENDING
    assert flushed[-2:] == [folder, folder.parent]
