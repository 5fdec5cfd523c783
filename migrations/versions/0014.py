"""transfers are found by the bank's own references

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    for name, column in (("utr", "utr"), ("provider_reference", "provider_reference")):
        op.create_index(
            f"ix_transfers_{name}",
            "transfers",
            ["organisation_id", column],
            sqlite_where=sa.text(f"{column} <> ''"),
            postgresql_where=sa.text(f"{column} <> ''"),
        )


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_transfers_provider_reference", table_name="transfers")
    op.drop_index("ix_transfers_utr", table_name="transfers")
