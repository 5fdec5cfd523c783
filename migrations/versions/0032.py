"""installations: retention

Revision ID: 0032
Revises: 0031
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from webapp import database

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "installation_retentions",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("organisation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("payee_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("installation_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("payout_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("release_payout_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("rate_bp", sa.Integer(), nullable=False),
        sa.Column("charged_minor", sa.BigInteger(), nullable=False),
        sa.Column("release_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("offer", sa.String(length=10), nullable=False),
        sa.Column("offer_reason", sa.String(length=300), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("edited_by_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("settled_at", database.UtcDateTime(), nullable=True),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(state = 'released') = (release_payout_id IS NOT NULL)",
            name=op.f("ck_installation_retentions_released_has_its_payout"),
        ),
        sa.CheckConstraint(
            "charged_minor = 0 OR reason <> ''",
            name=op.f("ck_installation_retentions_charged_has_its_reason"),
        ),
        sa.CheckConstraint(
            "offer IN ('open', 'blocked', 'dismissed')",
            name=op.f("ck_installation_retentions_offer_is_known"),
        ),
        sa.CheckConstraint(
            "state <> 'charged' OR charged_minor = amount_minor",
            name=op.f("ck_installation_retentions_charged_is_all"),
        ),
        sa.CheckConstraint(
            "state IN ('held', 'released', 'charged', 'cancelled')",
            name=op.f("ck_installation_retentions_state_is_known"),
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_installation_retentions_amount_is_positive")),
        sa.CheckConstraint(
            "charged_minor BETWEEN 0 AND amount_minor",
            name=op.f("ck_installation_retentions_charged_at_most_all"),
        ),
        sa.ForeignKeyConstraint(
            ["edited_by_id"], ["users.id"], name=op.f("fk_installation_retentions_edited_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["installation_id"], ["installations.id"], name=op.f("fk_installation_retentions_installation_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_installation_retentions_organisation_id")
        ),
        sa.ForeignKeyConstraint(
            ["payee_id"], ["payees.id"], name=op.f("fk_installation_retentions_payee_id")
        ),
        sa.ForeignKeyConstraint(
            ["payout_id"], ["payouts.id"], name=op.f("fk_installation_retentions_payout_id")
        ),
        sa.ForeignKeyConstraint(
            ["release_payout_id"], ["payouts.id"], name=op.f("fk_installation_retentions_release_payout_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation_retentions")),
        sa.UniqueConstraint(
            "payout_id", "installation_id", name=op.f("uq_installation_retentions_payout_id_installation_id")
        ),
    )
    with op.batch_alter_table("installation_retentions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_installation_retentions_due", ["organisation_id", "state", "release_on", "id"], unique=False
        )
        batch_op.create_index("ix_installation_retentions_installation", ["installation_id"], unique=False)
        batch_op.create_index("ix_installation_retentions_payee", ["payee_id", "id"], unique=False)
        batch_op.create_index(
            "ix_installation_retentions_release_payout", ["release_payout_id"], unique=False
        )

    with op.batch_alter_table("installation_settings", schema=None) as batch_op:
        batch_op.add_column(sa.Column("retention_bp", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("retention_days", sa.Integer(), server_default="0", nullable=False))
        batch_op.create_check_constraint(
            batch_op.f("ck_installation_settings_retention_in_range"), "retention_bp BETWEEN 0 AND 5000"
        )
        batch_op.create_check_constraint(
            batch_op.f("ck_installation_settings_retention_days_in_range"),
            "retention_days BETWEEN 0 AND 3650",
        )


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("installation_settings", schema=None) as batch_op:
        batch_op.drop_constraint(
            batch_op.f("ck_installation_settings_retention_days_in_range"), type_="check"
        )
        batch_op.drop_constraint(batch_op.f("ck_installation_settings_retention_in_range"), type_="check")
        batch_op.drop_column("retention_days")
        batch_op.drop_column("retention_bp")

    with op.batch_alter_table("installation_retentions", schema=None) as batch_op:
        batch_op.drop_index("ix_installation_retentions_release_payout")
        batch_op.drop_index("ix_installation_retentions_payee")
        batch_op.drop_index("ix_installation_retentions_installation")
        batch_op.drop_index("ix_installation_retentions_due")

    op.drop_table("installation_retentions")
