"""Login sessions of sources, in a separate SQLite file in memory (tmpfs) that is never backed up.

A row contains an encrypted value. No one can decrypt the value without the visitor's cookie and a secret of
the running server.
"""

import itertools
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from store.dialect.forks import close_before_fork
from store.dialect.sqlite_connections import connect
from store.dialect.sqlite_errors import translating
from store.errors import StoreError, StoreMissingError

_MOUNTS = Path("/proc/self/mountinfo")
_TMPFS_TYPES = {"tmpfs", "ramfs"}
# Without row ids, SQLite keeps the rows in the order of their random hashes, not in the order of log-ins.
_TABLE = """CREATE TABLE session (
    token_hash BLOB NOT NULL PRIMARY KEY,
    box BLOB NOT NULL,
    expires_half_hour INTEGER NOT NULL
) WITHOUT ROWID"""
_FIND_TABLE = "SELECT sql FROM sqlite_master WHERE name = 'session'"
_PAGE_BYTES = 65536  # a row fits in a page: the numbers of overflow pages would show the order of log-ins
# Rewriting a file of this size (a thousand sessions) takes 2 ms. Only the sweep rewrites a larger file.
_REWRITE_BYTES = 1024 * 1024
_FIND = """
SELECT box, CAST(expires_half_hour AS INTEGER) FROM session
WHERE token_hash = ? AND expires_half_hour > ?
"""
# SQLite overwrites a row whose size stays the same in its place, so the order of the rows stays random.
_CHANGE = """
UPDATE session SET box = :box, expires_half_hour = :expires
WHERE token_hash = :name AND box = :before
"""
_COUNT = """
INSERT INTO session VALUES (:name, zeroblob(1), :expires)
ON CONFLICT DO UPDATE SET box = zeroblob(length(box) + 1) WHERE length(box) < :most
"""
_NO_FOLDER = "the folder for the sessions is missing"
_PUT = "INSERT OR REPLACE INTO session VALUES (?, ?, ?)"
_ADD = "INSERT OR IGNORE INTO session VALUES (?, ?, ?)"
_DROP = "DELETE FROM session WHERE token_hash = ?"
PIECE_BYTES = 8192  # of a value of several rows: each row fits in a page


