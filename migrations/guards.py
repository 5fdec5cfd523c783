"""Triggers and rows that the first migration installs beside the tables; they are part of it and stay as they are."""

from __future__ import annotations

from alembic import op


def install() -> None:
    """Put the ledger's zero row in place."""
    op.execute("INSERT INTO ledger_zero (value) VALUES (0)")


def remove() -> None:
    """Take back what `install` did; dropping the tables drops their triggers."""
    op.execute("DELETE FROM ledger_zero")
