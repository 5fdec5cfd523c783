"""webhooks: an endpoint that gave no answer is left alone; calls to others' systems have a queue of their own

Revision ID: 0036
Revises: 0035
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from webapp import database

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def _move(kind: str, to_queue: str) -> None:
    """What is done stays as it was; what waits, or gave up and may be tried again, has another worker."""
    messages = sa.table("outbox", sa.column("kind"), sa.column("queue"), sa.column("done_at"))
    op.execute(
        messages.update().where(messages.c.kind == kind, messages.c.done_at.is_(None)).values(queue=to_queue)
    )


def upgrade() -> None:
    """Apply."""
    op.add_column("webhook_endpoints", sa.Column("quiet_until", database.UtcDateTime(), nullable=True))
    _move("webhook.deliver", "outside")
    _move("accounting.sync", "outside")


def downgrade() -> None:
    """Take back."""
    _move("webhook.deliver", "mail")
    _move("accounting.sync", "bulk")
    with op.batch_alter_table("webhook_endpoints") as batch_op:
        batch_op.drop_column("quiet_until")
