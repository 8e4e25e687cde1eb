"""What the desk keeps for itself, its orders, its ledger, and what it publishes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables; what lies in the others stays as it is."""
    op.create_table(
        "record",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint("revision >= 1", name=op.f("ck_record_revision")),
        sa.ForeignKeyConstraint(["id"], ["sealed.id"], name=op.f("fk_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record")),
        sa.UniqueConstraint("kind", "name", name=op.f("uq_record_kind_name")),
    )
    op.create_table(
        "purge_order",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["address"], ["mailbox.address"], name=op.f("fk_purge_order_address")),
        sa.ForeignKeyConstraint(["id"], ["sealed.id"], name=op.f("fk_purge_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purge_order")),
        sa.UniqueConstraint("address", name=op.f("uq_purge_order_address")),
    )
    op.create_index(op.f("ix_purge_order_due"), "purge_order", ["due"], unique=False)
    op.create_table(
        "order_tally",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("purge_order", _ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["sealed.id"], name=op.f("fk_order_tally_id")),
        sa.ForeignKeyConstraint(["purge_order"], ["purge_order.id"], name=op.f("fk_order_tally_purge_order")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_tally")),
        sa.UniqueConstraint("purge_order", "number", name=op.f("uq_order_tally_purge_order_number")),
    )
    op.create_table(
        "ledger",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["id"], ["sealed.id"], name=op.f("fk_ledger_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger")),
    )
    op.create_table(
        "public_file",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_public_file")),
        sa.UniqueConstraint("name", name=op.f("uq_public_file_name")),
    )