class SessionStore:
    """Store of the login sessions of sources. Threads can share this object.

    Each session has one encrypted value, found by the hash of the token in the visitor's cookie. All
    connections are closed before a fork.
    """

    def __init__(self, path: Path, make_folder: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._make_folder = make_folder
        self._file: tuple[int, int] | None = None
        self._idle: list[sqlite3.Connection] = []
        close_before_fork(self.close)

    def make_missing(self) -> None:
        """Make the file of the sessions again if it is missing or of another version. All sessions end then.

        Raises:
            StoreMissingError: the folder of the file cannot be made.
        """
        # systemd can remove the files of a user in /dev/shm, and every request would fail until a restart.
        try:
            try:
                status = self._path.stat()
            except FileNotFoundError:
                self._make_folder()
                os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
                status = self._path.stat()
        except OSError as why:
            raise StoreMissingError(_NO_FOLDER) from why
        if self._file != (status.st_dev, status.st_ino):
            self.close()  # connections to a removed file: no other process would see what they write
            self._idle = []  # those in use now do not come back to this list
            with translating(self._path), closing(_connect(self._path)) as connection, connection:
                connection.execute("BEGIN IMMEDIATE")
                if connection.execute(_FIND_TABLE).fetchone() != (_TABLE,):  # no table, or of another version
                    connection.execute("DROP TABLE IF EXISTS session")
                    connection.execute(_TABLE)
            self._file = (status.st_dev, status.st_ino)

    def put(self, token_hash: bytes, box: bytes, expires_half_hour: int) -> None:
        """Store the encrypted value of a login session under its token hash, and replace any earlier value.

        The session expires when the half hour `expires_half_hour`, counted from 1970 in UTC, begins.
        """
        with self._changing() as connection:
            connection.execute(_PUT, (token_hash, box, expires_half_hour))

    def change(self, token_hash: bytes, before: bytes, box: bytes, expires_half_hour: int) -> bool:
        """Replace the encrypted value of a login session, and set when the session expires.

        If the session has ended, or if its value is not `before`, return False and change nothing.
        """
        row = {"name": token_hash, "before": before, "box": box, "expires": expires_half_hour}
        with self._connection() if len(before) == len(box) else self._changing() as connection:
            return connection.execute(_CHANGE, row).rowcount > 0

    def change_long(
        self,
        name_of: Callable[[int], bytes],
        change: Callable[[bytes], bytes],
        *,
        now_half_hour: int,
        expires_half_hour: int,
    ) -> None:
        """Replace an encrypted value that can fill several rows, in one transaction.

        `change` makes the new value from the old one. `name_of` receives the number of a row, counted from
        0, and returns the hash that names the row. An empty value has no rows.
        """
        # Attack: requests that each write many rows. If each row rewrote the file, no one else could log in.
        with self._changing() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            old = _pieces(connection, name_of, now_half_hour)
            box = change(b"".join(old))
            connection.executemany(_DROP, [(name_of(number),) for number in range(len(old))])
            for number, start in enumerate(range(0, len(box), PIECE_BYTES)):
                piece = box[start : start + PIECE_BYTES]
                connection.execute(_PUT, (name_of(number), piece, expires_half_hour))

    def add(self, token_hash: bytes, expires_half_hour: int) -> bool:
        """Store a hash without a value, until it expires. Return False if the store already has this hash.

        `expires_half_hour` is a number of half hours since 1970 (UTC).
        """
        with self._changing() as connection:
            return connection.execute(_ADD, (token_hash, b"", expires_half_hour)).rowcount > 0

    def count(self, name: bytes, most: int, expires_half_hour: int) -> bool:
        """Add 1 to a counter. Return False and add nothing if the counter is at `most` already.

        `name` is a hash. The counter expires when the half hour `expires_half_hour`, counted from 1970 in
        UTC, begins.
        """
        with self._changing() as connection:
            row = {"name": name, "most": most, "expires": expires_half_hour}
            return connection.execute(_COUNT, row).rowcount > 0

    def find(self, token_hash: bytes, now_half_hour: int) -> tuple[bytes, int] | None:
        """Return the encrypted value of the login session with this token hash, and when the session expires.

        Return None if there is no such session, or if the session has expired.
        """
        with self._connection() as connection:
            found: tuple[bytes, int] | None = connection.execute(
                _FIND, (token_hash, now_half_hour)
            ).fetchone()
        return found

    def find_long(self, name_of: Callable[[int], bytes], now_half_hour: int) -> bytes:
        """Return the encrypted value that `change_long` wrote, or b"" if it has no rows."""
        with self._connection() as connection, connection:
            connection.execute("BEGIN")
            return b"".join(_pieces(connection, name_of, now_half_hour))

    def drop(self, token_hash: bytes) -> None:
        """Delete the login session with this token hash. Do nothing if there is no such session."""
        with self._changing() as connection:
            connection.execute(_DROP, (token_hash,))

    def sweep(self, now_half_hour: int) -> None:
        """Delete every expired login session, and write the file again in random order.

        `now_half_hour` counts the half hours since 1970, in UTC.
        """
        with self._connection() as connection:
            connection.execute("DELETE FROM session WHERE expires_half_hour <= ?", (now_half_hour,))
            connection.execute("VACUUM")

    def size(self) -> int:
        """Return the size of the file in bytes."""
        return self._path.stat().st_size

    def close(self) -> None:
        """Close every connection that is not in use. This object opens new connections when it needs them."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        # SQLite adds new rows behind older ones. Rewriting sorts the rows by their random hashes.
        with self._connection() as connection:
            before = connection.total_changes
            yield connection
            if connection.total_changes != before and self.size() <= _REWRITE_BYTES:
                connection.execute("VACUUM")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        self.make_missing()
        idle = self._idle
        with translating(self._path):
            try:
                connection = idle.pop()
            except IndexError:
                connection = _connect(self._path)
            try:
                yield connection
            finally:
                idle.append(connection)


def open_sessions(
    path: Path,
    *,
    allow_disk: bool = False,
    mounts: Path = _MOUNTS,
    make_folder: Callable[[], None] = lambda: None,
) -> SessionStore:
    """Open the store of login sessions. Create its file (mode 0600) if the file is missing.

    No connection stays open, so a server may fork. If the file is removed later, a new file is made.
    Before that, `make_folder` is called to make the folder.

    Raises:
        StoreMissingError: the folder of `path` does not exist.
        StoreError: the folder of `path` is not on tmpfs, and `allow_disk` is False.
    """
    if not path.parent.is_dir():
        raise StoreMissingError(_NO_FOLDER)
    if not allow_disk and not is_in_memory(path.parent, mounts=mounts):
        raise StoreError("the folder for the sessions must be on tmpfs")
    sessions = SessionStore(path, make_folder)
    sessions.make_missing()
    return sessions


def _pieces(connection: sqlite3.Connection, name_of: Callable[[int], bytes], now: int) -> list[bytes]:
    rows = (connection.execute(_FIND, (name_of(number), now)).fetchone() for number in itertools.count())
    return [box for box, _ in itertools.takewhile(bool, rows)]


def _connect(path: Path) -> sqlite3.Connection:
    # synchronous=OFF: there is no disk to wait for. With the journal and VACUUM's copy in memory, there is no
    # second file that could contain deleted boxes.
    return connect(
        path,
        f"page_size={_PAGE_BYTES}",
        "busy_timeout=10000",
        "synchronous=OFF",
        "journal_mode=MEMORY",
        "temp_store=MEMORY",
        journal="memory",
    )


def is_in_memory(folder: Path, *, mounts: Path = _MOUNTS) -> bool:
    """Return True if a folder is in memory (tmpfs or ramfs): its files reach a disk only through swap.

    `mounts` is the kernel's list of mounted file systems. Source: proc_pid_mountinfo(5).
    """
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    halves = (line.split(" - ") for line in mounts.read_text("utf-8").splitlines())
    return any(before.split()[2] == wanted and after.split()[0] in _TMPFS_TYPES for before, after in halves)
