"""partners: exchange rates, and what payouts in other currencies gained or lost

Revision ID: 0030
Revises: 0029
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from webapp import database

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

RATES, DIFFERENCES = "partners_exchange_rates", "partners_exchange_differences"
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        RATES,
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("organisation_id", _ID, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("base", sa.String(length=3), nullable=False),
        sa.Column("rate", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(length=2000), nullable=False),
        sa.Column("created_by_id", _ID, nullable=True),
        sa.Column("created_by_label", sa.String(length=254), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("ended_at", database.UtcDateTime(), nullable=True),
        sa.CheckConstraint("rate > 0", name=op.f("ck_partners_exchange_rates_rate_above_zero")),
        sa.CheckConstraint("currency <> base", name=op.f("ck_partners_exchange_rates_of_another_currency")),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_partners_exchange_rates_created_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_partners_exchange_rates_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partners_exchange_rates")),
        sa.UniqueConstraint(
            "organisation_id", "currency", "base", "valid_from", "version", name="uq_partners_exchange_rates_day"
        ),
    )
    with op.batch_alter_table(RATES, schema=None) as batch_op:
        batch_op.create_index(
            "uq_partners_exchange_rates_current",
            ["organisation_id", "base", "currency", "valid_from"],
            unique=True,
            sqlite_where=sa.text("is_current IS 1"),
            postgresql_where=sa.text("is_current IS true"),
        )
        batch_op.create_index(
            "ix_partners_exchange_rates_organisation", ["organisation_id", "valid_from", "id"], unique=False
        )
    _differences()


def _differences() -> None:
    op.create_table(
        DIFFERENCES,
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("organisation_id", _ID, nullable=False),
        sa.Column("payout_id", _ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("base", sa.String(length=3), nullable=False),
        sa.Column("approved_on", sa.Date(), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("approved_rate_id", _ID, nullable=True),
        sa.Column("paid_rate_id", _ID, nullable=True),
        sa.Column("approved_value_minor", sa.BigInteger(), nullable=True),
        sa.Column("paid_value_minor", sa.BigInteger(), nullable=True),
        sa.Column("difference_minor", sa.BigInteger(), nullable=True),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("booked_at", database.UtcDateTime(), nullable=True),
        sa.Column("returned_on", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'booked', 'returning', 'returned', 'void')",
            name=op.f("ck_partners_exchange_differences_state_is_known"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('booked', 'returned') OR difference_minor IS NOT NULL",
            name=op.f("ck_partners_exchange_differences_booked_has_its_amount"),
        ),
        sa.CheckConstraint(
            "currency <> base", name=op.f("ck_partners_exchange_differences_of_another_currency")
        ),
        sa.ForeignKeyConstraint(
            ["approved_rate_id"], [f"{RATES}.id"], name=op.f("fk_partners_exchange_differences_approved_rate_id")
        ),
        sa.ForeignKeyConstraint(
            ["paid_rate_id"], [f"{RATES}.id"], name=op.f("fk_partners_exchange_differences_paid_rate_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_partners_exchange_differences_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["payout_id"], ["payouts.id"], name=op.f("fk_partners_exchange_differences_payout_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partners_exchange_differences")),
        sa.UniqueConstraint(
            "payout_id", "round", name=op.f("uq_partners_exchange_differences_payout_id_round")
        ),
    )
    with op.batch_alter_table(DIFFERENCES, schema=None) as batch_op:
        batch_op.create_index(
            "ix_partners_exchange_differences_organisation", ["organisation_id", "state", "id"], unique=False
        )


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table(DIFFERENCES, schema=None) as batch_op:
        batch_op.drop_index("ix_partners_exchange_differences_organisation")
    op.drop_table(DIFFERENCES)
    with op.batch_alter_table(RATES, schema=None) as batch_op:
        batch_op.drop_index("ix_partners_exchange_rates_organisation")
        batch_op.drop_index(
            "uq_partners_exchange_rates_current",
            sqlite_where=sa.text("is_current IS 1"),
            postgresql_where=sa.text("is_current IS true"),
        )
    op.drop_table(RATES)
