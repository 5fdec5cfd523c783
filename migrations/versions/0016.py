"""rents may be paid from a credit and go back whole; what left twice has a bearer

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATES = "'pending', 'to_verify', 'completed', 'failed', 'cancelled', 'refunded'"
SOURCES = "'phonepe', 'manual'"
CHOICES = "'accept', 'refund_all', 'by_hand', 'as_said'"


def upgrade() -> None:
    """Apply."""
    _narrow(f"{STATES}, 'going_back'", f"{SOURCES}, 'credit'")
    with op.batch_alter_table("rent_payments") as batch_op:
        batch_op.create_check_constraint(
            batch_op.f("ck_rent_payments_credit_not_negative"), "credit_minor >= 0"
        )
    _choices(f"{CHOICES}, 'leave'")
    with op.batch_alter_table("rent_returns") as batch_op:
        batch_op.create_check_constraint(
            batch_op.f("ck_rent_returns_excess_at_most_the_amount"),
            "excess_minor BETWEEN 0 AND amount_minor",
        )
        batch_op.create_check_constraint(
            batch_op.f("ck_rent_returns_excess_has_a_bearer"),
            "(excess_minor = 0 AND excess_to = '') OR (excess_minor > 0 AND excess_to IN ('tenant', 'loss'))",
        )


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("rent_returns") as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_rent_returns_excess_has_a_bearer"), type_="check")
        batch_op.drop_constraint(batch_op.f("ck_rent_returns_excess_at_most_the_amount"), type_="check")
    with op.batch_alter_table("rent_payments") as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_rent_payments_credit_not_negative"), type_="check")
    _choices(CHOICES)
    _narrow(STATES, SOURCES)


def _narrow(states: str, sources: str) -> None:
    with op.batch_alter_table("rent_payments") as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_rent_payments_state_is_known"), type_="check")
        batch_op.create_check_constraint(
            batch_op.f("ck_rent_payments_state_is_known"), f"state IN ({states})"
        )
        batch_op.drop_constraint(batch_op.f("ck_rent_payments_source_is_known"), type_="check")
        batch_op.create_check_constraint(
            batch_op.f("ck_rent_payments_source_is_known"), f"source IN ({sources})"
        )


def _choices(choices: str) -> None:
    with op.batch_alter_table("rent_decisions") as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_rent_decisions_choice_is_known"), type_="check")
        batch_op.create_check_constraint(
            batch_op.f("ck_rent_decisions_choice_is_known"), f"choice IN ({choices})"
        )
