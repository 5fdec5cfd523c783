"""mails are found by the person they went to

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("emails", schema=None) as batch_op:
        batch_op.create_index("ix_emails_user", ["user_id", "id"], unique=False)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("emails", schema=None) as batch_op:
        batch_op.drop_index("ix_emails_user")
