"""journal entries and accounts leave room in their pages

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# An entry is written open and counted complete a moment later, a balance changes all the time: with room in the page
# PostgreSQL writes the new version beside the old one and touches no index. SQLite changes rows in place.
TABLES = ("journal_entries", "accounts")


def upgrade() -> None:
    """Apply; rows that are there already stay where they are."""
    if op.get_bind().dialect.name == "postgresql":
        for table in TABLES:
            # nosemgrep: sql-text-is-constant - the names stand in this file
            op.execute(f"ALTER TABLE {table} SET (fillfactor = 50)")


def downgrade() -> None:
    """Take back."""
    if op.get_bind().dialect.name == "postgresql":
        for table in TABLES:
            # nosemgrep: sql-text-is-constant - the names stand in this file
            op.execute(f"ALTER TABLE {table} RESET (fillfactor)")
