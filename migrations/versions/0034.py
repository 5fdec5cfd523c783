"""partners: who changed a deal

Revision ID: 0034
Revises: 0033
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

TABLE = "partners_deal_editors"
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        TABLE,
        sa.Column("deal_id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(["deal_id"], ["partners_deals.id"], name=op.f(f"fk_{TABLE}_deal_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f(f"fk_{TABLE}_user_id")),
        sa.PrimaryKeyConstraint("deal_id", "user_id", name=op.f(f"pk_{TABLE}")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table(TABLE)
