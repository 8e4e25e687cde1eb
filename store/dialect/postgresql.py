"""PostgreSQL: a store in a database of a server, for several source servers at the same time.

Threads and machines write at the same time. Locks of the database keep them apart (advisory locks): a writer
of one mailbox shares the lock of the store and has the lock of the mailbox alone. Each other writer has the
lock of the store alone. So no two writers wait for each other, and each sees all that was committed before.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Final

import psycopg
from psycopg.adapt import Loader
from psycopg.conninfo import make_conninfo
from psycopg.pq import Format, Ping, TransactionStatus
from psycopg.types.string import TextLoader
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect
from sqlalchemy.orm import Session

from store.dialect.forks import close_before_fork
from store.dialect.opened_store import MANY, WAIT_SECONDS, ServerPlace, Store, TableQueries
from store.dialect.postgresql_errors import is_lost, translating_postgresql
from store.dialect.postgresql_repeat import CONFLICTS, REPEATS, StatementLog
from store.dialect.postgresql_rewrite import ATTEMPTS, IN_USE, forget_values, remove_journal, rewrite_rows
from store.dialect.postgresql_roles import grant_rights, refuse_other_role, set_up_roles
from store.errors import StoreBusyError, StoreError

USAGE_ROWS: Final = 16  # so many writers count their bytes without waiting for each other
_READERS, _WRITERS = 8, 4  # connections of a process
# Row security shows one mailbox to the source's role. Values are parameters, because PostgreSQL can write the
# text of a statement into its log. The two numbers are any that no other program uses in this database.
_SHOW = "set_config('steunpunt.address', %(address)s, true)"
_SHOW_MAILBOX: Final = f"SELECT {_SHOW}"
_LOCK_STORE: Final = f"SELECT pg_advisory_xact_lock(5374283, 1), {_SHOW}"
_LOCK_MAILBOX: Final = f"""
SELECT pg_advisory_xact_lock_shared(5374283, 1), pg_advisory_xact_lock(%(number)s), {_SHOW}
"""
_LOCK_SWEEPER: Final = "SELECT pg_try_advisory_lock(5374283, 2)"
_LOCK_REWRITE: Final = "SELECT pg_try_advisory_lock(5374283, 3)"
_DELAY_REWRITE: Final = "SELECT pg_advisory_xact_lock_shared(5374283, 3)"
# PostgreSQL takes the snapshot of a reader after this lock. Otherwise, a reader that began just before a
# rewrite of the tables would see the tables empty after the rewrite.
_READ: Final = """
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = {};
LOCK TABLE usage IN ACCESS SHARE MODE
"""
_LOCK_SECONDS: Final = 5  # of one attempt to get a lock, so that no statement takes as long as the next limit
# A server that is longer silent is lost to the source's site. Others ask it whether it still answers.
ANSWER_SECONDS: Final = 10
# PostgreSQL undoes what a machine had begun, and releases its locks, soon after the machine dies or freezes.
_OPTIONS: Final = {
    "timezone": "UTC",
    "datestyle": "ISO",
    "synchronous_commit": "on",
    "tcp_user_timeout": 6000,
    "tcp_keepalives_idle": 2,
    "tcp_keepalives_interval": 1,
    "tcp_keepalives_count": 4,
    "idle_in_transaction_session_timeout": "60s",
    "log_parameter_max_length_on_error": 0,  # values, if PostgreSQL ends a connection during a statement
}
# A server that no packet reaches is lost after six seconds. `connect_timeout` is for each of several hosts.
# The site writes and reads only at the primary: a standby may show what was deleted a moment ago.
_CONNECTION: Final[dict[str, Any]] = {
    "hostaddr": "",  # libpq would connect to the address in PGHOSTADDR, also instead of to a Unix socket
    "target_session_attrs": "read-write",
    "connect_timeout": 2,
    "tcp_user_timeout": 6000,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 4,
    "gssencmode": "disable",  # with Kerberos, libpq would ignore `sslmode` and check no certificate
}
# A machine may have a wrong clock. All machines take the day from the clock of the database.
_CLOCK: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"
_CLOCK_SECONDS: Final = 3600  # a connection is used for as long. Then the clock is read again
_NO_LIMIT: Final = 2**62  # bytes: the database's disk is on another machine, and no one can ask for its room
_LOSES_WRITES = "the database server does not wait for its disk: set fsync and full_page_writes to on"
_LOGS_VALUES = (
    "the database server can write values of rows into its log: run steunpunt store create-roles, which sets "
    "log_min_messages to fatal for this database"
)
# For each setting: the right values, and what is wrong with another value.
_SETTINGS: Final = {
    "fsync": (("on",), _LOSES_WRITES),
    "full_page_writes": (("on",), _LOSES_WRITES),
    "server_encoding": (("UTF8",), "the store's database must have the encoding UTF8"),
    "wal_recycle": (
        ("off",),
        "the database server keeps deleted content in old files of its journal: set wal_recycle to off",
    ),
    "track_commit_timestamp": (
        ("off",),
        "the database server notes the time of each message: set track_commit_timestamp to off",
    ),
    "log_min_messages": (("fatal", "panic"), _LOGS_VALUES),
}
_OTHER_PROGRAMS = """
SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'steunpunt'
AND pid <> pg_backend_pid()
"""
_SETTLE_TRIES, _SETTLE_SECONDS = 20, 0.05
_SIZE = "SELECT pg_database_size(current_database())"
_REFERENCES = """
SELECT conrelid::regclass::text, child.attname, confrelid::regclass::text, parent.attname FROM pg_constraint
JOIN pg_attribute AS child ON child.attrelid = conrelid AND child.attnum = conkey[1]
JOIN pg_attribute AS parent ON parent.attrelid = confrelid AND parent.attnum = confkey[1]
WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
"""
_BROKEN = "SELECT 1 FROM {} AS child WHERE NOT EXISTS (SELECT 1 FROM {} AS parent WHERE parent.{} = child.{})"
# All that decides what a statement does: columns, constraints, indexes, triggers, rules, policies and views.
_DEFINITIONS = """
SELECT text FROM (
    SELECT concat_ws(' ', relname, relkind, relpersistence, relrowsecurity, relforcerowsecurity) AS text,
        relnamespace AS space, relname AS name
    FROM pg_class WHERE relkind NOT IN ('i', 't')
    UNION ALL SELECT concat_ws(' ', relname, attnum, attname, format_type(atttypid, atttypmod), attnotnull,
        attstorage, attcollation::regcollation, pg_get_expr(adbin, adrelid)), relnamespace, relname
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relkind NOT IN ('i', 't')
    UNION ALL SELECT concat_ws(' ', relname, conname, pg_get_constraintdef(pg_constraint.oid), convalidated),
        relnamespace, relname
    FROM pg_class JOIN pg_constraint ON conrelid = pg_class.oid AND contype <> 'n'
    UNION ALL SELECT concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid), relnamespace, relname
    FROM pg_class JOIN pg_index ON indrelid = pg_class.oid
    UNION ALL SELECT concat_ws(' ', pg_get_triggerdef(pg_trigger.oid), tgenabled), relnamespace, relname
    FROM pg_class JOIN pg_trigger ON tgrelid = pg_class.oid AND NOT (tgisinternal AND tgenabled = 'O')
    UNION ALL SELECT pg_get_ruledef(pg_rewrite.oid), relnamespace, relname
    FROM pg_class JOIN pg_rewrite ON ev_class = pg_class.oid
    UNION ALL SELECT concat_ws(' ', relname, polname, polcmd, polpermissive, polroles,
        pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)), relnamespace, relname
    FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid
) AS part WHERE space = current_schema()::regnamespace AND name <> 'alembic_version'
ORDER BY text COLLATE "C"
"""


class _DayLoader(Loader):
    """Reader of days. It returns ISO 8601 text, and "" for a day that Python does not know."""

    format = Format.BINARY

    def load(self, data: Any) -> str:  # noqa: ANN401  # the driver's shape
        try:
            return date.fromordinal(_DAY_ZERO + int.from_bytes(data, signed=True)).isoformat()
        except (ValueError, OverflowError):
            return ""


_DAY_ZERO = date(2000, 1, 1).toordinal()  # source: postgresql.org/docs/15/protocol-overview.html (formats)


class _Driver(psycopg.Connection[tuple[Any, ...]]):
    """Connection with the methods of `sqlite3.Connection` that the store uses."""

    limit: float | None = None  # seconds that a statement may take
    silence: float = ANSWER_SECONDS  # without a limit, how long a statement may take before we ask
    warned = False
    detail = ""
    log: StatementLog | None = None  # None: this transaction is not repeated
    _begun: "tuple[_Begin, float]"

    @property
    def in_transaction(self) -> bool:
        return self.pgconn.transaction_status != TransactionStatus.IDLE

    def execute(  # type: ignore[override]  # no argument of the driver that the store does not use
        self, query: str, parameters: dict[str, object] | None = None
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        """Execute a statement. If it meets a deadlock, repeat its transaction first (`postgresql_repeat`).

        Raises:
            psycopg.Error: the statement failed, or the transaction could not be repeated.
        """
        log = self.log
        try:
            cursor = self._send(query, parameters)
        except CONFLICTS:
            if log is None:
                raise
            cursor = self._repeat(log, query, parameters)
        self.log = log if log is not None and log.add(query, parameters, cursor) else None
        return cursor

    def begin(self, begin: "_Begin", seconds: float) -> None:
        """Begin a transaction. Ask again for a lock that someone else has, until the time is over."""
        self._begun = begin, seconds
        self.log = None  # of the transaction before
        until = time.monotonic() + seconds
        while True:
            try:
                begin(self, min(seconds, _LOCK_SECONDS))
            except (psycopg.errors.LockNotAvailable, *CONFLICTS):
                self.rollback()
                if time.monotonic() > until:
                    raise
            else:
                return

    def _repeat(
        self, log: StatementLog, query: str, parameters: dict[str, object] | None
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        for _ in range(REPEATS):
            self.rollback()
            self.begin(*self._begun)
            with suppress(*CONFLICTS):
                if log.finds_the_same(self._send):
                    return self._send(query, parameters)
                break
        raise psycopg.errors.SerializationFailure

    def cursor(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # the driver's shape
        """Return a cursor, and repeat this transaction no more: statements of others are not in our log."""
        self.log = None
        return super().cursor(*arguments, **options)

    def _send(self, query: str, parameters: dict[str, object] | None) -> psycopg.Cursor[tuple[Any, ...]]:
        return super().execute(query, parameters, binary=parameters is not None)

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # the driver's shape
        """Wait for an answer until the limit, or as long as the server accepts other connections.

        A server that is frozen does not end a connection.

        Raises:
            psycopg.OperationalError: the server is frozen, or the time is over.
        """
        watched = self._while_it_answers(gen) if self.limit is None else gen
        try:
            return super().wait(watched, *arguments, **{"timeout": self.limit} | options)
        finally:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:  # the answer may still come
                self.close()

    def _while_it_answers(self, gen: Any) -> Any:  # noqa: ANN401  # the driver's shape
        try:
            wanted, heard = next(gen), time.monotonic()
            while True:
                ready = yield wanted
                if ready:
                    heard = time.monotonic()
                elif time.monotonic() - heard > self.silence:
                    if not self._is_answered():
                        raise psycopg.OperationalError
                    heard = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _is_answered(self) -> bool:
        """Return False if the server of this connection answers no new connection."""
        this = make_conninfo(
            self.info.dsn, host=self.info.host, port=self.info.port, target_session_attrs="any"
        )
        return self.pgconn.ping(this.encode()) != Ping.NO_RESPONSE

    def commit(self) -> None:
        """Commit, and wait for the standby for which the server waits.

        Raises:
            psycopg.OperationalError: the server stopped to wait, so perhaps no standby has the commit.
        """
        self.warned, self.log = False, None
        super().commit()
        if self.warned:
            raise psycopg.OperationalError

    def note(self, notice: psycopg.errors.Diagnostic) -> None:
        """Remember that the server has sent a warning, and the details of its last note."""
        self.warned = self.warned or notice.severity_nonlocalized == "WARNING"
        self.detail = notice.message_detail or self.detail


_Begin = Callable[[_Driver, float], None]


class PostgresqlStore(Store):
    """An open store in a database of a PostgreSQL server.

    To write, at most `patient` threads wait for up to `wait_seconds`. If the server is silent for
    `answer_seconds`, the connection counts as lost.
    """

    sql = psycopg_dialect.dialect()  # type: ignore[no-untyped-call]
    broken_constraint = psycopg.errors.IntegrityError
    shield = b""  # PostgreSQL keeps long values in files of their own
    tables = TableQueries("SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL", _DEFINITIONS)
    keeps_deleted = True
    refuse_other_role = staticmethod(refuse_other_role)

    def __init__(
        self,
        place: ServerPlace,
        *,
        wait_seconds: float = WAIT_SECONDS,
        patient: int = MANY,
        answer_seconds: float | None = None,
    ) -> None:
        super().__init__(place.path, threading.Semaphore(_WRITERS), wait_seconds, patient)
        self._url, self._answer_seconds = place.url, answer_seconds
        self._booted: float | None = None  # when this machine started, by the database's clock
        self._readers = self._engine(_READERS)
        self._writers = self._engine(_WRITERS + 1)  # one for the work of the sweeper
        for engine in (self._readers, self._writers):
            event.listen(engine, "begin", _begin)
        close_before_fork(self.close)

    @contextmanager
    def reading(self, *, mailbox: bytes | None = None) -> Iterator[Session]:
        """Open a session with a reading connection. It sees one snapshot and waits for no writer."""
        begin = partial(_begin_reading, mailbox=mailbox)
        with translating_postgresql(), self._begun(self._readers, begin, self._wait_seconds) as connection:
            driver = _driver(connection)
            with self._session(connection, driver) as session:
                yield session
            driver.commit()

    @contextmanager
    def writing(
        self, *, durable: bool = True, mailbox: bytes | None = None, alone: bool = False
    ) -> Iterator[Session]:
        """Open a session that is the only writer of the store, or of one mailbox."""
        with translating_postgresql(), self._turn_to_write() as seconds:
            begin = partial(_begin_writing, durable=durable, mailbox=mailbox, alone=alone)
            with self._begun(self._writers, begin, seconds) as connection:
                driver = _driver(connection)
                with self._session(connection, driver) as session:
                    yield session
                    if session.in_transaction():
                        session.commit()
                    driver.commit()

    def now(self) -> datetime:
        """Return the time by the database's clock. Before the first connection, use this machine's clock."""
        if self._booted is None:
            return super().now()
        return datetime.fromtimestamp(self._booted + _seconds_since_boot(), UTC)

    def checkpoint(self) -> bool:
        """Return True: the server itself moves and reuses its journal."""
        return True

    def settle(self) -> None:
        """Close the store at the end of a program."""
        self.close()

    def has_room_for_cleanup(self) -> bool:
        """Return True: this machine cannot see how much room the server's disk has."""
        return True

    def rewrite_bytes(self) -> int:
        """Return the size of the database."""
        with self.reading() as session:
            return int(session.info["driver"].execute(_SIZE).fetchone()[0])

    def vacuum(self) -> None:
        """Rewrite each table in the order of its ids, and remove the old journal. Readers wait too."""
        with self.inspecting() as driver:
            # During a backup, each attempt would only delay readers.
            if driver.execute(_LOCK_REWRITE).fetchall() != [(True,)]:
                raise StoreBusyError(IN_USE)
            if not any(self._rewrites_rows() for _ in range(ATTEMPTS)):
                raise StoreBusyError(IN_USE)
            forget_values(driver, self._wait_seconds)
            remove_journal(driver, self._wait_seconds)

    @contextmanager
    def sweeping(self) -> Iterator[bool]:
        """Yield True if no other server sweeps the database. The lock ends with its connection."""
        with self.inspecting() as driver:
            yield driver.execute(_LOCK_SWEEPER).fetchall() == [(True,)]

    @contextmanager
    def delaying_rewrite(self) -> Iterator[Session]:
        """Open a reading session for a backup. The store is not rewritten until the block ends."""
        with self.reading() as session:
            session.info["driver"].execute(_DELAY_REWRITE)
            yield session

    def _rewrites_rows(self) -> bool:
        """Rewrite all rows. Return False if another program used a table for too long."""
        try:
            with self.writing() as session:
                rewrite_rows(session.info["driver"], self._wait_seconds)
        except StoreBusyError:
            return False
        return True

    def room_for_files(self, session: Session, reserve_bytes: int) -> int:  # noqa: ARG002  # of SQLite's disk
        """Return a very large number: only `Quota.store_bytes` limits the files."""
        return _NO_LIMIT

    def usage_row(self, session: Session) -> int:
        """Return one of 16 row ids. Most connections use different rows, so that writers seldom wait."""
        return 1 + int(session.info["driver"].info.backend_pid) % USAGE_ROWS

    def broken_references(self, session: Session) -> list[str]:
        """Return the table of each row that refers to a row that does not exist."""
        driver, found = session.info["driver"], list[str]()
        for table, column, of, key in driver.execute(_REFERENCES).fetchall():
            found += [table] * len(driver.execute(_BROKEN.format(table, of, key, column)).fetchall())
        return found

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._readers.dispose()
        self._writers.dispose()

    def check_server(self) -> None:
        """Check that the server loses no write, keeps no deleted content, and stores texts in UTF-8.

        Raises:
            StoreError: the server has other settings, or cannot be reached.
        """
        with self.inspecting() as driver:
            for name, (right, fault) in _SETTINGS.items():
                ((value,),) = driver.execute(f"SHOW {name}").fetchall()
                if value not in right:
                    raise StoreError(fault)

    @contextmanager
    def inspecting(self) -> Iterator[_Driver]:
        """Open a new connection without a transaction. The database may have no tables.

        Raises:
            StoreError: PostgreSQL or the connection reported a failure.
        """
        with translating_postgresql(), closing(self._connect()) as driver:
            yield driver

    def refuse_other_programs(self) -> None:
        """Check that no other program of this project has a connection to the database.

        PostgreSQL lists a closed connection for a moment longer, so this waits for up to a second.

        Raises:
            StoreBusyError: a program has a connection.
        """
        with self.inspecting() as driver:
            for _ in range(_SETTLE_TRIES):
                if not driver.execute(_OTHER_PROGRAMS).fetchall():
                    return
                time.sleep(_SETTLE_SECONDS)
        raise StoreBusyError

    def grant_rights(self, session: Session) -> None:
        """Give each role of the database its rights on the tables. Without roles, do nothing."""
        grant_rights(session.info["driver"])

    def create_roles(self) -> list[str]:
        """Create the roles of the database, and return their names. Existing roles get their rights again."""
        with self.writing() as session:
            return set_up_roles(session.info["driver"])

    def _engine(self, connections: int) -> Engine:
        return create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=self._wait_seconds,
            pool_recycle=_CLOCK_SECONDS,
            pool_use_lifo=True,
            hide_parameters=True,
            use_native_hstore=False,
        )

    def _connect(self) -> _Driver:
        connection = _Driver.connect(
            self._url,
            autocommit=True,  # each transaction begins with our BEGIN
            application_name="steunpunt",
            client_encoding="UTF8",
            options=" ".join(f"-c {name}={value}" for name, value in _OPTIONS.items()),
            **_CONNECTION,
        )
        connection.limit = self._answer_seconds
        connection.add_notice_handler(connection.note)
        connection.adapters.register_loader("date", TextLoader)
        connection.adapters.register_loader("date", _DayLoader)
        ((epoch,),) = connection.execute(_CLOCK).fetchall()
        self._booted = epoch - _seconds_since_boot()
        return connection

    @contextmanager
    def _begun(self, engine: Engine, begin: _Begin, seconds: float) -> Iterator[Connection]:
        """Begin a transaction. If the connection was lost, connect again, but only once."""
        try:
            connection = _connect_and_begin(engine, begin, seconds)
        except psycopg.Error as why:
            if not is_lost(why):
                raise
            self.close()  # the others are lost too, or lead to a server that another has replaced
            connection = _connect_and_begin(engine, begin, seconds)
        with connection:
            yield connection


