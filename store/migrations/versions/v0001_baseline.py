"""Baseline migration: creates all tables of the first deployed version."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create all tables of an empty store."""
    for statement in Path(__file__).with_name("tables_0001.sql").read_text("utf-8").split(";\n")[:-1]:
        op.get_bind().exec_driver_sql(statement)
    op.execute("INSERT INTO usage (id, sealed_bytes) VALUES (1, 0)")
