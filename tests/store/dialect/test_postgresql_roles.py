"""Each role of a PostgreSQL database can do its work, and the database refuses everything else."""

import os
from collections.abc import Iterable, Iterator
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import text

from store import attachments, cleanup, entries, mailboxes
from store.database.engine import ServerPlace, Store, create_roles, create_store, open_store, upgrade_store
from store.dialect.postgresql_roles import NAMES
from store.errors import StoreError, StoreReadOnlyError
from tests.postgresql_cluster import database_of, opened_as, place_of, the_cluster
from tests.store.factories import (
    DAY,
    NOW,
    STRAND,
    WIDE,
    a_mailbox,
    a_peer,
    a_record,
    add,
    an_entry,
    an_upload,
    destroy,
    put_tallies,
    rows,
)

_ROWS_OF_MAILBOXES = (
    *("attachment", "chunk", "deletion_queue", "ended_mailbox", "entry", "mailbox", "mailbox_tally"),
    *("outbox", "sealed"),
)


@pytest.fixture
def store(postgresql_store: Store) -> Store:
    """Return a store whose database has roles, as its administrator sees it."""
    create_roles(ServerPlace(the_cluster().url(database_of(postgresql_store)), postgresql_store.path))
    return postgresql_store


@pytest.fixture
def source(store: Store) -> Iterator[Store]:
    """Return the store as the source's site sees it."""
    with closing(opened_as(store, "source")) as opened:
        yield opened


def refused(store: Store, role: str, statement: str) -> bool:
    """Execute SQL as a role. Return True if the database says that the role may not do this."""
    database = database_of(store)
    try:
        the_cluster().run(statement, database, f"{database}_{role}")
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def a_full_mailbox(store: Store) -> bytes:
    """Make a mailbox with rows in every table that has rows of mailboxes."""
    address = a_mailbox(store)
    peer = a_peer(store)
    put_tallies(store, address)
    entry_id = os.urandom(16)
    digest = an_entry(store, address, entry_id=entry_id, attachment_ids=[an_upload(store, address, entry_id)])
    an_entry(store, address)
    destroy(store, address, digest)
    an_upload(store, address, entry_id)
    with store.writing() as session:
        mailboxes.apply_end_from_peer(
            session, address=os.urandom(20), recipient=b"r", verify_key=b"v", proof=b"p", day=DAY
        )
        session.execute(text("UPDATE ended_mailbox SET address = :new"), {"new": address})
    assert peer
    return address


def test_the_source_sees_no_row_of_another_mailbox(store: Store, source: Store) -> None:
    """Fault of our own code: a query forgets the address."""
    other, own = a_full_mailbox(store), a_mailbox(store)
    for table in _ROWS_OF_MAILBOXES:
        assert rows(store, table) > 0, table
        assert [0, 0] == [rows_shown(source, table, mailbox) for mailbox in (None, b"")], table
    assert ["mailbox"] == [table for table in _ROWS_OF_MAILBOXES if rows_shown(source, table, own)]
    for table in _ROWS_OF_MAILBOXES:
        assert rows_shown(source, table, other) > 0, table


