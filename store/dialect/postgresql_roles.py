"""Roles of a PostgreSQL database: one for each kind of program, with only the rights that it needs.

A role has the name of the database and one of the words in `NAMES`, such as `steunpunt_source`.
"""

from typing import Final

from psycopg.sql import SQL, Identifier

from store.dialect.opened_store import Driver
from store.errors import StoreError

OWNER, SOURCE, SYNC, BACKUP = NAMES = ("owner", "source", "sync", "backup")
_NAME_BYTES: Final = 63  # PostgreSQL cuts off the rest of a name
_ALL_ROWS = "SELECT, INSERT, UPDATE, DELETE"
# Of the source's role, which has no right on other tables. Row security limits these rights to one mailbox.
_OF_SOURCE = {
    "alembic_version": "SELECT",
    "attachment": "SELECT, INSERT, DELETE, UPDATE (chunks, is_whole, pending_half_hour)",
    "chunk": "SELECT, INSERT, DELETE",
    "deletion_queue": "SELECT, INSERT",
    "ended_mailbox": "SELECT, INSERT, UPDATE (recipient, verify_key, proof, day)",
    "entry": "SELECT, INSERT, DELETE",
    "letterhead": "SELECT",
    "mailbox": "SELECT, INSERT, DELETE, "
    "UPDATE (recipient, verify_key, sealed_bytes, version, waiting_since, due, last_day)",
    "mailbox_tally": "SELECT, DELETE",
    "outbox": "SELECT, INSERT, DELETE, UPDATE (is_changed)",
    "peer": "SELECT (name)",
    "public_file": "SELECT",
    "sealed": "SELECT, INSERT, UPDATE (header)",
    "usage": "SELECT, UPDATE (sealed_bytes)",
}
ALL_TABLES: Final = """
SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
"""
_GROUPS = "SELECT pg_get_userbyid(roleid) FROM pg_auth_members WHERE member = {}::regrole"
_IS_ADMINISTRATOR = "SELECT rolsuper FROM pg_roles WHERE rolname = session_user"
# First column: row security hides rows. Second column: the user has a right that the source must not have.
_RIGHTS = """
SELECT row_security_active('mailbox'), rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb
    OR rolreplication OR rolname <> current_user
    OR EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid)
    OR EXISTS (SELECT FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
        AND (relowner = pg_roles.oid OR relname IN ('ledger_tally', 'record', 'sync_finding')
            AND (has_table_privilege(pg_class.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                OR has_any_column_privilege(pg_class.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))))
FROM pg_roles WHERE rolname = session_user
"""
_TOO_MANY = (
    "the database user of the source's site has rights that the site must not have: use the role of the "
    "database whose name ends in _source (steunpunt store create-roles)"
)
_TOO_FEW = (
    "this database user sees only single mailboxes: use the role of the database whose name ends in _owner, "
    "_sync or _backup (steunpunt store create-roles)"
)
_NO_ADMINISTRATOR = "only an administrator (superuser) of the database server can create the roles"
_LONG_NAME = "the name of the database is too long for its roles"


def refuse_other_role(driver: Driver, *, of_source: bool) -> None:
    """Check that the user of a program sees all mailboxes, or only single ones for the source's site.

    Raises:
        StoreError: the role has other rights.
    """
    is_limited, has_too_many = driver.execute(_RIGHTS).fetchone()
    if of_source and (has_too_many or not is_limited):
        raise StoreError(_TOO_MANY)
    if is_limited and not of_source:
        raise StoreError(_TOO_FEW)


def set_up_roles(driver: Driver) -> list[str]:
    """Create the roles of this database, or give existing roles exactly their rights. Return their names.

    The roles have no passwords. The role that ends in _owner gets the database and its tables.

    Raises:
        StoreError: the user is not an administrator of the server, or the name of the database is too long.
    """
    if driver.execute(_IS_ADMINISTRATOR).fetchone() != (True,):
        raise StoreError(_NO_ADMINISTRATOR)
    database, roles = _roles_of(driver)
    if any(len(role.encode()) > _NAME_BYTES for role in roles.values()):
        raise StoreError(_LONG_NAME)
    existing = _existing(driver)
    for name, role in roles.items():
        if role not in existing:
            _run(driver, "CREATE ROLE {} LOGIN", role)
        sees_all = "NOBYPASSRLS" if name == SOURCE else "BYPASSRLS"
        _run(
            driver,
            f"ALTER ROLE {{}} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION {sees_all}",
            role,
        )
        # A program that someone took over can change settings of its own role, such as the address.
        _run(driver, "ALTER ROLE {} RESET ALL", role)
        _run(driver, "ALTER ROLE {} IN DATABASE {} RESET ALL", role, database)
        groups = SQL(_GROUPS).format(Identifier(role).as_string(None)).as_string(None)
        for (group,) in driver.execute(groups).fetchall():
            _run(driver, "REVOKE {} FROM {}", group, role)
    owner = roles[OWNER]
    _run(driver, "ALTER DATABASE {} OWNER TO {}", database, owner)
    # Errors, and all that settings such as log_statement write, can contain values of rows.
    _run(driver, "ALTER DATABASE {} SET log_min_messages = fatal", database)
    # Otherwise, each role could store large objects, which no rewrite reaches.
    _run(driver, "REVOKE EXECUTE ON FUNCTION lo_creat, lo_create, lo_from_bytea FROM PUBLIC")
    # What the rewrite of the store needs (`postgresql_rewrite`).
    _run(driver, "GRANT pg_checkpoint TO {}", owner)
    _run(driver, "GRANT EXECUTE ON FUNCTION pg_switch_wal(), pg_ls_waldir() TO {}", owner)
    _run(driver, "ALTER SCHEMA public OWNER TO {}", owner)
    _run(driver, "REVOKE ALL ON DATABASE {} FROM PUBLIC", database)
    _run(driver, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    for role in (roles[name] for name in NAMES if name != OWNER):
        _run(driver, "GRANT CONNECT ON DATABASE {} TO {}", database, role)
        _run(driver, "GRANT USAGE ON SCHEMA public TO {}", role)
    for (table,) in driver.execute(ALL_TABLES).fetchall():
        _run(driver, "ALTER TABLE {} OWNER TO {}", table, owner)
    grant_rights(driver)
    return list(roles.values())


def grant_rights(driver: Driver) -> None:
    """Give the roles of this database exactly their rights on its tables. Without roles, do nothing."""
    _, roles = _roles_of(driver)
    if not set(roles.values()) <= _existing(driver):
        return
    for (table,) in driver.execute(ALL_TABLES).fetchall():
        rights = {
            SOURCE: _OF_SOURCE.get(table),
            SYNC: "SELECT" if table == "alembic_version" else _ALL_ROWS,
            BACKUP: "SELECT",
        }
        _run(driver, "REVOKE ALL ON {} FROM PUBLIC", table)
        for name, right in rights.items():
            _run(driver, "REVOKE ALL ON {} FROM {}", table, roles[name])
            if right is not None:
                _run(driver, f"GRANT {right} ON {{}} TO {{}}", table, roles[name])


def _roles_of(driver: Driver) -> tuple[str, dict[str, str]]:
    (database,) = driver.execute("SELECT current_database()").fetchone()
    return database, {name: f"{database}_{name}" for name in NAMES}


def _existing(driver: Driver) -> set[str]:
    return {role for (role,) in driver.execute("SELECT rolname FROM pg_roles").fetchall()}


def _run(driver: Driver, pattern: str, *names: str) -> None:
    statement = SQL(pattern).format(*map(Identifier, names))
    driver.execute(statement.as_string(None))
