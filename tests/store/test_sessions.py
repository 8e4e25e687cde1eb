import multiprocessing
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

import store.sessions
from store.errors import StoreError, StoreMissingError
from store.sessions import SessionStore, open_sessions

TOKEN, BOX = os.urandom(32), os.urandom(72)


def row_name(number: int) -> bytes:
    return number.to_bytes(32)


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[SessionStore]:
    sessions = open_sessions(tmp_path / "sessions.db", allow_disk=True)
    yield sessions
    sessions.close()


def test_a_box_is_there_until_its_half_hour(sessions: SessionStore) -> None:
    sessions.put(TOKEN, BOX, 100)
    assert ((BOX, 100), None) == (sessions.find(TOKEN, 99), sessions.find(TOKEN, 100))


def test_a_box_put_again_replaces_the_first(sessions: SessionStore) -> None:
    sessions.put(TOKEN, BOX, 100)
    sessions.put(TOKEN, b"another box", 200)
    assert (b"another box", 200) == sessions.find(TOKEN, 150)


def test_a_box_is_changed_only_where_the_session_and_its_value_are_the_same(sessions: SessionStore) -> None:
    """Attack: a request that began before a log-out writes the session again when it ends."""
    assert not sessions.change(TOKEN, BOX, b"another box", 200)
    assert sessions.find(TOKEN, 99) is None
    sessions.put(TOKEN, BOX, 100)
    assert not sessions.change(TOKEN, b"an older box", b"another box", 200)
    assert sessions.find(TOKEN, 99) == (BOX, 100)
    assert sessions.change(TOKEN, BOX, b"another box", 200)
    assert sessions.find(TOKEN, 150) == (b"another box", 200)


def test_a_hash_is_added_once(sessions: SessionStore) -> None:
    assert [sessions.add(TOKEN, 100), sessions.add(TOKEN, 100)] == [True, False]
    assert sessions.find(TOKEN, 99) == (b"", 100)