def _seconds_since_boot() -> float:
    # No one can set this clock, and it continues while the machine sleeps.
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _connect_and_begin(engine: Engine, begin: _Begin, seconds: float) -> Connection:
    connection = engine.connect()
    try:
        connection.info["begin"] = begin, seconds
        _begin(connection)
    except psycopg.Error as why:
        if is_lost(why):
            connection.invalidate()
        connection.close()
        raise
    return connection


def _driver(connection: Connection) -> _Driver:
    driver = connection.connection.driver_connection
    if not isinstance(driver, _Driver):
        raise TypeError("the driver of the store's engine is not psycopg")
    return driver


def _begin(connection: Connection) -> None:
    driver = _driver(connection)
    if not driver.in_transaction:  # `_begun` may have begun the transaction already
        driver.begin(*connection.info["begin"])


def _begin_reading(driver: _Driver, seconds: float, *, mailbox: bytes | None) -> None:
    driver.execute(_READ.format(int(seconds * 1000)))
    if mailbox is not None:
        driver.execute(_SHOW_MAILBOX, {"address": mailbox.hex()})


def _begin_writing(
    driver: _Driver, seconds: float, *, durable: bool, mailbox: bytes | None, alone: bool
) -> None:
    """Begin a transaction and get its locks."""
    driver.execute(
        f"BEGIN; SET LOCAL lock_timeout = {int(seconds * 1000)};"
        f"SET LOCAL synchronous_commit = {'on' if durable else 'off'};"
    )
    address = mailbox or b""
    if alone or not address:
        driver.execute(_LOCK_STORE, {"address": address.hex()})
    else:
        number = int.from_bytes(address[:8], signed=True)
        driver.execute(_LOCK_MAILBOX, {"number": number, "address": address.hex()})
    driver.log = StatementLog()
