"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables of an empty store."""
    op.create_table(
        "doomed",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_doomed")),
    )
    op.create_table(
        "ended",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("recipient", sa.LargeBinary(), nullable=False),
        sa.Column("verify_key", sa.LargeBinary(), nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ended")),
        sa.UniqueConstraint("address", name=op.f("uq_ended_address")),
    )
    op.create_table(
        "letterhead",
        sa.Column(
            "serial",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_letterhead")),
    )
    op.create_table(
        "mailbox",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("recipient", sa.LargeBinary(), nullable=False),
        sa.Column("verify_key", sa.LargeBinary(), nullable=False),
        sa.Column("opened_day", sa.Date(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("waiting_since", sa.Date(), nullable=True),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("last_author", sa.Integer(), nullable=True),
        sa.CheckConstraint("length(address) = 20", name=op.f("ck_mailbox_address")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailbox")),
        sa.UniqueConstraint("address", name=op.f("uq_mailbox_address")),
    )
    op.create_index(
        op.f("ix_mailbox_waiting_since_last_day_address"),
        "mailbox",
        ["waiting_since", "last_day", "address"],
        unique=False,
    )
    op.create_table(
        "sealed",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("shield", sa.LargeBinary(), nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("length(payload) <= 1048576", name=op.f("ck_sealed_chunk")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sealed")),
    )
    op.create_table(
        "usage",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_usage_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage")),
    )
    op.create_table(
        "attachment",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("entry_id", sa.LargeBinary(), nullable=False),
        sa.Column("attachment_id", sa.LargeBinary(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("is_whole", sa.Boolean(), nullable=False),
        sa.Column("half_hour", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["address"], ["mailbox.address"], name=op.f("fk_attachment_address")),
        sa.ForeignKeyConstraint(["id"], ["sealed.id"], name=op.f("fk_attachment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
        sa.UniqueConstraint("attachment_id", name=op.f("uq_attachment_attachment_id")),
    )
    op.create_index(
        op.f("ix_attachment_address_entry_id"), "attachment", ["address", "entry_id"], unique=False
    )
    op.create_index(op.f("ix_attachment_half_hour"), "attachment", ["half_hour"], unique=False)
    op.create_table(
        "entry",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("author", sa.Integer(), nullable=False),
        sa.Column("strand", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("removal", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("author IN (0, 1)", name=op.f("ck_entry_author")),
        sa.CheckConstraint("number >= 1", name=op.f("ck_entry_number")),
        sa.ForeignKeyConstraint(["address"], ["mailbox.address"], name=op.f("fk_entry_address")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry")),
        sa.UniqueConstraint(
            "address", "author", "strand", "number", name=op.f("uq_entry_address_author_strand_number")
        ),
        sa.UniqueConstraint("address", "entry_id", name=op.f("uq_entry_address_entry_id")),
    )
    op.create_table(
        "head",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("author", sa.Integer(), nullable=False),
        sa.Column("strand", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["address"], ["mailbox.address"], name=op.f("fk_head_address")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_head")),
        sa.UniqueConstraint("address", "author", "strand", name=op.f("uq_head_address_author_strand")),
    )
    op.create_table(
        "chunk",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("attachment", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["attachment"], ["attachment.id"], name=op.f("fk_chunk_attachment")),
        sa.ForeignKeyConstraint(["id"], ["sealed.id"], name=op.f("fk_chunk_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chunk")),
        sa.UniqueConstraint("attachment", "number", name=op.f("uq_chunk_attachment_number")),
    )
    op.execute("INSERT INTO usage (id, bytes) VALUES (1, 0)")
