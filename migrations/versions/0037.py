"""partners: on what terms each partner takes part in a deal is recorded when it is won

Revision ID: 0037
Revises: 0036
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

TABLE = "partners_attributions"
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# What was earned by a partner's own rate says the rate; the rest is as the partner is now.
_RECORD = """
UPDATE partners_attributions SET
    partner_type = (SELECT p.type FROM partners_profiles p WHERE p.payee_id = partners_attributions.payee_id),
    tier = (SELECT p.tier FROM partners_profiles p WHERE p.payee_id = partners_attributions.payee_id),
    rate_by_id = (SELECT p.changed_by_id FROM partners_profiles p WHERE p.payee_id = partners_attributions.payee_id),
    rate_bp = coalesce(
        (
            SELECT max(c.rate_bp) FROM partners_commissions c
            WHERE c.deal_id = partners_attributions.deal_id AND c.payee_id = partners_attributions.payee_id
            AND c.kind = 'sale' AND c.state <> 'cancelled' AND c.rule_id IS NULL
        ),
        (SELECT p.rate_bp FROM partners_profiles p WHERE p.payee_id = partners_attributions.payee_id),
        0
    )
WHERE is_frozen OR deal_id IN (SELECT d.id FROM partners_deals d WHERE d.state = 'won')
"""


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table(TABLE) as batch_op:
        batch_op.add_column(sa.Column("partner_type", sa.String(length=15), nullable=True))
        batch_op.add_column(sa.Column("tier", sa.String(length=10), nullable=True))
        batch_op.add_column(sa.Column("rate_bp", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("rate_by_id", _ID, nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_partners_attributions_rate_by_id"), "users", ["rate_by_id"], ["id"]
        )
    op.execute(_RECORD)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table(TABLE) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_partners_attributions_rate_by_id"), type_="foreignkey")
        for name in ("rate_by_id", "rate_bp", "tier", "partner_type"):
            batch_op.drop_column(name)
