"""Baseline migration: creates all tables of the first deployed version.

A constraint without a name gets a name from the naming convention in `store.database.schema`.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.Integer()
_BLOB = sa.LargeBinary()
_DAY = sa.Date()
_WORD = sa.String()
_FLAG = sa.Boolean()


def upgrade() -> None:
    """Create all tables of an empty store."""
    _create_mailbox_tables()
    _create_desk_tables()
    _create_sync_tables()
    op.execute("INSERT INTO usage (id, sealed_bytes) VALUES (1, 0)")


def _create_mailbox_tables() -> None:
    op.create_table(
        "usage", _id(), _column("sealed_bytes", sa.Integer()), sa.CheckConstraint("id = 1", name="one_row")
    )
    op.create_table(
        "mailbox",
        _id(),
        *_columns(
            address=_BLOB, recipient=_BLOB, verify_key=_BLOB, opened_day=_DAY, sealed_bytes=sa.Integer()
        ),
        *_nullable(waiting_since=_DAY, last_day=_DAY, last_author=_NUMBER),
        sa.UniqueConstraint("address"),
        sa.CheckConstraint("length(address) = 20", name="address"),
    )
    op.create_index(
        op.f("ix_mailbox_waiting_since_last_day_address"), "mailbox", ["waiting_since", "last_day", "address"]
    )
    op.create_table(
        "sealed",
        _id(),
        *_columns(size=_NUMBER, shield=_BLOB),
        *_nullable(header=_BLOB, payload=_BLOB),
        sa.CheckConstraint("length(payload) <= 1048576", name="chunk"),
    )
    op.create_table("deletion_queue", _id())
    op.create_table(
        "strand_head",
        _id(),
        _column("address", _BLOB, sa.ForeignKey("mailbox.address")),
        *_columns(author=_NUMBER, strand=_BLOB, number=_NUMBER, digest=_BLOB),
        sa.UniqueConstraint("address", "author", "strand"),
    )
    op.create_table(
        "entry",
        _id(),
        _column("address", _BLOB, sa.ForeignKey("mailbox.address")),
        *_columns(author=_NUMBER, strand=_BLOB, number=_NUMBER, entry_id=_BLOB, digest=_BLOB, envelope=_BLOB),
        *_columns(signature=_BLOB, epoch=_NUMBER, day=_DAY),
        *_nullable(removal=_BLOB),
        sa.UniqueConstraint("address", "author", "strand", "number"),
        sa.UniqueConstraint("address", "entry_id"),
        sa.CheckConstraint("author IN (0, 1)", name="author"),
        sa.CheckConstraint("number >= 1", name="number"),
    )
    op.create_table(
        "attachment",
        _id(sa.ForeignKey("sealed.id")),
        _column("address", _BLOB, sa.ForeignKey("mailbox.address")),
        *_columns(entry_id=_BLOB, attachment_id=_BLOB, chunks=_NUMBER, is_whole=_FLAG),
        *_nullable(pending_half_hour=_NUMBER, peer=_BLOB),
        sa.UniqueConstraint("attachment_id"),
    )
    op.create_index(op.f("ix_attachment_address_entry_id"), "attachment", ["address", "entry_id"])
    op.create_index(op.f("ix_attachment_pending_half_hour"), "attachment", ["pending_half_hour"])
    op.create_table(
        "chunk",
        _id(sa.ForeignKey("sealed.id")),
        _column("attachment_row", sa.Integer(), sa.ForeignKey("attachment.id")),
        *_columns(number=_NUMBER),
        sa.UniqueConstraint("attachment_row", "number"),
    )
    op.create_table(
        "ended_mailbox",
        _id(),
        *_columns(address=_BLOB, recipient=_BLOB, verify_key=_BLOB, statement=_BLOB, day=_DAY),
        *_columns(is_counted=_FLAG),
        sa.UniqueConstraint("address"),
    )


def _create_desk_tables() -> None:
    op.create_table(
        "letterhead",
        sa.Column("serial", sa.Integer(), primary_key=True, autoincrement=False),
        *_columns(body=_BLOB, signature=_BLOB),
    )
    op.create_table(
        "record",
        _id(sa.ForeignKey("sealed.id")),
        *_columns(kind=_WORD, name=_BLOB, revision=_NUMBER, is_dropped=_FLAG, goes_to_peers=_FLAG),
        sa.UniqueConstraint("kind", "name"),
        sa.CheckConstraint("revision >= 1", name="revision"),
    )
    op.create_table(
        "deletion_order",
        _id(sa.ForeignKey("sealed.id")),
        _column("address", _BLOB, sa.ForeignKey("mailbox.address")),
        *_columns(due=_DAY),
        sa.UniqueConstraint("address"),
    )
    op.create_index(op.f("ix_deletion_order_due"), "deletion_order", ["due"])
    op.create_table(
        "deletion_order_tally",
        _id(sa.ForeignKey("sealed.id")),
        _column("order_row", sa.Integer(), sa.ForeignKey("deletion_order.id")),
        *_columns(number=_NUMBER),
        sa.UniqueConstraint("order_row", "number"),
    )
    op.create_table(
        "ledger_tally",
        _id(sa.ForeignKey("sealed.id")),
        *_columns(digest=_BLOB),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "public_file", _id(), _column("name", _WORD), _column("body", _BLOB), sa.UniqueConstraint("name")
    )


def _create_sync_tables() -> None:
    op.create_table(
        "peer",
        _id(),
        *_columns(name=_BLOB, card=_BLOB, sent_serial=_NUMBER, acknowledged_serial=_NUMBER),
        *_columns(applied_serial=_NUMBER),
        *_nullable(last_applied_day=_DAY, rollback_day=_DAY),
        *_columns(letterhead_serial=_NUMBER, has_more=_FLAG),
        sa.UniqueConstraint("name"),
        sa.CheckConstraint("length(name) IN (0, 8)", name="name"),
    )
    op.create_table(
        "outbox",
        _id(),
        _column("peer", _BLOB, sa.ForeignKey("peer.name")),
        *_columns(kind=_WORD, address=_BLOB, name=_BLOB, tally_digests=_BLOB),
        *_nullable(pouch_serial=_NUMBER, packed_revision=_NUMBER),
        *_columns(is_changed=_FLAG),
        sa.UniqueConstraint("peer", "kind", "address", "name"),
    )
    op.create_index(op.f("ix_outbox_peer_address"), "outbox", ["peer", "address"])
    op.create_table(
        "sync_finding",
        _id(),
        *_columns(address=_BLOB, entry_id=_BLOB, kind=_WORD, day=_DAY),
        sa.UniqueConstraint("address", "entry_id", "kind"),
    )


def _id(*constraints: sa.ForeignKey) -> sa.Column[int]:
    return sa.Column("id", sa.Integer(), *constraints, primary_key=True, autoincrement=False)


def _column(name: str, kind: Any, *constraints: sa.ForeignKey) -> sa.Column[Any]:  # noqa: ANN401  # any column type
    return sa.Column(name, kind, *constraints, nullable=False)


def _columns(**kinds: Any) -> list[sa.Column[Any]]:  # noqa: ANN401  # any column type
    return [_column(name, kind) for name, kind in kinds.items()]


def _nullable(**kinds: Any) -> list[sa.Column[Any]]:  # noqa: ANN401  # any column type
    return [sa.Column(name, kind) for name, kind in kinds.items()]
