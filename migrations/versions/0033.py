"""accounting: an organisation's books elsewhere, and the bill of each payout; an account at Zoho

Revision ID: 0033
Revises: 0032
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from webapp import database

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

SETUPS, PACES, VENDORS, BILLS = (
    "accounting_setups",
    "accounting_paces",
    "accounting_vendors",
    "accounting_bills",
)
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_CHECK = "ck_provider_accounts_provider_is_known"


def _id(name: str, **more: object) -> sa.Column:
    return sa.Column(name, _ID, nullable=bool(more.pop("nullable", False)), **more)


def _text(name: str, length: int) -> sa.Column:
    return sa.Column(name, sa.String(length=length), nullable=False)


def _instant(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, database.UtcDateTime(), nullable=nullable)


def _number(name: str) -> sa.Column:
    return sa.Column(name, sa.Integer(), nullable=False)


def _points(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}"))


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def _check(table: str, name: str, rule: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(rule, name=op.f(f"ck_{table}_{name}"))


def _know(providers: str) -> None:
    with op.batch_alter_table("provider_accounts") as batch_op:
        batch_op.drop_constraint(op.f(_CHECK), type_="check")
        batch_op.create_check_constraint(op.f(_CHECK), f"provider IN ({providers})")


def upgrade() -> None:
    """Apply."""
    _know("'cashfree', 'phonepe', 'zoho'")
    op.create_table(
        SETUPS,
        _id("id", autoincrement=True),
        _id("organisation_id"),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        _text("books_id", 60),
        _text("books_name", 200),
        _text("bill_account_id", 60),
        _text("bill_account_name", 200),
        _text("paid_through_id", 60),
        _text("paid_through_name", 200),
        sa.Column("programs", sa.JSON(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        _number("due_days"),
        _number("calls_a_day"),
        sa.Column("choices", sa.JSON(), nullable=False),
        _text("problem", 500),
        _instant("last_success_at", nullable=True),
        _number("version"),
        _id("changed_by_id", nullable=True),
        _instant("created_at"),
        _instant("changed_at"),
        _check(SETUPS, "due_days_range", "due_days BETWEEN 0 AND 90"),
        _check(SETUPS, "calls_a_day_range", "calls_a_day BETWEEN 100 AND 100000"),
        _check(
            SETUPS,
            "on_needs_books_and_accounts",
            "NOT is_on OR (books_id <> '' AND bill_account_id <> '' AND paid_through_id <> '')",
        ),
        _points(SETUPS, "organisation_id", "organisations"),
        _points(SETUPS, "changed_by_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{SETUPS}")),
        _unique(SETUPS, "organisation_id"),
    )
    op.create_table(
        PACES,
        _id("organisation_id"),
        sa.Column("booked_until_ms", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        _number("day_calls"),
        _instant("paused_until", nullable=True),
        _check(PACES, "day_calls_not_negative", "day_calls >= 0"),
        _points(PACES, "organisation_id", "organisations"),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f(f"pk_{PACES}")),
    )
    op.create_table(
        VENDORS,
        _id("id", autoincrement=True),
        _id("organisation_id"),
        _text("books_id", 60),
        _id("payee_id"),
        _text("currency", 3),
        _text("vendor_id", 60),
        _text("vendor_name", 250),
        sa.Column("was_found", sa.Boolean(), nullable=False),
        _instant("created_at"),
        _points(VENDORS, "organisation_id", "organisations"),
        _points(VENDORS, "payee_id", "payees"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{VENDORS}")),
        sa.UniqueConstraint(
            "organisation_id", "books_id", "payee_id", "currency", name=op.f("uq_accounting_vendors_payee_currency")
        ),
        _unique(VENDORS, "organisation_id", "books_id", "vendor_id"),
    )
    op.create_index("ix_accounting_vendors_payee", VENDORS, ["payee_id"])
    op.create_table(
        BILLS,
        _id("id", autoincrement=True),
        _id("organisation_id"),
        _id("payout_id"),
        _text("books_id", 60),
        _text("state", 20),
        _text("vendor_id", 60),
        _text("bill_id", 60),
        _text("payment_id", 60),
        _text("payment_reference", 120),
        _number("asks"),
        _number("tries"),
        _text("error", 500),
        _text("error_code", 120),
        _instant("asked_at"),
        _instant("tried_at", nullable=True),
        _instant("synced_at", nullable=True),
        _instant("lease_until", nullable=True),
        _text("leased_by", 120),
        _check(BILLS, "state_is_known", "state IN ('not_synced', 'queued', 'synced', 'failed', 'void')"),
        _check(BILLS, "counts_not_negative", "tries >= 0 AND asks >= 0"),
        _check(BILLS, "synced_has_a_bill", "state <> 'synced' OR bill_id <> ''"),
        _points(BILLS, "organisation_id", "organisations"),
        _points(BILLS, "payout_id", "payouts"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{BILLS}")),
        _unique(BILLS, "payout_id"),
    )
    op.create_index("ix_accounting_bills_state", BILLS, ["organisation_id", "state", "payout_id"])


def downgrade() -> None:
    """Take back."""
    for table in (BILLS, VENDORS, PACES, SETUPS):
        op.drop_table(table)
    op.execute("DELETE FROM provider_tokens WHERE account_id IN (SELECT id FROM provider_accounts WHERE provider = 'zoho')")
    op.execute("DELETE FROM provider_accounts WHERE provider = 'zoho'")
    _know("'cashfree', 'phonepe'")
