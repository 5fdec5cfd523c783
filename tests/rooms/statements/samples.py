"""Snapshots for the tests of building and drawing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from webapp.statements.build import LineFacts, Snapshot

ISSUED = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def earning(n: int, amount: int = 49_950, **values: Any) -> LineFacts:
    """One installation's line."""
    defaults: dict[str, Any] = {
        "kind": "earning",
        "description": f"ISR-{n:04d} Solar, {n} Elm Street",
        "amount_minor": amount,
        "occurred_on": date(2026, 10, 1) + timedelta(days=n % 28),
        "formula": "9.99 kW × 50.00 USD = 499.50 USD",
        "source_label": f"ISR-{n:04d}",
        "details": {"rate": "Solar national (version 3)"},
    }
    return LineFacts(**{**defaults, **values})


def snapshot(*lines: LineFacts, **values: Any) -> Snapshot:
    """A paid payout of Solaria; the totals are those of the lines unless given."""
    lines = lines or (earning(1), earning(2))
    gross = sum(
        line.amount_minor
        for line in lines
        if line.kind in ("earning", "bonus") or (line.kind == "adjustment" and line.amount_minor > 0)
    )
    defaults: dict[str, Any] = {
        "number": "RA-2026-000042",
        "reference": "PO-2026-000123",
        "state": "paid",
        "issued_at": ISSUED,
        "payer_name": "Solaria Field Services Inc.",
        "payer_address": "1200 Harbor Way\nOakland, CA 94607",
        "payer_tax_id": "12-3456789",
        "payer_email": "payouts@solaria.example",
        "payee_name": "Maya Okafor",
        "payee_reference": "TE-0007",
        "payee_address": "44 Juniper Road\nSacramento, CA 95814",
        "period_start": date(2026, 10, 1),
        "period_end": date(2026, 10, 31),
        "currency": "USD",
        "gross_minor": gross,
        "amount_minor": sum(line.amount_minor for line in lines),
        "lines": lines,
        "country": "US",
        "timezone": "America/Los_Angeles",
        "program": "Installations",
        "method_kind": "bank_account",
        "method_masked": "••4821",
        "payment_reference": "SBX20261103000042",
        "paid_on": date(2026, 11, 3),
    }
    return Snapshot(**{**defaults, **values})


DEDUCTIONS = (
    LineFacts("deduction", "Advance of September", -10_000, date(2026, 10, 3), formula="part 2 of 4"),
    LineFacts("tax", "Withholding", -1_000, formula="2 % × 500.00 USD = 10.00 USD"),
    LineFacts("adjustment", "Rounding of last month", -5),
)
