"""Baseline migration: creates all tables of the first deployed version.

The tables are those of `store.database.schema`, as long as this is the only migration. The second migration
freezes them first: this file then executes the SQL of `tests/store/migrations/tables_0001.sql`. A test
compares that SQL with the tables of a new store.
"""

from alembic import op

from store.database.schema import Base

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create all tables of an empty store."""
    Base.metadata.create_all(op.get_bind())
    op.execute("INSERT INTO usage (id, sealed_bytes) VALUES (1, 0)")
