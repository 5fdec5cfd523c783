"""partners: programs whose payouts are made by themselves

Revision ID: 0028
Revises: 0027
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("partners_programs", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("is_automatic", sa.Boolean(), server_default=sa.text("true"), nullable=False)
        )


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("partners_programs", schema=None) as batch_op:
        batch_op.drop_column("is_automatic")