def test_a_count_never_passes_its_limit_whoever_counts_at_once(sessions: SessionStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        counted = list(pool.map(lambda _: sessions.count(TOKEN, 5, 100), range(24)))
    assert sum(counted) == 5
    assert sessions.find(TOKEN, 99) == (bytes(5), 100)
    sessions.sweep(100)
    assert sessions.count(TOKEN, 5, 101)


def test_only_changed_rows_rewrite_the_file_and_many_rows_rewrite_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: cheap requests that rewrite the file again and again, so that no one else can log in."""
    connect, done = store.sessions._connect, list[str]()

    def traced(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.set_trace_callback(done.append)
        return connection

    monkeypatch.setattr("store.sessions._connect", traced)
    sessions = open_sessions(tmp_path / "sessions.db", allow_disk=True)
    rewrites = []
    for box in (os.urandom(600_000), os.urandom(9_000), b"", b""):
        sessions.change_long(row_name, lambda _, box=box: box, now_half_hour=1, expires_half_hour=100)
        assert box == sessions.find_long(row_name, 1)
        rewrites.append(done.count("VACUUM"))
    sessions.drop(TOKEN)
    assert [*rewrites, done.count("VACUUM")] == [1, 2, 3, 3, 3]
    assert sessions.find(row_name(0), 1) is None
    sessions.close()


def test_an_unknown_token_opens_nothing(sessions: SessionStore) -> None:
    assert sessions.find(TOKEN, 1) is None


def test_logging_out_leaves_no_byte_of_the_box(sessions: SessionStore, tmp_path: Path) -> None:
    sessions.put(TOKEN, BOX, 100)
    sessions.drop(TOKEN)
    assert sessions.find(TOKEN, 1) is None
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert (False, False) == (TOKEN in left, BOX in left)


def test_a_sweep_deletes_only_expired_boxes(sessions: SessionStore, tmp_path: Path) -> None:
    sessions.put(TOKEN, BOX, 100)
    sessions.put(b"live", b"live box", 101)
    sessions.sweep(100)
    assert (None, (b"live box", 101)) == (sessions.find(TOKEN, 0), sessions.find(b"live", 100))
    assert BOX not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


_SQLITE_HEADER_BYTES = 100  # has counters of changes, and nothing about rows


@pytest.mark.parametrize("ends", ["put", "change", "drop", "sweep"])
def test_a_copy_of_the_file_does_not_show_the_order_of_the_log_ins(tmp_path: Path, ends: str) -> None:
    rows = [(os.urandom(32), os.urandom(1064)) for _ in range(30)]
    files = []
    for name, order in (("one", rows), ("other", rows[::-1])):
        sessions = open_sessions(tmp_path / name, allow_disk=True)
        for token, box in order:
            sessions.put(token, box, 100)
        if ends == "change":  # of each size: the state of a session grows
            for token, box in order:
                assert sessions.change(token, box, box * 2, 200)
        if ends == "drop":
            sessions.drop(rows[7][0])
        if ends == "sweep":
            sessions.sweep(1)
        sessions.close()
        files.append((tmp_path / name).read_bytes()[_SQLITE_HEADER_BYTES:])

    assert files[0] == files[1]


def test_a_thousand_sessions_are_put_in_random_order_by_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.sessions._REWRITE_BYTES", 0)
    rows = [(os.urandom(32), os.urandom(1064)) for _ in range(300)]
    files = []
    for name, order in (("one", rows), ("other", rows[::-1])):
        sessions = open_sessions(tmp_path / name, allow_disk=True)
        for token, box in order:
            sessions.put(token, box, 100)
        files.append((tmp_path / name).read_bytes()[_SQLITE_HEADER_BYTES:])
        sessions.sweep(1)
        sessions.close()
        files.append((tmp_path / name).read_bytes()[_SQLITE_HEADER_BYTES:])

    assert files[0] != files[2]
    assert files[1] == files[3]


def test_a_copy_of_the_file_does_not_show_which_session_changed_last(tmp_path: Path) -> None:
    """Each message changes a session. The file is not written again: SQLite overwrites the old box."""
    rows = [(os.urandom(32), os.urandom(1064)) for _ in range(30)]
    changed = {token: os.urandom(1064) for token, _ in rows[3:9]}
    files = []
    for name in ("one", "other"):
        sessions = open_sessions(tmp_path / name, allow_disk=True)
        for token, box in rows:
            sessions.put(token, box if name == "one" else changed.get(token, box), 990_000)
        for token, box in rows if name == "one" else ():
            assert sessions.change(token, box, changed.get(token, box), 990_000)
        sessions.close()
        files.append((tmp_path / name).read_bytes()[_SQLITE_HEADER_BYTES:])

    assert files[0] == files[1]
    assert not any(box in files[0] for token, box in rows if token in changed)


def test_no_column_of_the_sessions_shows_the_order_of_the_log_ins(tmp_path: Path) -> None:
    open_sessions(tmp_path / "sessions.db", allow_disk=True).close()

    with closing(sqlite3.connect(tmp_path / "sessions.db")) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(session)")]
        with pytest.raises(sqlite3.OperationalError, match="rowid"):
            connection.execute("SELECT rowid FROM session")

    assert columns == ["token_hash", "box", "expires_half_hour"]


def test_threads_and_a_forked_process_share_the_sessions(sessions: SessionStore) -> None:
    def use(number: int) -> tuple[bytes, int] | None:
        token = number.to_bytes(32)
        sessions.put(token, token, 10)
        return sessions.find(token, 1)

    def use_all() -> None:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(use, range(100, 150)))

    use(0)
    other = multiprocessing.get_context("fork").Process(target=use_all)
    other.start()
    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(use, range(1, 50)))
    other.join()
    assert 0 == other.exitcode
    assert [(number.to_bytes(32), 10) for number in range(1, 50)] == seen
    assert ((149).to_bytes(32), 10) == sessions.find((149).to_bytes(32), 1)


def test_sessions_refuse_a_disk() -> None:
    with (
        tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder,
        pytest.raises(StoreError, match="tmpfs"),
    ):
        open_sessions(Path(folder) / "sessions.db")


def test_sessions_are_in_memory(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = Path(folder) / "sessions.db"
        sessions = open_sessions(path)
        sessions.put(TOKEN, BOX, 100)
        assert (BOX, 100) == sessions.find(TOKEN, 1)
        assert 0o600 == path.stat().st_mode & 0o777
        sessions.close()
    assert not any(tmp_path.iterdir())


def test_sessions_need_their_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreMissingError):
        open_sessions(tmp_path / "missing" / "sessions.db")


def test_a_removed_folder_is_made_again_and_every_process_uses_the_new_file(tmp_path: Path) -> None:
    folder = tmp_path / "memory"
    folder.mkdir(0o700)
    path = folder / "sessions.db"
    one, other = (
        open_sessions(path, allow_disk=True, make_folder=lambda: folder.mkdir(0o700, exist_ok=True))
        for _ in range(2)
    )
    for each in (one, other):
        each.put(TOKEN, BOX, 100)

    shutil.rmtree(folder)

    assert one.find(TOKEN, 1) is None
    one.put(TOKEN, BOX, 100)
    assert (BOX, 100) == other.find(TOKEN, 1)
    assert 0o600 == path.stat().st_mode & 0o777


@pytest.mark.parametrize(
    "older",
    [
        "CREATE TABLE session (token_hash BLOB PRIMARY KEY, box BLOB)",
        "CREATE TABLE session (name TEXT) STRICT",
    ],
)
def test_sessions_of_another_version_end_and_no_one_must_delete_their_file(
    tmp_path: Path, older: str
) -> None:
    """Each visit failed after an upgrade of the Debian package, until someone removed the file."""
    path = tmp_path / "sessions.db"
    open_sessions(path, allow_disk=True).put(TOKEN, BOX, 100)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE session")
        connection.execute(older)

    sessions = open_sessions(path, allow_disk=True)

    assert sessions.find(TOKEN, 1) is None
    sessions.put(TOKEN, BOX, 100)
    assert (BOX, 100) == open_sessions(path, allow_disk=True).find(TOKEN, 1)  # the same version keeps them


def test_a_removed_folder_that_no_one_makes_again_is_reported_as_missing(tmp_path: Path) -> None:
    folder = tmp_path / "memory"
    folder.mkdir(0o700)
    sessions = open_sessions(folder / "sessions.db", allow_disk=True)

    shutil.rmtree(folder)

    with pytest.raises(StoreMissingError):
        sessions.find(TOKEN, 1)


def test_a_folder_on_an_unknown_mount_is_not_in_memory(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text("1 0 0:1 / /elsewhere rw - tmpfs tmpfs rw\n")
    with pytest.raises(StoreError, match="tmpfs"):
        open_sessions(tmp_path / "sessions.db", mounts=mounts)