def rows_shown(source: Store, table: str, mailbox: bytes | None) -> int:
    with source.reading(mailbox=mailbox) as session:
        return int(session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608  # a table


def test_the_source_changes_no_row_of_another_mailbox(store: Store, source: Store) -> None:
    a_full_mailbox(store)
    own = a_mailbox(store)
    before = contents(store)
    for statement in (
        "DELETE FROM attachment",
        "DELETE FROM chunk",
        "DELETE FROM entry",
        "DELETE FROM mailbox_tally",
        "DELETE FROM outbox",
        "UPDATE attachment SET chunks = 0",
        "UPDATE ended_mailbox SET proof = ''",
        "UPDATE outbox SET is_changed = true",
        "UPDATE sealed SET header = NULL",
    ):
        with source.writing(mailbox=own) as session:
            changed = session.execute(text(statement)).rowcount  # type: ignore[attr-defined]  # of a change
        assert (statement, 0) == (statement, changed)
    assert contents(store) == before


def contents(store: Store) -> list[object]:
    with store.reading() as session:
        return [
            session.execute(text(f"SELECT * FROM {table} ORDER BY 1")).all()  # noqa: S608  # a table
            for table in _ROWS_OF_MAILBOXES
        ]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO attachment SELECT 9, :other, '', '', 0, false, 1, NULL FROM sealed LIMIT 1",
        "INSERT INTO entry VALUES (9, :other, 0, '', 1, '', '', '', '', 1, '2026-11-23')",
        "INSERT INTO ended_mailbox VALUES (9, :other, '', '', '', '2026-11-23')",
        "INSERT INTO mailbox VALUES (9, :other, '', '', '2026-11-23', 0, 0)",
        "INSERT INTO outbox VALUES (9, :peer, 'entry', :other, '', '', NULL, NULL, false)",
        "INSERT INTO outbox VALUES (9, :peer, 'letterhead', '', '', '', NULL, NULL, false)",
        "INSERT INTO chunk VALUES (:sealed, :row, 9)",
        "INSERT INTO deletion_queue VALUES (:sealed)",
    ],
)
def test_the_source_adds_no_row_to_another_mailbox(store: Store, source: Store, statement: str) -> None:
    other, own = a_full_mailbox(store), a_mailbox(store)
    with source.writing(mailbox=own) as session:
        add(session, own)
    with store.reading() as session:
        (row,) = session.execute(text("SELECT id FROM attachment WHERE is_whole")).scalars().all()
        sealed = session.execute(text("SELECT id FROM sealed WHERE header = 'tally-1'")).scalar_one()
    values = {"other": other, "peer": STRAND, "row": row, "sealed": sealed}
    with pytest.raises(StoreReadOnlyError), source.writing(mailbox=own) as session:
        session.execute(text(statement), values)


def test_the_mailbox_of_a_transaction_is_not_shown_to_the_next_one(store: Store, source: Store) -> None:
    address = a_mailbox(store)
    for _ in range(2 * 8):  # every connection
        assert 1 == rows_shown(source, "mailbox", address)
        assert 0 == rows_shown(source, "mailbox", None)
    with source.writing(mailbox=address) as session:
        add(session, address)
    with source.writing() as session:
        assert mailboxes.find(session, address) is None


def test_an_address_that_is_not_set_is_not_the_address_of_items_without_mailbox(
    store: Store, source: Store
) -> None:
    """A setting is empty after its transaction. In the outbox, a letterhead has no address."""
    a_peer(store)
    a_record(store, b"name")
    assert rows(store, "outbox") > 0
    with source.reading(mailbox=os.urandom(20)):
        pass
    assert 0 == rows_shown(source, "outbox", None)
    assert 0 == rows_shown(source, "outbox", b"")


def test_the_source_starts_writes_uploads_deletes_and_ends_a_mailbox(store: Store, source: Store) -> None:
    a_peer(store)
    address = start_write_delete_and_end(store, source)
    with source.reading(mailbox=address) as session:
        assert mailboxes.find(session, address) is None
        assert mailboxes.find_ended(session, address) is not None
    assert 6 == cleanup.destroy_deleted(store, NOW)
    assert 0 == rows(store, "sealed")


_MANY = 2_000
_ROW = "i, substr(sha256(i::text::bytea), 1, 20) AS address"
_MANY_ROWS = f"(SELECT {_ROW} FROM generate_series(1, {_MANY}) AS i) AS row"  # noqa: S608  # ours


