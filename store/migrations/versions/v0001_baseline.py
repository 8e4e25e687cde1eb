"""Baseline migration: creates all tables of the first deployed version."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create all tables of an empty store."""
    database = op.get_bind()
    is_server = database.dialect.name == "postgresql"
    tables = Path(__file__).with_name("tables_0001_postgresql.sql" if is_server else "tables_0001.sql")
    for statement in tables.read_text("utf-8").split(";\n")[:-1]:
        database.exec_driver_sql(statement)
