"""partners: events of a CRM

Revision ID: 0029
Revises: 0028
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from webapp import database

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

TABLE = "partners_events"


def upgrade() -> None:
    """Apply."""
    ident = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        TABLE,
        sa.Column("id", ident, autoincrement=True, nullable=False),
        sa.Column("organisation_id", ident, nullable=False),
        sa.Column("event_id", sa.String(length=120), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("occurred_at", database.UtcDateTime(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("note", sa.String(length=2000), nullable=False),
        sa.Column("deal_id", ident, nullable=True),
        sa.Column("touch_id", ident, nullable=True),
        sa.Column("received_at", database.UtcDateTime(), nullable=False),
        sa.Column("received_by_label", sa.String(length=254), nullable=False),
        sa.CheckConstraint(
            "type IN ('deal.created', 'deal.updated', 'deal.won', 'deal.lost', 'deal.reopened',"
            " 'touchpoint.created')",
            name=op.f(f"ck_{TABLE}_type_is_known"),
        ),
        sa.CheckConstraint("outcome IN ('applied', 'superseded')", name=op.f(f"ck_{TABLE}_outcome_is_known")),
        sa.ForeignKeyConstraint(["deal_id"], ["partners_deals.id"], name=op.f(f"fk_{TABLE}_deal_id")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f(f"fk_{TABLE}_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{TABLE}")),
        sa.UniqueConstraint("organisation_id", "event_id", name=op.f(f"uq_{TABLE}_organisation_id_event_id")),
    )
    with op.batch_alter_table(TABLE, schema=None) as batch_op:
        batch_op.create_index("ix_partners_events_deal", ["deal_id", "occurred_at"], unique=False)


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table(TABLE, schema=None) as batch_op:
        batch_op.drop_index("ix_partners_events_deal")

    op.drop_table(TABLE)