def test_the_source_reads_no_table_from_its_beginning_to_its_end(store: Store, source: Store) -> None:
    """Fault: row security or a query uses no index, so each request takes longer with each mailbox."""
    a_peer(store)
    database = database_of(store)
    for statement in (
        "INSERT INTO mailbox SELECT i, address, '', '', '2026-11-23', 0, 0 FROM",
        "INSERT INTO sealed SELECT i, 3, '', 'h', 'p' FROM",
        "INSERT INTO sealed SELECT -i, 3, '', 'h', 'p' FROM",
        "INSERT INTO sealed SELECT -10000 - i, 3, '', 'h', 'p' FROM",
        "INSERT INTO entry SELECT i, address, 0, '', 1, address, address, '', '', 1, '2026-11-23' FROM",
        "INSERT INTO attachment SELECT -i, address, address, address, 1, true, NULL, NULL FROM",
        "INSERT INTO chunk SELECT -10000 - i, -i, 0 FROM",
        "INSERT INTO deletion_queue SELECT i FROM",
        "INSERT INTO outbox SELECT i, name, 'entry', address, address, '', NULL, NULL, false FROM peer,",
    ):
        the_cluster().run(f"{statement} {_MANY_ROWS}", database)
    the_cluster().run("ANALYZE", database)
    before = rows_read(store)
    start_write_delete_and_end(store, source)
    source.close()  # PostgreSQL counts what a connection has read at its end
    while connections(store):
        pass
    read = rows_read(store) - before
    assert read < _MANY


def connections(store: Store) -> int:
    count = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{database_of(store)}_source'"  # noqa: S608
    return int(str(the_cluster().run(count)[0][0]))


def rows_read(store: Store) -> int:
    """Return how many rows PostgreSQL has read without an index."""
    count = "SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname <> 'usage'"
    return int(str(the_cluster().run(count, database_of(store))[0][0]))


def start_write_delete_and_end(store: Store, source: Store) -> bytes:
    """Do all that a source can do in a mailbox. Return the mailbox's address."""
    address, entry_id, attachment_id = os.urandom(20), os.urandom(16), os.urandom(16)
    with source.writing(mailbox=address) as session:
        mailboxes.create_mailbox(session, address=address, recipient=b"r", verify_key=b"v", opened_day=DAY)
    with source.writing(durable=False, mailbox=address, alone=True) as session:
        ids = {"address": address, "entry_id": entry_id, "attachment_id": attachment_id}
        attachments.begin_upload(session, **ids, header=b"h", half_hour=NOW)
    writer = attachments.ChunkWriter(source, address, attachment_id, WIDE)
    writer.add(b"the file")
    writer.finish()
    digest = os.urandom(32)
    with source.writing(mailbox=address) as session:
        entries.claim(session, address, 0)
        add(session, address, [attachment_id], entry_id=entry_id, digest=digest, header=b"header")
        entries.set_state(session, address, waiting_since=DAY, due=None)
    assert b"the file" == b"".join(attachments.read_chunks(source, address, attachment_id))
    with source.writing(mailbox=address) as session:
        assert 1 == len(entries.of_mailbox(session, address))
        assert entries.destroy(session, address, [digest]) > 0
    with source.writing(mailbox=address) as session:
        add(session, address)
    put_tallies(store, address)
    with source.writing(mailbox=address) as session:
        mailboxes.end_for_good(session, address, proof=b"p", day=DAY)
    return address


_EVERY_TABLE = (*_ROWS_OF_MAILBOXES, "letterhead", "ledger_tally", "peer", "public_file", "record")


def _of_each(pattern: str, tables: Iterable[str]) -> list[str]:
    return [pattern.format(table) for table in tables]


