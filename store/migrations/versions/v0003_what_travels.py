"""Peers, what they are not known to have, and what of the other tables travels to them."""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables and columns. What lay in the store stays, and a tally that lay there twice does once."""
    _add_tables()
    # A table is made anew instead of added to: so its columns need no default that a writer could forget.
    for table in ("ended", "record", "ledger"):
        op.rename_table(table, f"{table}_before")
    _make_ended()
    _make_record()
    _make_ledger()
    for table in ("ended", "record", "ledger"):
        op.drop_table(f"{table}_before")


def _add_tables() -> None:
    op.create_table(
        "peer",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("card", sa.LargeBinary(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("acked", sa.Integer(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("heard", sa.Date(), nullable=True),
        sa.Column("setback", sa.Date(), nullable=True),
        sa.Column("letterhead", sa.Integer(), nullable=False),
        sa.Column("has_more", sa.Boolean(), nullable=False),
        sa.CheckConstraint("length(name) IN (0, 8)", name=op.f("ck_peer_name")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_peer")),
        sa.UniqueConstraint("name", name=op.f("uq_peer_name")),
    )
    op.create_table(
        "undelivered",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("peer", sa.LargeBinary(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("detail", sa.LargeBinary(), nullable=False),
        sa.Column("pouch", sa.Integer(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("is_changed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["peer"], ["peer.name"], name=op.f("fk_undelivered_peer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_undelivered")),
        sa.UniqueConstraint(
            "peer", "what", "address", "name", name=op.f("uq_undelivered_peer_what_address_name")
        ),
    )
    op.create_table(
        "finding",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("entry_id", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
        sa.UniqueConstraint("address", "entry_id", "kind", name=op.f("uq_finding_address_entry_id_kind")),
    )
    op.add_column("attachment", sa.Column("peer", sa.LargeBinary(), nullable=True))
    op.create_index(op.f("ix_undelivered_peer_address"), "undelivered", ["peer", "address"], unique=False)


def _make_ended() -> None:
    op.create_table(
        "ended",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("recipient", sa.LargeBinary(), nullable=False),
        sa.Column("verify_key", sa.LargeBinary(), nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("is_counted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ended")),
        sa.UniqueConstraint("address", name=op.f("uq_ended_address")),
    )
    op.execute(
        "INSERT INTO ended (id, address, recipient, verify_key, statement, day, is_counted)"
        " SELECT id, address, recipient, verify_key, statement, day, 0 FROM ended_before"
    )


def _make_record() -> None:
    op.create_table(
        "record",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("base", sa.Integer(), nullable=False),
        sa.Column("travels", sa.Boolean(), nullable=False),
        sa.CheckConstraint("revision >= 1", name=op.f("ck_record_revision")),
        sa.ForeignKeyConstraint(["id"], ["sealed.id"], name=op.f("fk_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record")),
        sa.UniqueConstraint("kind", "name", name=op.f("uq_record_kind_name")),
    )
    op.execute(
        "INSERT INTO record (id, kind, name, revision, base, travels)"
        " SELECT id, kind, name, revision, 0, kind NOT IN ('draft', 'unsent') FROM record_before"
    )


def _make_ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["sealed.id"], name=op.f("fk_ledger_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger")),
        sa.UniqueConstraint("digest", name=op.f("uq_ledger_digest")),
    )
    connection = op.get_bind()
    tallies = sa.text(  # a column of SQLite holds any type, and what is no bytes still has a digest
        "SELECT ledger_before.id, CAST(coalesce(sealed.header, x'') AS BLOB)"
        " FROM ledger_before JOIN sealed ON sealed.id = ledger_before.id"
    )
    keep = sa.text("INSERT INTO ledger (id, digest) VALUES (:id, :digest) ON CONFLICT (digest) DO NOTHING")
    for row, tally in connection.execute(tallies):
        connection.execute(keep, {"id": row, "digest": hashlib.sha256(tally).digest()})
    twice = "SELECT id FROM ledger_before WHERE id NOT IN (SELECT id FROM ledger)"
    op.execute(f"UPDATE sealed SET header = NULL WHERE id IN ({twice})")  # noqa: S608  # our own words
    op.execute(f"INSERT OR IGNORE INTO doomed (id) {twice}")
