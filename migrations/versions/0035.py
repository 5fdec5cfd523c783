"""accounting: whose books, which bill is ours, when a payment was sent, the line for a turn; when a token was fetched

Revision ID: 0035
Revises: 0034
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from webapp import database

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

# Books that two organisations keep stay with the first one; an admin of the other chooses anew.
_GIVE_UP = """
UPDATE accounting_setups SET is_on = (false), books_id = '', choices = '{}',
    problem = 'These books are kept by another organisation of this installation. Choose others.'
WHERE books_id <> '' AND EXISTS (
    SELECT 1 FROM accounting_setups AS earlier WHERE earlier.books_id = accounting_setups.books_id
    AND earlier.id < accounting_setups.id
)
"""


def upgrade() -> None:
    """Apply."""
    op.execute(_GIVE_UP)
    with op.batch_alter_table("accounting_setups") as batch_op:
        batch_op.create_index(
            "uq_accounting_setups_books",
            ["books_id"],
            unique=True,
            sqlite_where=sa.text("books_id <> ''"),
            postgresql_where=sa.text("books_id <> ''"),
        )
    with op.batch_alter_table("accounting_paces") as batch_op:
        batch_op.add_column(sa.Column("line_until_ms", sa.BigInteger(), server_default="0", nullable=False))
    with op.batch_alter_table("accounting_bills") as batch_op:
        batch_op.add_column(sa.Column("mark", sa.String(length=20), server_default="", nullable=False))
        batch_op.add_column(sa.Column("payment_sent_at", database.UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("synced_version", sa.Integer(), server_default="0", nullable=False))
    with op.batch_alter_table("provider_tokens") as batch_op:
        batch_op.add_column(sa.Column("fetched_at", database.UtcDateTime(), nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("provider_tokens") as batch_op:
        batch_op.drop_column("fetched_at")
    with op.batch_alter_table("accounting_bills") as batch_op:
        for name in ("synced_version", "payment_sent_at", "mark"):
            batch_op.drop_column(name)
    with op.batch_alter_table("accounting_paces") as batch_op:
        batch_op.drop_column("line_until_ms")
    with op.batch_alter_table("accounting_setups") as batch_op:
        batch_op.drop_index("uq_accounting_setups_books")