_FORBIDDEN = {
    "source": [
        *_of_each("SELECT FROM {}", ("record", "ledger_tally", "sync_finding")),
        "SELECT card FROM peer",
        *_of_each("DELETE FROM {}", ("sealed", "ended_mailbox", "letterhead", "peer", "usage")),
        *_of_each("DELETE FROM {}", ("deletion_queue", "public_file", "record", "ledger_tally")),
        "INSERT INTO letterhead VALUES (9, '', '')",
        "INSERT INTO public_file VALUES (9, '', '')",
        "INSERT INTO ledger_tally VALUES (9, '')",
        "INSERT INTO mailbox_tally VALUES (9, '')",
        "UPDATE entry SET day = '2026-11-23'",
        "UPDATE entry SET address = ''",
        "UPDATE mailbox SET address = ''",
        "UPDATE sealed SET payload = NULL",
        "UPDATE attachment SET address = ''",
        "UPDATE peer SET card = ''",
        "UPDATE alembic_version SET version_num = '0000'",
    ],
    "sync": ["UPDATE alembic_version SET version_num = '0000'", "CLUSTER sealed USING pk_sealed"],
    "backup": [
        *_of_each("DELETE FROM {}", _EVERY_TABLE),
        *_of_each("UPDATE {} SET id = 1", [t for t in _EVERY_TABLE if t != "letterhead"]),
        "INSERT INTO usage VALUES (1, 1)",
        "INSERT INTO letterhead VALUES (9, '', '')",
        "CLUSTER sealed USING pk_sealed",
    ],
    "owner": [],
}
_FORBIDDEN_FOR_ALL = [
    "CREATE ROLE intruder",
    "CREATE DATABASE another",
    "COPY public_file TO '/tmp/out'",
    "COPY public_file TO PROGRAM 'true'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT lo_creat(-1)",
    "SELECT lo_create(0)",
    "SELECT lo_from_bytea(0, 'a copy that no rewrite reaches')",
    "SELECT pg_reload_conf()",
    "ALTER SYSTEM SET fsync = off",
    "SET session_replication_role = replica",
    "SET log_min_messages = debug5",
    "SET SESSION AUTHORIZATION steunpunt",
    "SET ROLE steunpunt",
]
_FORBIDDEN_BUT_FOR_THE_OWNER = [
    *_of_each("TRUNCATE {} CASCADE", _EVERY_TABLE),
    *_of_each("DROP TABLE {}", _EVERY_TABLE),
    *_of_each("ALTER TABLE {} DISABLE ROW LEVEL SECURITY", _EVERY_TABLE),
    *_of_each("CREATE TRIGGER spy AFTER INSERT ON {} EXECUTE FUNCTION now()", ("entry", "record")),
    "DROP POLICY of_mailbox ON entry",
    "CREATE TABLE copies (id integer)",
    "CREATE TEMP TABLE copies (id integer)",
    "CREATE SCHEMA copies",
    "CREATE FUNCTION spy() RETURNS integer LANGUAGE sql RETURN 1",
]


@pytest.mark.parametrize("role", NAMES)
def test_the_database_refuses_each_role_what_it_must_not_do(store: Store, role: str) -> None:
    forbidden = [*_FORBIDDEN[role], *_FORBIDDEN_FOR_ALL]
    forbidden += [f"SET ROLE {database_of(store)}_{other}" for other in NAMES if other != role]
    if role != "owner":
        forbidden += _FORBIDDEN_BUT_FOR_THE_OWNER
    assert [] == [statement for statement in forbidden if not refused(store, role, statement)]


def test_the_owner_sweeps_and_sync_and_backup_see_all_mailboxes(store: Store) -> None:
    address = a_full_mailbox(store)
    with closing(opened_as(store, "owner")) as owner:
        assert cleanup.destroy_deleted(owner, NOW) > 0
        upgrade_store(place_of(store, "owner"))
    with closing(opened_as(store, "sync")) as sync:
        a_record(sync, b"name")
        assert 2 == rows(sync, "entry")
    with closing(opened_as(store, "backup")) as backup:
        assert [2, 1] == [rows(backup, table) for table in ("entry", "record")]
        with pytest.raises(StoreReadOnlyError):
            an_entry(backup, address)


def test_a_user_with_more_rights_is_refused_for_the_source(store: Store) -> None:
    """The operator copies the settings of another program, or gives the role a right by hand."""
    administrator = ServerPlace(the_cluster().url(database_of(store)), store.path)
    for place in (administrator, *(place_of(store, role) for role in ("owner", "sync", "backup"))):
        with pytest.raises(StoreError, match="rights that the site must not have"):
            open_store(place, of_source=True)


