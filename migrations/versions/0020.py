"""imports: a column that nothing used goes

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.drop_column("import_files", "report_key")


def downgrade() -> None:
    """Take back."""
    op.add_column(
        "import_files", sa.Column("report_key", sa.String(length=200), server_default="", nullable=False)
    )
