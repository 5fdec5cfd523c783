"""partners: registrations are withdrawn, payouts requested

Revision ID: 0027
Revises: 0026
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from webapp import database

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

TABLE, CHECK = "partners_registrations", "ck_partners_registrations_state_is_known"
BEFORE, AFTER = ("pending", "approved", "rejected"), ("pending", "approved", "rejected", "withdrawn")


def _among(states: tuple[str, ...]) -> str:
    return f"state IN ({', '.join(repr(state) for state in states)})"


def _table(states: tuple[str, ...]) -> sa.Table:
    """The whole table as it is: SQLite copies it to change a check, and does not tell which others there are."""
    ident = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    name = f"ck_{TABLE}"
    return sa.Table(
        TABLE,
        sa.MetaData(),
        sa.Column("id", ident, autoincrement=True, nullable=False),
        sa.Column("organisation_id", ident, nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("payee_id", ident, nullable=False),
        sa.Column("program_id", ident, nullable=False),
        sa.Column("deal_id", ident, nullable=True),
        sa.Column("customer", sa.String(length=200), nullable=False),
        sa.Column("product", sa.String(length=200), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("expected_minor", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.String(length=2000), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("decided_by_id", ident, nullable=True),
        sa.Column("decided_by_label", sa.String(length=254), nullable=False),
        sa.Column("decided_at", database.UtcDateTime(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state <> 'approved' OR deal_id IS NOT NULL", name=op.f(f"{name}_accepted_has_its_deal")
        ),
        sa.CheckConstraint("state <> 'rejected' OR reason <> ''", name=op.f(f"{name}_refused_has_its_reason")),
        sa.CheckConstraint(_among(states), name=op.f(CHECK)),
        sa.CheckConstraint("expected_minor >= 0", name=op.f(f"{name}_expected_not_negative")),
        sa.ForeignKeyConstraint(["deal_id"], ["partners_deals.id"], name=op.f(f"fk_{TABLE}_deal_id")),
        sa.ForeignKeyConstraint(["decided_by_id"], ["users.id"], name=op.f(f"fk_{TABLE}_decided_by_id")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f(f"fk_{TABLE}_organisation_id")
        ),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f(f"fk_{TABLE}_payee_id")),
        sa.ForeignKeyConstraint(["program_id"], ["partners_programs.id"], name=op.f(f"fk_{TABLE}_program_id")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{TABLE}")),
        sa.UniqueConstraint("organisation_id", "reference", name=op.f(f"uq_{TABLE}_organisation_id_reference")),
        sa.Index(f"ix_{TABLE}_deal", "deal_id"),
        sa.Index(f"ix_{TABLE}_organisation", "organisation_id", "state", "id"),
        sa.Index(f"ix_{TABLE}_payee", "payee_id", "id"),
    )  # fmt: skip


def _allow(old: tuple[str, ...], new: tuple[str, ...]) -> None:
    with op.batch_alter_table(TABLE, schema=None, copy_from=_table(old)) as batch_op:
        batch_op.drop_constraint(op.f(CHECK), type_="check")
        batch_op.create_check_constraint(op.f(CHECK), _among(new))


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("partners_programs", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("partners_may_request", sa.Boolean(), server_default=sa.text("false"), nullable=False)
        )
    _allow(BEFORE, AFTER)


def downgrade() -> None:
    """Take back."""
    op.execute(
        "UPDATE partners_registrations SET state = 'rejected', reason = 'Withdrawn.' WHERE state = 'withdrawn'"
    )
    _allow(AFTER, BEFORE)
    with op.batch_alter_table("partners_programs", schema=None) as batch_op:
        batch_op.drop_column("partners_may_request")