@pytest.mark.parametrize(
    "given",
    [
        "ALTER ROLE {role} BYPASSRLS",
        "ALTER ROLE {role} SUPERUSER",
        "ALTER ROLE {role} CREATEROLE",
        "ALTER ROLE {role} CREATEDB",
        "ALTER ROLE {role} REPLICATION",
        "GRANT pg_read_all_data TO {role}",
        "GRANT {owner} TO {role}",
        "GRANT SELECT (id) ON record TO {role}",
        "GRANT INSERT ON ledger_tally TO PUBLIC",
        "ALTER TABLE public_file OWNER TO {role}",
        "ALTER ROLE {role} NOINHERIT; GRANT {owner} TO {role}",
    ],
)
def test_a_right_that_someone_gave_to_the_role_of_the_source_is_found(store: Store, given: str) -> None:
    database = database_of(store)
    names = {"role": f"{database}_source", "owner": f"{database}_owner"}
    the_cluster().run(given.format(**names), database)
    with pytest.raises(StoreError, match="rights that the site must not have"):
        open_store(place_of(store, "source"), of_source=True)
    opened_as(store, "source").close()  # `create_roles` takes the right away


@pytest.mark.parametrize("role", NAMES)
def test_settings_and_memberships_of_a_role_are_taken_away(store: Store, role: str) -> None:
    """Attack: someone takes over a program, and changes its role for the time after the repair."""
    cluster, database = the_cluster(), database_of(store)
    name = f"{database}_{role}"
    cluster.run("ALTER ROLE CURRENT_USER SET search_path = nowhere", user=name)
    cluster.run(f"ALTER ROLE {name} IN DATABASE {database} SET steunpunt.address = '00'")
    cluster.run(f"GRANT pg_write_all_data TO {name}")
    create_roles(ServerPlace(cluster.url(database), store.path))
    found = "SELECT setconfig FROM pg_db_role_setting WHERE setrole = '{0}'::regrole UNION ALL SELECT NULL "
    found += "FROM pg_auth_members WHERE member = '{0}'::regrole AND roleid <> 'pg_checkpoint'::regrole"
    assert [] == cluster.run(found.format(name))


def test_the_role_of_the_source_is_refused_for_all_other_programs(store: Store) -> None:
    """Otherwise the sweeper would say that all is well, and see no mailbox."""
    with pytest.raises(StoreError, match="sees only single mailboxes"):
        open_store(place_of(store, "source"))


def test_a_new_store_of_the_owner_has_the_rights_of_all_roles(store: Store) -> None:
    database = the_cluster().a_database()
    place = ServerPlace(the_cluster().url(database), store.path)
    assert [f"{database}_{name}" for name in NAMES] == create_roles(place)
    create_store(ServerPlace(the_cluster().url(database, f"{database}_owner"), store.path)).close()
    open_store(
        ServerPlace(the_cluster().url(database, f"{database}_source"), store.path), of_source=True
    ).close()
    the_cluster().drop(database)


def test_a_store_of_an_owner_without_roles_is_told_to_make_them(store: Store) -> None:
    """Without BYPASSRLS, forced row security would hide all mailboxes from the owner of the tables too."""
    database = the_cluster().a_database()
    the_cluster().run(f"CREATE ROLE plain LOGIN; ALTER DATABASE {database} OWNER TO plain")
    with pytest.raises(StoreError, match="create-roles"):
        create_store(ServerPlace(the_cluster().url(database, "plain"), store.path))
    the_cluster().drop(database)


def test_only_an_administrator_of_the_server_creates_roles(store: Store) -> None:
    with pytest.raises(StoreError, match="administrator"):
        create_roles(place_of(store, "owner"))


def test_a_database_whose_name_has_no_room_for_roles_is_refused(store: Store) -> None:
    name = "d" * 60
    the_cluster().run(f"CREATE DATABASE {name}")
    with pytest.raises(StoreError, match="too long"):
        create_roles(ServerPlace(the_cluster().url(name), store.path))
    the_cluster().drop(name)
